//! A server inside this process, for `generate` without a server.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::client::{Client, connect_to};
use super::failure::Failure;
use super::serve::{config_file, start_logs};
use crate::app;
use crate::config::{Config, Environment, Setting, platform_data_dir};
use crate::shutdown::Shutdown;

/// How to run without a server.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Without a server")]
pub struct LocalArgs {
    /// Uses a sandbox in this process; nothing it makes is real [env: MEDIAGEN_SANDBOX]
    #[arg(long)]
    pub sandbox: bool,
    /// Where the task lives [default: the platform's data folder; with --sandbox its `sandbox`]
    /// [env: MEDIAGEN_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// A YAML file with further settings [env: MEDIAGEN_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// A server that runs as long as a command.
#[derive(Debug)]
pub struct Local {
    /// A client of it.
    pub client: Client,
    shutdown: Shutdown,
    drain_timeout: Duration,
    temporary: Option<PathBuf>,
}

impl LocalArgs {
    /// Whether the sandbox is asked for, by flag or variable.
    pub fn wants_sandbox(&self, env: &Environment) -> bool {
        self.sandbox || matches!(env.get("MEDIAGEN_SANDBOX"), Some("true" | "1"))
    }

    /// Starts the server. A sandbox whose usual folder is in use gets one of its own. Quiet, it logs
    /// nothing that was not asked for.
    pub async fn start(&self, env: &Environment, quiet: bool) -> Result<Local, Failure> {
        let own_folder = self.data_dir.is_some() || env.get("MEDIAGEN_DATA_DIR").is_some();
        let sandbox = self.wants_sandbox(env);
        let usual = platform_data_dir()
            .filter(|_| sandbox && !own_folder)
            .map(|dir| dir.join("sandbox"));
        let Some(usual) = usual else {
            return self.start_in(None, env, quiet).await;
        };
        match self.start_in(Some(usual.clone()), env, quiet).await {
            Ok(local) => Ok(local),
            Err(first) => {
                let folder = usual.join(format!("run-{:016x}", rand::random::<u64>()));
                tracing::debug!(%first, "the sandbox gets a folder of its own");
                let started = self.start_in(Some(folder.clone()), env, quiet).await;
                started.map(|local| Local {
                    temporary: Some(folder),
                    ..local
                })
            }
        }
    }

    async fn start_in(
        &self,
        folder: Option<PathBuf>,
        env: &Environment,
        quiet: bool,
    ) -> Result<Local, Failure> {
        let file = config_file(self.config.as_ref(), env);
        let mut config = Config::load(file.as_deref(), env, &self.settings(folder, env, quiet))?;
        // It serves this command alone, which has no key of its own.
        config.callers.without_keys();
        start_logs(&config.log);
        let (shutdown, drain_timeout) = (Shutdown::new(), config.server.drain_timeout);
        match app::start(config, shutdown.clone()).await {
            Ok(running) => {
                let client = connect_to(running.address)?;
                Ok(Local {
                    client,
                    shutdown,
                    drain_timeout,
                    temporary: None,
                })
            }
            Err(error) => {
                shutdown.stop();
                Err(error.into())
            }
        }
    }

    /// A port and plain text for this process alone, few words, and what the flags say.
    fn settings(&self, folder: Option<PathBuf>, env: &Environment, quiet: bool) -> Vec<Setting> {
        let set = |flag: &str, key: &str, value: &str| Setting::new(flag, key, value);
        let mut settings = vec![
            set("generate", "server.listen", "127.0.0.1:0"),
            set("generate", "server.tls.cert", ""),
            set("generate", "server.tls.key", ""),
            set("generate", "server.tls.client_ca", ""),
        ];
        if env.setting("log.filter").is_none() {
            settings.push(set(
                "generate",
                "log.filter",
                if quiet { "off" } else { "warn" },
            ));
        }
        if self.wants_sandbox(env) {
            settings.push(set("--sandbox", "sandbox", "true"));
        }
        let folder = self
            .data_dir
            .clone()
            .or(folder.map(|folder| folder.display().to_string()));
        if let Some(folder) = folder {
            settings.push(set("--data-dir", "data_dir", &folder));
        }
        settings
    }
}

impl Local {
    /// Drains the server. What is unfinished is kept, and goes on at the next start.
    pub async fn end(self) {
        drop(self.client);
        self.shutdown.drain();
        let _ = tokio::time::timeout(self.drain_timeout, self.shutdown.finished()).await;
        self.shutdown.stop();
        if let Some(folder) = self.temporary {
            let _ = tokio::time::timeout(LAST_WORDS, self.shutdown.finished()).await;
            let _ = std::fs::remove_dir_all(folder); // left behind it does no harm
        }
    }
}

/// What tasks get to notice a stop.
const LAST_WORDS: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_of_one_command_is_for_this_machine_alone() {
        let env: Environment = [
            ("MEDIAGEN_LISTEN", "0.0.0.0:1"),
            ("MEDIAGEN_TLS_CERT", "c.pem"),
        ]
        .into_iter()
        .collect();
        let args = LocalArgs {
            sandbox: true,
            data_dir: Some("d".into()),
            config: None,
        };
        let config = Config::load(None, &env, &args.settings(None, &env, true)).unwrap();
        assert_eq!(config.server.listen.to_string(), "127.0.0.1:0");
        assert_eq!(config.server.tls, None);
        assert_eq!(config.data_dir, PathBuf::from("d"));
        assert!(config.runway.is_sandbox());
    }
}
