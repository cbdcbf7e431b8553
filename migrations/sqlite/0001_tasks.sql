-- Tasks, their attempts, their history and their outputs. Times are milliseconds since the Unix
-- epoch. Every promise here is portable: plain tables, unique and partial indexes, no triggers.

CREATE TABLE tasks (
    id               BLOB    NOT NULL PRIMARY KEY,
    tenant           TEXT    NOT NULL,
    request_id       TEXT    NOT NULL,
    fingerprint      BLOB    NOT NULL,
    version          INTEGER NOT NULL,
    revision         INTEGER NOT NULL,
    state            TEXT    NOT NULL,
    status           TEXT    NOT NULL,
    attempt          INTEGER,
    not_before       INTEGER,
    deadline         INTEGER,
    before_submit    INTEGER,
    failure_reason   TEXT,
    failure_message  TEXT,
    provider_code    TEXT,
    provider_message TEXT,
    lane             INTEGER NOT NULL,
    due              INTEGER NOT NULL,
    cancel_requested INTEGER NOT NULL,
    deleted          INTEGER NOT NULL,
    purge            INTEGER NOT NULL,
    model            TEXT    NOT NULL,
    request          TEXT    NOT NULL,
    status_detail    TEXT    NOT NULL,
    created          INTEGER NOT NULL,
    submitted        INTEGER,
    started          INTEGER,
    completed        INTEGER,
    updated          INTEGER NOT NULL
);

-- One task for one key of one tenant.
CREATE UNIQUE INDEX tasks_request ON tasks (tenant, request_id);
-- What each background loop reads.
CREATE INDEX tasks_due ON tasks (lane, due, id);
-- List, newest first.
CREATE INDEX tasks_tenant ON tasks (tenant, id);

CREATE TABLE labels (
    task_id BLOB NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    name    TEXT NOT NULL,
    value   TEXT NOT NULL,
    PRIMARY KEY (task_id, name)
) WITHOUT ROWID;

CREATE TABLE attempts (
    task_id     BLOB    NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    number      INTEGER NOT NULL,
    deployment  TEXT    NOT NULL,
    account     TEXT    NOT NULL,
    started     INTEGER NOT NULL,
    ended       INTEGER,
    outcome     TEXT    NOT NULL,
    upstream_id TEXT,
    reason      TEXT    NOT NULL,
    fault       TEXT,
    estimated   INTEGER,
    actual      INTEGER,
    charge      TEXT    NOT NULL,
    book_until  INTEGER,
    PRIMARY KEY (task_id, number)
) WITHOUT ROWID;

-- The database itself refuses a second attempt that could be charged.
CREATE UNIQUE INDEX one_live ON attempts (task_id)
    WHERE outcome IN ('PENDING', 'ACCEPTED', 'UNKNOWN');
-- A provider's task serves one attempt.
CREATE UNIQUE INDEX upstream_once ON attempts (account, upstream_id)
    WHERE upstream_id IS NOT NULL;

CREATE TABLE history (
    task_id  BLOB    NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    revision INTEGER NOT NULL,
    status   TEXT    NOT NULL,
    time     INTEGER NOT NULL,
    PRIMARY KEY (task_id, revision)
) WITHOUT ROWID;

CREATE TABLE outputs (
    task_id      BLOB    NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    number       INTEGER NOT NULL,
    content_type TEXT    NOT NULL,
    size_bytes   INTEGER NOT NULL,
    sha256       BLOB    NOT NULL,
    width        INTEGER,
    height       INTEGER,
    duration_ms  INTEGER,
    expires      INTEGER NOT NULL,
    PRIMARY KEY (task_id, number)
) WITHOUT ROWID;
