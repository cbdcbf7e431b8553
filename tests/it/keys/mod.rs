//! Who may call: every call of the contract against every bad key, tenants that see nothing of each
//! other, limits of a key, and streams that end with it.

mod raw;
mod revoked;
mod stranger;
mod table;

use std::path::Path;
use std::time::{Duration, Instant};

use mediagen::config::callers::digest;
use mediagen::config::{Config, Key};
use mediagen::domain::caller::{AllowedModels, KeyId, KeyLimits, Scope, TenantLimits};
use mediagen::domain::id::TenantId;
use mediagen::domain::time::Timestamp;
use mediagen::domain::webhook::KeyWebhook;
use mediagen::pb::v1::download_content_response::Part;
use mediagen::pb::v1::media_generation_client::MediaGenerationClient;
use mediagen::pb::v1::{
    DownloadContentRequest, UploadInputRequest, WatchTaskRequest, upload_input_request,
};
use tempfile::TempDir;
use tokio_stream::StreamExt as _;
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::harness::child::{Ran, program, run};
use crate::harness::client::{channel, create, finish, watch};
use crate::harness::{Server, TestApp, Upstream, quick, refused, sound, video, within};

/// A client that shows a key with every call.
type Keyed = MediaGenerationClient<InterceptedService<Channel, Show>>;

/// Puts a key into a call.
#[derive(Clone)]
struct Show(String);

impl tonic::service::Interceptor for Show {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value: MetadataValue<_> = format!("Bearer {}", self.0).parse().unwrap();
        request.metadata_mut().insert("authorization", value);
        Ok(request)
    }
}

fn keyed(channel: Channel, key: &str) -> Keyed {
    MediaGenerationClient::with_interceptor(channel, Show(key.to_owned()))
}

/// A good key with every scope, whose text is `sk-<id>-of-the-tests`.
fn key(id: &str, tenant: &str) -> Key {
    Key {
        id: KeyId::new(id),
        sha256: digest(&text(id)),
        tenant: TenantId::named(tenant),
        models: AllowedModels::All,
        scopes: Scope::ALL.to_vec(),
        expires: None,
        revoked: None,
        limits: KeyLimits::default(),
        webhook: KeyWebhook::default(),
    }
}

pub fn text(id: &str) -> String {
    format!("sk-{id}-of-the-tests")
}

/// One key of every kind, good and bad.
pub fn every_kind(config: &mut Config) {
    let scoped = |scope: Scope| Key {
        scopes: vec![scope],
        ..key(scope.as_str(), "ours")
    };
    let mut keys = vec![key("ours", "ours"), key("theirs", "theirs")];
    keys.extend(Scope::ALL.map(scoped));
    keys.push(Key {
        expires: Some(Timestamp(1)),
        ..key("expired", "ours")
    });
    keys.push(Key {
        revoked: Some(Timestamp(1)),
        ..key("revoked", "ours")
    });
    keys.push(key("suspended", "bad"));
    config.callers.keys = keys;
    let suspended = TenantLimits {
        suspended: true,
        ..TenantLimits::default()
    };
    let tenants = &mut config.callers.limits.tenants;
    tenants.insert(TenantId::named("bad"), suspended);
}

/// Runs `mediagen keys …` on a keys file.
pub async fn keys(file: &Path, line: &str) -> Ran {
    let mut command = program(Path::new("/dev/null"));
    command
        .arg("keys")
        .args(line.split(' '))
        .arg("--file")
        .arg(file);
    let ran = tokio::task::spawn_blocking(move || run(&mut command, Duration::from_mins(1)));
    ran.await.unwrap()
}

/// Makes a key in the file.
pub async fn made(file: &Path, line: &str) -> String {
    let ran = keys(file, &format!("create {line}")).await;
    assert!(ran.status.success(), "{}", ran.stderr);
    ran.stdout.trim().to_owned()
}

