//! Another configuration while everything runs, and what accounts say of themselves.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mediagen::app::{self, Running, Source};
use mediagen::config::{Access, Config, Environment, Setting};
use mediagen::domain::model::ProviderKind;
use mediagen::domain::routing::Routes;
use mediagen::pb::v1::{self, TaskStatus};
use mediagen::sandbox::{self, DEFAULT_API_KEY};
use mediagen::shutdown::Shutdown;
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tonic::Code;

use crate::harness::client::{self, content};
use crate::harness::receiver::{Receiver, Says};
use crate::harness::{
    Client, POLL_INTERVAL, Refused, Server, Upstream, create, eventually, http, quick, refused,
    sound, within,
};

/// A server whose configuration is in a file, and that follows it.
struct Followed {
    upstream: Upstream,
    client: Client,
    running: Running,
    file: PathBuf,
    shutdown: Shutdown,
    _data: TempDir,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.shutdown.stop();
    }
}

impl Followed {
    async fn start(upstream: Upstream, text: &str, environment: &[(&str, String)]) -> Self {
        let data = TempDir::new().unwrap();
        let file = data.path().join("mediagen.yaml");
        let folder = data.path().display().to_string();
        fs::write(&file, text.replace("{folder}", &folder)).unwrap();
        let set = |key: &str, value: &str| Setting::new(key, key, value);
        let settings = vec![
            set("data_dir", &data.path().join("data").display().to_string()),
            set("server.listen", "127.0.0.1:0"),
            set("poll.interval", POLL_INTERVAL),
        ];
        let environment: Environment = environment.iter().cloned().collect();
        let source = Source::new(Some(file.clone()), environment, settings);
        let config = source.load().unwrap();
        let shutdown = Shutdown::new();
        let running = app::start_from(config, Some(source), shutdown.clone()).await;
        let running = running.unwrap();
        Self {
            client: client::connect(running.address),
            upstream,
            running,
            file,
            shutdown,
            _data: data,
        }
    }

    async fn quick(text: &str) -> Self {
        let upstream = Upstream::quick().await;
        let environment = upstream.environment();
        Self::start(upstream, text, &environment).await
    }

    /// Puts another file in the place of the old one, as careful editors do.
    fn write(&self, text: &str) {
        let next = self.file.with_extension("next");
        fs::write(&next, text).unwrap();
        fs::rename(next, &self.file).unwrap();
    }

    async fn until_generation(&self, least: u64) {
        let look = || {
            let now = self.running.reloads.generation();
            std::future::ready(if now >= least { Ok(()) } else { Err(now) })
        };
        eventually("another configuration is in force", look).await;
    }

    async fn until_refused(&self, least: u64) {
        let look = || {
            let now = self.running.reloads.failures();
            std::future::ready(if now >= least { Ok(()) } else { Err(now) })
        };
        eventually("a configuration is refused", look).await;
    }
}

const ONE: &str = "models: {bell: {alias: eleven_text_to_sound_v2}}\n";
const OTHER: &str =
    "models: {bell: {alias: eleven_text_to_sound_v2}, act_two: hidden}\nlog: {filter: warn}\n";

