//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, ValueEnum};

use crate::role::Role;

/// Measures the service beside the limits of this machine.
#[derive(Debug, Parser)]
pub struct Args {
    /// What is measured: p1 to p10, bounds, mixed, quick (p1 to p7, and p9), scale (p8 and p10) or soak
    /// (bounds and mixed); by default quick, which takes under a quarter of an hour.
    wanted: Vec<Wanted>,
    /// Rounds of each comparison.
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// Everything once and short: that it works, not how fast.
    #[arg(long)]
    pub smoke: bool,
    /// How long the mixed load lasts.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1440))]
    pub minutes: u64,
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

/// What belongs together in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
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
    Bounds,
    Mixed,
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

/// One set, or several under one name.
#[derive(Clone, Debug)]
struct Wanted(Vec<Set>);

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(match text {
            "quick" => QUICK.to_vec(),
            "scale" => vec![Set::P8, Set::P10],
            "soak" => vec![Set::Bounds, Set::Mixed],
            one => vec![Set::from_str(one, true)?],
        }))
    }
}

impl Args {
    /// What is measured, in order.
    pub fn sets(&self) -> Vec<Set> {
        if self.wanted.is_empty() {
            return QUICK.to_vec();
        }
        let wanted = self.wanted.iter();
        wanted.flat_map(|Wanted(sets)| sets).copied().collect()
    }

    /// Threads of this process. A client has one: the other core is the server's.
    pub fn threads(&self) -> Option<usize> {
        match &self.role {
            Some(role) => role.threads(),
            None => Some(1),
        }
    }
}
