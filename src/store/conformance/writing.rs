//! Promises of the writes: atomic, conditional, unique, durable, announced.

use std::sync::Arc;

use futures_util::future::join_all;

use super::{create, lead, one_of_each};
use crate::domain::money::Charge;
use crate::domain::task::samples::{
    NOW, accepted, ambiguous, archived, booked, claimed, rejected, succeeded, task, task_of,
};
use crate::domain::task::{Attempt, Event, Lane, Purge, Resolution, State, Verdict};
use crate::domain::time::Timestamp;
use crate::store::{Created, StoreError, TaskStore, Update, UpdateError, update};

/// Racing duplicates all get the same task, and exactly one is told that it is new.
pub async fn racing_duplicates_get_one_task(store: Arc<dyn TaskStore>) {
    let creates = (1..=64).map(|n| {
        let store = Arc::clone(&store);
        async move { store.create(task_of("local", "same", n)).await }
    });
    let mut new = Vec::new();
    let mut all = Vec::new();
    for created in join_all(creates).await {
        match created.expect("a create") {
            Created::New(task) => {
                new.push(task.id);
                all.push(task.id);
            }
            Created::Existing(task) => all.push(task.id),
            Created::Denied(denied) => panic!("{denied}"),
        }
    }
    assert_eq!(new.len(), 1);
    assert!(all.iter().all(|id| *id == new[0]));
}

/// The same key of another tenant is another task.
pub async fn a_key_belongs_to_its_tenant(store: &dyn TaskStore) {
    let one = create(store, task_of("a", "key", 1)).await;
    let two = create(store, task_of("b", "key", 2)).await;
    assert_ne!(one.id, two.id);
    for task in [one, two] {
        let found = store.find(&task.tenant, &task.request_id).await;
        assert_eq!(found.expect("a read"), Some(task));
    }
}

/// Of two writers that read the same version one wins; nothing of the other is left.
pub async fn a_save_on_an_old_version_is_refused(store: &dyn TaskStore) {
    let read = create(store, task(1)).await;
    let claim = read.apply(&claimed(), NOW).expect("legal");
    let cancel = read.apply(&Event::CancelRequested, NOW).expect("legal");
    let saved = store.save(cancel).await.expect("the first");
    assert!(matches!(
        store.save(claim.clone()).await,
        Err(StoreError::Conflict)
    ));
    let mut skipping = claim.clone();
    skipping.version += 5;
    assert!(matches!(
        store.save(skipping).await,
        Err(StoreError::Conflict)
    ));
    let found = store.find(&read.tenant, &read.request_id).await;
    assert_eq!(found.expect("a read"), Some(saved));
    let unknown = task(2).apply(&claimed(), NOW).expect("legal");
    assert!(matches!(
        store.save(unknown).await,
        Err(StoreError::Conflict)
    ));
}

/// The database itself refuses a second attempt that could be charged.
pub async fn a_second_live_attempt_is_refused(store: &dyn TaskStore) {
    let created = create(store, task(1)).await;
    let one = lead(store, created, &[claimed(), ambiguous(1)]).await;
    let mut two = (*one).clone();
    two.version += 1;
    two.state = State::Submitting { attempt: 2 };
    two.attempts
        .push(Attempt::intended(2, "runway-b", "acct-b", None, NOW));
    assert!(matches!(store.save(two).await, Err(StoreError::Conflict)));
    let found = store.find(&one.tenant, &one.request_id).await;
    assert_eq!(found.expect("a read"), Some(one));
}

/// A provider's task serves one attempt of its account.
pub async fn an_upstream_id_serves_one_attempt(store: &dyn TaskStore) {
    let first = create(store, task(1)).await;
    lead(store, first, &[claimed(), accepted(1)]).await;
    let taken = store
        .get(task(1).id)
        .await
        .expect("a read")
        .and_then(|task| task.attempts[0].upstream_id.clone())
        .expect("an id");
    for (account, id, used) in [
        ("acct", taken.as_str(), true),
        ("other", taken.as_str(), false),
        ("acct", "up-none", false),
    ] {
        let found = store.upstream_in_use(account, id).await;
        assert_eq!(found.expect("a read"), used, "{account} {id}");
    }
    let second = create(store, task(2)).await;
    let second = lead(store, second, &[claimed(), ambiguous(1)]).await;
    let attach = Event::Resolved(Resolution::Attach { upstream_id: taken });
    let stolen = second.apply(&attach, NOW).expect("legal");
    assert!(matches!(
        store.save(stolen).await,
        Err(StoreError::Conflict)
    ));
}

/// Evidence moves the live attempt from one to another within one write.
pub async fn an_attempt_may_come_back_as_the_live_one(store: &dyn TaskStore) {
    let created = create(store, task(1)).await;
    let resubmit = Event::DeadlinePassed(crate::domain::task::UnknownPolicy::Resubmit);
    let asserted = lead(store, created, &[claimed(), ambiguous(1), resubmit]).await;
    let back = lead(store, asserted, &[accepted(1)]).await;
    assert_eq!(back.attempts[0].cost.charge, Charge::Estimated);
    let found = store.find(&back.tenant, &back.request_id).await;
    assert_eq!(found.expect("a read"), Some(back));
}

