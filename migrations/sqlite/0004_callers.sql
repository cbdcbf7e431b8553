-- Who pays for a task, and what goes first.

-- The API key that it was created with. NULL: none.
ALTER TABLE tasks ADD COLUMN key TEXT;
-- What a budget holds back for one attempt, in millicredits. NULL: not known.
ALTER TABLE tasks ADD COLUMN reserve INTEGER;
-- Among the tenant's waiting tasks the higher goes first.
ALTER TABLE tasks ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;

UPDATE tasks SET reserve = estimate;
