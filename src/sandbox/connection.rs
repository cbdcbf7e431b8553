//! The accept loop, and a connection that a handler may reset.
//!
//! A plain HTTP server closes a connection politely. A stand-in that must show what a lost answer
//! looks like needs the impolite way too: RST, with nothing sent.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::shutdown::Shutdown;

/// What a handler knows of the connection under its request.
#[derive(Clone, Debug)]
pub struct Connection {
    peer: SocketAddr,
    reset: CancellationToken,
}

impl Connection {
    /// Who calls.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Resets the connection. Never returns: the request dies with it.
    pub async fn reset<T>(&self) -> T {
        self.reset.cancel();
        std::future::pending().await
    }
}

/// Accepts until the drain begins, at most `max_connections` at a time.
pub async fn accept(listener: TcpListener, router: Router, max_connections: usize, life: Shutdown) {
    let room = Arc::new(Semaphore::new(max_connections.max(1)));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            () = life.draining() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(problem) => {
                tracing::warn!(%problem, "the sandbox could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (router, serving) = (router.clone(), life.clone());
        life.spawn(async move {
            serve(stream, peer, router, &serving).await;
            drop(permit);
        });
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, router: Router, life: &Shutdown) {
    // Small answers must not wait for the peer's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let connection = Connection {
        peer,
        reset: CancellationToken::new(),
    };
    let reset = connection.reset.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (router, connection) = (router.clone(), connection.clone());
        Box::pin(async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(connection);
            Ok::<_, Infallible>(
                router
                    .oneshot(request)
                    .await
                    .unwrap_or_else(|never| match never {}),
            )
        })
    });
    let mut http = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ = &mut http => return,
        () = reset.cancelled() => {}
        () = life.draining() => {
            std::pin::Pin::new(&mut http).graceful_shutdown();
            tokio::select! {
                _ = &mut http => {}
                () = tokio::time::sleep(GRACE) => {}
                () = life.stopping() => {}
            }
            return;
        }
    }
    // With linger at zero the drop below sends RST instead of FIN.
    let _ = http.into_parts().io.into_inner().set_zero_linger();
}

/// A failing accept (out of descriptors, say) must not spin.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);
/// How long a request under way, a hanging one above all, may hold up the drain.
const GRACE: std::time::Duration = std::time::Duration::from_secs(1);
