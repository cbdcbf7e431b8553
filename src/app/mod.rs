//! `Config` → a running server: the only folder that names every concrete type.

mod accounts;
mod end;
mod faces;
mod reload;
mod secret;
mod source;
mod told;
mod webhooks;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;

pub use source::Source;
pub use webhooks::signing_key;

use accounts::Opener;
use faces::Faces;
use reload::{Live, Reloader};

use crate::admin;
use crate::archive::Archive;
use crate::auth::Auth;
use crate::config::{Access, Account, Config, OnUnknownOutcome};
use crate::domain::generation::Limits as InputLimits;
use crate::domain::model::{Catalog, ProviderKind};
use crate::domain::task::UnknownPolicy;
use crate::domain::webhook::SigningKey;
use crate::egress::Egress;
use crate::grpc::listener::{self, Limits, Tls, TlsFiles};
use crate::grpc::web::Web;
use crate::grpc::{self, GateLayer, Health, LimitLayer, MessageLimits};
use crate::openai::{self, Cors, Face, FileKey};
use crate::provider::{Accounts, LiveRoster, Roster};
use crate::service::{self, PageKey, Parts, Service};
use crate::shutdown::Shutdown;
use crate::store::TaskStore;
use crate::store::sqlite::SqliteStore;
use crate::telemetry::ReloadState;
use crate::worker::{self, ArchiveSettings, Desk, PollSettings, SubmitSettings};

/// A server that listens.
#[derive(Clone, Debug)]
pub struct Running {
    /// The bound address.
    pub address: SocketAddr,
    /// How reloads went.
    pub reloads: Arc<ReloadState>,
    reloader: Arc<Reloader>,
}

impl Running {
    /// Reads the configuration again where it came from, and puts it in force.
    ///
    /// # Errors
    /// What is wrong with it, which was logged: the one before stays in force. Also when the server
    /// was started without a source.
    pub async fn reload(&self) -> anyhow::Result<()> {
        self.reloader.reload().await
    }

    /// Puts another configuration in force, as far as that takes no restart.
    ///
    /// # Errors
    /// Why it cannot be, which was logged: the one before stays in force.
    pub async fn apply(&self, config: Config) -> anyhow::Result<()> {
        self.reloader.apply(config).await
    }
}

/// Starts a server: store, archive, provider, service, loops, listener, in this order. It lives
/// until `shutdown` drains or stops; `shutdown.finished()` says when it has ended.
///
/// # Errors
/// Whatever cannot be opened, bound or read, in the operator's words; nothing is left running that
/// `shutdown.stop()` does not end.
pub async fn start(config: Config, shutdown: Shutdown) -> anyhow::Result<Running> {
    start_from(config, None, shutdown).await
}

/// The same for a configuration that is followed: when what `source` reads changes, the server
/// changes with it. `config` is what the source read last.
///
/// # Errors
/// As [`start`].
pub async fn start_from(
    config: Config,
    source: Option<Source>,
    shutdown: Shutdown,
) -> anyhow::Result<Running> {
    let tls = load_tls(&config)?;
    let tcp = TcpListener::bind(config.server.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.server.listen))?;
    let address = tcp.local_addr().context("the listener has no address")?;
    let work = shutdown.group();
    told::start(&config, &shutdown)?;
    let (service, reloader) = start_work(&config, source, &work, &shutdown).await?;
    let messages = MessageLimits {
        create_bytes: config.server.max_create_bytes,
        other_bytes: config.server.max_message_bytes,
    };
    let health = Health::new().await;
    let faces = shutdown.later();
    let auth = start_auth(&reloader, &faces.group());
    let scrape = told::scrape(config.telemetry.metrics, &auth);
    let admin = admin::routes(service.clone(), scrape);
    let face = Face::new(
        service.clone(),
        auth.clone(),
        http_settings(&config, address)?,
    );
    let gate = GateLayer::new(auth).context("the compiled-in descriptor is broken")?;
    let grpc = grpc::routes(service, messages, LimitLayer::default(), gate, &health)
        .context("the compiled-in descriptors are broken")?;
    let routes = Faces {
        web: config.http.grpc_web.then(|| Web::new(grpc.clone())),
        grpc,
        http: openai::routes(face, admin),
        cors: Cors::new(&config.http.cors.origins).map(Arc::new),
    };
    if let Some(tls) = &tls {
        faces.spawn(tls.clone().follow(TLS_RELOAD, faces.clone()));
    }
    let limits = listener_limits(&config);
    faces.spawn(listener::serve(tcp, routes, limits, tls, faces.clone()));
    health.serving().await;
    let downloads = config.server.download_drain;
    shutdown.spawn(Arc::clone(&reloader).follow(shutdown.clone()));
    shutdown.spawn(end::end(shutdown.clone(), work, faces, health, downloads));
    tracing::info!(%address, data_dir = %config.data_dir.display(), "serving");
    Ok(Running {
        address,
        reloads: reloader.state(),
        reloader,
    })
}

/// Whether the files that a configuration names can be used; nothing is started.
///
/// # Errors
/// What cannot be used, in the operator's words.
pub fn check(config: &Config) -> anyhow::Result<()> {
    load_tls(config).map(drop)
}

