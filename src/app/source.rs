//! Where a configuration comes from, to be read again: a file, the environment and flags, and the
//! files that these name.
//!
//! Files are looked at, not subscribed to: a look each second costs nothing, and sees what watches
//! of the system miss (a symlink that is switched, a file that is replaced, a network's disk). What
//! matters is what is in a file, not when it was written.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use crate::config::{Config, Environment, Problems, Setting};

/// Where a configuration comes from.
#[derive(Debug)]
pub struct Source {
    file: Option<PathBuf>,
    env: Environment,
    settings: Vec<Setting>,
    read: Mutex<Stamps>,
}

/// What stands in each file that a configuration was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamps(BTreeMap<PathBuf, Stamp>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stamp {
    /// It is not there, or cannot be read.
    Missing,
    /// It holds this.
    Content([u8; 32]),
    /// It is too large to be read at each look.
    Large(u64, Option<SystemTime>),
}

impl Source {
    /// A source of these layers; nothing is read yet.
    pub fn new(file: Option<PathBuf>, env: Environment, settings: Vec<Setting>) -> Self {
        Self {
            file,
            env,
            settings,
            read: Mutex::default(),
        }
    }

    /// Reads all of it. Blocks.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn load(&self) -> Result<Config, Problems> {
        let mut loaded = self.load_once();
        for _ in 1..MAX_READS {
            // A file that was written meanwhile may have been read in half.
            if self.look() == *self.read.lock() {
                break;
            }
            loaded = self.load_once();
        }
        loaded
    }

    fn load_once(&self) -> Result<Config, Problems> {
        let before = self.look();
        let loaded = Config::load(self.file.as_deref(), &self.env, &self.settings);
        *self.read.lock() = match &loaded {
            // Files that it is the first to name are taken as they are now.
            Ok(config) => Stamps::of(self.file.iter().chain(&config.files), before),
            Err(_) => before,
        };
        loaded
    }

    /// What stands in the files now that were read last, and in the configuration's own.
    pub(super) fn look(&self) -> Stamps {
        let known: Vec<PathBuf> = self.read.lock().0.keys().cloned().collect();
        Stamps::of(self.file.iter().chain(&known), Stamps::default())
    }

    /// What stood in the files when they were read last.
    pub(super) fn seen(&self) -> Stamps {
        self.read.lock().clone()
    }

    /// Whether there is anything to look at.
    pub(super) fn has_files(&self) -> bool {
        self.file.is_some() || !self.read.lock().0.is_empty()
    }
}

impl Stamps {
    /// The files' stamps, of those that are in `known` as there.
    fn of<'a>(files: impl Iterator<Item = &'a PathBuf>, mut known: Self) -> Self {
        let stamp = |path: &PathBuf| {
            let stamp = known.0.remove(path);
            stamp.unwrap_or_else(|| Stamp::of(path))
        };
        let mut files: Vec<&PathBuf> = files.collect();
        files.sort();
        files.dedup();
        let mut stamp = stamp;
        Self(
            files
                .into_iter()
                .map(|path| (path.clone(), stamp(path)))
                .collect(),
        )
    }
}

impl Stamp {
    fn of(path: &Path) -> Self {
        match fs::metadata(path) {
            // Anything else may block, or never end.
            Ok(meta) if !meta.is_file() => Self::Missing,
            Ok(meta) if meta.len() > MAX_HASHED => Self::Large(meta.len(), meta.modified().ok()),
            Ok(_) => Self::read(path).unwrap_or(Self::Missing),
            Err(_) => Self::Missing,
        }
    }

    fn read(path: &Path) -> std::io::Result<Self> {
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_HASHED).read_to_end(&mut bytes)?;
        Ok(Self::Content(Sha256::digest(&bytes).into()))
    }
}

/// Files up to this size are compared by what is in them.
const MAX_HASHED: u64 = 1 << 20;
/// How often files are read again that change while they are read; the next look goes on.
const MAX_READS: usize = 4;

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn source(folder: &TempDir, text: &str) -> (Source, PathBuf) {
        let file = folder.path().join("mediagen.yaml");
        fs::write(&file, text).unwrap();
        let env = Environment::default();
        (Source::new(Some(file.clone()), env, Vec::new()), file)
    }

    #[test]
    fn what_is_in_a_file_matters_and_not_when_it_was_written() {
        let folder = TempDir::new().unwrap();
        let (source, file) = source(&folder, "sandbox: true");
        source.load().unwrap();
        assert_eq!(source.look(), source.seen());
        fs::write(&file, "sandbox: true").unwrap();
        assert_eq!(source.look(), source.seen(), "the same was written again");
        fs::write(&file, "sandbox: perhaps").unwrap();
        assert_ne!(source.look(), source.seen());
        assert!(source.load().is_err());
        assert_eq!(source.look(), source.seen(), "it was read, though refused");
        fs::remove_file(&file).unwrap();
        assert_ne!(source.look(), source.seen());
    }

    #[test]
    fn files_that_the_configuration_names_are_followed() {
        let folder = TempDir::new().unwrap();
        let key = folder.path().join("key");
        fs::write(&key, "key_1\n").unwrap();
        let text = format!("runway: {{api_key_file: {}}}", key.display());
        let (source, _) = source(&folder, &text);
        source.load().unwrap();
        assert_eq!(source.look(), source.seen());
        fs::write(&key, "key_2\n").unwrap();
        assert_ne!(source.look(), source.seen());
        source.load().unwrap();
        assert_eq!(source.look(), source.seen());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_is_switched_is_a_change_and_a_pipe_is_no_file() {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("one"), "sandbox: true").unwrap();
        fs::write(at("two"), "sandbox: true\n").unwrap();
        std::os::unix::fs::symlink(at("one"), at("link")).unwrap();
        let source = Source::new(Some(at("link")), Environment::default(), Vec::new());
        source.load().unwrap();
        std::os::unix::fs::symlink(at("two"), at("next")).unwrap();
        fs::rename(at("next"), at("link")).unwrap();
        assert_ne!(source.look(), source.seen());
        assert_eq!(Stamp::of(Path::new("/dev/zero")), Stamp::Missing);
    }
}
