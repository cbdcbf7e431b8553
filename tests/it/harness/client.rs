//! Calls as a caller writes them, and the requests that most tests send.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mediagen::pb::v1::download_content_response as downloaded;
use mediagen::pb::v1::media_generation_client::MediaGenerationClient;
use mediagen::pb::v1::upload_input_request::{Metadata, Part};
use mediagen::pb::v1::watch_task_response::Event;
use mediagen::pb::v1::{
    CreateRequest, DownloadContentRequest, InputReference, Operation, StatusRequest, Task,
    TaskStatus, UploadInputRequest, UploadInputResponse, WatchTaskRequest, input_reference::Source,
};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use super::within;

/// A client of the generated code, as any caller has it.
pub type Client = MediaGenerationClient<Channel>;

/// A client that connects when it is first used, and again whenever it must.
pub fn connect(address: SocketAddr) -> Client {
    over(channel(address))
}

/// A channel on its own.
pub fn channel(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    endpoint
        .connect_timeout(Duration::from_secs(5))
        .connect_lazy()
}

/// A client that takes in 64 KiB and no more before it reads on, so that a server cannot have sent
/// all of a download whose reader is slow.
pub fn narrow(address: SocketAddr) -> Client {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let endpoint = endpoint
        .initial_stream_window_size(65_535)
        .initial_connection_window_size(65_535);
    over(endpoint.connect_lazy())
}

/// A client over a channel.
pub fn over(channel: Channel) -> Client {
    MediaGenerationClient::new(channel).max_decoding_message_size(64 << 20)
}

/// Creates a task.
pub async fn create(client: &Client, request: CreateRequest) -> Result<Task, Status> {
    let mut client = client.clone();
    let answer = within("the answer to Create", client.create(request)).await?;
    Ok(answer.into_inner().task.unwrap())
}

/// Reads a task.
pub async fn status(client: &Client, id: &str) -> Result<Task, Status> {
    let mut client = client.clone();
    let request = StatusRequest { task_id: id.into() };
    let answer = within("the answer to Status", client.status(request)).await?;
    Ok(answer.into_inner().task.unwrap())
}

/// What a watch says, until it ends.
pub struct Watched {
    /// Every task that came, in order.
    pub tasks: Vec<Task>,
    /// Revisions of the heartbeats that came.
    pub heartbeats: Vec<u64>,
    /// How the stream ended.
    pub end: Result<(), Status>,
}

/// Watches a task from a revision on until the stream ends.
pub async fn watch(client: &Client, id: &str, after_revision: u64) -> Watched {
    let mut client = client.clone();
    let request = WatchTaskRequest {
        task_id: id.into(),
        after_revision,
    };
    let mut watched = Watched {
        tasks: Vec::new(),
        heartbeats: Vec::new(),
        end: Ok(()),
    };
    let mut stream = match within("the answer to WatchTask", client.watch_task(request)).await {
        Ok(stream) => stream.into_inner(),
        Err(status) => {
            watched.end = Err(status);
            return watched;
        }
    };
    loop {
        match within("the next word of a watch", stream.message()).await {
            Ok(Some(message)) => match message.event.unwrap() {
                Event::Task(task) => watched.tasks.push(task),
                Event::Heartbeat(beat) => watched.heartbeats.push(beat.revision),
            },
            Ok(None) => return watched,
            Err(status) => {
                watched.end = Err(status);
                return watched;
            }
        }
    }
}

/// Follows a task to its end.
pub async fn finish(client: &Client, id: &str) -> Task {
    let mut watched = within("a task's end", watch(client, id, 0)).await;
    watched.end.unwrap();
    let last = watched.tasks.pop().unwrap();
    assert!(is_terminal(&last), "{last:#?}");
    last
}

/// A download, as far as it came.
pub struct Downloaded {
    /// The first message, if it came.
    pub metadata: Option<downloaded::Metadata>,
    /// The bytes, whose offsets were checked.
    pub bytes: Vec<u8>,
    /// How the stream ended.
    pub end: Result<(), Status>,
}