/// Opens what the work stands on and starts it.
async fn start_work(
    config: &Config,
    source: Option<Source>,
    work: &Shutdown,
    shutdown: &Shutdown,
) -> anyhow::Result<(Service, Arc<Reloader>)> {
    make_folder(&config.data_dir)?;
    check_owner(config)?;
    let store: Arc<dyn TaskStore> = Arc::new(open_store(config).await?);
    let archive = Arc::new(open_archive(config, work)?);
    let mut opener = Opener::new(config, shutdown).await?;
    let first = opener.open(config, &Accounts::default())?;
    let accounts = opener.commit(first);
    let egress = Egress::new(accounts::origins(&accounts));
    let egress = Arc::new(egress.context("the guarded client cannot be made")?);
    let roster = LiveRoster::new(Roster {
        catalog: Arc::new(offered(config)),
        accounts,
        routes: Arc::new(config.routing.routes.clone()),
        callers: Arc::new(config.callers.limits.clone()),
    });
    let signing = webhooks::kept_signing_key(&config.data_dir)?;
    let page_key = PageKey::new(secret::PAGES.open(&config.data_dir)?);
    // The face opens it again; if it cannot be used, no work begins.
    secret::FILES.open(&config.data_dir)?;
    let service = Service::new(Parts {
        store: Arc::clone(&store),
        archive: Arc::clone(&archive),
        roster: Arc::clone(&roster),
        shutdown: work.clone(),
        settings: service_settings(config, page_key, signing.clone()),
    });
    let recalled = service.recall_moderation().await;
    recalled.context("cannot read the store")?;
    let live = Live {
        roster: Arc::clone(&roster),
        egress: Arc::clone(&egress),
        auth: Auth::new(&config.callers),
        changes: Arc::clone(store.changes()),
    };
    let reloader = Reloader::new(config, source, opener, live);
    let notices = webhooks::notices(service.usd_rate(), signing)?;
    let desk = Desk::new(
        store,
        archive,
        roster,
        (egress, notices),
        work.clone(),
        worker_settings(config),
    );
    worker::start(desk).await.context("cannot read the store")?;
    Ok((service, Arc::new(reloader)))
}

/// Who may call, kept up with the keys file and the clock as long as `life` is not stopped.
fn start_auth(reloader: &Arc<Reloader>, life: &Shutdown) -> Auth {
    let auth = reloader.auth();
    life.spawn(auth.clone().follow_time(life.clone()));
    life.spawn(Arc::clone(reloader).follow_keys(life.clone()));
    auth
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

/// The models that somebody serves: a Create that nobody could ever take is refused at once.
fn offered(config: &Config) -> Catalog {
    let routes = &config.routing.routes;
    let open: Vec<ProviderKind> = routes.open.keys().copied().collect();
    let groups = routes.groups.values();
    let deployed = groups.flat_map(|group| group.deployments.iter().map(|one| &*one.model));
    config.catalog.served_by(&open, deployed)
}

/// Whose tasks the data folder holds.
fn owner(config: &Config) -> &'static str {
    let is_sandbox = |account: &Account| matches!(account.access, Access::Sandbox);
    if config.routing.accounts.iter().any(is_sandbox) {
        "sandbox"
    } else {
        "runwayml"
    }
}

fn service_settings(config: &Config, page_key: PageKey, signing: SigningKey) -> service::Settings {
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
        signing,
        page_key,
    }
}

fn http_settings(config: &Config, listen: SocketAddr) -> anyhow::Result<openai::Settings> {
    let http = &config.http;
    Ok(openai::Settings {
        public_url: http.public_url.clone(),
        is_tls: config.server.tls.is_some(),
        listen,
        file_urls: http.file_urls,
        file_key: FileKey::new(secret::FILES.open(&config.data_dir)?),
        image_wait: http.image_wait,
        video_seconds: http.video_seconds,
        max_body: config.server.max_create_bytes,
        max_head: config.server.limits.max_header_bytes as usize,
        body_idle: config.upload.idle_timeout,
    })
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
        webhooks: webhooks::settings(config),
        check_accounts: config.routing.check_accounts,
        keep_content: config.retention.content,
        keep_records: config.retention.records,
        notes: Some(config.data_dir.clone()),
    }
}

/// How long a create may still arrive after its intent.
fn quarantine(config: &Config) -> Duration {
    let submit = &config.submit;
    let mut accounts = config.routing.accounts.iter();
    let held_open = accounts.any(|account| account.kind == ProviderKind::OpenAi);
    let longest = if held_open {
        submit.timeout.max(submit.image_timeout)
    } else {
        submit.timeout
    };
    submit.window + longest + QUARANTINE_SLACK
}

fn listener_limits(config: &Config) -> Limits {
    let limits = &config.server.limits;
    Limits {
        handshake_timeout: limits.handshake_timeout,
        preface_timeout: limits.preface_timeout,
        http1_untaken: config.download.reader_timeout,
        // A reader that comes back in between is told where to resume.
        stream_untaken: 2 * config
            .download
            .reader_timeout
            .max(config.watch.reader_timeout),
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

/// How often the TLS files are looked at.
const TLS_RELOAD: Duration = Duration::from_secs(5);
/// Added to the send window and the create's timeout.
const QUARANTINE_SLACK: Duration = Duration::from_mins(1);
