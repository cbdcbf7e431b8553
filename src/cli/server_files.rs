//! Whose files a command looks at that needs no running server: a server's settings and data folder.

use std::path::PathBuf;

use clap::Args;

use super::serve::config_file;
use crate::config::{Environment, Setting};

/// The server, by its files.
#[derive(Args, Clone, Debug, Default)]
pub struct ServerFiles {
    /// The YAML file of the server's settings [env: MEDIAGEN_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The server's data folder [default: the platform's] [env: MEDIAGEN_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// The server is one with --sandbox: its usual data folder is another
    #[arg(long)]
    sandbox: bool,
}

impl ServerFiles {
    /// The file of its settings; `None`: it has none.
    pub fn config(&self, env: &Environment) -> Option<PathBuf> {
        config_file(self.config.as_ref(), env)
    }

    /// What the flags say over that file.
    pub fn settings(&self) -> Vec<Setting> {
        let folder = self.data_dir.as_ref();
        let folder = folder.map(|folder| Setting::new("--data-dir", "data_dir", folder));
        let sandbox = Setting::new("--sandbox", "sandbox", "true");
        folder
            .into_iter()
            .chain(self.sandbox.then_some(sandbox))
            .collect()
    }
}
