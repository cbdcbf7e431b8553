//! One entry of `keys` or of the keys file → a [`Key`].

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use jiff::Timestamp as Moment;
use jiff::civil::Date;
use jiff::tz::Offset;
use sha2::{Digest as _, Sha256};

use super::super::env::Environment;
use super::super::quantity::{parse_usd_micros, show_usd_micros};
use super::Key;
use super::fields::Fields;
use super::webhook;
use crate::domain::caller::{AllowedModels, Budget, KeyId, KeyLimits, Scope};
use crate::domain::id::TenantId;
use crate::domain::money::{Millicredits, UsdRate};
use crate::domain::time::Timestamp;
use crate::domain::webhook::Allowed;

/// What an entry is read with.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    /// Where `os.environ/NAME` leads.
    pub env: &'a Environment,
    /// What dollars are reckoned with.
    pub rate: UsdRate,
    /// What webhooks may call beside public addresses; `None`: not known here, and not judged.
    pub allowed: Option<&'a Allowed>,
}

/// An entry as far as it is right, and what the operator should know.
pub(super) struct Entry {
    pub key: Key,
    pub warning: Option<String>,
}

/// Reads an entry. What is wrong is reported; the rest of the entry is then of no use.
pub(super) fn read(fields: &Fields<'_>, with: Reading<'_>) -> Entry {
    let id = read_name(fields, "id");
    if id.is_none() && !fields.is_given("id") {
        fields.wrong("id", "is missing: give the key a name");
    }
    // What `mediagen keys` notes for people.
    let _ = (fields.node("created"), fields.node("note"));
    let id = KeyId::new(id.unwrap_or_default());
    let secret = read_secret(fields, with.env);
    let is_short = secret.as_ref().is_some_and(|secret| secret.is_short);
    let warning = is_short.then(|| {
        format!(
            "the API key `{id}` is short, and may be guessed: make one with `mediagen keys create`"
        )
    });
    let tenant = read_name(fields, "tenant").map_or_else(TenantId::local, TenantId::named);
    let key = Key {
        id,
        sha256: secret.map(|secret| secret.sha256).unwrap_or_default(),
        tenant,
        models: read_models(fields),
        scopes: read_scopes(fields),
        expires: fields.parsed("expires", parse_end),
        revoked: fields.parsed("revoked", parse_moment),
        limits: read_limits(fields, with.rate),
        webhook: fields.within("webhook", |webhook| webhook::read(webhook, with)),
    };
    Entry { key, warning }
}

/// The SHA-256 of a key's text: what it is known by.
pub fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// A name of a key or a tenant.
pub(super) fn parse_name(text: &str) -> Result<String, String> {
    let fits = (1..=MAX_NAME).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._@:-".contains(&b));
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "must be 1 to {MAX_NAME} letters, digits and `._@:-`"
        ))
    }
}

fn read_name(fields: &Fields<'_>, key: &'static str) -> Option<String> {
    let text = fields.exact(key)?;
    parse_name(&text)
        .map_err(|problem| fields.wrong(key, &problem))
        .ok()
}

struct Secret {
    sha256: [u8; 32],
    is_short: bool,
}

/// The key's digest, from whichever of three ways is used to give it.
fn read_secret(fields: &Fields<'_>, env: &Environment) -> Option<Secret> {
    let given = ["key", "sha256", "key_file"].map(|key| fields.is_given(key));
    match given.iter().filter(|given| **given).count() {
        1 => {}
        0 => {
            fields.wrong("key", "is missing: give `key`, `key_file` or `sha256`");
            return None;
        }
        _ => {
            fields.wrong(
                "key",
                "only one of `key`, `key_file` and `sha256` can be given",
            );
            return None;
        }
    }
    if given[1] {
        let sha256 = parse_sha256(&fields.exact("sha256")?);
        let told = sha256.map_err(|problem| fields.wrong("sha256", problem));
        return told.ok().map(|sha256| Secret {
            sha256,
            is_short: false,
        });
    }
    let (place, text) = if given[0] {
        ("key", resolve(&fields.exact("key")?, env))
    } else {
        ("key_file", read_file(Path::new(&fields.text("key_file")?)))
    };
    let checked = text.and_then(|text| check_text(&text).map(|()| text));
    let told = checked.map_err(|problem| fields.wrong(place, &problem));
    told.ok().map(|text| Secret {
        sha256: digest(&text),
        is_short: text.len() < SHORT_KEY,
    })
}

