-- Temporary credentials. The long-term key of the owner lies in credentials.json.
CREATE TABLE access_key (
    access_key_id     TEXT PRIMARY KEY,
    account           TEXT NOT NULL,
    secret_access_key TEXT NOT NULL,
    session_token     TEXT NOT NULL,
    principal_arn     TEXT NOT NULL,
    expires_at        REAL NOT NULL,
    bound_to          TEXT NOT NULL   -- what ends them before their time: the ARN of a job, or ''
);
CREATE INDEX access_key_by_bound_to ON access_key (bound_to);
CREATE INDEX access_key_by_expires_at ON access_key (expires_at);
