//! `Config` → a running server: the only file that names every concrete type.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http::HeaderMap;
use secrecy::SecretString;
use tokio::net::TcpListener;

use crate::admin::{self, Scrape};
use crate::archive::Archive;
use crate::config::{
    Access, Account as AccountConfig, Config, MetricsAccess, OnUnknownOutcome, Otlp,
};
use crate::domain::generation::Limits as InputLimits;
use crate::domain::model::{Catalog, ProviderKind};
use crate::domain::task::UnknownPolicy;
use crate::egress::Egress;
use crate::grpc::listener::{self, Limits, Tls, TlsFiles};
use crate::grpc::{self, Health, LimitLayer, MessageLimits};
use crate::provider::runway::{Runway, Settings as RunwaySettings};
use crate::provider::{Account, Accounts, LiveRoster, Measured, Provider, Roster};
use crate::sandbox::{self, Sandbox};
use crate::service::{self, Parts, Service};
use crate::shutdown::Shutdown;
use crate::store::TaskStore;
use crate::store::sqlite::SqliteStore;
use crate::telemetry::{metrics, tasks, traces};
use crate::worker::{self, ArchiveSettings, Desk, PollSettings, SubmitSettings};

/// A server that listens.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    /// The bound address.
    pub address: SocketAddr,
}

/// Starts a server: store, archive, provider, service, loops, listener, in this order. It lives
/// until `shutdown` drains or stops; `shutdown.finished()` says when it has ended.
///
/// # Errors
/// Whatever cannot be opened, bound or read, in the operator's words; nothing is left running that
/// `shutdown.stop()` does not end.
pub async fn start(config: Config, shutdown: Shutdown) -> anyhow::Result<Running> {
    let tls = load_tls(&config)?;
    let tcp = TcpListener::bind(config.server.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.server.listen))?;
    let address = tcp.local_addr().context("the listener has no address")?;
    let work = shutdown.group();
    start_telemetry(&config, &shutdown)?;
    let service = start_work(&config, &work, &shutdown).await?;
    let admin = admin::routes(service.clone(), scrape(config.telemetry.metrics));
    let messages = MessageLimits {
        create_bytes: config.server.max_create_bytes,
        other_bytes: config.server.max_message_bytes,
    };
    let health = Health::new().await;
    let router = grpc::routes(service, messages, LimitLayer::default(), &health)
        .context("the compiled-in descriptors are broken")?
        .merge(admin);
    let faces = shutdown.later();
    if let Some(tls) = &tls {
        faces.spawn(tls.clone().follow(TLS_RELOAD, faces.clone()));
    }
    let limits = listener_limits(&config);
    faces.spawn(listener::serve(tcp, router, limits, tls, faces.clone()));
    health.serving().await;
    let downloads = config.server.download_drain;
    shutdown.spawn(end(shutdown.clone(), work, faces, health, downloads));
    tracing::info!(%address, data_dir = %config.data_dir.display(), "serving");
    Ok(Running { address })
}

/// The drain, in its order: say so, finish the work, then close the doors.
async fn end(
    shutdown: Shutdown,
    work: Shutdown,
    faces: Shutdown,
    health: Health,
    downloads: Duration,
) {
    shutdown.draining().await;
    health.not_serving().await;
    let settled = async { tokio::join!(work.finished(), tokio::time::sleep(LAME_DUCK)) };
    tokio::select! {
        () = shutdown.stopping() => {}
        _ = settled => {}
    }
    faces.drain();
    // A download that nobody reads is not even asked to end: it is cut off at its deadline.
    if tokio::time::timeout(downloads, faces.finished())
        .await
        .is_err()
    {
        faces.stop();
        faces.finished().await;
    }
    traces::flush().await;
}