/// A key as it is written, or from the variable that it names.
pub(super) fn resolve(text: &str, env: &Environment) -> Result<String, String> {
    let Some(name) = text.strip_prefix("os.environ/") else {
        return Ok(text.to_owned());
    };
    let value = env.get(name).map(|value| value.trim().to_owned());
    let shown: String = name.escape_debug().take(MAX_NAME).collect();
    value.ok_or_else(|| format!("the variable {shown} is not set, or empty"))
}

pub(super) fn read_file(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| {
        let bounded = &mut file.take(MAX_KEY_FILE);
        bounded.read_to_string(&mut text)
    });
    read.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    Ok(text.trim().to_owned())
}

/// Finds what can be no key; says why without showing it.
fn check_text(key: &str) -> Result<(), String> {
    if key.is_empty() {
        Err("is empty".into())
    } else if key.len() > MAX_KEY {
        Err(format!("is longer than {MAX_KEY} characters"))
    } else if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        Err("holds spaces or other characters that cannot be sent".into())
    } else if key.bytes().all(|byte| byte == b'*') {
        Err("is what `mediagen config show` prints in a key's place: put the key there".into())
    } else {
        Ok(())
    }
}

fn parse_sha256(text: &str) -> Result<[u8; 32], &'static str> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    let mut bytes = [0; 32];
    hex::decode_to_slice(digits, &mut bytes)
        .map_err(|_| "must be the SHA-256 of the key, as 64 hex digits")?;
    Ok(bytes)
}

fn read_models(fields: &Fields<'_>) -> AllowedModels {
    let Some(names) = fields.names("models") else {
        return AllowedModels::All;
    };
    if names
        .iter()
        .any(|(name, _)| name.is_empty() || name.len() > MAX_MODEL)
    {
        fields.wrong("models", "must hold names of 1 to 128 characters");
    }
    if names.iter().any(|(name, _)| name == "*") {
        return AllowedModels::All;
    }
    AllowedModels::Only(names.into_iter().map(|(name, _)| name).collect())
}

fn read_scopes(fields: &Fields<'_>) -> Vec<Scope> {
    let Some(names) = fields.names("scopes") else {
        return DEFAULT_SCOPES.to_vec();
    };
    let mut scopes = Vec::new();
    for (name, _) in names {
        match Scope::ALL.iter().find(|scope| scope.as_str() == name) {
            Some(scope) if !scopes.contains(scope) => scopes.push(*scope),
            Some(_) => {}
            None => fields.wrong("scopes", "may hold: create, read, operate"),
        }
    }
    scopes
}

fn read_limits(fields: &Fields<'_>, rate: UsdRate) -> KeyLimits {
    let mut limits = fields.within("limits", |limits| read_own_limits(limits, rate));
    // LiteLLM's names, which stand beside the key there.
    let theirs = [
        (
            "rpm_limit",
            "requests_per_minute",
            &mut limits.requests_per_minute,
        ),
        (
            "max_parallel_requests",
            "tasks_in_flight",
            &mut limits.tasks_in_flight,
        ),
    ];
    for (name, own, limit) in theirs {
        let value = fields.count(name, 1..=MOST);
        if value.is_some() && limit.is_some() {
            fields.wrong(name, &format!("says the same as limits.{own}: give one"));
        }
        *limit = limit.or(value);
    }
    read_their_budget(fields, rate, &mut limits.budget);
    limits
}

