//! The command line. `serve` and `sandbox` run servers; every other command is a gRPC client like
//! any caller's, with `generate` able to bring its own server along.
//!
//! What a command prints on standard output is its result; progress, logs and errors go to standard
//! error; the exit code says how it ended.

#![expect(
    clippy::doc_markdown,
    reason = "the docs of flags are the text of --help"
)]

mod catalog;
mod client;
mod config;
mod costs;
mod download;
mod estimate;
mod failure;
mod filter;
mod follow;
mod generate;
mod input_flag;
mod inputs;
mod json;
mod keys;
mod local;
mod media;
mod models;
mod progress;
mod request;
mod sandbox;
mod serve;
mod server_files;
mod show;
mod signals;
mod tasks;
#[cfg(test)]
mod tests;
mod upload;
mod webhooks;
mod when;

use clap::{Parser, Subcommand};

pub use failure::{Exit, Failure};

use crate::config::{Environment, Log, LogFormat};

/// Generative video and images as a gRPC service: durable tasks, paid once, pushed, archived.
#[derive(Debug, Parser)]
#[command(name = "mediagen", version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the service
    #[command(after_help = SERVE_HELP)]
    Serve(serve::ServeArgs),
    /// Runs a stand-in for the APIs of RunwayML and, under /openai/v1, of OpenAI; nothing it makes is real
    Sandbox(sandbox::SandboxArgs),
    /// Makes something and saves it: create, progress, download, in one go
    #[command(after_help = GENERATE_HELP)]
    Generate(Box<generate::GenerateArgs>),
    /// Creates a task and prints it
    Create(Box<tasks::CreateArgs>),
    /// Stores a file for later requests and prints its id
    #[command(after_help = UPLOAD_HELP)]
    Upload(upload::UploadArgs),
    /// Prints what a request would cost, and creates nothing
    #[command(after_help = ESTIMATE_HELP)]
    Estimate(Box<tasks::CreateArgs>),
    /// Prints a task as last committed
    Status(tasks::TaskArgs),
    /// Prints a task's changes until it ends
    Watch(tasks::WatchArgs),
    /// Saves an output of a completed task, verified; continues a broken download
    Download(tasks::DownloadArgs),
    /// Cancels a task as far as that is still possible
    Cancel(tasks::TaskArgs),
    /// Removes an ended task's content, and keeps the record of its cost
    Delete(tasks::TaskArgs),
    /// Lists tasks, newest first
    List(tasks::ListArgs),
    /// Prints what tasks cost: credits and dollars by model, deployment, day and label
    #[command(after_help = COSTS_HELP)]
    Costs(costs::CostsArgs),
    /// Settles a task whose submission has an unknown outcome, on an operator's word
    Resolve(tasks::ResolveArgs),
    /// Lists the models of a server, and what each takes and costs
    #[command(after_help = MODELS_HELP)]
    Models(models::ModelsArgs),
    /// Looks at catalogue files: what models there are, and what each takes. Needs no server
    #[command(after_help = CATALOG_HELP)]
    Catalog(catalog::CatalogArgs),
    /// Makes, lists and revokes the API keys of a server. Needs none to run
    #[command(after_help = KEYS_HELP)]
    Keys(keys::KeysArgs),
    /// Prints what webhooks are signed with. Needs no server, but its data folder
    #[command(after_help = WEBHOOKS_HELP)]
    Webhooks(webhooks::WebhooksArgs),
    /// Checks a configuration, or prints what is in force. Needs no server
    #[command(after_help = CONFIG_HELP)]
    Config(config::ConfigArgs),
}

/// A command whose configuration is known, if it serves.
pub struct Ready<'a> {
    cli: &'a Cli,
    server: Option<serve::Loaded>,
}

impl Ready<'_> {
    /// How many threads it is to run on; `None`: one a core.
    pub fn worker_threads(&self) -> Option<usize> {
        self.server.as_ref()?.worker_threads()
    }

    /// Runs the command.
    pub async fn run(self, env: &Environment) -> Result<(), Failure> {
        match self.server {
            Some(server) => serve::run(server).await,
            None => self.cli.run(env).await,
        }
    }
}

