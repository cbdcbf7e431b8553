//! Many accounts: spreading, failing over, and making again what a provider failed to make.

use std::time::Duration;

use mediagen::domain::routing::{Cap, Group, Policy, Strategy};
use mediagen::pb::v1::{Attempt, AttemptOutcome, Charge, Task, TaskStatus};
use mediagen::sandbox::{self, Effect, Fault, Place};

use crate::harness::client::assert_whole_history;
use crate::harness::fleet::{DOWN, Fleet, group};
use crate::harness::{quick, sound, video};

/// What sounds are made with; also the name of their group here.
const SOUNDS: &str = "eleven_text_to_sound_v2";

fn policy(strategy: Strategy) -> Policy {
    Policy {
        strategy,
        ..Policy::default()
    }
}

fn sounds(accounts: &[&str], policy: Policy) -> Group {
    group(SOUNDS, SOUNDS, accounts, policy)
}

/// A group that goes to its first account as long as that is fit.
fn first_of(accounts: &[&str]) -> Group {
    let mut group = sounds(accounts, policy(Strategy::SimpleShuffle));
    group.deployments[0].weight = 1_000_000_000;
    group
}

fn refusing(status: u16) -> Fault {
    Fault {
        on: Place::Create,
        times: 1_000,
        accept_first: false,
        effect: Effect::Answer {
            status,
            headers: [].into(),
            body: None,
        },
    }
}

fn statuses(task: &Task) -> Vec<TaskStatus> {
    let entries = task.history.iter();
    entries
        .map(mediagen::pb::v1::HistoryEntry::status)
        .collect()
}

fn outcomes(task: &Task) -> Vec<(&str, AttemptOutcome)> {
    let attempts = task.attempts.iter();
    attempts
        .map(|attempt| (attempt.deployment.as_str(), attempt.outcome()))
        .collect()
}

/// Never back: what the history shows, from one entry to the next.
fn assert_forward(task: &Task) {
    assert_whole_history(task);
    let rank = |status: &TaskStatus| match status {
        TaskStatus::Queued => 0,
        TaskStatus::Throttled => 1,
        TaskStatus::InProgress => 2,
        _ => 3,
    };
    let ranks: Vec<_> = statuses(task).iter().map(rank).collect();
    assert!(ranks.is_sorted(), "{task:#?}");
}

async fn all_at_once(fleet: &Fleet, count: usize) -> Vec<Task> {
    let runs = (0..count).map(|n| fleet.app.run(sound(&format!("bell {n}"))));
    let done = futures_util::future::join_all(runs).await;
    for task in &done {
        assert_eq!(task.status(), TaskStatus::Completed, "{task:#?}");
    }
    done
}

#[tokio::test]
async fn weights_are_honoured_within_statistics() {
    let mut group = sounds(&["a", "b", "c"], policy(Strategy::SimpleShuffle));
    for (deployment, weight) in group.deployments.iter_mut().zip([1, 3, 0]) {
        deployment.weight = weight;
    }
    let fleet = Fleet::start(vec![quick(), quick(), quick()], vec![group]).await;
    all_at_once(&fleet, 120).await;
    let taken = fleet.taken();
    assert_eq!((taken.iter().sum::<usize>(), taken[2]), (120, 0));
    // A binomial with p = 1/4 and n = 120: its mean is 30, and 23 are five standard deviations.
    assert!((7..=53).contains(&taken[0]), "{taken:?}");
}

#[tokio::test]
async fn no_task_is_throttled_while_another_account_has_room() {
    let of = |slots| sandbox::Config {
        concurrency_per_model: Some(slots),
        ..quick().with_task_duration(Duration::from_secs(1))
    };
    for strategy in Strategy::ALL {
        let group = sounds(&["a", "b"], policy(strategy));
        let fleet = Fleet::start(vec![of(1), of(7)], vec![group]).await;
        for task in all_at_once(&fleet, 8).await {
            let statuses = statuses(&task);
            assert!(
                !statuses.contains(&TaskStatus::Throttled),
                "{strategy:?}: {task:#?}"
            );
            assert_forward(&task);
        }
        assert_eq!(fleet.taken(), [1, 7], "{strategy:?}");
    }
}

#[tokio::test]
async fn more_than_both_accounts_can_run_is_throttled_by_neither() {
    let of = |slots| sandbox::Config {
        concurrency_per_model: Some(slots),
        ..quick()
    };
    let group = sounds(&["a", "b"], policy(Strategy::MostRoom));
    let fleet = Fleet::start(vec![of(1), of(5)], vec![group]).await;
    for task in all_at_once(&fleet, 24).await {
        let statuses = statuses(&task);
        assert!(!statuses.contains(&TaskStatus::Throttled), "{task:#?}");
    }
}

