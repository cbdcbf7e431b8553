//! What the service does, beside what the machine can do at best: targets P1 to P10.
//!
//! Client, server, upstream and the bare limit are separate processes: this program is the client,
//! the server is `mediagen serve`, and the other two are this program again in another role. Arms
//! that are compared take turns, round by round; a round in which anything failed, or in which
//! another program took the machine, is thrown away and made again. What is printed is the median.
//!
//! ```text
//! cargo bench --bench limits                  # P1 to P7, and P9
//! cargo bench --bench limits -- scale         # P8 and P10
//! cargo bench --bench limits -- soak          # bounds, and twenty minutes under load
//! cargo bench --bench limits -- p4 p9 --rounds 7
//! ```

#![expect(
    clippy::disallowed_methods,
    reason = "a load generator reads the clock and starts tasks as it likes"
)]

mod args;
mod bare;
mod bench;
mod call;
mod crowd;
mod curl;
mod fill;
mod h2load;
mod latency;
mod ledger;
mod machine;
mod output;
mod p1;
mod p10;
mod p2;
mod p3;
mod p4;
mod p5;
mod p6;
mod p7;
mod p8;
mod p9;
mod process;
mod role;
mod sample;
mod scrape;
mod soak;
mod table;
mod upstream;
mod watchers;

use clap::Parser as _;

use args::{Args, Set};
use bench::Bench;
use table::Table;

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = args.threads() {
        runtime.worker_threads(threads);
    }
    let runtime = runtime.enable_all().build()?;
    match &args.role {
        Some(role) => runtime.block_on(role.run()),
        None => runtime.block_on(async {
            // Whatever ends it, what it started ends with it, and its files go.
            tokio::select! {
                done = measure(&args) => done,
                signal = signalled() => Err(anyhow::anyhow!("ended by {}", signal?)),
            }
        }),
    }
}

async fn signalled() -> std::io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate())?;
    tokio::select! {
        done = tokio::signal::ctrl_c() => done.map(|()| "SIGINT"),
        _ = term.recv() => Ok("SIGTERM"),
    }
}

async fn measure(args: &Args) -> anyhow::Result<()> {
    let bench = Bench::new(args)?;
    println!("{}", bench.machine);
    let mut table = Table::default();
    let mut failed = Vec::new();
    let idle = machine::idle().await?;
    println!(
        "before it begins all programs take {:.1} % of a core",
        idle * 100.0
    );
    for set in args.sets() {
        bench.say(&format!("{set:?}"));
        let begun = bench.ledger().begin(&format!("{set:?}"))?;
        let rows = match set {
            Set::P1 => p1::run(&bench).await,
            Set::P2 => p2::run(&bench).await,
            Set::P3 => p3::run(&bench).await,
            Set::P4 => p4::run(&bench).await,
            Set::P5 => p5::run(&bench).await,
            Set::P6 => p6::run(&bench).await,
            Set::P7 => p7::run(&bench).await,
            Set::P8 => p8::run(&bench).await,
            Set::P9 => p9::run(&bench).await,
            Set::P10 => p10::run(&bench).await,
            Set::Bounds => soak::bounds::rows(&bench).await,
            Set::Mixed => soak::mixed::rows(&bench).await,
        };
        bench.ledger().end(&begun)?;
        match rows {
            Ok(rows) => table.add(rows),
            Err(error) => {
                eprintln!("{set:?}: {error:#}");
                failed.push(set);
            }
        }
    }
    println!("\n{table}");
    bench.report();
    anyhow::ensure!(failed.is_empty(), "not measured: {failed:?}");
    Ok(())
}
