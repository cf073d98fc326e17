-- Trials of hyperparameter tuning jobs: each is planned here, in the order of their numbers, before its training job
-- is made.
CREATE TABLE tuning_trial (
    id           INTEGER PRIMARY KEY,
    account      TEXT NOT NULL,
    region       TEXT NOT NULL,
    tuning_job   TEXT NOT NULL,
    number       INTEGER NOT NULL,   -- 1, 2, ...
    definition   TEXT NOT NULL,      -- of several training job definitions the name; '' where there is one
    training_job TEXT NOT NULL,      -- the name
    point        TEXT NOT NULL,      -- JSON: the texts of the hyperparameters that are searched
    state        TEXT NOT NULL,      -- planned, running, ended
    planned_at   REAL NOT NULL,
    outcome      TEXT,               -- JSON, where it has ended
    reports      TEXT                -- JSON: all values of its objective, where it was judged while it ran
);
CREATE UNIQUE INDEX tuning_trial_by_number ON tuning_trial (account, region, tuning_job, number);
CREATE INDEX tuning_trial_open ON tuning_trial (state) WHERE state <> 'ended';

-- The tuner looks for tuning jobs of all accounts that are not over.
CREATE INDEX resource_tuning_job ON resource (status) WHERE kind = 'hyper-parameter-tuning-job';
