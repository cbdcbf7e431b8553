//! When a task of a model may run, given those before it.
//!
//! Slots are a plan, not a queue: the start of each task is known when it is accepted, and only a
//! cancel makes a new plan. So no timer is needed to let the next one in.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The ends of the runs that occupy one model's slots.
#[derive(Debug, Default)]
pub struct Lane {
    ends: BinaryHeap<Reverse<i64>>,
}

impl Lane {
    /// Plans a run that could start at `ready_ms` and takes `length_ms`: its start. Call in the
    /// order of acceptance.
    pub fn plan(&mut self, slots: usize, ready_ms: i64, length_ms: i64) -> i64 {
        let mut start = ready_ms;
        if self.ends.len() >= slots.max(1)
            && let Some(Reverse(free)) = self.ends.pop()
        {
            start = start.max(free);
        }
        self.ends.push(Reverse(start.saturating_add(length_ms)));
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_task_waits_for_the_first_of_two_slots_to_free() {
        let mut lane = Lane::default();
        assert_eq!(lane.plan(2, 10, 100), 10);
        assert_eq!(lane.plan(2, 20, 30), 20);
        assert_eq!(lane.plan(2, 25, 100), 50);
        assert_eq!(lane.plan(2, 26, 1), 110);
        assert_eq!(lane.plan(2, 500, 1), 500);
    }
}
