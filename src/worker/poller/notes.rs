//! When the provider was asked about which task lately, noted for the process that comes after this one.
//!
//! A provider is asked about a task once in a floor, through restarts too; and a restart should not keep
//! all tasks waiting for a whole floor. So each question is noted in a file before it is sent, and when it
//! is answered. Only the last moments matter: there are two files, and where one has been written for
//! long enough the other is begun anew. They are not synced. What a kill leaves is with the system; the
//! notes of another boot of the machine may have lost their end, and do not count.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::since_boot;
use crate::domain::id::TaskId;
use crate::domain::time::{Timestamp, millis};

/// The notes of this process. Without a place nothing is noted.
pub(super) struct Notes {
    place: Option<Place>,
    /// How long one file is written, in milliseconds.
    span: i64,
    /// The file that is written, one of the two, and since when.
    current: usize,
    open: Option<(File, SinceBoot)>,
    bytes: usize,
}

/// Where notes are kept, and in which boot of the machine.
struct Place {
    folder: PathBuf,
    boot: [u8; BOOT],
}

/// Milliseconds since the machine was booted.
type SinceBoot = i64;

/// What the process before this one noted.
pub(super) struct Before {
    asked: HashMap<TaskId, Timestamp>,
    /// All that was asked from then on is noted.
    since: Timestamp,
}

/// What is noted of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Note {
    /// It is about to be sent; it arrives at any moment until it is answered.
    Sent,
    /// It was answered, or is past its time.
    Answered,
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
        if let (Some(folder), None) = (folder, &place) {
            remove(folder);
        }
        Self::at(place, floor, now, booted())
    }

    fn at(
        place: Option<Place>,
        floor: Duration,
        now: Timestamp,
        booted: SinceBoot,
    ) -> (Self, Before) {
        let mut notes = Self {
            place,
            span: millis((floor * 2).max(SHORTEST_SPAN)),
            current: 0,
            open: None,
            bytes: 0,
        };
        let before = notes.read(now, booted);
        let before = before.unwrap_or_else(|| {
            // What is there must not count later either: questions from now on are in other files.
            if let Some(place) = &notes.place {
                remove(&place.folder);
            }
            Before::unknown(now)
        });
        (notes, before)
    }

    /// `None`: there is nothing, or something that cannot be trusted.
    fn read(&mut self, now: Timestamp, booted: SinceBoot) -> Option<Before> {
        let place = self.place.as_ref()?;
        let mut parts = Vec::new();
        for number in 0..FILES {
            if let Some(part) = place.part(number).ok()? {
                parts.push((number, part));
            }
        }
        parts.sort_by_key(|(_, part)| part.begun);
        let ago = |at: SinceBoot| {
            let ago = booted.checked_sub(at).filter(|ago| *ago >= 0)?;
            Some(Timestamp(now.0.saturating_sub(ago)))
        };
        let since = ago(parts.first()?.1.begun)?;
        let mut asked = HashMap::new();
        for (id, note, at) in parts.iter().flat_map(|(_, part)| &part.records) {
            let at = match note {
                Note::Sent => now,
                Note::Answered => ago(*at)?,
            };
            asked.insert(*id, at);
        }
        // Only now: what cannot be trusted is not gone on with.
        let (newest, part) = parts.last()?;
        self.current = *newest;
        let length = HEADER + part.records.len() * RECORD;
        if let Ok(file) = go_on(&place.path(*newest), length as u64) {
            self.open = Some((file, part.begun));
            self.bytes = length;
        }
        Some(Before { asked, since })
    }

    /// A question is about to be sent.
    pub(super) fn sent(&mut self, id: TaskId) {
        self.add(id, Note::Sent, booted());
    }

    /// It was answered, or is past its time.
    pub(super) fn answered(&mut self, id: TaskId) {
        self.add(id, Note::Answered, booted());
    }

    fn add(&mut self, id: TaskId, note: Note, booted: SinceBoot) {
        if self.place.is_none() {
            return;
        }
        if let Err(error) = self.write(id, note, booted) {
            self.give_up(&error);
        }
    }

    fn write(&mut self, id: TaskId, note: Note, booted: SinceBoot) -> io::Result<()> {
        let at = match note {
            Note::Sent => -booted,
            Note::Answered => booted,
        };
        let mut record = [0; RECORD];
        record[..ID].copy_from_slice(id.as_bytes());
        record[ID..].copy_from_slice(&at.to_le_bytes());
        let is_over = |begun: SinceBoot| {
            booted.saturating_sub(begun) >= self.span || self.bytes + RECORD > MOST_BYTES
        };
        if self.open.as_ref().is_none_or(|(_, begun)| is_over(*begun)) {
            self.begin(booted)?;
        }
        if let Some((file, _)) = &mut self.open {
            file.write_all(&record)?;
            self.bytes += RECORD;
        }
        Ok(())
    }

    /// Begins the file anew that was written before the last.
    fn begin(&mut self, booted: SinceBoot) -> io::Result<()> {
        let Some(place) = &self.place else {
            return Ok(());
        };
        self.current = (self.current + 1) % FILES;
        let mut header = [0; HEADER];
        header[..MAGIC.len()].copy_from_slice(MAGIC);
        header[MAGIC.len()..][..BOOT].copy_from_slice(&place.boot);
        header[MAGIC.len() + BOOT..].copy_from_slice(&booted.to_le_bytes());
        let mut file = File::create(place.path(self.current))?;
        file.write_all(&header)?;
        self.open = Some((file, booted));
        self.bytes = HEADER;
        Ok(())
    }

    /// A question is not noted: what was noted before must not be taken for all of it.
    fn give_up(&mut self, error: &io::Error) {
        tracing::warn!(%error, "cannot note when tasks were asked about: a restart waits longer");
        self.open = None;
        if let Some(place) = self.place.take() {
            remove(&place.folder);
        }
    }
}

