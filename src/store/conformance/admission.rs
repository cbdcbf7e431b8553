//! Promises of admission: limits hold whoever races, and what a key spent moves with its tasks.

use std::sync::Arc;

use futures_util::future::join_all;

use super::{create, lead};
use crate::domain::caller::{Budget, KeyId};
use crate::domain::id::{RequestId, TaskId};
use crate::domain::money::Millicredits;
use crate::domain::spending::{Day, Exceeded, Period};
use crate::domain::task::samples::{
    ESTIMATE, NOW, accepted, ambiguous, booked, claimed, failure, rejected, task, task_of,
};
use crate::domain::task::{Event, Task, UnknownPolicy, Verdict};
use crate::domain::time::Timestamp;
use crate::store::{Admission, Created, Denied, QueueOf, Saved, TaskStore, update};

/// How many of racing creates are let in.
async fn race(store: &Arc<dyn TaskStore>, tasks: Vec<Task>, admission: &Admission) -> usize {
    let creates = tasks.into_iter().map(|task| {
        let (store, admission) = (Arc::clone(store), admission.clone());
        async move { store.admit(task, &admission).await }
    });
    let mut new = 0;
    for created in join_all(creates).await {
        match created.expect("a create") {
            Created::New(_) => new += 1,
            Created::Existing(task) => panic!("{} was there", task.id),
            Created::Denied(_) => {}
        }
    }
    new
}

/// Of two hundred that race for what one may spend, one is let in; of the others nothing is left.
pub async fn racing_creates_do_not_pass_a_budget_together(store: Arc<dyn TaskStore>) {
    for budget in [
        budget(Some(2 * ESTIMATE.0 - 1), None),
        budget(None, Some(2 * ESTIMATE.0 - 1)),
    ] {
        let first = u32::from(budget.month.is_some()) * 1_000;
        let admission = Admission {
            budget,
            ..Admission::default()
        };
        let key = KeyId::new(format!("k-{first}"));
        let tasks = (first..first + 200).map(|n| Task {
            key: Some(key.clone()),
            ..task(n)
        });
        assert_eq!(race(&store, tasks.collect(), &admission).await, 1);
        assert_eq!(store.census().unfinished_of_key(&key), 1);
    }
}

/// Of two hundred that race for one place in a queue, one is let in, whichever queue it is.
pub async fn racing_creates_do_not_pass_a_queues_end_together(store: Arc<dyn TaskStore>) {
    let model = task(0).order.model.clone();
    let bounds: [fn(u32) -> Admission; 4] = [
        |most| Admission {
            queued: Some(most),
            ..Admission::default()
        },
        |most| Admission {
            queued_of_tenant: Some(most),
            ..Admission::default()
        },
        |most| Admission {
            queued_of_model: Some(most),
            ..Admission::default()
        },
        |most| Admission {
            tasks_of_key: Some(most),
            ..Admission::default()
        },
    ];
    for (n, bound) in (0..).zip(bounds) {
        let census = store.census();
        let waiting = census.queued();
        assert_eq!(waiting, census.queued_of_model(&model));
        let tasks = (n * 1_000..n * 1_000 + 200).map(task);
        let admission = bound(waiting + 1);
        assert_eq!(race(&store, tasks.collect(), &admission).await, 1);
        assert_eq!(store.census().queued(), waiting + 1);
    }
}

/// A task that others of its call come after is let in only where they fit too.
pub async fn a_task_is_let_in_where_those_after_it_fit_too(store: &dyn TaskStore) {
    let bounds: [fn(u32) -> Admission; 3] = [
        |most| Admission {
            queued: Some(most),
            ..Admission::default()
        },
        |most| Admission {
            tasks_of_key: Some(most),
            ..Admission::default()
        },
        |most| Admission {
            budget: budget(Some(u64::from(most) * ESTIMATE.0), None),
            ..Admission::default()
        },
    ];
    for (n, bound) in (1..).zip(bounds) {
        for (most, fits) in [(n + 1, false), (n + 2, true)] {
            let admission = Admission {
                more: 2,
                ..bound(most)
            };
            let made = store.admit(task(n), &admission).await.expect("a create");
            assert_eq!(matches!(made, Created::New(_)), fits, "{admission:?}");
        }
    }
}