#[tokio::test]
async fn a_key_that_is_revoked_ends_its_watch_and_its_download_within_five_seconds() {
    let (upstream, data) = (Upstream::start(quick()).await, TempDir::new().unwrap());
    let file = data.path().join("keys.yaml");
    let (mine, other) = (
        made(&file, "--id mine --tenant t").await,
        made(&file, "--id other --tenant t").await,
    );
    let listen = crate::harness::child::free_address();
    let mut server = Server::spawn(&upstream, data.path(), listen, &[]);
    let address = server.listening().await;
    let mut client = keyed(channel(address), &mine);
    let mut others = keyed(channel(address), &other);
    let endless = "a bell [sandbox:seconds=600]";
    let endless = client.create(sound(endless)).await.unwrap().into_inner();
    let id = endless.task.unwrap().id;
    let watched = WatchTaskRequest {
        task_id: id,
        ..Default::default()
    };
    let mut watch = client
        .watch_task(watched.clone())
        .await
        .unwrap()
        .into_inner();
    watch.message().await.unwrap().unwrap();
    let mut kept = others
        .watch_task(watched.clone())
        .await
        .unwrap()
        .into_inner();
    kept.message().await.unwrap().unwrap();
    let long = long_task(&mut client).await;
    let mut download = keyed(narrow(address), &mine)
        .download_content(DownloadContentRequest {
            task_id: long.id.clone(),
            ..Default::default()
        })
        .await
        .unwrap()
        .into_inner();
    download.message().await.unwrap().unwrap();

    let ran = keys(&file, "revoke mine").await;
    assert!(ran.status.success(), "{}", ran.stderr);
    let revoked = Instant::now();
    let end = within("the end of the watch", async {
        loop {
            if let Err(end) = watch.message().await.map(|message| message.unwrap()) {
                return end;
            }
        }
    });
    let end = end.await;
    assert!(
        revoked.elapsed() < Duration::from_secs(5),
        "{:?}",
        revoked.elapsed()
    );
    let is_revoked = |status: Status| {
        let end = refused(Err::<(), _>(status));
        assert!(end.is(Code::Unauthenticated, "API_KEY_REVOKED"), "{end:?}");
    };
    is_revoked(end);
    let mut got = 0;
    let end = loop {
        match within("a part of the download", download.message()).await {
            Ok(message) => match message.expect("it ended well").part.unwrap() {
                Part::Chunk(chunk) => got += chunk.data.len() as u64,
                Part::Metadata(_) => {}
            },
            Err(end) => break end,
        }
    };
    is_revoked(end);
    assert!(got < long.outputs[0].size_bytes, "all of it came");
    is_revoked(client.watch_task(watched).await.unwrap_err());
    // Another key of the same tenant is untouched.
    let status = others.list(mediagen::pb::v1::ListRequest::default()).await;
    assert_eq!(status.unwrap().into_inner().tasks.len(), 2);
    let next = tokio::time::timeout(Duration::from_millis(100), kept.message()).await;
    assert!(!matches!(next, Ok(Err(_) | Ok(None))), "{next:?}");
}

#[tokio::test]
async fn an_upload_and_a_watch_end_when_their_key_expires() {
    let end = jiff::Timestamp::now().as_millisecond() + 2_000;
    let app = TestApp::tuned(|config| {
        config.callers.keys = vec![Key {
            expires: Some(Timestamp(end)),
            ..key("brief", "t")
        }];
    })
    .await;
    let mut client = keyed(channel(app.address), &text("brief"));
    let endless = client
        .create(sound("a bell [sandbox:seconds=600]"))
        .await
        .unwrap();
    let watched = WatchTaskRequest {
        task_id: endless.into_inner().task.unwrap().id,
        ..Default::default()
    };
    let mut events = client.watch_task(watched).await.unwrap().into_inner();
    let watch = async {
        loop {
            match events.message().await {
                Ok(event) => assert!(event.is_some(), "it ended well"),
                Err(end) => return end,
            }
        }
    };
    let metadata = UploadInputRequest {
        part: Some(upload_input_request::Part::Metadata(
            upload_input_request::Metadata::default(),
        )),
    };
    let parts = tokio_stream::once(metadata).chain(tokio_stream::pending());
    let mut other = client.clone();
    let upload = other.upload_input(parts);
    let (watch, upload) = within("both ends", async { tokio::join!(watch, upload) }).await;
    for status in [watch, upload.unwrap_err()] {
        let refused = refused(Err::<(), _>(status));
        assert!(
            refused.is(Code::Unauthenticated, "API_KEY_EXPIRED"),
            "{refused:?}"
        );
    }
    let late = jiff::Timestamp::now().as_millisecond() - end;
    assert!((0..5_000).contains(&late), "{late} ms");
}

