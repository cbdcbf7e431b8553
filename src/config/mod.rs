//! The configuration: load, overlay, parse, validate.
//!
//! Four layers, each over the one before: the embedded `config/default.yaml`, which is the only
//! home of defaults; a file; environment variables; flags. What comes out is plain structs that
//! cannot be wrong: every bound, every rule between keys and every secret's shape is checked before
//! a port is bound, and everything that is wrong is told at once.
//!
//! Not here: command-line flags themselves (`cli`), and reading certificates (whoever serves them).

mod access;
pub mod callers;
pub mod catalog;
mod defaults;
pub mod env;
mod http;
mod list;
mod models;
mod problem;
pub mod quantity;
mod queue;
mod routing;
mod runway;
mod secret;
mod section;
mod server;
mod shown;
mod store;
mod streams;
mod submit;
mod telemetry;
#[cfg(test)]
mod tests;
mod tree;
mod webhooks;
mod yaml;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use access::{Access, is_loopback};
pub use callers::{Callers, Key};
pub use defaults::{Defaults, Log, LogFormat};
pub use env::Environment;
pub use http::{Cors, Http};
pub use problem::{Problem, Problems};
pub use queue::Queue;
pub use routing::{Account, Routing};
pub use runway::Runway;
pub use server::{Limits, Server, Tls};
pub use shown::show;
pub use store::{Archive, Retention, Store};
pub use streams::{Download, Upload, Watch};
pub use submit::{OnUnknownOutcome, Poll, Submit};
pub use telemetry::{MetricsAccess, Otlp, Telemetry};
pub use webhooks::Webhooks;

use problem::Report;
use section::Section;
use tree::{Node, Origin, Value};

use crate::domain::caller::AllowedModels;
use crate::domain::model::Catalog;
use crate::domain::webhook::Allowed;

/// The whole configuration of a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the store, the archive and the lock live.
    pub data_dir: PathBuf,
    /// The faces.
    pub server: Server,
    /// The task store.
    pub store: Store,
    /// Where outputs are kept.
    pub archive: Archive,
    /// For how long things are kept.
    pub retention: Retention,
    /// `WatchTask`.
    pub watch: Watch,
    /// `DownloadContent`.
    pub download: Download,
    /// `UploadInput`.
    pub upload: Upload,
    /// How the ends of tasks are told.
    pub webhooks: Webhooks,
    /// Creating tasks at the provider.
    pub submit: Submit,
    /// Reading tasks at the provider.
    pub poll: Poll,
    /// The provider.
    pub runway: Runway,
    /// Who is called, and which deployments serve which name.
    pub routing: Routing,
    /// Who may call.
    pub callers: Callers,
    /// What a Create gets that does not say.
    pub defaults: Defaults,
    /// The models, as the catalogue and the configuration together have them.
    pub catalog: Arc<Catalog>,
    /// Logs.
    pub log: Log,
    /// Metrics and traces.
    pub telemetry: Telemetry,
    /// What is offered over HTTP.
    pub http: Http,
    /// Sentences that the operator should see, for instance variables that nothing reads.
    pub warnings: Vec<String>,
    /// The files that all this was read from, whose change may change it: the configuration's own
    /// and those that it names for secrets, keys and the catalogue.
    pub files: Vec<PathBuf>,
}

/// A setting that goes over file and environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The dotted key.
    pub key: String,
    /// Its value, as the file would have it.
    pub value: String,
    /// What problems call the place, as in `--listen`.
    pub flag: String,
}

impl Setting {
    /// A setting from a flag.
    pub fn new(flag: &str, key: &str, value: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
            flag: flag.into(),
        }
    }
}

impl Config {
    /// Reads all layers. Tests bring their own environment and settings. It changes nothing, so
    /// that a running server can read its configuration again.
    pub fn load(
        file: Option<&Path>,
        env: &Environment,
        settings: &[Setting],
    ) -> Result<Self, Problems> {
        check(file, env, settings).0
    }

    fn of(tree: &Node, keys: &[String], env: &Environment, report: &Report) -> Self {
        let mut config = Section::root(tree, report, |root| Self::read(root, env));
        config.warnings.extend(report.warnings());
        config.warnings.extend(env.unread(keys));
        config.files.extend(tree.files());
        config.warnings.extend(exposure(&config));
        config.warnings.extend(listed_in_vain(&config));
        config
    }

