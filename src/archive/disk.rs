//! The archive's folder as the file system sees it: what objects of a store do not tell.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio::task::JoinHandle;

use super::{ArchiveError, unavailable};

/// Runs file work off the reactor.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, ArchiveError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(ArchiveError::Unavailable(
            "the work was abandoned".to_owned(),
        ))
    })
}

/// Removes what a crashed writer of `name` left: the store stages under `name#<n>`.
pub(super) fn remove_staged(folder: &Path, name: &str) -> Result<(), ArchiveError> {
    for entry in entries(folder)? {
        let file = entry.map_err(|error| unavailable(&error))?.file_name();
        if file.to_str().is_some_and(|file| is_staged(file, name)) {
            fine_if_missing(fs::remove_file(folder.join(file)))?;
        }
    }
    Ok(())
}

/// Begins to write to the disk what is staged under `name`, so that the end has less to wait for. What
/// goes wrong here goes wrong there too, and is told there.
pub(super) fn write_out(folder: PathBuf, name: String) -> JoinHandle<()> {
    tokio::task::spawn_blocking(move || {
        let found = entries(&folder).into_iter().flatten().flatten();
        let staged = found.filter(|entry| {
            let file = entry.file_name();
            file.to_str().is_some_and(|file| is_staged(file, &name))
        });
        for entry in staged {
            let _ = fs::File::open(entry.path()).and_then(|file| file.sync_data());
        }
    })
}

pub(super) fn remove_folder(folder: &Path) -> Result<(), ArchiveError> {
    fine_if_missing(fs::remove_dir_all(folder))
}

/// The folders whose names are ids of a kind.
pub(super) fn ids<T: FromStr>(root: &Path) -> Result<Vec<T>, ArchiveError> {
    let mut found = Vec::new();
    for entry in entries(root)? {
        let name = entry.map_err(|error| unavailable(&error))?.file_name();
        found.extend(name.to_str().and_then(|name| name.parse().ok()));
    }
    Ok(found)
}

/// The bytes of all files of all folders, staged ones too: they use the disk as well. A file of
/// several names counts for each, as it does when it gets them.
pub(super) fn used_bytes(root: &Path) -> Result<u64, ArchiveError> {
    let mut used = 0;
    for folder in entries(root)? {
        let folder = folder.map_err(|error| unavailable(&error))?.path();
        for file in entries(&folder)? {
            // A file may vanish while it is looked at.
            let size = file
                .and_then(|file| file.metadata())
                .map_or(0, |file| file.len());
            used += size;
        }
    }
    Ok(used)
}

/// What the disk has left for us, where that is cheaply known.
#[cfg(unix)]
pub(super) fn free_bytes(root: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(root).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// What the disk has left for us, where that is cheaply known.
#[cfg(not(unix))]
pub(super) fn free_bytes(_root: &Path) -> Option<u64> {
    None
}

fn is_staged(file: &str, name: &str) -> bool {
    let number = file
        .strip_prefix(name)
        .and_then(|rest| rest.strip_prefix('#'));
    number.is_some_and(|number| number.bytes().all(|digit| digit.is_ascii_digit()))
}

/// The entries of a folder; none if it is missing or no folder.
fn entries(folder: &Path) -> Result<impl Iterator<Item = io::Result<fs::DirEntry>>, ArchiveError> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(Some(entries).into_iter().flatten()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None.into_iter().flatten())
        }
        Err(error) => Err(unavailable(&error)),
    }
}

fn fine_if_missing(done: io::Result<()>) -> Result<(), ArchiveError> {
    match done {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(unavailable(&error)),
        _ => Ok(()),
    }
}
