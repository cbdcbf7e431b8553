//! Secrets of the data folder: made once, so that what they seal outlives the process.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use anyhow::Context as _;

/// The secret of that name; a new one where there is none.
///
/// # Errors
/// When the file can be neither read nor written.
pub(super) fn kept(folder: &Path, name: &str) -> anyhow::Result<[u8; 32]> {
    let path = folder.join(name);
    let told = || format!("cannot use {}", path.display());
    match std::fs::read(&path) {
        // A torn or foreign file is replaced: what it costs is what was sealed before.
        Ok(known) if known.len() == 32 => return Ok(known.try_into().unwrap_or_default()),
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).with_context(told),
        Ok(_) | Err(_) => {}
    }
    let secret: [u8; 32] = rand::random();
    let written = private(&path).and_then(|mut file| file.write_all(&secret));
    written.with_context(told)?;
    Ok(secret)
}

fn private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The secret of that name; `None` where there is none that is whole.
///
/// # Errors
/// When the file is there and cannot be read.
pub(super) fn found(folder: &Path, name: &str) -> anyhow::Result<Option<[u8; 32]>> {
    let path = folder.join(name);
    match std::fs::read(&path) {
        Ok(known) => Ok(known.try_into().ok()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}
