//! Whose turn it is: the queues of all tenants as one line.
//!
//! The tenant with the fewest tasks at providers is served first, of equals the one that was served
//! least in this pass, of those the one whose last task was sent longest ago; of its tasks the one of the highest priority, then the oldest. A queue that
//! cannot move is set aside for the pass, and the others go on.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Desk;
use crate::domain::id::{TaskId, TenantId};
use crate::domain::task::Task;
use crate::domain::time::Timestamp;
use crate::store::Waiting;

/// The line of one pass.
#[derive(Debug)]
pub(super) struct Line {
    tenants: Vec<TenantLine>,
    due: Timestamp,
}

#[derive(Debug)]
struct TenantLine {
    tenant: TenantId,
    in_flight: u32,
    /// Tasks at providers at most.
    most: u32,
    served: u32,
    /// When a task of it was last sent, as a number that grows; 0: never.
    last_sent: u64,
    queues: Vec<Queue>,
}

/// How a tenant stands when a pass begins.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    /// Tasks at providers, and those about to be sent.
    pub(super) in_flight: u32,
    /// How many it may have there; `None`: any number.
    pub(super) most: Option<u32>,
    /// When a task of it was last sent, as a number that grows; 0: never.
    pub(super) last_sent: u64,
}

/// One tenant's tasks for one model.
#[derive(Debug)]
struct Queue {
    model: String,
    page: VecDeque<Arc<Task>>,
    /// Where the next page begins.
    after: Option<(i32, TaskId)>,
    /// No page follows.
    is_read: bool,
    /// Tasks that could not move, by weight.
    stuck: u32,
}

/// A task, and where it stood.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) task: Arc<Task>,
    tenant: usize,
    queue: usize,
}

/// What became of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// On its way to a provider.
    Sent,
    /// It was settled otherwise, or waits for a moment.
    Settled,
    /// It waits for its inputs: others of the queue may well go on.
    Inputs,
    /// It waits for room: others of the queue will hardly do better.
    Stuck,
}

impl Line {
    /// The line of the queues that have something due. `standing` says how each tenant stands.
    pub(super) fn new(
        waiting: Vec<Waiting>,
        due: Timestamp,
        standing: impl Fn(&TenantId) -> Standing,
    ) -> Self {
        let mut tenants: Vec<TenantLine> = Vec::new();
        for queue in waiting.into_iter().filter(|queue| queue.first_due <= due) {
            let known = tenants.iter().rposition(|t| t.tenant == queue.tenant);
            let index = known.unwrap_or_else(|| {
                let standing = standing(&queue.tenant);
                tenants.push(TenantLine {
                    tenant: queue.tenant,
                    in_flight: standing.in_flight,
                    most: standing.most.unwrap_or(u32::MAX),
                    served: 0,
                    last_sent: standing.last_sent,
                    queues: Vec::new(),
                });
                tenants.len() - 1
            });
            tenants[index].queues.push(Queue {
                model: queue.model,
                page: VecDeque::new(),
                after: None,
                is_read: false,
                stuck: 0,
            });
        }
        Self { tenants, due }
    }

    /// The next task; `None` when nobody is left who could move.
    pub(super) async fn next(&mut self, desk: &Desk) -> Option<Turn> {
        loop {
            let tenant = self.next_tenant()?;
            let of = &mut self.tenants[tenant];
            for queue in &mut of.queues {
                fill(desk, &of.tenant, self.due, queue).await;
            }
            match self.tenants[tenant].take() {
                Some((queue, task)) => {
                    return Some(Turn {
                        task,
                        tenant,
                        queue,
                    });
                }
                None => self.tenants[tenant].queues.clear(),
            }
        }
    }

    /// Says what became of a turn.
    pub(super) fn moved(&mut self, turn: &Turn, moved: Moved) {
        let tenant = &mut self.tenants[turn.tenant];
        tenant.served = tenant.served.saturating_add(1);
        let weight = match moved {
            Moved::Sent => {
                tenant.in_flight = tenant.in_flight.saturating_add(1);
                0
            }
            Moved::Settled => 0,
            Moved::Inputs => 1,
            Moved::Stuck => STUCK,
        };
        if let Some(queue) = tenant.queues.get_mut(turn.queue) {
            queue.stuck = queue.stuck.saturating_add(weight);
            if queue.stuck >= MOST_STUCK {
                queue.page.clear();
                queue.is_read = true;
            }
        }
    }

    fn next_tenant(&self) -> Option<usize> {
        let open = self.tenants.iter().enumerate().filter(|(_, tenant)| {
            tenant.in_flight < tenant.most && tenant.queues.iter().any(Queue::may_move)
        });
        let next =
            open.min_by_key(|(_, tenant)| (tenant.in_flight, tenant.served, tenant.last_sent));
        next.map(|(index, _)| index)
    }
}

impl TenantLine {
    fn take(&mut self) -> Option<(usize, Arc<Task>)> {
        let heads = self.queues.iter().enumerate();
        let heads = heads.filter_map(|(index, queue)| Some((index, queue.page.front()?)));
        let order = |task: &Task| (std::cmp::Reverse(task.order.priority), task.id);
        let (index, _) = heads.min_by_key(|(_, task)| order(task))?;
        let task = self.queues[index].page.pop_front()?;
        Some((index, task))
    }
}