#[tokio::test]
async fn a_reload_under_load_fails_no_call_and_loses_no_task() {
    let app = Followed::quick(ONE).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for caller in 0..4 {
        let (client, is_over) = (client::connect(app.running.address), Arc::clone(&is_over));
        callers.spawn(async move {
            let mut made = 0;
            while !is_over.load(Ordering::Relaxed) {
                let mut request = sound(&format!("bell {caller}-{made}"));
                request.model = "bell".to_owned();
                let task = create(&client, request).await.unwrap();
                let done = client::finish(&client, &task.id).await;
                assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
                assert!(!content(&client, &task.id).await.is_empty());
                made += 1;
            }
            made
        });
    }
    for n in 0..25_u64 {
        app.write(if n % 2 == 0 { OTHER } else { ONE });
        app.running.reload().await.unwrap();
        let health = client::status(&app.client, "no-such-task")
            .await
            .unwrap_err();
        assert_ne!(health.code(), Code::Unavailable);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    is_over.store(true, Ordering::Relaxed);
    let mut made = 0;
    while let Some(caller) = callers.join_next().await {
        made += caller.unwrap();
    }
    assert!(made >= 4, "{made}");
    assert_eq!(app.upstream.charged("bell").len(), made);
    assert!(app.running.reloads.generation() >= 26);
    assert!(!app.running.reloads.has_failed());
}

#[tokio::test]
async fn a_file_that_changes_is_read_again_and_a_bad_one_changes_nothing() {
    let app = Followed::quick(ONE).await;
    let request = |name: &str| {
        let mut request = sound("a bell");
        request.model = name.to_owned();
        request
    };
    assert_eq!(
        create(&app.client, request("gong"))
            .await
            .unwrap_err()
            .code(),
        Code::InvalidArgument
    );
    let mut refused = 0;
    for bad in [
        "models: {gong: {alias: eleven",
        "modles: {}\n",
        "runway: {api_key_file: /nowhere/at/all}\n",
        "sandbox: true\n",
        "store: {group_commit_max: 0}\n",
    ] {
        app.write(bad);
        refused += 1;
        app.until_refused(refused).await;
        assert!(app.running.reloads.has_failed());
        assert_eq!(app.running.reloads.generation(), 1, "{bad}");
        create(&app.client, request("bell")).await.unwrap();
    }
    app.write("models: {gong: {alias: eleven_text_to_sound_v2}}\n");
    app.until_generation(2).await;
    assert!(!app.running.reloads.has_failed());
    let task = create(&app.client, request("gong")).await.unwrap();
    let done = client::finish(&app.client, &task.id).await;
    assert_eq!(done.status(), TaskStatus::Completed);
    let gone = create(&app.client, request("bell")).await.unwrap_err();
    assert_eq!(gone.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_rotated_key_takes_over_the_tasks_that_run() {
    let (old, new) = (
        DEFAULT_API_KEY.to_owned(),
        DEFAULT_API_KEY.replace('0', "1"),
    );
    let config = sandbox::Config {
        api_keys: vec![old.clone()],
        ..quick()
    };
    let upstream = Upstream::start(config).await;
    let base = [("RUNWAYML_BASE_URL", upstream.sandbox.base_url())];
    let keys = TempDir::new().unwrap();
    let key = keys.path().join("key");
    fs::write(&key, &old).unwrap();
    let text = format!("runway: {{api_key_file: {}}}\n", key.display());
    let app = Followed::start(upstream, &text, &base).await;
    let long = create(&app.client, sound("a bell [sandbox:seconds=3]"))
        .await
        .unwrap();
    eventually("it is at the provider", || async {
        let charged = app.upstream.charged("a bell");
        if charged.is_empty() {
            Err(charged)
        } else {
            Ok(())
        }
    })
    .await;
    app.upstream.sandbox.set_api_keys(vec![new.clone()]);
    fs::write(&key, &new).unwrap();
    let done = client::finish(&app.client, &long.id).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    app.until_generation(2).await;
    let next = create(&app.client, sound("a gong")).await.unwrap();
    let done = client::finish(&app.client, &next.id).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
}

/// A server with one account at each of some upstreams, none of which another's key opens.
struct Sites {
    sites: Vec<Upstream>,
    data: TempDir,
}

impl Sites {
    async fn start(configs: Vec<sandbox::Config>) -> Self {
        let mut sites = Vec::new();
        for (n, config) in configs.into_iter().enumerate() {
            let api_keys = vec![Self::key(n)];
            sites.push(Upstream::start(sandbox::Config { api_keys, ..config }).await);
        }
        let data = TempDir::new().unwrap();
        Self { sites, data }
    }

    fn key(site: usize) -> String {
        DEFAULT_API_KEY.replace('0', &(site + 1).to_string())
    }

    /// A configuration with the accounts at these upstreams alone.
    fn config(&self, sites: &[usize]) -> Config {
        let environment = self.sites[0].environment();
        let mut config = crate::harness::config(self.data.path(), environment, &[]).unwrap();
        let like = config.routing.accounts[0].clone();
        let account = |site: &usize| {
            let mut account = like.clone();
            account.name = format!("site{site}");
            account.access = Access::Account {
                api_key: SecretString::from(Self::key(*site)),
                base_url: self.sites[*site].sandbox.base_url().parse().unwrap(),
            };
            account
        };
        config.routing.accounts = sites.iter().map(account).collect();
        let names = sites
            .iter()
            .map(|site| (ProviderKind::Runway, format!("site{site}")));
        config.routing.routes = Routes::open(names);
        config.routing.check_accounts = Duration::from_millis(100);
        config
    }

    async fn serve(&self, sites: &[usize]) -> (Running, Client, Shutdown) {
        let shutdown = Shutdown::new();
        let running = app::start(self.config(sites), shutdown.clone()).await;
        let running = running.unwrap();
        let client = client::connect(running.address);
        (running, client, shutdown)
    }

    /// Waits until an account has told what it may do, twice: the first time is behind us then.
    async fn until_told(&self, site: usize) {
        let sandbox = &self.sites[site].sandbox;
        let before = sandbox.counts().organization_reads;
        eventually("the account was asked about", || async {
            let reads = sandbox.counts().organization_reads;
            if reads >= before + 2 {
                Ok(())
            } else {
                Err(reads)
            }
        })
        .await;
    }

    async fn until_made(&self, site: usize, prompt: &str) {
        eventually("the task is at the provider", || async {
            let charged = self.sites[site].charged(prompt);
            if charged.is_empty() { Err(()) } else { Ok(()) }
        })
        .await;
    }
}

#[tokio::test]
async fn a_removed_accounts_task_goes_on_with_its_key_and_new_ones_go_elsewhere() {
    let sites = Sites::start(vec![quick(), quick()]).await;
    let (running, client, shutdown) = sites.serve(&[0]).await;
    let long = create(&client, sound("a bell [sandbox:seconds=3]"))
        .await
        .unwrap();
    sites.until_made(0, "a bell").await;
    running.apply(sites.config(&[1])).await.unwrap();
    let next = create(&client, sound("a gong")).await.unwrap();
    for id in [&next.id, &long.id] {
        let done = client::finish(&client, id).await;
        assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
        assert!(!content(&client, id).await.is_empty());
    }
    assert_eq!(sites.sites[1].sandbox.ledger().len(), 1);
    assert_eq!(sites.sites[0].sandbox.ledger().len(), 1);
    shutdown.stop();
}

#[tokio::test]
async fn a_task_whose_account_is_gone_waits_for_it_over_a_restart() {
    let sites = Sites::start(vec![quick(), quick()]).await;
    let (_, client, shutdown) = sites.serve(&[0]).await;
    let long = create(&client, sound("a bell [sandbox:seconds=2]"))
        .await
        .unwrap();
    sites.until_made(0, "a bell").await;
    shutdown.drain();
    within("the drain", shutdown.finished()).await;

    let (running, client, shutdown) = sites.serve(&[1]).await;
    let polls = sites.sites[0].sandbox.counts().polls;
    let next = create(&client, sound("a gong")).await.unwrap();
    client::finish(&client, &next.id).await;
    let waits = client::status(&client, &long.id).await.unwrap();
    assert_ne!(waits.status(), TaskStatus::Completed);
    assert_ne!(waits.status(), TaskStatus::Failed, "{waits:#?}");
    assert_eq!(sites.sites[0].sandbox.counts().polls, polls);
    running.apply(sites.config(&[0, 1])).await.unwrap();
    let done = client::finish(&client, &long.id).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    shutdown.stop();
}

#[tokio::test]
async fn what_needs_a_restart_for_safety_is_refused() {
    let sites = Sites::start(vec![quick()]).await;
    let (running, client, shutdown) = sites.serve(&[0]).await;
    let mut to_sandbox = sites.config(&[0]);
    to_sandbox.routing.accounts[0].access = Access::Sandbox;
    let error = running.apply(to_sandbox).await.unwrap_err();
    assert!(error.to_string().contains("data folder"), "{error}");
    let mut to_runway = sites.config(&[0]);
    to_runway.routing.accounts[0].access = Access::Account {
        api_key: SecretString::from(Sites::key(0)),
        base_url: "https://api.dev.runwayml.com".parse().unwrap(),
    };
    let error = running.apply(to_runway).await.unwrap_err();
    assert!(error.to_string().contains("poll.interval"), "{error}");
    assert_eq!(running.reloads.generation(), 1);
    let done = create(&client, sound("a bell")).await.unwrap();
    let done = client::finish(&client, &done.id).await;
    assert_eq!(done.status(), TaskStatus::Completed);
    shutdown.stop();
}

#[tokio::test]
async fn an_account_without_credits_is_out_before_a_create_finds_out_and_back_when_it_has_some() {
    let poor = sandbox::Config {
        credits: 0,
        ..quick()
    };
    let sites = Sites::start(vec![poor]).await;
    let (_, client, shutdown) = sites.serve(&[0]).await;
    sites.until_told(0).await;
    let refused = Refused::of(&create(&client, sound("a bell")).await.unwrap_err());
    assert!(
        refused.is(Code::FailedPrecondition, "NO_UPSTREAM_ACCOUNT"),
        "{refused:?}"
    );
    assert_eq!(sites.sites[0].sandbox.counts().creates_refused, 0);
    sites.sites[0].sandbox.set_credits(1_000);
    sites.until_told(0).await;
    let task = create(&client, sound("a bell")).await.unwrap();
    let done = client::finish(&client, &task.id).await;
    assert_eq!(done.status(), TaskStatus::Completed);
    shutdown.stop();
}

#[tokio::test]
async fn a_model_at_its_daily_cap_is_not_tried() {
    let capped = sandbox::Config {
        daily_cap_per_model: Some(1),
        ..quick()
    };
    let sites = Sites::start(vec![capped]).await;
    let (_, client, shutdown) = sites.serve(&[0]).await;
    sites.until_told(0).await;
    let first = create(&client, sound("a bell")).await.unwrap();
    client::finish(&client, &first.id).await;
    sites.until_told(0).await;
    let second = create(&client, sound("a gong")).await.unwrap();
    eventually("the second waits for the quota", || async {
        let task = client::status(&client, &second.id).await.unwrap();
        if task.status_detail.contains("quota") {
            Ok(())
        } else {
            Err(task)
        }
    })
    .await;
    let counts = sites.sites[0].sandbox.counts();
    assert_eq!((counts.creates_accepted, counts.creates_refused), (1, 0));
    shutdown.stop();
}

#[tokio::test]
async fn the_program_reads_its_configuration_again_on_sighup_and_says_once_what_is_wrong() {
    let upstream = Upstream::quick().await;
    let data = TempDir::new().unwrap();
    let file = data.path().join("mediagen.yaml");
    fs::write(&file, ONE).unwrap();
    let path = file.display().to_string();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut server = Server::spawn(&upstream, data.path(), listen, &[("config", &path)]);
    let client = client::connect(server.listening().await);
    fs::write(&file, "modles: {}\nwatch: {heartbeat: soon}\n").unwrap();
    eventually("it says what is wrong", || {
        let log = server.log();
        std::future::ready(if log.contains("modles") {
            Ok(())
        } else {
            Err(log)
        })
    })
    .await;
    let said = |server: &Server| server.log().matches("is refused; the one before").count();
    assert!(
        server.log().contains("watch.heartbeat"),
        "all that is wrong is said at once"
    );
    assert_eq!(said(&server), 1);
    fs::write(
        &file,
        "models: {gong: {alias: eleven_text_to_sound_v2}}\nwatch: {heartbeat: 7s}\n",
    )
    .unwrap();
    server.hang_up();
    let done = eventually("the new name is served", || async {
        let mut request = sound("a gong");
        request.model = "gong".to_owned();
        create(&client, request).await
    })
    .await;
    let done = client::finish(&client, &done.id).await;
    assert_eq!(done.status(), TaskStatus::Completed);
    eventually("it names what takes a restart", || {
        let log = server.log();
        let named = log.contains("takes a restart") && log.contains("names=\"watch\"");
        std::future::ready(if named { Ok(()) } else { Err(log) })
    })
    .await;
    assert_eq!(said(&server), 1);
    server.terminate();
    assert_eq!(server.end().await.code(), Some(0));
}

#[tokio::test]
async fn default_models_are_taken_up_with_a_reload() {
    let app = Followed::quick("{}").await;
    app.write("defaults: {video_model: veo3.1, image_model: muse_image}\n");
    app.running.reload().await.unwrap();
    let body = serde_json::json!({"prompt": "a lake"});
    let video = http::post(app.running.address, "/v1/videos", &body).await;
    assert_eq!(video.json()["model"], "veo3.1");
    let body = serde_json::json!({"prompt": "a bell"});
    let images = http::post(app.running.address, "/v1/images/generations", &body).await;
    assert_eq!(images.status, 200);
    assert_eq!(app.upstream.charged("bell")[0].model, "muse_image");
}

/// Why a caller who shows this key is refused; `None`: it is let in.
async fn turned_away(app: &Followed, key: &str) -> Option<Code> {
    let request = v1::StatusRequest {
        task_id: "none".to_owned(),
    };
    let mut request = tonic::Request::new(request);
    let shown = format!("Bearer {key}").parse().unwrap();
    request.metadata_mut().insert("authorization", shown);
    let answer = app.client.clone().status(request).await;
    let code = answer.unwrap_err().code();
    (code == Code::Unauthenticated).then_some(code)
}

#[tokio::test]
async fn a_key_is_taken_back_although_the_rest_is_wrong_and_no_reload_opens_the_door() {
    let folder = TempDir::new().unwrap();
    let keys = folder.path().join("keys.yaml");
    let (one, two) = ("sk-one-of-the-tests", "sk-two-of-the-tests");
    fs::write(
        &keys,
        format!("- {{id: a, key: {one}}}\n- {{id: b, key: {two}}}\n"),
    )
    .unwrap();
    let app = Followed::quick(&format!("keys_file: {}\n", keys.display())).await;
    for (key, is_known) in [(one, true), (two, true), ("sk-none-of-the-tests", false)] {
        assert_eq!(turned_away(&app, key).await.is_none(), is_known, "{key}");
    }
    app.write("modles: {}\n");
    app.until_refused(1).await;
    fs::write(&keys, format!("- {{id: b, key: {two}}}\n")).unwrap();
    eventually("the key is taken back", || async {
        turned_away(&app, one).await.ok_or("it is let in")
    })
    .await;
    assert_eq!(turned_away(&app, two).await, None);
    app.write("{}\n");
    app.until_refused(2).await;
    assert_eq!(app.running.reloads.generation(), 1);
    assert!(turned_away(&app, one).await.is_some());
}

#[tokio::test]
async fn what_webhooks_may_call_is_taken_up_and_taken_back_with_a_reload() {
    let (receiver, later) = (Receiver::willing().await, Receiver::new(fails).await);
    let text = |origins: &[String]| {
        let origins = origins.join("', '");
        format!("webhooks: {{first_retry: 50ms, allow: ['{origins}']}}\n")
    };
    let named = |receiver: &Receiver| {
        let mut request = sound("a bell");
        request.webhook_url = receiver.url();
        request
    };
    let app = Followed::quick("webhooks: {first_retry: 50ms}\n").await;
    let refusal = refused(create(&app.client, named(&receiver)).await);
    assert!(refusal.names("webhook_url"), "{refusal:?}");
    app.write(&text(&[receiver.origin(), later.origin()]));
    app.running.reload().await.unwrap();
    create(&app.client, named(&receiver)).await.unwrap();
    receiver.calls(1).await;
    let told = create(&app.client, named(&later)).await.unwrap();
    later.calls(1).await;
    app.write(&text(&[receiver.origin()]));
    app.running.reload().await.unwrap();
    let path = format!("/v1/videos/{}/deliveries", told.id);
    let look = || async {
        let one = http::get(app.running.address, &path).await.json()["data"][0].clone();
        let is_refused = one["last_error"]
            .as_str()
            .unwrap_or_default()
            .contains("not allowed");
        if is_refused { Ok(()) } else { Err(one) }
    };
    eventually("it is called no more", look).await;
}

const fn fails(_: usize) -> Says {
    Says::Status(500)
}
