//! `mediagen generate`: create, follow, download; from a prompt to a file.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::client::{Client, ClientArgs, create, explain, task_of};
use super::download::Download;
use super::failure::{Exit, Failure};
use super::follow::{follow, is_terminal};
use super::inputs::Planned;
use super::json::bare;
use super::local::LocalArgs;
use super::progress::Progress;
use super::request::{RequestArgs, check_output, numbered, output_path};
use super::show;
use super::signals::Signals;
use crate::config::Environment;
use crate::config::quantity::{parse_duration, show_duration};
use crate::pb::v1::{CancelRequest, Task, TaskStatus};

/// Flags of `generate`.
#[derive(Args, Clone, Debug, Default)]
pub struct GenerateArgs {
    #[command(flatten)]
    request: RequestArgs,
    /// The file to write; of several outputs the further ones become NAME-1, NAME-2 and so on
    /// [default: the task's id]
    #[arg(long, short = 'O', value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,
    /// How long to wait before leaving the task to itself [default: 600s]
    /// [env: RUNWAYML_POLLING_TIMEOUT, in seconds]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, help_heading = "Output")]
    wait: Option<Duration>,
    #[command(flatten)]
    local: LocalArgs,
    #[command(flatten)]
    pub(super) connection: ClientArgs,
}

/// Runs in one process or against a server.
pub async fn run(args: &GenerateArgs, env: &Environment) -> Result<(), Failure> {
    let request = args.request.to_request()?;
    let wait = wait_of(args.wait, env)?;
    check_output(args.output.as_deref())?;
    let named = args.connection.named_server();
    if args.local.sandbox && named.is_some() && named != env.get("MEDIAGEN_SERVER") {
        let text = "--sandbox runs in this process: leave out --server, or --sandbox";
        return Err(Failure::new(Exit::Usage, text));
    }
    if !args.local.sandbox && args.connection.named_server().is_some() {
        let mut client = args.connection.connect()?;
        return generate(&mut client, request, wait, args).await;
    }
    if !can_run_alone(args, env) {
        return Err(Failure::new(Exit::Usage, WAYS_OUT));
    }
    let mut local = args.local.start(env, args.connection.json).await?;
    let result = generate(&mut local.client, request, wait, args).await;
    local.end().await;
    result
}

async fn generate(
    client: &mut Client,
    planned: Planned,
    wait: Duration,
    args: &GenerateArgs,
) -> Result<(), Failure> {
    let mut progress = Progress::new(args.connection.json);
    // Until there is a task, a signal may end it all.
    let request = planned.complete(client, &mut progress).await?;
    let deadline = Instant::now() + wait.min(LONGEST_WAIT);
    let mut signals = Signals::take().context("signals cannot be taken over")?;
    let created = create(client, request, &mut progress).await?;
    progress.task(&created);
    say_cost(&mut progress, &created);
    let estimated = created.cost;
    let ended = if is_terminal(&created) {
        created
    } else {
        let id = created.id.clone();
        let followed = tokio::select! {
            ended = follow(client, &id, created.revision, |task| show_task(&mut progress, task)) => Some(ended?),
            _ = signals.next() => None,
            () = tokio::time::sleep_until(deadline) => return Err(timed_out(&id, wait)),
        };
        match followed {
            Some(ended) => ended,
            None => cancel(client, &id, &mut signals, &mut progress).await?,
        }
    };
    if ended.status() != TaskStatus::Completed {
        progress.clear();
        say_cost(&mut progress, &ended);
    }
    refuse_unfinished(&ended)?;
    let files = tokio::select! {
        files = save(client, &ended, args, &mut progress) => files?,
        _ = signals.next() => return Err(left(&ended.id, "the download was interrupted")),
    };
    progress.clear();
    if ended.cost != estimated {
        say_cost(&mut progress, &ended);
    }
    report(&ended, &files, args.connection.json)
}

/// What it costs is said beside the result: before it is made, and when the bill is known.
fn say_cost(progress: &mut Progress, task: &Task) {
    let cost = task.cost.as_ref().map(show::cost_line);
    progress.say(&format!("cost: {}", cost.unwrap_or_default()));
}

