//! gRPC-Web as a browser speaks it: over HTTP/1.1, as bytes and as text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mediagen::config::Config;
use mediagen::pb::v1::watch_task_response::Event;
use mediagen::pb::v1::{
    CreateRequest, CreateResponse, DownloadContentRequest, DownloadContentResponse, StatusRequest,
    WatchTaskRequest, WatchTaskResponse, download_content_response::Part,
};
use prost::Message;
use tempfile::TempDir;
use tonic::{Code, Status};

use crate::harness::child::free_address;
use crate::harness::client::{content, is_terminal};
use crate::harness::media::sha256;
use crate::harness::{Refused, Server, TestApp, Upstream, http, quick, sound, within};
use crate::keys::{keys, made};

fn on(config: &mut Config) {
    config.http.grpc_web = true;
}

/// A call of a page: how it frames, and the key that it shows.
struct Page {
    address: std::net::SocketAddr,
    kind: &'static str,
    key: String,
}

impl Page {
    fn of(app: &TestApp, kind: &'static str) -> Self {
        let key = "sk-any".to_owned();
        let address = app.address;
        Self { address, kind, key }
    }

    fn is_text(&self) -> bool {
        self.kind.contains("-text")
    }

    async fn send(&self, method: &str, message: &impl Message) -> reqwest::Response {
        let message = message.encode_to_vec();
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        let mut body = [&[0][..], &length, &message].concat();
        if self.is_text() {
            body = STANDARD.encode(body).into_bytes();
        }
        let url = format!(
            "http://{}/mediagen.v1.MediaGeneration/{method}",
            self.address
        );
        let client = reqwest::Client::builder().http1_only().no_proxy().build();
        let asked = client.unwrap().post(url).body(body);
        let asked = asked.header("content-type", self.kind);
        let asked = asked.header("accept", self.kind).header("x-grpc-web", "1");
        let asked = asked.bearer_auth(&self.key).send();
        let answer = within("an answer", asked).await.unwrap();
        assert_eq!(answer.status(), 200);
        answer
    }

    /// The messages of an answer, and its status.
    async fn call<Out: Message + Default>(
        &self,
        method: &str,
        message: &impl Message,
    ) -> (Vec<Out>, Status) {
        let answer = self.send(method, message).await;
        let kind = answer.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(kind.starts_with("application/grpc-web"), "{kind}");
        assert_eq!(kind.contains("-text"), self.is_text(), "{kind}");
        let headers = answer.headers().clone();
        let body = within("the end", answer.bytes()).await.unwrap().to_vec();
        self.read(&headers, body)
    }

    fn read<Out: Message + Default>(
        &self,
        headers: &::http::HeaderMap,
        mut body: Vec<u8>,
    ) -> (Vec<Out>, Status) {
        if self.is_text() {
            // Each piece is padded by itself.
            let quads = body.chunks(4).map(|quad| STANDARD.decode(quad).unwrap());
            body = quads.flatten().collect();
        }
        let (mut messages, mut status) = (Vec::new(), Status::from_header_map(headers));
        let mut rest = &body[..];
        while let Some((head, tail)) = rest.split_at_checked(5) {
            let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
            let (payload, after) = tail.split_at(length);
            rest = after;
            if head[0] == 0 {
                messages.push(Out::decode(payload).unwrap());
                continue;
            }
            assert_eq!(head[0], 0x80);
            assert!(status.is_none() && rest.is_empty(), "the status is last");
            let text = std::str::from_utf8(payload).unwrap();
            let lines = text.split("\r\n").filter_map(|line| line.split_once(':'));
            let trailers = lines.map(|(name, value)| {
                let name = ::http::HeaderName::try_from(name.trim()).unwrap();
                (name, value.trim().parse().unwrap())
            });
            status = Status::from_header_map(&trailers.collect());
        }
        assert!(rest.is_empty(), "whole frames only");
        (messages, status.expect("a status"))
    }
}

const KINDS: [&str; 4] = [
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
];

#[tokio::test]
async fn a_page_makes_a_task_watches_it_to_its_end_and_downloads_it() {
    let app = TestApp::tuned(on).await;
    for kind in KINDS {
        let page = Page::of(&app, kind);
        let (made, status) = page
            .call::<CreateResponse>("Create", &sound("a bell"))
            .await;
        assert_eq!(status.code(), Code::Ok, "{status:?}");
        let id = made[0].task.clone().unwrap().id;
        let asked = WatchTaskRequest {
            task_id: id.clone(),
            after_revision: 0,
        };
        let (told, status) = page.call::<WatchTaskResponse>("WatchTask", &asked).await;
        assert_eq!(status.code(), Code::Ok, "{status:?}");
        let Some(Event::Task(last)) = &told.last().unwrap().event else {
            panic!("{told:?}");
        };
        assert!(is_terminal(last), "{last:?}");
        let asked = DownloadContentRequest {
            task_id: id.clone(),
            ..Default::default()
        };
        let (parts, status) = page
            .call::<DownloadContentResponse>("DownloadContent", &asked)
            .await;
        assert_eq!(status.code(), Code::Ok, "{status:?}");
        let mut bytes = Vec::new();
        for part in parts {
            if let Some(Part::Chunk(chunk)) = part.part {
                bytes.extend_from_slice(&chunk.data);
            }
        }
        assert_eq!(sha256(&bytes), last.outputs[0].sha256);
        assert_eq!(bytes, content(&app.client, &id).await);
    }
}

