//! Secrets of the data folder: made once, so that what they seal outlives the process.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context as _;

use crate::config::callers::file::replace;

/// One secret of the data folder.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    /// The name of its file.
    pub name: &'static str,
    /// What it costs to have another in its place, for the operator.
    pub cost: &'static str,
}

impl Kept {
    /// The secret; a new one where there is none, which is on the disk before anything is sealed with it.
    ///
    /// # Errors
    /// When the file can be neither read nor written, or holds something else.
    pub(super) fn open(self, folder: &Path) -> anyhow::Result<[u8; 32]> {
        let path = folder.join(self.name);
        if let Some(known) = self.find(folder)? {
            make_private(&path);
            return Ok(known);
        }
        let secret: [u8; 32] = rand::random();
        let written = replace(&path, &secret);
        written.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(secret)
    }

    /// The secret, also of the folder of another process; `None` where there is none.
    ///
    /// # Errors
    /// When the file is there and cannot be read, or holds something else.
    pub(super) fn find(self, folder: &Path) -> anyhow::Result<Option<[u8; 32]>> {
        let path = folder.join(self.name);
        let known = match fs::read(&path) {
            Ok(known) => known,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        // It is written whole or not at all. A new one in its place would break, unsaid, what others
        // hold that was made with the old one.
        let length = known.len();
        let Ok(secret) = known.try_into() else {
            anyhow::bail!(
                "{} holds {length} bytes where it should hold 32: put back the file that was there, \
                 or remove it to have a new one made, by which {}",
                path.display(),
                self.cost,
            );
        };
        Ok(Some(secret))
    }
}

/// Takes a file from everybody else on this machine, if they could use it.
fn make_private(file: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let is_open = |known: fs::Metadata| known.permissions().mode() & 0o077 != 0;
        if !fs::metadata(file).is_ok_and(is_open) {
            return;
        }
        let path = file.display();
        if let Err(error) = fs::set_permissions(file, fs::Permissions::from_mode(0o600)) {
            tracing::warn!(%path, %error, "a secret could not be made private");
        } else {
            tracing::warn!(%path, "a secret was open to others on this machine; it is private now");
        }
    }
    let _ = file;
}

/// What addresses of outputs are signed with.
pub(super) const FILES: Kept = Kept {
    name: "files.key",
    cost: "every address of an output that was given out ends",
};
/// What pages of lists go on from.
pub(super) const PAGES: Kept = Kept {
    name: "page.key",
    cost: "every list that is being paged through begins again",
};
/// What secrets of webhooks are derived from.
pub(super) const WEBHOOKS: Kept = Kept {
    name: "webhook.key",
    cost: "every secret changes that `mediagen webhooks secret` printed of it",
};

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Kept = Kept {
        name: "some.key",
        cost: "all doors close",
    };

    #[test]
    fn a_secret_is_made_once_whole_and_private() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(KEY.find(folder.path()).unwrap(), None);
        let made = KEY.open(folder.path()).unwrap();
        let names = || {
            let files = fs::read_dir(folder.path()).unwrap();
            files
                .map(|file| file.unwrap().file_name())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(), ["some.key"], "nothing is left beside it");
        assert_eq!(KEY.open(folder.path()).unwrap(), made);
        assert_eq!(KEY.find(folder.path()).unwrap(), Some(made));
        assert_eq!(names(), ["some.key"]);
    }

    #[test]
    fn what_is_no_secret_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(KEY.name);
        for length in [0, 7, 31, 33] {
            fs::write(&path, vec![7; length]).unwrap();
            for refused in [
                KEY.open(folder.path()).map(drop),
                KEY.find(folder.path()).map(drop),
            ] {
                let told = format!("{:#}", refused.unwrap_err());
                let of = format!("{} holds {length} bytes", path.display());
                assert!(told.starts_with(&of) && told.ends_with(KEY.cost), "{told}");
            }
            assert_eq!(fs::read(&path).unwrap(), vec![7; length]);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_that_others_can_read_is_taken_from_them() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(KEY.name);
        let made = KEY.open(folder.path()).unwrap();
        let bits = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(bits(), 0o600);
        for (set, then) in [(0o644, 0o600), (0o660, 0o600), (0o400, 0o400)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(set)).unwrap();
            assert_eq!((KEY.open(folder.path()).unwrap(), bits()), (made, then));
        }
    }
}
