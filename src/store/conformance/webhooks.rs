//! Promises about what is due to receivers.

use std::sync::Arc;
use std::time::Duration;

use super::{create, lead};
use crate::domain::task::samples::{accepted, archived, claimed, succeeded, task};
use crate::domain::task::{Event, Lane, Purge, Status, Task};
use crate::domain::time::Timestamp;
use crate::domain::webhook::{Delivery, DeliveryState, EventId, Patience, Reply};
use crate::store::{Receiver, TaskStore};

/// A task that tells `url` of its end.
fn telling(n: u32, url: &str) -> Task {
    let mut task = task(n);
    Arc::make_mut(&mut task.order).webhook = url.to_owned();
    task
}

/// Commits a task that tells `url` of its end, and ends it.
async fn ended(store: &dyn TaskStore, n: u32, url: &str) -> Arc<Task> {
    let created = create(store, telling(n, url)).await;
    lead(store, created, &[Event::CancelRequested]).await
}

async fn of(store: &dyn TaskStore, task: &Task) -> Vec<Delivery> {
    store.deliveries(task.id).await.expect("a read")
}

/// After an answer with this status, at the moment when it was due.
fn answered(delivery: &Delivery, status: u16) -> Delivery {
    let patience = Patience {
        first_retry: Duration::from_secs(5),
        give_up: Duration::from_hours(72),
    };
    let reply = Reply::Answer {
        status,
        retry_after: None,
    };
    let delivery = delivery.clone();
    let now = delivery.created;
    delivery.tried(reply, patience, now, 0.0)
}

/// The end of a task is committed with what is due to its receiver, once, and no other write makes
/// anything due.
pub async fn the_end_and_what_is_due_of_it_are_one_write(store: &dyn TaskStore) {
    let url = "https://hooks.example.com/a?b=c";
    let silent = create(store, task(1)).await;
    let silent = lead(store, silent, &[Event::CancelRequested]).await;
    assert_eq!(of(store, &silent).await, []);
    let told = create(store, telling(2, url)).await;
    let told = lead(store, told, &[claimed(), accepted(1), succeeded()]).await;
    assert_eq!(of(store, &told).await, []);
    assert_eq!(store.pending_deliveries().await.expect("a read"), 0);
    let told = lead(store, told, &[archived()]).await;
    let due = of(store, &told).await;
    assert_eq!(due, Vec::from_iter(Delivery::of(&told)));
    assert_eq!(due[0].event, EventId::of(told.id, Status::Completed));
    let told = lead(store, told, &[Event::ContentExpired]).await;
    let deleted = lead(store, told, &[Event::Deleted]).await;
    assert_eq!(of(store, &deleted).await, due);
    // Resolves at once: there is something to look at.
    store.changes().noticed().await;
}

/// A write that is refused makes nothing due.
pub async fn a_refused_end_makes_nothing_due(store: &dyn TaskStore) {
    let created = create(store, telling(1, "https://a.example.com/")).await;
    let now = Timestamp(created.times.updated.0 + 1);
    let mut next = created.apply(&Event::CancelRequested, now).expect("legal");
    next.version += 1;
    assert!(store.save(next).await.is_err());
    assert_eq!(of(store, &created).await, []);
    assert_eq!(store.receivers(None, 10).await.expect("a read"), []);
}

/// What is due is told by receiver, in order and in pages.
pub async fn what_is_due_is_told_by_receiver(store: &dyn TaskStore) {
    let mut made = Vec::new();
    for n in 1..=9 {
        let letter = ["a", "b", "c"][(n % 3) as usize];
        let task = ended(store, n, &format!("https://{letter}.example.com/?{n}")).await;
        made.push(of(store, &task).await.remove(0));
    }
    let of_host = |letter: &str| {
        let mut of_host = made.clone();
        of_host.retain(|delivery| delivery.receiver.starts_with(letter));
        of_host
    };
    let name = |letter: &str| of_host(letter)[0].receiver.clone();
    let all = store.receivers(None, 10).await.expect("a read");
    let names: Vec<_> = all.iter().map(|receiver| receiver.name.clone()).collect();
    assert_eq!(names, [name("a"), name("b"), name("c")]);
    let page = store.receivers(Some(name("a")), 1).await.expect("a read");
    assert_eq!(page, all[1..2]);
    let rest = store.receivers(Some(name("c")), 1).await.expect("a read");
    assert_eq!(rest, Vec::<Receiver>::new());
    let (second, of_second) = (name("b"), of_host("b"));
    assert_eq!(all[1].first_due, of_second[0].created);
    let due = |until, limit| store.due_deliveries(&second, until, limit);
    assert_eq!(due(Timestamp::NEVER, 10).await.expect("a read"), of_second);
    let two = due(Timestamp::NEVER, 2).await.expect("a read");
    assert_eq!(two, of_second[..2]);
    assert_eq!(due(Timestamp(0), 10).await.expect("a read"), []);
    assert_eq!(store.pending_deliveries().await.expect("a read"), 9);
}

