//! Promises of the counts and of the queues: they are those of the tasks, after every write.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::admission::spent_on;
use super::{FAR, create, lead, one_of_each};
use crate::domain::caller::KeyId;
use crate::domain::id::TenantId;
use crate::domain::spending::Day;
use crate::domain::task::samples::{
    NOW, accepted, ambiguous, claimed, seen_of, succeeded_of, task_of,
};
use crate::domain::task::{Event, Standing, Task, UnknownPolicy, UpstreamStatus};
use crate::domain::time::Timestamp;
use crate::store::{Census, Load, TaskStore};

/// After any walk, and after a restart, the counts are those of the tasks, and what each key spent on
/// each day is the sum of what its tasks spend.
pub async fn counts_and_spend_are_those_of_the_tasks<S, F, O>(open: O)
where
    S: TaskStore,
    F: Future<Output = S>,
    O: Fn() -> F,
{
    let store = open().await;
    let mut tasks = one_of_each(&store).await;
    for n in 0..60_u32 {
        let mut new = task_of(["a", "b"][n as usize % 2], &format!("w{n}"), 500 + n);
        new.key = [Some("k1"), Some("k2"), None][n as usize % 3].map(KeyId::new);
        let day = i64::from(n % 4) * 86_400_000;
        new.times.created = Timestamp(new.times.created.0 + day);
        Arc::make_mut(&mut new.order).model = ["gen4.5", "veo3.1"][n as usize % 2].to_owned();
        let created = create(&store, new).await;
        tasks.push(lead(&store, created, &walk_of(n)).await);
    }
    assert_counts(store.census(), &tasks);
    assert_spend(&store, &tasks).await;
    drop(store);
    let store = open().await;
    assert_counts(store.census(), &tasks);
    assert_spend(&store, &tasks).await;
}

fn walk_of(n: u32) -> Vec<Event> {
    let book_until = Timestamp(NOW.0 + 9);
    let resubmit = Event::DeadlinePassed(UnknownPolicy::Resubmit);
    let full = [
        claimed(),
        ambiguous(1),
        resubmit,
        claimed(),
        accepted(2),
        seen_of(2, UpstreamStatus::Throttled),
        seen_of(2, UpstreamStatus::Running),
    ];
    let mut walk = full[..n as usize % (full.len() + 1)].to_vec();
    if walk.len() == full.len() {
        walk.push(match n % 3 {
            0 => succeeded_of(2),
            1 => Event::TimedOut {
                attempt: 2,
                book_until,
            },
            _ => seen_of(2, UpstreamStatus::Cancelled),
        });
    }
    walk
}

fn assert_counts(census: &Census, tasks: &[Arc<Task>]) {
    let mut places: BTreeMap<(&str, &str, &str), Load> = BTreeMap::new();
    let mut queues: BTreeMap<(&TenantId, &str), u32> = BTreeMap::new();
    let mut keys: BTreeMap<&KeyId, u32> = BTreeMap::new();
    let mut tenants: BTreeMap<&TenantId, u32> = BTreeMap::new();
    for task in tasks {
        let standing = task.standing();
        if standing != Standing::Ended
            && let Some(key) = &task.key
        {
            *keys.entry(key).or_default() += 1_u32;
        }
        match standing {
            Standing::Waiting => {
                *queues.entry((&task.tenant, &task.order.model)).or_default() += 1;
            }
            Standing::InFlight { place, throttled } => {
                let place = (place.account, place.model, place.deployment);
                let load = places.entry(place).or_default();
                load.in_flight += 1;
                load.throttled += u32::from(throttled);
                *tenants.entry(&task.tenant).or_default() += 1_u32;
            }
            Standing::Aside | Standing::Ended => {}
        }
    }
    assert!(places.values().any(|load| load.throttled > 0));
    for ((account, model, deployment), load) in &places {
        assert_eq!(census.load(account, model), *load);
        assert_eq!(census.of_deployment(deployment), *load);
    }
    let told: Vec<_> = census.queues();
    let told = told.iter().map(|q| ((&q.tenant, &*q.model), q.queued));
    assert!(told.eq(queues.iter().map(|(queue, n)| (*queue, *n))));
    assert_eq!(census.queued(), queues.values().sum::<u32>());
    for (key, unfinished) in keys {
        assert_eq!(census.unfinished_of_key(key), unfinished, "{key}");
    }
    for tenant in ["a", "b", "local"].map(TenantId::named) {
        let own = tenants.get(&tenant).copied().unwrap_or(0);
        assert_eq!(census.in_flight_of_tenant(&tenant), own);
    }
}

