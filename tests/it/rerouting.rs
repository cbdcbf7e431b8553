//! What becomes of tasks that wait, or that are made again, when the way they were to go is no more.

use mediagen::domain::routing::{Cap, Group, Policy};
use mediagen::pb::v1::{
    AttemptOutcome, CancelOutcome, CancelRequest, Charge, CreateRequest, DeleteRequest, Task,
    TaskStatus,
};
use mediagen::sandbox::{self, Effect, Fault, Place};
use tonic::Code;

use crate::harness::fleet::{Fleet, group};
use crate::harness::{eventually, quick, sound, video, within};

/// A group `films` of one deployment that takes one task at a time.
fn films(model: &str, account: &str) -> Group {
    let mut films = group("films", model, &[account], Policy::default());
    films.deployments[0].max_in_flight = Cap::AtMost(1);
    films
}

fn film(prompt: &str) -> CreateRequest {
    CreateRequest {
        model: "films".into(),
        ..video(prompt)
    }
}

/// A fleet where one film runs for long and another waits behind it.
async fn one_waits() -> (Fleet, Task) {
    let fleet = Fleet::start(vec![quick(), quick()], vec![films("gen4.5", "a")]).await;
    let runs = fleet.app.create(film("[sandbox:seconds=600]")).await;
    let running = |task: &Task| task.status() == TaskStatus::InProgress;
    fleet.app.until(&runs.id, running).await;
    let waits = fleet.app.create(film("a lake")).await;
    (fleet, waits)
}

#[tokio::test]
async fn a_task_whose_group_is_gone_ends_where_nobody_serves_its_model() {
    let (mut fleet, waits) = one_waits().await;
    fleet
        .restart(vec![group("others", "veo3.1", &["b"], Policy::default())])
        .await;
    let done = fleet.app.finish(&waits.id).await;
    assert_eq!(done.status(), TaskStatus::Failed, "{done:#?}");
    assert_eq!(
        done.error.as_ref().unwrap().reason,
        "NO_DEPLOYMENT_AVAILABLE"
    );
    assert_eq!(done.cost.as_ref().unwrap().charge(), Charge::None);
    assert_eq!(fleet.taken(), [1, 0]);
}

#[tokio::test]
async fn a_task_whose_group_is_gone_goes_to_whoever_serves_its_model() {
    let (mut fleet, waits) = one_waits().await;
    fleet
        .restart(vec![group("others", "gen4.5", &["b"], Policy::default())])
        .await;
    let done = fleet.app.finish(&waits.id).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    assert_eq!(done.deployment, "b/gen4.5");
}

#[tokio::test]
async fn a_task_whose_group_serves_another_model_now_is_adapted_to_it() {
    for (model, sent) in [("veo3.1", "veo3.1"), ("openai/sora-2", "sora-2")] {
        let (mut fleet, waits) = one_waits().await;
        let account = if model == sent { "b" } else { "openai-b" };
        fleet.restart(vec![films(model, account)]).await;
        let done = fleet.app.finish(&waits.id).await;
        assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
        let ledger = fleet.upstreams[1].sandbox.ledger();
        assert_eq!((ledger.len(), &*ledger[0].model), (1, sent));
        assert_eq!(done.outputs[0].duration.as_ref().unwrap().seconds, 4);
    }
}

#[tokio::test]
async fn nobody_of_the_chain_refuses_at_once_and_others_do_not_help() {
    let of = |name: &str, account: &str, next: &[&str]| {
        let policy = Policy {
            fallbacks: next.iter().map(ToString::to_string).collect(),
            ..Policy::default()
        };
        group(name, "gen4.5", &[account], policy)
    };
    let empty = sandbox::Config {
        credits: 0,
        ..quick()
    };
    let groups = vec![
        of("films", "a", &[]),
        of("safe", "a", &["last"]),
        of("last", "b", &[]),
    ];
    let fleet = Fleet::start(vec![empty, quick()], groups).await;
    let refused = eventually("the account is out", || async {
        let mut client = fleet.app.client.clone();
        match within("the answer", client.create(film("a lake"))).await {
            Ok(made) => Err(made.into_inner().task),
            Err(status) => Ok(status),
        }
    });
    let refused = crate::harness::refused(Err::<(), _>(refused.await));
    assert!(
        refused.is(Code::FailedPrecondition, "NO_UPSTREAM_ACCOUNT"),
        "{refused:?}"
    );
    let request = CreateRequest {
        model: "safe".into(),
        ..film("a lake")
    };
    let done = fleet.app.run(request).await;
    assert_eq!(done.deployment, "b/gen4.5", "{done:#?}");
}