    fn read(root: &Section<'_>, env: &Environment) -> Self {
        let sandbox = root.flag("sandbox");
        let data_dir = root
            .path("data_dir")
            .or_else(|| usual_data_dir(sandbox))
            .unwrap_or_else(|| {
                root.wrong(
                    "data_dir",
                    "this system names no data folder; give one with --data-dir",
                );
                PathBuf::new()
            });
        let (catalog, mut warnings) = models::load(root);
        let (runway, own) = root.within("runway", |section| Runway::read(section, env, sandbox));
        let routed = Routing::read(root, (&runway, &own), env, &catalog);
        let catalog = routed.routing.name_groups(catalog);
        defaults::check_models(root, &routed.routing.routes, &catalog);
        let (webhooks, allowed) = root.within("webhooks", Webhooks::read);
        let (callers, of_callers) = Callers::read(
            root,
            env,
            runway.usd_per_credit,
            &data_dir,
            (routed.master, allowed),
        );
        warnings.extend(of_callers);
        Self {
            server: root.within("server", |section| {
                Server::read(section, callers.is_key_needed())
            }),
            store: root.within("store", |section| Store::read(section, &data_dir)),
            archive: root.within("archive", Archive::read),
            retention: root.within("retention", Retention::read),
            watch: root.within("watch", Watch::read),
            download: root.within("download", Download::read),
            upload: root.within("upload", Upload::read),
            webhooks,
            submit: root.within("submit", Submit::read),
            poll: root.within("poll", |section| {
                Poll::read(section, routed.is_local, sandbox)
            }),
            routing: routed.routing,
            callers: with_queue(callers, root),
            runway,
            defaults: root.within("defaults", Defaults::read),
            log: root.within("log", Log::read),
            telemetry: root.within("telemetry", |section| Telemetry::read(section, env)),
            http: root.within("http", |section| Http::read(section, env)),
            catalog,
            warnings,
            files: Vec::new(),
            data_dir,
        }
    }
}

/// The limits of callers that stand in sections of their own.
fn with_queue(mut callers: Callers, root: &Section<'_>) -> Callers {
    let queue = root.within("queue", Queue::read);
    callers.limits.max_queued = Some(queue.max_length);
    callers.limits.moderation = root.within("moderation", queue::moderation);
    callers
}

/// The keys file of a server with this configuration; nothing else of the configuration is looked
/// at.
pub fn keys_file(
    file: Option<&Path>,
    env: &Environment,
    settings: &[Setting],
) -> Result<PathBuf, Problems> {
    let report = Report::new(env);
    let (tree, _) = layers(file, env, settings)?;
    let path = Section::root(&tree, &report, |root| {
        root.leave_the_rest();
        let sandbox = root.flag("sandbox");
        let data_dir = root.path("data_dir").or_else(|| usual_data_dir(sandbox));
        let default = || data_dir.map(|folder| folder.join(callers::DEFAULT_FILE));
        let path = root.path("keys_file").or_else(default);
        if path.is_none() {
            root.wrong("keys_file", "this system names no data folder; give a file");
        }
        path.unwrap_or_default()
    });
    report.finish(path)
}

/// The data folder of a server with this configuration, and the origins that its webhooks may call
/// beside public ones; nothing else of the configuration is looked at.
pub fn webhook_basics(
    file: Option<&Path>,
    env: &Environment,
    settings: &[Setting],
) -> Result<(PathBuf, Allowed), Problems> {
    let report = Report::new(env);
    let (tree, _) = layers(file, env, settings)?;
    let read = Section::root(&tree, &report, |root| {
        root.leave_the_rest();
        let sandbox = root.flag("sandbox");
        let data_dir = root.path("data_dir").or_else(|| usual_data_dir(sandbox));
        if data_dir.is_none() {
            root.wrong(
                "data_dir",
                "this system names no data folder; give one with --data-dir",
            );
        }
        let allowed = root.within("webhooks", |section| {
            section.leave_the_rest();
            webhooks::allowed(section)
        });
        (data_dir.unwrap_or_default(), allowed)
    });
    report.finish(read)
}

/// The names of the keys that a configuration holds itself, each with its place; none when it cannot
/// be read.
pub fn key_names(
    file: Option<&Path>,
    env: &Environment,
    settings: &[Setting],
) -> Vec<(String, String)> {
    let tree = layers(file, env, settings);
    tree.map_or_else(|_| Vec::new(), |(tree, _)| callers::names(&tree))
}

/// The names in lists of models of keys that mean nothing: nobody could ask for them.
fn listed_in_vain(config: &Config) -> Vec<String> {
    let (routes, catalog) = (&config.routing.routes, &config.catalog);
    let mut warnings = Vec::new();
    for key in &config.callers.keys {
        let AllowedModels::Only(listed) = &key.models else {
            continue;
        };
        let in_vain = |name: &&String| routes.group(name, catalog).is_none();
        let Some(name) = listed.iter().find(in_vain) else {
            continue;
        };
        if warnings.len() == MOST_IN_VAIN {
            break;
        }
        let near = catalog.resolve(name).err().map(|unknown| unknown.nearest);
        let near = near.and_then(|near| near.into_iter().next());
        let hint = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        let (id, name) = (&key.id, section::shortened(name));
        warnings.push(format!(
            "the API key `{id}` may ask for `{name}`, which nobody serves{hint}"
        ));
    }
    warnings
}