impl Queue {
    fn may_move(&self) -> bool {
        !self.page.is_empty() || !self.is_read
    }
}

/// Reads the next page of a queue that has none. A store that fails ends the queue for this pass.
async fn fill(desk: &Desk, tenant: &TenantId, due: Timestamp, queue: &mut Queue) {
    if queue.is_read || !queue.page.is_empty() {
        return;
    }
    let read = desk
        .store
        .due_for(tenant, &queue.model, due, queue.after, PAGE)
        .await;
    let page = read.unwrap_or_default();
    queue.is_read = page.len() < PAGE;
    queue.after = page.last().map(|last| (last.order.priority, last.id));
    queue.page = page.into();
}

/// Tasks of a queue read at once.
const PAGE: usize = 32;
/// What a task that waits for room weighs against one that waits for its inputs.
const STUCK: u32 = 8;
/// After so much of both a queue is set aside until the next pass.
const MOST_STUCK: u32 = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::task::samples::task_of;

    /// A line whose queues are in memory: of each (tenant, in flight, limit) its tasks.
    fn line(tenants: &[(&str, u32, Option<u32>, &[i32])]) -> Line {
        let waiting = tenants.iter().map(|(tenant, ..)| Waiting {
            tenant: TenantId::named(*tenant),
            model: "m".to_owned(),
            queued: 9,
            first_due: Timestamp(0),
        });
        let standing = |tenant: &TenantId| {
            let named = tenants.iter().find(|(name, ..)| tenant.as_str() == *name);
            named.map_or_else(Standing::default, |(_, in_flight, most, _)| Standing {
                in_flight: *in_flight,
                most: *most,
                last_sent: 0,
            })
        };
        let mut line = Line::new(waiting.collect(), Timestamp(1), standing);
        for (made, (tenant, _, _, priorities)) in line.tenants.iter_mut().zip(tenants) {
            let tasks = (1..).zip(*priorities).map(|(n, priority)| {
                let mut task = task_of(tenant, &format!("{tenant}-{n}"), n);
                let mut order = (*task.order).clone();
                order.priority = *priority;
                task.order = Arc::new(order);
                Arc::new(task)
            });
            made.queues[0].page = tasks.collect();
            made.queues[0].is_read = true;
        }
        line
    }

    fn serve(line: &mut Line, moved: impl Fn(&Task) -> Moved) -> Vec<String> {
        let mut served = Vec::new();
        while let Some(tenant) = line.next_tenant() {
            let (queue, task) = line.tenants[tenant].take().expect("it may move");
            served.push(task.request_id.as_str().to_owned());
            let how = moved(&task);
            let turn = Turn {
                task,
                tenant,
                queue,
            };
            line.moved(&turn, how);
        }
        served
    }

    #[test]
    fn tenants_take_turns_and_who_has_least_at_providers_goes_first() {
        let mut even = line(&[("a", 0, None, &[0; 3]), ("b", 0, None, &[0; 2])]);
        let served = serve(&mut even, |_| Moved::Sent);
        assert_eq!(served, ["a-1", "b-1", "a-2", "b-2", "a-3"]);
        let mut uneven = line(&[("a", 2, None, &[0; 2]), ("b", 0, None, &[0; 3])]);
        let served = serve(&mut uneven, |_| Moved::Sent);
        assert_eq!(served, ["b-1", "b-2", "a-1", "b-3", "a-2"]);
    }

    #[test]
    fn of_equals_the_one_that_was_served_longest_ago_goes_first() {
        let mut line = line(&[("a", 0, None, &[0; 2]), ("b", 0, None, &[0; 2])]);
        line.tenants[0].last_sent = 7;
        line.tenants[1].last_sent = 3;
        let served = serve(&mut line, |_| Moved::Sent);
        assert_eq!(served, ["b-1", "a-1", "b-2", "a-2"]);
    }

    #[test]
    fn a_tenant_at_its_limit_waits_and_the_others_go_on() {
        let mut line = line(&[
            ("a", 1, Some(2), &[0; 4]),
            ("b", 3, Some(3), &[0]),
            ("c", 9, None, &[0]),
        ]);
        assert_eq!(serve(&mut line, |_| Moved::Sent), ["a-1", "c-1"]);
    }

    #[test]
    fn a_queue_that_is_stuck_is_set_aside_soon_and_one_that_waits_for_inputs_late() {
        let many = [0; 300];
        let mut line = line(&[("a", 0, None, &many), ("b", 0, None, &[0; 2])]);
        let served = serve(&mut line, |task| match task.tenant.as_str() {
            "a" => Moved::Stuck,
            _ => Moved::Sent,
        });
        let of = |name: &str| served.iter().filter(|id| id.starts_with(name)).count();
        assert_eq!((of("a"), of("b")), (32, 2));
        let mut line = super::tests::line(&[("a", 0, None, &many)]);
        assert_eq!(serve(&mut line, |_| Moved::Inputs).len(), 256);
    }

    #[test]
    fn of_several_queues_the_higher_priority_and_then_the_older_goes_first() {
        let mut line = line(&[("a", 0, None, &[1, 0]), ("b", 0, None, &[5, 1])]);
        let second = line.tenants.pop().expect("two").queues;
        line.tenants[0].queues.extend(second);
        let served = serve(&mut line, |_| Moved::Sent);
        assert_eq!(served, ["b-1", "a-1", "b-2", "a-2"]);
    }
}