/// A sound that failed at `a`, was charged, and waits for `b`, which takes nothing just now.
async fn made_again() -> (Fleet, Task) {
    let kind = sandbox::Config {
        fail_with: Some("INTERNAL".to_owned()),
        charge_failures: true,
        ..quick()
    };
    let policy = Policy {
        retry_failed_tasks: 1,
        fallbacks: vec!["second".to_owned()],
        ..Policy::default()
    };
    let model = "eleven_text_to_sound_v2";
    let first = group(model, model, &["a"], policy);
    let mut second = group("second", model, &["b"], Policy::default());
    second.deployments[0].max_in_flight = Cap::AtMost(1);
    let fleet = Fleet::start(vec![kind, quick()], vec![first, second]).await;
    let busy = CreateRequest {
        model: "second".into(),
        ..sound("[sandbox:seconds=600]")
    };
    let busy = fleet.app.create(busy).await;
    let running = |task: &Task| task.status() == TaskStatus::InProgress;
    fleet.app.until(&busy.id, running).await;
    let task = fleet.app.create(sound("a bell")).await;
    let waits = |task: &Task| {
        task.attempts
            .first()
            .is_some_and(|a| a.outcome() == AttemptOutcome::Ended)
    };
    let task = fleet.app.until(&task.id, waits).await;
    (fleet, task)
}

#[tokio::test]
async fn a_task_that_waits_to_be_made_again_is_cancelled_and_its_first_cost_stays() {
    let (mut fleet, task) = made_again().await;
    assert_ne!(task.status(), TaskStatus::Failed, "{task:#?}");
    let mut client = fleet.app.client.clone();
    let request = CancelRequest {
        task_id: task.id.clone(),
    };
    let answer = within("the answer", client.cancel(request))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.outcome(), CancelOutcome::CancelledUpstream);
    let done = fleet.app.finish(&task.id).await;
    assert_eq!(done.status(), TaskStatus::Cancelled, "{done:#?}");
    let cost = done.cost.as_ref().unwrap();
    assert_eq!(cost.charge(), Charge::Charged, "{done:#?}");
    assert!(cost.actual_millicredits > Some(0));
    fleet.restart(vec![]).await;
    let request = DeleteRequest {
        task_id: task.id.clone(),
    };
    let mut client = fleet.app.client.clone();
    within("the answer", client.delete(request)).await.unwrap();
    assert_eq!(fleet.taken(), [1, 1], "nothing was sent again");
}

#[tokio::test]
async fn an_unknown_outcome_of_what_is_made_again_is_held_and_the_first_cost_stays() {
    let (fleet, task) = made_again().await;
    let effect = Effect::Answer {
        status: 500,
        headers: [].into(),
        body: None,
    };
    let lost = Fault {
        on: Place::Create,
        times: 1,
        accept_first: true,
        effect,
    };
    assert!(fleet.upstreams[1].sandbox.inject(lost));
    let busy = all(&fleet)
        .await
        .into_iter()
        .find(|other| other.id != task.id);
    let request = CancelRequest {
        task_id: busy.unwrap().id,
    };
    let mut client = fleet.app.client.clone();
    within("the answer", client.cancel(request)).await.unwrap();
    let unknown = |task: &Task| task.status() == TaskStatus::SubmissionUnknown;
    let task = fleet.app.until(&task.id, unknown).await;
    assert_eq!(task.attempts.len(), 2, "{task:#?}");
    assert_eq!(fleet.taken(), [1, 2]);
    let request = mediagen::pb::v1::ResolveUnknownRequest {
        task_id: task.id.clone(),
        resolution: mediagen::pb::v1::Resolution::Attach as i32,
        provider_task_id: fleet.upstreams[1].sandbox.ledger()[1].id.clone(),
    };
    within("the answer", client.resolve_unknown(request))
        .await
        .unwrap();
    let done = fleet.app.finish(&task.id).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    let paid = done
        .attempts
        .iter()
        .map(|a| a.cost.as_ref().unwrap().actual_millicredits.unwrap());
    assert_eq!(
        done.cost.as_ref().unwrap().actual_millicredits,
        Some(paid.sum())
    );
    assert_eq!(fleet.taken(), [1, 2]);
}

async fn all(fleet: &Fleet) -> Vec<Task> {
    let mut client = fleet.app.client.clone();
    let list = within(
        "the list",
        client.list(mediagen::pb::v1::ListRequest::default()),
    );
    list.await.unwrap().into_inner().tasks
}