impl Cli {
    /// Reads what must be known before anything runs.
    pub fn ready(&self, env: &Environment) -> Result<Ready<'_>, Failure> {
        let server = match &self.command {
            Command::Serve(args) => Some(serve::Loaded::read(args, env)?),
            _ => None,
        };
        Ok(Ready { cli: self, server })
    }

    async fn run(&self, env: &Environment) -> Result<(), Failure> {
        let filter = env
            .setting("log.filter")
            .map_or("warn", |(_, filter)| filter);
        match &self.command {
            Command::Serve(args) => return serve::run(serve::Loaded::read(args, env)?).await,
            Command::Sandbox(args) => return sandbox::run(args, filter).await,
            Command::Generate(args) => return generate::run(args, env).await,
            _ => serve::start_logs(&Log {
                filter: filter.into(),
                format: LogFormat::Text,
            }),
        }
        match &self.command {
            Command::Create(args) => tasks::create(args).await,
            Command::Upload(args) => upload::run(args).await,
            Command::Estimate(args) => estimate::run(args).await,
            Command::Costs(args) => costs::run(args).await,
            Command::Status(args) => tasks::status(args).await,
            Command::Watch(args) => tasks::watch(args).await,
            Command::Download(args) => tasks::download(args).await,
            Command::Cancel(args) => tasks::cancel(args).await,
            Command::Delete(args) => tasks::delete(args).await,
            Command::List(args) => tasks::list(args).await,
            Command::Resolve(args) => tasks::resolve(args).await,
            Command::Models(args) => models::models(args).await,
            Command::Catalog(args) => catalog::run(args, env),
            Command::Keys(args) => keys::run(args, env),
            Command::Webhooks(args) => webhooks::run(args, env),
            Command::Config(args) => config::run(args, env),
            Command::Serve(_) | Command::Sandbox(_) | Command::Generate(_) => Ok(()),
        }
    }

    /// Whether the result is for a script, and an error should be too.
    pub fn wants_json(&self) -> bool {
        match &self.command {
            Command::Serve(_) | Command::Sandbox(_) | Command::Config(_) => false,
            Command::Generate(args) => args.connection.json,
            Command::Upload(args) => args.connection.json,
            Command::Create(args) | Command::Estimate(args) => args.connection.json,
            Command::Costs(args) => args.connection.json,
            Command::Status(args) | Command::Cancel(args) | Command::Delete(args) => {
                args.connection.json
            }
            Command::Watch(args) => args.connection.json,
            Command::Download(args) => args.connection.json,
            Command::List(args) => args.connection.json,
            Command::Resolve(args) => args.connection.json,
            Command::Models(args) => args.connection.json,
            Command::Catalog(args) => args.wants_json(),
            Command::Keys(args) => args.wants_json(),
            Command::Webhooks(args) => args.wants_json(),
        }
    }
}

const AFTER_HELP: &str = "\
Examples:
  mediagen generate --sandbox --output lake.mp4 \"A serene lake at dawn\"
  mediagen serve --sandbox
  RUNWAYML_API_SECRET=key_… mediagen serve
  mediagen create --model gen4.5 --seconds 5 --size 1280x720 \"A serene lake at dawn\"
  mediagen list --status failed --json

Exit codes:
    0  done                               6  no such task
    1  any other error                    7  the server cannot be reached or is too busy
    2  wrong command line                 8  the wait ended before the task, which goes on
    3  the request was refused           78  wrong configuration
    4  the task failed                  130  interrupted
    5  the task was cancelled           141  nobody reads the output any more (silent)
                                        143  stopped by a second SIGTERM";

const SERVE_HELP: &str = "\
Keys: RUNWAYML_API_SECRET, else RUNWAYML_API_KEY; base URL: RUNWAYML_BASE_URL, else RUNWAYML_API_BASE.
Every setting has a variable too: `submit.timeout` of the file is MEDIAGEN_SUBMIT_TIMEOUT.

SIGTERM or Ctrl-C drains: no new tasks, submissions run to a recorded outcome, watches end
resumable. A second signal stops at once. Nothing accepted is lost either way.

Examples:
  mediagen serve --sandbox
  RUNWAYML_API_SECRET=key_… mediagen serve --data-dir /var/lib/mediagen
  mediagen serve --listen 0.0.0.0:50051 --tls-cert server.pem --tls-key server.key --client-ca ca.pem";

const CATALOG_HELP: &str = "\
A catalogue file holds one row for each model and endpoint; `-` or `embedded` stands for the one that
is compiled in. A server takes another with `catalog.file` of its configuration, and changes to
single models with `models`.

To take in a new extraction of Runway's endpoints: `update` keeps what is ours (every key beside
`endpoints`, `pass_through`, and the keys of a row that begin with `_`), `diff` shows what came,
`check` reads the result as a server would.

Examples:
  mediagen catalog show --config mediagen.yaml gen4.5
  mediagen catalog update embedded endpoints.json > new.json
  mediagen catalog diff embedded new.json
  mediagen catalog check new.json";

const CONFIG_HELP: &str = "\
Variables count as they do for `serve`. `check` prints warnings, then everything that is wrong as
`file:line: key: what to do`, and ends with 78; with 0 when a server would start with it. `show` prints
accounts, groups and routing in mediagen's own spelling, whatever they were written in.

Examples:
  mediagen config check mediagen.yaml
  mediagen config show --config litellm-config.yaml";

const GENERATE_HELP: &str = "\
Without --server it runs in one process: with --sandbox, or with the key in RUNWAYML_API_SECRET.
Ctrl-C asks to cancel and waits for what comes of it; a second Ctrl-C leaves at once.

Examples:
  mediagen generate --sandbox --output lake.mp4 \"A serene lake at dawn\"
  mediagen generate --server http://127.0.0.1:50051 --image first.png --seconds 5 \"It begins to rain\"
  mediagen generate --model veo3.1 --option resolution=1080p --label project=demo \"A street in Lisbon\"";

const ESTIMATE_HELP: &str = "\
The flags are those of `create`. What a local file adds to the price shows by its length, so the
server is sent it.

