//! What each process took: time on the cores and memory, for every target.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::machine::{self, Usage};
use crate::sample::{Unit, real};

/// The books of a run.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: Mutex<Vec<Entry>>,
}

/// All processes of one kind that a target had.
#[derive(Debug)]
struct Entry {
    target: String,
    process: String,
    count: usize,
    cpu: Duration,
    peak: u64,
}

/// What the client had taken when a target began.
#[derive(Debug)]
pub struct Begun {
    client: Duration,
}

impl Ledger {
    /// A target begins.
    pub fn begin(&self, target: &str) -> anyhow::Result<Begun> {
        let own = std::process::id();
        machine::forget_peak(own)?;
        self.entries().push(Entry::new(target, "client"));
        let client = machine::usage(own)?.cpu;
        Ok(Begun { client })
    }

    /// It is over, and so are its processes.
    pub fn end(&self, begun: &Begun) -> anyhow::Result<()> {
        let mut own = machine::usage(std::process::id())?;
        own.cpu = own.cpu.saturating_sub(begun.client);
        self.add("client", own);
        Ok(())
    }

    /// A process is about to end, and took this.
    pub fn add(&self, process: &str, took: Usage) {
        let mut entries = self.entries();
        let Some(target) = entries.last().map(|entry| entry.target.clone()) else {
            return;
        };
        let is_same = |entry: &Entry| entry.target == target && entry.process == process;
        let known = entries.iter().position(is_same);
        let at = known.unwrap_or_else(|| {
            entries.push(Entry::new(&target, process));
            entries.len() - 1
        });
        let entry = &mut entries[at];
        entry.count += 1;
        entry.cpu += took.cpu;
        entry.peak = entry.peak.max(took.peak);
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn new(target: &str, process: &str) -> Self {
        Self {
            target: target.to_owned(),
            process: process.to_owned(),
            count: 0,
            cpu: Duration::ZERO,
            peak: 0,
        }
    }
}

/// In Markdown. Time is the sum of all processes of a kind; memory the most that one of them held, at
/// any time or, where a target looks at peaks, since it last did.
impl fmt::Display for Ledger {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "|  | process | started | on the cores | most memory |")?;
        writeln!(out, "|--|---------|---------|--------------|-------------|")?;
        for entry in self.entries().iter() {
            let Entry {
                target,
                process,
                count,
                cpu,
                peak,
            } = entry;
            let (cpu, peak) = (cpu.as_secs_f64(), Unit::Bytes.say(real(*peak)));
            writeln!(
                out,
                "| {target} | {process} | {count} | {cpu:.1} s | {peak} |"
            )?;
        }
        Ok(())
    }
}
