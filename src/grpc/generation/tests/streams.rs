//! Watches and downloads.

use futures_util::TryStreamExt as _;

use crate::pb::v1::download_content_response::Metadata;
use crate::pb::v1::watch_task_response::Event;

use super::*;

async fn watch(
    server: &Server,
    task_id: &str,
    after_revision: u64,
) -> Result<Streaming<v1::WatchTaskResponse>, Status> {
    let request = v1::WatchTaskRequest {
        task_id: task_id.to_owned(),
        after_revision,
    };
    server
        .client()
        .watch_task(request)
        .await
        .map(Response::into_inner)
}

/// The next message: a task's revision, progress and status, or a heartbeat.
async fn next(stream: &mut Streaming<v1::WatchTaskResponse>) -> Option<String> {
    let message = stream.message().await.unwrap()?;
    Some(match message.event.unwrap() {
        Event::Task(task) => {
            let status = task.status().as_str_name();
            let status = status.strip_prefix("TASK_STATUS_").unwrap();
            format!("{} {} {status}", task.revision, task.progress)
        }
        Event::Heartbeat(beat) => format!("beat {}", beat.revision),
    })
}

#[tokio::test]
async fn a_watch_shows_the_task_then_its_changes_then_its_end_and_is_ok() {
    let server = Server::start().await;
    let task = server.task().await;
    let mut stream = watch(&server, &task.id, 0).await.unwrap();
    assert_eq!(next(&mut stream).await.unwrap(), "1 0 QUEUED");
    server.run(&task.id).await;
    let id: TaskId = task.id.parse().unwrap();
    let mut seen = next(&mut stream).await.unwrap();
    while seen != "4 0 IN_PROGRESS" {
        seen = next(&mut stream).await.unwrap();
    }
    server.store.changes().tick(id, Progress::from_share(0.5));
    assert_eq!(next(&mut stream).await.unwrap(), "4 0.5 IN_PROGRESS");
    server
        .happen(&task.id, observed(UpstreamStatus::Succeeded))
        .await;
    assert_eq!(next(&mut stream).await.unwrap(), "5 1 IN_PROGRESS");
    let output = Artifact {
        index: 0,
        content_type: "video/mp4".to_owned(),
        size_bytes: 1,
        sha256: [0; 32],
        width: None,
        height: None,
        duration_ms: None,
        expires: Timestamp::NEVER,
    };
    server
        .happen(&task.id, Happening::Archived(vec![output]))
        .await;
    assert_eq!(next(&mut stream).await.unwrap(), "6 1 COMPLETED");
    assert_eq!(next(&mut stream).await, None);
    for after in 0..6 {
        let mut again = watch(&server, &task.id, after).await.unwrap();
        assert_eq!(next(&mut again).await.unwrap(), "6 1 COMPLETED");
        assert_eq!(next(&mut again).await, None);
    }
    let mut seen_all = watch(&server, &task.id, 6).await.unwrap();
    assert_eq!(next(&mut seen_all).await, None);
}

#[tokio::test]
async fn a_watch_of_what_is_not_or_is_not_yet_is_refused() {
    let server = Server::start().await;
    let task = server.task().await;
    let seen = refused(watch(&server, &task.id, 2).await);
    assert_eq!(
        seen,
        (Code::InvalidArgument, "WATCH_REVISION_IN_FUTURE".to_owned())
    );
    let absent = TaskId::new(1, [0; 10]).to_string();
    assert_eq!(refused(watch(&server, &absent, 0).await).0, Code::NotFound);
    assert_eq!(server.store.changes().watched(), 0);
}

#[tokio::test]
async fn a_silent_watch_says_that_it_lives_and_repeats_nothing() {
    let server = Server::beating(Duration::from_millis(50)).await;
    let task = server.task().await;
    server.run(&task.id).await;
    let id: TaskId = task.id.parse().unwrap();
    server.store.changes().tick(id, Progress::from_share(0.25));
    let mut first = watch(&server, &task.id, 0).await.unwrap();
    assert_eq!(next(&mut first).await.unwrap(), "4 0.25 IN_PROGRESS");
    let mut resumed = watch(&server, &task.id, 4).await.unwrap();
    for _ in 0..2 {
        assert_eq!(next(&mut first).await.unwrap(), "beat 4");
        assert_eq!(next(&mut resumed).await.unwrap(), "beat 4");
    }
    server.store.changes().tick(id, Progress::from_share(0.75));
    let mut told = next(&mut resumed).await.unwrap();
    while told == "beat 4" {
        told = next(&mut resumed).await.unwrap();
    }
    assert_eq!(told, "4 0.75 IN_PROGRESS");
}

#[tokio::test]
async fn a_drain_ends_a_watch_so_that_it_is_resumed_elsewhere() {
    let server = Server::start().await;
    let task = server.task().await;
    let mut stream = watch(&server, &task.id, 0).await.unwrap();
    assert_eq!(next(&mut stream).await.unwrap(), "1 0 QUEUED");
    server.shutdown.drain();
    let error = stream.message().await.unwrap_err();
    let info = error.get_details_error_info().unwrap();
    assert_eq!(info.metadata["lastRevision"], "1");
    let seen = refused::<()>(Err(error));
    assert_eq!(seen, (Code::Unavailable, "SERVER_DRAINING".to_owned()));
}

fn ask(task_id: &str, offset: i64, limit: i64) -> v1::DownloadContentRequest {
    v1::DownloadContentRequest {
        task_id: task_id.to_owned(),
        offset,
        limit,
        ..v1::DownloadContentRequest::default()
    }
}