/// Downloads what is asked for; every chunk must begin where the one before ended.
pub async fn download(client: &Client, request: DownloadContentRequest) -> Downloaded {
    let mut client = client.clone();
    let mut next = u64::try_from(request.offset).unwrap_or(0);
    let mut got = Downloaded {
        metadata: None,
        bytes: Vec::new(),
        end: Ok(()),
    };
    let answer = within("the answer to a download", client.download_content(request)).await;
    let mut stream = match answer {
        Ok(stream) => stream.into_inner(),
        Err(status) => {
            got.end = Err(status);
            return got;
        }
    };
    loop {
        match within("the next part of a download", stream.message()).await {
            Ok(Some(message)) => match message.part.unwrap() {
                downloaded::Part::Metadata(metadata) => {
                    assert!(got.metadata.is_none() && got.bytes.is_empty());
                    got.metadata = Some(metadata);
                }
                downloaded::Part::Chunk(chunk) => {
                    assert!(got.metadata.is_some(), "bytes before the metadata");
                    assert_eq!(chunk.offset, next);
                    next += chunk.data.len() as u64;
                    got.bytes.extend_from_slice(&chunk.data);
                }
            },
            Ok(None) => return got,
            Err(status) => {
                got.end = Err(status);
                return got;
            }
        }
    }
}

/// Downloads output 0 of a task whole.
pub async fn content(client: &Client, id: &str) -> Vec<u8> {
    let request = DownloadContentRequest {
        task_id: id.into(),
        ..DownloadContentRequest::default()
    };
    let got = download(client, request).await;
    got.end.unwrap();
    got.bytes
}

/// A request whose output is small and quickly rendered: a second of sound.
pub fn sound(prompt: &str) -> CreateRequest {
    CreateRequest {
        request_id: fresh("sound"),
        model: "eleven_text_to_sound_v2".into(),
        prompt: prompt.into(),
        seconds: Some(1),
        ..CreateRequest::default()
    }
}

/// A request for a short video.
pub fn video(prompt: &str) -> CreateRequest {
    CreateRequest {
        request_id: fresh("video"),
        model: "gen4.5".into(),
        prompt: prompt.into(),
        seconds: Some(2),
        size: "1280x720".into(),
        ..CreateRequest::default()
    }
}

/// A request for a short video that begins with an image given inline.
pub fn picture(prompt: &str, image: Vec<u8>) -> CreateRequest {
    let input = InputReference {
        source: Some(Source::Data(image.into())),
        content_type: "image/png".into(),
        ..InputReference::default()
    };
    CreateRequest {
        input_references: vec![input],
        operation: Operation::ImageToVideo as i32,
        model: "gen4_turbo".into(),
        ..video(prompt)
    }
}

/// A request for a short video that begins with an upload.
pub fn uploaded(prompt: &str, upload_id: &str) -> CreateRequest {
    let mut request = picture(prompt, Vec::new());
    request.input_references[0].source = Some(Source::UploadId(upload_id.into()));
    request.input_references[0].content_type.clear();
    request
}

/// Uploads a file, in messages of a quarter of a mebibyte.
pub async fn upload(client: &Client, bytes: &[u8]) -> Result<UploadInputResponse, Status> {
    let metadata = Metadata {
        size_bytes: Some(bytes.len() as u64),
        ..Metadata::default()
    };
    let chunks = bytes.chunks(256 << 10);
    let chunks = chunks.map(|chunk| Part::Chunk(chunk.to_vec().into()));
    let parts: Vec<UploadInputRequest> = std::iter::once(Part::Metadata(metadata))
        .chain(chunks)
        .map(|part| UploadInputRequest { part: Some(part) })
        .collect();
    let mut client = client.clone();
    let sent = client.upload_input(tokio_stream::iter(parts));
    let answer = within("the answer to an upload", sent).await?;
    Ok(answer.into_inner())
}

/// A request id that nobody used.
pub fn fresh(name: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Whether the task has ended.
pub fn is_terminal(task: &Task) -> bool {
    matches!(
        task.status(),
        TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Cancelled
    )
}

/// The task's history holds every revision once, and ends as the task does.
pub fn assert_whole_history(task: &Task) {
    let revisions: Vec<u64> = task.history.iter().map(|entry| entry.revision).collect();
    let expected: Vec<u64> = (1..=task.revision).collect();
    assert_eq!(revisions, expected, "{task:#?}");
    assert_eq!(task.history.last().unwrap().status, task.status);
}
