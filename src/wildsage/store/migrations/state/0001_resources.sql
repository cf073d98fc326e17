-- Every resource of every service that has a name: one row, its body as JSON in the shape of Describe.
CREATE TABLE resource (
    id          INTEGER PRIMARY KEY,
    account     TEXT NOT NULL,
    region      TEXT NOT NULL,   -- '' for global services (IAM)
    kind        TEXT NOT NULL,   -- 'training-job', 'endpoint', ...: the resource type of the ARN
    name        TEXT NOT NULL,
    arn         TEXT NOT NULL,
    status      TEXT NOT NULL,   -- '' where the kind has none; changed only by a transition of core/states.py
    created_at  REAL NOT NULL,
    modified_at REAL NOT NULL,
    body        TEXT NOT NULL
);
CREATE UNIQUE INDEX resource_by_name ON resource (account, region, kind, name);
CREATE INDEX resource_by_created ON resource (account, region, kind, created_at, id);
CREATE INDEX resource_by_modified ON resource (account, region, kind, modified_at, id);
CREATE INDEX resource_by_status ON resource (account, region, kind, status, created_at, id);
CREATE UNIQUE INDEX resource_by_arn ON resource (arn);

-- The ARN holds account and region.
CREATE TABLE tag (
    arn      TEXT NOT NULL,
    key      TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (arn, key)
);
