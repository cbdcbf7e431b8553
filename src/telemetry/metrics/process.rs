//! The process as Linux shows it in `/proc`; elsewhere nothing is told.

use super::table;

/// Looks at memory and descriptors.
pub fn look() {
    if let Some(bytes) = resident_bytes() {
        table::MEMORY.at(&[]).set(super::float(bytes));
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        let open = u64::try_from(open.count()).unwrap_or(u64::MAX);
        table::DESCRIPTORS.at(&[]).set(super::float(open));
    }
}

fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}
