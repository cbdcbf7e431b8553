//! A task as this face shows it: the video object, which images and sounds share.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::domain::generation::Media;
use crate::domain::id::{InvalidTaskId, TaskId};
use crate::domain::model::{dimensions, spelled};
use crate::domain::money::{Charge, Cost, Millicredits, UsdRate};
use crate::domain::task::{Failure, Progress, State, Status, Task};
use crate::domain::time::Timestamp;

/// A task's id with what it makes in front: `video_` and the digits of its `task_` id.
///
/// Any of the prefixes is read, so that an id of the other face is one here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// What it makes.
    pub media: Media,
    /// The task.
    pub id: TaskId,
}

/// The video object.
#[derive(Clone, Debug, Serialize)]
pub struct Video {
    /// The task's name here.
    pub id: String,
    /// `video`; `image` or `audio` for a task that makes those.
    pub object: &'static str,
    /// queued, `in_progress`, completed or failed.
    pub status: &'static str,
    /// 0 to 100.
    pub progress: u8,
    /// When it was made, in seconds since the Unix epoch.
    pub created_at: i64,
    /// When it ended well or not.
    pub completed_at: Option<i64>,
    /// When its first file goes.
    pub expires_at: Option<i64>,
    /// The model as asked.
    pub model: String,
    /// The length in whole seconds, as text.
    pub seconds: Option<String>,
    /// The size in pixels, or as the model names it; what came out where none was asked.
    pub size: Option<String>,
    /// What was asked in words.
    pub prompt: Option<String>,
    /// Always null: nothing is remixed here.
    pub remixed_from_video_id: Option<String>,
    /// Why it failed.
    pub error: Option<TaskError>,
    /// What it came to.
    pub usage: Usage,
}

/// Why a task failed.
#[derive(Clone, Debug, Serialize)]
pub struct TaskError {
    /// For programs: the reason in lower case, or `cancelled`.
    pub code: String,
    /// For people.
    pub message: String,
}

/// What a task came to.
#[derive(Clone, Debug, Serialize)]
pub struct Usage {
    /// Length of the output, or as asked while there is none.
    pub duration_seconds: Option<f64>,
    /// 480p, 720p, 1080p or 4k.
    pub video_resolution: Option<&'static str>,
    /// What the provider said that it charged.
    pub provider_reported_cost_usd: Option<f64>,
    /// That, or the most that it may be; null: not known.
    pub cost_usd: Option<f64>,
    /// Whether the cost is not final.
    pub cost_is_estimate: bool,
}

impl Name {
    /// The name of a task.
    pub fn of(task: &Task) -> Self {
        let media = task.order.generation.operation.output();
        Self { media, id: task.id }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id.to_string();
        let (_, digits) = id.split_once('_').unwrap_or_default();
        write!(out, "{}_{digits}", self.media.as_str())
    }
}

/// The task that an id names, whatever its prefix.
pub fn task_id(text: &str) -> Result<TaskId, InvalidTaskId> {
    let (prefix, digits) = text.split_once('_').ok_or(InvalidTaskId)?;
    if !PREFIXES.contains(&prefix) {
        return Err(InvalidTaskId);
    }
    TaskId::from_str(&format!("task_{digits}"))
}

impl Video {
    /// The object of a task; `progress` is what is known between commits, `rate` what a credit costs.
    pub fn of(task: &Task, progress: Progress, rate: UsdRate) -> Self {
        let generation = &task.order.generation;
        let media = generation.operation.output();
        Self {
            id: Name::of(task).to_string(),
            object: media.as_str(),
            status: status(task.status()),
            progress: percent(task, progress),
            created_at: seconds(task.times.created),
            completed_at: task.times.completed.map(seconds),
            expires_at: task.outputs.first().map(|output| seconds(output.expires)),
            model: task.order.model.clone(),
            seconds: length(task).map(|seconds| format!("{}", seconds.round())),
            size: size(task),
            prompt: Some(generation.prompt.clone()).filter(|prompt| !prompt.is_empty()),
            remixed_from_video_id: None,
            error: error(task),
            usage: Usage::of(task, rate),
        }
    }
}

