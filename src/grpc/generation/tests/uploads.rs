//! `UploadInput`: what is stored, and each way to be refused.

use futures_util::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::*;
use crate::pb::v1::upload_input_request::{self as upload, Part as Sent};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x05\0\0\0\x02\xd0\x08\x06\0\0\0";

type Uploaded = Result<v1::UploadInputResponse, Status>;

fn metadata(change: impl Fn(&mut upload::Metadata)) -> v1::UploadInputRequest {
    let mut metadata = upload::Metadata::default();
    change(&mut metadata);
    v1::UploadInputRequest {
        part: Some(Sent::Metadata(metadata)),
    }
}

fn chunk(bytes: impl Into<Bytes>) -> v1::UploadInputRequest {
    v1::UploadInputRequest {
        part: Some(Sent::Chunk(bytes.into())),
    }
}

/// A PNG of so many bytes.
fn image(bytes: usize) -> Bytes {
    let mut image = PNG.to_vec();
    image.resize(bytes, 7);
    image.into()
}

async fn send(
    server: &Server,
    parts: impl Stream<Item = v1::UploadInputRequest> + Send + 'static,
) -> Uploaded {
    let sent = server.client().upload_input(parts).await;
    sent.map(Response::into_inner)
}

async fn upload(server: &Server, parts: Vec<v1::UploadInputRequest>) -> Uploaded {
    send(server, stream::iter(parts)).await
}

async fn stored(server: &Server) -> v1::UploadInputResponse {
    let parts = vec![metadata(|_| ()), chunk(image(1000))];
    upload(server, parts).await.unwrap()
}

