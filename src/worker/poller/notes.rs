//! When the provider was asked about which task lately, noted for the process that comes after this one.
//!
//! A provider is asked about a task once in a floor, through restarts too; and a restart should not keep
//! all tasks waiting for a whole floor. So each question is noted in a file before it is sent. Only the
//! last moments matter: there are two files, and where one has been written for long enough the other
//! is begun anew. They are not synced. What a kill leaves is with the system; the notes of another boot
//! of the machine may have lost their end, and do not count.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::domain::id::TaskId;
use crate::domain::time::Timestamp;

/// The notes of this process. Without a folder nothing is noted.
pub(super) struct Notes {
    place: Option<Place>,
    /// How long one file is written.
    span: Duration,
    /// The file that is written, one of the two, and since when.
    current: usize,
    open: Option<(File, Timestamp)>,
    bytes: usize,
}

/// Where notes are kept, and in which boot of the machine.
struct Place {
    folder: PathBuf,
    boot: [u8; BOOT],
}

/// What the process before this one noted.
pub(super) struct Before {
    asked: HashMap<TaskId, Timestamp>,
    /// All that was asked from then on is noted.
    since: Timestamp,
}

impl Before {
    /// Nothing is known: anything may have been asked a moment ago.
    fn unknown(now: Timestamp) -> Self {
        Self {
            asked: HashMap::new(),
            since: now,
        }
    }

    /// The last moment at which the provider may have been asked about a task.
    pub(super) fn of(&self, id: TaskId) -> Timestamp {
        self.asked.get(&id).copied().unwrap_or(self.since)
    }
}

impl Notes {
    /// Reads what is there and goes on with it. Blocks for the files.
    pub(super) fn open(folder: Option<&Path>, floor: Duration, now: Timestamp) -> (Self, Before) {
        let boot = fs::read(BOOT_ID).ok();
        let boot = boot.and_then(|read| read.trim_ascii().try_into().ok());
        let place = folder.zip(boot).map(|(folder, boot)| Place {
            folder: folder.to_owned(),
            boot,
        });
        Self::at(place, floor, now)
    }

    fn at(place: Option<Place>, floor: Duration, now: Timestamp) -> (Self, Before) {
        let mut notes = Self {
            place,
            span: (floor * 2).max(SHORTEST_SPAN),
            current: 0,
            open: None,
            bytes: 0,
        };
        let before = notes.read(now);
        (notes, before)
    }

    fn read(&mut self, now: Timestamp) -> Before {
        let Some(place) = &self.place else {
            return Before::unknown(now);
        };
        let mut parts: Vec<(usize, Part)> = (0..FILES)
            .filter_map(|number| Some((number, place.part(number)?)))
            .collect();
        parts.sort_by_key(|(_, part)| part.begun);
        let Some((newest, part)) = parts.last() else {
            return Before::unknown(now);
        };
        self.current = *newest;
        if part.begun > now {
            // The clock was set back: no time in them can be told.
            return Before::unknown(now);
        }
        let path = place.path(*newest);
        let length = HEADER + part.records.len() * RECORD;
        if let Ok(file) = go_on(&path, length as u64) {
            self.open = Some((file, part.begun));
            self.bytes = length;
        }
        let since = parts[0].1.begun;
        let mut asked: HashMap<TaskId, Timestamp> = HashMap::new();
        for (id, at) in parts.into_iter().flat_map(|(_, part)| part.records) {
            let last = asked.entry(id).or_insert(at);
            *last = at.max(*last).min(now);
        }
        Before { asked, since }
    }

    /// Notes a question that is about to be sent.
    pub(super) fn add(&mut self, id: TaskId, now: Timestamp) {
        if self.place.is_none() {
            return;
        }
        if let Err(error) = self.write(id, now) {
            self.give_up(&error);
        }
    }

    fn write(&mut self, id: TaskId, now: Timestamp) -> io::Result<()> {
        let mut record = [0; RECORD];
        record[..ID].copy_from_slice(id.as_bytes());
        record[ID..].copy_from_slice(&now.0.to_le_bytes());
        let is_over = |begun: Timestamp| {
            now < begun || now.since(begun) >= self.span || self.bytes + RECORD > MOST_BYTES
        };
        if self.open.as_ref().is_none_or(|(_, begun)| is_over(*begun)) {
            self.begin(now)?;
        }
        if let Some((file, _)) = &mut self.open {
            file.write_all(&record)?;
            self.bytes += RECORD;
        }
        Ok(())
    }

