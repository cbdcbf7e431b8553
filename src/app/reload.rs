//! Another configuration in place of the one in force, while everything runs.
//!
//! It is read whole, checked whole and opened whole before anything of it is in force; whatever is
//! wrong leaves the one before as it is. What can be replaced is the roster (catalogue, routes,
//! accounts, callers) and the keys; the rest takes a restart and is named in a warning.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::accounts::{Opener, origins};
use super::source::{Source, Stamps};
use crate::aside;
use crate::auth::Auth;
use crate::clock::Clock;
use crate::config::callers::file::fingerprint;
use crate::config::{Access, Account, Callers, Config, Telemetry, is_loopback};
use crate::domain::model::ProviderKind;
use crate::domain::task::Lane;
use crate::egress::Egress;
use crate::provider::{LiveRoster, Roster};
use crate::shutdown::Shutdown;
use crate::store::changes::Changes;
use crate::telemetry::{ReloadState, metrics};

/// What a reload replaces something in.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) roster: Arc<LiveRoster>,
    pub(super) egress: Arc<Egress>,
    pub(super) auth: Auth,
    pub(super) changes: Arc<Changes>,
}

/// Who puts configurations in force, one at a time.
#[derive(Debug)]
pub(super) struct Reloader {
    source: Option<Source>,
    live: Live,
    state: Arc<ReloadState>,
    force: Mutex<Force>,
    clock: Clock,
}

/// What is in force.
#[derive(Debug)]
struct Force {
    opener: Opener,
    /// Of all that takes a restart: as it was at the start.
    started: Vec<(&'static str, String)>,
    owner: &'static str,
    poll_floor: Duration,
    callers: Callers,
    /// What was said last of a configuration that was refused, so that it is said once.
    refusal: Option<String>,
}

impl Reloader {
    /// Goes on from what a server was started with.
    pub(super) fn new(config: &Config, source: Option<Source>, opener: Opener, live: Live) -> Self {
        let (state, clock) = (Arc::new(ReloadState::default()), Clock);
        state.succeeded(clock.now_ms());
        Self {
            source,
            live,
            state,
            force: Mutex::new(Force {
                opener,
                started: fixed(config),
                owner: super::owner(config),
                poll_floor: config.poll.interval,
                callers: config.callers.clone(),
                refusal: None,
            }),
            clock,
        }
    }

    /// How it went so far.
    pub(super) fn state(&self) -> Arc<ReloadState> {
        Arc::clone(&self.state)
    }

    /// Reads the source again and puts it in force.
    pub(super) async fn reload(self: &Arc<Self>) -> anyhow::Result<()> {
        self.force.lock().await.refusal = None;
        self.load().await
    }

    /// Puts a configuration in force, or says in the log why not.
    pub(super) async fn apply(&self, config: Config) -> anyhow::Result<()> {
        let mut force = self.force.lock().await;
        let applied = force.replace(&config, &self.live);
        self.tell(&mut force, applied.as_ref().err());
        applied
    }

    /// Who tells callers apart.
    pub(super) fn auth(&self) -> Auth {
        self.live.auth.clone()
    }

    /// Follows the keys file until everything must leave: on its own, so that a key can be revoked
    /// although the rest of the configuration is wrong. A bad file revokes keys and leaves everything
    /// else as it is; it is told once.
    pub(super) async fn follow_keys(self: Arc<Self>, life: Shutdown) {
        let (mut seen, mut told) = (None, String::new());
        loop {
            tokio::select! {
                () = life.stopping() => return,
                () = sleep(EVERY) => {}
            }
            let Some(path) = self.force.lock().await.callers.keys_file.clone() else {
                continue;
            };
            let looked = aside::run(move || (fingerprint(&path), path)).await;
            let looked = looked.ok();
            if looked.as_ref().is_some_and(|(print, _)| print.is_some()) && looked == seen {
                continue;
            }
            seen = looked;
            match self.reread_keys().await {
                Ok(()) => told.clear(),
                Err(error) => {
                    let error = format!("{error:#}");
                    if error != told {
                        tracing::error!(error, "the keys file is bad; the old keys stay");
                        told = error;
                    }
                }
            }
        }
    }