/// Begins to count and, when a collector is configured, to trace. Both are the process's: they
/// outlive the server's own work, so that its last words are heard.
fn start_telemetry(config: &Config, shutdown: &Shutdown) -> anyhow::Result<()> {
    metrics::start();
    tasks::usd_rate(config.runway.usd_per_credit);
    let life = shutdown.later();
    if let Some(otlp) = &config.telemetry.otlp {
        traces::start(&trace_settings(otlp), &life).map_err(anyhow::Error::msg)?;
    }
    life.clone().spawn(async move {
        loop {
            tokio::select! {
                () = life.stopping() => return,
                () = tokio::time::sleep(TIDY) => metrics::tidy(),
            }
        }
    });
    Ok(())
}

fn trace_settings(otlp: &Otlp) -> traces::Settings {
    traces::Settings {
        endpoint: otlp.endpoint.to_string(),
        headers: otlp.headers.clone(),
        sample_ratio: otlp.sample_ratio,
        service_name: otlp.service_name.clone(),
    }
}

/// Who may read `/metrics`.
fn scrape(access: MetricsAccess) -> Scrape {
    match access {
        MetricsAccess::Off => Scrape::Off,
        // Nobody has a key yet.
        MetricsAccess::Keyed => Scrape::Keyed(Arc::new(|_| false)),
        MetricsAccess::Open | MetricsAccess::Auto => Scrape::Open,
    }
}

/// Opens what the work stands on and starts it.
async fn start_work(
    config: &Config,
    work: &Shutdown,
    shutdown: &Shutdown,
) -> anyhow::Result<Service> {
    make_folder(&config.data_dir)?;
    check_owner(config)?;
    let store: Arc<dyn TaskStore> = Arc::new(open_store(config).await?);
    let archive = Arc::new(open_archive(config, work)?);
    let catalog = Arc::clone(&config.catalog);
    let accounts = Arc::new(open_accounts(config, &catalog, shutdown).await?);
    let egress = Arc::new(open_egress(&accounts)?);
    let roster = LiveRoster::new(Roster {
        catalog,
        accounts,
        routes: Arc::new(config.routing.routes.clone()),
        callers: Arc::new(config.callers.limits.clone()),
    });
    let service = Service::new(Parts {
        store: Arc::clone(&store),
        archive: Arc::clone(&archive),
        roster: Arc::clone(&roster),
        shutdown: work.clone(),
        settings: service_settings(config),
    });
    let settings = worker_settings(config);
    let desk = Desk::new(store, archive, roster, egress, work.clone(), settings);
    worker::start(desk).await.context("cannot read the store")?;
    Ok(service)
}

fn load_tls(config: &Config) -> anyhow::Result<Option<Tls>> {
    let Some(files) = &config.server.tls else {
        return Ok(None);
    };
    let files = TlsFiles {
        cert: files.cert.clone(),
        key: files.key.clone(),
        client_ca: files.client_ca.clone(),
    };
    Ok(Some(Tls::load(files).context("cannot use the TLS files")?))
}

fn make_folder(path: &Path) -> anyhow::Result<()> {
    let made = std::fs::create_dir_all(path);
    made.with_context(|| format!("cannot make the data folder {}", path.display()))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // Prompts and media are the callers' own: nobody else on this machine reads them.
        let private = std::fs::Permissions::from_mode(0o700);
        if let Err(error) = std::fs::set_permissions(path, private) {
            tracing::warn!(%error, "the data folder could not be made private");
        }
    }
    Ok(())
}

