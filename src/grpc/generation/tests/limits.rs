//! What a key and a tenant may not do, as their callers see it.

use futures_util::future::join_all;

use super::*;
use crate::domain::caller::{AllowedModels, Budget, Callers, KeyId, KeyLimits, TenantLimits};
use crate::domain::moderation::ModerationLimits;
use crate::domain::money::Millicredits;
use crate::domain::routing::{Deployment, Group, Policy};
use crate::domain::task::samples::{accepted, claimed, seen};
use crate::domain::task::{Failure, FailureReason};
use crate::store::update;

/// A caller of a tenant with a key of its own.
fn keyed(tenant: &str, limits: KeyLimits) -> Caller {
    Caller {
        tenant: TenantId::named(tenant),
        key: Some(KeyId::new(format!("key-of-{tenant}"))),
        limits,
        ..Caller::local()
    }
}

fn spending(day: u64) -> KeyLimits {
    KeyLimits {
        budget: Budget {
            day: Some(Millicredits(day)),
            month: None,
        },
        ..KeyLimits::default()
    }
}

fn by<T>(caller: &Caller, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(caller.clone());
    request
}

impl Server {
    async fn create_by(
        &self,
        caller: &Caller,
        request: v1::CreateRequest,
    ) -> Result<v1::Task, Status> {
        let answer = self.face.create(by(caller, request)).await?;
        Ok(answer.into_inner().task.expect("a task"))
    }

    /// What two hundred creates that race come to: the tasks, and the refusals.
    async fn race(&self, caller: &Caller) -> (Vec<v1::Task>, Vec<Status>) {
        let creates = (0..200).map(|_| {
            let (face, caller) = (self.face.clone(), caller.clone());
            self.shutdown
                .spawn(async move { face.create(by(&caller, video())).await })
        });
        let (mut made, mut refused) = (Vec::new(), Vec::new());
        for created in join_all(creates).await {
            match created.expect("no panic") {
                Ok(answer) => made.extend(answer.into_inner().task),
                Err(status) => refused.push(status),
            }
        }
        (made, refused)
    }

    /// The same offers with other callers and routes.
    fn configure(&self, callers: Callers, change: impl FnOnce(&mut Routes)) {
        let now = self.roster.now();
        let mut routes = (*now.routes).clone();
        change(&mut routes);
        self.roster.replace(Roster {
            catalog: Arc::clone(&now.catalog),
            accounts: Arc::clone(&now.accounts),
            routes: Arc::new(routes),
            callers: Arc::new(callers),
        });
    }

    async fn price(&self) -> u64 {
        let request = Some(video());
        let asked = v1::EstimateCostRequest { request };
        let answer = self.client().estimate_cost(asked).await.unwrap();
        let cost = answer.into_inner().cost.unwrap();
        u64::try_from(cost.estimated_millicredits.unwrap()).unwrap()
    }
}

fn video() -> v1::CreateRequest {
    v1::CreateRequest {
        model: "gen4.5".to_owned(),
        prompt: "a lake".to_owned(),
        ..v1::CreateRequest::default()
    }
}

