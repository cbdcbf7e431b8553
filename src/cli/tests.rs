//! The client commands' loops against a scripted server that breaks off.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::stream;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status, Streaming};

use super::client::{self, Client};
use super::download::Download;
use super::failure::Exit;
use super::follow::follow;
use super::progress::Progress;
use crate::pb::v1::download_content_response::{Chunk, Part};
use crate::pb::v1::media_generation_server::{MediaGeneration, MediaGenerationServer};
use crate::pb::v1::watch_task_response::Event;
use crate::pb::v1::*;
use crate::shutdown::Shutdown;

type Items<T> = Vec<Result<T, Status>>;
type Stream<T> = stream::Iter<std::vec::IntoIter<Result<T, Status>>>;

/// Answers in order, and remembers what it was asked.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<Scenes>>);

#[derive(Default)]
struct Scenes {
    creates: VecDeque<Result<Task, Status>>,
    statuses: VecDeque<Task>,
    watches: VecDeque<Items<WatchTaskResponse>>,
    downloads: VecDeque<Items<DownloadContentResponse>>,
    request_ids: Vec<String>,
    resumed_after: Vec<u64>,
    offsets: Vec<i64>,
}

fn over<T>() -> Status {
    Status::unimplemented(std::any::type_name::<T>())
}

#[tonic::async_trait]
impl MediaGeneration for Script {
    type WatchTaskStream = Stream<WatchTaskResponse>;
    type DownloadContentStream = Stream<DownloadContentResponse>;

    async fn create(
        &self,
        asked: Request<CreateRequest>,
    ) -> Result<Response<CreateResponse>, Status> {
        let mut scenes = self.0.lock();
        scenes.request_ids.push(asked.into_inner().request_id);
        let task = scenes
            .creates
            .pop_front()
            .unwrap_or(Err(over::<CreateRequest>()))?;
        Ok(Response::new(CreateResponse { task: Some(task) }))
    }

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        let task = self
            .0
            .lock()
            .statuses
            .pop_front()
            .ok_or_else(over::<StatusRequest>)?;
        Ok(Response::new(StatusResponse { task: Some(task) }))
    }

    async fn watch_task(
        &self,
        asked: Request<WatchTaskRequest>,
    ) -> Result<Response<Self::WatchTaskStream>, Status> {
        let mut scenes = self.0.lock();
        scenes.resumed_after.push(asked.into_inner().after_revision);
        let items = scenes
            .watches
            .pop_front()
            .ok_or_else(over::<WatchTaskRequest>)?;
        Ok(Response::new(stream::iter(items)))
    }

    async fn download_content(
        &self,
        asked: Request<DownloadContentRequest>,
    ) -> Result<Response<Self::DownloadContentStream>, Status> {
        let mut scenes = self.0.lock();
        scenes.offsets.push(asked.into_inner().offset);
        let items = scenes
            .downloads
            .pop_front()
            .ok_or_else(over::<DownloadContentRequest>)?;
        Ok(Response::new(stream::iter(items)))
    }

    async fn cancel(&self, _: Request<CancelRequest>) -> Result<Response<CancelResponse>, Status> {
        Err(over::<CancelRequest>())
    }

    async fn list(&self, _: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        Err(over::<ListRequest>())
    }

    async fn delete(&self, _: Request<DeleteRequest>) -> Result<Response<DeleteResponse>, Status> {
        Err(over::<DeleteRequest>())
    }

    async fn resolve_unknown(
        &self,
        _: Request<ResolveUnknownRequest>,
    ) -> Result<Response<ResolveUnknownResponse>, Status> {
        Err(over::<ResolveUnknownRequest>())
    }

    async fn upload_input(
        &self,
        _: Request<Streaming<UploadInputRequest>>,
    ) -> Result<Response<UploadInputResponse>, Status> {
        Err(over::<UploadInputRequest>())
    }

    async fn cost_report(
        &self,
        _: Request<CostReportRequest>,
    ) -> Result<Response<CostReportResponse>, Status> {
        Err(over::<CostReportRequest>())
    }

    async fn estimate_cost(
        &self,
        _: Request<EstimateCostRequest>,
    ) -> Result<Response<EstimateCostResponse>, Status> {
        Err(over::<EstimateCostRequest>())
    }

    async fn list_models(
        &self,
        _: Request<ListModelsRequest>,
    ) -> Result<Response<ListModelsResponse>, Status> {
        Err(over::<ListModelsRequest>())
    }
}

