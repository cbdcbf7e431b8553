//! The second provider, through the whole server: videos that are asked after and fetched with the
//! account's key, images that come in the answer to their create.

use std::fs;

use mediagen::config::{Access, Account, Config, OnUnknownOutcome};
use mediagen::domain::model::ProviderKind;
use mediagen::domain::routing::Routes;
use mediagen::pb::v1::{
    CancelRequest, Charge, CreateRequest, DownloadContentRequest, ListModelsRequest, Operation,
    Resolution, ResolveUnknownRequest, Task, TaskStatus,
};
use mediagen::sandbox::{Effect, Fault, Place};
use secrecy::SecretString;

use crate::harness::client::{assert_whole_history, content, download, fresh, picture, watch};
use crate::harness::media::{h264_size, png, png_size, sha256};
use crate::harness::{TestApp, Upstream, eventually, quick, within};

/// Leaves a server with one account: at the sandbox, by the second API.
fn only_openai(config: &mut Config, base_url: &str) {
    config.routing.accounts = vec![Account {
        name: "second".to_owned(),
        kind: ProviderKind::OpenAi,
        access: Access::Account {
            api_key: SecretString::from("sk-second-0123456789"),
            base_url: base_url.parse().unwrap(),
        },
        headers: http::HeaderMap::new(),
    }];
    config.routing.routes = Routes::open([(ProviderKind::OpenAi, "second".to_owned())]);
}

async fn app() -> TestApp {
    let upstream = Upstream::quick().await;
    let base = upstream.sandbox.openai_url();
    TestApp::tuned_on(upstream, |config| only_openai(config, &base)).await
}

fn video(prompt: &str) -> CreateRequest {
    CreateRequest {
        request_id: fresh("openai-video"),
        model: "openai/sora-2".into(),
        prompt: prompt.into(),
        seconds: Some(4),
        size: "1280x720".into(),
        ..CreateRequest::default()
    }
}

fn image(prompt: &str) -> CreateRequest {
    CreateRequest {
        request_id: fresh("openai-image"),
        model: "openai/gpt-image-1".into(),
        prompt: prompt.into(),
        ..CreateRequest::default()
    }
}

fn failure(task: &Task) -> (&str, &str) {
    let error = task.error.as_ref().unwrap();
    (&error.reason, &error.provider_code)
}

#[tokio::test]
async fn a_video_is_created_watched_and_fetched_with_the_accounts_key() {
    let app = app().await;
    let made = app.create(video("a serene lake")).await;
    let watched = watch(&app.client, &made.id, 0).await;
    watched.end.unwrap();
    let done = watched.tasks.last().unwrap();
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    assert_whole_history(done);
    let (output, attempt) = (&done.outputs[0], &done.attempts[0]);
    assert_eq!(output.content_type, "video/mp4");
    assert_eq!((output.width, output.height), (Some(1280), Some(720)));
    assert_eq!(attempt.deployment, "second/openai/sora-2");
    assert!(attempt.provider_task_id.starts_with("video_"));
    let cost = done.cost.as_ref().unwrap();
    assert_eq!(cost.charge(), Charge::Charged);
    assert_eq!(cost.actual_millicredits, Some(40_000), "{cost:?}");
    let bytes = content(&app.client, &made.id).await;
    assert_eq!(
        (sha256(&bytes), h264_size(&bytes)),
        (output.sha256.clone(), (1280, 720))
    );
    let ledger = app.upstream.sandbox.ledger();
    assert_eq!((ledger.len(), &*ledger[0].model), (1, "sora-2"));
    assert_eq!(app.upstream.sandbox.counts().downloads, 1);
}

#[tokio::test]
async fn an_inline_image_goes_with_the_form() {
    let app = app().await;
    let mut request = picture("a fish", png(20_000));
    request.model = "openai/sora-2-pro".into();
    request.seconds = Some(8);
    request.size = "1792x1024".into();
    let done = app.run(request).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    let ledger = app.upstream.sandbox.ledger();
    assert_eq!(
        (&*ledger[0].endpoint, ledger[0].credits),
        ("/openai/v1/videos", 400)
    );
    assert_eq!(done.outputs[0].width, Some(1792));
}