    /// Begins the file anew that was written before the last.
    fn begin(&mut self, now: Timestamp) -> io::Result<()> {
        let Some(place) = &self.place else {
            return Ok(());
        };
        self.current = (self.current + 1) % FILES;
        let mut header = [0; HEADER];
        header[..MAGIC.len()].copy_from_slice(MAGIC);
        header[MAGIC.len()..][..BOOT].copy_from_slice(&place.boot);
        header[MAGIC.len() + BOOT..].copy_from_slice(&now.0.to_le_bytes());
        let mut file = File::create(place.path(self.current))?;
        file.write_all(&header)?;
        self.open = Some((file, now));
        self.bytes = HEADER;
        Ok(())
    }

    /// A question is not noted: what was noted before must not be taken for all of it.
    fn give_up(&mut self, error: &io::Error) {
        tracing::warn!(%error, "cannot note when tasks were asked about: a restart waits longer");
        self.open = None;
        if let Some(place) = self.place.take() {
            for number in 0..FILES {
                let _ = fs::remove_file(place.path(number));
            }
        }
    }
}

impl Place {
    fn path(&self, number: usize) -> PathBuf {
        self.folder.join(format!("asked.{number}"))
    }

    /// What one of the files says; `None`: it is not there, of another boot, or no such file.
    fn part(&self, number: usize) -> Option<Part> {
        let file = File::open(self.path(number)).ok()?;
        let mut bytes = Vec::new();
        file.take(MOST_BYTES as u64).read_to_end(&mut bytes).ok()?;
        let rest = bytes.strip_prefix(MAGIC)?.strip_prefix(&self.boot)?;
        let (begun, rest) = rest.split_first_chunk()?;
        // The last one may be cut off: what it was of was not sent.
        let records = rest.chunks_exact(RECORD).map(record);
        Some(Part {
            begun: Timestamp(i64::from_le_bytes(*begun)),
            records: records.collect::<Option<_>>()?,
        })
    }
}

/// One file's notes.
struct Part {
    begun: Timestamp,
    records: Vec<(TaskId, Timestamp)>,
}

fn record(bytes: &[u8]) -> Option<(TaskId, Timestamp)> {
    let (id, at) = bytes.split_first_chunk()?;
    let at = i64::from_le_bytes(at.try_into().ok()?);
    Some((TaskId::from_bytes(*id)?, Timestamp(at)))
}

/// Opens a file to write behind so many bytes.
fn go_on(path: &Path, length: u64) -> io::Result<File> {
    let file = OpenOptions::new().append(true).open(path)?;
    file.set_len(length)?;
    Ok(file)
}