impl Place {
    fn path(&self, number: usize) -> PathBuf {
        path(&self.folder, number)
    }

    /// What one of the files says; `None`: it is not there.
    fn part(&self, number: usize) -> Result<Option<Part>, Untrusted> {
        let file = match File::open(self.path(number)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(|_| Untrusted)?,
        };
        let mut bytes = Vec::new();
        let read = file.take(MOST_BYTES as u64).read_to_end(&mut bytes);
        read.map_err(|_| Untrusted)?;
        part(&bytes, &self.boot).ok_or(Untrusted).map(Some)
    }
}

/// A file is of another boot, damaged, or cannot be read.
struct Untrusted;

/// One file's notes.
struct Part {
    begun: SinceBoot,
    records: Vec<(TaskId, Note, SinceBoot)>,
}

fn part(bytes: &[u8], boot: &[u8]) -> Option<Part> {
    let rest = bytes.strip_prefix(MAGIC)?.strip_prefix(boot)?;
    let (begun, rest) = rest.split_first_chunk()?;
    // The last one may be cut off: what it was of was not sent.
    let records = rest.chunks_exact(RECORD).map(record);
    Some(Part {
        begun: i64::from_le_bytes(*begun),
        records: records.collect::<Option<_>>()?,
    })
}

fn record(bytes: &[u8]) -> Option<(TaskId, Note, SinceBoot)> {
    let (id, at) = bytes.split_first_chunk()?;
    let at = i64::from_le_bytes(at.try_into().ok()?);
    let note = if at < 0 { Note::Sent } else { Note::Answered };
    Some((TaskId::from_bytes(*id)?, note, at.checked_abs()?))
}

fn path(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("asked.{number}"))
}

fn remove(folder: &Path) {
    for number in 0..FILES {
        let _ = fs::remove_file(path(folder, number));
    }
}

/// Opens a file to write behind so many bytes.
fn go_on(path: &Path, length: u64) -> io::Result<File> {
    let file = OpenOptions::new().append(true).open(path)?;
    file.set_len(length)?;
    Ok(file)
}

