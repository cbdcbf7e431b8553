//! What is known of the answers to creates that a library counts: whether their caller has them.
//!
//! Who asks for a task by its id has its id, and nothing but the answer told it, unless a list did or
//! the webhook of its end. So what was read is nobody's lost answer, and no repeat is given it.
//!
//! Every call by an id looks here, and costs one look at one word. What is known is a help, no promise:
//! of two tasks in one place the older is forgotten, and a restart forgets all; then it counts as not
//! received, for a second task would be paid for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::id::TaskId;
use crate::domain::task::Task;

/// One word for each task: the end of its id, and flags in the bits above.
#[derive(Debug)]
pub(super) struct Receipts(Box<[AtomicU64]>);

/// A call that waits for its tasks; one that is dropped before it is over was left by its caller.
pub(super) struct Waiting<'a> {
    receipts: &'a Receipts,
    ids: &'a [TaskId],
    is_over: bool,
}

impl Default for Receipts {
    fn default() -> Self {
        Self((0..PLACES).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Receipts {
    /// Notes a task that was made now.
    pub fn made(&self, id: TaskId) {
        let (place, name) = self.place(id);
        place.store(name, Ordering::Relaxed);
    }

    /// Notes that its caller asked for it by its id.
    pub fn read(&self, task: &Task) {
        // The webhook has told the id too.
        if task.order.webhook.is_empty() || !task.state.is_terminal() {
            self.change(task.id, |flags| match flags & (READ | TOLD) {
                0 => flags | READ,
                _ => flags,
            });
        }
    }

    /// Notes that its caller has what only the answer told.
    pub fn answered(&self, id: TaskId) {
        self.change(id, |flags| flags | READ);
    }

    /// Notes that a list told the ids of these.
    pub fn told(&self, tasks: &[Arc<Task>]) {
        for task in tasks {
            self.change(task.id, |flags| flags | TOLD);
        }
    }

    /// Notes that the call that made these waits for them.
    pub fn waiting<'a>(&'a self, ids: &'a [TaskId]) -> Waiting<'a> {
        for id in ids {
            self.change(*id, |flags| flags | WAITED);
        }
        Waiting {
            receipts: self,
            ids,
            is_over: false,
        }
    }

    /// Whether its caller has its answer.
    pub fn is_received(&self, id: TaskId) -> bool {
        self.flags(id) & READ != 0
    }

    /// Whether nothing says that its caller has its answer, or still waits for it.
    pub fn may_be_lost(&self, id: TaskId) -> bool {
        self.flags(id) & (READ | WAITED) == 0
    }

    fn flags(&self, id: TaskId) -> u64 {
        let (place, name) = self.place(id);
        let known = place.load(Ordering::Relaxed);
        if known & NAME == name {
            known & !NAME
        } else {
            0
        }
    }

    fn change(&self, id: TaskId, next: impl Fn(u64) -> u64) {
        let (place, name) = self.place(id);
        let changed = |known: u64| {
            let next = next(known & !NAME) | name;
            (known & NAME == name && next != known).then_some(next)
        };
        // Nothing is written where nothing changes: what all read stays in every core's cache.
        let _ = place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, changed);
    }

    /// Where a task is noted, and under which name: what is random of its id.
    fn place(&self, id: TaskId) -> (&AtomicU64, u64) {
        let name = u128::from_be_bytes(*id.as_bytes()) & u128::from(NAME);
        let name = u64::try_from(name).unwrap_or_default();
        let index = usize::try_from(name).unwrap_or_default() % PLACES;
        (&self.0[index], name)
    }
}

impl Waiting<'_> {
    /// The call is answered.
    pub fn end(mut self) {
        self.is_over = true;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            for id in self.ids {
                self.receipts.change(*id, |flags| flags & !WAITED);
            }
        }
    }
}

/// Tasks that are noted at once, at most.
const PLACES: usize = 4096;
/// The bits of a name.
const NAME: u64 = u64::MAX >> 3;
/// Its caller has it.
const READ: u64 = 1 << 61;
/// A list told its id.
const TOLD: u64 = 1 << 62;
/// The call that made it waits for it, or did to the end.
const WAITED: u64 = 1 << 63;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::task::State;
    use crate::domain::task::samples::task;

    fn sample(random: u8) -> Task {
        let mut task = task(1);
        task.id = TaskId::new(task.times.created.0, [random; 10]);
        Arc::make_mut(&mut task.order).webhook = String::new();
        task
    }

    #[test]
    fn what_was_read_by_its_id_is_received() {
        let (receipts, one, two) = (Receipts::default(), sample(1), sample(2));
        // Of what nothing is noted nothing is known.
        receipts.read(&one);
        assert!(!receipts.is_received(one.id));
        receipts.made(one.id);
        receipts.made(two.id);
        assert!(receipts.may_be_lost(one.id));
        receipts.read(&one);
        assert!(receipts.is_received(one.id) && !receipts.may_be_lost(one.id));
        assert!(!receipts.is_received(two.id));
        receipts.answered(two.id);
        assert!(receipts.is_received(two.id));
    }

    #[test]
    fn who_may_have_the_id_from_elsewhere_proves_nothing() {
        let (receipts, one, mut two) = (Receipts::default(), sample(1), sample(2));
        receipts.made(one.id);
        receipts.told(&[Arc::new(one.clone())]);
        receipts.read(&one);
        assert!(!receipts.is_received(one.id));
        receipts.made(two.id);
        Arc::make_mut(&mut two.order).webhook = "https://example.com".to_owned();
        two.state = State::Completed;
        receipts.read(&two);
        assert!(!receipts.is_received(two.id));
        // It is told the end only.
        two.state = State::Running;
        receipts.read(&two);
        receipts.told(&[Arc::new(two.clone())]);
        assert!(receipts.is_received(two.id));
    }

    #[test]
    fn only_a_wait_that_was_left_may_have_lost_its_answer() {
        let (receipts, task) = (Receipts::default(), sample(1));
        receipts.made(task.id);
        let ids = [task.id];
        let left = receipts.waiting(&ids);
        assert!(!receipts.may_be_lost(task.id) && !receipts.is_received(task.id));
        drop(left);
        assert!(receipts.may_be_lost(task.id));
        receipts.waiting(&ids).end();
        assert!(!receipts.may_be_lost(task.id));
    }

    #[test]
    fn of_two_in_one_place_the_older_is_forgotten() {
        let receipts = Receipts::default();
        let (one, mut two) = (sample(1), sample(1));
        let mut random = [1; 10];
        random[4] = 2;
        two.id = TaskId::new(two.times.created.0, random);
        assert!(std::ptr::eq(
            receipts.place(one.id).0,
            receipts.place(two.id).0
        ));
        receipts.made(one.id);
        receipts.read(&one);
        receipts.made(two.id);
        assert!(!receipts.is_received(one.id) && !receipts.is_received(two.id));
    }
}
