//! The commands that ask a server about tasks, one call each.

use std::path::{Path, PathBuf};

use clap::Args;

use super::client::{Client, ClientArgs, create as create_task, explain, task_of};
use super::download::Download;
use super::failure::{Exit, Failure};
use super::filter::FilterArgs;
use super::follow::{follow, status as status_of};
use super::generate::refuse_unfinished;
use super::json::{bare, task as to_json};
use super::progress::Progress;
use super::request::{RequestArgs, check_output, output_path};
use super::show;
use crate::pb::v1::{
    CancelRequest, DeleteRequest, DownloadContentRequest, ListRequest, Output, Resolution,
    ResolveUnknownRequest,
};

/// Flags of `create` and `estimate`.
#[derive(Args, Clone, Debug)]
pub struct CreateArgs {
    #[command(flatten)]
    pub(super) request: RequestArgs,
    #[command(flatten)]
    pub(super) connection: ClientArgs,
}

/// Flags of `status`, `cancel` and `delete`.
#[derive(Args, Clone, Debug)]
pub struct TaskArgs {
    /// The task
    #[arg(value_name = "ID", value_parser = task_name)]
    id: String,
    #[command(flatten)]
    pub(super) connection: ClientArgs,
}

/// Flags of `watch`.
#[derive(Args, Clone, Debug)]
pub struct WatchArgs {
    /// The task
    #[arg(value_name = "ID", value_parser = task_name)]
    id: String,
    /// Begins after this revision
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    after_revision: u64,
    #[command(flatten)]
    pub(super) connection: ClientArgs,
}

/// Flags of `download`.
#[derive(Args, Clone, Debug)]
pub struct DownloadArgs {
    /// The task
    #[arg(value_name = "ID", value_parser = task_name)]
    id: String,
    /// The file to write, or - for standard output [default: the task's id]
    #[arg(long, short = 'O', value_name = "FILE")]
    output: Option<PathBuf>,
    /// Which output
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    index: u32,
    /// Begins at this byte; the hash is then not checked
    #[arg(
        long,
        value_name = "BYTE",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    offset: u64,
    #[command(flatten)]
    pub(super) connection: ClientArgs,
}

/// Flags of `list`.
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    #[command(flatten)]
    filters: FilterArgs,
    /// Tasks per page, up to 1000
    #[arg(long, value_name = "N", default_value_t = 50, allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(1..=1000))]
    page_size: i32,
    /// Goes on after an earlier page
    #[arg(
        long,
        value_name = "TOKEN",
        default_value = "",
        hide_default_value = true
    )]
    page_token: String,
    /// Every page
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    pub(super) connection: ClientArgs,
}

/// Flags of `resolve`.
#[derive(Args, Clone, Debug)]
pub struct ResolveArgs {
    /// The task
    #[arg(value_name = "ID", value_parser = task_name)]
    id: String,
    #[command(flatten)]
    resolution: ResolutionArgs,
    #[command(flatten)]
    pub(super) connection: ClientArgs,
}

/// What an operator found out.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct ResolutionArgs {
    /// The provider made this task: go on with it
    #[arg(long, value_name = "PROVIDER_TASK_ID")]
    attach: Option<String>,
    /// The provider made none: the task may be submitted again
    #[arg(long)]
    not_charged: bool,
    /// The provider made one that is lost: the task fails, and its cost is booked
    #[arg(long)]
    charged: bool,
}

/// `create`.
pub async fn create(args: &CreateArgs) -> Result<(), Failure> {
    let planned = args.request.to_request()?;
    let mut client = args.connection.connect()?;
    let mut progress = Progress::new(args.connection.json);
    let request = planned.complete(&mut client, &mut progress).await?;
    let task = create_task(&mut client, request, &mut progress).await?;
    progress.clear();
    show::task(&task, args.connection.json)
}

/// `status`.
pub async fn status(args: &TaskArgs) -> Result<(), Failure> {
    let task = status_of(&mut args.connection.connect()?, &args.id).await?;
    show::task(&task, args.connection.json)
}

/// `watch`: a line per change; the exit code says how the task ended.
pub async fn watch(args: &WatchArgs) -> Result<(), Failure> {
    let mut client = args.connection.connect()?;
    let json = args.connection.json;
    let mut notes = show::Notes::default();
    let ended = follow(&mut client, &args.id, args.after_revision, |task| {
        if json {
            return show::json(&to_json(task));
        }
        show::line(&format!(
            "{:>4}  {}",
            task.revision,
            notes.status_line(task)
        ))
    });
    refuse_unfinished(&ended.await?)
}

/// `download`.
pub async fn download(args: &DownloadArgs) -> Result<(), Failure> {
    check_output(args.output.as_deref())?;
    let mut client = args.connection.connect()?;
    let task = status_of(&mut client, &args.id).await?;
    let Some(output) = task
        .outputs
        .iter()
        .find(|output| output.index == args.index)
        .cloned()
    else {
        return Err(why_no_output(&mut client, args).await);
    };
    let to_stdout = args.output.as_deref() == Some(Path::new("-"));
    let path = output_path(
        args.output.as_deref(),
        &task.id,
        args.index,
        &output.content_type,
    );
    let file = (!to_stdout).then(|| path.clone());
    let download = Download {
        task_id: args.id.clone(),
        output: output.clone(),
        file,
        offset: args.offset,
    };
    let mut progress = Progress::new(args.connection.json);
    download.run(&mut client, &mut progress).await?;
    progress.clear();
    if to_stdout {
        Ok(())
    } else {
        report(&path, &output, args.connection.json)
    }
}

