//! What is due and waits for room at its account.

use std::collections::{HashMap, VecDeque};

use crate::domain::id::TaskId;

/// A queue of tasks, each with its turn, for each account: ten thousand tasks at one that is full are not
/// looked at one by one whenever an answer comes.
#[derive(Debug, Default)]
pub(super) struct Ready {
    queues: HashMap<String, VecDeque<(TaskId, u32)>>,
}

impl Ready {
    /// Adds a task to those that wait for an account.
    pub(super) fn push(&mut self, account: &str, id: TaskId, turn: u32) {
        if let Some(queue) = self.queues.get_mut(account) {
            queue.push_back((id, turn));
        } else {
            self.queues.insert(account.to_owned(), [(id, turn)].into());
        }
    }

    /// Asks about tasks, of each account in the order in which they came, until `ask` says that there
    /// is no room for one: it stays the first of its account.
    pub(super) fn drain(&mut self, mut ask: impl FnMut(TaskId, u32) -> bool) {
        self.queues.retain(|_, queue| {
            while let Some((id, turn)) = queue.front() {
                if !ask(*id, *turn) {
                    return true;
                }
                queue.pop_front();
            }
            false
        });
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> TaskId {
        TaskId::new(1, [n; 10])
    }

    #[test]
    fn an_account_without_room_is_asked_once_and_holds_up_no_other() {
        let mut ready = Ready::default();
        for n in 0..100 {
            ready.push("full", id(n), 1);
        }
        ready.push("free", id(200), 1);
        ready.push("free", id(201), 1);
        let mut asked = Vec::new();
        ready.drain(|task, _| {
            asked.push(task);
            task >= id(200)
        });
        asked.sort();
        assert_eq!(asked, [id(0), id(200), id(201)]);
        assert!(!ready.is_empty());
    }

    #[test]
    fn who_waited_goes_first_when_there_is_room() {
        let mut ready = Ready::default();
        ready.push("a", id(2), 1);
        ready.push("a", id(1), 1);
        ready.drain(|_, _| false);
        ready.push("a", id(3), 1);
        let mut asked = Vec::new();
        ready.drain(|task, _| {
            asked.push(task);
            asked.len() < 3
        });
        assert_eq!(asked, [id(2), id(1), id(3)]);
        ready.drain(|task, _| task == id(3));
        assert!(ready.is_empty());
    }
}
