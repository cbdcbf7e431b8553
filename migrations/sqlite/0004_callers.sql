-- Who pays for a task, and what goes first.

-- The API key that it was created with. NULL: none.
ALTER TABLE tasks ADD COLUMN key TEXT;
-- What a budget holds back for one attempt, in millicredits. NULL: not known.
ALTER TABLE tasks ADD COLUMN reserve INTEGER;
-- Among the tenant's waiting tasks the higher goes first.
ALTER TABLE tasks ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
-- What the task counts against its key's budget, in millicredits; written with every change of it.
ALTER TABLE tasks ADD COLUMN spent INTEGER NOT NULL DEFAULT 0;

UPDATE tasks SET reserve = estimate;

-- What each key's tasks of a day (UTC, counted from the epoch, of their creation) spent or hold back:
-- the sum of `spent`, written in the same transaction. It outlives the tasks.
CREATE TABLE spend (
    key    TEXT    NOT NULL,
    day    INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (key, day)
) WITHOUT ROWID;

-- A tenant's queue for a model, in the order in which it is served.
CREATE INDEX tasks_waiting ON tasks (tenant, model, priority DESC, id, due) WHERE lane = 0;
-- When the first of such a queue is due.
CREATE INDEX tasks_waiting_due ON tasks (tenant, model, due) WHERE lane = 0;
