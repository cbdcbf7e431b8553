//! Counts open connections, in all and by address, and refuses those beyond the caps.
//!
//! Loopback counts toward the total only: whatever stands before the server (a proxy, a test)
//! connects from there for many.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;

/// The caps and what is open under them.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    max: usize,
    max_per_ip: usize,
    open: Arc<Mutex<Open>>,
}

/// The right to be open; given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    source: Option<IpAddr>,
    open: Arc<Mutex<Open>>,
}

/// What is open. The map holds only sources with at least one connection, so it is bounded by
/// the total.
#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_source: HashMap<IpAddr, usize>,
}

impl Admission {
    /// Caps with nothing open.
    pub(super) fn new(max: usize, max_per_ip: usize) -> Self {
        Self {
            max,
            max_per_ip,
            open: Arc::default(),
        }
    }

    /// A slot for a connection from this address, or nothing when a cap is reached.
    pub(super) fn admit(&self, ip: IpAddr) -> Option<Slot> {
        let source = source(ip);
        let mut open = self.open.lock();
        let mine = source
            .and_then(|source| open.by_source.get(&source))
            .copied()
            .unwrap_or(0);
        if open.total >= self.max || mine >= self.max_per_ip {
            return None;
        }
        open.total += 1;
        if let Some(source) = source {
            open.by_source.insert(source, mine + 1);
        }
        Some(Slot {
            source,
            open: self.open.clone(),
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        open.total -= 1;
        let Some(source) = self.source else { return };
        if let Some(count) = open.by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                open.by_source.remove(&source);
            }
        }
    }
}

/// What is counted together: an IPv4 address, or the /64 that one IPv6 subscriber has. Loopback
/// is not counted.
fn source(ip: IpAddr) -> Option<IpAddr> {
    match ip.to_canonical() {
        ip if ip.is_loopback() => None,
        IpAddr::V4(ip) => Some(IpAddr::V4(ip)),
        IpAddr::V6(ip) => {
            let network = u128::from(ip) >> 64 << 64;
            Some(IpAddr::V6(Ipv6Addr::from(network)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_cannot_take_more_than_its_share() {
        let admission = Admission::new(10, 2);
        let first = admission.admit(ip("192.0.2.1"));
        let second = admission.admit(ip("::ffff:192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(admission.admit(ip("192.0.2.1")).is_none());
        assert!(admission.admit(ip("192.0.2.2")).is_some());
        drop(first);
        assert!(admission.admit(ip("192.0.2.1")).is_some());
    }

    #[test]
    fn a_whole_ipv6_network_counts_as_one() {
        let admission = Admission::new(10, 1);
        let _held = admission.admit(ip("2001:db8::1"));
        assert!(admission.admit(ip("2001:db8::ffff:2")).is_none());
        assert!(admission.admit(ip("2001:db8:0:1::1")).is_some());
    }

    #[test]
    fn loopback_is_bound_by_the_total_only() {
        let admission = Admission::new(3, 1);
        let held: Vec<_> = (0..3).map(|_| admission.admit(ip("127.0.0.1"))).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(admission.admit(ip("::1")).is_none());
    }

    #[test]
    fn nothing_is_remembered_of_closed_connections() {
        let admission = Admission::new(10, 2);
        drop(admission.admit(ip("192.0.2.1")));
        assert!(admission.open.lock().by_source.is_empty());
        assert_eq!(admission.open.lock().total, 0);
    }
}
