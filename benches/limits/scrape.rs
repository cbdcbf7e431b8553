//! What a server of ours says of itself.

use std::collections::HashMap;

use anyhow::Context as _;

use crate::process::Process;

/// Calls of a method by the code that they ended with.
pub type Calls = HashMap<String, u64>;

pub async fn calls(server: &Process, method: &str) -> anyhow::Result<Calls> {
    let begin = format!("mediagen_grpc_requests_total{{method=\"{method}\",code=\"");
    let mut calls = Calls::new();
    for line in text(server).await?.lines() {
        if let Some(rest) = line.strip_prefix(&begin) {
            let (code, count) = rest.split_once("\"} ").context("a strange metric")?;
            calls.insert(code.to_owned(), count.parse()?);
        }
    }
    Ok(calls)
}

/// The value of a metric without labels.
pub async fn value(server: &Process, name: &str) -> anyhow::Result<f64> {
    let text = text(server).await?;
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(value
        .with_context(|| format!("no metric {name}"))?
        .parse()?)
}

async fn text(server: &Process) -> anyhow::Result<String> {
    let url = format!("http://{}/metrics", server.address);
    Ok(reqwest::get(url).await?.error_for_status()?.text().await?)
}
