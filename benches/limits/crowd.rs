//! Many tasks, quickly.

use std::net::SocketAddr;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::call;

/// Creates tasks, 64 at a time over 4 connections, and gives their ids.
pub async fn create(
    address: SocketAddr,
    count: usize,
    prompt: &str,
) -> anyhow::Result<Vec<String>> {
    let mut clients = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        clients.push(call::connect(address).await?);
    }
    let creates = clients.iter().cycle().take(count);
    stream::iter(creates)
        .map(async |client| Ok(call::create(client, call::request(prompt)).await?.id))
        .buffer_unordered(IN_FLIGHT)
        .try_collect()
        .await
}

const CONNECTIONS: usize = 4;
const IN_FLIGHT: usize = 64;
