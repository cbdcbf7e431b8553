//! The ledger's file: one JSON line for each accepted create.
//!
//! A line is handed to the operating system before the create is answered, so it survives a
//! `kill -9` of this process (not a power cut: it is not synced).

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use parking_lot::Mutex;

use super::book;
use super::task::Task;

/// The file, if one is wanted.
#[derive(Debug)]
pub struct Ledger {
    file: Option<Mutex<File>>,
}

impl Ledger {
    /// Opens the file for appending, creating it if needed.
    pub fn open(path: Option<&Path>) -> io::Result<Self> {
        let open = |path| OpenOptions::new().create(true).append(true).open(path);
        Ok(Self {
            file: path.map(open).transpose()?.map(Mutex::new),
        })
    }

    /// Appends the task's entry in one write, without a buffer of our own.
    pub fn append(&self, task: &Task, now_ms: i64) -> io::Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let mut line = serde_json::to_vec(&book::entry(task, now_ms))?;
        line.push(b'\n');
        file.lock().write_all(&line)
    }
}
