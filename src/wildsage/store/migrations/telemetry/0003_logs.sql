-- Up to which position a stream's events went with their age.
ALTER TABLE log_stream ADD COLUMN dropped INTEGER NOT NULL DEFAULT 0;

-- Pages by the time of the last event: a stream that has none is as old as time.
DROP INDEX log_stream_by_last_event;
CREATE INDEX log_stream_by_last_event ON log_stream (group_id, COALESCE(last_event_ms, 0), name);

-- Where a search over many streams goes on: its token names a row, however many streams there are.
CREATE TABLE log_cursor (
    id        TEXT PRIMARY KEY,   -- made of its positions: the same ones have the same token
    positions TEXT NOT NULL,      -- JSON, {stream id: position}
    made_at   REAL NOT NULL
);
CREATE INDEX log_cursor_by_age ON log_cursor (made_at);

-- Metrics that are counted in the events of a group as they come in.
CREATE TABLE metric_filter (
    id         INTEGER PRIMARY KEY,
    group_id   INTEGER NOT NULL REFERENCES log_group (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    pattern    TEXT NOT NULL,
    metric     TEXT NOT NULL,     -- JSON, a metricTransformation
    created_at REAL NOT NULL
);
CREATE UNIQUE INDEX metric_filter_by_name ON metric_filter (group_id, name);
