-- Each order of a List walks one index, page by page. The name stands in all of them, so that a part of it is
-- looked for without reading the bodies of 100,000 resources.
DROP INDEX resource_by_created;
DROP INDEX resource_by_modified;
DROP INDEX resource_by_status;
CREATE INDEX resource_by_created ON resource (account, region, kind, created_at, id, name);
CREATE INDEX resource_by_modified ON resource (account, region, kind, modified_at, id, name);
CREATE INDEX resource_by_status ON resource (account, region, kind, status, created_at, id, name);
