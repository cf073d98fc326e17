-- Buckets. Names are global: over all accounts and regions.
CREATE TABLE bucket (
    name       TEXT PRIMARY KEY,
    account    TEXT NOT NULL,
    region     TEXT NOT NULL,
    created_at REAL NOT NULL,
    records    TEXT NOT NULL   -- JSON: tags, policy, encryption, ... by name of the record
);
CREATE INDEX bucket_by_account ON bucket (account, name);

-- The object index. Keys order by their UTF-8 bytes. version_id is '' until the bucket has versions.
CREATE TABLE object (
    bucket        TEXT NOT NULL REFERENCES bucket (name),
    key           TEXT NOT NULL,
    version_id    TEXT NOT NULL,
    content       TEXT NOT NULL,   -- whose pieces, in order, are the bytes; copies share it
    size          INTEGER NOT NULL,
    etag          TEXT NOT NULL,   -- without quotes
    modified_at   REAL NOT NULL,
    storage_class TEXT NOT NULL,
    attributes    TEXT NOT NULL,   -- JSON: headers, metadata, tags, checksums, encryption
    PRIMARY KEY (bucket, key, version_id)
);
CREATE INDEX object_by_content ON object (content);

-- The content files of an object's bytes: one for a plain upload, one for each part of a multipart one.
CREATE TABLE piece (
    content   TEXT NOT NULL,
    number    INTEGER NOT NULL,
    blob      TEXT NOT NULL,
    size      INTEGER NOT NULL,
    checksums TEXT NOT NULL,       -- JSON, by algorithm
    PRIMARY KEY (content, number)
);
CREATE INDEX piece_by_blob ON piece (blob);

-- Multipart uploads under way.
CREATE TABLE upload (
    id            TEXT PRIMARY KEY,
    bucket        TEXT NOT NULL REFERENCES bucket (name),
    key           TEXT NOT NULL,
    created_at    REAL NOT NULL,
    storage_class TEXT NOT NULL,
    attributes    TEXT NOT NULL    -- JSON, as those of the object it will become
);
CREATE INDEX upload_by_key ON upload (bucket, key, id);

CREATE TABLE upload_part (
    upload      TEXT NOT NULL REFERENCES upload (id),
    number      INTEGER NOT NULL,
    blob        TEXT NOT NULL,
    size        INTEGER NOT NULL,
    etag        TEXT NOT NULL,
    modified_at REAL NOT NULL,
    checksums   TEXT NOT NULL,
    PRIMARY KEY (upload, number)
);
CREATE INDEX upload_part_by_blob ON upload_part (blob);
