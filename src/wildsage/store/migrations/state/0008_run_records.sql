-- How a run went: kept with its job or endpoint, because the run's folder goes (JSON of supervisor/summary.py).
CREATE TABLE run_record (
    run_id   TEXT PRIMARY KEY,
    account  TEXT NOT NULL,
    region   TEXT NOT NULL,
    kind     TEXT NOT NULL,              -- of the resource: training-job, endpoint
    name     TEXT NOT NULL,
    ended_at REAL NOT NULL,
    record   TEXT NOT NULL
);
CREATE INDEX run_record_by_resource ON run_record (account, region, kind, name, ended_at);

-- When a resource came into which status.
CREATE TABLE status_change (
    id      INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    region  TEXT NOT NULL,
    kind    TEXT NOT NULL,
    name    TEXT NOT NULL,
    status  TEXT NOT NULL,
    at      REAL NOT NULL
);
CREATE INDEX status_change_by_resource ON status_change (account, region, kind, name, id);
