//! The end of the server, in its order.

use std::time::{Duration, Instant};

use crate::grpc::Health;
use crate::shutdown::Shutdown;
use crate::telemetry::traces;

/// The drain, in its order: say so, finish the work, then close the doors.
pub(super) async fn end(
    shutdown: Shutdown,
    work: Shutdown,
    faces: Shutdown,
    health: Health,
    downloads: Duration,
) {
    shutdown.draining().await;
    let begun = Instant::now();
    health.not_serving().await;
    let settled = async { tokio::join!(work.finished(), tokio::time::sleep(LAME_DUCK)) };
    tokio::select! {
        () = shutdown.stopping() => {}
        _ = settled => {}
    }
    faces.drain();
    // A download that nobody reads is not even asked to end: it is cut off at its deadline.
    let left = downloads.saturating_sub(begun.elapsed()).max(FAREWELL);
    let finished = tokio::time::timeout(left, faces.finished()).await;
    // What only followed the faces ends with them.
    faces.stop();
    if finished.is_err() {
        faces.finished().await;
    }
    traces::flush().await;
}

/// How long a draining server still answers, so that its callers hear that it drains.
const LAME_DUCK: Duration = Duration::from_millis(500);
/// What streams that are still open have in any case to end in, after the work is done.
const FAREWELL: Duration = Duration::from_secs(1);
