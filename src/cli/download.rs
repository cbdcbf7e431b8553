//! Downloads an output: to `FILE.part`, resumed by offset, verified by SHA-256, then renamed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};
use tonic::Status;

use super::client::{Client, MAX_REPEATS, explain, pause};
use super::failure::{Exit, Failure, is_passing};
use super::progress::Progress;
use super::show;
use crate::pb::v1::download_content_response::Part;
use crate::pb::v1::{DownloadContentRequest, Output};

/// What is downloaded, and where to.
#[derive(Clone, Debug)]
pub struct Download {
    /// The task.
    pub task_id: String,
    /// The output: its index, size and hash as the task tells them.
    pub output: Output,
    /// The file; `None` is standard output.
    pub file: Option<PathBuf>,
    /// The first byte. Past 0 the hash cannot be checked, and an earlier `.part` is not continued.
    pub offset: u64,
}

impl Download {
    /// Downloads all of it; afterwards the file is there, whole and verified.
    pub async fn run(&self, client: &mut Client, progress: &mut Progress) -> Result<(), Failure> {
        if self.offset > self.output.size_bytes {
            let text = format!(
                "--offset: the output has only {} bytes",
                self.output.size_bytes
            );
            return Err(Failure::new(Exit::Refused, text));
        }
        let Some(file) = &self.file else {
            let mut sink = Sink::new(Box::new(io::stdout()), self.offset);
            self.fill(client, &mut sink, progress).await?;
            return self.verify(sink);
        };
        let part = part_of(file);
        let mut sink = self.open(&part)?;
        let continued = sink.next > self.offset;
        if continued {
            progress.say(&format!(
                "continuing {} at byte {}",
                part.display(),
                sink.next
            ));
        }
        self.fill(client, &mut sink, progress).await?;
        let mut verdict = self.verify(sink);
        if verdict.is_err() && continued {
            progress.say("what an earlier run left was part of something else; beginning again");
            let _ = fs::remove_file(&part); // if it stays, the second verdict is as the first
            let mut sink = self.open(&part)?;
            self.fill(client, &mut sink, progress).await?;
            verdict = self.verify(sink);
        }
        if let Err(failure) = verdict {
            let _ = fs::remove_file(&part); // it holds wrong bytes: nothing to continue from
            return Err(failure);
        }
        publish(&part, file).with_context(|| format!("{} cannot be written", file.display()))?;
        Ok(())
    }

    /// Opens the partial file, and takes in what an earlier run left of it.
    fn open(&self, part: &Path) -> Result<Sink, Failure> {
        let what = || format!("{} cannot be written", part.display());
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(self.offset > 0);
        let mut file = options.open(part).with_context(what)?;
        let mut kept = Sink::new(Box::new(io::sink()), self.offset);
        if self.offset == 0 {
            io::copy(
                &mut Read::by_ref(&mut file).take(self.output.size_bytes),
                &mut kept,
            )
            .with_context(what)?;
            file.set_len(kept.next).with_context(what)?;
        }
        Ok(Sink {
            out: Box::new(file),
            ..kept
        })
    }

    /// Streams until the last byte is there, over as many calls as that takes.
    async fn fill(
        &self,
        client: &mut Client,
        sink: &mut Sink,
        progress: &mut Progress,
    ) -> Result<(), Failure> {
        let mut failures = 0;
        while sink.next < self.output.size_bytes {
            let before = sink.next;
            match self.stream(client, sink, progress).await {
                Ok(()) if sink.next < self.output.size_bytes => failures += 1,
                Ok(()) => break,
                Err(Broken::Ours(failure)) => return Err(failure),
                Err(Broken::Status(status)) if !is_passing(&status) || failures >= MAX_REPEATS => {
                    return Err(explain(*status));
                }
                Err(Broken::Status(_)) => failures += 1,
            }
            if sink.next > before {
                failures = 0;
            }
            if failures > MAX_REPEATS {
                return Err(Failure::new(
                    Exit::Unavailable,
                    "the server ends the download early each time",
                ));
            }
            tracing::debug!(
                task_id = self.task_id,
                offset = sink.next,
                "the download is resumed"
            );
            tokio::time::sleep(pause(failures)).await;
        }
        sink.flush().map_err(|error| self.unwritten(error))
    }

    fn unwritten(&self, error: io::Error) -> Failure {
        match &self.file {
            None => show::unwritten(&error),
            Some(_) => anyhow::Error::new(error)
                .context("what was downloaded cannot be written")
                .into(),
        }
    }