#[tokio::test]
async fn after_an_outage_of_the_only_account_all_that_waits_goes_on_soon() {
    let fleet = Fleet::start(vec![quick()], vec![sounds(&["a"], Policy::default())]).await;
    let mut fault = refusing(503);
    fault.times = 4;
    fleet.upstreams[0].sandbox.inject(fault);
    let all = all_at_once(&fleet, 12);
    // The breaker's first while is five seconds.
    let all = tokio::time::timeout(Duration::from_mins(1), all).await;
    assert_eq!(all.expect("nobody is put off for minutes").len(), 12);
    assert_eq!(fleet.taken(), [12]);
}

#[tokio::test]
async fn a_cap_is_kept_and_the_rest_waits_in_our_queue() {
    let mut group = sounds(&["a"], Policy::default());
    group.deployments[0].max_in_flight = Cap::AtMost(2);
    let kind = sandbox::Config {
        concurrency_per_model: Some(2),
        ..quick()
    };
    let fleet = Fleet::start(vec![kind], vec![group]).await;
    for task in all_at_once(&fleet, 10).await {
        assert!(
            !statuses(&task).contains(&TaskStatus::Throttled),
            "{task:#?}"
        );
        assert_eq!(task.attempts.len(), 1);
    }
    assert_eq!(fleet.taken(), [10]);
}

/// Every way in which an account is of no use, and what its refusals are on record.
#[tokio::test]
async fn what_one_account_refuses_is_finished_by_another_and_paid_once() {
    let empty = sandbox::Config {
        credits: 0,
        ..quick()
    };
    let spent = sandbox::Config {
        daily_cap_per_model: Some(0),
        ..quick()
    };
    for (name, kind, status) in [
        ("shedding load", quick(), Some(503)),
        ("a key that is refused", quick(), Some(401)),
        ("no rights", quick(), Some(403)),
        ("a daily cap", quick(), Some(429)),
        ("no credits", empty, None),
        ("a daily cap that is told", spent, None),
    ] {
        let fleet = Fleet::start(vec![kind, quick()], vec![first_of(&["a", "b"])]).await;
        if let Some(status) = status {
            assert!(fleet.upstreams[0].sandbox.inject(refusing(status)));
        }
        let done = all_at_once(&fleet, 5).await;
        assert_eq!(fleet.taken(), [0, 5], "{name}");
        for task in &done {
            assert_handed_on(task, name);
        }
        let refused = done.iter().filter(|task| task.attempts.len() > 1).count();
        assert!(
            refused > 0 || status.is_none(),
            "{name}: nobody was refused"
        );
    }
}

#[tokio::test]
async fn an_account_that_is_not_reached_hands_on_and_is_left_alone_after_some() {
    let fleet = Fleet::start(vec![quick()], vec![first_of(&[DOWN, "a"])]).await;
    let mut refused = 0;
    for _ in 0..8 {
        let done = fleet.app.run(sound("a bell")).await;
        assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
        assert_handed_on(&done, "down");
        refused += done.attempts.len() - 1;
    }
    assert_eq!(fleet.taken(), [8]);
    // Three open the breaker; another may go after its while.
    assert!((3..=6).contains(&refused), "{refused}");
}

/// Refused without a charge at the first, taken by the last.
fn assert_handed_on(task: &Task, name: &str) {
    let (last, refused) = task.attempts.split_last().unwrap();
    assert_eq!(
        last.outcome(),
        AttemptOutcome::Accepted,
        "{name}: {task:#?}"
    );
    assert_eq!(task.deployment, last.deployment);
    for attempt in refused {
        assert_eq!(
            attempt.outcome(),
            AttemptOutcome::Rejected,
            "{name}: {task:#?}"
        );
        assert_eq!(charge(attempt), Charge::None, "{name}: {task:#?}");
        assert!(!attempt.reason.is_empty(), "{name}: {task:#?}");
    }
    assert_forward(task);
}

fn charge(attempt: &Attempt) -> Charge {
    attempt.cost.as_ref().unwrap().charge()
}

fn failing(code: &str) -> sandbox::Config {
    sandbox::Config {
        fail_with: Some(code.to_owned()),
        ..quick()
    }
}

fn making_again(accounts: &[&str], times: u32) -> Group {
    let mut group = first_of(accounts);
    group.policy.retry_failed_tasks = times;
    group
}