#[tokio::test]
async fn errors_come_with_their_details() {
    let app = TestApp::tuned(on).await;
    for kind in KINDS {
        let page = Page::of(&app, kind);
        let bad = CreateRequest {
            model: "gen9".into(),
            ..sound("x")
        };
        let (none, status) = page.call::<CreateResponse>("Create", &bad).await;
        let refused = Refused::of(&status);
        assert_eq!(none.len(), 0);
        assert!(
            refused.is(Code::InvalidArgument, "MODEL_UNKNOWN"),
            "{refused:?}"
        );
        assert!(refused.names("model"), "{refused:?}");
        let asked = StatusRequest {
            task_id: "task_0192f3a4b5c67d8e9fa0b1c2d3e4f506".into(),
        };
        let (_, status) = page.call::<CreateResponse>("Status", &asked).await;
        assert!(Refused::of(&status).is(Code::NotFound, "TASK_NOT_FOUND"));
        let (_, status) = page.call::<CreateResponse>("Nothing", &asked).await;
        assert_eq!(status.code(), Code::Unimplemented);
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_the_callers_fault() {
    let app = TestApp::tuned(on).await;
    let page = Page::of(&app, KINDS[2]);
    for (kind, body) in [
        ("application/grpc-web-text", "!!!not base64!!!"),
        ("application/grpc-web-text", "AAAA"),
        ("application/grpc-web-text", "AAA"),
        ("application/grpc-web", "\0\0\0\0\u{7f}x"),
        ("application/grpc-web", ""),
    ] {
        let url = format!("http://{}/mediagen.v1.MediaGeneration/Create", app.address);
        let asked = http::client()
            .post(url)
            .body(body)
            .header("content-type", kind);
        let answer = http::Answer::of(asked.send().await.unwrap()).await;
        assert_eq!(answer.status, 200, "{body:?}");
        let page = Page {
            kind: "application/grpc-web",
            ..Page::of(&app, page.kind)
        };
        let (_, status) = page.read::<CreateResponse>(&answer.headers, answer.body);
        let codes = [Code::InvalidArgument, Code::Unimplemented];
        assert!(codes.contains(&status.code()), "{body:?}: {status:?}");
    }
}

#[tokio::test]
async fn a_page_needs_a_key_and_its_streams_end_with_it() {
    let (upstream, data) = (Upstream::start(quick()).await, TempDir::new().unwrap());
    let file = data.path().join("keys.yaml");
    let mine = made(&file, "--id mine").await;
    let settings = [("http.grpc_web", "true")];
    let mut server = Server::spawn(&upstream, data.path(), free_address(), &settings);
    let address = server.listening().await;
    let page = |key: &str| Page {
        address,
        kind: KINDS[0],
        key: key.to_owned(),
    };
    let (_, status) = page("sk-wrong")
        .call::<CreateResponse>("Create", &sound("x"))
        .await;
    assert!(Refused::of(&status).is(Code::Unauthenticated, "API_KEY_INVALID"));
    let endless = sound("a bell [sandbox:seconds=600]");
    let (made, _) = page(&mine).call::<CreateResponse>("Create", &endless).await;
    let asked = WatchTaskRequest {
        task_id: made[0].task.clone().unwrap().id,
        after_revision: 0,
    };
    let mut stream = page(&mine).send("WatchTask", &asked).await;
    let headers = stream.headers().clone();
    let mut body = within("the first", stream.chunk())
        .await
        .unwrap()
        .unwrap()
        .to_vec();
    assert!(keys(&file, "revoke mine").await.status.success());
    while let Some(more) = within("the end", stream.chunk()).await.unwrap() {
        body.extend_from_slice(&more);
    }
    let (_, status) = page("").read::<WatchTaskResponse>(&headers, body);
    assert!(
        Refused::of(&status).is(Code::Unauthenticated, "API_KEY_REVOKED"),
        "{status:?}"
    );
}

#[tokio::test]
async fn switched_off_it_is_415_in_the_shape_of_the_http_face() {
    let app = TestApp::start().await;
    for kind in KINDS {
        let url = format!("http://{}/mediagen.v1.MediaGeneration/Create", app.address);
        let asked = http::client().post(url).header("content-type", kind);
        let answer = http::Answer::of(asked.send().await.unwrap()).await;
        let (status, kind, code, _) = answer.problem();
        let expected = (415, "invalid_request_error", "unsupported_media_type");
        assert_eq!((status, &*kind, &*code), expected);
    }
}
