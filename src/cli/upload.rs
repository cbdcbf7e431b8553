//! `mediagen upload`, and how any command sends a file ahead.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use futures_util::stream::{self, Stream};
use parking_lot::Mutex;
use serde_json::json;
use tokio::io::AsyncReadExt as _;

use super::client::{Client, ClientArgs, MAX_REPEATS, explain, pause};
use super::failure::{Exit, Failure, is_passing};
use super::json::time;
use super::progress::Progress;
use super::show;
use crate::pb::v1::upload_input_request::{Metadata, Part};
use crate::pb::v1::{UploadInputRequest, UploadInputResponse};

/// Flags of `upload`.
#[derive(Args, Clone, Debug)]
pub struct UploadArgs {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Its media type, as video/mp4 [default: told from its bytes]
    #[arg(
        long,
        value_name = "TYPE",
        default_value = "",
        hide_default_value = true
    )]
    content_type: String,
    #[command(flatten)]
    pub(super) connection: ClientArgs,
}

/// A file to be sent ahead.
#[derive(Clone, Debug)]
pub struct Upload {
    file: PathBuf,
    size: u64,
    content_type: String,
}

/// `upload`.
pub async fn run(args: &UploadArgs) -> Result<(), Failure> {
    let name = args.file.display();
    let about = std::fs::metadata(&args.file);
    let about = about.with_context(|| format!("{name} cannot be read"))?;
    if !about.is_file() {
        return Err(Failure::new(Exit::Usage, format!("{name} is no file")));
    }
    let mut client = args.connection.connect()?;
    let mut progress = Progress::new(args.connection.json);
    let upload = Upload::new(args.file.clone(), about.len(), &args.content_type);
    let kept = upload.send(&mut client, &mut progress).await?;
    progress.clear();
    if args.connection.json {
        return show::json(&json!({
            "upload_id": kept.upload_id,
            "size_bytes": kept.size_bytes,
            "sha256": kept.sha256,
            "content_type": kept.content_type,
            "expire_time": time(kept.expire_time.as_ref()),
        }));
    }
    show::line(&kept.upload_id)
}

impl Upload {
    /// A file of this size; an empty type is told from the bytes.
    pub fn new(file: PathBuf, size: u64, content_type: &str) -> Self {
        Self {
            file,
            size,
            content_type: content_type.to_owned(),
        }
    }

    /// Sends it, again from its start while the server is away: an upload costs nothing.
    pub async fn send(
        &self,
        client: &mut Client,
        progress: &mut Progress,
    ) -> Result<UploadInputResponse, Failure> {
        let mut attempt = 0;
        loop {
            match self.send_once(client, progress).await? {
                Ok(kept) => return Ok(kept),
                Err(status) if is_passing(&status) && attempt < MAX_REPEATS => {
                    progress.say("the server does not take the upload now; trying again");
                }
                Err(status) => {
                    let mut failure = explain(status);
                    let name = self.file.display();
                    failure.message.insert_str(0, &format!("{name}: "));
                    return Err(failure);
                }
            }
            tokio::time::sleep(pause(attempt)).await;
            attempt += 1;
        }
    }

    async fn send_once(
        &self,
        client: &mut Client,
        progress: &mut Progress,
    ) -> Result<Result<UploadInputResponse, tonic::Status>, Failure> {
        let name = self.file.display();
        let file = tokio::fs::File::open(&self.file).await;
        let file = file.with_context(|| format!("{name} cannot be opened"))?;
        let reading = Reading::default();
        let parts = self.parts(file, reading.clone());
        let call = client.upload_input(parts);
        tokio::pin!(call);
        let answer = loop {
            tokio::select! {
                answer = &mut call => break answer,
                () = tokio::time::sleep(REDRAW) => {
                    progress.sent(reading.sent.load(Ordering::Relaxed), self.size);
                }
            }
        };
        if let Some(error) = reading.error.lock().take() {
            return Err(error).with_context(|| format!("{name} cannot be read"))?;
        }
        if answer.is_ok() && self.size > WORTH_A_WORD {
            progress.sent(self.size, self.size);
        }
        Ok(answer.map(tonic::Response::into_inner))
    }

    /// The announcement, then the file. What cannot be read ends the stream early, which the server
    /// refuses because of the announced length.
    fn parts(
        &self,
        file: tokio::fs::File,
        reading: Reading,
    ) -> impl Stream<Item = UploadInputRequest> + Send + 'static {
        let file_name = self.file.file_name().unwrap_or_default().to_string_lossy();
        let plain = file_name.chars().filter(|letter| !letter.is_control());
        let metadata = Metadata {
            content_type: self.content_type.clone(),
            size_bytes: Some(self.size),
            file_name: plain.take(LONGEST_NAME).collect(),
        };
        let chunks = stream::unfold((file, reading), |(mut file, reading)| async move {
            let mut chunk = Vec::with_capacity(CHUNK);
            let limit = u64::try_from(CHUNK).unwrap_or(u64::MAX);
            match (&mut file).take(limit).read_to_end(&mut chunk).await {
                Ok(0) => None,
                Ok(read) => {
                    reading.sent.fetch_add(read as u64, Ordering::Relaxed);
                    Some((Part::Chunk(chunk.into()), (file, reading)))
                }
                Err(error) => {
                    *reading.error.lock() = Some(error);
                    None
                }
            }
        });
        let first = stream::once(async move { Part::Metadata(metadata) });
        let parts = futures_util::StreamExt::chain(first, chunks);
        futures_util::StreamExt::map(parts, |part| UploadInputRequest { part: Some(part) })
    }
}

/// How far the file was read, and what ended it.
#[derive(Clone, Debug, Default)]
struct Reading {
    sent: Arc<AtomicU64>,
    error: Arc<Mutex<Option<std::io::Error>>>,
}

/// Bytes of one message, which a server with small limits takes as well.
const CHUNK: usize = 64 << 10;
/// Between two looks at how much is sent.
const REDRAW: Duration = Duration::from_millis(250);
/// A file larger than this is mentioned where no bar is shown.
const WORTH_A_WORD: u64 = 4 << 20;
/// Longest name that a server takes.
const LONGEST_NAME: usize = 255;
