//! Tests of who is let in, and of what ends with a key.

use std::time::Duration;

use futures_util::FutureExt as _;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use super::*;
use crate::config::callers::digest;
use crate::domain::caller::{AllowedModels, KeyLimits, TenantLimits};
use crate::domain::id::TenantId;

fn key(id: &str) -> Key {
    Key {
        id: KeyId::new(id),
        sha256: digest(&format!("sk-{id}")),
        tenant: TenantId::named("t"),
        models: AllowedModels::All,
        scopes: vec![Scope::Create, Scope::Read],
        expires: None,
        revoked: None,
        limits: KeyLimits::default(),
        webhook: crate::domain::webhook::KeyWebhook::default(),
    }
}

fn callers(keys: Vec<Key>) -> Callers {
    let mut callers = Callers::default();
    callers.keys = keys;
    callers
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &str)| {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        (HeaderName::from_static(name), value)
    };
    let mut headers = HeaderMap::new();
    for (name, value) in pairs.iter().map(pair) {
        headers.append(name, value);
    }
    headers
}

fn shows(auth: &Auth, pairs: &[(&'static str, &str)]) -> Result<String, Refused> {
    let visitor = auth.authenticate(&headers(pairs))?;
    let id = visitor.caller().key.as_ref();
    Ok(id.map(KeyId::to_string).unwrap_or_default())
}

/// The visitor with the key `sk-a`.
fn visit(auth: &Auth) -> Result<Visitor, Refused> {
    auth.authenticate(&headers(&[("x-api-key", "sk-a")]))
}

#[test]
fn without_keys_everybody_is_the_one_caller_whatever_they_show() {
    let auth = Auth::new(&Callers::default());
    for shown in [
        &[][..],
        &[("authorization", "Basic x")],
        &[("x-api-key", "sk-1234")],
    ] {
        let visitor = auth.authenticate(&headers(shown)).unwrap();
        assert_eq!(*visitor.caller(), Caller::local());
    }
}

#[test]
fn a_key_is_found_in_the_first_header_that_holds_one() {
    let auth = Auth::new(&callers(vec![key("a"), key("b")]));
    let unknown = || Err(Refused::Invalid("the API key is not known"));
    let a = || Ok("a".to_owned());
    for (shown, expected) in [
        (&[("authorization", "Bearer sk-a")][..], a()),
        (&[("authorization", "bearer   sk-a ")], a()),
        (&[("x-litellm-api-key", "sk-a")], a()),
        (&[("x-litellm-api-key", "Bearer sk-a")], a()),
        (&[("x-api-key", "sk-a")], a()),
        (&[("api-key", "sk-a")], a()),
        (
            &[
                ("x-litellm-api-key", "sk-a"),
                ("authorization", "Bearer sk-b"),
            ],
            a(),
        ),
        (
            &[("x-api-key", "sk-b"), ("authorization", "Bearer sk-a")],
            a(),
        ),
        (&[("x-api-key", "sk-b"), ("api-key", "sk-a")], a()),
        (&[("authorization", ""), ("x-api-key", "sk-a")], a()),
        (
            &[("authorization", "Bearer sk-x"), ("x-api-key", "sk-a")],
            unknown(),
        ),
        (&[("x-api-key", "sk-A")], unknown()),
        (&[("x-api-key", "sk-")], unknown()),
        (&[("x-tenant-id", "t")], Err(Refused::Missing)),
        (&[], Err(Refused::Missing)),
    ] {
        assert_eq!(shows(&auth, shown), expected, "{shown:?}");
    }
    let long = "x".repeat(513);
    for malformed in [
        &[("authorization", "Basic sk-a")][..],
        &[("authorization", "sk-a")],
        &[("authorization", "Bearer")],
        &[("authorization", "Bearer ")],
        &[("authorization", "Bearer sk a")],
        &[("authorization", "Bearer sk-ä")],
        &[("x-api-key", &*long)],
        &[("x-api-key", "sk-a"), ("x-api-key", "sk-a")],
        &[("authorization", "Basic x"), ("x-api-key", "sk-a")],
    ] {
        let refused = shows(&auth, malformed);
        assert!(
            matches!(refused, Err(Refused::Invalid(_))),
            "{malformed:?}: {refused:?}"
        );
    }
}

#[test]
fn a_key_that_is_no_longer_good_says_why() {
    let now = Timestamp(Clock.now_ms());
    for (change, expected) in [
        (Box::new(|_: &mut Key| {}) as Box<dyn Fn(&mut Key)>, Ok(())),
        (
            Box::new(move |key| key.revoked = Some(now)),
            Err(Refused::Revoked),
        ),
        (
            Box::new(move |key| key.expires = Some(now)),
            Err(Refused::Expired),
        ),
        (
            Box::new(move |key| key.expires = Some(now.after(Duration::from_mins(1)))),
            Ok(()),
        ),
        (
            Box::new(|key| key.tenant = TenantId::named("bad")),
            Err(Refused::Suspended),
        ),
    ] {
        let mut own = key("a");
        change(&mut own);
        let mut all = callers(vec![own]);
        suspend(&mut all, "bad");
        assert_eq!(visit(&Auth::new(&all)).map(drop), expected);
    }
}

fn suspend(callers: &mut Callers, tenant: &str) {
    let limits = TenantLimits {
        suspended: true,
        ..TenantLimits::default()
    };
    callers
        .limits
        .tenants
        .insert(TenantId::named(tenant), limits);
}

#[test]
fn a_key_may_what_its_scopes_say() {
    let auth = Auth::new(&callers(vec![key("a")]));
    let visitor = visit(&auth).unwrap();
    assert_eq!(visitor.check(Scope::Read), Ok(()));
    assert_eq!(
        visitor.check(Scope::Operate),
        Err(Refused::Scope(Scope::Operate))
    );
}

#[test]
fn calls_beyond_the_pace_are_refused_and_a_reload_forgets_none() {
    let mut own = key("a");
    own.limits.requests_per_minute = Some(3);
    let auth = Auth::new(&callers(vec![own.clone(), key("b")]));
    for call in 0..3 {
        visit(&auth).unwrap();
        if call == 1 {
            auth.replace(&callers(vec![key("c"), own.clone()]));
        }
    }
    let Err(Refused::TooFast {
        key,
        per_minute: 3,
        wait,
    }) = visit(&auth).map(drop)
    else {
        panic!("it was let in");
    };
    assert_eq!(key.as_str(), "a");
    assert!(
        wait > Duration::from_secs(10) && wait <= Duration::from_secs(20),
        "{wait:?}"
    );
    shows(&auth, &[("x-api-key", "sk-c")]).unwrap();
}

#[test]
fn streams_are_counted_and_given_back() {
    let mut own = key("a");
    own.limits.streams = Some(2);
    let auth = Auth::new(&callers(vec![own]));
    let visitor = visit(&auth).unwrap();
    let first = visitor.open_stream().unwrap();
    let _second = visitor.open_stream().unwrap();
    let third = visit(&auth).unwrap().open_stream();
    assert!(matches!(
        third,
        Err(Refused::TooManyStreams { most: 2, .. })
    ));
    drop(first);
    visitor.open_stream().unwrap();
}

/// What happens to the callers.
type Change = Box<dyn Fn(&mut Callers)>;

#[test]
fn streams_end_with_their_key_and_only_then() {
    let now = Timestamp(Clock.now_ms());
    let table: [(Change, Option<Refused>); 9] = [
        (Box::new(|_| {}), None),
        (Box::new(|all| all.keys.push(key("b"))), None),
        (Box::new(|all| all.keys[0].limits.streams = Some(1)), None),
        (Box::new(|all| all.keys.clear()), Some(Refused::Revoked)),
        (
            Box::new(move |all| all.keys[0].revoked = Some(now)),
            Some(Refused::Revoked),
        ),
        (
            Box::new(move |all| all.keys[0].expires = Some(now)),
            Some(Refused::Expired),
        ),
        (Box::new(|all| suspend(all, "t")), Some(Refused::Suspended)),
        (
            Box::new(|all| all.keys[0].tenant = TenantId::named("other")),
            Some(Refused::Revoked),
        ),
        (
            Box::new(|all| all.keys[0].scopes = vec![Scope::Create]),
            Some(Refused::Revoked),
        ),
    ];
    for (row, (change, expected)) in table.into_iter().enumerate() {
        let mut all = callers(vec![key("a")]);
        let auth = Auth::new(&all);
        let mut early = visit(&auth).unwrap().open_stream().unwrap();
        let visitor = visit(&auth).unwrap();
        change(&mut all);
        auth.replace(&all);
        // Whoever was let in just before opens the stream just after.
        let mut late = visitor.open_stream().unwrap();
        for pass in [&mut early, &mut late] {
            assert_eq!(pass.ended().now_or_never(), expected, "row {row}");
        }
    }
}

#[test]
fn streams_of_a_key_whose_time_comes_end() {
    let mut own = key("a");
    let soon = Timestamp(Clock.now_ms()).after(Duration::from_millis(50));
    own.expires = Some(soon);
    let auth = Auth::new(&callers(vec![own]));
    let mut pass = visit(&auth).unwrap().open_stream().unwrap();
    auth.expire();
    assert_eq!(pass.ended().now_or_never(), None);
    while Clock.now_ms() < soon.0 {
        std::thread::yield_now();
    }
    auth.expire();
    assert_eq!(pass.ended().now_or_never(), Some(Refused::Expired));
}

#[test]
fn once_a_key_is_needed_it_stays_needed() {
    let auth = Auth::new(&Callers::default());
    let mut stranger = shows(&auth, &[]).map(|_| ());
    assert_eq!(stranger, Ok(()));
    let visitor = auth.authenticate(&HeaderMap::new()).unwrap();
    let mut pass = visitor.open_stream().unwrap();
    auth.replace(&callers(vec![key("a")]));
    assert_eq!(pass.ended().now_or_never(), Some(Refused::Missing));
    auth.replace(&Callers::default());
    stranger = shows(&auth, &[]).map(|_| ());
    assert_eq!(stranger, Err(Refused::Missing));
    assert!(auth.is_needed());
}

#[test]
fn keys_whose_digests_begin_alike_are_told_apart() {
    let (mut one, mut other) = (key("a"), key("b"));
    other.sha256 = one.sha256;
    one.sha256[31] ^= 1;
    let auth = Auth::new(&callers(vec![one, other]));
    assert_eq!(shows(&auth, &[("x-api-key", "sk-a")]), Ok("b".to_owned()));
}

#[test]
fn nobody_who_looks_at_a_key_sees_its_digest() {
    let auth = Auth::new(&callers(vec![key("a")]));
    let digest = digest("sk-a");
    let shown = format!("{auth:?}");
    assert!(
        !shown.contains(&format!("{}, {}, {}", digest[0], digest[1], digest[2])),
        "{shown}"
    );
}