/// `cancel`.
pub async fn cancel(args: &TaskArgs) -> Result<(), Failure> {
    let request = CancelRequest {
        task_id: args.id.clone(),
    };
    let answer = args
        .connection
        .connect()?
        .cancel(request)
        .await
        .map_err(explain)?
        .into_inner();
    let outcome = bare(answer.outcome().as_str_name(), "CANCEL_OUTCOME_");
    let task = task_of(answer.task)?;
    if args.connection.json {
        return show::json(&serde_json::json!({ "outcome": outcome, "task": to_json(&task) }));
    }
    show::line(&format!("cancel    {outcome}\n{}", show::describe(&task)))
}

/// `delete`.
pub async fn delete(args: &TaskArgs) -> Result<(), Failure> {
    let request = DeleteRequest {
        task_id: args.id.clone(),
    };
    args.connection
        .connect()?
        .delete(request)
        .await
        .map_err(explain)?;
    if args.connection.json {
        return show::json(&serde_json::json!({ "deleted": args.id }));
    }
    show::line(&format!("deleted   {}", args.id))
}

/// `list`.
pub async fn list(args: &ListArgs) -> Result<(), Failure> {
    let filters = args.filters.to_proto()?;
    let mut client = args.connection.connect()?;
    let mut page_token = args.page_token.clone();
    let json = args.connection.json;
    if !json {
        show::line(&show::table_head())?;
    }
    loop {
        let request = ListRequest {
            page_size: args.page_size,
            page_token,
            filters: Some(filters.clone()),
        };
        let page = client.list(request).await.map_err(explain)?.into_inner();
        for task in &page.tasks {
            if json {
                show::json(&to_json(task))?;
            } else {
                show::line(&show::table_row(task))?;
            }
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(());
        }
        if !args.all {
            return say_there_is_more(&page_token, json);
        }
    }
}

/// `resolve`.
pub async fn resolve(args: &ResolveArgs) -> Result<(), Failure> {
    let (resolution, provider_task_id) = args.resolution.to_proto();
    let request = ResolveUnknownRequest {
        task_id: args.id.clone(),
        resolution: resolution.into(),
        provider_task_id,
    };
    let answer = args
        .connection
        .connect()?
        .resolve_unknown(request)
        .await
        .map_err(explain)?;
    show::task(&task_of(answer.into_inner().task)?, args.connection.json)
}

impl ResolutionArgs {
    fn to_proto(&self) -> (Resolution, String) {
        match (&self.attach, self.not_charged) {
            (Some(id), _) => (Resolution::Attach, id.clone()),
            (None, true) => (Resolution::NotCharged, String::new()),
            (None, false) => (Resolution::Charged, String::new()), // the group requires one of three
        }
    }
}

/// The server's own words on an output that the task does not list.
async fn why_no_output(client: &mut Client, args: &DownloadArgs) -> Failure {
    let request = DownloadContentRequest {
        task_id: args.id.clone(),
        output_index: args.index,
        ..DownloadContentRequest::default()
    };
    match client.download_content(request).await {
        Err(status) => explain(status),
        Ok(_) => Failure::new(
            Exit::Refused,
            format!("{} lists no output {}", args.id, args.index),
        ),
    }
}

fn report(path: &Path, output: &Output, json: bool) -> Result<(), Failure> {
    let path = path.display().to_string();
    if json {
        let file = serde_json::json!({
            "index": output.index,
            "path": path,
            "size_bytes": output.size_bytes,
            "sha256": output.sha256,
        });
        return show::json(&file);
    }
    show::line(&path)
}

fn say_there_is_more(page_token: &str, json: bool) -> Result<(), Failure> {
    if json {
        return show::json(&serde_json::json!({ "next_page_token": page_token }));
    }
    show::line(&format!(
        "there are more: --all, or --page-token {page_token}"
    ))
}

/// The id of a task, also where it is written as over HTTP: `video_` and the same digits.
#[expect(clippy::unnecessary_wraps, reason = "what clap takes")]
fn task_name(text: &str) -> Result<String, String> {
    let digits = ["video_", "image_", "audio_"]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix));
    Ok(digits.map_or_else(|| text.to_owned(), |digits| format!("task_{digits}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_three_resolutions_is_sent() {
        let args = |attach: Option<&str>, not_charged, charged| ResolutionArgs {
            attach: attach.map(str::to_owned),
            not_charged,
            charged,
        };
        assert_eq!(
            args(Some("x"), false, false).to_proto(),
            (Resolution::Attach, "x".into())
        );
        assert_eq!(args(None, true, false).to_proto().0, Resolution::NotCharged);
        assert_eq!(args(None, false, true).to_proto().0, Resolution::Charged);
    }
}
