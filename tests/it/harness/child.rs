//! The program itself, as a child process that can be killed.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{Upstream, eventually, within};

/// A `mediagen serve`. Killed and reaped when dropped; after a panic the end of its log is shown.
pub struct Server {
    child: Child,
    stdout: Option<ChildStdout>,
    log: PathBuf,
}

impl Server {
    /// Starts the program on `data`, without waiting for anything.
    pub fn spawn(
        upstream: &Upstream,
        data: &Path,
        listen: SocketAddr,
        settings: &[(&str, &str)],
    ) -> Self {
        let log = data.join("server.log");
        let mut command = program(&log);
        command
            .arg("serve")
            .args(["--listen", &listen.to_string()])
            .args(["--data-dir", &data.display().to_string()])
            .env("MEDIAGEN_POLL_INTERVAL", super::POLL_INTERVAL)
            .envs(upstream.environment());
        for (key, value) in settings {
            let name = key.to_uppercase().replace('.', "_");
            let foreign = name.starts_with("OTEL_");
            let prefix = if foreign { "" } else { "MEDIAGEN_" };
            command.env(format!("{prefix}{name}"), value);
        }
        let mut child = command.spawn().unwrap();
        let stdout = child.stdout.take();
        Self { child, stdout, log }
    }

    /// The address that it listens on, when it says so.
    pub async fn listening(&mut self) -> SocketAddr {
        let stdout = self.stdout.take().expect("asked once");
        let first_line = move || BufReader::new(stdout).lines().next()?.ok();
        let said = within("the server", tokio::task::spawn_blocking(first_line)).await;
        let said = said.unwrap().expect("the server says where it listens");
        said.strip_prefix("listening on ").unwrap().parse().unwrap()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        kill_process(self.pid(), Signal::TERM).unwrap();
    }

    /// Sends SIGHUP.
    pub fn hang_up(&self) {
        kill_process(self.pid(), Signal::HUP).unwrap();
    }

    /// Ends it at once, as a crash does, and reaps it.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// How it ended, when it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    pub async fn end(&mut self) -> ExitStatus {
        let look = || std::future::ready(self.child.try_wait().unwrap().ok_or("it runs"));
        eventually("the server's end", look).await
    }

    /// All that it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// The bytes of memory that it holds now.
    pub fn memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).unwrap();
        let mut lines = status.lines();
        let held = lines.find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib = held.trim().strip_suffix(" kB").unwrap();
        kib.parse::<u64>().unwrap() << 10
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines.len().saturating_sub(SHOWN_LINES);
            eprintln!("the server's last words:\n{}", lines[last..].join("\n"));
        }
    }
}

/// The program with an empty environment and its log in a file.
pub fn program(log: &Path) -> Command {
    let log: File = OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mediagen"));
    command
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log);
    command
}

/// How a command of the program ended, and all that it said.
pub struct Ran {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command that must end by itself.
pub fn run(command: &mut Command, patience: Duration) -> Ran {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > patience {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the command did not end within {patience:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let output = child.wait_with_output().unwrap();
    Ran {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// An address on this machine that is free now, and that no outgoing connection is given.
pub fn free_address() -> SocketAddr {
    for _ in 0..100 {
        let port = 12_000 + rand::random::<u16>() % 18_000;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no free port");
}

const SHOWN_LINES: usize = 60;
