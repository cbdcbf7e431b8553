//! What this program is beside the client: processes of their own.

use clap::Subcommand;

use crate::{bare, upstream};

/// Another process of the same measurement. Each prints `listening on ADDRESS` when it serves.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// tonic and SQLite with nothing between them.
    #[command(hide = true)]
    Bare(bare::Options),
    /// The provider.
    #[command(hide = true)]
    Upstream(upstream::Options),
}

impl Role {
    /// Serves until it is killed.
    pub async fn run(&self) -> anyhow::Result<()> {
        match self {
            Self::Bare(options) => bare::serve(options).await,
            Self::Upstream(options) => upstream::serve(options).await,
        }
    }

    /// Its threads; `None`: as many as there are cores, as the server has them.
    pub fn threads(&self) -> Option<usize> {
        match self {
            Self::Bare(_) => None,
            Self::Upstream(_) => Some(1),
        }
    }
}
