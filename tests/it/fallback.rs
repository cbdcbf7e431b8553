//! Fallbacks across providers, over the whole life of a task: Runway, then a server of the second
//! API, then Runway.

use mediagen::domain::routing::{Cap, Deployment, Group, Policy};
use mediagen::pb::v1::{Attempt, AttemptOutcome, Charge, CreateRequest, Task, TaskStatus};
use mediagen::sandbox::{self, Effect, Fault, Place};

use crate::harness::client::{assert_whole_history, content};
use crate::harness::fleet::{Fleet, group};
use crate::harness::media::h264_size;
use crate::harness::{quick, video};

/// The deployments of the chain, in order.
const CHAIN: [&str; 3] = ["a/gen4.5", "openai-b/openai/sora-2", "c/veo3.1"];
const MODELS: [&str; 3] = ["gen4.5", "sora-2", "veo3.1"];

/// Three groups of a deployment each, one falling back to the next.
fn chain(retry_failed_tasks: u32) -> Vec<Group> {
    let one = |name: &str, model: &str, account: &str, next: Option<&str>| {
        let policy = Policy {
            retry_failed_tasks,
            fallbacks: next.map(str::to_owned).into_iter().collect(),
            ..Policy::default()
        };
        group(name, model, &[account], policy)
    };
    vec![
        one("films", "gen4.5", "a", Some("elsewhere")),
        one("elsewhere", "openai/sora-2", "openai-b", Some("last")),
        one("last", "veo3.1", "c", None),
    ]
}

fn film(prompt: &str) -> CreateRequest {
    CreateRequest {
        model: "films".into(),
        ..video(prompt)
    }
}

fn failing(code: &str) -> sandbox::Config {
    sandbox::Config {
        fail_with: Some(code.to_owned()),
        charge_failures: true,
        ..quick()
    }
}

fn refuse(fleet: &Fleet, upstream: usize, status: u16) {
    let effect = Effect::Answer {
        status,
        headers: [].into(),
        body: None,
    };
    let fault = Fault {
        on: Place::Create,
        times: 1_000,
        accept_first: false,
        effect,
    };
    assert!(fleet.upstreams[upstream].sandbox.inject(fault));
}

fn outcomes(task: &Task) -> Vec<(&str, AttemptOutcome)> {
    let attempts = task.attempts.iter();
    attempts
        .map(|attempt| (attempt.deployment.as_str(), attempt.outcome()))
        .collect()
}

fn bill(attempt: &Attempt) -> (Charge, Option<i64>) {
    let cost = attempt.cost.as_ref().unwrap();
    (cost.charge(), cost.actual_millicredits)
}

/// What each upstream was charged for, as the model's name and the credits.
fn ledgers(fleet: &Fleet) -> Vec<Vec<(String, u32)>> {
    let upstreams = fleet.upstreams.iter();
    upstreams
        .map(|upstream| {
            let ledger = upstream.sandbox.ledger();
            let entries = ledger.into_iter();
            entries.map(|entry| (entry.model, entry.credits)).collect()
        })
        .collect()
}

#[tokio::test]
async fn what_two_providers_refuse_the_third_makes() {
    for (first, second) in [(503, 429), (401, 401), (429, 403)] {
        let fleet = Fleet::start(vec![quick(), quick(), quick()], chain(0)).await;
        refuse(&fleet, 0, first);
        refuse(&fleet, 1, second);
        let done = fleet.app.run(film("a lake")).await;
        assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
        assert_whole_history(&done);
        let expected = [
            (CHAIN[0], AttemptOutcome::Rejected),
            (CHAIN[1], AttemptOutcome::Rejected),
            (CHAIN[2], AttemptOutcome::Accepted),
        ];
        assert_eq!(outcomes(&done), expected, "{first} {second}: {done:#?}");
        assert_eq!(done.deployment, CHAIN[2]);
        assert_eq!(bill(&done.attempts[0]).0, Charge::None);
        assert_eq!(bill(&done.attempts[1]).0, Charge::None);
        assert_eq!(fleet.taken(), [0, 0, 1]);
        let total = done.cost.unwrap().actual_millicredits;
        assert_eq!(total, bill(&done.attempts[2]).1);
    }
}

