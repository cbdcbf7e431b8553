//! `mediagen webhooks`: what the ends of tasks are signed with, from the data folder of a server.

use clap::{Args, Subcommand};
use serde_json::json;

use super::failure::{Exit, Failure};
use super::server_files::ServerFiles;
use super::show;
use crate::app;
use crate::config::{self, Config, Environment};
use crate::domain::caller::KeyId;
use crate::domain::webhook::{Secret, SigningKey};

/// What is to be done with webhooks.
#[derive(Args, Clone, Debug)]
pub struct WebhooksArgs {
    #[command(subcommand)]
    command: WebhooksCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum WebhooksCommand {
    /// Prints the secret that the events of a key's tasks are verified with
    Secret(SecretArgs),
}

#[derive(Args, Clone, Debug)]
struct SecretArgs {
    /// The key's name, as `keys list` shows it [default: of callers without a key]
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    #[command(flatten)]
    server: ServerFiles,
    /// Writes JSON to standard output, and errors as JSON to standard error
    #[arg(long, help_heading = "Output")]
    json: bool,
}

impl WebhooksArgs {
    /// Whether an error should be JSON too.
    pub fn wants_json(&self) -> bool {
        let WebhooksCommand::Secret(args) = &self.command;
        args.json
    }
}

/// `webhooks`.
pub fn run(args: &WebhooksArgs, env: &Environment) -> Result<(), Failure> {
    let WebhooksCommand::Secret(args) = &args.command;
    let secrets: Vec<String> = args.secrets(env)?.iter().map(Secret::reveal).collect();
    if args.json {
        return show::json(&json!({ "key": args.key, "secrets": secrets }));
    }
    secrets.iter().try_for_each(|secret| show::line(secret))
}

impl SecretArgs {
    fn secrets(&self, env: &Environment) -> Result<Vec<Secret>, Failure> {
        let file = self.server.config(env);
        let settings = self.server.settings();
        let (folder, _) = config::webhook_basics(file.as_deref(), env, &settings)?;
        let Some(signing) = app::signing_key(&folder)? else {
            let text = format!(
                "there is no webhook.key in {}: start the server once, which makes it",
                folder.display()
            );
            return Err(Failure::new(Exit::NotFound, text));
        };
        let key = self.key.as_deref().map(KeyId::new);
        if let Ok(config) = Config::load(file.as_deref(), env, &settings) {
            return of_config(&config, key.as_ref(), &signing);
        }
        eprintln!(
            "the configuration cannot be read here: this is the secret unless the key has one of \
             its own there"
        );
        Ok(vec![signing.secret(key.as_ref())])
    }
}

fn of_config(
    config: &Config,
    key: Option<&KeyId>,
    signing: &SigningKey,
) -> Result<Vec<Secret>, Failure> {
    let keys = &config.callers.keys;
    if let Some(key) = key
        && !keys.iter().any(|known| known.id == *key)
    {
        let text = format!("there is no key `{key}`; `mediagen keys list` shows those of the file");
        return Err(Failure::new(Exit::NotFound, text));
    }
    Ok(config.callers.limits.webhooks.secrets(key, signing))
}
