//! Unary load by `h2load` (nghttp2), whose own cost is a fraction of a gRPC library's.
//!
//! It knows HTTP/2 and not gRPC: a call that fails is a 200 with a trailer to it. So the server's own
//! count of calls by code is read before and after: anything but OK is an error, and so is an OK that
//! the tool did not see.

use std::path::Path;
use std::process::Stdio;

use anyhow::Context as _;
use tokio::process::Command;

use crate::bench::Bench;
use crate::process::Process;
use crate::sample::Times;
use crate::scrape;

/// One kind of load.
pub struct Load<'a> {
    /// `Create`, of `mediagen.v1.MediaGeneration`.
    pub method: &'a str,
    /// The framed message.
    pub body: &'a [u8],
    pub connections: usize,
    /// Calls in flight on each of them.
    pub in_flight: usize,
    pub seconds: u64,
}

/// What a load brought.
pub struct Loaded {
    pub per_second: f64,
    pub times: Times,
}

impl Load<'_> {
    /// Runs it against our server, whose counts must agree.
    pub async fn counted(&self, bench: &Bench, server: &Process) -> anyhow::Result<Loaded> {
        let before = scrape::calls(server, self.method).await?;
        let loaded = self.run(bench, server).await?;
        let after = scrape::calls(server, self.method).await?;
        for (code, count) in &after {
            let more = count - before.get(code).unwrap_or(&0);
            // The calls under way at the end are cut.
            let is_fine = code == "OK" || code == "CANCELLED";
            anyhow::ensure!(is_fine || more == 0, "{more} calls ended as {code}");
        }
        let ok = |calls: &scrape::Calls| calls.get("OK").copied().unwrap_or(0);
        let answered = ok(&after) - ok(&before);
        let seen = loaded.times.len() as u64;
        anyhow::ensure!(
            answered >= seen,
            "{seen} answers of which {answered} were OK"
        );
        Ok(loaded)
    }

    /// Runs it against anything.
    pub async fn run(&self, bench: &Bench, server: &Process) -> anyhow::Result<Loaded> {
        let body = bench.folder().join("body");
        let log = bench.folder().join("h2load.log");
        std::fs::write(&body, self.body)?;
        // It appends.
        if log.exists() {
            std::fs::remove_file(&log)?;
        }
        let Load {
            method,
            connections,
            in_flight,
            seconds,
            ..
        } = self;
        let output = Command::new("h2load")
            .arg(format!("--duration={seconds}"))
            .arg("--warm-up-time=1")
            .arg(format!("--clients={connections}"))
            .arg(format!("--max-concurrent-streams={in_flight}"))
            .args([
                "--header",
                "content-type: application/grpc",
                "--header",
                "te: trailers",
            ])
            .arg("--data")
            .arg(body)
            .arg("--log-file")
            .arg(&log)
            .arg(format!(
                "http://{}/mediagen.v1.MediaGeneration/{method}",
                server.address
            ))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("h2load (of nghttp2, the package nghttp2-client of Debian) does not run")?;
        let said = String::from_utf8_lossy(&output.stdout);
        anyhow::ensure!(output.status.success(), "h2load: {said}");
        let times = read(&log)?;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let per_second = times.len() as f64 / *seconds as f64;
        Ok(Loaded { per_second, times })
    }
}

/// Each line: when it began, its status, how long it took, in microseconds.
fn read(log: &Path) -> anyhow::Result<Times> {
    let text = std::fs::read_to_string(log)?;
    let mut times = Vec::new();
    for line in text.lines() {
        let mut fields = line.split('\t').skip(1);
        let (status, took) = (fields.next(), fields.next());
        anyhow::ensure!(status == Some("200"), "a call ended so: {line}");
        let micros: f64 = took.context("a line without a time")?.parse()?;
        times.push(micros / 1e3);
    }
    anyhow::ensure!(!times.is_empty(), "h2load had no answer");
    Ok(Times::of_millis(times))
}
