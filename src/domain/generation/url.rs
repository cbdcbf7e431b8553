//! Whether an input's address has the shape that a provider fetches: checked, never fetched.
//!
//! Two readers must agree on the host: the strict one here and the `url` crate. What is read in two
//! ways by two programs is refused.

/// Why an address must not be used, in a sentence; `Ok` where it may.
pub(super) fn check(address: &str) -> Result<(), String> {
    let scheme = address
        .split(':')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    match scheme.as_str() {
        "https" => check_length(address, SHORTEST, LONGEST_URL).and_then(|()| check_https(address)),
        "runway" => check_upload(address),
        "data" => Err("data URIs are not taken here: send the bytes in `data`".into()),
        _ => Err("must begin with https:// (or runway:// for an upload)".into()),
    }
}

/// Why an address is not one of the public Internet; `Ok` where it is, as far as its text says.
pub(in crate::domain) fn check_public_url(address: &str) -> Result<(), String> {
    if !address
        .get(..6)
        .is_some_and(|start| start.eq_ignore_ascii_case("https:"))
    {
        return Err("must begin with https://".into());
    }
    check_length(address, 0, LONGEST_URL)?;
    check_https(address)
}

fn check_https(address: &str) -> Result<(), String> {
    if !address
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"\\\"<>^`{|}".contains(&byte))
    {
        return Err("must be printable ASCII; percent-encode everything else".into());
    }
    let Some(rest) = address.get(8..).filter(|_| address[5..].starts_with("://")) else {
        return Err("must begin with https://".into());
    };
    if rest.contains('#') {
        return Err("must not have a fragment".into());
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("must not hold a user name or a password".into());
    }
    let host = match authority.split_once(':') {
        None | Some((_, "443")) => authority.split(':').next().unwrap_or_default(),
        Some(_) => return Err("must use port 443 and a host name, not an address".into()),
    };
    check_host(host)?;
    let second = url::Url::parse(address).map_err(|error| format!("is not a URL: {error}"))?;
    let agreed = second
        .host_str()
        .is_some_and(|second| second.eq_ignore_ascii_case(host));
    if agreed && second.domain().is_some() {
        Ok(())
    } else {
        Err("has no plain host name".into())
    }
}

fn check_host(host: &str) -> Result<(), String> {
    let labels: Vec<&str> = host.split('.').collect();
    let well_formed = |label: &&str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.len() > LONGEST_HOST || !labels.iter().all(well_formed) {
        return Err("has a malformed host name".into());
    }
    let last = labels[labels.len() - 1].to_ascii_lowercase();
    if last.as_bytes()[0].is_ascii_digit() {
        // Also the odd spellings: 2130706433, 0x7f.1, 127.1.
        return Err("must name a host, not an IP address".into());
    }
    if labels.len() < 2 || PRIVATE_ENDINGS.contains(&last.as_str()) {
        return Err("must name a public host".into());
    }
    Ok(())
}

fn check_upload(address: &str) -> Result<(), String> {
    check_length(address, SHORTEST, LONGEST_UPLOAD)?;
    if !address.starts_with("runway://") || !address.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("must be runway:// followed by printable ASCII".into());
    }
    Ok(())
}

fn check_length(address: &str, shortest: usize, longest: usize) -> Result<(), String> {
    if (shortest..=longest).contains(&address.len()) {
        return Ok(());
    }
    Err(format!(
        "must be from {shortest} to {longest} characters long; got {}",
        address.len()
    ))
}

/// Shortest address that Runway takes.
const SHORTEST: usize = 13;
/// Longest https address that Runway takes.
const LONGEST_URL: usize = 2_048;
/// Longest address of an upload that Runway takes.
const LONGEST_UPLOAD: usize = 5_000;
/// Longest host name in DNS.
const LONGEST_HOST: usize = 253;
/// Endings that the public DNS never has.
const PRIVATE_ENDINGS: [&str; 9] = [
    "localhost",
    "local",
    "internal",
    "lan",
    "home",
    "corp",
    "intranet",
    "localdomain",
    "arpa",
];

