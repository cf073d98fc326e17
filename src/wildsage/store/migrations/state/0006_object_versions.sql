-- What is current stays in `object`, one row for each key: a bucket without versions has no more than that,
-- and no read or list of current objects meets an old version or a delete marker.
CREATE TABLE current_object (
    bucket        TEXT NOT NULL REFERENCES bucket (name),
    key           TEXT NOT NULL,
    version_id    TEXT NOT NULL,   -- '' of the null version, the only one of a bucket without versioning
    content       TEXT NOT NULL,   -- whose pieces, in order, are the bytes; copies share it
    size          INTEGER NOT NULL,
    etag          TEXT NOT NULL,   -- without quotes
    modified_at   REAL NOT NULL,
    storage_class TEXT NOT NULL,
    attributes    TEXT NOT NULL,   -- JSON: headers, metadata, tags, checksums, encryption, locks
    sequence      INTEGER NOT NULL DEFAULT 0,  -- among the versions of the key; the newest has the largest
    PRIMARY KEY (bucket, key)
);
INSERT INTO current_object SELECT *, 0 FROM object;
DROP TABLE object;
ALTER TABLE current_object RENAME TO object;
CREATE INDEX object_by_content ON object (content);

-- Versions that are not current, and delete markers. A marker may be a key's newest: then `object` lacks the key.
CREATE TABLE object_version (
    bucket        TEXT NOT NULL REFERENCES bucket (name),
    key           TEXT NOT NULL,
    version_id    TEXT NOT NULL,
    content       TEXT NOT NULL,   -- '' of a delete marker
    size          INTEGER NOT NULL,
    etag          TEXT NOT NULL,
    modified_at   REAL NOT NULL,
    storage_class TEXT NOT NULL,
    attributes    TEXT NOT NULL,
    sequence      INTEGER NOT NULL,
    PRIMARY KEY (bucket, key, sequence DESC)
);
CREATE UNIQUE INDEX object_version_by_id ON object_version (bucket, key, version_id);
CREATE INDEX object_version_by_content ON object_version (content);