/// Asks to cancel, and waits for what comes of it unless a second signal says not to.
async fn cancel(
    client: &mut Client,
    task_id: &str,
    signals: &mut Signals,
    progress: &mut Progress,
) -> Result<Task, Failure> {
    progress.say("cancelling; press Ctrl-C again to leave at once");
    let ending = async {
        let request = CancelRequest {
            task_id: task_id.into(),
        };
        let answer = client.cancel(request).await.map_err(explain)?.into_inner();
        progress.say(&format!(
            "cancel: {}",
            bare(answer.outcome().as_str_name(), "CANCEL_OUTCOME_")
        ));
        let task = task_of(answer.task)?;
        if is_terminal(&task) {
            return Ok(task);
        }
        follow(client, task_id, task.revision, |task| {
            show_task(progress, task)
        })
        .await
    };
    tokio::select! {
        ended = ending => ended,
        _ = signals.next() => Err(left(task_id, "left before the task ended")),
    }
}

/// Downloads every output.
async fn save(
    client: &mut Client,
    task: &Task,
    args: &GenerateArgs,
    progress: &mut Progress,
) -> Result<Vec<Json>, Failure> {
    let mut files = Vec::new();
    for (place, output) in task.outputs.iter().enumerate() {
        let given = args.output.as_deref().map(|file| numbered(file, place));
        let path = output_path(
            given.as_deref(),
            &task.id,
            output.index,
            &output.content_type,
        );
        let file = json!({
            "index": output.index,
            "path": path.display().to_string(),
            "size_bytes": output.size_bytes,
            "sha256": output.sha256,
        });
        let download = Download {
            task_id: task.id.clone(),
            output: output.clone(),
            file: Some(path),
            offset: 0,
        };
        let saved = download.run(client, progress).await;
        saved.map_err(|failure| with_hint(failure, &task.id))?;
        files.push(file);
    }
    Ok(files)
}

fn report(task: &Task, files: &[Json], as_json: bool) -> Result<(), Failure> {
    if as_json {
        let task = super::json::task(task);
        return show::json(
            &json!({ "request_id": task["request_id"], "task": task, "files": files }),
        );
    }
    for path in files.iter().filter_map(|file| file["path"].as_str()) {
        show::line(path)?;
    }
    Ok(())
}

/// A task that ended without output, as a failure.
pub fn refuse_unfinished(task: &Task) -> Result<(), Failure> {
    let error = task.error.clone().unwrap_or_default();
    let (exit, text) = match task.status() {
        TaskStatus::Failed => (
            Exit::TaskFailed,
            format!("{} failed: {}: {}", task.id, error.reason, error.message),
        ),
        TaskStatus::Cancelled => (Exit::Cancelled, format!("{} was cancelled", task.id)),
        _ => return Ok(()),
    };
    let mut failure = Failure::new(exit, text);
    if !error.provider_message.is_empty() {
        let said = format!(
            "\n  the provider says: {} {}",
            error.provider_code, error.provider_message
        );
        failure.message.push_str(&said);
    }
    failure.detail = super::json::task(task);
    Err(failure)
}

/// The limit of the wait: the flag, else Runway's variable in seconds, else 600 s.
fn wait_of(flag: Option<Duration>, env: &Environment) -> Result<Duration, Failure> {
    if let Some(wait) = flag {
        return Ok(wait);
    }
    let Some(text) = env.get(WAIT_VARIABLE) else {
        return Ok(DEFAULT_WAIT);
    };
    let seconds = text
        .trim()
        .parse()
        .ok()
        .filter(|seconds| (0.0..=1e9).contains(seconds));
    let wrong = || {
        Failure::new(
            Exit::Usage,
            format!("{WAIT_VARIABLE}: `{text}` is no number of seconds"),
        )
    };
    seconds.map(Duration::from_secs_f64).ok_or_else(wrong)
}

