//! Work that blocks and must not wait for the disk: names, and a look at keys and certificates.
//!
//! The runtime's threads for blocking work are few, since each holds memory of its own (`main.rs`), and
//! the archive's disk may keep all of them. What runs here has threads of its own, which end when they
//! have nothing to do: a name is answered on the thread that asks for it, after as long as its servers
//! take, and a key is revoked also while the archive hangs.

use std::io;
use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};

/// Nothing is run on it but its threads for blocking work.
static THREADS: LazyLock<io::Result<Runtime>> = LazyLock::new(|| {
    Builder::new_current_thread()
        .thread_name("aside")
        .max_blocking_threads(MAX_THREADS)
        .build()
});

/// Runs `work`, to its end even if nobody waits for it any more.
///
/// # Errors
/// When it panics.
pub async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let threads = THREADS
        .as_ref()
        .map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
    threads.spawn_blocking(work).await.map_err(io::Error::other)
}

/// Most that runs at once; more waits. Each that waits for a name is one.
const MAX_THREADS: usize = 512;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_threads_of_the_runtime_may_all_be_busy() {
        let (release, released) = mpsc::channel::<()>();
        let runtime = Builder::new_current_thread()
            .max_blocking_threads(1)
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let busy = tokio::task::spawn_blocking(move || released.recv());
            let done = tokio::time::timeout(Duration::from_secs(30), run(|| 7));
            assert_eq!(done.await.expect("an answer in time").unwrap(), 7);
            drop(release);
            assert!(busy.await.unwrap().is_err());
        });
    }

    #[tokio::test]
    async fn a_panic_is_an_error() {
        assert!(run(|| assert_eq!(1, 2, "wanted")).await.is_err());
    }
}
