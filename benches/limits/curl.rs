//! One file over HTTP by `curl`, which does next to nothing itself.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tokio::process::Command;

/// Fetches `length` bytes to a file, which may be `/dev/null`, and says how long it took.
pub async fn fetch(url: &str, length: u64, to: &Path) -> anyhow::Result<Duration> {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "--max-time", "120"])
        .args(["--write-out", "%{size_download} %{time_total}", "--output"])
        .arg(to)
        .arg(url)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("curl does not run")?;
    let (said, error) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    anyhow::ensure!(output.status.success(), "curl: {error}");
    let (size, seconds) = said.split_once(' ').context("curl says nothing")?;
    anyhow::ensure!(size.parse() == Ok(length), "{size} bytes of {length} came");
    Ok(Duration::try_from_secs_f64(seconds.parse()?)?)
}