/// What others who reach the address may do.
fn exposure(config: &Config) -> Option<String> {
    let server = &config.server;
    let (is_open, has_keys) = (
        server.is_open_to_strangers(),
        config.callers.is_key_needed(),
    );
    if is_open && !has_keys {
        Some("anyone who can reach this address may spend your credits".into())
    } else if is_open && server.tls.is_none() {
        Some(
            "keys and media cross the network in plain text: give server.tls.cert and \
             server.tls.key, unless something in front does"
                .into(),
        )
    } else {
        None
    }
}

/// The configuration or all that is wrong with it, and what the operator should know either way.
pub fn check(
    file: Option<&Path>,
    env: &Environment,
    settings: &[Setting],
) -> (Result<Config, Problems>, Vec<String>) {
    let (tree, keys) = match layers(file, env, settings) {
        Ok(layers) => layers,
        Err(problems) => return (Err(problems), Vec::new()),
    };
    let report = Report::new(env);
    let mut config = Config::of(&tree, &keys, env, &report);
    config.files.extend(file.map(Path::to_owned));
    // This one is followed on its own: it may change although the rest is wrong.
    let keys_file = config.callers.keys_file.clone();
    config.files.retain(|file| Some(file) != keys_file.as_ref());
    let warnings = config.warnings.clone();
    (report.finish(config), warnings)
}

/// Every layer over the one before, and the dotted paths of all that can be set.
fn layers(
    file: Option<&Path>,
    env: &Environment,
    settings: &[Setting],
) -> Result<(Node, Vec<String>), Problems> {
    let mut tree = Node::parse("default.yaml", DEFAULTS)
        .map_err(|bug| Problems(vec![bug]))?
        .into_default();
    let keys = tree.leaves();
    if let Some(file) = file {
        let read = read_file(file).and_then(sections);
        tree.overlay(read.map_err(|problem| Problems(vec![problem]))?);
    }
    for key in &keys {
        if let Some((name, value)) = env.setting(key) {
            tree.put(key, Node::text(Origin::Variable(name), value));
        }
    }
    for setting in settings {
        tree.put(
            &setting.key,
            Node::text(Origin::Flag(setting.flag.clone()), &setting.value),
        );
    }
    Ok((tree, keys))
}

/// A file is sections by name, or empty.
fn sections(file: Node) -> Result<Node, Problem> {
    match file.value {
        Value::Map(_) | Value::Null => Ok(file),
        Value::Text(..) | Value::List(_) => {
            let text = "must hold sections and keys by name, as `server:` or `model_list:`; \
                        config/default.yaml shows all of them";
            Err(Problem::new(&file.origin, "", text))
        }
    }
}

/// A sandbox gets a folder of its own: its tasks are not to be found by the real thing, nor those
/// of the real thing by the sandbox.
fn usual_data_dir(sandbox: bool) -> Option<PathBuf> {
    let usual = platform_data_dir()?;
    Some(if sandbox {
        usual.join("sandbox")
    } else {
        usual
    })
}

/// `mediagen` in the platform's data folder.
pub fn platform_data_dir() -> Option<PathBuf> {
    dirs::data_dir().map(|folder| folder.join("mediagen"))
}

fn read_file(path: &Path) -> Result<Node, Problem> {
    let name = path.display().to_string();
    let problem = |text: String| Problem {
        place: name.clone(),
        key: String::new(),
        text,
    };
    let mut text = Vec::new();
    let file = File::open(path).map_err(|error| problem(format!("cannot be opened: {error}")))?;
    let read = file.take(MAX_FILE + 1).read_to_end(&mut text);
    read.map_err(|error| problem(format!("cannot be read: {error}")))?;
    if text.len() as u64 > MAX_FILE {
        return Err(problem("is larger than 1MiB".into()));
    }
    let text = String::from_utf8(text).map_err(|_| problem("is not UTF-8".into()))?;
    Node::parse(&name, &text)
}

/// The embedded defaults, every key with its comment.
pub const DEFAULTS: &str = include_str!("../../config/default.yaml");

const MAX_FILE: u64 = 1 << 20;
/// Keys that are warned of; to look for what a name may have meant is dear.
const MOST_IN_VAIN: usize = 20;
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