#[tokio::test]
async fn what_two_providers_fail_to_make_the_third_makes_and_all_three_are_on_the_bill() {
    let kinds = vec![failing("INTERNAL"), failing("server_error"), quick()];
    let fleet = Fleet::start(kinds, chain(2)).await;
    let done = fleet.app.run(film("a lake")).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    assert_whole_history(&done);
    let expected = [
        (CHAIN[0], AttemptOutcome::Ended),
        (CHAIN[1], AttemptOutcome::Ended),
        (CHAIN[2], AttemptOutcome::Accepted),
    ];
    assert_eq!(outcomes(&done), expected, "{done:#?}");
    // Two seconds of the first model; the others make no fewer than four.
    for attempt in &done.attempts[1..] {
        assert!(attempt.reason.contains("4 are asked for"), "{done:#?}");
    }
    let ledgers = ledgers(&fleet);
    for (n, model) in MODELS.iter().enumerate() {
        let [(made, credits)] = &ledgers[n][..] else {
            panic!("each was paid once: {ledgers:?}");
        };
        assert_eq!(made, model);
        let (charge, actual) = bill(&done.attempts[n]);
        assert_ne!(charge, Charge::None, "{done:#?}");
        let estimated = done.attempts[n].cost.as_ref().unwrap();
        let most = actual.or(estimated.estimated_millicredits);
        assert_eq!(most, Some(i64::from(*credits) * 1_000), "{n}: {done:#?}");
    }
    let output = &done.outputs[0];
    let bytes = content(&fleet.app.client, &done.id).await;
    assert_eq!(h264_size(&bytes), (1280, 720));
    assert_eq!(output.duration.as_ref().unwrap().seconds, 4);
}

#[tokio::test]
async fn the_second_api_stands_in_after_a_failure_and_is_stood_in_for_at_submit() {
    let kinds = vec![failing("THIRD_PARTY.UNAVAILABLE"), quick(), quick()];
    let fleet = Fleet::start(kinds, chain(1)).await;
    let done = fleet.app.run(film("a lake")).await;
    assert_eq!(done.deployment, CHAIN[1], "{done:#?}");
    assert_eq!(fleet.taken(), [1, 1, 0]);
    refuse(&fleet, 1, 429);
    let done = fleet.app.run(film("a second lake")).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    let expected = [
        (CHAIN[0], AttemptOutcome::Ended),
        (CHAIN[1], AttemptOutcome::Rejected),
        (CHAIN[2], AttemptOutcome::Accepted),
    ];
    assert_eq!(outcomes(&done), expected, "{done:#?}");
    assert_eq!(fleet.taken(), [2, 1, 1]);
}

#[tokio::test]
async fn moderation_and_lost_answers_of_either_provider_go_nowhere_else() {
    for (prompt, status) in [
        (
            "a lake [sandbox:fail=SAFETY.INPUT.TEXT]",
            TaskStatus::Failed,
        ),
        (
            "a lake [sandbox:accept-then-500]",
            TaskStatus::SubmissionUnknown,
        ),
    ] {
        for first in ["films", "elsewhere"] {
            let fleet = Fleet::start(vec![quick(), quick(), quick()], chain(9)).await;
            let request = CreateRequest {
                model: first.into(),
                seconds: Some(4),
                ..film(prompt)
            };
            let task = fleet.app.create(request).await;
            let there = fleet.app.until(&task.id, |task| task.status() == status);
            assert_eq!(there.await.attempts.len(), 1, "{first} {prompt}");
            let taken = fleet.taken();
            assert_eq!(
                taken.iter().sum::<usize>(),
                1,
                "{first} {prompt}: {taken:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_option_of_one_provider_is_no_reason_to_send_another_less_than_was_asked() {
    let mut groups = chain(0);
    groups[0].deployments = vec![Deployment {
        max_in_flight: Cap::Unlimited,
        ..Deployment::of_model("a", "gen4.5")
    }];
    let fleet = Fleet::start(vec![quick(), quick(), quick()], groups).await;
    refuse(&fleet, 0, 503);
    let moderation = prost_types::Struct {
        fields: [(
            "publicFigureThreshold".to_owned(),
            prost_types::Value {
                kind: Some(prost_types::value::Kind::StringValue("low".into())),
            },
        )]
        .into(),
    };
    let options = prost_types::Struct {
        fields: [(
            "contentModeration".to_owned(),
            prost_types::Value {
                kind: Some(prost_types::value::Kind::StructValue(moderation)),
            },
        )]
        .into(),
    };
    let request = CreateRequest {
        provider_options: Some(options),
        ..film("a lake")
    };
    let task = fleet.app.create(request).await;
    let skipped = |task: &Task| {
        let attempts = task.attempts.iter();
        attempts
            .filter(|attempt| attempt.outcome() == AttemptOutcome::Skipped)
            .count()
            > 0
    };
    let task = fleet.app.until(&task.id, skipped).await;
    let reason = &task.attempts[1].reason;
    assert!(reason.contains("contentModeration"), "{task:#?}");
    assert_eq!(fleet.taken()[1], 0);
}
