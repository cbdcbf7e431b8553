//! One run: its folder, its machine, its rounds.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tempfile::TempDir;

use crate::args::Args;
use crate::ledger::Ledger;
use crate::machine::{self, Machine};
use crate::process::Process;

/// What every measurement has.
pub struct Bench {
    pub machine: Machine,
    pub smoke: bool,
    /// How long the mixed load lasts.
    pub soak: Duration,
    /// The `litellm` to compare with, where one was given.
    pub litellm: Option<PathBuf>,
    rounds: usize,
    program: PathBuf,
    folder: TempDir,
    thrown_away: Cell<usize>,
    most_foreign: Cell<f64>,
    ledger: Arc<Ledger>,
}

impl Bench {
    pub fn new(args: &Args) -> anyhow::Result<Self> {
        anyhow::ensure!(
            args.program.is_file(),
            "no program {}",
            args.program.display()
        );
        // Where the build is there is a real disk; the folder for temporary files is often none.
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?;
        Ok(Self {
            machine: Machine::read()?,
            smoke: args.smoke,
            soak: Duration::from_mins(args.minutes),
            litellm: args.litellm.clone(),
            rounds: if args.smoke { 1 } else { args.rounds },
            program: args.program.clone(),
            folder,
            thrown_away: Cell::new(0),
            most_foreign: Cell::new(0.0),
            ledger: Arc::default(),
        })
    }

    pub fn program(&self) -> &Path {
        &self.program
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The books of what each process took.
    pub fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.ledger)
    }

    /// Something for who waits.
    #[expect(clippy::unused_self, reason = "who says it is the run")]
    pub fn say(&self, what: &str) {
        eprintln!("… {what}");
    }

    /// One of two, as it is meant or as a smoke test has it.
    pub fn or_smoke<T>(&self, full: T, smoke: T) -> T {
        if self.smoke { smoke } else { full }
    }

    /// Makes rounds until as many as are wanted were undisturbed, and gives what they measured. The
    /// round is told its number, so that arms can change places.
    ///
    /// # Errors
    /// When too many were thrown away; the last reason.
    pub async fn rounds<T>(
        &self,
        processes: &[&Process],
        round: impl AsyncFnMut(usize) -> anyhow::Result<T>,
    ) -> anyhow::Result<Vec<T>> {
        self.some_rounds(self.rounds, processes, round).await
    }

    /// The same for what measures thousands of things at once: one round is enough.
    pub async fn one_round<T>(
        &self,
        processes: &[&Process],
        round: impl AsyncFnMut(usize) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let measured = self.some_rounds(1, processes, round).await?;
        measured.into_iter().next().context("no round")
    }

    async fn some_rounds<T>(
        &self,
        wanted: usize,
        processes: &[&Process],
        mut round: impl AsyncFnMut(usize) -> anyhow::Result<T>,
    ) -> anyhow::Result<Vec<T>> {
        let mut good = Vec::new();
        let mut last = None;
        for number in 0..wanted * MOST_TRIES {
            if good.len() == wanted {
                break;
            }
            match self.undisturbed(processes, round(number)).await {
                Ok(measured) => good.push(measured),
                Err(error) => {
                    self.say(&format!("a round is thrown away: {error:#}"));
                    self.thrown_away.set(self.thrown_away.get() + 1);
                    last = Some(error);
                }
            }
        }
        match last {
            Some(error) if good.len() < wanted => Err(error).context("too few good rounds"),
            _ => Ok(good),
        }
    }

    /// Fails if others than these processes, this one and its children took the machine meanwhile.
    async fn undisturbed<T>(
        &self,
        processes: &[&Process],
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let took = || -> anyhow::Result<Duration> {
            let each = processes.iter().map(|process| Ok(process.usage()?.cpu));
            Ok(each.sum::<anyhow::Result<Duration>>()? + machine::own()?)
        };
        let (begun, all, ours) = (Instant::now(), machine::busy()?, took()?);
        let measured = work.await?;
        let all = machine::busy()?.saturating_sub(all);
        let foreign = all.saturating_sub(took()?.saturating_sub(ours));
        let share = foreign.as_secs_f64() / begun.elapsed().as_secs_f64();
        self.most_foreign.set(self.most_foreign.get().max(share));
        let is_long = begun.elapsed() > Duration::from_secs(1);
        anyhow::ensure!(
            self.smoke || !is_long || share < MOST_FOREIGN,
            "others took {:.0} % of a core",
            share * 100.0
        );
        Ok(measured)
    }

    /// What is to be known of the run beside the table.
    pub fn report(&self) {
        println!(
            "{} rounds each; {} thrown away; others took at most {:.0} % of a core in any",
            self.rounds,
            self.thrown_away.get(),
            self.most_foreign.get() * 100.0
        );
        println!("\n{}", self.ledger);
    }
}

/// How often a round is tried again, as a multiple of the rounds wanted.
const MOST_TRIES: usize = 3;
/// The share of one core that other programs may take of a round.
const MOST_FOREIGN: f64 = 0.25;
