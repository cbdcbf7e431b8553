-- What each attempt asked for, now that it need not be what the caller asked for.

-- The model, by the catalogue's id of it. Empty: the task's own.
ALTER TABLE attempts ADD COLUMN model TEXT NOT NULL DEFAULT '';
-- What was asked for otherwise than by the caller, for people. Empty: nothing.
ALTER TABLE attempts ADD COLUMN changes TEXT NOT NULL DEFAULT '';
-- When the provider's task was first seen to run. NULL: not so far.
ALTER TABLE attempts ADD COLUMN running INTEGER;

UPDATE attempts SET running = (SELECT started FROM tasks WHERE id = task_id)
WHERE outcome IN ('ACCEPTED', 'ENDED');
