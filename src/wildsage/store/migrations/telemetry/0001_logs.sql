CREATE TABLE log_group (
    id             INTEGER PRIMARY KEY,
    account        TEXT NOT NULL,
    region         TEXT NOT NULL,
    name           TEXT NOT NULL,
    created_at     REAL NOT NULL,
    retention_days INTEGER,
    tags           TEXT NOT NULL DEFAULT '{}'   -- JSON
);
CREATE UNIQUE INDEX log_group_by_name ON log_group (account, region, name);

-- The content is a segment file; `scanned` is how far the tailer has read it. What lies behind that
-- position is whole already, but not yet in the index, in `last_event_ms` or among the metrics.
CREATE TABLE log_stream (
    id             INTEGER PRIMARY KEY,
    group_id       INTEGER NOT NULL REFERENCES log_group (id) ON DELETE CASCADE,
    name           TEXT NOT NULL,
    segment        TEXT NOT NULL,      -- file name below the log folder
    created_at     REAL NOT NULL,
    scanned        INTEGER NOT NULL DEFAULT 0,
    first_event_ms INTEGER,
    last_event_ms  INTEGER,
    ingested_at    REAL
);
CREATE UNIQUE INDEX log_stream_by_name ON log_stream (group_id, name);
CREATE INDEX log_stream_by_last_event ON log_stream (group_id, last_event_ms, id);

-- Every so many bytes, where a frame begins: pages are found without reading the file from its start.
CREATE TABLE log_position (
    stream_id    INTEGER NOT NULL REFERENCES log_stream (id) ON DELETE CASCADE,
    position     INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL,   -- of the latest event up to and with this one
    PRIMARY KEY (stream_id, position)
) WITHOUT ROWID;

-- Values that a job's log lines reported, in the order of the lines.
CREATE TABLE job_metric (
    id    INTEGER PRIMARY KEY,
    arn   TEXT NOT NULL,
    name  TEXT NOT NULL,
    at    REAL NOT NULL,
    value REAL NOT NULL
);
CREATE INDEX job_metric_by_job ON job_metric (arn, name, id);
