//! What a start costs before anything is listened on.

use criterion::Criterion;
use mediagen::config::{Config, Environment, Setting, catalog};

pub fn measure(criterion: &mut Criterion) -> anyhow::Result<()> {
    let env: Environment = [("RUNWAYML_API_SECRET", "key_of_the_bench")]
        .into_iter()
        .collect();
    // Nothing is written there, and no folder of this machine's user is looked into.
    let settings = [Setting::new(
        "--data-dir",
        "data_dir",
        env!("CARGO_TARGET_TMPDIR"),
    )];
    Config::load(None, &env, &settings)?;
    let mut group = criterion.benchmark_group("start");
    group.sample_size(20);
    group.bench_function("the catalogue", |b| b.iter(catalog::embedded));
    group.bench_function("the whole configuration", |b| {
        b.iter(|| Config::load(None, &env, &settings));
    });
    group.finish();
    Ok(())
}