/// A task whose output is larger than all that is on its way at once.
async fn long_task(client: &mut Keyed) -> mediagen::pb::v1::Task {
    let mut request = sound("a long tone");
    request.seconds = Some(30);
    let task = client
        .create(request)
        .await
        .unwrap()
        .into_inner()
        .task
        .unwrap();
    let watched = WatchTaskRequest {
        task_id: task.id,
        ..Default::default()
    };
    let mut events = client.watch_task(watched).await.unwrap().into_inner();
    let mut last = None;
    while let Some(event) = within("the task's end", events.message()).await.unwrap() {
        if let Some(mediagen::pb::v1::watch_task_response::Event::Task(task)) = event.event {
            last = Some(task);
        }
    }
    let task = last.unwrap();
    assert!(task.outputs[0].size_bytes > 300_000, "{task:#?}");
    task
}

/// A connection that takes in 64 KiB and no more before it is read on.
fn narrow(address: std::net::SocketAddr) -> Channel {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    endpoint
        .initial_stream_window_size(65_535)
        .initial_connection_window_size(65_535)
        .connect_lazy()
}

#[tokio::test]
async fn a_keys_file_that_appears_changes_and_breaks_is_followed_without_a_restart() {
    let app = TestApp::start().await;
    let file = app.archive("..").join("keys.yaml");
    create(&app.client, sound("open to all")).await.unwrap();
    let key = made(&file, "--scopes read").await;
    let client = keyed(channel(app.address), &key);
    let list = mediagen::pb::v1::ListRequest::default;
    let known = || {
        let mut client = client.clone();
        async move { client.list(list()).await }
    };
    crate::harness::eventually("the key is known", || async {
        refusal_of(app.client.clone().list(list()).await, "API_KEY_MISSING")
    })
    .await;
    assert_eq!(known().await.unwrap().into_inner().tasks.len(), 1);
    // A file that is no longer right changes nothing.
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "keys: [{id: x, scopes: 5").unwrap();
    let mut looks = 0;
    crate::harness::eventually("the file was looked at", || {
        looks += 1;
        std::future::ready(if looks > 100 { Ok(()) } else { Err(looks) })
    })
    .await;
    known().await.unwrap();
    std::fs::write(&file, good).unwrap();
    assert!(
        keys(&file, &format!("revoke {}", id_of(&key)))
            .await
            .status
            .success()
    );
    crate::harness::eventually("the key is revoked", || async {
        refusal_of(client.clone().list(list()).await, "API_KEY_REVOKED")
    })
    .await;
}

/// The visible part of a key.
fn id_of(key: &str) -> &str {
    key.split('_').nth(1).unwrap()
}

fn refusal_of<T>(result: Result<T, Status>, reason: &str) -> Result<(), String> {
    match result {
        Ok(_) => Err("it was let in".to_owned()),
        Err(status) => {
            let refused = refused(Err::<(), _>(status));
            if refused.reason == reason {
                Ok(())
            } else {
                Err(format!("{refused:?}"))
            }
        }
    }
}