/// Where Linux says which boot of the machine this is. Elsewhere nothing is noted.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Bytes of what it says.
const BOOT: usize = 36;
const MAGIC: &[u8; 8] = b"mgasked1";
/// Magic, boot, and when the file was begun, in milliseconds since the Unix epoch, little-endian.
const HEADER: usize = MAGIC.len() + BOOT + 8;
const ID: usize = 16;
/// A task's id, and when it was asked about, as above.
const RECORD: usize = ID + 8;
const FILES: usize = 2;
/// A file is written for two floors, and at least so long.
const SHORTEST_SPAN: Duration = Duration::from_secs(10);
/// The length of a file at most; then the other is begun.
const MOST_BYTES: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const FLOOR: Duration = Duration::from_secs(5);
    const BOOTED: [u8; BOOT] = [b'a'; BOOT];

    fn id(number: u8) -> TaskId {
        TaskId::new(1_000, [number; 10])
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp(1_000_000 + seconds * 1_000)
    }

    fn open(data: &TempDir, boot: [u8; BOOT], now: Timestamp) -> (Notes, Before) {
        let folder = data.path().to_owned();
        Notes::at(Some(Place { folder, boot }), FLOOR, now)
    }

    #[test]
    fn what_was_asked_is_known_after_a_kill_and_what_was_not_as_well() {
        let data = TempDir::new().unwrap();
        let (mut notes, before) = open(&data, BOOTED, at(0));
        assert_eq!(before.of(id(1)), at(0));
        notes.add(id(1), at(1));
        notes.add(id(1), at(7));
        notes.add(id(2), at(8));
        let (mut notes, before) = open(&data, BOOTED, at(9));
        assert_eq!([1, 2, 3].map(|n| before.of(id(n))), [7, 8, 1].map(at));
        // It goes on where that one stopped, and forgets nothing of it.
        notes.add(id(3), at(9));
        let (_, before) = open(&data, BOOTED, at(20));
        assert_eq!([1, 2, 3].map(|n| before.of(id(n))), [7, 8, 9].map(at));
    }

    #[test]
    fn only_the_last_moments_are_kept_and_all_of_them() {
        let data = TempDir::new().unwrap();
        let (mut notes, _) = open(&data, BOOTED, at(0));
        for second in 0..100 {
            notes.add(id(u8::try_from(second).unwrap()), at(second));
            let (_, before) = open(&data, BOOTED, at(second));
            assert!(before.since <= at((second - 10).max(0)), "{second}");
            for asked in (second - 10).max(0)..=second {
                assert_eq!(before.of(id(u8::try_from(asked).unwrap())), at(asked));
            }
        }
        let length = |number: usize| {
            let path = data.path().join(format!("asked.{number}"));
            path.metadata().unwrap().len()
        };
        assert!(length(0) + length(1) <= (2 * HEADER + 20 * RECORD) as u64);
    }

    #[test]
    fn notes_that_cannot_be_trusted_count_as_none() {
        let now = at(5);
        let spoil: [fn(&Path); 4] = [
            |path| fs::write(path, b"").unwrap(),
            |path| {
                fs::write(
                    path,
                    b"no such file, but long enough to have a header, or more",
                )
                .unwrap();
            },
            |path| {
                let mut bytes = fs::read(path).unwrap();
                bytes[HEADER..HEADER + ID].fill(0xff);
                fs::write(path, bytes).unwrap();
            },
            |path| fs::remove_file(path).unwrap(),
        ];
        for spoil in spoil {
            let data = TempDir::new().unwrap();
            open(&data, BOOTED, at(0)).0.add(id(1), at(1));
            spoil(&data.path().join("asked.1"));
            let (mut notes, before) = open(&data, BOOTED, now);
            assert_eq!(before.of(id(1)), now);
            notes.add(id(1), now);
            assert_eq!(open(&data, BOOTED, at(9)).1.of(id(1)), now);
        }
    }

    #[test]
    fn another_boot_and_a_clock_that_was_set_back_tell_nothing() {
        let data = TempDir::new().unwrap();
        open(&data, BOOTED, at(0)).0.add(id(1), at(1));
        assert_eq!(open(&data, [b'b'; BOOT], at(9)).1.of(id(1)), at(9));
        assert_eq!(open(&data, BOOTED, at(-9)).1.of(id(1)), at(-9));
        // A time to come is now at most.
        open(&data, BOOTED, at(2)).0.add(id(2), at(7));
        assert_eq!(open(&data, BOOTED, at(3)).1.of(id(2)), at(3));
    }

    #[test]
    fn a_note_that_was_cut_off_is_written_over() {
        let data = TempDir::new().unwrap();
        open(&data, BOOTED, at(0)).0.add(id(1), at(1));
        let path = data.path().join("asked.1");
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(&[1, 2, 3]);
        fs::write(&path, bytes).unwrap();
        open(&data, BOOTED, at(2)).0.add(id(2), at(3));
        let (_, before) = open(&data, BOOTED, at(4));
        assert_eq!([1, 2, 3].map(|n| before.of(id(n))), [1, 3, 1].map(at));
    }

    #[test]
    fn what_cannot_be_noted_leaves_nothing_that_looks_whole() {
        let data = TempDir::new().unwrap();
        let (mut notes, _) = open(&data, BOOTED, at(0));
        notes.add(id(1), at(1));
        // The next file cannot be made.
        fs::create_dir(data.path().join("asked.0")).unwrap();
        notes.add(id(1), at(30));
        assert!(!data.path().join("asked.1").exists());
        notes.add(id(1), at(31));
        assert_eq!(open(&data, BOOTED, at(32)).1.of(id(1)), at(32));
    }
}