    async fn reread_keys(&self) -> anyhow::Result<()> {
        let mut force = self.force.lock().await;
        let known = force.callers.clone();
        let (new, read) = aside::run(move || known.reread()).await?;
        if new.keys != force.callers.keys {
            let limits = Arc::new(new.limits.clone());
            self.live.roster.change(|roster| Roster {
                catalog: Arc::clone(&roster.catalog),
                accounts: Arc::clone(&roster.accounts),
                routes: Arc::clone(&roster.routes),
                callers: Arc::clone(&limits),
            });
            self.live.auth.replace(&new);
            if read.is_ok() {
                tracing::info!(keys = new.keys.len(), "the keys were read again");
            } else {
                tracing::info!("keys are revoked that the bad keys file revokes");
            }
            force.callers = new;
        }
        Ok(read?)
    }

    /// Follows the source's files until the drain.
    pub(super) async fn follow(self: Arc<Self>, shutdown: Shutdown) {
        if !self.source.as_ref().is_some_and(Source::has_files) {
            return;
        }
        let mut look = Look::new();
        loop {
            tokio::select! {
                () = shutdown.draining() => return,
                () = sleep(look.rest()) => {}
            }
            let this = Arc::clone(&self);
            let looked = aside::run(move || {
                this.source
                    .as_ref()
                    .map(|source| (source.look(), source.seen()))
            });
            let Ok(Some((now, seen))) = looked.await else {
                continue;
            };
            if look.is_due(now, &seen, self.state.has_failed()) {
                // What is wrong was logged.
                let _ = self.load().await;
            }
        }
    }

    async fn load(self: &Arc<Self>) -> anyhow::Result<()> {
        let loaded = self.load_source().await;
        // A key may have been revoked since the source was read, or in a file that refused it. What is
        // wrong with the file is told by who follows it.
        let _ = self.reread_keys().await;
        loaded
    }

    async fn load_source(self: &Arc<Self>) -> anyhow::Result<()> {
        if self.source.is_none() {
            anyhow::bail!("the configuration came from nowhere that it could be read again");
        }
        let this = Arc::clone(self);
        let loaded = aside::run(move || this.source.as_ref().map(Source::load));
        match loaded.await? {
            Some(Ok(config)) => {
                for warning in &config.warnings {
                    tracing::warn!("{warning}");
                }
                self.apply(config).await
            }
            Some(Err(problems)) => {
                let error = anyhow::Error::new(problems);
                self.tell(&mut *self.force.lock().await, Some(&error));
                Err(error)
            }
            None => Ok(()),
        }
    }

    fn tell(&self, force: &mut Force, error: Option<&anyhow::Error>) {
        let Some(error) = error else {
            force.refusal = None;
            self.state.succeeded(self.clock.now_ms());
            metrics::config_loaded(self.state.generation());
            return;
        };
        let error = format!("{error:#}");
        if force.refusal.as_ref() != Some(&error) {
            tracing::error!(
                error,
                "the new configuration is refused; the one before stays in force"
            );
            force.refusal = Some(error);
            self.state.failed();
            metrics::config_refused();
        }
    }
}

impl Force {
    fn replace(&mut self, config: &Config, live: &Live) -> anyhow::Result<()> {
        self.check(config)?;
        let before = live.roster.now();
        let opened = self.opener.open(config, &before.accounts)?;
        for account in &config.routing.accounts {
            if self.opener.is_moved(account) {
                let account = &account.name;
                tracing::warn!(
                    account,
                    "the account is at another address now; what it runs at the one before is lost"
                );
            }
        }
        // From here on nothing fails and nothing waits.
        let accounts = self.opener.commit(opened);
        for account in accounts.retired() {
            if before.accounts.live(account.name()).is_some() {
                let account = account.name();
                tracing::info!(
                    account,
                    "the account takes no new tasks; those it has go on"
                );
            }
        }
        live.egress.allow(origins(&accounts));
        live.roster.replace(Roster {
            catalog: Arc::new(super::offered(config)),
            routes: Arc::new(config.routing.routes.clone()),
            callers: Arc::new(config.callers.limits.clone()),
            accounts,
        });
        live.auth.replace(&config.callers);
        self.callers = config.callers.clone();
        for lane in [Lane::Dispatch, Lane::Poll] {
            live.changes.nudge(lane);
        }
        self.warn_of_fixed(config);
        Ok(())
    }

    /// Refuses what would be wrong beside what stays as it was at the start.
    fn check(&self, config: &Config) -> anyhow::Result<()> {
        let owner = super::owner(config);
        if owner != self.owner {
            anyhow::bail!(
                "the data folder holds tasks of `{}`, and this would be `{owner}`: start another \
                 server with a data folder of its own",
                self.owner
            );
        }
        if self.callers.is_key_needed() && !config.callers.is_key_needed() {
            anyhow::bail!(
                "no key would be needed any more: if everybody is to be let in, restart the server"
            );
        }
        let mut accounts = config.routing.accounts.iter();
        if self.poll_floor < RUNWAYS_FLOOR && accounts.any(is_far) {
            anyhow::bail!(
                "the server was started with a poll.interval below 5s, which Runway does not allow: \
                 restart the server"
            );
        }
        Ok(())
    }