impl Usage {
    fn of(task: &Task, rate: UsdRate) -> Self {
        let bill = task.cost();
        let is_moving = task.order.generation.operation.output() == Media::Video;
        Self {
            duration_seconds: length(task),
            video_resolution: pixels(task).filter(|_| is_moving).map(resolution),
            provider_reported_cost_usd: bill.actual.map(|cost| dollars(cost, rate)),
            cost_usd: known_cost(&bill).map(|cost| dollars(cost, rate)),
            cost_is_estimate: is_estimate(&bill),
        }
    }
}

/// What is known of the bill: what was charged, nothing, or the most that it may be.
pub fn known_cost(bill: &Cost) -> Option<Millicredits> {
    match bill.charge {
        Charge::None => Some(bill.actual.unwrap_or_default()),
        Charge::Estimated | Charge::Charged | Charge::ChargedOrUnknown => {
            bill.actual.or(bill.estimated)
        }
    }
}

/// Whether a bill is not final.
pub fn is_estimate(bill: &Cost) -> bool {
    bill.charge != Charge::None && bill.actual.is_none()
}

/// An amount in dollars, for people and for clients that count in them.
pub fn dollars(amount: Millicredits, rate: UsdRate) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact far beyond what anybody is billed"
    )]
    let micros = amount.usd_micros(rate) as f64;
    micros / 1e6
}

/// The status in OpenAI's words.
pub const fn status(status: Status) -> &'static str {
    match status {
        Status::Queued | Status::Throttled | Status::SubmissionUnknown => "queued",
        Status::InProgress => "in_progress",
        Status::Completed => "completed",
        Status::Failed | Status::Cancelled => "failed",
    }
}

/// Whole percent; 100 only when it is completed, for clients that wait for it, and 0 of what ended
/// without.
fn percent(task: &Task, progress: Progress) -> u8 {
    match &task.state {
        State::Completed => 100,
        State::Archiving => 99,
        State::Failed(_) | State::Cancelled { .. } => 0,
        _ => {
            let share = progress.ten_thousandths() / (Progress::DONE.ten_thousandths() / 100);
            u8::try_from(share.min(99)).unwrap_or(99)
        }
    }
}

/// Why a task failed or was cancelled.
pub fn error(task: &Task) -> Option<TaskError> {
    if let Some(failure) = task.failure() {
        let code = failure.reason.as_str().to_ascii_lowercase();
        let message = said(failure);
        return Some(TaskError { code, message });
    }
    (task.status() == Status::Cancelled).then(|| TaskError {
        code: "cancelled".to_owned(),
        message: "the task was cancelled".to_owned(),
    })
}

/// Our sentence, and what the provider said and called it.
pub fn said(failure: &Failure) -> String {
    let mut said = failure.message.clone();
    if !failure.provider_message.is_empty() {
        said = format!("{said}: {}", failure.provider_message);
    }
    match failure.provider_code.as_str() {
        "" => said,
        code => format!("{said} ({code})"),
    }
}

/// Seconds of the first output, or as asked.
fn length(task: &Task) -> Option<f64> {
    let measured = task.outputs.first().and_then(|output| output.duration_ms);
    #[expect(clippy::cast_precision_loss, reason = "no output lasts that long")]
    let measured = measured.map(|millis| millis as f64 / 1e3);
    measured.or_else(|| task.order.generation.seconds.map(f64::from))
}

/// The size as asked, else of the first output.
fn size(task: &Task) -> Option<String> {
    let asked = task.order.generation.size.as_deref().map(spelled);
    asked.or_else(|| made(task).map(|(width, height)| format!("{width}x{height}")))
}

/// Width and height of the first output.
fn made(task: &Task) -> Option<(u32, u32)> {
    let output = task.outputs.first()?;
    output.width.zip(output.height)
}

/// Pixels of the first output, or as asked.
fn pixels(task: &Task) -> Option<u64> {
    let asked = || dimensions(task.order.generation.size.as_deref()?);
    let (width, height) = made(task).or_else(asked)?;
    Some(u64::from(width) * u64::from(height))
}

const fn resolution(pixels: u64) -> &'static str {
    match pixels {
        0..600_000 => "480p",
        600_000..1_500_000 => "720p",
        1_500_000..4_000_000 => "1080p",
        _ => "4k",
    }
}

/// Whole seconds since the Unix epoch.
pub const fn seconds(time: Timestamp) -> i64 {
    time.0.div_euclid(1000)
}

/// What an id may begin with.
const PREFIXES: [&str; 4] = ["video", "image", "audio", "task"];
