//! `Config` → a running server: the only file that names every concrete type.

use std::net::SocketAddr;

use crate::config::Config;
use crate::shutdown::Shutdown;

/// A server that listens.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    /// The bound address.
    pub address: SocketAddr,
}

/// Starts a server. It lives until `shutdown` drains or stops.
#[expect(
    clippy::unused_async,
    reason = "a stub; the real one binds and opens files"
)]
pub async fn start(config: Config, _shutdown: Shutdown) -> anyhow::Result<Running> {
    anyhow::bail!(
        "this build has no server yet (it would listen on {})",
        config.server.listen
    )
}