#[tokio::test]
async fn what_one_provider_fails_to_make_another_makes_and_both_are_on_the_bill() {
    let charging = sandbox::Config {
        charge_failures: true,
        ..failing("INTERNAL.BAD_OUTPUT.CODE01")
    };
    let group = making_again(&["a", "b"], 1);
    let fleet = Fleet::start(vec![charging, quick()], vec![group]).await;
    let done = fleet.app.run(sound("a bell")).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    let expected = [
        ("a/eleven_text_to_sound_v2", AttemptOutcome::Ended),
        ("b/eleven_text_to_sound_v2", AttemptOutcome::Accepted),
    ];
    assert_eq!(outcomes(&done), expected, "{done:#?}");
    assert!(
        done.attempts[0]
            .reason
            .contains("INTERNAL.BAD_OUTPUT.CODE01")
    );
    let costs = done.attempts.iter().map(|attempt| {
        assert_eq!(charge(attempt), Charge::Charged, "{done:#?}");
        attempt.cost.as_ref().unwrap().actual_millicredits.unwrap()
    });
    let sum: i64 = costs.sum();
    assert_eq!(done.cost.as_ref().unwrap().actual_millicredits, Some(sum));
    assert_forward(&done);
    assert_eq!(fleet.taken(), [1, 1], "each was paid once");
}

#[tokio::test]
async fn what_nobody_can_make_fails_after_as_many_tries_as_are_allowed() {
    let kinds = vec![failing("INTERNAL"), failing("THIRD_PARTY.UNAVAILABLE")];
    let fleet = Fleet::start(kinds, vec![making_again(&["a", "b"], 2)]).await;
    let done = fleet.app.run(sound("a bell")).await;
    assert_eq!(done.status(), TaskStatus::Failed, "{done:#?}");
    assert_eq!(done.error.as_ref().unwrap().reason, "GENERATION_FAILED");
    assert_eq!(fleet.taken().iter().sum::<usize>(), 3);
    assert_eq!(done.attempts.len(), 3);
    assert_forward(&done);
}

#[tokio::test]
async fn a_task_is_made_again_only_for_the_providers_fault_and_where_the_policy_says_so() {
    for (code, retries) in [
        ("SAFETY.OUTPUT.VIDEO", 9),
        ("ASSET.INVALID", 9),
        ("INPUT_PREPROCESSING.INTERNAL", 9),
        ("INTERNAL.BAD_OUTPUT.CODE01", 0),
    ] {
        let group = making_again(&["a", "b"], retries);
        let fleet = Fleet::start(vec![failing(code), quick()], vec![group]).await;
        let done = fleet.app.run(sound("a bell")).await;
        assert_eq!(done.status(), TaskStatus::Failed, "{code}: {done:#?}");
        assert_eq!(done.error.as_ref().unwrap().provider_code, code);
        assert_eq!(fleet.taken(), [1, 0], "{code}");
    }
}

#[tokio::test]
async fn a_lost_answer_goes_nowhere_else() {
    let group = making_again(&["a", "b"], 9);
    let fleet = Fleet::start(vec![quick(), quick()], vec![group]).await;
    let prompt = "a bell [sandbox:accept-then-500]";
    let task = fleet.app.create(sound(prompt)).await;
    let unknown = |task: &Task| task.status() == TaskStatus::SubmissionUnknown;
    fleet.app.until(&task.id, unknown).await;
    fleet.app.run(sound("another bell")).await;
    assert_eq!(fleet.upstreams[1].charged("accept-then-500").len(), 0);
    assert_eq!(fleet.upstreams[0].charged("accept-then-500").len(), 1);
    assert!(unknown(&fleet.app.status(&task.id).await));
}

#[tokio::test]
async fn a_fallback_of_another_model_makes_what_it_can_and_says_what_it_changed() {
    let mut first = group("gen4.5", "gen4.5", &[DOWN], Policy::default());
    first.policy.fallbacks = vec!["pictures".to_owned(), "films".to_owned()];
    let pictures = group("pictures", "gen4_image", &["a"], Policy::default());
    let films = group("films", "veo3.1", &["a"], Policy::default());
    let fleet = Fleet::start(vec![quick()], vec![first, pictures, films]).await;
    let done = fleet.app.run(video("a lake")).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    let expected = [
        ("down/gen4.5", AttemptOutcome::Rejected),
        ("a/gen4_image", AttemptOutcome::Skipped),
        ("a/veo3.1", AttemptOutcome::Accepted),
    ];
    assert_eq!(outcomes(&done), expected, "{done:#?}");
    assert!(done.attempts[1].reason.contains("gen4_image does not do"));
    assert!(
        done.attempts[2]
            .reason
            .contains("veo3.1 makes no 2 seconds"),
        "{done:#?}"
    );
    assert_eq!(charge(&done.attempts[1]), Charge::None);
    let ledger = fleet.upstreams[0].sandbox.ledger();
    assert_eq!((ledger.len(), ledger[0].model.as_str()), (1, "veo3.1"));
}
