//! Budgets and queues with everything running: what is made again needs the money for it, and a
//! tenant that sends much does not hold up the others.

use std::time::Duration;

use mediagen::config::callers::digest;
use mediagen::config::{Config, Key};
use mediagen::domain::caller::{AllowedModels, Budget, KeyId, KeyLimits, Scope, TenantLimits};
use mediagen::domain::id::TenantId;
use mediagen::domain::money::Millicredits;
use mediagen::domain::routing::{Cap, Group, Policy};
use mediagen::pb::v1::media_generation_client::MediaGenerationClient;
use mediagen::pb::v1::{AttemptOutcome, Charge, CreateRequest, StatusRequest, Task, TaskStatus};
use mediagen::sandbox;
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::harness::client::{channel, is_terminal};
use crate::harness::fleet::{Fleet, group};
use crate::harness::{eventually, quick, refused, sound, within};

/// A client that shows a key with every call.
struct Keyed(MediaGenerationClient<InterceptedService<Channel, Show>>);

#[derive(Clone)]
struct Show(String);

impl tonic::service::Interceptor for Show {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value: MetadataValue<_> = format!("Bearer {}", self.0).parse().unwrap();
        request.metadata_mut().insert("authorization", value);
        Ok(request)
    }
}

impl Keyed {
    /// With the key of a tenant.
    fn of(fleet: &Fleet, tenant: &str) -> Self {
        let channel = channel(fleet.app.address);
        Self(MediaGenerationClient::with_interceptor(
            channel,
            Show(text(tenant)),
        ))
    }

    async fn create(&self, request: CreateRequest) -> Result<Task, Status> {
        let mut client = self.0.clone();
        let made = within("the answer", client.create(request)).await?;
        Ok(made.into_inner().task.unwrap())
    }

    async fn status(&self, id: &str) -> Task {
        let request = StatusRequest {
            task_id: id.to_owned(),
        };
        let mut client = self.0.clone();
        let told = within("the status", client.status(request)).await.unwrap();
        told.into_inner().task.unwrap()
    }

    async fn finish(&self, id: &str) -> Task {
        eventually("the task ends", || async {
            let task = self.status(id).await;
            if is_terminal(&task) {
                Ok(task)
            } else {
                Err(task)
            }
        })
        .await
    }
}

fn text(tenant: &str) -> String {
    format!("sk-{tenant}-of-the-tests")
}

fn key(tenant: &str, day: Option<u64>) -> Key {
    let budget = Budget {
        day: day.map(Millicredits),
        month: None,
    };
    Key {
        webhook: mediagen::domain::webhook::KeyWebhook::default(),
        id: KeyId::new(tenant),
        sha256: digest(&text(tenant)),
        tenant: TenantId::named(tenant),
        models: AllowedModels::All,
        scopes: Scope::ALL.to_vec(),
        expires: None,
        revoked: None,
        limits: KeyLimits {
            budget,
            ..KeyLimits::default()
        },
    }
}

const SOUNDS: &str = "eleven_text_to_sound_v2";

fn sounds(accounts: &[&str], retry_failed_tasks: u32) -> Group {
    let policy = Policy {
        retry_failed_tasks,
        ..Policy::default()
    };
    group(SOUNDS, SOUNDS, accounts, policy)
}

/// What a sound of these tests is reserved for at most.
async fn price(fleet: &Fleet) -> u64 {
    let made = Keyed::of(fleet, "rich").create(sound("a price")).await;
    let cost = made.unwrap().cost.unwrap();
    u64::try_from(cost.estimated_millicredits.unwrap()).unwrap()
}

/// A fleet where every account fails what it makes, and charges for it.
async fn failing(retries: u32, day: u64) -> Fleet {
    let kind = || sandbox::Config {
        fail_with: Some("INTERNAL".to_owned()),
        charge_failures: true,
        ..quick()
    };
    let keys = vec![key("poor", Some(day)), key("rich", None)];
    let groups = vec![sounds(&["a", "b"], retries)];
    Fleet::tuned(vec![kind(), kind()], groups, |config: &mut Config| {
        let budgets = keys.iter().map(|key| (key.id.clone(), key.limits.budget));
        config.callers.limits.budgets = budgets.collect();
        config.callers.keys = keys;
    })
    .await
}

