//! Downloads whose readers have stopped reading.

use std::net::SocketAddr;

use anyhow::Context as _;
use mediagen::pb::v1::download_content_response::Part;
use mediagen::pb::v1::media_generation_client::MediaGenerationClient;
use mediagen::pb::v1::{DownloadContentRequest, DownloadContentResponse};
use tonic::Streaming;

use crate::call;

/// Streams that are open, of which only the beginning was read.
pub struct Stalled {
    streams: Vec<Streaming<DownloadContentResponse>>,
}

impl Stalled {
    /// Opens so many downloads of a task's output, spread over some connections, each with the
    /// window that HTTP/2 begins with, and reads what each begins with.
    pub async fn open(
        address: SocketAddr,
        connections: usize,
        count: usize,
        id: &str,
    ) -> anyhow::Result<Self> {
        let mut streams = Vec::with_capacity(count);
        for _ in 0..connections {
            // The connection's own window stops nobody: each stream is stalled by its own.
            let endpoint = call::endpoint(address)?
                .initial_stream_window_size(65_535)
                .initial_connection_window_size(64 << 20);
            let mut client = MediaGenerationClient::new(endpoint.connect().await?);
            for _ in 0..count / connections {
                let request = DownloadContentRequest {
                    task_id: id.to_owned(),
                    ..DownloadContentRequest::default()
                };
                let mut stream = client.download_content(request).await?.into_inner();
                let first = stream.message().await?.context("a download of nothing")?;
                anyhow::ensure!(matches!(first.part, Some(Part::Metadata(_))), "{first:?}");
                streams.push(stream);
            }
        }
        Ok(Self { streams })
    }

    /// Reads on; each must give so many bytes.
    pub async fn read(self, bytes: usize) -> anyhow::Result<()> {
        for mut stream in self.streams {
            let mut read = 0;
            while let Some(message) = stream.message().await? {
                if let Some(Part::Chunk(chunk)) = message.part {
                    read += chunk.data.len();
                }
            }
            anyhow::ensure!(read == bytes, "{read} of {bytes} bytes");
        }
        Ok(())
    }
}
