//! What the kernel says of the machine and of processes.

use std::fmt;
use std::fs;
use std::time::Duration;

use anyhow::Context as _;

/// What the figures were taken on.
#[derive(Debug)]
pub struct Machine {
    cores: usize,
    processor: String,
    memory_gib: u64,
    kernel: String,
}

impl Machine {
    pub fn read() -> anyhow::Result<Self> {
        let cpus = fs::read_to_string("/proc/cpuinfo")?;
        let processor = cpus
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
            .map_or("a processor without a name", |(_, name)| name);
        let memory = kib(&fs::read_to_string("/proc/meminfo")?, "MemTotal:")?;
        Ok(Self {
            cores: std::thread::available_parallelism()?.get(),
            processor: processor.to_owned(),
            memory_gib: memory >> 20,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?
                .trim()
                .to_owned(),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cores,
            processor,
            memory_gib,
            kernel,
        } = self;
        write!(
            out,
            "{cores} cores of {processor}, {memory_gib} GiB, Linux {kernel}, loopback"
        )
    }
}

/// The time that all programs together took so far, and that other guests took from this machine.
pub fn busy() -> anyhow::Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .map_while(|n| n.parse().ok())
        .collect();
    let [user, nice, system, _idle, _wait, _irq, _softirq, steal, ..] = ticks[..] else {
        anyhow::bail!("/proc/stat begins with {line:?}");
    };
    Ok(of_ticks(user + nice + system + steal))
}

/// The share of a core that is busy while nothing is measured.
pub async fn idle() -> anyhow::Result<f64> {
    let before = busy()?;
    tokio::time::sleep(IDLE).await;
    let took = busy()?.saturating_sub(before);
    Ok(took.as_secs_f64() / IDLE.as_secs_f64())
}

/// The time that this process took, with the children that have ended.
pub fn own() -> anyhow::Result<Duration> {
    let fields = stat("self")?;
    Ok(of_ticks(fields[11..15].iter().sum()))
}

/// What a process has taken.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Time on the cores.
    pub cpu: Duration,
    /// Bytes of memory that it holds.
    pub resident: u64,
    /// The most that it ever held, or since [`forget_peak`].
    pub peak: u64,
}

pub fn usage(pid: u32) -> anyhow::Result<Usage> {
    let fields = stat(&pid.to_string())?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    Ok(Usage {
        cpu: of_ticks(fields[11] + fields[12]),
        resident: kib(&status, "VmRSS:")? << 10,
        peak: kib(&status, "VmHWM:")? << 10,
    })
}

/// Begins the peak of a process's memory anew, at what it holds.
pub fn forget_peak(pid: u32) -> anyhow::Result<()> {
    // The number for it: see proc_pid_clear_refs(5).
    Ok(fs::write(format!("/proc/{pid}/clear_refs"), "5")?)
}

/// What a process and all that descend from it have taken. The peak is the sum of peaks, which need not
/// have been at one time.
pub fn family(pid: u32) -> anyhow::Result<Usage> {
    let mut sum = usage(pid)?;
    let parents = parents()?;
    let mut of = vec![pid];
    while let Some(parent) = of.pop() {
        for (child, _) in parents.iter().filter(|(_, of)| *of == parent) {
            of.push(*child);
            // One that has just ended holds nothing.
            if let Ok(more) = usage(*child) {
                sum.cpu += more.cpu;
                sum.resident += more.resident;
                sum.peak += more.peak;
            }
        }
    }
    Ok(sum)
}

/// Every process with its parent.
fn parents() -> anyhow::Result<Vec<(u32, u32)>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // It may have ended meanwhile.
        if let Ok(fields) = stat(&name.to_string_lossy()) {
            parents.push((pid, u32::try_from(fields[1])?));
        }
    }
    Ok(parents)
}

/// The numbers of `/proc/PID/stat` after the process's name and state, padded to their places.
fn stat(pid: &str) -> anyhow::Result<Vec<u64>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = stat.rsplit_once(')').context("a process without a name")?;
    let fields: Vec<u64> = rest
        .split_whitespace()
        .map(|n| n.parse().unwrap_or(0))
        .collect();
    anyhow::ensure!(fields.len() > 15, "/proc/{pid}/stat is short");
    Ok(fields)
}

fn kib(text: &str, name: &str) -> anyhow::Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.with_context(|| format!("no {name} here"))
}

/// The kernel counts in hundredths of a second wherever Linux runs.
fn of_ticks(ticks: u64) -> Duration {
    Duration::from_millis(ticks * 10)
}

/// How long a machine is watched that has nothing to do.
const IDLE: Duration = Duration::from_secs(2);