    async fn stream(
        &self,
        client: &mut Client,
        sink: &mut Sink,
        progress: &mut Progress,
    ) -> Result<(), Broken> {
        let request = DownloadContentRequest {
            task_id: self.task_id.clone(),
            output_index: self.output.index,
            offset: i64::try_from(sink.next).unwrap_or(i64::MAX),
            limit: 0,
            expected_sha256: self.output.sha256.clone(),
        };
        let mut stream = client.download_content(request).await?.into_inner();
        while let Some(message) = stream.message().await? {
            let Some(Part::Chunk(chunk)) = message.part else {
                continue;
            };
            if chunk.offset != sink.next {
                let text = format!(
                    "the server sent byte {} where {} was due",
                    chunk.offset, sink.next
                );
                return Err(Broken::Ours(Failure::new(Exit::Other, text)));
            }
            let written = sink.write_all(&chunk.data);
            written.map_err(|error| Broken::Ours(self.unwritten(error)))?;
            progress.bytes(sink.next, self.output.size_bytes);
        }
        Ok(())
    }

    fn verify(&self, sink: Sink) -> Result<(), Failure> {
        let is_whole = sink.next == self.output.size_bytes;
        let hash = hex::encode(sink.hash.finalize());
        if is_whole && (self.offset > 0 || hash == self.output.sha256) {
            return Ok(());
        }
        let text = format!(
            "what was downloaded differs from the output: {} bytes, sha256 {hash}, instead of {} bytes, sha256 {}",
            sink.next, self.output.size_bytes, self.output.sha256
        );
        Err(Failure::new(Exit::Other, text))
    }
}

/// Where bytes go: it counts and hashes them on their way.
struct Sink {
    out: Box<dyn Write + Send>,
    hash: Sha256,
    next: u64,
}

impl Sink {
    fn new(out: Box<dyn Write + Send>, next: u64) -> Self {
        Self {
            out,
            hash: Sha256::new(),
            next,
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.next += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Why a stream ended early.
enum Broken {
    Status(Box<Status>),
    Ours(Failure),
}

impl From<Status> for Broken {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

/// The file that holds a download until it is whole.
pub fn part_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

/// Puts the whole file in its place, so that a power cut leaves the old one or the new one.
fn publish(part: &Path, file: &Path) -> io::Result<()> {
    File::open(part)?.sync_all()?;
    fs::rename(part, file)?;
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let _ = File::open(folder).and_then(|folder| folder.sync_all()); // not every platform can
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn download(bytes: &[u8], offset: u64) -> Download {
        let sha256 = hex::encode(Sha256::digest(bytes));
        let output = Output {
            size_bytes: bytes.len() as u64,
            sha256,
            ..Output::default()
        };
        Download {
            task_id: "task_1".into(),
            output,
            file: None,
            offset,
        }
    }

    #[test]
    fn an_earlier_part_is_continued_and_counted_in_the_hash() {
        let folder = tempfile::tempdir().unwrap();
        let part = part_of(&folder.path().join("lake.mp4"));
        assert_eq!(part.file_name().unwrap(), "lake.mp4.part");
        fs::write(&part, b"hello ").unwrap();
        let download = download(b"hello world", 0);
        let mut sink = download.open(&part).unwrap();
        assert_eq!(sink.next, 6);
        sink.write_all(b"world").unwrap();
        download.verify(sink).unwrap();
        assert_eq!(fs::read(&part).unwrap(), b"hello world");
    }

    #[test]
    fn a_part_longer_than_the_output_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("x.part");
        fs::write(&part, b"hello worldwide").unwrap();
        let download = download(b"hello world", 0);
        download.verify(download.open(&part).unwrap()).unwrap();
        assert_eq!(fs::metadata(&part).unwrap().len(), 11);
    }

    #[test]
    fn wrong_bytes_are_told() {
        let download = download(b"hello world", 0);
        let mut sink = Sink::new(Box::new(io::sink()), 0);
        sink.write_all(b"hello w0rld").unwrap();
        assert!(
            download
                .verify(sink)
                .unwrap_err()
                .message
                .contains("differs")
        );
    }

    #[test]
    fn a_whole_file_takes_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        fs::write(part_of(&file), b"new").unwrap();
        fs::write(&file, b"old").unwrap();
        publish(&part_of(&file), &file).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert!(!part_of(&file).exists());
    }
}