fn can_run_alone(args: &GenerateArgs, env: &Environment) -> bool {
    let key = [
        "RUNWAYML_API_SECRET",
        "RUNWAYML_API_KEY",
        "MEDIAGEN_RUNWAY_API_KEY",
        "MEDIAGEN_RUNWAY_API_KEY_FILE",
    ];
    args.local.wants_sandbox(env)
        || args.local.config.is_some()
        || env.get("MEDIAGEN_CONFIG").is_some()
        || key.iter().any(|name| env.get(name).is_some())
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "what `follow` reports to may fail elsewhere"
)]
fn show_task(progress: &mut Progress, task: &Task) -> Result<(), Failure> {
    progress.task(task);
    Ok(())
}

fn timed_out(task_id: &str, wait: Duration) -> Failure {
    let text = format!("not finished after {}", show_duration(wait));
    with_hint(Failure::new(Exit::WaitTimedOut, text), task_id)
}

fn left(task_id: &str, text: &str) -> Failure {
    with_hint(Failure::new(Exit::Interrupted, text), task_id)
}

/// Says how to go on with a task that nobody waits for any more.
fn with_hint(mut failure: Failure, task_id: &str) -> Failure {
    let hint = format!(
        "\n  {task_id} is kept; to go on: `mediagen watch {task_id}`, then `mediagen download {task_id}`\n  \
         (after a run without a server, start `mediagen serve` on the same data folder first)"
    );
    failure.message.push_str(&hint);
    if failure.detail.is_null() {
        failure.detail = json!({ "task_id": task_id });
    }
    failure
}

const DEFAULT_WAIT: Duration = Duration::from_mins(10);
/// A clock cannot count further than some hundred years; nobody waits that long.
const LONGEST_WAIT: Duration = Duration::from_hours(24 * 3_650);
const WAIT_VARIABLE: &str = "RUNWAYML_POLLING_TIMEOUT";
const WAYS_OUT: &str = "nowhere to generate: add --sandbox to try without an account (nothing it makes is real), \
    set RUNWAYML_API_SECRET to use your account from this process, or name a server with --server";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::v1::TaskError;

    fn env(variables: &[(&str, &str)]) -> Environment {
        variables.iter().copied().collect()
    }

    #[test]
    fn the_wait_comes_from_the_flag_then_the_variable_then_600_s() {
        let set = env(&[(WAIT_VARIABLE, "1.5")]);
        assert_eq!(
            wait_of(Some(Duration::from_secs(1)), &set).unwrap(),
            Duration::from_secs(1)
        );
        assert_eq!(wait_of(None, &set).unwrap(), Duration::from_millis(1_500));
        assert_eq!(wait_of(None, &env(&[])).unwrap(), Duration::from_mins(10));
        for text in ["soon", "-1", "NaN"] {
            assert_eq!(
                wait_of(None, &env(&[(WAIT_VARIABLE, text)]))
                    .unwrap_err()
                    .exit,
                Exit::Usage
            );
        }
    }

    #[test]
    fn a_key_or_the_sandbox_is_enough_without_a_server() {
        let args = GenerateArgs::default();
        assert!(!can_run_alone(&args, &env(&[])));
        assert!(can_run_alone(&args, &env(&[("RUNWAYML_API_KEY", "k")])));
        assert!(can_run_alone(&args, &env(&[("MEDIAGEN_SANDBOX", "true")])));
    }

    #[test]
    fn how_a_task_ended_decides_the_exit_code() {
        let mut task = Task {
            id: "task_1".into(),
            ..Task::default()
        };
        task.set_status(TaskStatus::Completed);
        assert!(refuse_unfinished(&task).is_ok());
        task.set_status(TaskStatus::Cancelled);
        assert_eq!(refuse_unfinished(&task).unwrap_err().exit, Exit::Cancelled);
        task.set_status(TaskStatus::Failed);
        task.error = Some(TaskError {
            reason: "TIMED_OUT".into(),
            ..TaskError::default()
        });
        let failure = refuse_unfinished(&task).unwrap_err();
        assert_eq!(failure.exit, Exit::TaskFailed);
        assert!(failure.message.contains("TIMED_OUT"));
    }

    #[test]
    fn who_stops_waiting_is_told_how_to_go_on() {
        let failure = timed_out("task_1", Duration::from_mins(10));
        assert_eq!(failure.exit, Exit::WaitTimedOut);
        assert!(
            failure.message.contains("10m") && failure.message.contains("mediagen download task_1")
        );
    }
}
