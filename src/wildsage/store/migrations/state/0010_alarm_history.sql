-- What happened to alarms: made, changed, moved from state to state.
CREATE TABLE alarm_history (
    id      INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    region  TEXT NOT NULL,
    alarm   TEXT NOT NULL,
    at      REAL NOT NULL,
    kind    TEXT NOT NULL,   -- ConfigurationUpdate, StateUpdate, Action
    summary TEXT NOT NULL,
    data    TEXT NOT NULL    -- JSON, as DescribeAlarmHistory shows it
);
CREATE INDEX alarm_history_by_time ON alarm_history (account, region, at, id);
CREATE INDEX alarm_history_by_alarm ON alarm_history (account, region, alarm, at, id);
CREATE INDEX alarm_history_by_age ON alarm_history (at);

-- The evaluator lists all alarms of all accounts.
CREATE INDEX resource_alarm ON resource (kind) WHERE kind = 'alarm';
