//! Calls to a server, as the generated code makes them.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use mediagen::pb::v1::media_generation_client::MediaGenerationClient;
use mediagen::pb::v1::{CreateRequest, StatusRequest, Task};
use prost::Message;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use uuid::Uuid;

/// A client of the generated code.
pub type Client = MediaGenerationClient<Channel>;

/// A connection with the settings that tonic has by itself.
pub async fn connect(address: SocketAddr) -> anyhow::Result<Client> {
    let channel = endpoint(address)?.connect().await?;
    Ok(MediaGenerationClient::new(channel))
}

pub fn endpoint(address: SocketAddr) -> anyhow::Result<Endpoint> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    Ok(endpoint.connect_timeout(Duration::from_secs(5)))
}

/// A request for a video that the upstream makes as the prompt says (see `upstream`).
pub fn request(prompt: &str) -> CreateRequest {
    CreateRequest {
        request_id: format!("bench_{}", Uuid::from_u128(rand::random()).simple()),
        model: "gen4.5".to_owned(),
        prompt: prompt.to_owned(),
        seconds: Some(5),
        size: "1280x720".to_owned(),
        ..CreateRequest::default()
    }
}

pub async fn create(client: &Client, request: CreateRequest) -> anyhow::Result<Task> {
    let answer = client.clone().create(request).await?;
    answer.into_inner().task.context("an answer without a task")
}

pub async fn status(client: &Client, id: &str) -> anyhow::Result<Task> {
    let task_id = id.to_owned();
    let answer = client.clone().status(StatusRequest { task_id }).await?;
    answer.into_inner().task.context("an answer without a task")
}

/// Whether a call failed for its connection alone, before it was sent. After half an hour a connection is
/// closed, in peace; tonic's client then fails what still waits, which the libraries of other languages
/// send over the next.
pub fn was_not_sent(error: &anyhow::Error) -> bool {
    let mut causes = error.chain();
    causes.any(|cause| {
        cause.downcast_ref::<Status>().is_some_and(|status| {
            status.code() == Code::Cancelled && status.message() == "operation was canceled"
        })
    })
}

/// A message as gRPC frames it, for load tools that know HTTP/2 only.
pub fn frame(message: &impl Message) -> anyhow::Result<Vec<u8>> {
    let length = u32::try_from(message.encoded_len())?;
    let mut frame = vec![0];
    frame.extend(length.to_be_bytes());
    message.encode(&mut frame)?;
    Ok(frame)
}
