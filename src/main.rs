//! The `mediagen` program: parses arguments, runs the command, and turns an error into a message
//! and an exit code.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Parser as _;
use mediagen::cli::{Cli, Exit, Failure};
use mediagen::config::Environment;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if failure.message.is_empty() {
                // The exit code is the whole answer, and standard output said why.
            } else if cli.wants_json() {
                eprintln!("{}", failure.to_json());
            } else {
                eprintln!("mediagen: {failure}");
            }
            ExitCode::from(failure.exit as u8)
        }
    }
}

fn run(cli: &Cli) -> Result<(), Failure> {
    let env = Environment::read();
    let command = cli.ready(&env)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = command.worker_threads() {
        runtime.worker_threads(threads);
    }
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let runtime = runtime
        .enable_all()
        .max_blocking_threads(BLOCKING_A_CORE * cores.max(2))
        .build()
        .map_err(|error| Failure::new(Exit::Other, format!("the runtime cannot start: {error}")))?;
    let result = runtime.block_on(command.run(&env));
    // Blocking work that still runs (a render, a file copy) must not hold up the exit.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

/// Threads for blocking work, which is the archive's: each holds memory of its own, so a burst must not
/// make many. What may not wait for a disk runs `aside`, and the database has its own.
const BLOCKING_A_CORE: usize = 4;