/// What was made long ago is told whenever it is due, and only while it is pending.
pub async fn what_was_made_long_ago_is_told_due_or_not(store: &dyn TaskStore) {
    let task = ended(store, 1, "https://a.example.com/").await;
    let made = of(store, &task).await.remove(0);
    let later = answered(&made, 503);
    assert!(store.settle(later.clone()).await.expect("a write"));
    let late = |until| store.late_deliveries(&made.receiver, until, 10);
    let before = Timestamp(made.created.0 - 1);
    assert_eq!(late(before).await.expect("a read"), []);
    let found = late(made.created).await.expect("a read");
    assert_eq!(found, std::slice::from_ref(&later));
    let other = store.late_deliveries("b.example.com:443", made.created, 10);
    assert_eq!(other.await.expect("a read"), []);
    assert!(store.settle(answered(&later, 204)).await.expect("a write"));
    assert_eq!(late(made.created).await.expect("a read"), []);
}

/// A try counts once, and what is over is not due any more.
pub async fn a_try_counts_once(store: &dyn TaskStore) {
    let task = ended(store, 1, "https://a.example.com/").await;
    let due = of(store, &task).await.remove(0);
    let failed = answered(&due, 503);
    assert!(store.settle(failed.clone()).await.expect("a write"));
    assert!(!store.settle(failed.clone()).await.expect("a write"));
    assert_eq!(of(store, &task).await, std::slice::from_ref(&failed));
    let DeliveryState::Pending { due: again } = failed.state else {
        panic!("{failed:?}");
    };
    let receivers = store.receivers(None, 10).await.expect("a read");
    assert_eq!(receivers[0].first_due, again);
    let delivered = answered(&failed, 204);
    assert!(store.settle(delivered.clone()).await.expect("a write"));
    assert!(
        !store
            .settle(answered(&delivered, 500))
            .await
            .expect("a write")
    );
    assert_eq!(of(store, &task).await, [delivered]);
    assert_eq!(store.receivers(None, 10).await.expect("a read"), []);
    assert_eq!(store.pending_deliveries().await.expect("a read"), 0);
}

/// A record stays while something of it is pending, deleted or not, and then takes all with it.
pub async fn a_record_outlives_what_is_pending_of_it(store: &dyn TaskStore) {
    let task = ended(store, 1, "https://a.example.com/").await;
    let task = lead(store, task, &[Event::Deleted, Event::Purged(Purge::All)]).await;
    assert_eq!(task.next_step().0, Lane::Rest);
    assert_eq!(store.remove(vec![task.id]).await.expect("a write"), 0);
    let due = of(store, &task).await.remove(0);
    assert_eq!(due.url, "https://a.example.com/");
    assert!(store.settle(answered(&due, 200)).await.expect("a write"));
    assert_eq!(store.remove(vec![task.id]).await.expect("a write"), 1);
    assert_eq!(of(store, &task).await, []);
}

/// What is due is there after the store was opened anew.
pub async fn what_is_due_survives_a_restart<S, F, O>(open: O)
where
    S: TaskStore,
    F: Future<Output = S>,
    O: Fn() -> F,
{
    let store = open().await;
    let task = ended(&store, 1, "https://a.example.com/?b").await;
    let due = of(&store, &task).await;
    drop(store);
    let store = open().await;
    assert_eq!(of(&store, &task).await, due);
    let order = store.get(task.id).await.expect("a read").expect("there");
    assert_eq!(order.order.webhook, "https://a.example.com/?b");
}