/// The archive's folder, once nothing of broken uploads is left there.
async fn is_empty(server: &Server) {
    let root = server.folder.path().join("archive");
    for _ in 0..500 {
        if std::fs::read_dir(&root).unwrap().next().is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let left: Vec<_> = std::fs::read_dir(&root).unwrap().collect();
    panic!("{left:?}");
}

fn with_upload(id: &str) -> v1::CreateRequest {
    let source = v1::input_reference::Source::UploadId(id.to_owned());
    let input = v1::InputReference {
        source: Some(source),
        ..v1::InputReference::default()
    };
    v1::CreateRequest {
        input_references: vec![input],
        request_id: "once".to_owned(),
        ..lake()
    }
}

#[tokio::test]
async fn an_upload_is_stored_with_its_hash_type_and_end() {
    let server = Server::start().await;
    let bytes = image(3 << 20);
    let announce = metadata(|metadata| {
        metadata.content_type = "image/png".to_owned();
        metadata.size_bytes = Some(3 << 20);
        metadata.file_name = "lake.png".to_owned();
    });
    let chunks = bytes.chunks(100_001).map(|part| chunk(part.to_vec()));
    let parts = std::iter::once(announce).chain(chunks).collect();
    let kept = upload(&server, parts).await.unwrap();
    let sha256 = <sha2::Sha256 as sha2::Digest>::digest(&bytes);
    assert_eq!(kept.sha256, hex::encode(sha256));
    assert_eq!(kept.size_bytes, 3 << 20);
    assert_eq!(kept.content_type, "image/png");
    assert!(kept.upload_id.ends_with(&kept.sha256[..32]), "{kept:?}");
    let id: crate::domain::upload::UploadId = kept.upload_id.parse().unwrap();
    let found = server.store.upload(&TenantId::local(), id).await.unwrap();
    let found = found.unwrap();
    assert_eq!(
        (found.measured.width, found.measured.height),
        (Some(1280), Some(720))
    );
    assert_eq!(found.file_name, "lake.png");
    let day = Duration::from_hours(24);
    assert_eq!(found.expires.since(found.created), day);
    assert_eq!(kept.expire_time.unwrap().seconds, found.expires.0 / 1000);
}

#[tokio::test]
async fn each_bad_upload_is_refused_by_name_and_leaves_nothing() {
    let server = Server::start().await;
    let size = |size| metadata(move |metadata| metadata.size_bytes = Some(size));
    let kind = |kind: &'static str| metadata(move |metadata| metadata.content_type = kind.into());
    let any = || metadata(|_| ());
    let field = "FIELD_INVALID";
    for (name, parts, reason, named) in [
        ("nothing", vec![], field, "metadata"),
        ("a chunk first", vec![chunk(PNG)], field, "metadata"),
        (
            "no part",
            vec![any(), v1::UploadInputRequest::default()],
            field,
            "part",
        ),
        (
            "metadata twice",
            vec![any(), chunk(PNG), any()],
            field,
            "metadata",
        ),
        ("no bytes", vec![any()], field, "chunk"),
        (
            "an empty chunk",
            vec![any(), chunk(PNG), chunk("")],
            field,
            "chunk",
        ),
        (
            "announced empty",
            vec![size(0)],
            field,
            "metadata.size_bytes",
        ),
        (
            "too few",
            vec![size(100), chunk(PNG)],
            field,
            "metadata.size_bytes",
        ),
        (
            "too many",
            vec![size(10), chunk(PNG)],
            field,
            "metadata.size_bytes",
        ),
        (
            "announced too large",
            vec![size(200_000_001)],
            "INPUT_TOO_LARGE",
            "metadata.size_bytes",
        ),
        (
            "a page",
            vec![any(), chunk(vec![b'<'; 100])],
            "INPUT_TYPE_UNSUPPORTED",
            "chunk",
        ),
        (
            "a short page",
            vec![any(), chunk("<html>")],
            "INPUT_TYPE_UNSUPPORTED",
            "chunk",
        ),
        (
            "another type",
            vec![kind("video/mp4"), chunk(image(100))],
            "INPUT_TYPE_UNSUPPORTED",
            "metadata.content_type",
        ),
        (
            "a type not taken",
            vec![kind("image/gif")],
            "INPUT_TYPE_UNSUPPORTED",
            "metadata.content_type",
        ),
        (
            "a bad name",
            vec![metadata(|metadata| metadata.file_name = "a\nb".into())],
            field,
            "metadata.file_name",
        ),
    ] {
        let status = upload(&server, parts).await.expect_err(name);
        assert_eq!(fields(&status), [named], "{name}");
        let seen = refused(Err::<(), _>(status));
        assert_eq!(seen, (Code::InvalidArgument, reason.to_owned()), "{name}");
    }
    let large = upload(&server, vec![metadata(|_| ()), chunk(image(2 << 20))]).await;
    let seen = refused(large);
    assert_eq!(
        seen,
        (Code::ResourceExhausted, "MESSAGE_TOO_LARGE".to_owned())
    );
    is_empty(&server).await;
}

#[tokio::test]
async fn what_is_larger_than_the_limit_is_refused_before_it_has_come() {
    let server = Server::limited(|settings| settings.limits.upload_bytes = 1 << 20).await;
    let endless = stream::iter(std::iter::once(metadata(|_| ())))
        .chain(stream::repeat_with(|| chunk(image(64 << 10))));
    let status = send(&server, endless).await.unwrap_err();
    assert_eq!(fields(&status), ["chunk"]);
    let seen = refused(Err::<(), _>(status));
    assert_eq!(seen, (Code::InvalidArgument, "INPUT_TOO_LARGE".to_owned()));
    is_empty(&server).await;
}

#[tokio::test]
async fn a_silent_client_is_let_go() {
    let server = Server::start().await;
    let (sender, parts) = mpsc::channel(8);
    sender.send(metadata(|_| ())).await.unwrap();
    sender.send(chunk(image(500_000))).await.unwrap();
    let seen = refused(send(&server, ReceiverStream::new(parts)).await);
    let expected = (
        Code::DeadlineExceeded,
        "DEADLINE_EXCEEDED_SERVER".to_owned(),
    );
    assert_eq!(seen, expected);
    is_empty(&server).await;
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing() {
    let server = Server::limited(|settings| settings.upload_idle = Duration::from_hours(1)).await;
    let address = server.address.clone();
    let (sender, parts) = mpsc::channel(8);
    sender.send(metadata(|_| ())).await.unwrap();
    sender.send(chunk(image(500_000))).await.unwrap();
    // A client in a runtime of its own: when that goes, so do its connections.
    let elsewhere = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    elsewhere.handle().spawn(async move {
        let channel = Endpoint::from_shared(address).unwrap().connect_lazy();
        let mut client = MediaGenerationClient::new(channel);
        client.upload_input(ReceiverStream::new(parts)).await
    });
    let root = server.folder.path().join("archive");
    while std::fs::read_dir(&root).unwrap().next().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    elsewhere.shutdown_background();
    is_empty(&server).await;
}

#[tokio::test]
async fn uploads_are_bounded_in_number_and_end_with_the_drain() {
    let server = Server::limited(|settings| settings.upload_idle = Duration::from_hours(1)).await;
    let (mut senders, mut calls) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let (sender, parts) = mpsc::channel(8);
        sender.send(metadata(|_| ())).await.unwrap();
        senders.push(sender);
        let mut client = server.client();
        calls.push(
            server
                .shutdown
                .spawn(async move { client.upload_input(ReceiverStream::new(parts)).await }),
        );
    }
    let mut seen = Ok(());
    while seen.is_ok() {
        // Its stream ends at once, so that it stands in nobody's way.
        seen = match upload(&server, Vec::new()).await {
            Err(status) if status.code() == Code::InvalidArgument => Ok(()),
            answer => answer.map(drop),
        };
    }
    let expected = (Code::ResourceExhausted, "STREAM_LIMIT_REACHED".to_owned());
    assert_eq!(refused(seen), expected);
    server.shutdown.drain();
    for call in calls {
        let seen = refused(call.await.unwrap());
        assert_eq!(seen, (Code::Unavailable, "SERVER_DRAINING".to_owned()));
    }
    is_empty(&server).await;
}

#[tokio::test]
async fn a_full_archive_takes_no_upload() {
    let server = Server::start().await;
    let kept = stored(&server).await;
    assert_eq!(kept.size_bytes, 1000);
    let full = Server::holding(Some(1)).await;
    let taken = upload(&full, vec![metadata(|_| ()), chunk(image(1000))]).await;
    drop(taken);
    let seen = refused(upload(&full, vec![metadata(|_| ()), chunk(image(1000))]).await);
    assert_eq!(seen, (Code::ResourceExhausted, "STORAGE_FULL".to_owned()));
}

#[tokio::test]
async fn a_create_that_names_no_upload_of_the_tenant_is_refused_by_name() {
    let server = Server::start().await;
    let kept = stored(&server).await;
    let unknown = kept.upload_id.replace("upload_01", "upload_02");
    let mut other_content = kept.upload_id.clone();
    other_content.replace_range(other_content.len() - 4.., "0000");
    for id in ["", "x", &unknown, &other_content] {
        let status = server.client().create(with_upload(id)).await.unwrap_err();
        assert_eq!(fields(&status), ["input_references[0].upload_id"], "{id}");
        assert_eq!(refused(Err::<(), _>(status)).1, "FIELD_INVALID");
    }
    let foreign = crate::domain::upload::Upload {
        id: crate::domain::upload::UploadId::new(
            crate::domain::upload::SpoolId::new(1, [1; 10]),
            &[1; 32],
        ),
        tenant: TenantId::named("other"),
        content_type: "image/png".to_owned(),
        size_bytes: 1,
        sha256: [1; 32],
        measured: crate::domain::generation::Measured::default(),
        file_name: String::new(),
        created: Timestamp(1),
        expires: Timestamp::NEVER,
    };
    let id = foreign.id.to_string();
    server.store.add_upload(foreign).await.unwrap();
    let status = server.client().create(with_upload(&id)).await.unwrap_err();
    assert_eq!(fields(&status), ["input_references[0].upload_id"]);
    let mut contrary = with_upload(&kept.upload_id);
    contrary.input_references[0].content_type = "video/mp4".to_owned();
    let status = server.client().create(contrary).await.unwrap_err();
    assert_eq!(fields(&status), ["input_references[0].content_type"]);
    assert!(server.archive.task_ids().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_same_file_uploaded_again_makes_the_same_request() {
    let server = Server::start().await;
    let (one, other) = (stored(&server).await, stored(&server).await);
    assert_ne!(one.upload_id, other.upload_id);
    let mut made = Vec::new();
    for kept in [&one, &other] {
        let answer = server.client().create(with_upload(&kept.upload_id)).await;
        made.push(answer.unwrap().into_inner().task.unwrap().id);
    }
    assert_eq!(made[0], made[1]);
    let parts = vec![metadata(|_| ()), chunk(image(1001))];
    let another = upload(&server, parts).await.unwrap();
    let reused = server
        .client()
        .create(with_upload(&another.upload_id))
        .await;
    assert_eq!(refused(reused).1, "REQUEST_ID_REUSED");
    let id: TaskId = made[0].parse().unwrap();
    assert_eq!(
        server.archive.input(id, 0).await.unwrap().size_bytes(),
        1000
    );
}
