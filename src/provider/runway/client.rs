//! The HTTP side of Runway's API: its paths and its headers; nothing interpreted.

use bytes::Bytes;
use reqwest::Method;

use super::{InvalidSettings, Settings};
use crate::egress::Origin;
use crate::provider::http::{
    self, Answer, Line, MAX_CREATE_BODY, MAX_ERROR_BODY, MAX_POLL_BODY, NoAnswer, create_limit,
    exchange,
};

/// The account's clients.
#[derive(Clone, Debug)]
pub(super) struct Client(http::Client);

impl Client {
    pub(super) fn new(settings: &Settings) -> Result<Self, InvalidSettings> {
        let line = Line {
            base_url: &settings.base_url,
            key: &settings.key,
            extra_headers: &settings.extra_headers,
            own_headers: &[("x-runway-version", &settings.version)],
            connect_timeout: settings.connect_timeout,
            create_timeout: settings.create_timeout,
            poll_timeout: settings.poll_timeout,
        };
        http::Client::new(&line).map(Self)
    }

    /// The configured base as an origin for outputs, if it is loopback.
    pub(super) fn origin(&self) -> Option<Origin> {
        self.0.origin()
    }

    /// Sends one create, once. `endpoint` is a path such as `/v1/text_to_video`.
    pub(super) async fn create(&self, endpoint: &str, body: Bytes) -> Result<Answer, NoAnswer> {
        let request = self.0.create(endpoint, JSON, body);
        exchange(request, create_limit(MAX_CREATE_BODY)).await
    }

    /// Reads or deletes a task. The id has been checked.
    pub(super) async fn task(&self, method: Method, id: &str) -> Result<Answer, NoAnswer> {
        let request = self.0.question(method, &["v1", "tasks", id]);
        exchange(request, |_| MAX_POLL_BODY).await
    }

    /// Reads what the account may do and has left.
    pub(super) async fn organization(&self) -> Result<Answer, NoAnswer> {
        let request = self.0.question(Method::GET, &["v1", "organization"]);
        exchange(request, |_| MAX_POLL_BODY).await
    }

    /// Asks for an upload slot.
    pub(super) async fn slot(&self, body: Bytes) -> Result<Answer, NoAnswer> {
        let request = self.0.question(Method::POST, &["v1", "uploads"]);
        let request = request.header("content-type", JSON).body(body);
        exchange(request, |_| MAX_ERROR_BODY).await
    }
}

const JSON: &str = "application/json";