fn read_own_limits(limits: &Fields<'_>, rate: UsdRate) -> KeyLimits {
    KeyLimits {
        requests_per_minute: limits.count("requests_per_minute", 1..=MOST),
        tasks_in_flight: limits.count("tasks_in_flight", 1..=MOST),
        streams: limits.count("streams", 1..=MOST),
        budget: Budget {
            day: read_amount(limits, "usd_per_day", "credits_per_day", rate),
            month: read_amount(limits, "usd_per_month", "credits_per_month", rate),
        },
    }
}

fn read_amount(
    limits: &Fields<'_>,
    usd: &'static str,
    credits: &'static str,
    rate: UsdRate,
) -> Option<Millicredits> {
    let in_usd = limits.parsed(usd, |text| parse_usd(text, rate));
    let in_credits = limits.count(credits, 0..=MOST_CREDITS);
    if in_usd.is_some() && in_credits.is_some() {
        limits.wrong(credits, &format!("says the same as {usd}: give one"));
    }
    in_usd.or(in_credits.map(Millicredits::from_credits))
}

fn read_their_budget(fields: &Fields<'_>, rate: UsdRate, budget: &mut Budget) {
    let amount = fields.parsed("max_budget", |text| parse_usd(text, rate));
    let period = fields.text("budget_duration");
    let limit = match (amount, period.as_deref()) {
        (None, None) => return,
        (None, Some(_)) => {
            return fields.wrong("budget_duration", "needs max_budget");
        }
        (Some(_), Some("1d" | "24h")) => &mut budget.day,
        (Some(_), Some("30d" | "1mo")) => &mut budget.month,
        (Some(_), _) => {
            return fields.wrong(
                "budget_duration",
                "must be 1d (a day) or 30d (a calendar month)",
            );
        }
    };
    if limit.is_some() {
        fields.wrong(
            "max_budget",
            "says the same as a budget of limits: give one",
        );
    }
    *limit = amount;
}

/// Dollars in the money that is counted in, rounded down: a budget is never passed by rounding.
fn parse_usd(text: &str, rate: UsdRate) -> Result<Millicredits, String> {
    let micros = parse_usd_micros(text)?;
    if micros > MOST_USD {
        return Err(format!(
            "must be at most {} dollars",
            show_usd_micros(MOST_USD)
        ));
    }
    let amount = u128::from(micros) * 1000 / u128::from(rate.0.max(1));
    Ok(Millicredits(u64::try_from(amount).unwrap_or(u64::MAX)))
}

/// The moment when a key ends: a time, or a date, at whose end (UTC) it ends.
fn parse_end(text: &str) -> Result<Timestamp, String> {
    let is_date = text.len() == "2026-12-31".len();
    let date = text.parse::<Date>().ok().filter(|_| is_date);
    let end = date.and_then(|date| {
        let midnight = date.tomorrow().ok()?.at(0, 0, 0, 0);
        Offset::UTC.to_timestamp(midnight).ok()
    });
    match end {
        Some(end) => Ok(Timestamp(end.as_millisecond())),
        None => parse_moment(text),
    }
}

fn parse_moment(text: &str) -> Result<Timestamp, String> {
    let moment: Moment = text
        .parse()
        .map_err(|_| "is no time; write it as 2026-12-31 or 2026-12-31T12:00:00Z")?;
    Ok(Timestamp(moment.as_millisecond()))
}

/// What a key may do that does not say.
const DEFAULT_SCOPES: [Scope; 2] = [Scope::Create, Scope::Read];
/// Characters of a name.
const MAX_NAME: usize = 64;
/// Characters of a model's name.
const MAX_MODEL: usize = 128;
/// Characters of a key.
pub const MAX_KEY: usize = 512;
const MAX_KEY_FILE: u64 = 4_096;
/// A key below this can be guessed by trying.
const SHORT_KEY: usize = 20;
/// The largest limit.
const MOST: u32 = 1_000_000;
/// The largest budget, in credits.
const MOST_CREDITS: u64 = 1_000_000_000;
/// The same in millionths of a dollar.
const MOST_USD: u64 = 10_000_000_000_000;
