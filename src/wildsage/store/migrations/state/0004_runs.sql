-- A run is one launch of a training job's container. A job has more than one where the platform lost one.
CREATE TABLE training_run (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,   -- grows: what is new is what is larger
    run_id    TEXT NOT NULL UNIQUE,
    account   TEXT NOT NULL,
    region    TEXT NOT NULL,
    job_name  TEXT NOT NULL,
    attempt   INTEGER NOT NULL,            -- 1, 2, ...
    state     TEXT NOT NULL,               -- queued, launched, settled
    applied   INTEGER NOT NULL DEFAULT 0,  -- the last journal event that became state
    stream_id INTEGER,                     -- its log stream in the telemetry database
    queued_at REAL NOT NULL
);
CREATE INDEX training_run_by_state ON training_run (state, id);
CREATE INDEX training_run_by_job ON training_run (account, region, job_name, attempt);

-- Which role a run may act as, for as long as it lives. Only a digest of its token is kept.
CREATE TABLE run_token (
    run_id   TEXT PRIMARY KEY,
    account  TEXT NOT NULL,
    role_arn TEXT NOT NULL,
    digest   TEXT NOT NULL
);
