//! `mediagen keys`: makes, lists and revokes the keys of the keys file, without a server.
//!
//! A running server reads the file again within a second or two. A key is printed once, when it is made:
//! the file holds its SHA-256.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp as Moment};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value as Json, json};

use super::failure::{Exit, Failure};
use super::server_files::ServerFiles;
use super::show;
use crate::auth::NewKey;
use crate::clock::Clock;
use crate::config::callers::file::{self, KeysFileError};
use crate::config::quantity::parse_duration;
use crate::config::{self, Environment, Key};
use crate::domain::caller::AllowedModels;
use crate::domain::time::Timestamp;
use crate::domain::webhook::Allowed;

/// What is to be done with keys.
#[derive(Args, Clone, Debug)]
pub struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum KeysCommand {
    /// Makes a key and prints it, this once
    Create(Box<CreateKeyArgs>),
    /// Lists the keys of the keys file
    List(ListKeysArgs),
    /// Takes a key back: calls with it are refused, and its open streams end, within seconds
    Revoke(RevokeKeyArgs),
}

/// Which keys file.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Keys file")]
struct FileArgs {
    /// The keys file [default: `keys_file` of the settings, else keys.yaml in the data folder]
    #[arg(
        long,
        value_name = "FILE",
        env = "MEDIAGEN_KEYS_FILE",
        hide_env_values = true
    )]
    file: Option<PathBuf>,
    #[command(flatten)]
    server: ServerFiles,
    /// Writes JSON to standard output, and errors as JSON to standard error
    #[arg(long, help_heading = "Output")]
    json: bool,
}

#[derive(Args, Clone, Debug)]
struct CreateKeyArgs {
    /// Its visible name [default: one that is made up]
    #[arg(long, value_name = "NAME")]
    id: Option<String>,
    /// Whose tasks it sees [default: local, the tenant of a server without keys]
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// The models it may ask for [default: every model]
    #[arg(long, value_name = "MODEL,…", value_delimiter = ',')]
    models: Vec<String>,
    /// What it may do, of create, read and operate [default: create,read]
    #[arg(long, value_name = "SCOPE,…", value_delimiter = ',')]
    scopes: Vec<String>,
    /// When it ends: 2026-12-31 (with that day, UTC), 2026-12-31T12:00:00Z, or 30d from now
    /// [default: never]
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    /// Calls a minute
    #[arg(long, value_name = "N")]
    requests_per_minute: Option<u32>,
    /// Tasks that have not ended, at once
    #[arg(long, value_name = "N")]
    tasks_in_flight: Option<u32>,
    /// Streams open at once
    #[arg(long, value_name = "N")]
    streams: Option<u32>,
    /// What it may spend in a day (UTC), in dollars
    #[arg(long, value_name = "USD")]
    usd_per_day: Option<String>,
    /// What it may spend in a calendar month (UTC), in dollars
    #[arg(long, value_name = "USD")]
    usd_per_month: Option<String>,
    /// The same in credits
    #[arg(long, value_name = "N", conflicts_with = "usd_per_day")]
    credits_per_day: Option<u64>,
    /// The same in credits
    #[arg(long, value_name = "N", conflicts_with = "usd_per_month")]
    credits_per_month: Option<u64>,
    /// Who is told when one of its tasks ends that names nobody itself
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    file: FileArgs,
}

#[derive(Args, Clone, Debug)]
struct ListKeysArgs {
    #[command(flatten)]
    file: FileArgs,
}

#[derive(Args, Clone, Debug)]
struct RevokeKeyArgs {
    /// The key's name, as `keys list` shows it
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    file: FileArgs,
}

impl KeysArgs {
    /// Whether an error should be JSON too.
    pub fn wants_json(&self) -> bool {
        match &self.command {
            KeysCommand::Create(args) => args.file.json,
            KeysCommand::List(args) => args.file.json,
            KeysCommand::Revoke(args) => args.file.json,
        }
    }
}

/// `keys`.
pub fn run(args: &KeysArgs, env: &Environment) -> Result<(), Failure> {
    match &args.command {
        KeysCommand::Create(args) => create(args, env),
        KeysCommand::List(args) => list(args, env),
        KeysCommand::Revoke(args) => revoke(args, env),
    }
}