fn booted() -> SinceBoot {
    millis(since_boot().unwrap_or_default())
}

/// Where Linux says which boot of the machine this is. Elsewhere nothing is noted.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Bytes of what it says.
const BOOT: usize = 36;
const MAGIC: &[u8; 8] = b"mgasked1";
/// Magic, boot, and when the file was begun, in milliseconds since then, little-endian.
const HEADER: usize = MAGIC.len() + BOOT + 8;
const ID: usize = 16;
/// A task's id, and when a question about it was answered, as above; less than 0: when it was sent.
const RECORD: usize = ID + 8;
const FILES: usize = 2;
/// A file is written for two floors, and at least for as long as a question may go without an answer: when
/// it is begun anew, what was sent in it is settled.
const SHORTEST_SPAN: Duration = Duration::from_secs(30);
/// The length of a file at most; then the other is begun.
const MOST_BYTES: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const FLOOR: Duration = Duration::from_secs(5);
    const BOOTED: [u8; BOOT] = [b'a'; BOOT];
    /// What the wall clock says at the boot of the machine.
    const WALL: i64 = 1_000_000;

    fn id(number: u8) -> TaskId {
        TaskId::new(1_000, [number; 10])
    }

    /// A moment by the wall clock.
    fn at(seconds: i64) -> Timestamp {
        Timestamp(WALL + seconds * 1_000)
    }

    fn open(data: &TempDir, boot: [u8; BOOT], seconds: i64) -> (Notes, Before) {
        let folder = data.path().to_owned();
        let place = Some(Place { folder, boot });
        Notes::at(place, FLOOR, at(seconds), seconds * 1_000)
    }

    /// A question that is answered at once.
    fn ask(notes: &mut Notes, number: u8, seconds: i64) {
        notes.add(id(number), Note::Sent, seconds * 1_000);
        notes.add(id(number), Note::Answered, seconds * 1_000);
    }

    #[test]
    fn what_was_asked_is_known_after_a_kill_and_what_was_not_as_well() {
        let data = TempDir::new().unwrap();
        let (mut notes, before) = open(&data, BOOTED, 0);
        assert_eq!(before.of(id(1)), at(0));
        ask(&mut notes, 1, 1);
        ask(&mut notes, 1, 7);
        ask(&mut notes, 2, 8);
        let (mut notes, before) = open(&data, BOOTED, 9);
        assert_eq!([1, 2, 3].map(|n| before.of(id(n))), [7, 8, 1].map(at));
        // It goes on where that one stopped, and forgets nothing of it.
        ask(&mut notes, 3, 9);
        let (_, before) = open(&data, BOOTED, 20);
        assert_eq!([1, 2, 3].map(|n| before.of(id(n))), [7, 8, 9].map(at));
    }

    #[test]
    fn what_was_not_answered_may_arrive_at_any_moment() {
        let data = TempDir::new().unwrap();
        let (mut notes, _) = open(&data, BOOTED, 0);
        ask(&mut notes, 1, 1);
        notes.add(id(1), Note::Sent, 7_000);
        assert_eq!(open(&data, BOOTED, 60).1.of(id(1)), at(60));
        notes.add(id(1), Note::Answered, 9_000);
        assert_eq!(open(&data, BOOTED, 60).1.of(id(1)), at(9));
    }

    #[test]
    fn a_wall_clock_that_is_set_moves_nothing() {
        let data = TempDir::new().unwrap();
        ask(&mut open(&data, BOOTED, 0).0, 1, 8);
        for wall in [0, 3_600, 7_200] {
            let folder = data.path().to_owned();
            let place = Some(Place {
                folder,
                boot: BOOTED,
            });
            let (_, before) = Notes::at(place, FLOOR, at(wall), 10_000);
            assert_eq!(before.of(id(1)), at(wall - 2));
        }
    }

    #[test]
    fn only_the_last_moments_are_kept_and_all_of_them() {
        let data = TempDir::new().unwrap();
        let (mut notes, _) = open(&data, BOOTED, 0);
        for second in 0..100 {
            ask(&mut notes, u8::try_from(second).unwrap(), second);
            let (_, before) = open(&data, BOOTED, second);
            assert!(before.since <= at((second - 30).max(0)), "{second}");
            for asked in (second - 30).max(0)..=second {
                assert_eq!(before.of(id(u8::try_from(asked).unwrap())), at(asked));
            }
        }
        let length = |number| path(data.path(), number).metadata().unwrap().len();
        assert!(length(0) + length(1) <= (2 * HEADER + 120 * RECORD) as u64);
    }

    #[test]
    fn notes_that_cannot_be_trusted_count_as_none_then_and_later() {
        let spoil: [fn(&Path); 4] = [
            |path| fs::write(path, b"").unwrap(),
            |path| fs::write(path, [b'x'; 2 * HEADER]).unwrap(),
            |path| {
                let mut bytes = fs::read(path).unwrap();
                bytes[HEADER..HEADER + ID].fill(0xff);
                fs::write(path, bytes).unwrap();
            },
            // Another boot, in which it was asked since.
            |path| {
                let mut bytes = fs::read(path).unwrap();
                bytes[MAGIC.len()..MAGIC.len() + BOOT].fill(b'b');
                fs::write(path, bytes).unwrap();
            },
        ];
        for spoil in spoil {
            for spoilt in 0..FILES {
                let data = TempDir::new().unwrap();
                let (mut notes, _) = open(&data, BOOTED, 0);
                ask(&mut notes, 1, 1);
                ask(&mut notes, 2, 32);
                spoil(&path(data.path(), spoilt));
                let (mut notes, before) = open(&data, BOOTED, 40);
                assert_eq!([1, 2].map(|n| before.of(id(n))), [at(40); 2]);
                ask(&mut notes, 2, 41);
                let (_, before) = open(&data, BOOTED, 50);
                assert_eq!([1, 2].map(|n| before.of(id(n))), [at(41); 2]);
            }
        }
    }

    #[test]
    fn another_boot_tells_nothing() {
        let data = TempDir::new().unwrap();
        ask(&mut open(&data, BOOTED, 0).0, 1, 1);
        assert_eq!(open(&data, [b'b'; BOOT], 9).1.of(id(1)), at(9));
        assert_eq!(open(&data, BOOTED, 19).1.of(id(1)), at(19));
        // Nor does a time that has not come.
        ask(&mut open(&data, BOOTED, 20).0, 1, 20);
        ask(&mut open(&data, BOOTED, 20).0, 1, 29);
        let (mut notes, before) = open(&data, BOOTED, 21);
        assert_eq!(before.of(id(1)), at(21));
        // And what is noted from then on is kept.
        ask(&mut notes, 1, 22);
        assert_eq!(open(&data, BOOTED, 23).1.of(id(1)), at(22));
    }

    #[test]
    fn a_note_that_was_cut_off_is_written_over() {
        let data = TempDir::new().unwrap();
        ask(&mut open(&data, BOOTED, 0).0, 1, 1);
        let path = path(data.path(), 1);
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(&[1, 2, 3]);
        fs::write(&path, bytes).unwrap();
        ask(&mut open(&data, BOOTED, 2).0, 2, 3);
        let (_, before) = open(&data, BOOTED, 4);
        assert_eq!([1, 2, 3].map(|n| before.of(id(n))), [1, 3, 1].map(at));
    }

    #[test]
    fn what_cannot_be_noted_leaves_nothing_that_looks_whole() {
        let data = TempDir::new().unwrap();
        let (mut notes, _) = open(&data, BOOTED, 0);
        ask(&mut notes, 1, 1);
        // The next file cannot be made.
        fs::create_dir(path(data.path(), 0)).unwrap();
        ask(&mut notes, 1, 40);
        assert!(!path(data.path(), 1).exists());
        ask(&mut notes, 1, 41);
        assert_eq!(open(&data, BOOTED, 42).1.of(id(1)), at(42));
    }
}