/// A server of the script, and a client of it.
async fn play(scenes: Scenes) -> (Script, Client, Shutdown) {
    let script = Script(Arc::new(Mutex::new(scenes)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let life = Shutdown::new();
    let server = Server::builder().add_service(MediaGenerationServer::new(script.clone()));
    let drained = life.clone();
    life.spawn(async move {
        server
            .serve_with_incoming_shutdown(TcpIncoming::from(listener), drained.draining())
            .await
    });
    (script, client::connect_to(address).unwrap(), life)
}

fn task(revision: u64, status: TaskStatus) -> Task {
    let mut task = Task {
        id: "task_1".into(),
        revision,
        ..Task::default()
    };
    task.set_status(status);
    task
}

#[expect(clippy::unnecessary_wraps, reason = "a scene is a list of results")]
fn shown(task: Task) -> Result<WatchTaskResponse, Status> {
    Ok(WatchTaskResponse {
        event: Some(Event::Task(task)),
    })
}

#[expect(clippy::unnecessary_wraps, reason = "a scene is a list of results")]
fn chunk(offset: u64, data: &'static [u8]) -> Result<DownloadContentResponse, Status> {
    Ok(DownloadContentResponse {
        part: Some(Part::Chunk(Chunk {
            offset,
            data: data.into(),
        })),
    })
}

fn away<T>() -> Result<T, Status> {
    Err(Status::unavailable("draining"))
}

fn download(file: &std::path::Path) -> Download {
    let sha256 = hex::encode(Sha256::digest(b"hello world"));
    let output = Output {
        size_bytes: 11,
        sha256,
        ..Output::default()
    };
    Download {
        task_id: "task_1".into(),
        output,
        file: Some(file.into()),
        offset: 0,
    }
}

#[tokio::test]
async fn a_create_is_repeated_with_the_same_id_until_the_server_is_back() {
    let creates = [away(), away(), Ok(task(1, TaskStatus::Queued))].into();
    let (script, mut client, _life) = play(Scenes {
        creates,
        ..Scenes::default()
    })
    .await;
    let request = CreateRequest {
        request_id: "r-1".into(),
        ..CreateRequest::default()
    };
    assert_eq!(
        client::create(&mut client, request, &mut Progress::new(true))
            .await
            .unwrap()
            .revision,
        1
    );
    assert_eq!(script.0.lock().request_ids, ["r-1", "r-1", "r-1"]);
}

#[tokio::test]
async fn a_refused_create_is_not_repeated() {
    let creates = [Err(Status::invalid_argument("no"))].into();
    let (script, mut client, _life) = play(Scenes {
        creates,
        ..Scenes::default()
    })
    .await;
    let failure = client::create(
        &mut client,
        CreateRequest::default(),
        &mut Progress::new(true),
    )
    .await
    .unwrap_err();
    assert_eq!(
        (failure.exit, script.0.lock().request_ids.len()),
        (Exit::Refused, 1)
    );
}

#[tokio::test]
async fn a_broken_watch_is_resumed_after_the_last_revision_seen() {
    let watches = [
        vec![
            shown(task(1, TaskStatus::Queued)),
            shown(task(2, TaskStatus::InProgress)),
            away(),
        ],
        vec![away()],
        vec![shown(task(4, TaskStatus::Completed))],
    ];
    let (script, mut client, _life) = play(Scenes {
        watches: watches.into(),
        ..Scenes::default()
    })
    .await;
    let mut seen = Vec::new();
    let ended = follow(&mut client, "task_1", 0, |task| {
        seen.push(task.revision);
        Ok(())
    });
    assert_eq!(ended.await.unwrap().status(), TaskStatus::Completed);
    assert_eq!(seen, [1, 2, 4]);
    assert_eq!(script.0.lock().resumed_after, [0, 2, 2]);
}

#[tokio::test]
async fn a_watch_that_ends_without_the_terminal_task_is_settled_by_asking() {
    let scenes = Scenes {
        watches: [vec![]].into(),
        statuses: [task(7, TaskStatus::Failed)].into(),
        ..Scenes::default()
    };
    let (_script, mut client, _life) = play(scenes).await;
    let ended = follow(&mut client, "task_1", 7, |_| Ok(())).await.unwrap();
    assert_eq!(ended.status(), TaskStatus::Failed);
}

#[tokio::test]
async fn a_watch_of_an_unknown_task_ends_at_once() {
    let watches = [vec![Err(Status::new(Code::NotFound, "no such task"))]].into();
    let (_script, mut client, _life) = play(Scenes {
        watches,
        ..Scenes::default()
    })
    .await;
    let failure = follow(&mut client, "task_1", 0, |_| Ok(()))
        .await
        .unwrap_err();
    assert_eq!(failure.exit, Exit::NotFound);
}

#[tokio::test]
async fn a_broken_download_goes_on_at_its_next_byte_and_is_whole_in_the_end() {
    let downloads = [
        vec![chunk(0, b"hello"), away()],
        vec![chunk(5, b" wor")], // ends too early, though well
        vec![chunk(9, b"ld")],
    ];
    let (script, mut client, _life) = play(Scenes {
        downloads: downloads.into(),
        ..Scenes::default()
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lake.mp4");
    download(&file)
        .run(&mut client, &mut Progress::new(true))
        .await
        .unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), b"hello world");
    assert_eq!(script.0.lock().offsets, [0, 5, 9]);
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "no .part is left"
    );
}

#[tokio::test]
async fn a_download_of_wrong_bytes_leaves_nothing_behind() {
    let downloads = [vec![chunk(0, b"hello w0rld")]].into();
    let (_script, mut client, _life) = play(Scenes {
        downloads,
        ..Scenes::default()
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let ended = download(&folder.path().join("x"))
        .run(&mut client, &mut Progress::new(true))
        .await;
    assert!(ended.unwrap_err().message.contains("differs"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn an_earlier_part_of_something_else_is_dropped_once_it_shows() {
    let downloads = [vec![chunk(6, b"world")], vec![chunk(0, b"hello world")]];
    let (script, mut client, _life) = play(Scenes {
        downloads: downloads.into(),
        ..Scenes::default()
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x");
    std::fs::write(folder.path().join("x.part"), b"jello ").unwrap();
    download(&file)
        .run(&mut client, &mut Progress::new(true))
        .await
        .unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), b"hello world");
    assert_eq!(script.0.lock().offsets, [6, 0]);
}

#[tokio::test]
async fn bytes_at_the_wrong_place_are_refused() {
    let downloads = [vec![chunk(3, b"lo world")]].into();
    let (_script, mut client, _life) = play(Scenes {
        downloads,
        ..Scenes::default()
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let ended = download(&folder.path().join("x"))
        .run(&mut client, &mut Progress::new(true))
        .await;
    assert!(
        ended
            .unwrap_err()
            .message
            .contains("byte 3 where 0 was due")
    );
}
