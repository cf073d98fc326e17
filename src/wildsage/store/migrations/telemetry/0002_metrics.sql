-- A metric with one unit: what CloudWatch adds up.
CREATE TABLE metric_series (
    id         INTEGER PRIMARY KEY,
    account    TEXT NOT NULL,
    region     TEXT NOT NULL,
    namespace  TEXT NOT NULL,
    name       TEXT NOT NULL,
    dimensions TEXT NOT NULL,   -- JSON, [[name, value], ...] ordered by name
    unit       TEXT NOT NULL,
    written_at REAL NOT NULL    -- when the last value came in, whatever time it is of
);
CREATE UNIQUE INDEX metric_series_by_metric
    ON metric_series (account, region, namespace, name, dimensions, unit);

CREATE TABLE metric_dimension (
    name      TEXT NOT NULL,
    value     TEXT NOT NULL,
    series_id INTEGER NOT NULL REFERENCES metric_series (id) ON DELETE CASCADE,
    PRIMARY KEY (name, value, series_id)
) WITHOUT ROWID;
CREATE INDEX metric_dimension_by_series ON metric_dimension (series_id);

-- All values of one second (resolution 1) or one minute (resolution 60) together.
CREATE TABLE metric_point (
    series_id  INTEGER NOT NULL REFERENCES metric_series (id) ON DELETE CASCADE,
    at         INTEGER NOT NULL,   -- seconds since the epoch, a multiple of the resolution
    resolution INTEGER NOT NULL,
    count      REAL NOT NULL,
    total      REAL NOT NULL,
    least      REAL NOT NULL,
    greatest   REAL NOT NULL,
    quantities BLOB,               -- value, count, value, count, ... as doubles; NULL where unknown or obvious
    PRIMARY KEY (series_id, at, resolution)
) WITHOUT ROWID;