    fn warn_of_fixed(&self, config: &Config) {
        let now = fixed(config);
        let changed = now.iter().zip(&self.started);
        let changed = changed.filter(|(now, started)| now != started);
        let names: Vec<&str> = changed.map(|((name, _), _)| *name).collect();
        if names.is_empty() {
            tracing::info!("another configuration is in force");
        } else {
            let names = names.join(", ");
            tracing::warn!(
                names,
                "another configuration is in force, but for what changed here: that takes a restart"
            );
        }
    }
}

/// Whether it is at Runway itself, whose rules hold.
fn is_far(account: &Account) -> bool {
    match &account.access {
        Access::Account { base_url, .. } => {
            account.kind == ProviderKind::Runway && !is_loopback(base_url)
        }
        Access::Sandbox => false,
    }
}

/// All that takes a restart, by the name of its section or key.
fn fixed(config: &Config) -> Vec<(&'static str, String)> {
    // By name, so that a section that comes is put on the one side or the other.
    let Config {
        data_dir,
        server,
        store,
        archive,
        retention,
        watch,
        download,
        upload,
        webhooks,
        submit,
        poll,
        runway,
        routing,
        callers: _,
        defaults,
        catalog: _,
        log,
        telemetry,
        http,
        warnings: _,
        files: _,
    } = config;
    let text = |value: &dyn std::fmt::Debug| format!("{value:?}");
    vec![
        ("data_dir", text(data_dir)),
        ("server", text(server)),
        ("http", text(http)),
        ("store", text(store)),
        ("archive", text(archive)),
        ("retention", text(retention)),
        ("watch", text(watch)),
        ("download", text(download)),
        ("upload", text(upload)),
        ("submit", text(submit)),
        ("poll", text(poll)),
        ("webhooks", text(webhooks)),
        ("runway.usd_per_credit", text(&runway.usd_per_credit)),
        ("routing.check_accounts", text(&routing.check_accounts)),
        ("defaults.task_timeout", text(&defaults.task_timeout)),
        ("log", text(log)),
        ("telemetry", text(&(telemetry, digest(telemetry)))),
    ]
}

/// What no text shows of it: the values of headers.
fn digest(telemetry: &Telemetry) -> [u8; 32] {
    let mut sum = Sha256::new();
    for (_, value) in telemetry.otlp.iter().flat_map(|otlp| &otlp.headers) {
        sum.update(value.expose_secret());
        sum.update("\0");
    }
    sum.finalize().into()
}

/// When files are to be read again: pure but for the clock's `Instant`.
struct Look {
    /// What was there at the last look, if that was not what was read.
    pending: Option<Stamps>,
    tried: Instant,
}

impl Look {
    fn new() -> Self {
        Self {
            pending: None,
            tried: Instant::now(),
        }
    }

    /// Whether to read now. A change is read when two looks have found the same: what is still being
    /// written is left alone.
    fn is_due(&mut self, now: Stamps, seen: &Stamps, has_failed: bool) -> bool {
        let is_changed = now != *seen;
        let is_settled = self.pending.as_ref() == Some(&now);
        self.pending = is_changed.then_some(now);
        // A refused configuration may name a file that was not there, and now is.
        let again = has_failed && self.tried.elapsed() >= RETRY;
        let is_due = is_changed && is_settled || !is_changed && again;
        if is_due {
            self.tried = Instant::now();
            self.pending = None;
        }
        is_due
    }

    fn rest(&self) -> Duration {
        if self.pending.is_some() {
            SETTLE
        } else {
            EVERY
        }
    }
}

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(1);
/// How long a changed file must stay the same before it is read.
const SETTLE: Duration = Duration::from_millis(250);
/// How often a configuration that was refused is read again though nothing has changed.
const RETRY: Duration = Duration::from_secs(10);
/// The least time between two reads of a task that Runway allows.
const RUNWAYS_FLOOR: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use serde_json::{Map, Value, json};

    use super::*;
    use crate::config::{DEFAULTS, Environment, catalog};

