//! Server-sent events as an `EventSource` reads them.

use std::net::SocketAddr;

use serde_json::Value;

use crate::harness::{http, within};

/// One event.
#[derive(Debug)]
pub struct Event {
    pub id: String,
    pub name: String,
    pub data: Value,
}

/// An open stream.
pub struct Events {
    response: reqwest::Response,
    text: String,
    pub comments: Vec<String>,
    pub retry: String,
}

/// Opens a stream, or gives what was answered instead; `headers` go with it.
pub async fn open(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<Events, http::Answer> {
    let mut asked = http::client().get(format!("http://{address}{path}"));
    for (name, value) in headers {
        asked = asked.header(*name, *value);
    }
    let response = within("an answer", asked.send()).await.unwrap();
    if response.status() != 200 {
        return Err(http::Answer::of(response).await);
    }
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store"),
        ("x-accel-buffering", "no"),
    ] {
        assert_eq!(response.headers()[name], value, "{name}");
    }
    Ok(Events {
        response,
        text: String::new(),
        comments: Vec::new(),
        retry: String::new(),
    })
}

impl Events {
    /// The next event; `None` when the stream has ended as it should.
    pub async fn next(&mut self) -> Option<Event> {
        within("the next event", async {
            loop {
                let Some((block, rest)) = self.text.split_once("\n\n") else {
                    let Some(more) = self.response.chunk().await.expect("is not cut off") else {
                        // Lines of no event may stand at the end.
                        let rest = std::mem::take(&mut self.text);
                        let rest = rest.strip_suffix('\n').map(|lines| self.read(lines));
                        assert!(rest.flatten().is_none(), "it ends between events");
                        return None;
                    };
                    self.text.push_str(std::str::from_utf8(&more).unwrap());
                    continue;
                };
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                if let Some(event) = self.read(&block) {
                    return Some(event);
                }
            }
        })
        .await
    }

    fn read(&mut self, block: &str) -> Option<Event> {
        let (mut id, mut name, mut data) = (None, None, None);
        for line in block.split('\n') {
            assert_ne!(line, "", "a block without an event");
            let (field, value) = line.split_once(": ").unwrap();
            let seen = match field {
                "" => {
                    self.comments.push(value.to_owned());
                    None
                }
                "retry" => {
                    value.clone_into(&mut self.retry);
                    None
                }
                "id" => id.replace(value),
                "event" => name.replace(value),
                "data" => data.replace(value),
                _ => panic!("{line}"),
            };
            assert!(seen.is_none(), "twice: {line}");
        }
        Some(Event {
            id: id?.to_owned(),
            name: name?.to_owned(),
            data: serde_json::from_str(data?).unwrap(),
        })
    }

    /// Every event until the stream ends.
    pub async fn all(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}
