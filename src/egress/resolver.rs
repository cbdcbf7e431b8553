//! Name resolution that only ever answers with addresses that may be connected to.
//!
//! The client connects to what this returns and asks nobody again, so an answer that changes
//! between the check and the connect (rebinding) has no effect. It never sees IP literals:
//! `target` refuses those.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec;

use hyper_util::client::legacy::connect::dns;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tower::{BoxError, Service};

use super::address::is_global;
use super::names;

/// Which addresses a name may have.
#[derive(Clone, Copy, Debug)]
pub(super) enum Realm {
    /// The public Internet.
    Public,
    /// This machine, for the operator's own loopback origin.
    Loopback,
    /// Anywhere: the operator named it.
    Any,
}

/// A resolver that refuses a name if any of its addresses is outside the realm.
#[derive(Clone)]
pub(super) struct Guarded {
    realm: Realm,
    lookup: Lookup,
}

/// The system's resolver, or a test's.
pub(super) type Lookup = Arc<
    dyn Fn(String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> + Send + Sync,
>;

type Answer = Pin<Box<dyn Future<Output = Result<vec::IntoIter<SocketAddr>, BoxError>> + Send>>;

/// The name resolves to an address that must not be connected to.
#[derive(Debug, thiserror::Error)]
#[error("the name resolves to an address that is not public")]
pub(super) struct Forbidden;

impl Guarded {
    pub(super) fn new(realm: Realm, lookup: Lookup) -> Self {
        Self { realm, lookup }
    }
}

impl Realm {
    fn admits(self, address: IpAddr) -> bool {
        match self {
            Self::Public => is_global(address),
            Self::Loopback => address.is_loopback(),
            Self::Any => true,
        }
    }
}

impl Guarded {
    /// The addresses of a name, with no port, if every one of them is in the realm.
    fn addresses(&self, name: &str) -> Answer {
        let realm = self.realm;
        let answer = (self.lookup)(name.to_owned());
        Box::pin(async move {
            let found = answer.await?;
            if found.is_empty() || !found.iter().all(|address| realm.admits(*address)) {
                return Err(Forbidden.into());
            }
            let found = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(found.collect::<Vec<_>>().into_iter())
        })
    }
}

/// For `reqwest`.
impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let answer = self.addresses(name.as_str());
        Box::pin(async move { Ok(Box::new(answer.await?) as Addrs) })
    }
}

/// For `hyper`.
impl Service<dns::Name> for Guarded {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: dns::Name) -> Answer {
        self.addresses(name.as_str())
    }
}

/// Asks the operating system.
pub(super) fn system() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            Ok(names::addresses(name)
                .await?
                .map(|found| found.ip())
                .collect())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn resolves(realm: Realm, found: &[&str]) -> bool {
        let found: Vec<IpAddr> = found.iter().map(|text| text.parse().unwrap()).collect();
        let lookup: Lookup = Arc::new(move |_| {
            let found = found.clone();
            Box::pin(async move { Ok(found) })
        });
        Guarded::new(realm, lookup)
            .resolve("media.example.com".parse().unwrap())
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn one_private_address_spoils_the_name() {
        assert!(resolves(Realm::Public, &["8.8.8.8", "2606:4700::1"]).await);
        for bad in [
            &["127.0.0.1"][..],
            &["8.8.8.8", "10.0.0.1"],
            &["8.8.8.8", "::1"],
            &[],
        ] {
            assert!(!resolves(Realm::Public, bad).await, "{bad:?}");
        }
    }

    #[tokio::test]
    async fn a_loopback_origin_resolves_to_loopback_only() {
        assert!(resolves(Realm::Loopback, &["127.0.0.1", "::1"]).await);
        assert!(!resolves(Realm::Loopback, &["127.0.0.1", "8.8.8.8"]).await);
    }
}