#[cfg(test)]
mod tests {
    use super::{LONGEST_URL, check, check_public_url};
    use proptest::prelude::*;

    #[test]
    fn public_https_names_are_taken() {
        for address in [
            "https://example.com/a.jpg",
            "https://example.com:443/a.jpg",
            "HTTPS://Example.COM/a.jpg",
            "https://a-b.example.co.uk/a%20b.jpg?x=1&y=2",
            "https://xn--bcher-kva.example/a.png",
            "https://bucket_1.s3.amazonaws.com/a.png",
            "https://example.com?x=//10.0.0.1",
            "runway://uploads/abc",
        ] {
            assert_eq!(check(address), Ok(()), "{address}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let long = format!("https://example.com/{}", "a".repeat(2_048));
        let upload = format!("runway://{}", "a".repeat(5_000));
        for address in [
            "",
            "https://",
            "https:example.com/a.jpg",
            "https:/example.com/a.jpg",
            "https:///example.com/a",
            "http://example.com/a.jpg",
            "ftp://example.com/a.jpg",
            "file:///etc/passwd",
            "//example.com/a.jpg",
            "example.com/a.jpg",
            " https://example.com/",
            "https://example.com/ a",
            "https://exämple.com/a",
            "https://user@example.com/a",
            "https://user:pw@example.com/",
            "https://example.com\\@10.0.0.1/",
            "https://example.com:8443/a",
            "https://example.com:0443/a",
            "https://example.com:/a.jpg",
            "https://example.com./a.jpg",
            "https://.example.com/a.jpg",
            "https://exa..mple.com/a",
            "https://-a.example.com/",
            "https://127.0.0.1/a.jpg",
            "https://10.0.0.1:443/a",
            "https://2130706433/a.jpg",
            "https://0x7f000001/a.jpg",
            "https://0x7f.1/a.jpg",
            "https://0177.0.0.1/a",
            "https://127.1/aaaaaa",
            "https://1.2.3.4./a.jpg",
            "https://[::1]/a.jpg",
            "https://[::ffff:10.0.0.1]/",
            "https://[fe80::1%25eth0]/",
            "https://localhost/a.jpg",
            "https://intranet/a.jpg",
            "https://a.localhost/a.jpg",
            "https://db.internal/a.jpg",
            "https://printer.local/a",
            "https://1.0.0.10.in-addr.arpa/",
            "https://%31%32%37.0.0.1/a",
            "https://example%2ecom/a",
            "https://example.com/a#b",
            "https://example.com#@10.0.0.1/",
            "https://a.co",
            "data:image/png;base64,AAAA",
            "runway://a",
            "runway:uploads/aaaaa",
            "RUNWAY://uploads/a b",
            long.as_str(),
            upload.as_str(),
        ] {
            assert!(check(address).is_err(), "{address}");
        }
    }

    #[test]
    fn what_is_not_for_runway_may_be_shorter() {
        assert!(check_public_url("https://t.co").is_ok());
        let long = format!("https://example.com/{}", "a".repeat(LONGEST_URL));
        assert!(check_public_url(&long).is_err());
    }

    proptest! {
        #[test]
        fn what_is_taken_has_the_same_host_for_a_second_reader(
            address in "[hH]ttps://[a-z0-9.@:\\[\\]%/\\\\#?_-]{1,24}"
        ) {
            if check(&address).is_ok() {
                let url = url::Url::parse(&address).expect("checked");
                prop_assert!(url.domain().is_some_and(|host| host.contains('.')));
                prop_assert_eq!(url.port(), None);
                prop_assert!(url.username().is_empty() && url.password().is_none());
            }
        }

        #[test]
        fn no_address_makes_it_panic(address in "\\PC*") {
            let _ = check(&address);
            let _ = check(&format!("https://{address}"));
        }
    }
}
