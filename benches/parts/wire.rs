//! Tasks and requests into what others read, and text without secrets.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use mediagen::config::catalog;
use mediagen::domain::money::UsdRate;
use mediagen::domain::task::Progress;
use mediagen::domain::time::Timestamp;
use mediagen::openai::object::Video;
use mediagen::provider::redact;
use mediagen::provider::runway::translate;
use mediagen::telemetry::scrub;

use crate::sample;

pub fn measure(criterion: &mut Criterion) -> anyhow::Result<()> {
    let catalog = catalog::embedded()?;
    let generation = sample::generation(&sample::image(), &catalog)?;
    let mut task = sample::task(1, &generation)?;
    for event in sample::life() {
        task = task.apply(&event, Timestamp(task.times.updated.0 + 1))?;
    }
    let mut group = criterion.benchmark_group("wire");
    let uris = ["https://example.com/lake.jpg".to_owned()];
    group.bench_function("to Runway", |b| {
        b.iter(|| translate::body(black_box(&generation), &uris, &catalog).to_string());
    });
    group.bench_function("to OpenAI's video", |b| {
        b.iter(|| {
            let video = Video::of(black_box(&task), Progress::DONE, UsdRate::ONE_CENT);
            serde_json::to_vec(&video)
        });
    });
    group.finish();
    let mut group = criterion.benchmark_group("secrets");
    for (name, line) in [("none", PLAIN), ("a signed address", SIGNED)] {
        anyhow::ensure!((scrub(line) == line) == (line == PLAIN), "{}", scrub(line));
        group.throughput(Throughput::Bytes(line.len() as u64));
        group.bench_function(format!("a line of the log/{name}"), |b| {
            b.iter(|| scrub(black_box(line)));
        });
        group.bench_function(format!("a provider's words/{name}"), |b| {
            b.iter(|| redact::clean(black_box(line), 500));
        });
    }
    group.finish();
    Ok(())
}

const PLAIN: &str = "2026-01-01T00:00:00.000000Z  INFO mediagen::worker: the task was signed off \
                     task=task_01900000000070008000000000000000 deployment=main/gen4.5 attempt=1";
const SIGNED: &str = "2026-01-01T00:00:00.000000Z  WARN mediagen::worker: cannot be copied: \
                      https://example.org/out.mp4?_jwt=eyJhbGciOiJIUzI1NiJ9.eyJrZXlIYXNoIjoiMTIz\
                      NDU2Nzg5MCJ9.c2lnbmVkLXNpZ25lZC1zaWduZWQtc2lnbmVk is 403";
