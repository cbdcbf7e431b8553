//! Downloads: any part of an output, exactly, or an honest end.

use std::fs;

use mediagen::pb::v1::{DownloadContentRequest, Task, TaskStatus};
use rand::RngExt as _;
use tonic::Code;

use crate::harness::client::{Downloaded, download};
use crate::harness::media::sha256;
use crate::harness::{TestApp, refused, sound};

/// A finished task with some hundred KiB of content, and the content.
async fn finished(app: &TestApp) -> (Task, Vec<u8>) {
    let mut request = sound("a long bell");
    request.seconds = Some(9);
    let done = app.run(request).await;
    assert_eq!(done.status(), TaskStatus::Completed, "{done:#?}");
    let whole = download(&app.client, of(&done)).await;
    whole.end.unwrap();
    assert_eq!(sha256(&whole.bytes), done.outputs[0].sha256);
    (done, whole.bytes)
}

fn of(task: &Task) -> DownloadContentRequest {
    DownloadContentRequest {
        task_id: task.id.clone(),
        ..DownloadContentRequest::default()
    }
}

fn from(task: &Task, offset: usize, limit: usize) -> DownloadContentRequest {
    DownloadContentRequest {
        offset: i64::try_from(offset).unwrap(),
        limit: i64::try_from(limit).unwrap(),
        expected_sha256: task.outputs[0].sha256.clone(),
        ..of(task)
    }
}

#[tokio::test]
async fn a_hundred_random_parts_equal_the_source_byte_for_byte() {
    let app = TestApp::start().await;
    let (task, source) = finished(&app).await;
    let mut random = rand::rng();
    for round in 0..100 {
        let offset = random.random_range(0..=source.len());
        let limit = if round % 3 == 0 {
            0
        } else {
            random.random_range(1..=source.len())
        };
        let got = download(&app.client, from(&task, offset, limit)).await;
        got.end.unwrap();
        let end = if limit == 0 {
            source.len()
        } else {
            (offset + limit).min(source.len())
        };
        assert!(got.bytes == source[offset..end], "{offset}, {limit}");
        let metadata = got.metadata.unwrap();
        assert_eq!(metadata.offset, offset as u64);
        assert_eq!(metadata.size_bytes, source.len() as u64);
        assert_eq!(metadata.sha256, task.outputs[0].sha256);
    }
}

#[tokio::test]
async fn a_download_resumed_at_random_offsets_equals_the_source() {
    let app = TestApp::start().await;
    let (task, source) = finished(&app).await;
    let mut random = rand::rng();
    let mut pieced = Vec::new();
    while pieced.len() < source.len() {
        let limit = random.random_range(1..=60_000);
        let got = download(&app.client, from(&task, pieced.len(), limit)).await;
        got.end.unwrap();
        pieced.extend(got.bytes);
    }
    assert!(pieced == source);
    let at_the_end = download(&app.client, from(&task, source.len(), 0)).await;
    at_the_end.end.unwrap();
    assert!(at_the_end.bytes.is_empty() && at_the_end.metadata.is_some());
}

#[tokio::test]
async fn what_is_not_there_is_refused_by_its_own_reason() {
    let app = TestApp::start().await;
    let (task, source) = finished(&app).await;
    let refusal = async |request| refused(download(&app.client, request).await.end);
    let beyond = refusal(from(&task, source.len() + 1, 0)).await;
    assert!(
        beyond.is(Code::OutOfRange, "OFFSET_OUT_OF_RANGE"),
        "{beyond:?}"
    );
    let index = refusal(DownloadContentRequest {
        output_index: 1,
        ..of(&task)
    })
    .await;
    assert!(
        index.is(Code::OutOfRange, "OUTPUT_INDEX_OUT_OF_RANGE"),
        "{index:?}"
    );
    let other = refusal(DownloadContentRequest {
        expected_sha256: "0".repeat(64),
        ..of(&task)
    })
    .await;
    assert!(
        other.is(Code::FailedPrecondition, "OUTPUT_CHANGED"),
        "{other:?}"
    );
    let running = app.create(sound("a bell [sandbox:seconds=600]")).await;
    let early = refusal(of(&running)).await;
    assert!(
        early.is(Code::FailedPrecondition, "OUTPUT_NOT_READY"),
        "{early:?}"
    );
}

#[tokio::test]
async fn damaged_or_missing_bytes_are_never_served_as_good() {
    let app = TestApp::start().await;
    let (task, source) = finished(&app).await;
    let file = app.archive(&task.id).join("0");
    let place = source.len() / 2;
    flip(&file, place);
    let got = download(&app.client, of(&task)).await;
    assert_prefix(&got, &source[..place]);
    let refusal = refused(got.end);
    assert!(refusal.is(Code::DataLoss, "OUTPUT_CORRUPT"), "{refusal:?}");
    // What lies before the damage is still good.
    let before = download(&app.client, from(&task, 0, 1000)).await;
    before.end.unwrap();
    assert!(before.bytes == source[..1000]);
    flip(&file, place);
    download(&app.client, of(&task)).await.end.unwrap();
    let cut = fs::OpenOptions::new().write(true).open(&file).unwrap();
    cut.set_len(source.len() as u64 - 1).unwrap();
    let got = download(&app.client, of(&task)).await;
    assert_prefix(&got, &source);
    let refusal = refused(got.end);
    assert!(refusal.is(Code::DataLoss, "OUTPUT_CORRUPT"), "{refusal:?}");
    fs::remove_file(&file).unwrap();
    let refusal = refused(download(&app.client, of(&task)).await.end);
    assert!(refusal.is(Code::DataLoss, "OUTPUT_MISSING"), "{refusal:?}");
}

fn flip(file: &std::path::Path, place: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[place] ^= 0x10;
    fs::write(file, bytes).unwrap();
}

fn assert_prefix(got: &Downloaded, of: &[u8]) {
    assert!(
        of.starts_with(&got.bytes),
        "{} bytes that are no prefix",
        got.bytes.len()
    );
}
