//! The `LiteLLM` proxy: one that is given, or one that is installed beside the build.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;

use crate::bench::Bench;
use crate::process::Process;

/// A program that can be started.
pub struct Litellm {
    program: PathBuf,
    /// As it says itself.
    pub version: String,
}

impl Litellm {
    /// The one that was given, or that an earlier run installed; else it is installed now. `None`: a
    /// smoke test installs nothing.
    pub async fn find(bench: &Bench) -> anyhow::Result<Option<Self>> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(FOLDER);
        let own = folder.join("bin/litellm");
        let program = match &bench.litellm {
            Some(given) => std::path::absolute(given)?,
            None if own.is_file() => own,
            None if bench.smoke => return Ok(None),
            None => {
                bench.say("LiteLLM is installed, which takes a minute");
                install(&folder).await?;
                own
            }
        };
        let mut command = bare(&program);
        command.arg("--version");
        let said = output(command).await?;
        let version = said.lines().find_map(|line| line.split_once("Version = "));
        let (_, version) = version.with_context(|| format!("no version in {said:?}"))?;
        Ok(Some(Self {
            program,
            version: version.trim().to_owned(),
        }))
    }

    /// Starts it with one worker.
    pub async fn start(&self, bench: &Bench, config: &str) -> anyhow::Result<Process> {
        let path = bench.folder().join("litellm.yaml");
        std::fs::write(&path, config)?;
        // It cannot be told to take any; nobody else takes this one within a moment.
        let free = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let mut command = bare(&self.program);
        command
            .current_dir(bench.folder())
            .arg("--config")
            .arg(path)
            .args(["--host", "127.0.0.1", "--num_workers", "1", "--port"])
            .arg(free.port().to_string());
        let log = bench.folder().join("litellm.log");
        Process::foreign(bench, "LiteLLM", command, free, "/health/liveliness", log).await
    }
}

/// The program without anything of who calls it.
fn bare(program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        // Else it asks for its table of prices on every start.
        .env("LITELLM_LOCAL_MODEL_COST_MAP", "True");
    command
}

/// Makes a virtual environment with the version that the figures in the README are of; where that
/// cannot be had, with the newest that can.
async fn install(folder: &Path) -> anyhow::Result<()> {
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(folder);
    output(venv).await?;
    let pip = |what: &str| {
        let mut pip = Command::new(folder.join("bin/pip"));
        pip.args(["install", "--quiet", what]);
        output(pip)
    };
    let pinned = pip(&format!("{PACKAGE}=={VERSION}")).await;
    let Err(error) = pinned else {
        return Ok(());
    };
    eprintln!("{error:#}");
    let newest = pip(PACKAGE).await;
    newest.context("there is no LiteLLM to compare with; give one with --litellm PATH")?;
    Ok(())
}

/// What a command says; it may take as long as an installation.
async fn output(mut command: Command) -> anyhow::Result<String> {
    command.stdin(Stdio::null());
    let shown = format!("{command:?}");
    let mut command = tokio::process::Command::from(command);
    let output = command.kill_on_drop(true).output();
    let output = tokio::time::timeout(INSTALLATION, output)
        .await
        .with_context(|| format!("{shown} takes too long"))?
        .with_context(|| format!("{shown} does not run"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{shown} failed: {}", errors.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

const PACKAGE: &str = "litellm[proxy]";
const VERSION: &str = "1.109.1";
const FOLDER: &str = "litellm-1.109.1";
const INSTALLATION: Duration = Duration::from_mins(10);