Examples:
  mediagen estimate --model gen4.5 --seconds 5 \"A serene lake at dawn\"
  mediagen estimate --model gen4_turbo --image first.png --seconds 10 --json \"It begins to rain\"";

const UPLOAD_HELP: &str = "\
`create` and `generate` upload large files by themselves; an upload of one's own serves many requests.

Examples:
  mediagen upload first.png
  mediagen generate --image \"$(mediagen upload first.png)\" --seconds 5 \"It begins to rain\"
  mediagen upload --content-type video/mp4 --json take.mp4";

const MODELS_HELP: &str = "\
Examples:
  mediagen models
  mediagen models gen4.5
  mediagen models --operation image_to_video
  mediagen models gen4_image --json";

const KEYS_HELP: &str = "\
A server needs a key of its callers as soon as there is one, in `keys` of its settings or in the keys
file, which it reads again when it changes. The file holds what a key may do and its SHA-256, never the
key. Callers send it as `authorization: Bearer`; commands take it from --api-key or MEDIAGEN_API_KEY.

Examples:
  mediagen keys create --tenant team-a --expires 90d --usd-per-day 20
  mediagen keys create --id viewer --scopes read --file /etc/mediagen/keys.yaml
  mediagen keys list --json
  mediagen keys revoke viewer";

const WEBHOOKS_HELP: &str = "\
Whoever is told of the end of a task (--webhook of `create`, or the key's own) verifies the signature
with this secret, in the way of https://www.standardwebhooks.com. Each key has another; without --key it
is that of callers on a server without keys. The server makes its own part, webhook.key in its data
folder, when it starts for the first time; a secret in the configuration of the key goes before it.

Examples:
  mediagen webhooks secret --data-dir /var/lib/mediagen
  mediagen webhooks secret --config mediagen.yaml --key alice";

const COSTS_HELP: &str = "\
CHARGED is what the provider charged, OPEN the estimates of what is not settled yet: in credits, and
in US dollars beside it.
UNKNOWN counts tasks that may cost something and whose amount nobody knows: they are in no sum.
Deleted tasks count until their records end.

Examples:
  mediagen costs --label team=x --model gen4.5 --since 7d
  mediagen costs --by day,model --since 2026-01-01 --until 2026-02-01
  mediagen costs --by label:team --json";

#[cfg(test)]
mod command_line {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn commands_read_as_the_readme_writes_them() {
        let lines = [
            "mediagen generate --sandbox --output lake.mp4 lake",
            "mediagen generate --model gen4.5 --size 1280x720 --seconds 5 --image a.png --seed 7 --audio=true -o a=1 --label k=v lake",
            "mediagen create --video in.mp4 --audio a.mp3 --audio true --sound --input source_video=upload_1 lake",
            "mediagen create --input keyframe=lake.png,at=2.5s --input reference=cat.png,tag=cat,subject=object lake",
            "mediagen upload in.mp4 --content-type video/mp4 --json",
            "mediagen serve --sandbox --poll-interval 50ms --listen 127.0.0.1:0",
            "mediagen sandbox --listen 127.0.0.1:0 --task-seconds 0.5",
            "mediagen download task_1 --output - --index 1 --offset 5",
            "mediagen list --status completed --label a=b --since 7d --until 1d --all --json",
            "mediagen resolve task_1 --attach abc",
            "mediagen watch task_1 --after-revision 3",
            "mediagen models gen4.5 --operation text_to_video --json",
            "mediagen models --operation text-to-image",
            "mediagen catalog diff - new.json --json",
            "mediagen catalog diff old.json",
            "mediagen catalog check new.json",
            "mediagen catalog show --config mediagen.yaml gen4.5",
            "mediagen catalog update embedded endpoints.json",
            "mediagen config check",
            "mediagen config check mediagen.yaml",
            "mediagen config show --config mediagen.yaml",
            "mediagen estimate --model gen4.5 --seconds 5 --json lake",
            "mediagen costs --label team=x --model gen4.5 --since 7d",
            "mediagen costs --by day,model --since 2026-01-01 --until 2026-02-01",
            "mediagen keys create --tenant team-a --models a,b --scopes create,read --expires 90d --usd-per-day 20",
            "mediagen keys create --id viewer --scopes read --file /etc/mediagen/keys.yaml",
            "mediagen keys list --data-dir d --sandbox --json",
            "mediagen keys revoke viewer --config mediagen.yaml",
            "mediagen status task_1 --api-key mg_a_b",
            "mediagen create --webhook https://hooks.example.com/a lake",
            "mediagen keys create --id a --webhook https://hooks.example.com/a",
            "mediagen webhooks secret --key alice --data-dir d --sandbox --json",
        ];
        for line in lines {
            Cli::try_parse_from(line.split(' '))
                .map_err(|error| error.to_string())
                .unwrap();
        }
        for line in [
            "mediagen resolve task_1",
            "mediagen resolve task_1 --charged --not-charged",
            "mediagen list --page-size 0",
            "mediagen create --input frame=a.png lake",
            "mediagen create --operation x lake",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
