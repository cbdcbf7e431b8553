//! Every call × every bad key, from the service's own descriptor.

use bytes::Bytes;
use mediagen::domain::caller::Scope;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::raw::{call, paths};
use super::{every_kind, text};
use crate::harness::client::channel;
use crate::harness::refusal::Refused;
use crate::harness::{TestApp, within};

/// How a call with an empty message and these headers ends: the reason, or what came instead.
async fn reason(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> (Code, String) {
    let (said, end) = call(&channel(app.address), path, vec![Bytes::new()], headers).await;
    match end {
        Ok(()) => (Code::Ok, format!("{} messages", said.len())),
        Err(status) => (status.code(), Refused::of(&status).reason),
    }
}

#[tokio::test]
async fn no_call_takes_a_bad_key() {
    let app = TestApp::tuned(every_kind).await;
    let key = |id: &str| format!("Bearer {}", text(id));
    let (expired, revoked, suspended) = (key("expired"), key("revoked"), key("suspended"));
    let (unknown, bare, ours) = (key("unknown"), text("ours"), key("ours"));
    let unauthenticated = |reason: &'static str| (Code::Unauthenticated, reason.to_owned());
    let forbidden = |reason: &'static str| (Code::PermissionDenied, reason.to_owned());
    let table = [
        (vec![], unauthenticated("API_KEY_MISSING")),
        (
            vec![("authorization", "")],
            unauthenticated("API_KEY_MISSING"),
        ),
        (
            vec![("x-tenant-id", "ours")],
            unauthenticated("API_KEY_MISSING"),
        ),
        (
            vec![("authorization", &*bare)],
            unauthenticated("API_KEY_INVALID"),
        ),
        (
            vec![("authorization", "Basic b3Vyczo=")],
            unauthenticated("API_KEY_INVALID"),
        ),
        (
            vec![("authorization", "Bearer ")],
            unauthenticated("API_KEY_INVALID"),
        ),
        (
            vec![("authorization", &unknown)],
            unauthenticated("API_KEY_INVALID"),
        ),
        (
            vec![("x-api-key", "sk-1234")],
            unauthenticated("API_KEY_INVALID"),
        ),
        (
            vec![("x-litellm-api-key", "sk-1234"), ("authorization", &ours)],
            unauthenticated("API_KEY_INVALID"),
        ),
        (
            vec![("authorization", &expired)],
            unauthenticated("API_KEY_EXPIRED"),
        ),
        (
            vec![("authorization", &revoked)],
            unauthenticated("API_KEY_REVOKED"),
        ),
        (
            vec![("authorization", &suspended)],
            forbidden("TENANT_SUSPENDED"),
        ),
    ];
    let mut paths = paths();
    paths.push("/mediagen.v1.MediaGeneration/None".to_owned());
    for path in &paths {
        for (headers, expected) in &table {
            assert_eq!(
                reason(&app, path, headers).await,
                *expected,
                "{path} with {headers:?}"
            );
        }
    }
    assert_eq!(app.upstream.sandbox.ledger().len(), 0);
}

#[tokio::test]
async fn every_call_needs_exactly_one_scope_and_the_one_that_is_written_down() {
    let app = TestApp::tuned(every_kind).await;
    let written = |path: &str| match path.rsplit('/').next().unwrap() {
        "Create" | "Cancel" | "Delete" | "UploadInput" => Scope::Create,
        "ResolveUnknown" => Scope::Operate,
        _ => Scope::Read,
    };
    for path in paths() {
        for scope in Scope::ALL {
            let key = format!("Bearer {}", text(scope.as_str()));
            let (code, reason) = reason(&app, &path, &[("authorization", &key)]).await;
            let is_refused = (code, &*reason) == (Code::PermissionDenied, "SCOPE_MISSING");
            assert_eq!(
                is_refused,
                scope != written(&path),
                "{path} with {scope:?}: {code} {reason}"
            );
            assert_ne!(code, Code::Unimplemented, "{path}");
        }
    }
}

#[tokio::test]
async fn a_call_that_does_not_exist_is_unimplemented_for_whoever_has_a_key() {
    let app = TestApp::tuned(every_kind).await;
    let key = text("ours");
    for path in ["/mediagen.v1.MediaGeneration/None", "/a.B/C", "/x"] {
        let (code, _) = reason(&app, path, &[("x-api-key", &key)]).await;
        assert_eq!(code, Code::Unimplemented, "{path}");
    }
}

#[tokio::test]
async fn the_health_needs_no_key() {
    let app = TestApp::tuned(every_kind).await;
    let mut health = HealthClient::new(channel(app.address));
    let checked = health.check(HealthCheckRequest::default());
    within("the health", checked).await.unwrap();
}
