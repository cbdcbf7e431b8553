//! What one tenant has is nothing to another: every call with a foreign id answers as with one that does
//! not exist, and tells nothing of its owner.

use std::collections::HashMap;

use bytes::Bytes;
use mediagen::pb::v1::input_reference::Source;
use mediagen::pb::v1::upload_input_request::{Metadata, Part};
use mediagen::pb::v1::{
    CancelRequest, CostReportRequest, CreateRequest, DeleteRequest, DownloadContentRequest,
    EstimateCostRequest, InputReference, ListModelsRequest, ListRequest, ResolveUnknownRequest,
    StatusRequest, UploadInputRequest, WatchTaskRequest,
};
use prost::Message;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::raw::{call, paths};
use super::{Keyed, every_kind, keyed, text};
use crate::harness::client::{channel, picture};
use crate::harness::media::png;
use crate::harness::{TestApp, sound};

/// What the owner has, or somebody who has nothing.
#[derive(Clone)]
struct Ids {
    task: String,
    upload: String,
    request: String,
    page: String,
}

const CANARY: &str = "canary-of-ours";

async fn owner(app: &TestApp) -> Ids {
    let mut client = keyed(channel(app.address), &text("ours"));
    let mut request = sound(CANARY);
    request.request_id = "a-request-of-ours".to_owned();
    request.labels = HashMap::from([(CANARY.to_owned(), CANARY.to_owned())]);
    let task = client.create(request.clone()).await.unwrap();
    let another = sound("another");
    client.create(another).await.unwrap();
    let asked = ListRequest {
        page_size: 1,
        ..ListRequest::default()
    };
    let page = client.list(asked).await.unwrap().into_inner();
    Ids {
        task: task.into_inner().task.unwrap().id,
        upload: upload(&mut client).await,
        request: request.request_id,
        page: page.next_page_token,
    }
}

async fn upload(client: &mut Keyed) -> String {
    let parts = [
        Part::Metadata(Metadata::default()),
        Part::Chunk(png(4_000).into()),
    ];
    let parts = parts.map(|part| UploadInputRequest { part: Some(part) });
    let answer = client.upload_input(tokio_stream::iter(parts)).await;
    answer.unwrap().into_inner().upload_id
}

/// Ids of the same shape that nobody has.
fn nobodys(of: &Ids) -> Ids {
    let other = |id: &str| {
        let last = if id.ends_with('0') { '1' } else { '0' };
        format!("{}{last}", &id[..id.len() - 1])
    };
    Ids {
        task: other(&of.task),
        upload: other(&of.upload),
        request: "a-request-of-nobody".to_owned(),
        page: other(&of.page),
    }
}

/// What a stranger sends to a call who has learned these ids; several, where a call takes several.
fn messages(call: &str, ids: &Ids) -> Vec<Vec<Bytes>> {
    fn one(message: &impl Message) -> Vec<Vec<Bytes>> {
        vec![vec![message.encode_to_vec().into()]]
    }
    let task_id = ids.task.clone();
    match call {
        "Create" => {
            let same_request = CreateRequest {
                request_id: ids.request.clone(),
                ..sound("of theirs")
            };
            let mut with_upload = picture("of theirs", Vec::new());
            with_upload.input_references = vec![foreign_upload(ids)];
            [one(&same_request), one(&with_upload)].concat()
        }
        "EstimateCost" => {
            let mut request = picture("of theirs", Vec::new());
            request.input_references = vec![foreign_upload(ids)];
            one(&EstimateCostRequest {
                request: Some(request),
            })
        }
        "Status" => one(&StatusRequest { task_id }),
        "WatchTask" => one(&WatchTaskRequest {
            task_id,
            after_revision: 0,
        }),
        "DownloadContent" => one(&DownloadContentRequest {
            task_id,
            ..Default::default()
        }),
        "Cancel" => one(&CancelRequest { task_id }),
        "Delete" => one(&DeleteRequest { task_id }),
        "ResolveUnknown" => one(&ResolveUnknownRequest {
            task_id,
            resolution: 3,
            ..Default::default()
        }),
        "List" => [
            one(&ListRequest::default()),
            one(&ListRequest {
                page_size: 1,
                page_token: ids.page.clone(),
                ..Default::default()
            }),
        ]
        .concat(),
        "CostReport" => one(&CostReportRequest::default()),
        "ListModels" => one(&ListModelsRequest::default()),
        "UploadInput" | "ServerReflectionInfo" => vec![vec![Bytes::new()]],
        other => panic!("say what a stranger may send to {other}, and what must come of it"),
    }
}

