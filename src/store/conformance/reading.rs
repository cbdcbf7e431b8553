//! Promises of the questions: what is due, what is listed, how long things ran.

use std::collections::HashSet;
use std::sync::Arc;

use super::{FAR, create, every_task_of, lead, one_of_each};
use crate::domain::caller::KeyId;
use crate::domain::id::{RequestId, TenantId};
use crate::domain::task::samples::{
    NOW, accepted, archived, claimed, rejected, seen, succeeded, task, task_of,
};
use crate::domain::task::{Event, Lane, Status, Task, UpstreamStatus, Verdict};
use crate::domain::time::Timestamp;
use crate::store::{Alike, ListQuery, Sorted, TaskStore};

/// What was never made is not found.
pub async fn what_is_not_there_is_not_found(store: &dyn TaskStore) {
    let other = task(1);
    assert_eq!(store.get(other.id).await.expect("a read"), None);
    let found = store.find(&other.tenant, &other.request_id).await;
    assert_eq!(found.expect("a read"), None);
    assert_eq!(store.next_due(Lane::Dispatch).await.expect("a read"), None);
}

/// A request without a key finds the tasks that it made lately, the newest first, and only its own.
pub async fn a_request_without_a_key_finds_what_it_made(store: &dyn TaskStore) {
    let keyless = |n: u32| {
        let mut task = task(n);
        task.request_id = RequestId::for_task(task.id);
        task
    };
    let (old, new) = (keyless(1), keyless(2));
    let alike = Alike {
        tenant: new.tenant.clone(),
        key: new.key.clone(),
        fingerprint: Some(new.fingerprint),
        since: old.times.created,
    };
    let found = async |alike: &Alike| {
        let found = store.alike(alike, 2).await.expect("a read");
        found.iter().map(|task| task.id).collect::<Vec<_>>()
    };
    // Of this one the caller has the key.
    create(store, task(3)).await;
    assert_eq!(found(&alike).await, []);
    create(store, old.clone()).await;
    assert_eq!(found(&alike).await, [old.id]);
    let made = create(store, new.clone()).await;
    assert_eq!(found(&alike).await, [new.id, old.id]);
    let whatever = Alike {
        fingerprint: None,
        ..alike.clone()
    };
    assert_eq!(found(&whatever).await, [new.id, old.id]);
    let newest = store.alike(&alike, 1).await.expect("a read");
    assert_eq!((newest.len(), newest[0].id), (1, new.id));
    let others = [
        Alike {
            tenant: TenantId::named("b"),
            ..alike.clone()
        },
        Alike {
            key: None,
            ..whatever.clone()
        },
        Alike {
            key: Some(KeyId::new("k2")),
            ..alike.clone()
        },
        Alike {
            fingerprint: Some([8; 32]),
            ..alike.clone()
        },
        Alike {
            since: Timestamp(new.times.created.0 + 1),
            ..alike.clone()
        },
    ];
    for other in &others {
        assert_eq!(found(other).await, [], "{other:?}");
    }
    lead(store, made, &[Event::CancelRequested, Event::Deleted]).await;
    assert_eq!(found(&alike).await, [old.id]);
}

/// Each task is due in its own lane and in no other.
pub async fn every_task_is_due_in_its_lane_only(store: &dyn TaskStore) {
    let tasks = one_of_each(store).await;
    for lane in Lane::ALL {
        let due = store.due(lane, Timestamp::NEVER, None, 100).await;
        let found: HashSet<_> = due.expect("a read").iter().map(|task| task.id).collect();
        let expected: HashSet<_> = tasks
            .iter()
            .filter(|task| task.next_step().0 == lane)
            .map(|task| task.id)
            .collect();
        assert_eq!(found, expected, "{lane:?}");
        let first = tasks
            .iter()
            .map(|task| task.next_step())
            .filter(|(other, _)| *other == lane)
            .map(|(_, due)| due)
            .min();
        assert_eq!(
            store.next_due(lane).await.expect("a read"),
            first,
            "{lane:?}"
        );
    }
}

