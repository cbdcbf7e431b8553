//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::role::Role;

/// Measures the service beside the limits of this machine.
#[derive(Debug, Parser)]
pub struct Args {
    /// What is measured; by default everything that takes under a quarter of an hour.
    #[arg(value_enum)]
    wanted: Vec<Wanted>,
    /// Rounds of each comparison.
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// Everything once and short: that it works, not how fast.
    #[arg(long)]
    pub smoke: bool,
    /// Another build of the server, to compare with.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_mediagen"))]
    pub program: PathBuf,
    /// The `litellm` of an installation of `litellm[proxy]`, for P10. Unless given, one is installed
    /// beside the build by pip.
    #[arg(long)]
    pub litellm: Option<PathBuf>,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    pub role: Option<Role>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Wanted {
    P1,
    P2,
    P3,
    P4,
    P5,
    P6,
    P7,
    P8,
    P9,
    P10,
    /// P1 to P7, and P9.
    Quick,
    /// P8 and P10.
    Scale,
    /// Bounds, and ten minutes under load.
    Soak,
}

/// What belongs together in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    P1,
    P2,
    P3,
    P4,
    P5,
    P6,
    P7,
    P8,
    P9,
    P10,
    Soak,
}

const QUICK: [Set; 8] = [
    Set::P1,
    Set::P2,
    Set::P3,
    Set::P4,
    Set::P5,
    Set::P6,
    Set::P7,
    Set::P9,
];

impl Wanted {
    fn sets(self) -> Vec<Set> {
        match self {
            Self::P1 => vec![Set::P1],
            Self::P2 => vec![Set::P2],
            Self::P3 => vec![Set::P3],
            Self::P4 => vec![Set::P4],
            Self::P5 => vec![Set::P5],
            Self::P6 => vec![Set::P6],
            Self::P7 => vec![Set::P7],
            Self::P8 => vec![Set::P8],
            Self::P9 => vec![Set::P9],
            Self::P10 => vec![Set::P10],
            Self::Quick => QUICK.to_vec(),
            Self::Scale => vec![Set::P8, Set::P10],
            Self::Soak => vec![Set::Soak],
        }
    }
}

impl Args {
    /// What is measured, in order.
    pub fn sets(&self) -> Vec<Set> {
        if self.wanted.is_empty() {
            return QUICK.to_vec();
        }
        self.wanted
            .iter()
            .flat_map(|wanted| wanted.sets())
            .collect()
    }

    /// Threads of this process. A client has one: the other core is the server's.
    pub fn threads(&self) -> Option<usize> {
        match &self.role {
            Some(role) => role.threads(),
            None => Some(1),
        }
    }
}