/// What is denied names the limit and leaves nothing; what is there already is found all the same.
pub async fn a_denied_create_leaves_nothing_and_a_repeat_is_found(store: &dyn TaskStore) {
    let kept = create(store, task(1)).await;
    let spent = ESTIMATE;
    let renewed = |day: Day| day.begins();
    let on = Day::of(kept.times.created);
    let cases = [
        (
            Admission {
                queued: Some(1),
                ..Admission::default()
            },
            full(QueueOf::Server),
        ),
        (
            Admission {
                queued_of_tenant: Some(1),
                ..Admission::default()
            },
            full(QueueOf::Tenant),
        ),
        (
            Admission {
                queued_of_model: Some(1),
                ..Admission::default()
            },
            full(QueueOf::Model),
        ),
        (
            Admission {
                tasks_of_key: Some(1),
                ..Admission::default()
            },
            Denied::KeyTasks { most: 1 },
        ),
        (
            Admission {
                budget: budget(Some(ESTIMATE.0), None),
                ..Admission::default()
            },
            Denied::Budget(Exceeded {
                period: Period::Day,
                limit: ESTIMATE,
                spent,
                renewed: renewed(Day(on.0 + 1)),
            }),
        ),
        (
            Admission {
                budget: budget(None, Some(ESTIMATE.0)),
                ..Admission::default()
            },
            Denied::Budget(Exceeded {
                period: Period::Month,
                limit: ESTIMATE,
                spent,
                renewed: renewed(on.month().1),
            }),
        ),
    ];
    for (admission, expected) in cases {
        match store.admit(task(2), &admission).await.expect("a create") {
            Created::Denied(denied) => assert_eq!(denied, expected),
            other => panic!("{other:?}"),
        }
        assert_eq!(store.get(task(2).id).await.expect("a read"), None);
        let again = store.admit(task(1), &admission).await.expect("a create");
        assert!(matches!(again, Created::Existing(found) if found == kept));
    }
    assert_eq!(
        (store.census().queued(), store.census().unfinished()),
        (1, 1)
    );
}

/// Tasks that wait under another name of the model count; those of other tenants, keys and models do
/// not, nor those that left the queue.
pub async fn limits_count_their_own_alone(store: &dyn TaskStore) {
    let of_other_model = |n: u32| {
        let mut task = task_of("b", "x", n);
        Arc::make_mut(&mut task.order).model = "other".to_owned();
        task.key = Some(KeyId::new("k2"));
        task
    };
    create(store, of_other_model(1)).await;
    let sent = create(store, task(2)).await;
    lead(store, sent, &[claimed()]).await;
    let admission = Admission {
        queued_of_tenant: Some(1),
        queued_of_model: Some(1),
        tasks_of_key: Some(2),
        budget: budget(Some(2 * ESTIMATE.0), None),
        ..Admission::default()
    };
    let named = Admission {
        model_names: vec!["other".to_owned()],
        ..admission.clone()
    };
    let denied = store.admit(task(3), &named).await.expect("a create");
    assert!(matches!(denied, Created::Denied(d) if d == full(QueueOf::Model)));
    let let_in = store.admit(task(3), &admission).await.expect("a create");
    assert!(matches!(let_in, Created::New(_)), "{let_in:?}");
}

/// A budget begins anew with the day and with the month, and a task counts where it was created.
pub async fn a_budget_is_of_its_day_and_month(store: &dyn TaskStore) {
    let on = |text: &str| {
        let at: jiff::Timestamp = text.parse().expect("a moment");
        Timestamp(at.as_millisecond())
    };
    let mut n = 0;
    let mut ask = async |at: &str, budget| {
        n += 1;
        let mut task = task(n);
        task.times.created = on(at);
        let admission = Admission {
            budget,
            ..Admission::default()
        };
        match store.admit(task, &admission).await.expect("a create") {
            Created::New(_) => None,
            Created::Denied(Denied::Budget(found)) => Some((found.period, found.renewed)),
            other => panic!("{other:?}"),
        }
    };
    let both = budget(Some(ESTIMATE.0), Some(2 * ESTIMATE.0));
    assert_eq!(ask("2026-11-29T23:59:59.999Z", both).await, None);
    let midnight = Some((Period::Day, on("2026-11-30T00:00:00Z")));
    assert_eq!(ask("2026-11-29T23:59:59.999Z", both).await, midnight);
    assert_eq!(ask("2026-11-30T00:00:00Z", both).await, None);
    let december = Some((Period::Month, on("2026-12-01T00:00:00Z")));
    assert_eq!(ask("2026-11-30T23:59:59.999Z", both).await, december);
    assert_eq!(ask("2026-12-01T00:00:00Z", both).await, None);
    assert_eq!(ask("2026-11-01T00:00:00Z", both).await, december);
}

