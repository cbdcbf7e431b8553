//! Whether events may be sent to an address, judged by its text.
//!
//! An address must be https on a public name and port 443, as an input's must, or of an origin that
//! the operator named. What a name resolves to is judged when it is connected to.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};
use url::Url;

use crate::domain::generation::check_public_url;
use crate::domain::id::TenantId;

/// Scheme, host and port, as `https://hooks.internal:8443`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(String);

/// Origins that are called as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed(BTreeSet<Origin>);

/// Where an address that may be called leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To the public Internet alone.
    Public,
    /// To where the operator says, wherever that is.
    Named,
}

impl Origin {
    /// Reads an origin: http or https, a host, perhaps a port, and nothing else.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let form = "must be a scheme, a host and perhaps a port, as https://hooks.internal:8443";
        let url = Url::parse(text).map_err(|_| form.to_owned())?;
        let is_bare = matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
            && !text.ends_with(['?', '#']);
        match Self::of(&url) {
            Some(origin) if is_bare && text.len() <= MAX_URL => Ok(origin),
            _ => Err(form.to_owned()),
        }
    }

    /// The origin of a URL; `None` unless it is http or https without userinfo.
    fn of(url: &Url) -> Option<Self> {
        let plain = url.username().is_empty() && url.password().is_none();
        let web = matches!(url.scheme(), "http" | "https");
        (plain && web).then_some(())?;
        let (host, port) = (url.host_str()?, url.port_or_known_default()?);
        Some(Self(format!("{}://{host}:{port}", url.scheme())))
    }
}

impl FromIterator<Origin> for Allowed {
    fn from_iter<T: IntoIterator<Item = Origin>>(origins: T) -> Self {
        Self(origins.into_iter().collect())
    }
}

/// Where an address leads, if events may be sent there.
///
/// # Errors
/// Why not, in a sentence that does not repeat it.
pub fn check(address: &str, allowed: &Allowed) -> Result<Reach, String> {
    if is_named(address, allowed) {
        return Ok(Reach::Named);
    }
    check_public_url(address).map(|()| Reach::Public)
}

/// Whether its origin is one that the operator named.
fn is_named(address: &str, allowed: &Allowed) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\\\"<>^`{|}#".contains(&byte);
    if allowed.0.is_empty() || address.len() > MAX_URL || !address.bytes().all(is_plain) {
        return false;
    }
    let url = Url::parse(address).ok();
    let origin = url.as_ref().and_then(Origin::of);
    origin.is_some_and(|origin| allowed.0.contains(&origin))
}

/// Who is told at an address that was checked: host and port, and below them, from coarse to fine, marks
/// of the tenant, of the path's folder and of the path, as `hooks.example.com:443/9f86…/2c/a41`.
///
/// Of addresses that differ only in their query it is the same. The last two marks are short, so that a
/// tenant with an address for each task makes no more than so many receivers: then two addresses may
/// share one.
pub fn receiver(address: &str, tenant: &TenantId) -> String {
    let url = Url::parse(address).ok();
    let (Some(url), Some(host)) = (&url, url.as_ref().and_then(host)) else {
        return String::new();
    };
    let path = url.path();
    let folder = path.rfind('/').map_or("", |end| &path[..end]);
    let mark = |text: &str| hex::encode(Sha256::digest(text));
    format!(
        "{host}/{}/{}/{}",
        &mark(tenant.as_str())[..TENANT_MARK],
        &mark(folder)[..FOLDER_MARK],
        &mark(path)[..PATH_MARK],
    )
}

/// Whether a text is an address at all: http or https, on some host, without userinfo.
pub fn is_address(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| host(&url).is_some())
}

/// Host and port.
fn host(url: &Url) -> Option<String> {
    let origin = Origin::of(url)?;
    let (_, host) = origin.0.split_once("://")?;
    Some(host.to_owned())
}

/// What a receiver is part of, from its host down to itself. One whose name is a host alone, as those
/// of former versions are, is all of it.
pub fn levels(receiver: &str) -> impl DoubleEndedIterator<Item = &str> {
    let ends = receiver.match_indices('/').map(|(end, _)| end);
    let above = ends.map(|end| &receiver[..end]);
    above.chain([receiver])
}