/// A folder belongs to the sandbox or to the real thing, for good: tasks that cost nothing in the
/// one must never be paid for by the other.
fn check_owner(config: &Config) -> anyhow::Result<()> {
    let (path, own) = (config.data_dir.join("account"), owner(config));
    match std::fs::read_to_string(&path) {
        Ok(known) if known.trim() == own => Ok(()),
        Ok(known) => anyhow::bail!(
            "the data folder {} holds tasks of `{}`, and this server is of `{own}`: give it a \
             folder of its own with --data-dir",
            config.data_dir.display(),
            known.trim().escape_debug().take(32).collect::<String>(),
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::write(&path, own).with_context(|| format!("cannot write {}", path.display()))
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

async fn open_store(config: &Config) -> anyhow::Result<SqliteStore> {
    let path = config.store.path.clone();
    let batch = config.store.group_commit_max;
    let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&path, batch)).await;
    Ok(opened.context("opening the store died")??)
}

fn open_archive(config: &Config, shutdown: &Shutdown) -> anyhow::Result<Archive> {
    let root = config.data_dir.join("archive");
    make_folder(&root)?;
    let archive = Archive::open(&root, config.archive.max_bytes);
    let archive = archive.with_context(|| format!("cannot use the archive {}", root.display()))?;
    let counted = archive.clone();
    shutdown.spawn(async move {
        if let Err(error) = counted.measure().await {
            tracing::warn!(%error, "the archive could not be measured");
        }
    });
    Ok(archive)
}

/// Every configured account; those of the sandbox share one.
async fn open_accounts(
    config: &Config,
    catalog: &Arc<Catalog>,
    shutdown: &Shutdown,
) -> anyhow::Result<Accounts> {
    let is_sandbox = |account: &AccountConfig| matches!(account.access, Access::Sandbox);
    let sandbox = if config.routing.accounts.iter().any(is_sandbox) {
        Some(start_sandbox(catalog, shutdown).await?)
    } else {
        None
    };
    let mut accounts = Vec::new();
    for account in &config.routing.accounts {
        let (base_url, key) = match (&account.access, &sandbox) {
            (Access::Account { api_key, base_url }, _) => (base_url.to_string(), api_key.clone()),
            (Access::Sandbox, Some(sandbox)) => sandbox.clone(),
            (Access::Sandbox, None) => continue,
        };
        let provider = open_provider(config, account, base_url, key, catalog);
        let provider = provider.with_context(|| format!("the account `{}`", account.name))?;
        let (creates, polls) = (config.submit.concurrency, config.poll.concurrency);
        accounts.push(Account::new(provider, creates, polls));
    }
    Ok(Accounts::new(accounts))
}

/// Who talks to an account.
fn open_provider(
    config: &Config,
    account: &AccountConfig,
    base_url: String,
    key: SecretString,
    catalog: &Arc<Catalog>,
) -> anyhow::Result<Arc<dyn Provider>> {
    match account.kind {
        ProviderKind::Runway => {
            let mut settings = RunwaySettings::new(&account.name, base_url, key);
            settings.version.clone_from(&config.runway.api_version);
            settings.create_timeout = config.submit.timeout;
            settings.trust_503 = config.submit.trust_503;
            settings.extra_headers = extra_headers(&account.headers);
            Ok(Arc::new(Measured(Runway::new(
                settings,
                Arc::clone(catalog),
            )?)))
        }
        ProviderKind::OpenAi => anyhow::bail!("this provider cannot be called yet"),
    }
}

fn extra_headers(headers: &HeaderMap) -> Vec<(String, SecretString)> {
    let text = headers
        .iter()
        .filter_map(|(name, value)| Some((name, value.to_str().ok()?)));
    text.map(|(name, value)| (name.to_string(), SecretString::from(value)))
        .collect()
}

/// A sandbox outlives the service's drain: submits still run to a recorded outcome. It takes the
/// models that the configuration adds as well.
async fn start_sandbox(
    catalog: &Catalog,
    shutdown: &Shutdown,
) -> anyhow::Result<(String, SecretString)> {
    let life = Shutdown::new();
    let offers = catalog
        .ids()
        .filter_map(|id| Some((id, catalog.offer(id)?)));
    let pairs = offers.flat_map(|(id, offer)| {
        offer
            .keys()
            .map(move |operation| (format!("/v1/{operation}"), id.to_owned()))
    });
    let settings = sandbox::Config {
        extra_models: pairs.collect(),
        ..sandbox::Config::default()
    };
    let sandbox = Sandbox::start(settings, &life).await;
    let sandbox = sandbox.context("the sandbox cannot start")?;
    let (service, own) = (shutdown.clone(), life.clone());
    life.spawn(async move {
        service.draining().await;
        service.finished().await;
        own.stop();
    });
    Ok((
        sandbox.base_url(),
        SecretString::from(sandbox::DEFAULT_API_KEY),
    ))
}

fn open_egress(accounts: &Accounts) -> anyhow::Result<Egress> {
    let origins = accounts
        .all()
        .filter_map(|account| account.provider().output_origin());
    Egress::new(origins).context("the guarded client cannot be made")
}

/// Whose tasks the data folder holds.
fn owner(config: &Config) -> &'static str {
    if config.runway.is_sandbox() {
        "sandbox"
    } else {
        "runwayml"
    }
}