/// What a task spends moves with its bill, and what is given back may be spent again.
pub async fn spend_is_settled_with_the_task(store: &dyn TaskStore) {
    let held = ESTIMATE.0;
    let free = |n| task(n).id;
    // Refused at no cost: all of it is given back.
    let one = create(store, task(1)).await;
    assert_eq!(spent(store).await, held);
    lead(
        store,
        one,
        &[claimed(), rejected(1, Verdict::Fail(failure()))],
    )
    .await;
    assert_eq!(spent(store).await, 0);
    // Ended with its bill open: held until it is booked, then settled, also when deleted meanwhile.
    let two = create(store, task(2)).await;
    let book_until = Timestamp(NOW.0 + 9);
    let open = [
        claimed(),
        accepted(1),
        Event::TimedOut {
            attempt: 1,
            book_until,
        },
    ];
    let two = lead(store, two, &open).await;
    let before = two.committed_spend().0;
    assert!(before > 0);
    assert_eq!(spent(store).await, before);
    let deleted = lead(store, two, &[Event::Deleted]).await;
    assert_eq!(spent(store).await, before, "a deleted task is paid for");
    lead(store, deleted, &[booked(Some(99_000))]).await;
    assert_eq!(spent(store).await, 99_000);
    // Forgotten for good: the spend stays.
    let purged = update(
        store,
        free(2),
        &Event::Purged(crate::domain::task::Purge::All),
        NOW,
    );
    purged.await.expect("an update");
    assert_eq!(store.remove(vec![free(2)]).await.expect("removed"), 1);
    assert_eq!(spent(store).await, 99_000);
}

/// A version that spends more is saved only if the budget holds; one that does not always is.
pub async fn a_save_is_within_the_budget(store: &dyn TaskStore) {
    let created = create(store, task(1)).await;
    let none = budget(Some(0), Some(0));
    let next = created.apply(&claimed(), NOW).expect("legal");
    let saved = store.save_within(next, none).await.expect("a save");
    let Saved::Committed(sent) = saved else {
        panic!("{saved:?}")
    };
    let lost = lead(store, sent, &[ambiguous(1)]).await;
    let resubmit = Event::DeadlinePassed(UnknownPolicy::Resubmit);
    let twice = lost.apply(&resubmit, NOW).expect("legal");
    let short = budget(Some(2 * ESTIMATE.0 - 1), None);
    for (budget, fits) in [(short, false), (budget(Some(2 * ESTIMATE.0), None), true)] {
        let saved = store.save_within(twice.clone(), budget).await;
        match saved.expect("a save") {
            Saved::Committed(task) => assert!(fits && *task == twice),
            Saved::Denied(Denied::Budget(found)) => {
                assert!(!fits);
                assert_eq!(found.spent, ESTIMATE);
                let found = store.get(lost.id).await.expect("a read");
                assert_eq!(found, Some(Arc::clone(&lost)), "nothing was written");
            }
            Saved::Denied(other) => panic!("{other}"),
        }
    }
    let late = store.save_within(twice, Budget::default()).await;
    assert!(matches!(late, Err(crate::store::StoreError::Conflict)));
}

/// What the key of samples spent on the day of samples.
async fn spent(store: &dyn TaskStore) -> u64 {
    spent_on(store, &KeyId::new("k1"), Day::of(NOW)).await
}

/// What a key spent on a day, as a create that asks for too much is told.
pub(super) async fn spent_on(store: &dyn TaskStore, key: &KeyId, day: Day) -> u64 {
    let mut probe = task(9_999_999);
    probe.id = TaskId::new(1, [9; 10]);
    probe.request_id = RequestId::parse("probe").expect("visible ASCII");
    (probe.key, probe.times.created) = (Some(key.clone()), day.begins());
    probe.reserve = Some(Millicredits(u64::MAX));
    let admission = Admission {
        budget: budget(Some(1 << 60), None),
        ..Admission::default()
    };
    match store.admit(probe, &admission).await.expect("a create") {
        Created::Denied(Denied::Budget(found)) => found.spent.0,
        other => panic!("{other:?}"),
    }
}

fn budget(day: Option<u64>, month: Option<u64>) -> Budget {
    Budget {
        day: day.map(Millicredits),
        month: month.map(Millicredits),
    }
}

const fn full(of: QueueOf) -> Denied {
    Denied::QueueFull { of, most: 1 }
}
