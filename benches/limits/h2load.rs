//! Unary load by `h2load` (nghttp2), whose own cost is a fraction of a gRPC library's.
//!
//! It knows HTTP/2 and not gRPC: a call that fails is a 200 with a trailer to it. So the server's own
//! count of calls by code is read before and after: anything but OK is an error, and so are fewer of
//! them than the tool had answers. Over HTTP/1.1 the status says it all.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

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
            anyhow::ensure!(code == "OK" || more == 0, "{more} calls ended as {code}");
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
    ///
    /// A run of a given time would cut the calls under way at its end, which a server rightly counts
    /// as failed. So the first calls warm up, and say how many fill the time.
    pub async fn run(&self, bench: &Bench, server: &Process) -> anyhow::Result<Loaded> {
        let first = self.calls(bench, server, FIRST_CALLS).await?;
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of calls"
        )]
        let filling = (first.per_second * self.seconds as f64) as usize;
        self.calls(bench, server, filling.max(FIRST_CALLS)).await
    }

    async fn calls(&self, bench: &Bench, server: &Process, calls: usize) -> anyhow::Result<Loaded> {
        let path = format!("mediagen.v1.MediaGeneration/{}", self.method);
        let mut command = Command::new("h2load");
        command
            .arg(format!("--requests={calls}"))
            .arg(format!("--clients={}", self.connections))
            .arg(format!("--max-concurrent-streams={}", self.in_flight))
            .args(["--header", "content-type: application/grpc"])
            .args(["--header", "te: trailers"]);
        let url = format!("http://{}/{path}", server.address);
        drive(bench, &mut command, Some(self.body), &url).await?;
        let answers = answers(bench)?;
        let count = answers.len();
        anyhow::ensure!(count == calls, "{count} of {calls} calls ended");
        let begun = answers.iter().map(|answer| answer.begun);
        let ended = answers
            .iter()
            .map(|answer| answer.begun + answer.millis * 1e3);
        let (begun, ended) = (
            begun.fold(f64::INFINITY, f64::min),
            ended.fold(0.0, f64::max),
        );
        let took = Duration::try_from_secs_f64((ended - begun) / 1e6)?;
        Ok(Loaded::of(&answers, Duration::ZERO, took))
    }
}

/// One kind of load over HTTP/1.1: a call at a time on each connection.
pub struct Http<'a> {
    pub url: String,
    /// As `name: value`.
    pub headers: &'a [String],
    /// What is posted; `None`: it is a GET.
    pub body: Option<&'a [u8]>,
    pub connections: usize,
    pub span: Span,
}

/// How long it goes on.
#[derive(Clone, Copy, Debug)]
pub enum Span {
    /// So long, after a second that is not counted.
    Seconds(u64),
    /// For so many calls.
    Calls(usize),
}

impl Http<'_> {
    /// Runs it; every answer is a 200.
    pub async fn run(&self, bench: &Bench) -> anyhow::Result<Loaded> {
        let mut command = Command::new("h2load");
        command
            .arg("--h1")
            .arg(format!("--clients={}", self.connections));
        for header in self.headers {
            command.args(["--header", header]);
        }
        // Over the end of its own warm-up the tool forgets which answers it has.
        match self.span {
            Span::Seconds(seconds) => command.arg(format!("--duration={}", 1 + seconds)),
            Span::Calls(calls) => command.arg(format!("--requests={calls}")),
        };
        let run = drive(bench, &mut command, self.body, &self.url);
        let took = tokio::time::timeout(LONGEST, run).await;
        let took = took.context("the calls do not end")??;
        let answers = answers(bench)?;
        let count = answers.len();
        Ok(match self.span {
            Span::Seconds(seconds) => {
                let counted = Duration::from_secs(seconds);
                Loaded::of(&answers, Duration::from_secs(1), counted)
            }
            Span::Calls(calls) => {
                anyhow::ensure!(count == calls, "{count} of {calls} calls ended");
                Loaded::of(&answers, Duration::ZERO, took)
            }
        })
    }
}

/// Runs the tool, and says for how long it ran.
async fn drive(
    bench: &Bench,
    command: &mut Command,
    body: Option<&[u8]>,
    url: &str,
) -> anyhow::Result<Duration> {
    let log = log(bench);
    // It appends.
    if log.exists() {
        std::fs::remove_file(&log)?;
    }
    if let Some(body) = body {
        let file = bench.folder().join("body");
        std::fs::write(&file, body)?;
        command.arg("--data").arg(file);
    }
    let begun = Instant::now();
    let output = command
        .arg("--log-file")
        .arg(&log)
        .arg(url)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("h2load (of nghttp2, the package nghttp2-client of Debian) does not run")?;
    let said = String::from_utf8_lossy(&output.stdout);
    anyhow::ensure!(output.status.success(), "h2load: {said}");
    Ok(begun.elapsed())
}

fn log(bench: &Bench) -> PathBuf {
    bench.folder().join("h2load.log")
}

/// One answer.
struct Answer {
    /// Microseconds since the Unix epoch.
    begun: f64,
    millis: f64,
}

/// Each line: when it began, its status, how long it took, in microseconds.
fn answers(bench: &Bench) -> anyhow::Result<Vec<Answer>> {
    let text = std::fs::read_to_string(log(bench))?;
    let mut answers = Vec::new();
    for line in text.lines() {
        let mut fields = line.split('\t');
        let (begun, status, took) = (fields.next(), fields.next(), fields.next());
        anyhow::ensure!(status == Some("200"), "a call ended so: {line}");
        let micros: f64 = took.context("a line without a time")?.parse()?;
        answers.push(Answer {
            begun: begun.unwrap_or_default().parse()?,
            millis: micros / 1e3,
        });
    }
    anyhow::ensure!(!answers.is_empty(), "h2load had no answer");
    Ok(answers)
}

impl Loaded {
    /// Of the answers that came after a while that is not counted, in the time that is.
    fn of(answers: &[Answer], skipped: Duration, counted: Duration) -> Self {
        let first = answers.iter().map(|answer| answer.begun);
        let from = first.fold(f64::INFINITY, f64::min) + skipped.as_secs_f64() * 1e6;
        let came = answers
            .iter()
            .filter(|answer| answer.begun + answer.millis * 1e3 >= from);
        let times = Times::of_millis(came.map(|answer| answer.millis));
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let per_second = times.len() as f64 / counted.as_secs_f64();
        Self { per_second, times }
    }
}

/// Calls that warm up.
const FIRST_CALLS: usize = 500;
/// The longest that a load over HTTP/1.1 may take.
const LONGEST: Duration = Duration::from_mins(5);
