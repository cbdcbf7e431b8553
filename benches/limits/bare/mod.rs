//! The bare limit: tonic and SQLite, and nothing between them.
//!
//! The same messages, the same crates, the same settings of HTTP/2 and of SQLite; no limits, no
//! checks, no state.

mod bytes;
mod store;
mod watch;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use futures_util::Stream;
use mediagen::pb::v1::media_generation_server::{MediaGeneration, MediaGenerationServer};
use mediagen::pb::v1::{
    CancelRequest, CancelResponse, CostReportRequest, CostReportResponse, CreateRequest,
    CreateResponse, DeleteRequest, DeleteResponse, DownloadContentRequest, DownloadContentResponse,
    EstimateCostRequest, EstimateCostResponse, ListModelsRequest, ListModelsResponse, ListRequest,
    ListResponse, ResolveUnknownRequest, ResolveUnknownResponse, StatusRequest, StatusResponse,
    Task, UploadInputRequest, UploadInputResponse, WatchTaskRequest, WatchTaskResponse,
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use store::Store;
use watch::Topics;

/// How it is started.
#[derive(Debug, Args)]
pub struct Options {
    /// Where its database is made.
    #[arg(long)]
    data: PathBuf,
    /// What it answers to every Status: a `StatusResponse` in hexadecimal; by itself an empty task.
    #[arg(long, default_value = "0a00", value_parser = answer)]
    status: Box<StatusResponse>,
}

fn answer(text: &str) -> anyhow::Result<Box<StatusResponse>> {
    Ok(Box::new(prost::Message::decode(&*hex::decode(text)?)?))
}

type Answer<T> = Result<Response<T>, Status>;
type Pushed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Serves until it is killed.
pub async fn serve(options: &Options) -> anyhow::Result<()> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    println!("listening on {}", listener.local_addr()?);
    let bare = Bare {
        store: Arc::new(Store::open(
            &options.data.join(format!("bare-{}.db", std::process::id())),
        )?),
        topics: Topics::default(),
        status: StatusResponse::clone(&options.status),
    };
    let incoming = TcpListenerStream::new(listener);
    let incoming = futures_util::StreamExt::map(incoming, |stream| {
        stream.inspect(|stream| drop(stream.set_nodelay(true)))
    });
    tonic::transport::Server::builder()
        .initial_connection_window_size(16 << 20)
        .add_service(MediaGenerationServer::new(bare))
        .serve_with_incoming(incoming)
        .await?;
    Ok(())
}

struct Bare {
    store: Arc<Store>,
    topics: Topics,
    status: StatusResponse,
}

/// A task as long as those of the service.
fn task(request: &CreateRequest, id: String) -> Task {
    Task {
        id,
        request_id: request.request_id.clone(),
        model: request.model.clone(),
        prompt: request.prompt.clone(),
        seconds: request.seconds,
        size: request.size.clone(),
        status: 1,
        revision: 1,
        ..Task::default()
    }
}

#[tonic::async_trait]
impl MediaGeneration for Bare {
    type WatchTaskStream = Pushed<WatchTaskResponse>;
    type DownloadContentStream = Pushed<DownloadContentResponse>;

    /// One row, on disk when it is answered.
    async fn create(&self, request: Request<CreateRequest>) -> Answer<CreateResponse> {
        let request = request.into_inner();
        let id = fresh_id();
        let made = task(&request, format!("task_{}", id.simple()));
        self.store
            .insert(id, prost::Message::encode_to_vec(&made))
            .await
            .unwrap_or_else(|error| fail(&error));
        Ok(Response::new(CreateResponse { task: Some(made) }))
    }

    /// The same answer, whichever is asked for.
    async fn status(&self, _: Request<StatusRequest>) -> Answer<StatusResponse> {
        Ok(Response::new(self.status.clone()))
    }

    async fn watch_task(
        &self,
        request: Request<WatchTaskRequest>,
    ) -> Answer<Self::WatchTaskStream> {
        let id = request.into_inner().task_id;
        Ok(Response::new(self.topics.watch(id)))
    }

    async fn download_content(
        &self,
        request: Request<DownloadContentRequest>,
    ) -> Answer<Self::DownloadContentStream> {
        let parts = bytes::send(request.get_ref())?;
        Ok(Response::new(Box::pin(parts)))
    }

    /// The end of a watch, without a commit.
    async fn cancel(&self, request: Request<CancelRequest>) -> Answer<CancelResponse> {
        let task = self.topics.cancel(&request.into_inner().task_id);
        Ok(Response::new(CancelResponse {
            task: Some(task),
            outcome: 1,
        }))
    }

    async fn list(&self, _: Request<ListRequest>) -> Answer<ListResponse> {
        Err(nothing())
    }

    async fn delete(&self, _: Request<DeleteRequest>) -> Answer<DeleteResponse> {
        Err(nothing())
    }

    async fn resolve_unknown(
        &self,
        _: Request<ResolveUnknownRequest>,
    ) -> Answer<ResolveUnknownResponse> {
        Err(nothing())
    }

    async fn upload_input(
        &self,
        _: Request<Streaming<UploadInputRequest>>,
    ) -> Answer<UploadInputResponse> {
        Err(nothing())
    }

    async fn cost_report(&self, _: Request<CostReportRequest>) -> Answer<CostReportResponse> {
        Err(nothing())
    }

    async fn estimate_cost(&self, _: Request<EstimateCostRequest>) -> Answer<EstimateCostResponse> {
        Err(nothing())
    }

    async fn list_models(&self, _: Request<ListModelsRequest>) -> Answer<ListModelsResponse> {
        Err(nothing())
    }
}

/// To the tool that calls, a status that is not OK is an answer like any other. So the process ends.
fn fail(error: &anyhow::Error) -> ! {
    eprintln!("a call failed: {error:#}");
    std::process::exit(1)
}

/// Random but for its beginning, which rises: as the ids of the service do in its index.
fn fresh_id() -> Uuid {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    Uuid::from_u128((millis << 80) | (rand::random::<u128>() >> 48))
}

fn nothing() -> Status {
    Status::unimplemented("nothing is compared with it")
}
