//! Asks the operating system for the addresses of a name.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::vec;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::aside;

/// The system's resolver, for clients that may go anywhere.
#[derive(Clone, Copy, Debug)]
pub struct Names;

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let found = addresses(name.as_str().to_owned());
        Box::pin(async move { Ok(Box::new(found.await?) as Addrs) })
    }
}

/// The addresses of a name, all with port 0.
///
/// # Errors
/// Those of the system, as for a name that is not known.
pub(super) async fn addresses(name: String) -> io::Result<vec::IntoIter<SocketAddr>> {
    aside::run(move || (name.as_str(), 0).to_socket_addrs()).await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_of_the_system_is_found() {
        let found = addresses("localhost".to_owned()).await.unwrap();
        assert_ne!(found.len(), 0);
        let asked = Names.resolve("localhost".parse().unwrap()).await.unwrap();
        let asked: Vec<_> = asked.collect();
        assert_eq!(asked, found.collect::<Vec<_>>());
        let loopback = |found: &SocketAddr| found.ip().is_loopback() && found.port() == 0;
        assert!(asked.iter().all(loopback), "{asked:?}");
    }

    #[tokio::test]
    async fn a_name_that_cannot_be_is_an_error() {
        assert!(addresses("no such\0name".to_owned()).await.is_err());
    }
}
