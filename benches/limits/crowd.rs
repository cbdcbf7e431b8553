//! Many tasks, quickly.

use std::net::SocketAddr;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use mediagen::pb::v1::Task;

use crate::call::{self, Client};

/// Creates tasks of one prompt, over 4 connections, and gives their ids.
pub async fn create(
    address: SocketAddr,
    count: usize,
    prompt: &str,
) -> anyhow::Result<Vec<String>> {
    let mut clients = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        clients.push(call::connect(address).await?);
    }
    let prompts = std::iter::repeat_n(prompt.to_owned(), count);
    let tasks = create_each(&clients, prompts).await?;
    Ok(tasks.into_iter().map(|task| task.id).collect())
}

/// Creates a task of each prompt, 64 at a time, and gives them as they come.
pub async fn create_each(
    clients: &[Client],
    prompts: impl IntoIterator<Item = String>,
) -> anyhow::Result<Vec<Task>> {
    stream::iter(clients.iter().cycle().zip(prompts))
        .map(|(client, prompt)| call::create(client, call::request(&prompt)))
        .buffer_unordered(IN_FLIGHT)
        .try_collect()
        .await
}

const CONNECTIONS: usize = 4;
const IN_FLIGHT: usize = 64;
