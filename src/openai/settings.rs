//! The numbers and names of this face.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// What this face is told by the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where callers reach this server, without a slash at its end; `None`: where each request came to.
    pub public_url: Option<String>,
    /// Whether requests come over TLS that ends here.
    pub is_tls: bool,
    /// Where the server listens: what a request that names no host came to.
    pub listen: SocketAddr,
    /// How long the address of a file is good.
    pub file_urls: Duration,
    /// What those addresses are signed with.
    pub file_key: FileKey,
    /// The longest that a call for images is held open.
    pub image_wait: Duration,
    /// The length of a video whose call names none; `None`: the provider chooses.
    pub video_seconds: Option<u32>,
    /// Bytes of a body in JSON at most.
    pub max_body: usize,
    /// Bytes of a request's headers at most.
    pub max_head: usize,
    /// The longest silence within a body.
    pub body_idle: Duration,
}

#[cfg(test)]
impl Settings {
    /// Those of a server without anything, for tests.
    pub(super) fn plain() -> Self {
        Self {
            public_url: None,
            is_tls: false,
            listen: SocketAddr::from(([127, 0, 0, 1], 80)),
            file_urls: Duration::from_secs(1),
            file_key: FileKey::new([0; 32]),
            image_wait: Duration::from_secs(1),
            video_seconds: None,
            max_body: 0,
            max_head: 0,
            body_idle: Duration::from_secs(1),
        }
    }
}

/// The secret of the data folder that signs addresses of files.
#[derive(Clone, PartialEq, Eq)]
pub struct FileKey([u8; 32]);

impl FileKey {
    /// Of these bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for FileKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("FileKey(***)")
    }
}