/// The metadata and the bytes of a download, whose offsets are checked.
async fn download(
    server: &Server,
    request: v1::DownloadContentRequest,
) -> Result<(Metadata, Vec<u8>), Status> {
    let mut stream = server
        .client()
        .download_content(request)
        .await?
        .into_inner();
    let Some(Part::Metadata(metadata)) = stream.try_next().await?.and_then(|first| first.part)
    else {
        panic!("the first message is no metadata");
    };
    let mut bytes = Vec::new();
    while let Some(message) = stream.try_next().await? {
        let Some(Part::Chunk(chunk)) = message.part else {
            panic!("a later message is no chunk");
        };
        assert_eq!(chunk.offset, metadata.offset + bytes.len() as u64);
        assert!((1..=256 * 1024).contains(&chunk.data.len()));
        bytes.extend_from_slice(&chunk.data);
    }
    Ok((metadata, bytes))
}

fn content() -> Bytes {
    (0..200_000_u32)
        .map(|n| n.to_le_bytes()[(n % 3) as usize])
        .collect()
}

#[tokio::test]
async fn a_download_gives_any_part_of_the_bytes() {
    let server = Server::start().await;
    let (task, content) = (server.task().await, content());
    server.run(&task.id).await;
    let artifact = server.complete(&task.id, &content).await;
    let end = i64::try_from(content.len()).unwrap();
    for (offset, limit, expected) in [
        (0, 0, &content[..]),
        (65_535, 2, &content[65_535..65_537]),
        (199_999, 0, &content[199_999..]),
        (7, i64::MAX, &content[7..]),
        (end, 0, &[]),
        (end, 5, &[]),
    ] {
        let (metadata, bytes) = download(&server, ask(&task.id, offset, limit))
            .await
            .unwrap();
        assert!(bytes == expected, "{offset} {limit}");
        assert_eq!(metadata.offset, offset.unsigned_abs());
        assert_eq!(metadata.size_bytes, end.unsigned_abs());
        assert_eq!(metadata.sha256, hex::encode(artifact.sha256));
        assert_eq!(metadata.file_name, format!("{}.mp4", task.id));
    }
}

#[tokio::test]
async fn a_download_that_cannot_be_is_refused_for_its_reason() {
    let server = Server::start().await;
    let (task, content) = (server.task().await, content());
    let seen = refused(download(&server, ask(&task.id, 0, 0)).await);
    assert_eq!(
        seen,
        (Code::FailedPrecondition, "OUTPUT_NOT_READY".to_owned())
    );
    server.run(&task.id).await;
    server.complete(&task.id, &content).await;
    let beyond = i64::try_from(content.len()).unwrap() + 1;
    let seen = refused(download(&server, ask(&task.id, beyond, 0)).await);
    assert_eq!(seen, (Code::OutOfRange, "OFFSET_OUT_OF_RANGE".to_owned()));
    let seen = refused(download(&server, ask(&task.id, -1, -1)).await);
    assert_eq!(seen, (Code::InvalidArgument, "FIELD_INVALID".to_owned()));
    let second = v1::DownloadContentRequest {
        output_index: 1,
        ..ask(&task.id, 0, 0)
    };
    let seen = refused(download(&server, second).await);
    assert_eq!(
        seen,
        (Code::OutOfRange, "OUTPUT_INDEX_OUT_OF_RANGE".to_owned())
    );
    let other = v1::DownloadContentRequest {
        expected_sha256: "0".repeat(64),
        ..ask(&task.id, 0, 0)
    };
    let seen = refused(download(&server, other).await);
    assert_eq!(
        seen,
        (Code::FailedPrecondition, "OUTPUT_CHANGED".to_owned())
    );
    let cancelled = server.task().await;
    server
        .happen(&cancelled.id, Happening::CancelRequested)
        .await;
    let seen = refused(download(&server, ask(&cancelled.id, 0, 0)).await);
    assert_eq!(seen, (Code::FailedPrecondition, "NO_OUTPUT".to_owned()));
}

#[tokio::test]
async fn damaged_or_missing_bytes_are_never_sent_as_good() {
    let server = Server::start().await;
    let (task, content) = (server.task().await, content());
    server.run(&task.id).await;
    server.complete(&task.id, &content).await;
    let path = server
        .folder
        .path()
        .join("archive")
        .join(&task.id)
        .join("0");
    let mut bytes = content.to_vec();
    bytes[70_000] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let mut stream = server
        .client()
        .download_content(ask(&task.id, 0, 0))
        .await
        .unwrap();
    let mut sound = 0;
    let error = loop {
        match stream.get_mut().message().await {
            Ok(Some(message)) => {
                if let Some(Part::Chunk(chunk)) = message.part {
                    assert_eq!(chunk.data, content[sound..sound + chunk.data.len()]);
                    sound += chunk.data.len();
                }
            }
            Ok(None) => panic!("ended as if all were well"),
            Err(error) => break error,
        }
    };
    let info = error.get_details_error_info().unwrap();
    assert_eq!(info.metadata["nextOffset"], sound.to_string());
    assert_eq!(
        refused::<()>(Err(error)),
        (Code::DataLoss, "OUTPUT_CORRUPT".to_owned())
    );
    std::fs::remove_file(&path).unwrap();
    let seen = refused(download(&server, ask(&task.id, 0, 0)).await);
    assert_eq!(seen, (Code::DataLoss, "OUTPUT_MISSING".to_owned()));
}