/// An address without what may be a secret in it: no query, no userinfo.
pub fn shown(address: &str) -> String {
    let Ok(mut url) = Url::parse(address) else {
        return String::new();
    };
    url.set_query(None);
    url.set_fragment(None);
    // A URL that can have neither has neither.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

/// Characters of an address at most.
pub const MAX_URL: usize = 2_048;
/// Digits of a tenant's mark: no two tenants have one.
const TENANT_MARK: usize = 16;
/// Digits of a folder's mark.
const FOLDER_MARK: usize = 2;
/// Digits of a path's mark.
const PATH_MARK: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> Allowed {
        let origins = ["http://127.0.0.1:9000", "https://hooks.internal:8443/"];
        let origins = origins.map(|text| Origin::parse(text).expect("an origin"));
        origins.into_iter().collect()
    }

    #[test]
    fn public_https_is_taken_and_what_the_operator_names() {
        for (address, expected) in [
            ("https://hooks.example.com/a?token=x", Reach::Public),
            ("https://hooks.example.com:443", Reach::Public),
            ("http://127.0.0.1:9000/a", Reach::Named),
            ("HTTP://127.1:9000/a?b=c", Reach::Named),
            ("https://hooks.internal:8443/x", Reach::Named),
        ] {
            assert_eq!(check(address, &allowed()), Ok(expected), "{address}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let long = format!("http://127.0.0.1:9000/{}", "a".repeat(MAX_URL));
        for address in [
            "",
            "http://hooks.example.com/a",
            "https://hooks.example.com:8443/a",
            "http://127.0.0.1:9001/a",
            "https://127.0.0.1:9000/a",
            "http://127.0.0.1/a",
            "http://user@127.0.0.1:9000/a",
            "http://127.0.0.1:9000@10.0.0.1/a",
            "http://127.0.0.1:9000/a#b",
            "http://127.0.0.1:9000\\a",
            "https://hooks.internal/x",
            "https://localhost/x",
            "https://[::1]/x",
            "https://169.254.169.254/latest/meta-data",
            "runway://uploads/a",
            "data:text/plain,a",
            "ftp://127.0.0.1:9000/a",
            long.as_str(),
        ] {
            assert!(check(address, &allowed()).is_err(), "{address}");
        }
    }

    #[test]
    fn an_origin_has_no_path_and_no_userinfo() {
        for text in [
            "",
            "hooks.internal",
            "hooks.internal:8443",
            "ftp://hooks.internal",
            "https://hooks.internal/a",
            "https://hooks.internal?a",
            "https://hooks.internal/?",
            "https://hooks.internal/#",
            "https://a@hooks.internal",
            "https://",
        ] {
            assert!(Origin::parse(text).is_err(), "{text}");
        }
        let spelled = [
            "https://hooks.internal",
            "https://hooks.internal:443/",
            "HTTPS://HOOKS.internal",
        ];
        for text in spelled {
            assert_eq!(Origin::parse(text), Origin::parse(spelled[0]), "{text}");
        }
    }

    #[test]
    fn what_is_shown_and_counted_has_no_secret() {
        let address = "https://user:pw@Hooks.example.com/a/b?token=x";
        assert_eq!(shown(address), "https://hooks.example.com/a/b");
        assert_eq!(shown("x"), "");
    }

    #[test]
    fn a_receiver_is_a_path_of_a_tenants_at_a_host() {
        let (local, other) = (TenantId::local(), TenantId::named("other"));
        let of = |address| receiver(address, &local);
        let one = of("https://Hooks.example.com/a/b?token=x");
        assert_eq!(one, of("https://hooks.example.com:443/a/b?token=y"));
        let levels: Vec<_> = levels(&one).collect();
        assert_eq!(levels[0], "hooks.example.com:443");
        assert_eq!((levels.len(), levels[3]), (4, &*one));
        let beside = of("https://hooks.example.com/a/c");
        assert!(beside != one && beside.starts_with(levels[2]), "{beside}");
        let elsewhere = of("https://hooks.example.com/c/b");
        assert!(!elsewhere.starts_with(levels[2]) && elsewhere.starts_with(levels[1]));
        let others = receiver("https://hooks.example.com/a/b", &other);
        assert!(!others.starts_with(levels[1]) && others.starts_with(levels[0]));
        assert!(!one.contains("token"), "{one}");
        assert!(of("http://127.0.0.1:9000/").starts_with("127.0.0.1:9000/"));
        assert!(of("https://[2001:db8::1]/").starts_with("[2001:db8::1]:443/"));
        assert_eq!(of("x"), "");
    }

    #[test]
    fn a_receiver_of_a_former_version_is_a_host_alone() {
        assert!(levels("a.example.com:443").eq(["a.example.com:443"]));
    }
}
