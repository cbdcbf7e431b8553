//! `mediagen config`: looks at a configuration without starting anything.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::failure::Failure;
use super::serve::config_file;
use super::show;
use crate::app;
use crate::config::{self, Config, Environment, Setting};

/// Flags of `config`.
#[derive(Args, Clone, Debug)]
pub struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum ConfigCommand {
    /// Reads everything as `serve` would, and tells all that is wrong at once
    Check(FileArgs),
    /// Prints the settings in force as YAML, with every secret hidden
    Show(FileArgs),
}

#[derive(Args, Clone, Debug)]
struct FileArgs {
    /// The YAML file with the settings [env: MEDIAGEN_CONFIG]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The same, as `serve` takes it
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    config: Option<PathBuf>,
    /// As it would be read with `serve --sandbox` [env: MEDIAGEN_SANDBOX]
    #[arg(long)]
    sandbox: bool,
}

impl FileArgs {
    fn file(&self, env: &Environment) -> Option<PathBuf> {
        config_file(self.file.as_ref().or(self.config.as_ref()), env)
    }

    fn settings(&self) -> Vec<Setting> {
        let sandbox = self
            .sandbox
            .then(|| Setting::new("--sandbox", "sandbox", "true"));
        sandbox.into_iter().collect()
    }
}

/// `config`.
pub fn run(args: &ConfigArgs, env: &Environment) -> Result<(), Failure> {
    match &args.command {
        ConfigCommand::Check(args) => check(args, env),
        ConfigCommand::Show(args) => print(args, env),
    }
}

fn check(args: &FileArgs, env: &Environment) -> Result<(), Failure> {
    let (config, warnings) = config::check(args.file(env).as_deref(), env, &args.settings());
    for warning in &warnings {
        show::line(&format!("warning   {}", show::printable(warning)))?;
    }
    let config = config?;
    app::check(&config)?;
    show::line(&format!("good      {}", summary(&config)))
}

fn summary(config: &Config) -> String {
    let counted = |count: usize, noun: &str| {
        let s = if count == 1 { "" } else { "s" };
        format!("{count} {noun}{s}")
    };
    let groups = config.routing.routes.groups.values();
    let deployments = groups.clone().map(|group| group.deployments.len()).sum();
    format!(
        "{}, {}, {}, {}",
        counted(config.routing.accounts.len(), "account"),
        counted(groups.len(), "group"),
        counted(deployments, "deployment"),
        counted(config.callers.keys.len(), "key"),
    )
}

fn print(args: &FileArgs, env: &Environment) -> Result<(), Failure> {
    let (text, warnings) = config::show(args.file(env).as_deref(), env, &args.settings())?;
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    show::line(text.trim_end())
}
