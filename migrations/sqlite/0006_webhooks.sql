-- Who is told of a task's end: one row for each event, written in the transaction that ends the task.
-- Times are milliseconds since the Unix epoch.

CREATE TABLE deliveries (
    task_id  BLOB    NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    -- How the task ended, as the task's status says it.
    ending   TEXT    NOT NULL,
    -- The event's name, the same for every try.
    event    TEXT    NOT NULL,
    url      TEXT    NOT NULL,
    -- Host and port of the URL.
    receiver TEXT    NOT NULL,
    -- pending, delivered or given_up.
    state    TEXT    NOT NULL,
    -- When it is tried next, or when it was delivered or given up.
    due      INTEGER NOT NULL,
    tries    INTEGER NOT NULL,
    -- The last try. NULL: none so far; without last_status: nothing was answered.
    last_at     INTEGER,
    last_status INTEGER,
    last_error  TEXT NOT NULL,
    created  INTEGER NOT NULL,
    PRIMARY KEY (task_id, ending)
) WITHOUT ROWID;

-- What is due to each receiver, and whom anything is due to.
CREATE INDEX deliveries_due ON deliveries (receiver, due, task_id) WHERE state = 'pending';
