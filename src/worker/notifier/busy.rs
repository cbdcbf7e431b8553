//! What is on its way to receivers now: bounded in all and for each, so that a slow one holds up
//! nobody else.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::id::TaskId;
use crate::domain::webhook::Delivery;

/// What is on its way.
#[derive(Debug)]
pub(super) struct Busy {
    most: usize,
    most_of_one: usize,
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    tasks: HashSet<TaskId>,
    receivers: HashMap<String, usize>,
}

/// One delivery on its way; dropping it makes room for another.
#[derive(Debug)]
pub(super) struct OnItsWay {
    busy: Arc<Busy>,
    task: TaskId,
    receiver: String,
}

impl Busy {
    pub(super) fn new(most: usize, most_of_one: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            most_of_one: most_of_one.min(most),
            now: Mutex::default(),
        })
    }

    /// Whether nothing more may leave.
    pub(super) fn is_full(&self) -> bool {
        self.now.lock().tasks.len() >= self.most
    }

    /// How many are on their way to a receiver, and how many more may be.
    pub(super) fn room(&self, receiver: &str) -> (usize, usize) {
        let now = self.now.lock();
        let own = now.receivers.get(receiver).copied().unwrap_or(0);
        let left = self.most.saturating_sub(now.tasks.len());
        (own, self.most_of_one.saturating_sub(own).min(left))
    }

    /// Takes the place of a delivery; `None` when it is on its way already, or there is no room.
    pub(super) fn begin(self: &Arc<Self>, delivery: &Delivery) -> Option<OnItsWay> {
        let (_, room) = self.room(&delivery.receiver);
        let mut now = self.now.lock();
        if room == 0 || !now.tasks.insert(delivery.task) {
            return None;
        }
        *now.receivers.entry(delivery.receiver.clone()).or_default() += 1;
        Some(OnItsWay {
            busy: Arc::clone(self),
            task: delivery.task,
            receiver: delivery.receiver.clone(),
        })
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        let mut now = self.busy.now.lock();
        now.tasks.remove(&self.task);
        if let Some(count) = now.receivers.get_mut(&self.receiver) {
            *count -= 1;
            if *count == 0 {
                now.receivers.remove(&self.receiver);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::task::Status;
    use crate::domain::task::samples::{NOW, task};
    use crate::domain::webhook::{DeliveryState, EventId};

    fn delivery(n: u32, receiver: &str) -> Delivery {
        let id = task(n).id;
        Delivery {
            event: EventId::of(id, Status::Completed),
            task: id,
            ending: Status::Completed,
            url: String::new(),
            receiver: receiver.to_owned(),
            state: DeliveryState::Pending { due: NOW },
            tries: 0,
            last: None,
            created: NOW,
        }
    }

    #[test]
    fn one_receiver_takes_its_share_and_no_more_and_each_delivery_leaves_once() {
        let busy = Busy::new(3, 2);
        let first = busy.begin(&delivery(1, "a")).expect("room");
        assert!(busy.begin(&delivery(1, "a")).is_none(), "it is on its way");
        let second = busy.begin(&delivery(2, "a")).expect("room");
        assert!(busy.begin(&delivery(3, "a")).is_none(), "its share is full");
        assert_eq!((busy.room("a"), busy.room("b")), ((2, 0), (0, 1)));
        let third = busy.begin(&delivery(4, "b")).expect("room");
        assert!(busy.is_full());
        assert!(busy.begin(&delivery(5, "c")).is_none(), "all is full");
        drop((first, second, third));
        assert_eq!((busy.is_full(), busy.room("a")), (false, (0, 2)));
        assert!(busy.now.lock().receivers.is_empty());
    }
}
