//! Requests byte by byte, as no client library would send them.

use std::net::SocketAddr;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::http::Answer;
use crate::harness::within;

/// Sends a request on a connection of its own; `headers` are lines.
pub async fn send(address: SocketAddr, line: &str, headers: &[&str], body: &[u8]) -> Answer {
    let mut head = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    raw(address, &[head.as_bytes(), body].concat()).await
}

/// The same with the length of the body.
pub async fn post(address: SocketAddr, path: &str, headers: &[&str], body: &[u8]) -> Answer {
    let length = format!("Content-Length: {}", body.len());
    let headers = [headers, &[&length]].concat();
    send(address, &format!("POST {path}"), &headers, body).await
}

/// Sends these bytes and reads what comes until the end.
pub async fn raw(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut from, mut to) = stream.split();
    let mut read = Vec::new();
    let both = async {
        // A server that answers early may close before all was sent.
        let (_, heard) = tokio::join!(to.write_all(bytes), from.read_to_end(&mut read));
        heard
    };
    within("the answer", both).await.unwrap();
    parsed(&read)
}

/// An answer from its bytes.
pub fn parsed(bytes: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no answer: {text:?}"));
    let mut lines = text[..end].split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_str(value.trim()).unwrap());
    }
    Answer {
        status: StatusCode::from_bytes(status.as_bytes()).unwrap(),
        headers,
        body: bytes[end + 4..].to_vec(),
    }
}

/// A form of these parts, each as its headers beside the name and its content.
pub struct Form(Vec<u8>);

impl Form {
    pub const TYPE: &'static str = "Content-Type: multipart/form-data; boundary=XyZ";

    pub fn new() -> Self {
        Self(Vec::new())
    }

    pub fn text(self, name: &str, text: &str) -> Self {
        self.part(&format!("name=\"{name}\""), text.as_bytes())
    }

    pub fn file(self, name: &str, file_name: &str, content: &[u8]) -> Self {
        let rest = format!(
            "name=\"{name}\"; filename=\"{file_name}\"\r\nContent-Type: application/octet-stream"
        );
        self.part(&rest, content)
    }

    pub fn part(mut self, rest: &str, content: &[u8]) -> Self {
        let head = format!("--XyZ\r\nContent-Disposition: form-data; {rest}\r\n\r\n");
        self.0.extend_from_slice(head.as_bytes());
        self.0.extend_from_slice(content);
        self.0.extend_from_slice(b"\r\n");
        self
    }

    /// The form without its last boundary.
    pub fn open(self) -> Vec<u8> {
        self.0
    }

    pub fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"--XyZ--\r\n");
        self.0
    }
}
