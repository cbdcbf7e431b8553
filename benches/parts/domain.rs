//! Decisions, none of which does anything: their cost is time on a core alone.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use anyhow::Context as _;
use criterion::Criterion;
use mediagen::config::catalog;
use mediagen::domain::generation::{Draft, Generation, Limits, fingerprint};
use mediagen::domain::id::TaskId;
use mediagen::domain::model::Catalog;
use mediagen::domain::pricing;
use mediagen::domain::routing::{Ask, Choice, Deployment, Fitness, Group, Policy, choose};
use mediagen::domain::schedule::{Learned, PollPace, PollState, next_poll};
use mediagen::domain::task::{Event, Progress, Task};
use mediagen::domain::webhook::Secret;

use crate::sample::{self, NOW};

pub fn measure(criterion: &mut Criterion) -> anyhow::Result<()> {
    let catalog = catalog::embedded()?;
    requests(criterion, &catalog)?;
    task(criterion, &catalog)?;
    schedule(criterion);
    for count in [2, 50] {
        routing(criterion, &catalog, count)?;
    }
    names(criterion)?;
    Ok(())
}

fn requests(criterion: &mut Criterion, catalog: &Catalog) -> anyhow::Result<()> {
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("request");
    for (name, draft) in [("words", sample::words()), ("image", sample::image())] {
        let generation = sample::generation(&draft, catalog)?;
        let spec = catalog.spec(&generation.model, generation.operation);
        let spec = spec.context("a sample of an unknown model")?;
        anyhow::ensure!(pricing::estimate(&generation, spec).is_some(), "no price");
        group.bench_function(format!("check/{name}"), |b| {
            b.iter(|| Generation::new(black_box(&draft), catalog, &limits));
        });
        group.bench_function(format!("estimate/{name}"), |b| {
            b.iter(|| pricing::estimate(black_box(&generation), spec));
        });
        let labels = BTreeMap::new();
        group.bench_function(format!("fingerprint/{name}"), |b| {
            b.iter(|| fingerprint(black_box(&draft), &labels, None, 0, ""));
        });
    }
    let wrong = Draft {
        model: "gen4.6".to_owned(),
        ..sample::words()
    };
    group.bench_function("check/unknown model", |b| {
        b.iter(|| Generation::new(black_box(&wrong), catalog, &limits));
    });
    group.finish();
    Ok(())
}

fn task(criterion: &mut Criterion, catalog: &Catalog) -> anyhow::Result<()> {
    let task = sample::task(1, &sample::generation(&sample::words(), catalog)?)?;
    let life = sample::life();
    let mut now = NOW;
    let mut lives_on = |task: &Task, events: &[Event]| -> anyhow::Result<Task> {
        let mut task = task.clone();
        for event in events {
            now = now.after(Duration::from_millis(1));
            task = task.apply(event, now)?;
        }
        Ok(task)
    };
    anyhow::ensure!(
        lives_on(&task, &life)?.state.is_terminal(),
        "a life without end"
    );
    criterion.bench_function("task/a life of 6 events", |b| {
        b.iter(|| lives_on(black_box(&task), &life));
    });
    criterion.bench_function("task/one event", |b| {
        b.iter(|| task.apply(black_box(&life[0]), NOW));
    });
    Ok(())
}

fn schedule(criterion: &mut Criterion) {
    let pace = PollPace {
        floor: Duration::from_secs(5),
        max_backoff: Duration::from_mins(1),
    };
    let learned = Learned {
        earliest: Some(Duration::from_secs(40)),
        usual: Some(Duration::from_secs(55)),
    };
    let state = PollState {
        submitted: NOW,
        running_since: Some(NOW.after(Duration::from_secs(6))),
        throttled: false,
        progress: Progress::from_share(0.4),
        failures: 0,
        retry_after: None,
    };
    let now = NOW.after(Duration::from_secs(30));
    criterion.bench_function("schedule/next poll", |b| {
        b.iter(|| next_poll(now, black_box(&state), &pace, &learned, 0.5));
    });
}

fn routing(criterion: &mut Criterion, catalog: &Catalog, count: u32) -> anyhow::Result<()> {
    let deployment = |n| Deployment::of_model(&format!("account-{n}"), "gen4.5");
    let group = Group {
        name: "video".to_owned(),
        deployments: (0..count).map(deployment).collect(),
        policy: Policy::default(),
    };
    let generation = sample::generation(&sample::words(), catalog)?;
    let ask = Ask {
        chain: &[Cow::Borrowed(&group)],
        generation: &generation,
        attempts: &[],
        catalog,
        now: NOW,
        random: 0.5,
    };
    let fitness = |deployment: &Deployment| {
        let in_flight = u32::try_from(deployment.account.len()).ok()?;
        Some(Fitness {
            in_flight,
            limit: Some(50),
            ..Fitness::default()
        })
    };
    let chosen = choose(&ask, &fitness);
    anyhow::ensure!(matches!(chosen, Choice::Go(_)), "{chosen:?}");
    criterion.bench_function(&format!("routing/choice of {count}"), |b| {
        b.iter(|| choose(black_box(&ask), &fitness));
    });
    Ok(())
}

fn names(criterion: &mut Criterion) -> anyhow::Result<()> {
    let id = TaskId::new(NOW.0, [0x5a; 10]);
    let text = id.to_string();
    criterion.bench_function("id/say", |b| b.iter(|| black_box(id).to_string()));
    criterion.bench_function("id/read", |b| b.iter(|| black_box(&text).parse::<TaskId>()));
    let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
    let body = vec![b'x'; 1024];
    criterion.bench_function("webhook/signature of 1 KiB", |b| {
        b.iter(|| secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", NOW, black_box(&body)));
    });
    Ok(())
}