fn service_settings(config: &Config) -> service::Settings {
    service::Settings {
        usd_rate: config.runway.usd_per_credit,
        limits: InputLimits {
            inline_bytes: inline_limit(config.server.max_create_bytes),
            upload_bytes: config.upload.max_bytes,
        },
        task_timeout: config.defaults.task_timeout,
        quarantine: quarantine(config),
        heartbeat: config.watch.heartbeat,
        watch_max_age: config.watch.max_age,
        watch_reader_timeout: config.watch.reader_timeout,
        max_watches: config.watch.max_streams,
        download_reader_timeout: config.download.reader_timeout,
        max_downloads: config.download.max_streams,
        chunk: config.download.chunk,
        download_drain: config.server.download_drain,
        max_uploads: config.upload.max_streams,
        upload_idle: config.upload.idle_timeout,
        upload_timeout: config.upload.timeout,
        keep_uploads: config.retention.uploads,
    }
}

/// Inline media leave a sixteenth of the message to everything else.
const fn inline_limit(max_create_bytes: usize) -> u64 {
    (max_create_bytes - max_create_bytes / 16) as u64
}

fn worker_settings(config: &Config) -> worker::Settings {
    worker::Settings {
        submit: SubmitSettings {
            window: config.submit.window,
            unknown_deadline: config.submit.unknown_deadline,
            on_unknown: match config.submit.on_unknown_outcome {
                OnUnknownOutcome::Fail => UnknownPolicy::Fail,
                OnUnknownOutcome::Hold => UnknownPolicy::Hold,
                OnUnknownOutcome::Resubmit => UnknownPolicy::Resubmit,
            },
            max_attempts: config.submit.max_attempts,
            quarantine: quarantine(config),
        },
        poll: PollSettings {
            floor: config.poll.interval,
            max_backoff: config.poll.max_backoff,
        },
        archive: ArchiveSettings {
            concurrency: config.archive.concurrency,
            limits: worker::copy::Limits {
                max_output_bytes: config.archive.max_output_bytes,
                min_rate: config.archive.min_bytes_per_second,
                ..worker::copy::Limits::default()
            },
            give_up: config.archive.give_up,
        },
        keep_content: config.retention.content,
        keep_records: config.retention.records,
    }
}

/// How long a create may still arrive after its intent.
fn quarantine(config: &Config) -> Duration {
    config.submit.window + config.submit.timeout + QUARANTINE_SLACK
}

fn listener_limits(config: &Config) -> Limits {
    let limits = &config.server.limits;
    Limits {
        handshake_timeout: limits.handshake_timeout,
        preface_timeout: limits.preface_timeout,
        max_connections: limits.max_connections,
        max_connections_per_ip: limits.max_connections_per_ip,
        max_concurrent_streams: limits.max_streams_per_connection,
        initial_connection_window: limits.connection_window,
        initial_stream_window: limits.stream_window,
        max_header_list: limits.max_header_bytes,
        send_buffer: limits.send_buffer,
        keepalive_interval: limits.keepalive_interval,
        keepalive_timeout: limits.keepalive_timeout,
        ..Limits::default()
    }
}

/// How long a draining server still answers, so that its callers hear that it drains.
const LAME_DUCK: Duration = Duration::from_millis(500);
/// How often histograms are put in order.
const TIDY: Duration = Duration::from_secs(5);
/// How often the TLS files are looked at.
const TLS_RELOAD: Duration = Duration::from_secs(5);
/// Added to the send window and the create's timeout.
const QUARANTINE_SLACK: Duration = Duration::from_mins(1);
