//! Waiting, always with an end: nothing here sleeps for a length that a test guesses.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// The future's value, or a panic that says what did not come.
pub async fn within<F: Future>(what: &str, future: F) -> F::Output {
    let came = timeout(PATIENCE, future).await;
    came.unwrap_or_else(|_| panic!("{what} did not come within {PATIENCE:?}"))
}

/// Looks again and again until it is as wanted; the last look is shown when it never is.
pub async fn eventually<T, E, F, Fut>(what: &str, look: F) -> T
where
    E: Debug,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    eventually_within(PATIENCE, what, look).await
}

/// The same with a patience of its own.
pub async fn eventually_within<T, E, F, Fut>(patience: Duration, what: &str, mut look: F) -> T
where
    E: Debug,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let begun = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) if begun.elapsed() > patience => {
                panic!("{what}: not within {patience:?}; last seen: {seen:#?}")
            }
            Err(_) => sleep(BETWEEN_LOOKS).await,
        }
    }
}

/// Far beyond what anything here takes, on a busy machine too.
pub const PATIENCE: Duration = Duration::from_mins(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