async fn assert_spend(store: &dyn TaskStore, tasks: &[Arc<Task>]) {
    let mut sums: BTreeMap<(&KeyId, i64), u64> = BTreeMap::new();
    for task in tasks {
        if let Some(key) = &task.key {
            let day = Day::of(task.times.created).0;
            *sums.entry((key, day)).or_default() += task.committed_spend().0;
        }
    }
    for ((key, day), sum) in sums {
        assert_eq!(spent_on(store, key, Day(day)).await, sum, "{key} {day}");
    }
}

/// A queue is served by priority and then by age, in pages, without what is not due or of another
/// queue; and it is told when its first task is due.
pub async fn a_queue_is_served_by_priority_and_age(store: &dyn TaskStore) {
    let new = |n: u32, tenant: &str, model: &str, priority: i32| {
        let mut task = task_of(tenant, &format!("q{n}"), n);
        let order = Arc::make_mut(&mut task.order);
        model.clone_into(&mut order.model);
        order.priority = priority;
        task
    };
    let priorities = [0, 5, -3, 5, 0, 0, -100, 100, 5, 0];
    let mut tasks = Vec::new();
    for (n, priority) in (0..).zip(priorities) {
        tasks.push(create(store, new(n, "a", "m", priority)).await);
        create(store, new(100 + n, "b", "m", 0)).await;
        create(store, new(200 + n, "a", "other", 0)).await;
    }
    let later = Event::Deferred {
        not_before: Timestamp(FAR.0 + 1),
        why: "waiting".to_owned(),
    };
    lead(store, tasks.remove(1), &[later]).await;
    lead(store, tasks.remove(0), &[claimed()]).await;
    tasks.sort_by_key(|task| (-task.order.priority, task.id));
    let tenant = TenantId::named("a");
    for limit in [1, 2, 3, 100] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.due_for(&tenant, "m", FAR, after, limit).await;
            let page = page.expect("a read");
            assert!(page.len() <= limit);
            let Some(last) = page.last() else { break };
            after = Some((last.order.priority, last.id));
            found.extend(page);
        }
        assert_eq!(found, tasks, "pages of {limit}");
    }
    let early = store.due_for(&tenant, "m", tasks[0].times.created, None, 9);
    assert!(early.await.expect("a read").len() < tasks.len());
    let waiting = store.waiting().await.expect("a read");
    let told: Vec<_> = waiting
        .iter()
        .map(|w| (w.tenant.as_str(), &*w.model, w.queued, w.first_due))
        .collect();
    let due = |n: i64| Timestamp(NOW.0 + n);
    let expected = [
        ("a", "m", 9, due(2)),
        ("a", "other", 10, due(200)),
        ("b", "m", 10, due(100)),
    ];
    assert_eq!(told, expected);
}

/// What ended is told once, oldest first; only what completed or was moderated.
pub async fn endings_are_told_in_order(store: &dyn TaskStore) {
    let all = one_of_each(store).await;
    let completed = |task: &&Arc<Task>| task.status() == crate::domain::task::Status::Completed;
    let done = all.iter().find(completed).expect("one completed");
    let found = store.endings(Timestamp(0), 10).await.expect("a read");
    assert_eq!(found, [done.ending().expect("it ended")]);
    let after = store.endings(found[0].at, 10).await.expect("a read");
    assert_eq!(after, []);
}