#[tokio::test]
async fn what_failed_is_made_again_only_while_the_budget_holds() {
    let price = price(&failing(0, 1).await).await;
    for (day, attempts) in [
        (price, 1),
        (2 * price - 1, 1),
        (2 * price, 2),
        (9 * price, 4),
    ] {
        let fleet = failing(3, day).await;
        let poor = Keyed::of(&fleet, "poor");
        let made = poor.create(sound("a bell")).await.unwrap();
        let done = poor.finish(&made.id).await;
        assert_eq!(done.status(), TaskStatus::Failed, "{done:#?}");
        let error = done.error.as_ref().unwrap();
        let why = (&*error.reason, &*error.provider_code);
        assert_eq!(why, ("GENERATION_FAILED", "INTERNAL"));
        assert_eq!(done.attempts.len(), attempts, "{day}: {done:#?}");
        assert_eq!(fleet.taken().iter().sum::<usize>(), attempts);
        let mut paid = 0;
        for attempt in &done.attempts {
            assert_eq!(attempt.outcome(), AttemptOutcome::Ended);
            let cost = attempt.cost.as_ref().unwrap();
            assert_eq!(cost.charge(), Charge::Charged);
            paid += cost.actual_millicredits.unwrap();
        }
        assert_eq!(done.cost.as_ref().unwrap().actual_millicredits, Some(paid));
        // What was paid counts: no more and no less than what is left may be spent.
        let left = day - u64::try_from(paid).unwrap();
        let next = poor.create(sound("another bell")).await;
        assert_eq!(next.is_ok(), left >= price, "{next:?}");
        if let Err(status) = next {
            let told = refused(Err::<(), _>(status));
            assert!(
                told.is(Code::ResourceExhausted, "BUDGET_EXCEEDED"),
                "{told:?}"
            );
        }
    }
}

/// A fleet of one account that takes so many tasks at once.
async fn narrow(most: u32, tenants: &[(&str, Option<u32>)]) -> Fleet {
    let mut group = sounds(&["a"], 0);
    group.deployments[0].max_in_flight = Cap::AtMost(most);
    Fleet::tuned(vec![quick()], vec![group], |config: &mut Config| {
        for (tenant, max_in_flight) in tenants {
            config.callers.keys.push(key(tenant, None));
            let limits = TenantLimits {
                max_in_flight: *max_in_flight,
                ..TenantLimits::default()
            };
            let all = &mut config.callers.limits.tenants;
            all.insert(TenantId::named(*tenant), limits);
        }
    })
    .await
}

async fn flood(of: &Keyed, count: usize) -> Vec<Task> {
    let creates = (0..count).map(|n| of.create(sound(&format!("flood {n}"))));
    let made = futures_util::future::join_all(creates).await;
    made.into_iter().map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_tenant_that_floods_does_not_hold_up_the_others_however_few_may_run() {
    for most in [1, 2] {
        let fleet = narrow(most, &[("flood", None), ("zeta", None), ("yak", None)]).await;
        let (busy, zeta) = (Keyed::of(&fleet, "flood"), Keyed::of(&fleet, "zeta"));
        flood(&busy, 200).await;
        let yak = Keyed::of(&fleet, "yak");
        let made = zeta.create(sound("one for zeta")).await.unwrap();
        let other = yak.create(sound("one for yak")).await.unwrap();
        zeta.finish(&made.id).await;
        yak.finish(&other.id).await;
        let taken = fleet.taken()[0];
        assert!(taken < 100, "{most} at once: {taken} of 202 went before");
    }
}

#[tokio::test]
async fn a_tenant_has_no_more_at_providers_than_it_may() {
    let fleet = narrow(64, &[("flood", Some(2)), ("zeta", None)]).await;
    let busy = Keyed::of(&fleet, "flood");
    let creates = (0..6).map(|n| busy.create(sound(&format!("[sandbox:seconds=600] {n}"))));
    futures_util::future::join_all(creates).await;
    let look = || async {
        let taken = fleet.taken()[0];
        if taken == 2 { Ok(()) } else { Err(taken) }
    };
    eventually("two are there", look).await;
    let zeta = Keyed::of(&fleet, "zeta");
    let made = zeta.create(sound("one for zeta")).await.unwrap();
    let done = zeta.finish(&made.id).await;
    assert_eq!(done.status(), TaskStatus::Completed);
    assert_eq!(fleet.taken(), [3]);
}

/// One at a time, and the next as soon as we know that one has ended.
#[tokio::test]
async fn one_at_a_time_goes_without_pauses() {
    let fleet = narrow(1, &[("flood", None)]).await;
    let busy = Keyed::of(&fleet, "flood");
    let begun = std::time::Instant::now();
    let made = flood(&busy, 20).await;
    for task in &made {
        let done = busy.finish(&task.id).await;
        assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    }
    let took = begun.elapsed();
    println!("20 tasks one after the other: {took:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
}
