//! HTTP/1.1 by hand over a bare socket: for what no client library would send.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::within;

/// A connection.
pub struct Socket {
    stream: TcpStream,
    read: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub struct Said {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Said {
    /// A header's value; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// The problem that the body is.
    pub fn problem(&self) -> serde_json::Value {
        let mut body: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body["error"].take()
    }

    /// Its code.
    pub fn code(&self) -> String {
        let problem = self.problem();
        let code = problem["code"].as_str();
        code.unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

impl Socket {
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            read: Vec::new(),
        }
    }

    /// Sends text; what the server has closed takes nothing.
    pub async fn send(&mut self, text: &str) {
        let _ = self.stream.write_all(text.as_bytes()).await;
    }

    /// Sends a request without a body, and gives its answer.
    pub async fn ask(&mut self, line: &str) -> Said {
        self.send(&format!("{line} HTTP/1.1\r\nhost: here\r\n\r\n"))
            .await;
        let is_bodiless = line.starts_with("HEAD ");
        self.answer_to(is_bodiless).await
    }

    /// The next answer, which has a body unless its status forbids one.
    pub async fn answer(&mut self) -> Said {
        self.answer_to(false).await
    }

    async fn answer_to(&mut self, is_bodiless: bool) -> Said {
        within("an answer", async {
            let head = loop {
                if let Some(end) = find(&self.read, b"\r\n\r\n") {
                    let rest = self.read.split_off(end + 4);
                    break std::mem::replace(&mut self.read, rest);
                }
                assert!(self.more().await, "closed within a head: {:?}", self.text());
            };
            let mut said = parse(&head);
            if !is_bodiless && said.status >= 200 && said.status != 204 && said.status != 304 {
                said.body = self.body(&said).await;
            }
            said
        })
        .await
    }

    async fn body(&mut self, said: &Said) -> Vec<u8> {
        if said.header("transfer-encoding") == "chunked" {
            let mut body = Vec::new();
            loop {
                let size = self.line().await;
                let size = usize::from_str_radix(size.trim(), 16).unwrap();
                let chunk = self.exactly(size + 2).await;
                if size == 0 {
                    return body;
                }
                body.extend_from_slice(&chunk[..size]);
            }
        }
        match said.header("content-length") {
            "" => self.rest_of().await,
            length => {
                let length = length.parse().unwrap();
                self.exactly(length).await
            }
        }
    }

    async fn line(&mut self) -> String {
        let end = loop {
            if let Some(end) = find(&self.read, b"\r\n") {
                break end;
            }
            assert!(self.more().await, "closed within a chunk");
        };
        let line: Vec<u8> = self.read.drain(..end + 2).collect();
        String::from_utf8(line).unwrap()
    }

    async fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length {
            assert!(self.more().await, "closed within a body");
        }
        self.read.drain(..length).collect()
    }

    async fn rest_of(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.read)
    }

    /// All that comes until the server closes.
    pub async fn rest(&mut self) -> String {
        let rest = within("the end of a connection", self.rest_of()).await;
        String::from_utf8_lossy(&rest).into_owned()
    }

    async fn more(&mut self) -> bool {
        // A reset ends it too.
        let read = self.stream.read_buf(&mut self.read).await;
        read.unwrap_or(0) > 0
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.read).into_owned()
    }
}

fn parse(head: &[u8]) -> Said {
    let head = String::from_utf8(head.to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    Said {
        status: status.parse().unwrap(),
        headers: headers.collect(),
        body: Vec::new(),
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|seen| seen == wanted)
}
