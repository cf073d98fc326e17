-- The event bus: what happened, in the order in which it was committed. A row is written in the transaction of
-- the change that it reports.
CREATE TABLE event (
    sequence    INTEGER PRIMARY KEY,   -- grows by one; the newest row is never removed, so no number comes twice
    volume      INTEGER NOT NULL,      -- characters of subject and body of all events up to this one
    account     TEXT NOT NULL,
    region      TEXT NOT NULL,
    bus         TEXT NOT NULL,
    at          REAL NOT NULL,
    source      TEXT NOT NULL,
    detail_type TEXT NOT NULL,
    subject     TEXT NOT NULL,         -- JSON: of a change, the resource beside its body; else the resources that PutEvents named
    body        TEXT NOT NULL          -- JSON: of a change, the resource's body as stored; else the detail that PutEvents gave
);

-- How far each consumer has read.
CREATE TABLE event_consumer (
    name     TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL
);