/// Reason, whose quota, and whether waiting is said to help.
fn told(status: &Status) -> (String, String, Duration) {
    let details = status.get_error_details();
    let reason = details.error_info().unwrap().reason.clone();
    let quota = details.quota_failure();
    let subject = quota.map(|quota| quota.violations[0].subject.clone());
    let wait = details.retry_info().and_then(|info| info.retry_delay);
    (
        reason,
        subject.unwrap_or_default(),
        wait.unwrap_or_default(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hundred_creates_for_the_last_of_a_budget_one_is_let_in() {
    let server = Server::start().await;
    let price = server.price().await;
    let caller = keyed("t", spending(2 * price - 1));
    let (made, refused) = server.race(&caller).await;
    assert_eq!((made.len(), refused.len()), (1, 199));
    for status in refused {
        assert_eq!(status.code(), Code::ResourceExhausted);
        let (reason, subject, wait) = told(&status);
        assert_eq!((&*reason, &*subject), ("BUDGET_EXCEEDED", "key:key-of-t"));
        assert!(wait > Duration::ZERO && wait <= Duration::from_hours(24));
        let details = status.get_error_details();
        let info = &details.error_info().unwrap().metadata;
        assert_eq!(info["period"], "day");
        assert_eq!(info["limitMillicredits"], (2 * price - 1).to_string());
        assert_eq!(info["spentMillicredits"], price.to_string());
    }
    let listed = server
        .face
        .list(by(&caller, v1::ListRequest::default()))
        .await;
    assert_eq!(listed.unwrap().into_inner().tasks.len(), 1);
    // What is given back may be spent again.
    let cancel = v1::CancelRequest {
        task_id: made[0].id.clone(),
    };
    server.face.cancel(by(&caller, cancel)).await.unwrap();
    assert_eq!(server.race(&caller).await.0.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hundred_creates_for_the_last_place_of_a_queue_one_is_let_in() {
    let server = Server::start().await;
    let one = |max_queued| TenantLimits {
        max_queued,
        ..TenantLimits::default()
    };
    let callers = |all, tenant| Callers {
        max_queued: all,
        any_tenant: one(tenant),
        ..Callers::default()
    };
    let in_flight = KeyLimits {
        tasks_in_flight: Some(1),
        ..KeyLimits::default()
    };
    let free = KeyLimits::default();
    for (n, (callers, limits, whose)) in (0..).zip([
        (callers(Some(1), None), free.clone(), "server"),
        (callers(None, Some(1)), free, "tenant:t1"),
        (callers(None, None), in_flight, "key:key-of-t2"),
    ]) {
        server.configure(callers, |_| {});
        let caller = keyed(&format!("t{n}"), limits);
        let (made, refused) = server.race(&caller).await;
        assert_eq!((made.len(), refused.len()), (1, 199), "{whose}");
        for status in &refused {
            let (reason, subject, wait) = told(status);
            assert_eq!((&*reason, &*subject), ("TASK_LIMIT_REACHED", whose));
            assert!(wait > Duration::ZERO);
        }
        // The repeat of what was let in is found, however full the queue.
        let again = v1::CreateRequest {
            request_id: made[0].request_id.clone(),
            ..video()
        };
        let found = server.create_by(&caller, again).await.unwrap();
        assert_eq!(found.id, made[0].id);
    }
}

#[tokio::test]
async fn a_models_queue_is_counted_under_all_its_names() {
    let server = Server::start().await;
    server.configure(Callers::default(), |routes| {
        routes.policy = Policy {
            max_queued: Some(1),
            ..Policy::default()
        };
    });
    let caller = keyed("t", KeyLimits::default());
    server.create_by(&caller, video()).await.unwrap();
    let other = v1::CreateRequest {
        model: "runwayml/gen4.5".to_owned(),
        ..video()
    };
    let refused = server.create_by(&caller, other).await.unwrap_err();
    let (reason, subject, _) = told(&refused);
    assert_eq!(reason, "TASK_LIMIT_REACHED");
    assert_eq!(subject, "model:runwayml/gen4.5");
}

#[tokio::test]
async fn what_is_denied_leaves_no_input_behind() {
    let server = Server::start().await;
    server.configure(
        Callers {
            max_queued: Some(0),
            ..Callers::default()
        },
        |_| {},
    );
    let source = v1::input_reference::Source::Data(Bytes::from_static(b"\x89PNG\r\n\x1a\n"));
    let with_image = v1::CreateRequest {
        input_references: vec![v1::InputReference {
            source: Some(source),
            content_type: "image/png".to_owned(),
            ..v1::InputReference::default()
        }],
        ..video()
    };
    let caller = keyed("t", KeyLimits::default());
    let refused = server.create_by(&caller, with_image).await.unwrap_err();
    assert_eq!(told(&refused).0, "TASK_LIMIT_REACHED", "{refused:?}");
    let kept = std::fs::read_dir(server.folder.path().join("archive")).unwrap();
    let mut files = Vec::new();
    let mut folders: Vec<_> = kept.map(|entry| entry.unwrap().path()).collect();
    while let Some(path) = folders.pop() {
        if path.is_dir() {
            folders.extend(std::fs::read_dir(path).unwrap().map(|e| e.unwrap().path()));
        } else {
            files.push(path);
        }
    }
    assert!(files.is_empty(), "{files:?}");
}

#[tokio::test]
async fn a_key_may_ask_for_its_own_models_by_every_name_they_have() {
    let server = Server::start().await;
    server.configure(Callers::default(), |routes| {
        let deployments = vec![Deployment::of_model("nobody", "veo3.1")];
        let group = Group {
            name: "film".to_owned(),
            deployments,
            policy: Policy::default(),
        };
        routes.groups.insert("film".to_owned(), group);
        routes
            .aliases
            .insert("quick".to_owned(), "gen4.5".to_owned());
        routes
            .aliases
            .insert("cinema".to_owned(), "film".to_owned());
    });
    let listed = |names: &[&str]| Caller {
        models: AllowedModels::Only(names.iter().map(ToString::to_string).collect()),
        ..keyed("t", KeyLimits::default())
    };
    for (list, asked, allowed) in [
        (&["gen4.5"][..], "gen4.5", true),
        (&["gen4.5"], "runwayml/gen4.5", true),
        (&["runwayml/gen4.5"], "gen4.5", true),
        (&["gen4.5"], "quick", true),
        (&["gen4.5"], "", true),
        (&["gen4.5"], "veo3.1", false),
        (&["gen4.5"], "runwayml/veo3.1", false),
        (&["film"], "film", true),
        (&["film"], "veo3.1", false),
        (&["film"], "cinema", true),
        (&["cinema"], "film", true),
        (&["cinema"], "veo3.1", false),
        (&["quick"], "runwayml/gen4.5", true),
        (&["veo3.1"], "", false),
        (&[], "gen4.5", false),
    ] {
        let caller = listed(list);
        let request = v1::CreateRequest {
            model: asked.to_owned(),
            ..video()
        };
        let asked_price = v1::EstimateCostRequest {
            request: Some(request.clone()),
        };
        let answers = [
            server.create_by(&caller, request).await.err(),
            server
                .face
                .estimate_cost(by(&caller, asked_price))
                .await
                .err(),
        ];
        for refused in answers {
            match refused {
                None => assert!(allowed, "{list:?} {asked}"),
                Some(status) => {
                    assert_eq!(told(&status).0, "MODEL_FORBIDDEN", "{list:?} {asked}");
                    assert_eq!(status.code(), Code::PermissionDenied);
                    assert!(!allowed, "{list:?} {asked}");
                }
            }
        }
    }
    for (list, names) in [
        (&["gen4.5"][..], &["gen4.5", "quick"][..]),
        (&["film"], &["cinema", "film"]),
        (&[], &[]),
    ] {
        let asked = by(&listed(list), v1::ListModelsRequest::default());
        let shown = server.face.list_models(asked).await.unwrap();
        let models = shown.into_inner().models;
        let shown: Vec<&str> = models.iter().map(|model| &*model.name).collect();
        assert_eq!(shown, names);
    }
}

#[tokio::test]
async fn a_price_that_nobody_knows_needs_a_key_without_a_budget() {
    let server = Server::start().await;
    let unpriced = v1::CreateRequest {
        model: "runwayml/gen99".to_owned(),
        operation: v1::Operation::TextToVideo as i32,
        ..video()
    };
    let caller = keyed("t", spending(u64::MAX));
    let refused = server
        .create_by(&caller, unpriced.clone())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(told(&refused).0, "PRICE_UNKNOWN");
    assert!(refused.message().contains("nobody/gen99"), "{refused:?}");
    let free = keyed("t", KeyLimits::default());
    server.create_by(&free, unpriced.clone()).await.unwrap();
    // What the configuration says that it costs at most will do.
    server.configure(Callers::default(), |routes| {
        let mut deployment = Deployment::of_model("nobody", "gen99");
        deployment.max_cost = Some(Millicredits(7));
        let group = Group {
            name: "gen99".to_owned(),
            deployments: vec![deployment],
            policy: Policy::default(),
        };
        routes.groups.insert("gen99".to_owned(), group);
        routes.open.clear();
    });
    server.create_by(&caller, unpriced).await.unwrap();
}

#[tokio::test]
async fn a_budget_holds_back_the_dearest_deployment_of_the_fallbacks() {
    let server = Server::start().await;
    let price = server.price().await;
    server.configure(Callers::default(), |routes| {
        let group = |name: &str, model: &str, fallbacks: &[&str]| Group {
            name: name.to_owned(),
            deployments: vec![Deployment::of_model("nobody", model)],
            policy: Policy {
                fallbacks: fallbacks.iter().map(ToString::to_string).collect(),
                ..Policy::default()
            },
        };
        let groups = [
            group("gen4.5", "gen4.5", &["film"]),
            group("film", "veo3.1", &[]),
        ];
        for group in groups {
            routes.groups.insert(group.name.clone(), group);
        }
    });
    let caller = keyed("t", spending(price));
    let refused = server.create_by(&caller, video()).await.unwrap_err();
    assert_eq!(told(&refused).0, "BUDGET_EXCEEDED", "{refused:?}");
    let free = keyed("t", KeyLimits::default());
    server.create_by(&free, video()).await.unwrap();
}

#[tokio::test]
async fn a_tenant_with_too_much_moderated_work_waits_and_others_go_on() {
    let server = Server::start().await;
    let moderation = Some(ModerationLimits {
        window: Duration::from_hours(1),
        least: 3,
        percent: 25,
        cooldown: Duration::from_mins(10),
    });
    let callers = Callers {
        moderation,
        ..Callers::default()
    };
    server.configure(callers.clone(), |_| {});
    let (bad, good) = (
        keyed("bad", KeyLimits::default()),
        keyed("good", KeyLimits::default()),
    );
    for n in 0..3 {
        let task = server.create_by(&bad, video()).await.unwrap();
        server.create_by(&good, video()).await.unwrap();
        let mut take = accepted(1);
        if let Happening::Accepted { upstream_id, .. } = &mut take {
            *upstream_id = format!("up-{n}");
        }
        let failure = Failure::ours(FailureReason::ModeratedInput, "no");
        let moderated = seen(UpstreamStatus::Failed(failure));
        for event in [claimed(), take, moderated] {
            let id = task.id.parse().unwrap();
            let now = Timestamp(crate::clock::Clock.now_ms());
            update(&*server.store, id, &event, now).await.unwrap();
        }
    }
    let refused = server.create_by(&bad, video()).await.unwrap_err();
    let (reason, _, wait) = told(&refused);
    assert_eq!(reason, "MODERATION_LIMIT_REACHED");
    assert!(wait > Duration::from_mins(9) && wait <= Duration::from_mins(10));
    server.create_by(&good, video()).await.unwrap();
    // A restart does not forget it.
    let restarted = Service::new(Parts {
        store: Arc::clone(&server.store),
        archive: Arc::clone(&server.archive),
        roster: Arc::clone(&server.roster),
        shutdown: server.shutdown.clone(),
        settings: settings(Duration::from_secs(30)),
    });
    restarted.recall_moderation().await.unwrap();
    let face = MediaGeneration::new(restarted);
    let refused = face.create(by(&bad, video())).await.unwrap_err();
    assert_eq!(told(&refused).0, "MODERATION_LIMIT_REACHED");
    face.create(by(&good, video())).await.unwrap();
    // Nor does it hold where nothing is configured.
    server.configure(Callers::default(), |_| {});
    server.create_by(&bad, video()).await.unwrap();
}

#[tokio::test]
async fn a_priority_out_of_bounds_is_refused_by_name() {
    let server = Server::start().await;
    let caller = Caller::local();
    for (priority, taken) in [(-100, true), (100, true), (-101, false), (101, false)] {
        let request = v1::CreateRequest {
            priority,
            ..video()
        };
        match server.create_by(&caller, request).await {
            Ok(_) => assert!(taken, "{priority}"),
            Err(status) => {
                assert!(!taken, "{priority}");
                let details = status.get_error_details();
                let bad = &details.bad_request().unwrap().field_violations;
                assert_eq!(bad[0].field, "priority");
            }
        }
    }
}