fn foreign_upload(ids: &Ids) -> InputReference {
    InputReference {
        source: Some(Source::UploadId(ids.upload.clone())),
        ..InputReference::default()
    }
}

/// An error with the ids taken out of it.
fn told(end: &Result<(), Status>, ids: &Ids) -> Option<(Code, String, String)> {
    let status = end.as_ref().err()?;
    let details = format!("{:?}", status.get_error_details());
    let without = |text: &str| {
        let text = text.replace(&ids.task, "ID").replace(&ids.upload, "ID");
        text.replace(&ids.page, "ID")
    };
    Some((status.code(), without(status.message()), without(&details)))
}

#[tokio::test]
async fn a_stranger_learns_nothing_from_any_call() {
    let app = TestApp::tuned(every_kind).await;
    let ours = owner(&app).await;
    let nobodys = nobodys(&ours);
    let theirs = text("theirs");
    let headers = [("x-api-key", &*theirs)];
    let stranger = channel(app.address);
    for path in paths() {
        let name = path.rsplit('/').next().unwrap();
        let foreign = messages(name, &ours);
        for (foreign, unknown) in foreign.into_iter().zip(messages(name, &nobodys)) {
            let (said, foreign) = call(&stranger, &path, foreign, &headers).await;
            let (_, unknown) = call(&stranger, &path, unknown, &headers).await;
            assert_eq!(told(&foreign, &ours), told(&unknown, &nobodys), "{path}");
            for message in &said {
                let text = String::from_utf8_lossy(message);
                for secret in [CANARY, &*ours.task, &*ours.upload] {
                    assert!(!text.contains(secret), "{path} told {secret}");
                }
            }
            if BY_TASK.contains(&name) {
                let code = foreign.map_err(|status| status.code());
                assert_eq!(code, Err(Code::NotFound), "{path}");
            }
        }
    }
}

#[tokio::test]
async fn what_a_stranger_tried_changed_nothing() {
    let app = TestApp::tuned(every_kind).await;
    let ours = owner(&app).await;
    let theirs = text("theirs");
    for name in ["Cancel", "Delete", "ResolveUnknown", "Create"] {
        for message in messages(name, &ours) {
            let path = format!("/mediagen.v1.MediaGeneration/{name}");
            let (_, _end) = call(
                &channel(app.address),
                &path,
                message,
                &[("x-api-key", &theirs)],
            )
            .await;
        }
    }
    let mut owner = keyed(channel(app.address), &text("ours"));
    let listed = owner
        .list(ListRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.tasks.len(), 2);
    let task = owner
        .status(StatusRequest { task_id: ours.task })
        .await
        .unwrap();
    let task = task.into_inner().task.unwrap();
    assert_eq!(task.prompt, CANARY);
    let mut other = keyed(channel(app.address), &theirs);
    let listed = other
        .list(ListRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.tasks.len(), 1, "a request id belongs to its tenant");
    assert_eq!(listed.tasks[0].request_id, ours.request);
}

/// Calls that name a task.
const BY_TASK: [&str; 6] = [
    "Status",
    "WatchTask",
    "DownloadContent",
    "Cancel",
    "Delete",
    "ResolveUnknown",
];
