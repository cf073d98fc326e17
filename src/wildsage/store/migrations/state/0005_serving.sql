-- What an endpoint is to run. Two rows while an update is under way: the one in service and the new one.
CREATE TABLE endpoint_deployment (
    account     TEXT NOT NULL,
    region      TEXT NOT NULL,
    endpoint    TEXT NOT NULL,
    generation  INTEGER NOT NULL,   -- 1, 2, ...: the highest is what is wanted
    config_name TEXT NOT NULL,
    variants    TEXT NOT NULL,      -- JSON: a copy of what models and configurations said, which may go
    PRIMARY KEY (account, region, endpoint, generation)
);

-- A worker is one run of one container, placed before it is launched, forgotten after it has ended.
CREATE TABLE endpoint_worker (
    run_id      TEXT PRIMARY KEY,
    account     TEXT NOT NULL,
    region      TEXT NOT NULL,
    endpoint    TEXT NOT NULL,
    generation  INTEGER NOT NULL,
    variant     TEXT NOT NULL,
    instance_id TEXT NOT NULL,      -- i-0123456789abcdef0: the second part of its log stream's name
    port        INTEGER NOT NULL,   -- where it listens if it makes no socket
    placed_at   REAL NOT NULL
);
CREATE INDEX endpoint_worker_by_endpoint ON endpoint_worker (account, region, endpoint, placed_at);
