//! The sandbox as a client meets it: over HTTP, on a port of the system's choice.

mod bodies;
mod faults;
mod gate;
mod life;
mod media;
mod openai;
mod outputs;
mod uploads;

use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use super::{Config, DEFAULT_API_KEY, Sandbox};
use crate::shutdown::Shutdown;

/// A started sandbox and a client with the right headers. Stops with the test.
struct Site {
    sandbox: Sandbox,
    client: Client,
    life: Shutdown,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.life.stop();
    }
}

impl Site {
    /// Tasks succeed at once.
    async fn quick() -> Self {
        Self::with(Config::default().with_task_duration(Duration::ZERO)).await
    }

    /// Tasks run for an hour.
    async fn slow() -> Self {
        let config = Config {
            task_pending: Duration::ZERO,
            ..Config::default()
        };
        Self::with(Config {
            task_running: Duration::from_hours(1),
            ..config
        })
        .await
    }

    async fn with(config: Config) -> Self {
        let life = Shutdown::new();
        let sandbox = Sandbox::start(config, &life)
            .await
            .expect("loopback can be bound");
        let client = Client::builder()
            .no_proxy()
            .build()
            .expect("a plain client");
        Self {
            sandbox,
            client,
            life,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.base_url())
    }

    async fn post(&self, path: &str, body: &Value) -> Response {
        let request = self.client.post(self.url(path)).json(body);
        signed(request).send().await.expect("an answer")
    }

    async fn get(&self, path: &str) -> Response {
        signed(self.client.get(self.url(path)))
            .send()
            .await
            .expect("an answer")
    }

    async fn delete(&self, path: &str) -> u16 {
        let answer = signed(self.client.delete(self.url(path))).send().await;
        answer.expect("an answer").status().as_u16()
    }

    /// Creates a film and gives its id.
    async fn film(&self, prompt: &str) -> String {
        let answer = self.post("/v1/text_to_video", &film(prompt)).await;
        assert_eq!(answer.status(), 200);
        text(&read(answer).await["id"])
    }

    async fn task(&self, id: &str) -> Value {
        read(self.get(&format!("/v1/tasks/{id}")).await).await
    }

    /// The first output URL of a finished task.
    async fn output(&self, id: &str) -> String {
        text(&self.task(id).await["output"][0])
    }
}

fn signed(request: RequestBuilder) -> RequestBuilder {
    request
        .bearer_auth(DEFAULT_API_KEY)
        .header("x-runway-version", "2024-11-06")
}

/// A valid body; small, so that rendering it costs little.
fn film(prompt: &str) -> Value {
    let ratio = "640:640";
    json!({ "model": "seedance2", "promptText": prompt, "ratio": ratio, "duration": 4 })
}

async fn read(answer: Response) -> Value {
    answer.json().await.expect("a JSON body")
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}