/// Pages follow (due, id) strictly, also among tasks due at one moment, and stop at `until`.
pub async fn what_is_due_comes_in_order_and_in_pages(store: &dyn TaskStore) {
    for n in 1..=25 {
        let created = create(store, task(n)).await;
        let at = Timestamp(NOW.0 + 10_000 + i64::from(n % 3));
        lead(
            store,
            created,
            &[claimed(), rejected(1, Verdict::Retry(at))],
        )
        .await;
    }
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let page = store.due(Lane::Dispatch, FAR, after, 4).await;
        let page = page.expect("a read");
        assert!(page.len() <= 4 && found.len() <= 25);
        let Some(last) = page.last() else { break };
        after = Some((last.next_step().1, last.id));
        found.extend(page.iter().map(|task| (task.next_step().1, task.id)));
    }
    assert_eq!(found.len(), 25);
    assert!(found.is_sorted_by(|a, b| a < b));
    let until = Timestamp(NOW.0 + 10_000);
    let early = store.due(Lane::Dispatch, until, None, 100).await;
    let early = early.expect("a read");
    assert!(!early.is_empty() && early.iter().all(|task| task.next_step().1 == until));
}

fn all_of(tenant: &str) -> ListQuery {
    ListQuery {
        filter: every_task_of(tenant),
        after: None,
        sorted: Sorted::NewestFirst,
        limit: 100,
    }
}

async fn keys(store: &dyn TaskStore, query: &ListQuery) -> Vec<String> {
    let page = store.list(query).await.expect("a read");
    page.iter()
        .map(|task| task.request_id.as_str().to_owned())
        .collect()
}

/// A list holds a tenant's own tasks, newest first, that pass every filter.
pub async fn a_list_is_filtered(store: &dyn TaskStore) {
    let labelled = |n, team: &str, model: &str| {
        let mut task = task_of("a", &format!("k{n}"), n);
        let order = Arc::make_mut(&mut task.order);
        order.labels = [("team".to_owned(), team.to_owned())].into();
        model.clone_into(&mut order.model);
        task
    };
    create(store, labelled(1, "x", "turbo")).await;
    let second = create(store, labelled(2, "y", "turbo")).await;
    lead(
        store,
        second,
        &[claimed(), accepted(1), seen(UpstreamStatus::Running)],
    )
    .await;
    create(store, labelled(3, "x", "aleph")).await;
    create(store, task_of("b", "other", 4)).await;

    let all = all_of("a");
    assert_eq!(keys(store, &all).await, ["k3", "k2", "k1"]);
    assert_eq!(keys(store, &all_of("nobody")).await, [""; 0]);
    let statuses = |statuses: &[Status]| {
        let mut query = all.clone();
        query.filter.statuses = statuses.to_vec();
        query
    };
    assert_eq!(keys(store, &statuses(&[Status::InProgress])).await, ["k2"]);
    let two = statuses(&[Status::InProgress, Status::Queued]);
    assert_eq!(keys(store, &two).await.len(), 3);
    let mut query = all.clone();
    query.filter.labels = vec![("team".to_owned(), "x".to_owned())];
    assert_eq!(keys(store, &query).await, ["k3", "k1"]);
    query.filter.models = vec!["aleph".to_owned(), "other".to_owned()];
    assert_eq!(keys(store, &query).await, ["k3"]);
    query
        .filter
        .labels
        .push(("team".to_owned(), "y".to_owned()));
    assert_eq!(keys(store, &query).await, [""; 0]);
    let mut query = all.clone();
    query.filter.created_from = Some(Timestamp(NOW.0 + 2));
    query.filter.created_before = Some(Timestamp(NOW.0 + 3));
    assert_eq!(keys(store, &query).await, ["k2"]);
}

