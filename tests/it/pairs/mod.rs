//! Every endpoint and model of the catalogue, from the caller's request to the files: the least and
//! the most that each takes is accepted by the sandbox, whose contract is written apart from ours,
//! and every step outside is refused before anything leaves.
//!
//! The requests are generated from the catalogue's file by a reading of this test's own.

mod catalogue;
mod outside;
mod requests;

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use mediagen::pb::v1::{
    CreateRequest, DownloadContentRequest, ListRequest, Output, Task, TaskStatus,
};
use mediagen::sandbox;
use tonic::Code;

use self::catalogue::pairs;
use self::outside::outside;
use self::requests::{least, most};
use crate::harness::client::{create, download, finish, fresh};
use crate::harness::media::sha256;
use crate::harness::{Refused, TestApp, refused};

#[tokio::test]
async fn the_least_and_the_most_of_every_model_become_files() {
    let instant = sandbox::Config::default().with_task_duration(Duration::ZERO);
    let app = TestApp::with(instant, &[]).await;
    let pairs = pairs();
    assert_eq!(pairs.len(), 98);
    let wanted = pairs.iter().flat_map(|pair| {
        let names = [("least", least(pair)), ("most", most(pair))];
        names.map(|(name, wanted)| {
            let at = format!("{name} of {} {}", pair.operation.as_str_name(), pair.model);
            (at, wanted.message())
        })
    });
    let run = |(at, request): (String, CreateRequest)| {
        let client = app.client.clone();
        async move {
            let made = create(&client, request.clone()).await;
            let made = made.unwrap_or_else(|status| panic!("{at}: {:#?}", Refused::of(&status)));
            let done = finish(&client, &made.id).await;
            assert_eq!(done.status(), TaskStatus::Completed, "{at}: {done:#?}");
            assert_eq!(done.attempts.len(), 1, "{at}: {done:#?}");
            let outputs = request.count.unwrap_or(1);
            assert_eq!(done.outputs.len(), outputs as usize, "{at}");
            assert!(bill_is_whole(&done), "{at}: {done:#?}");
            if let Some(size) = pixels(&done.size) {
                let real = |output: &Output| output.width.zip(output.height) == Some(size);
                assert!(done.outputs.iter().all(real), "{at}: {done:#?}");
            }
        }
    };
    let running = stream::iter(wanted).map(run).buffer_unordered(AT_ONCE);
    running.collect::<Vec<()>>().await;
    let counts = app.upstream.sandbox.counts();
    assert_eq!(
        (counts.creates_accepted, counts.creates_refused),
        (2 * 98, 0)
    );
}

#[tokio::test]
async fn every_step_outside_is_refused_naming_its_field_and_never_leaves() {
    let app = TestApp::start().await;
    let mut wrong = Vec::new();
    let mut tried = 0;
    for pair in pairs() {
        let pair = &pair;
        let asked = outside(pair).into_iter().map(|step| {
            let client = app.client.clone();
            async move {
                let answer = create(&client, step.wanted.message()).await;
                let at = format!(
                    "{} {}: {} ({})",
                    pair.operation.as_str_name(),
                    pair.model,
                    step.what,
                    step.field
                );
                match answer {
                    Ok(_) => Some(format!("{at} is taken")),
                    Err(status) => {
                        let refusal = Refused::of(&status);
                        let right = refusal.code == Code::InvalidArgument
                            && refusal
                                .fields
                                .iter()
                                .any(|(named, _)| within_field(named, &step.field));
                        (!right).then(|| format!("{at}: {refusal:?}"))
                    }
                }
            }
        });
        let asked: Vec<_> = asked.collect();
        tried += asked.len();
        let answered = stream::iter(asked).buffer_unordered(AT_ONCE);
        wrong.extend(
            answered
                .filter_map(std::future::ready)
                .collect::<Vec<_>>()
                .await,
        );
    }
    assert!(wrong.is_empty(), "{} of {tried}: {wrong:#?}", wrong.len());
    assert!(tried > 4_000, "{tried}");
    let listed = app.client.clone().list(ListRequest::default()).await;
    assert_eq!(listed.unwrap().into_inner().tasks, []);
    let counts = app.upstream.sandbox.counts();
    assert_eq!((counts.creates_accepted, counts.creates_refused), (0, 0));
}

fn within_field(named: &str, field: &str) -> bool {
    let rest = named.strip_prefix(field);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// A size in pixels, as tasks show them.
fn pixels(size: &str) -> Option<(u32, u32)> {
    let (width, height) = size.split_once('x')?;
    Some((width.parse().ok()?, height.parse().ok()?))
}

#[tokio::test]
async fn several_outputs_are_kept_and_read_by_their_index() {
    let app = TestApp::start().await;
    for (model, size, count) in [
        ("seedream5_pro", "1024x1024", 4),
        ("gemini_image3.1_flash", "512x512", 4),
        ("mirelo_sfx_2_0", "", 3),
    ] {
        let done = app
            .run(CreateRequest {
                request_id: fresh("several"),
                model: model.into(),
                prompt: "a bell".into(),
                size: size.into(),
                seconds: size.is_empty().then_some(1),
                count: Some(count),
                ..CreateRequest::default()
            })
            .await;
        assert_eq!(done.outputs.len(), count as usize, "{done:#?}");
        let mut hashes = Vec::new();
        for (index, output) in (0..).zip(&done.outputs) {
            let got = download(
                &app.client,
                DownloadContentRequest {
                    task_id: done.id.clone(),
                    output_index: index,
                    ..DownloadContentRequest::default()
                },
            )
            .await;
            got.end.unwrap();
            assert_eq!(output.index, index);
            assert_eq!(sha256(&got.bytes), output.sha256);
            assert_eq!(got.bytes.len() as u64, output.size_bytes);
            assert_eq!(got.metadata.unwrap().content_type, output.content_type);
            hashes.push(output.sha256.clone());
        }
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), count as usize, "each is a file of its own");
        let beyond = DownloadContentRequest {
            task_id: done.id.clone(),
            output_index: count,
            ..DownloadContentRequest::default()
        };
        let refusal = refused(download(&app.client, beyond).await.end);
        assert_eq!(refusal.reason, "OUTPUT_INDEX_OUT_OF_RANGE");
    }
    assert_eq!(
        app.upstream.sandbox.ledger().len(),
        3,
        "one create for all outputs"
    );
}

/// What was charged is known, and not above what was announced.
fn bill_is_whole(task: &Task) -> bool {
    let cost = task.cost.as_ref().unwrap();
    let (most, paid) = (cost.estimated_millicredits, cost.actual_millicredits);
    most.zip(paid)
        .is_some_and(|(most, paid)| 0 < paid && paid <= most)
}

const AT_ONCE: usize = 12;
