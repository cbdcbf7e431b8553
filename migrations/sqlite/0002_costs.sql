-- What each task costs, beside the task: a report is one aggregate over an index. What is in
-- `cost_estimated`, `cost_actual` and `charge` follows from the attempts and is written with them.

-- Our own estimate at the creation, in millicredits. NULL: not known.
ALTER TABLE tasks ADD COLUMN estimate INTEGER;
-- The cost over all attempts, as the task shows it. NULL: not known.
ALTER TABLE tasks ADD COLUMN cost_estimated INTEGER;
ALTER TABLE tasks ADD COLUMN cost_actual INTEGER;
ALTER TABLE tasks ADD COLUMN charge TEXT NOT NULL DEFAULT 'NONE';
-- The deployment that took the task last. Empty: none did.
ALTER TABLE tasks ADD COLUMN deployment TEXT NOT NULL DEFAULT '';

-- Older tasks have no estimate of ours. One that is queued is still to be paid for.
UPDATE tasks SET charge = 'ESTIMATED' WHERE state = 'queued';
UPDATE tasks SET
    cost_estimated = CASE WHEN state <> 'queued' THEN (
        SELECT CASE WHEN count(*) = count(estimated) THEN sum(estimated) END FROM attempts
        WHERE task_id = tasks.id
            AND (charge <> 'NONE' OR estimated IS NOT NULL OR actual IS NOT NULL)) END,
    cost_actual = (SELECT sum(actual) FROM attempts WHERE task_id = tasks.id),
    charge = (
        SELECT CASE
            WHEN max(charge = 'CHARGED_OR_UNKNOWN') THEN 'CHARGED_OR_UNKNOWN'
            WHEN count(actual) > 0 AND max(charge = 'CHARGED' AND actual IS NULL)
                THEN 'CHARGED_OR_UNKNOWN'
            WHEN max(charge = 'ESTIMATED') OR tasks.state = 'queued' THEN 'ESTIMATED'
            WHEN max(charge = 'CHARGED') THEN 'CHARGED'
            ELSE 'NONE' END
        FROM attempts WHERE task_id = tasks.id),
    deployment = coalesce((
        SELECT deployment FROM attempts
        WHERE task_id = tasks.id AND outcome IN ('ACCEPTED', 'ENDED')
        ORDER BY number DESC LIMIT 1), '')
WHERE EXISTS (SELECT 1 FROM attempts WHERE task_id = tasks.id);

-- All that a report sums, filters and groups by but labels, which need the id.
CREATE INDEX tasks_cost ON tasks
    (tenant, created, model, deployment, status, charge, cost_estimated, cost_actual, id);