/// Only what is at rest is forgotten, and then all of it: its key is free again.
pub async fn only_tasks_at_rest_are_removed(store: &dyn TaskStore) {
    let tasks = one_of_each(store).await;
    let ids: Vec<_> = tasks.iter().map(|task| task.id).collect();
    let resting = |task: &&Arc<_>| crate::domain::task::Task::next_step(task).0 == Lane::Rest;
    let expected = tasks.iter().filter(resting).count();
    assert_eq!(store.remove(ids).await.expect("a write"), expected);
    for task in &tasks {
        let left = store.get(task.id).await.expect("a read").is_some();
        assert_eq!(
            left,
            task.next_step().0 != Lane::Rest,
            "{}",
            task.state.name()
        );
    }
    let cancelled = tasks.last().expect("the cancelled one");
    let rested = lead(
        store,
        Arc::clone(cancelled),
        &[Event::Purged(cancelled.purge)],
    )
    .await;
    assert_eq!(rested.purge, Purge::Nothing);
    assert_eq!(store.remove(vec![rested.id]).await.expect("a write"), 1);
    assert_eq!(store.remove(vec![rested.id]).await.expect("a write"), 0);
    let found = store.find(&rested.tenant, &rested.request_id).await;
    assert_eq!(found.expect("a read"), None);
    create(store, task_of("local", rested.request_id.as_str(), 900_000)).await;
}

/// A write is announced before it returns, in the order of commits, and refused ones never are.
pub async fn commits_are_announced_in_order(store: &dyn TaskStore) {
    let mut watch = store.changes().subscribe(task(1).id);
    let created = create(store, task(1)).await;
    let seen = |latest: crate::store::changes::Latest| latest.task.map(|task| task.version);
    assert_eq!(seen(watch.latest()), Some(1));
    let claim = created.apply(&claimed(), NOW).expect("legal");
    store.save(claim.clone()).await.expect("a save");
    assert_eq!(seen(watch.latest()), Some(2));
    assert!(store.save(claim).await.is_err());
    assert_eq!(seen(watch.latest()), Some(2));
    store.changes().take(Lane::Poll);
    let claim = store.get(created.id).await.expect("a read").expect("there");
    lead(store, claim, &[accepted(1)]).await;
    assert_eq!(store.changes().take(Lane::Poll).ids, [created.id]);
    // Resolves at once: the lane was nudged.
    store.changes().nudged(Lane::Poll).await;
}

/// However many writers race, each change is made once, on the newest version.
pub async fn racing_updates_all_find_their_place(store: Arc<dyn TaskStore>) {
    let created = create(&*store, task(1)).await;
    lead(&*store, created, &[claimed()]).await;
    let mut events = vec![accepted(1), ambiguous(1), ambiguous(1)];
    events.extend((0..8).map(|_| Event::CancelRequested));
    let races = events.into_iter().map(|event| {
        let store = Arc::clone(&store);
        async move { update(&*store, task(1).id, &event, NOW).await }
    });
    let mut saved = 0;
    for result in join_all(races).await {
        saved += u64::from(matches!(result.expect("an update"), Update::Saved(_)));
    }
    let last = store.get(task(1).id).await.expect("a read").expect("there");
    assert_eq!(last.version, 2 + saved);
    assert!(last.cancel_requested);
    assert_eq!(last.attempts[0].upstream_id.as_deref(), Some("up-1"));
    assert!(
        last.history
            .iter()
            .map(|m| m.revision)
            .eq(1..=last.revision)
    );
    let missing = update(&*store, task(2).id, &claimed(), NOW).await;
    assert!(matches!(missing, Err(UpdateError::NotFound)));
}

/// Every field of every situation reads back, and again after the store was opened anew.
pub async fn every_field_survives_a_restart<S, F, O>(open: O)
where
    S: TaskStore,
    F: Future<Output = S>,
    O: Fn() -> F,
{
    let store = open().await;
    let mut tasks = one_of_each(&store).await;
    let ended = create(&store, task(700)).await;
    let ended = lead(
        &store,
        ended,
        &[claimed(), accepted(1), succeeded(), archived()],
    )
    .await;
    tasks.push(lead(&store, ended, &[Event::ContentExpired, Event::Deleted]).await);
    let booking = create(&store, task(701)).await;
    let book_until = Timestamp(NOW.0 + 9);
    let timed_out = Event::TimedOut {
        attempt: 1,
        book_until,
    };
    tasks.push(
        lead(
            &store,
            booking,
            &[claimed(), accepted(1), timed_out, booked(Some(0))],
        )
        .await,
    );
    let turned_down = create(&store, task(702)).await;
    let again = rejected(1, Verdict::Retry(NOW));
    tasks.push(lead(&store, turned_down, &[claimed(), again]).await);
    for task in &tasks {
        let found = store.find(&task.tenant, &task.request_id).await;
        assert_eq!(found.expect("a read").as_ref(), Some(task));
    }
    drop(store);
    let store = open().await;
    for task in &tasks {
        let found = store.get(task.id).await;
        assert_eq!(found.expect("a read").as_ref(), Some(task));
    }
    let again = store.create((*tasks[0]).clone()).await.expect("a create");
    assert!(matches!(again, Created::Existing(_)));
}