    /// Every key of the configuration with another value than its default.
    fn others(folder: &Path) -> Value {
        let (key, keys, catalog) = ("api.key", "keys.yaml", "catalog.json");
        fs::write(folder.join(key), "key_of_a_file_0123").unwrap();
        fs::write(folder.join(keys), "[{id: b, key: sk-of-a-file}]").unwrap();
        let other = catalog::EMBEDDED.replacen("\"720:1280\"", "\"721:1280\"", 1);
        fs::write(folder.join(catalog), other).unwrap();
        let (key, keys) = (folder.join(key), folder.join(keys));
        let catalog = folder.join(catalog);
        json!({
            "data_dir": "/elsewhere",
            "server": {
                "listen": "127.0.0.1:1",
                "tls": {"cert": "c", "key": "k", "client_ca": "a"},
                "worker_threads": 3, "max_create_bytes": "1MiB", "max_message_bytes": "2MiB",
                "drain_timeout": "37s", "download_drain": "19s",
                "limits": {
                    "max_connections": 5, "max_connections_per_ip": 5, "handshake_timeout": "6s",
                    "preface_timeout": "6s", "max_streams_per_connection": 5,
                    "connection_window": "8MiB", "stream_window": "2MiB",
                    "max_header_bytes": "8KiB", "send_buffer": "32KiB",
                    "keepalive_interval": "31s", "keepalive_timeout": "21s",
                },
            },
            "http": {
                "public_url": "https://a.example", "file_urls": "2h", "image_wait": "9m",
                "video_seconds": 6, "grpc_web": true, "cors": {"origins": ["https://a.example"]},
            },
            "store": {"path": "/elsewhere.db", "group_commit_max": 5},
            "archive": {
                "max_bytes": "9GiB", "max_output_bytes": "1GiB", "concurrency": 5,
                "min_bytes_per_second": "32KiB", "give_up": "19h",
            },
            "retention": {"content": "29d", "records": "91d", "uploads": "23h"},
            "watch": {
                "heartbeat": "31s", "max_age": "31m", "reader_timeout": "61s", "max_streams": 5,
            },
            "download": {"chunk": "32KiB", "max_streams": 5, "reader_timeout": "61s"},
            "upload": {
                "max_bytes": "100MB", "max_streams": 5, "idle_timeout": "61s", "timeout": "59m",
            },
            "webhooks": {
                "allow": ["https://a.example:8443"], "concurrency": 15, "per_receiver": 5,
                "timeout": "16s", "first_retry": "6s", "give_up": "2d",
            },
            "submit": {
                "concurrency": 5, "window": "6s", "timeout": "31s", "image_timeout": "6m",
                "unknown_deadline": "121s", "on_unknown_outcome": "hold", "max_attempts": 5,
                "trust_503": false,
            },
            "poll": {"interval": "6s", "concurrency": 5, "max_backoff": "61s"},
            "queue": {"max_length": 5},
            "moderation": {
                "window": "2h", "min_moderated": 5, "max_percent": 5, "cooldown": "16m",
            },
            "runway": {
                "api_key": "key_of_another_0123", "api_key_file": key,
                "base_url": "https://a.example", "api_version": "2099-01-01",
                "headers": {"x-a": "b"}, "usd_per_credit": "0.02",
            },
            "accounts": {"a": {"provider": "runwayml", "api_key": "key_of_an_account_01"}},
            "model_list": [{"model_name": "lake", "model": "runwayml/gen4.5"}],
            "groups": {"gen4.5": {"retry_failed_tasks": 1}},
            "routing": {
                "strategy": "least-busy", "fallbacks": {"gen4.5": ["gen4_turbo"]},
                "aliases": {"lake": "gen4.5"}, "retry_failed_tasks": 1, "allowed_fails": 5,
                "cooldown": "6s", "check_accounts": "6m", "serve_catalog": false,
            },
            "keys": [{"id": "a", "key": "sk-of-a-test"}],
            "keys_file": keys,
            "tenants": {"team": {"max_in_flight": 5}},
            "defaults": {
                "video_model": "veo3.1", "image_to_video_model": "gen4.5",
                "image_model": "gen4_image_turbo", "video_size": "720x1280",
                "image_size": "1024x1024", "task_timeout": "2h",
            },
            "catalog": {"file": catalog},
            "models": {"fast": {"alias": "gen4_turbo"}},
            "log": {"filter": "warn", "format": "json"},
            "telemetry": {
                "metrics": "off",
                "otlp": {
                    "endpoint": "http://localhost:4317", "headers": {"a": "b"},
                    "sample_ratio": 0.5, "service_name": "other",
                },
            },
        })
    }