#[tokio::test]
async fn commands_show_their_key_and_keys_are_listed_without_their_secrets() {
    let app = TestApp::tuned(every_kind).await;
    let server = format!("http://{}", app.address);
    for (key, code) in [
        (Some(text("ours")), 0),
        (Some(text("nobody")), 3),
        (None, 3),
    ] {
        let mut command = program(Path::new("/dev/null"));
        command.args(["list", "--json", "--server", &server]);
        if let Some(key) = &key {
            command.env("MEDIAGEN_API_KEY", key);
        }
        let ran = tokio::task::spawn_blocking(move || run(&mut command, Duration::from_mins(1)));
        let ran = ran.await.unwrap();
        assert_eq!(ran.status.code(), Some(code), "{key:?}: {}", ran.stderr);
    }
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("deep/keys.yaml");
    let key = made(
        &file,
        "--tenant t --models gen4.5,fast --expires 30d --usd-per-day 2.5",
    )
    .await;
    let listed = keys(&file, "list").await;
    for shown in [id_of(&key), "create,read", "fast,gen4.5", "good"] {
        assert!(listed.stdout.contains(shown), "{}", listed.stdout);
    }
    let secret = key.rsplit('_').next().unwrap();
    let kept = std::fs::read_to_string(&file).unwrap();
    assert!(!kept.contains(secret) && !listed.stdout.contains(secret));
    for (line, code) in [
        ("revoke nobody", 6),
        ("create --scopes admin", 78),
        ("create --expires never", 78),
        ("create --usd-per-day 1 --credits-per-day 1", 2),
    ] {
        let ran = keys(&file, line).await;
        assert_eq!(ran.status.code(), Some(code), "{line}: {}", ran.stderr);
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), kept);
}

#[tokio::test]
async fn a_key_makes_so_many_calls_a_minute_and_has_so_many_streams() {
    let app = TestApp::tuned(|config| {
        let mut fast = key("fast", "t");
        fast.limits.requests_per_minute = Some(4);
        let mut wide = key("wide", "t");
        wide.limits.streams = Some(2);
        config.callers.keys = vec![fast, wide];
    })
    .await;
    let mut fast = keyed(channel(app.address), &text("fast"));
    for _ in 0..4 {
        fast.list(mediagen::pb::v1::ListRequest::default())
            .await
            .unwrap();
    }
    let beyond = refused(fast.list(mediagen::pb::v1::ListRequest::default()).await);
    assert!(
        beyond.is(Code::ResourceExhausted, "RATE_LIMITED"),
        "{beyond:?}"
    );
    let wait = beyond.retry_after.unwrap();
    assert!(
        wait > Duration::from_secs(5) && wait <= Duration::from_secs(15),
        "{wait:?}"
    );

    let mut wide = keyed(channel(app.address), &text("wide"));
    let endless = wide
        .create(sound("a bell [sandbox:seconds=600]"))
        .await
        .unwrap();
    let watched = || WatchTaskRequest {
        task_id: endless.get_ref().task.as_ref().unwrap().id.clone(),
        ..Default::default()
    };
    let first = wide.watch_task(watched()).await.unwrap().into_inner();
    let _second = wide.watch_task(watched()).await.unwrap().into_inner();
    let third = refused(wide.watch_task(watched()).await.map(drop));
    assert!(
        third.is(Code::ResourceExhausted, "STREAM_LIMIT_REACHED"),
        "{third:?}"
    );
    drop(first);
    crate::harness::eventually("a place is given back", || {
        let mut wide = wide.clone();
        async move { wide.watch_task(watched()).await.map(drop) }
    })
    .await;
}

#[tokio::test]
async fn a_server_without_keys_takes_any_key_and_knows_one_tenant() {
    let app = TestApp::start().await;
    let task = create(&app.client, video("a lake")).await.unwrap();
    finish(&app.client, &task.id).await;
    let mut any = keyed(channel(app.address), "sk-1234");
    let seen = any
        .list(mediagen::pb::v1::ListRequest::default())
        .await
        .unwrap();
    assert_eq!(seen.into_inner().tasks[0].id, task.id);
    watch(&app.client, &task.id, 0).await.end.unwrap();
}