#[tokio::test]
async fn images_come_with_the_answer_and_are_all_kept() {
    let app = app().await;
    let mut request = image("two lakes");
    request.count = Some(2);
    let done = app.run(request).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    assert_whole_history(&done);
    assert_eq!(done.outputs.len(), 2);
    for output in &done.outputs {
        let request = DownloadContentRequest {
            task_id: done.id.clone(),
            output_index: output.index,
            ..DownloadContentRequest::default()
        };
        let bytes = download(&app.client, request).await.bytes;
        assert_eq!(
            (sha256(&bytes), png_size(&bytes)),
            (output.sha256.clone(), (1024, 1024))
        );
    }
    assert_ne!(done.outputs[0].sha256, done.outputs[1].sha256);
    eventually("only the outputs are left", || async {
        let files = app.files(&done.id);
        let left = files == ["0", "0.sums", "1", "1.sums"];
        if left { Ok(()) } else { Err(files) }
    })
    .await;
    let counts = app.upstream.sandbox.counts();
    assert_eq!(
        (counts.creates_accepted, counts.polls, counts.downloads),
        (1, 0, 0)
    );
    let cost = done.cost.unwrap();
    assert_eq!(
        (cost.charge(), cost.actual_millicredits),
        (Charge::Charged, Some(8_000))
    );
}

/// What a crash leaves after the acceptance was recorded is a task at the provider with its image in
/// the archive: made here by an operator who attaches such an id to a lost create.
#[tokio::test]
async fn an_image_whose_acceptance_was_recorded_survives_a_crash_and_a_lost_one_is_owned_up_to() {
    let upstream = Upstream::quick().await;
    let base = upstream.sandbox.openai_url();
    let app = TestApp::tuned_on(upstream, |config| {
        only_openai(config, &base);
        config.submit.on_unknown_outcome = OnUnknownOutcome::Hold;
    })
    .await;
    let model = app.run(image("a pond")).await;
    for (digit, kept) in [("a", true), ("b", false)] {
        let task = app
            .create(image("a lake [sandbox:accept-then-reset]"))
            .await;
        let unknown = |task: &Task| task.status() == TaskStatus::SubmissionUnknown;
        app.until(&task.id, unknown).await;
        if kept {
            fs::create_dir_all(app.archive(&task.id)).unwrap();
            for (from, to) in [("0", "made-0"), ("0.sums", "made-0.sums")] {
                let (from, to) = (
                    app.archive(&model.id).join(from),
                    app.archive(&task.id).join(to),
                );
                fs::copy(from, to).unwrap();
            }
        }
        let request = ResolveUnknownRequest {
            task_id: task.id.clone(),
            resolution: Resolution::Attach as i32,
            provider_task_id: format!("mediagen-images-1-{}", digit.repeat(32)),
        };
        let mut client = app.client.clone();
        within("the answer", client.resolve_unknown(request))
            .await
            .unwrap();
        let done = app.finish(&task.id).await;
        if kept {
            assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
            assert_eq!(done.outputs[0].sha256, model.outputs[0].sha256);
        } else {
            assert_eq!(
                (done.status(), failure(&done).0),
                (TaskStatus::Failed, "OUTPUT_LOST")
            );
        }
        assert_eq!(done.cost.as_ref().unwrap().charge(), Charge::Charged);
    }
    assert_eq!(
        app.upstream.sandbox.ledger().len(),
        3,
        "nothing was sent again"
    );
}

#[tokio::test]
async fn a_task_at_the_second_provider_survives_restarts() {
    let mut app = app().await;
    let base = app.upstream.sandbox.openai_url();
    let task = app.create(video("a lake [sandbox:seconds=1]")).await;
    app.until(&task.id, |task| task.status() == TaskStatus::InProgress)
        .await;
    for _ in 0..2 {
        app.restart_tuned(|config| only_openai(config, &base)).await;
    }
    let done = app.finish(&task.id).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    assert_eq!(app.upstream.sandbox.ledger().len(), 1);
    assert_eq!(
        content(&app.client, &task.id).await.len() as u64,
        done.outputs[0].size_bytes
    );
}

#[tokio::test]
async fn a_running_video_is_cancelled_by_deleting_it() {
    let app = app().await;
    let task = app.create(video("a lake [sandbox:seconds=600]")).await;
    app.until(&task.id, |task| task.status() == TaskStatus::InProgress)
        .await;
    let request = CancelRequest {
        task_id: task.id.clone(),
    };
    within("the answer", app.client.clone().cancel(request))
        .await
        .unwrap();
    let done = app.finish(&task.id).await;
    assert_eq!(done.status(), TaskStatus::Cancelled, "{done:#?}");
    let counts = app.upstream.sandbox.counts();
    assert_eq!((counts.cancelled, counts.deleted), (1, 0));
}

#[tokio::test]
async fn failures_at_the_provider_have_our_reasons_and_its_codes() {
    let app = app().await;
    for (code, reason) in [
        ("moderation_blocked", "MODERATED_INPUT"),
        ("output_moderation", "MODERATED_OUTPUT"),
        ("video_generation_failed", "GENERATION_FAILED"),
    ] {
        let done = app
            .run(video(&format!("a lake [sandbox:fail={code}]")))
            .await;
        assert_eq!(failure(&done), (reason, code), "{done:#?}");
    }
    let done = app
        .run(image("a lake [sandbox:fail=moderation_blocked]"))
        .await;
    assert_eq!(
        failure(&done),
        ("MODERATED_INPUT", "moderation_blocked"),
        "{done:#?}"
    );
    assert_eq!(done.cost.unwrap().charge(), Charge::None);
}