    /// Keys that are followed; what is not here takes a restart, and a warning says so.
    const FOLLOWED: [&str; 31] = [
        "webhooks.allow",
        "queue.max_length",
        "moderation.window",
        "moderation.min_moderated",
        "moderation.max_percent",
        "moderation.cooldown",
        "runway.api_key",
        "runway.api_key_file",
        "runway.base_url",
        "runway.api_version",
        "runway.headers",
        "accounts",
        "model_list",
        "groups",
        "routing.strategy",
        "routing.fallbacks",
        "routing.aliases",
        "routing.retry_failed_tasks",
        "routing.allowed_fails",
        "routing.cooldown",
        "routing.serve_catalog",
        "keys",
        "keys_file",
        "tenants",
        "defaults.video_model",
        "defaults.image_to_video_model",
        "defaults.image_model",
        "defaults.video_size",
        "defaults.image_size",
        "catalog.file",
        "models",
    ];
    /// Keys that say whether a configuration is taken at all.
    const OF_THE_CHECK: [&str; 2] = ["sandbox", "server.allow_insecure"];
    /// What is set as a whole, for its parts go together or have names of their own.
    const WHOLE: [&str; 9] = [
        "server.tls",
        "runway.headers",
        "accounts",
        "groups",
        "routing.fallbacks",
        "routing.aliases",
        "tenants",
        "models",
        "telemetry.otlp.headers",
    ];

    /// Every key with its value, by its whole name.
    fn leaves(path: &str, value: &Value, found: &mut Vec<(String, Value)>) {
        match value {
            Value::Object(keys) if !WHOLE.contains(&path) => {
                for (key, value) in keys {
                    let dot = if path.is_empty() { "" } else { "." };
                    leaves(&format!("{path}{dot}{key}"), value, found);
                }
            }
            value => found.push((path.to_owned(), value.clone())),
        }
    }

    fn loaded(folder: &Path, text: &str) -> Config {
        let file = folder.join("mediagen.yaml");
        fs::write(&file, text).unwrap();
        let env: Environment = [
            ("RUNWAYML_API_SECRET", "key_0123456789abcdef"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a.example:4317"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=c"),
        ]
        .into_iter()
        .collect();
        let loaded = Config::load(Some(&file), &env, &[]);
        loaded.unwrap_or_else(|problems| panic!("{text}: {problems}"))
    }

    /// What a reload puts in force.
    fn followed(config: &Config) -> String {
        let accounts = &config.routing.accounts;
        let access = accounts.iter().map(|account| match &account.access {
            Access::Account { api_key, .. } => api_key.expose_secret(),
            Access::Sandbox => "",
        });
        let access: Vec<&str> = access.collect();
        let (routing, callers) = (&config.routing.routes, &config.callers);
        let version = &config.runway.api_version;
        let catalog = super::super::offered(config);
        format!("{catalog:?} {routing:?} {callers:?} {accounts:?} {access:?} {version}")
    }

    #[test]
    fn every_key_is_followed_or_named_when_it_changes() {
        let folder = tempfile::TempDir::new().unwrap();
        let folder = folder.path();
        let defaults: Value = serde_saphyr::from_str(DEFAULTS).unwrap();
        let (mut known, mut others_found) = (Vec::new(), Vec::new());
        leaves("", &defaults, &mut known);
        leaves("", &others(folder), &mut others_found);
        let names = |leaves: &[(String, Value)]| -> Vec<String> {
            let mut names: Vec<_> = leaves.iter().map(|(name, _)| name.clone()).collect();
            names.sort();
            names
        };
        known.retain(|(name, _)| !OF_THE_CHECK.contains(&&**name));
        assert_eq!(names(&known), names(&others_found));
        let before = loaded(folder, "{}");
        let (fixed_before, followed_before) = (fixed(&before), followed(&before));
        for (name, value) in others_found {
            let text = name.rsplit('.').fold(value, |inner, key| {
                Value::Object(Map::from_iter([(key.to_owned(), inner)]))
            });
            let after = loaded(folder, &text.to_string());
            let told = fixed(&after).into_iter().zip(&fixed_before);
            let told: Vec<&str> = told
                .filter(|(now, before)| now != *before)
                .map(|(now, _)| now.0)
                .collect();
            if FOLLOWED.contains(&&*name) {
                assert_eq!(told, [""; 0], "{name}");
                assert!(followed(&after) != followed_before, "{name}");
            } else {
                assert!(
                    told.iter().any(|told| name.starts_with(told)),
                    "{name}: {told:?}"
                );
            }
        }
    }
}