impl FileArgs {
    fn path(&self, env: &Environment) -> Result<PathBuf, Failure> {
        if let Some(file) = self
            .file
            .as_ref()
            .filter(|file| !file.as_os_str().is_empty())
        {
            return Ok(file.clone());
        }
        let config = self.server.config(env);
        Ok(config::keys_file(
            config.as_deref(),
            env,
            &self.server.settings(),
        )?)
    }

    /// Where the configuration that is known has a key of this name.
    fn configured(&self, id: &str, env: &Environment) -> Option<String> {
        let config = self.server.config(env);
        let names = config::key_names(config.as_deref(), env, &self.server.settings());
        let place = names.into_iter().find(|(name, _)| name == id);
        place.map(|(_, place)| place)
    }

    /// What webhooks may call beside public addresses; `None`: the configuration cannot be read.
    fn webhook_origins(&self, env: &Environment) -> Option<Allowed> {
        let config = self.server.config(env);
        let basics = config::webhook_basics(config.as_deref(), env, &self.server.settings());
        basics.ok().map(|(_, allowed)| allowed)
    }
}

fn create(args: &CreateKeyArgs, env: &Environment) -> Result<(), Failure> {
    let path = args.file.path(env)?;
    let key = NewKey::make().context("the system gives no random numbers")?;
    let id = args.id.clone().unwrap_or_else(|| key.id.clone());
    let entry = args.entry(&id, &key)?;
    args.check(&id, &entry, env)?;
    if let Some(folder) = path.parent() {
        let made = std::fs::create_dir_all(folder);
        made.with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let tenant = entry.get("tenant").cloned();
    file::add(&path, entry, env)?;
    let text = key.text.expose_secret();
    if args.file.json {
        let path = path.display().to_string();
        return show::json(&json!({ "id": id, "key": text, "tenant": tenant, "file": path }));
    }
    eprintln!(
        "key {id} written to {}; the key itself is shown only now:",
        path.display()
    );
    show::line(text)
}

impl CreateKeyArgs {
    /// Names the flags that are wrong. Of the digest nothing can be: it is new.
    fn check(&self, id: &str, entry: &Map<String, Json>, env: &Environment) -> Result<(), Failure> {
        let allowed = self.file.webhook_origins(env);
        let flag = |field: String| match field.as_str() {
            "url" => "webhook".to_owned(),
            _ => field.replace('_', "-"),
        };
        let mut wrong: Vec<String> = file::faults(entry, env, allowed.as_ref())
            .into_iter()
            .map(|(field, text)| format!("--{}: {text}", flag(field)))
            .collect();
        if let Some(place) = self.file.configured(id, env) {
            let text =
                format!("--id: `{id}` is the name of a key of the configuration, at {place}");
            wrong.push(text);
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(Failure::new(Exit::Configuration, wrong.join("\n")))
    }

    /// As the file has it.
    fn entry(&self, id: &str, key: &NewKey) -> Result<Map<String, Json>, Failure> {
        let mut limits = Map::new();
        let mut limit = |name: &str, value: Option<Json>| {
            limits.extend(value.map(|value| (name.to_owned(), value)));
        };
        limit(
            "requests_per_minute",
            self.requests_per_minute.map(Json::from),
        );
        limit("tasks_in_flight", self.tasks_in_flight.map(Json::from));
        limit("streams", self.streams.map(Json::from));
        limit("usd_per_day", self.usd_per_day.clone().map(Json::from));
        limit("usd_per_month", self.usd_per_month.clone().map(Json::from));
        limit("credits_per_day", self.credits_per_day.map(Json::from));
        limit("credits_per_month", self.credits_per_month.map(Json::from));
        let tenant = self.tenant.as_deref().unwrap_or("local");
        let fields = [
            ("id", Json::from(id)),
            ("sha256", hex::encode(key.sha256).into()),
            ("tenant", tenant.into()),
            ("models", self.models.clone().into()),
            ("scopes", self.scopes.clone().into()),
            ("expires", end(self.expires.as_deref())?),
            ("limits", limits.into()),
            (
                "webhook",
                self.webhook
                    .as_ref()
                    .map(|url| json!({ "url": url }))
                    .into(),
            ),
            ("created", time(Timestamp(Clock.now_ms())).into()),
            ("note", self.note.clone().into()),
        ];
        let is_said = |value: &Json| match value {
            Json::Null => false,
            Json::Array(items) => !items.is_empty(),
            Json::Object(items) => !items.is_empty(),
            _ => true,
        };
        let said = fields.into_iter().filter(|(_, value)| is_said(value));
        Ok(said.map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

/// A span becomes the moment at its end; anything else is for the file's own reader to judge.
fn end(text: Option<&str>) -> Result<Json, Failure> {
    let Some(text) = text else {
        return Ok(Json::Null);
    };
    let Ok(span) = parse_duration(text) else {
        return Ok(text.into());
    };
    let too_far = || Failure::new(Exit::Usage, format!("--expires: {text} is too far away"));
    let (now, span) = (Timestamp(Clock.now_ms()), SignedDuration::try_from(span));
    let now = Moment::from_millisecond(now.0).map_err(|_| too_far())?;
    let end = now.checked_add(span.map_err(|_| too_far())?);
    Ok(end.map_err(|_| too_far())?.to_string().into())
}

fn list(args: &ListKeysArgs, env: &Environment) -> Result<(), Failure> {
    let keys = file::list(&args.file.path(env)?, env)?;
    if args.file.json {
        return keys.iter().try_for_each(|key| show::json(&to_json(key)));
    }
    let head = ["ID", "TENANT", "SCOPES", "MODELS", "EXPIRES", "STATE"].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(keys.iter().map(row)).collect();
    for row in &rows {
        let cell = |(column, cell): (usize, &String)| {
            let width = rows.iter().map(|row| row[column].chars().count()).max();
            format!("{cell:<width$}  ", width = width.unwrap_or(0))
        };
        let line: String = row.iter().enumerate().map(cell).collect();
        show::line(line.trim_end())?;
    }
    Ok(())
}

fn revoke(args: &RevokeKeyArgs, env: &Environment) -> Result<(), Failure> {
    let path = args.file.path(env)?;
    file::revoke(&path, &args.id, &time(Timestamp(Clock.now_ms())))?;
    if args.file.json {
        return show::json(&json!({ "id": args.id, "revoked": true }));
    }
    show::line(&format!("revoked {}", show::printable(&args.id)))
}

fn row(key: &Key) -> [String; 6] {
    let models = match &key.models {
        AllowedModels::All => "all".to_owned(),
        AllowedModels::Only(names) => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            show::shorten(&names.join(","), 40)
        }
    };
    [
        key.id.to_string(),
        key.tenant.as_str().to_owned(),
        scopes(key).join(","),
        models,
        key.expires.map_or_else(|| "never".to_owned(), time),
        state(key).to_owned(),
    ]
}

fn to_json(key: &Key) -> Json {
    let models = match &key.models {
        AllowedModels::All => Json::Null,
        AllowedModels::Only(names) => names.iter().map(String::as_str).collect(),
    };
    json!({
        "id": key.id.as_str(),
        "tenant": key.tenant.as_str(),
        "scopes": scopes(key),
        "models": models,
        "expires": key.expires.map(time),
        "revoked": key.revoked.map(time),
        "state": state(key),
        "limits": {
            "requests_per_minute": key.limits.requests_per_minute,
            "tasks_in_flight": key.limits.tasks_in_flight,
            "streams": key.limits.streams,
        },
    })
}

fn scopes(key: &Key) -> Vec<&'static str> {
    key.scopes.iter().map(|scope| scope.as_str()).collect()
}

fn state(key: &Key) -> &'static str {
    let now = Timestamp(Clock.now_ms());
    if key.revoked.is_some() {
        "revoked"
    } else if key
        .expires
        .is_some_and(|end| end.since(now) == Duration::ZERO)
    {
        "expired"
    } else {
        "good"
    }
}

/// In RFC 3339, to the second.
fn time(moment: Timestamp) -> String {
    let second = Moment::from_second(moment.0.div_euclid(1000));
    second.map_or_else(|_| "?".to_owned(), |moment| moment.to_string())
}

impl From<KeysFileError> for Failure {
    fn from(error: KeysFileError) -> Self {
        let exit = match &error {
            KeysFileError::Wrong(_) => Exit::Configuration,
            KeysFileError::Unknown(_) => Exit::NotFound,
            KeysFileError::Io { .. } => Exit::Other,
        };
        let text = format!("{:#}", anyhow::Error::from(error));
        Self::new(exit, text)
    }
}