#[tokio::test]
async fn a_broken_download_is_resumed_with_the_key() {
    let app = app().await;
    let effect = Effect::Cut { bytes: 2_000 };
    app.upstream.sandbox.inject(Fault {
        on: Place::Output,
        times: 3,
        accept_first: false,
        effect,
    });
    let done = app.run(video("a lake")).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    assert_eq!(app.upstream.sandbox.counts().downloads, 4);
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_never_sent_again() {
    let app = app().await;
    for request in [
        video("a lake [sandbox:accept-then-500]"),
        image("a lake [sandbox:accept-then-500]"),
    ] {
        let task = app.create(request).await;
        let unknown = |task: &Task| task.status() == TaskStatus::SubmissionUnknown;
        app.until(&task.id, unknown).await;
    }
    assert_eq!(app.upstream.sandbox.ledger().len(), 2);
}

#[tokio::test]
async fn an_account_without_credits_takes_nothing_and_is_not_charged() {
    let app = app().await;
    let done = app.run(video("a lake [sandbox:no-credits]")).await;
    assert_eq!(
        failure(&done),
        ("NO_DEPLOYMENT_AVAILABLE", "insufficient_quota"),
        "{done:#?}"
    );
    assert_eq!(done.cost.unwrap().charge(), Charge::None);
}

#[tokio::test]
async fn models_are_offered_only_where_an_account_can_generate_them() {
    let listed = async |app: &TestApp| {
        let mut client = app.client.clone();
        let models = within(
            "the models",
            client.list_models(ListModelsRequest::default()),
        )
        .await;
        let models = models.unwrap().into_inner().models;
        models
            .into_iter()
            .map(|model| model.name)
            .collect::<Vec<_>>()
    };
    let (second, first) = (app().await, TestApp::start().await);
    let models = listed(&second).await;
    assert!(models.contains(&"openai/sora-2".to_owned()), "{models:?}");
    assert!(
        models.iter().all(|model| model.starts_with("openai/")),
        "{models:?}"
    );
    let models = listed(&first).await;
    assert!(
        !models.iter().any(|model| model.starts_with("openai/")),
        "{models:?}"
    );
    for request in [
        video("a lake"),
        CreateRequest {
            model: "openai/other".into(),
            operation: Operation::TextToVideo as i32,
            ..video("a lake")
        },
    ] {
        let refusal = first.refusal(request).await;
        assert!(refusal.names("model"), "{refusal:?}");
    }
    let refusal = second
        .refusal(CreateRequest {
            model: "sora-2".into(),
            ..video("a lake")
        })
        .await;
    assert!(
        format!("{refusal:?}").contains("openai/sora-2"),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn a_model_that_the_catalogue_lacks_is_passed_through() {
    let mut sandbox = quick();
    sandbox.extra_models = vec![("/v1/text_to_video".into(), "openai/wan-9".into())];
    let upstream = Upstream::start(sandbox).await;
    let base = upstream.sandbox.openai_url();
    let app = TestApp::tuned_on(upstream, |config| only_openai(config, &base)).await;
    let request = CreateRequest {
        model: "openai/wan-9".into(),
        operation: Operation::TextToVideo as i32,
        seconds: Some(7),
        size: "832x480".into(),
        ..video("a lake")
    };
    let done = app.run(request).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    let size = (done.outputs[0].width, done.outputs[0].height);
    assert_eq!(size, (Some(832), Some(480)));
    assert_eq!(done.outputs[0].duration.as_ref().unwrap().seconds, 7);
}

#[tokio::test]
async fn an_image_that_is_named_by_its_address_is_fetched_without_the_key() {
    let mut sandbox = quick();
    sandbox.extra_models = vec![("/v1/text_to_image".into(), "openai/qwen-image".into())];
    let upstream = Upstream::start(sandbox).await;
    let base = upstream.sandbox.openai_url();
    let app = TestApp::tuned_on(upstream, |config| only_openai(config, &base)).await;
    let options = prost_types::Struct {
        fields: [(
            "response_format".to_owned(),
            prost_types::Value {
                kind: Some(prost_types::value::Kind::StringValue("url".into())),
            },
        )]
        .into(),
    };
    let request = CreateRequest {
        model: "openai/qwen-image".into(),
        operation: Operation::TextToImage as i32,
        provider_options: Some(options),
        ..image("a lake")
    };
    let done = app.run(request).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    assert_eq!(done.outputs[0].content_type, "image/png");
    assert_eq!(app.upstream.sandbox.counts().downloads, 1);
}
