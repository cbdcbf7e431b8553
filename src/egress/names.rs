//! Asks the operating system for the addresses of a name, on threads of its own.
//!
//! The system answers on the thread that asks, and takes as long as its servers do. On the runtime's
//! threads for blocking work, which are few, ten names whose servers are silent would hold up every
//! file.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::LazyLock;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::runtime::{Builder, Runtime};

/// The system's resolver, for clients that may go anywhere.
#[derive(Clone, Copy, Debug)]
pub struct Names;

/// Nothing is run on it but its threads for blocking work. Those end when nobody asks.
static THREADS: LazyLock<io::Result<Runtime>> = LazyLock::new(|| {
    Builder::new_current_thread()
        .thread_name("names")
        .max_blocking_threads(MAX_THREADS)
        .build()
});

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = addresses(name.as_str().to_owned()).await?;
            let found = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(found.collect::<Vec<_>>().into_iter()) as Addrs)
        })
    }
}

/// The addresses of a name.
///
/// # Errors
/// Those of the system, as for a name that is not known.
pub(super) async fn addresses(name: String) -> io::Result<Vec<IpAddr>> {
    let threads = THREADS
        .as_ref()
        .map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
    let asked = threads.spawn_blocking(move || {
        let found = (name.as_str(), 0).to_socket_addrs()?;
        Ok(found.map(|found| found.ip()).collect())
    });
    asked.await.map_err(io::Error::other)?
}

/// Most names that are asked for at once; more wait.
const MAX_THREADS: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_of_the_system_is_found() {
        let found = addresses("localhost".to_owned()).await.unwrap();
        assert!(!found.is_empty());
        assert!(found.iter().all(IpAddr::is_loopback), "{found:?}");
        let mut asked = Names.resolve("localhost".parse().unwrap()).await.unwrap();
        assert!(asked.all(|address| address.ip().is_loopback() && address.port() == 0));
    }

    #[tokio::test]
    async fn a_name_that_cannot_be_is_an_error() {
        assert!(addresses("no such\0name".to_owned()).await.is_err());
    }

    #[test]
    fn names_do_not_wait_for_the_threads_of_the_runtime() {
        let (held, hold) = std::sync::mpsc::channel::<()>();
        let runtime = Builder::new_current_thread()
            .max_blocking_threads(1)
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let busy = tokio::task::spawn_blocking(move || hold.recv());
            let found = tokio::time::timeout(
                std::time::Duration::from_secs(30),
                addresses("localhost".to_owned()),
            );
            assert!(found.await.expect("an answer in time").is_ok());
            drop(held);
            assert!(busy.await.unwrap().is_err());
        });
    }
}
