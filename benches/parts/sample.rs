//! Requests and tasks as callers make them, and a life that a task may have.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use mediagen::domain::artifact::Artifact;
use mediagen::domain::generation::{Draft, DraftInput, DraftSource, Generation, Limits, Role};
use mediagen::domain::id::{RequestId, TaskId, TenantId};
use mediagen::domain::model::Catalog;
use mediagen::domain::money::Millicredits;
use mediagen::domain::task::{Event, NewTask, Observation, Order, Progress, Task, UpstreamStatus};
use mediagen::domain::time::Timestamp;

/// When samples are made.
pub const NOW: Timestamp = Timestamp(1_790_000_000_000);

/// A video from words alone.
pub fn words() -> Draft {
    Draft {
        model: "gen4.5".to_owned(),
        prompt: "A serene lake at dawn, mist over it, mountains behind".to_owned(),
        seconds: Some(5),
        size: "1280x720".to_owned(),
        ..Draft::default()
    }
}

/// A video from words and an image at an address.
pub fn image() -> Draft {
    let input = DraftInput {
        source: DraftSource::Url("https://example.com/lake.jpg".to_owned()),
        role: Role::FirstFrame,
        ..DraftInput::default()
    };
    Draft {
        inputs: vec![input],
        ..words()
    }
}

/// The request of a draft.
pub fn generation(draft: &Draft, catalog: &Catalog) -> anyhow::Result<Generation> {
    let valid = Generation::new(draft, catalog, &Limits::default());
    valid.map_err(|found| anyhow::anyhow!("a sample is refused: {found:?}"))
}

/// A queued task. Later numbers have later ids.
pub fn task(number: u32, generation: &Generation) -> anyhow::Result<Task> {
    let created = Timestamp(NOW.0 + i64::from(number));
    let mut random = [0x5a; 10];
    random[..4].copy_from_slice(&number.to_be_bytes());
    let order = Order {
        model: generation.model.clone(),
        generation: generation.clone(),
        labels: BTreeMap::from([("team".to_owned(), "lakes".to_owned())]),
        timeout: Duration::from_hours(1),
        priority: 0,
        webhook: String::new(),
        trace: None,
    };
    let new = NewTask {
        id: TaskId::new(created.0, random),
        tenant: TenantId::local(),
        request_id: RequestId::parse(&format!("request-{number}")).context("no key")?,
        fingerprint: [7; 32],
        key: None,
        order,
        estimate: Some(ESTIMATE),
        reserve: Some(ESTIMATE),
        status_detail: String::new(),
    };
    Ok(Task::create(new, created))
}

/// The intent.
pub fn claimed() -> Event {
    Event::Claimed {
        deployment: "main/gen4.5".to_owned(),
        account: "main".to_owned(),
        model: "gen4.5".to_owned(),
        estimated: Some(ESTIMATE),
        changes: String::new(),
    }
}

/// All that happens to a task that is made and copied.
pub fn life() -> Vec<Event> {
    let accepted = Event::Accepted {
        attempt: 1,
        upstream_id: "6b1c7e0a-93a5-4b0a-9a51-a5c1f7f0c1d2".to_owned(),
        estimated: None,
        book_until: NOW.after(Duration::from_mins(15)),
    };
    let output = Artifact {
        index: 0,
        content_type: "video/mp4".to_owned(),
        size_bytes: 8_000_000,
        sha256: [0xab; 32],
        width: Some(1280),
        height: Some(720),
        duration_ms: Some(5_000),
        expires: NOW.after(Duration::from_hours(720)),
    };
    vec![
        claimed(),
        accepted,
        seen(UpstreamStatus::Throttled, 0.0),
        seen(UpstreamStatus::Running, 0.1),
        seen(UpstreamStatus::Succeeded, 1.0),
        Event::Archived(vec![output]),
    ]
}

fn seen(status: UpstreamStatus, share: f64) -> Event {
    let outputs = match status {
        UpstreamStatus::Succeeded => vec!["https://example.org/out.mp4?_jwt=signed".to_owned()],
        _ => Vec::new(),
    };
    let seen = Observation {
        status,
        progress: Some(Progress::from_share(share)),
        cost: None,
        outputs,
    };
    Event::Observed { attempt: 1, seen }
}

/// Credits of 5 s.
const ESTIMATE: Millicredits = Millicredits::from_credits(60);