/// What is in a lane is told without the tasks, in order and in pages, due or not.
pub async fn a_lane_is_told_by_its_ids(store: &dyn TaskStore) {
    let mut expected = Vec::new();
    for n in 1..=5 {
        let task = create(store, task_of("a", &format!("k{n}"), n)).await;
        let (lane, due) = task.next_step();
        assert_eq!(lane, Lane::Dispatch);
        expected.push((due, task.id));
    }
    expected.sort();
    let mut found = Vec::new();
    loop {
        let page = store
            .in_lane(Lane::Dispatch, found.last().copied(), 2)
            .await;
        let page = page.expect("a page");
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    assert_eq!(found, expected);
    let others = store.in_lane(Lane::Poll, None, 9).await;
    assert_eq!(others.expect("a page"), []);
}

/// A list of a time goes on after any task, in either order, and takes any time.
pub async fn a_list_of_a_time_goes_on_after_a_task(store: &dyn TaskStore) {
    let mut ids = Vec::new();
    for n in 1..=5 {
        ids.push(create(store, task_of("a", &format!("k{n}"), n)).await.id);
    }
    let mut query = all_of("a");
    query.filter.created_from = Some(Timestamp(NOW.0 + 2));
    query.filter.created_before = Some(Timestamp(NOW.0 + 5));
    for (after, newest, oldest) in [
        (0, vec![], vec!["k2", "k3", "k4"]),
        (2, vec!["k2"], vec!["k4"]),
        (4, vec!["k4", "k3", "k2"], vec![]),
    ] {
        query.after = Some(ids[after]);
        query.sorted = Sorted::NewestFirst;
        assert_eq!(keys(store, &query).await, newest);
        query.sorted = Sorted::OldestFirst;
        assert_eq!(keys(store, &query).await, oldest);
    }
    let mut query = all_of("a");
    query.filter.created_from = Some(Timestamp(i64::MIN));
    query.filter.created_before = Some(Timestamp(i64::MAX));
    assert_eq!(keys(store, &query).await.len(), 5);
    query.filter.created_from = Some(Timestamp(i64::MAX));
    assert_eq!(keys(store, &query).await, [""; 0]);
    (query.filter.created_from, query.filter.created_before) = (None, Some(Timestamp(i64::MIN)));
    assert_eq!(keys(store, &query).await, [""; 0]);
}

/// A walk through the pages sees each task once, and what is made meanwhile does not disturb it.
pub async fn a_list_is_paged_while_it_grows(store: &dyn TaskStore) {
    for n in 1..=20 {
        create(store, task_of("a", &format!("k{n}"), n)).await;
    }
    let mut query = all_of("a");
    query.limit = 6;
    let mut walked: Vec<Arc<Task>> = Vec::new();
    for n in 21.. {
        let page = store.list(&query).await.expect("a read");
        let Some(last) = page.last() else { break };
        query.after = Some(last.id);
        walked.extend(page);
        create(store, task_of("a", &format!("k{n}"), n)).await;
    }
    let ids: Vec<_> = walked.iter().map(|task| task.id).collect();
    assert_eq!(ids.len(), 20);
    assert!(ids.is_sorted_by(|a, b| a > b));
    the_other_way_the_walk_meets_what_was_made(store, query).await;
}

/// From the oldest on, what was made during a walk lies before it.
async fn the_other_way_the_walk_meets_what_was_made(store: &dyn TaskStore, mut query: ListQuery) {
    query.sorted = Sorted::OldestFirst;
    query.after = None;
    let mut walked: Vec<Arc<Task>> = Vec::new();
    loop {
        let page = store.list(&query).await.expect("a read");
        let Some(last) = page.last() else { break };
        query.after = Some(last.id);
        walked.extend(page);
    }
    let ids: Vec<_> = walked.iter().map(|task| task.id).collect();
    assert_eq!(ids.len(), 24);
    assert!(ids.is_sorted_by(|a, b| a < b));
}

/// Only completed runs teach, newest first, and no more than asked for.
pub async fn run_times_are_those_of_completed_tasks(store: &dyn TaskStore) {
    one_of_each(store).await;
    for (n, ran) in [(800, 30_000), (801, 40_000)] {
        let created = create(store, task(n)).await;
        let running = [claimed(), accepted(1), seen(UpstreamStatus::Running)];
        let running = lead(store, created, &running).await;
        let mut done = lead(store, Arc::clone(&running), &[succeeded()]).await;
        let end = Timestamp(running.times.started.expect("it runs").0 + ran);
        let next = done.apply(&archived(), end).expect("legal");
        done = store.save(next).await.expect("a save");
        assert_eq!(done.times.completed, Some(end));
    }
    let times = store.run_times(10).await.expect("a read");
    let model = "gen4_turbo".to_owned();
    assert_eq!(times, [(model.clone(), 40_000), (model.clone(), 30_000)]);
    let newest = store.run_times(1).await.expect("a read");
    assert_eq!(newest, [(model, 40_000)]);
}
