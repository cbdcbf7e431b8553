//! A plain HTTP client of the HTTP face, and its answers.

use std::net::SocketAddr;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads an answer to its end.
    pub async fn of(response: reqwest::Response) -> Self {
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            body: response.bytes().await.unwrap().to_vec(),
        }
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// A header as text; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// Of a problem: (status, type, code, param).
    pub fn problem(&self) -> (u16, String, String, String) {
        let error = &self.json()["error"];
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        assert!(!text("message").is_empty(), "{self:?}");
        (
            self.status.as_u16(),
            text("type"),
            text("code"),
            text("param"),
        )
    }
}

/// A client that follows no redirect and knows no proxy.
pub fn client() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy();
    client
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

/// GET of a path.
pub async fn get(address: SocketAddr, path: &str) -> Answer {
    let asked = client().get(format!("http://{address}{path}")).send().await;
    Answer::of(asked.unwrap()).await
}

/// POST of JSON to a path.
pub async fn post(address: SocketAddr, path: &str, body: &Value) -> Answer {
    let asked = client().post(format!("http://{address}{path}")).json(body);
    Answer::of(asked.send().await.unwrap()).await
}
