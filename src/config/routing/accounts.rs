//! The accounts: each provider, base and key once, under a name that outlives the key.
//!
//! A name is taken from `accounts` where one is given. An account without one is called after the
//! variable that its key came from, so that a rotated key does not change it; a key that is written
//! out has nothing better than its own hash. Attempts on record refer to accounts by name.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};

use super::Account;
use super::nowhere;
use super::parts::{Inline, Parts, Sources, hash};
use crate::config::access::{Access, read_headers};
use crate::config::env::Environment;
use crate::config::runway::Own;
use crate::config::secret::Told;
use crate::config::section::{Section, shortened};
use crate::domain::model::ProviderKind;

/// The accounts that are known so far.
pub struct Book<'o> {
    known: Vec<Known>,
    sources: Sources<'o>,
    /// Whether an account was left out for a problem that was reported.
    is_wrong: bool,
}

struct Known {
    account: Account,
    identity: [u8; 32],
    /// Its place in `accounts`, when it has one.
    place: Option<String>,
    /// Whether it serves the catalogue by the catalogue's own names.
    is_open: bool,
}

impl<'o> Book<'o> {
    /// No account yet. `own` is that of the section `runway`.
    pub fn new(own: &'o Own, env: &'o Environment, sandbox: bool) -> Self {
        Self {
            known: Vec::new(),
            sources: Sources { own, env, sandbox },
            is_wrong: false,
        }
    }

    /// Whether no account is known, and none was meant to be.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty() && !self.is_wrong
    }

    /// Every account, in the order in which they were met.
    pub fn accounts(self) -> Vec<Account> {
        self.known.into_iter().map(|known| known.account).collect()
    }

    /// The accounts that serve the catalogue by its own names.
    pub fn open(&self) -> BTreeMap<ProviderKind, Vec<String>> {
        let mut open: BTreeMap<ProviderKind, Vec<String>> = BTreeMap::new();
        for known in self.known.iter().filter(|known| known.is_open) {
            let names = open.entry(known.account.kind).or_default();
            names.push(known.account.name.clone());
        }
        open
    }

    /// Lets an account serve the catalogue by its own names.
    pub fn open_up(&mut self, name: &str) {
        for known in &mut self.known {
            known.is_open |= known.account.name == name;
        }
    }

    /// Whose API an account speaks; `None`: there is no such account.
    pub fn kind(&self, name: &str) -> Option<ProviderKind> {
        let known = self.known.iter().find(|known| known.account.name == name);
        known.map(|known| known.account.kind)
    }

    /// The names that `accounts` gave.
    pub fn names(&self) -> Vec<&str> {
        let names = self.known.iter().map(|known| &*known.account.name);
        names.collect()
    }

    /// Reads `accounts`.
    pub fn read_named(&mut self, root: &Section<'_>, serve_catalog: bool) {
        root.within("accounts", |section| {
            if section.nodes().len() > MOST {
                section.wrong("", &format!("holds more than {MOST} accounts"));
                return;
            }
            for (name, node) in section.nodes() {
                section.below(name, node, |account| {
                    self.read_one(name, account, serve_catalog);
                });
            }
        });
    }

    fn read_one(&mut self, name: &str, section: &Section<'_>, serve_catalog: bool) {
        let kind = section.parsed("provider", parse_provider);
        let open = section.parsed("serve_catalog", parse_flag);
        let headers = section.maybe("headers", read_headers);
        if !is_name(name) {
            section.wrong("", NAME_RULE);
        }
        if section.given("provider").is_none() {
            section.wrong("provider", "is missing: runwayml or openai");
        }
        let inline = Inline {
            kind: kind.unwrap_or_default(),
            key: section,
            base: section.given("base_url").map(|_| (section, "base_url")),
            headers: None,
        };
        let Ok(parts) = self.sources.parts(&inline, false) else {
            self.is_wrong = true;
            return;
        };
        let identity = if self.sources.sandbox {
            hash(&["accounts", name])
        } else {
            parts.identity()
        };
        let twin = self.known.iter().find(|known| known.identity == identity);
        if let Some(place) = twin.and_then(|twin| twin.place.as_ref()) {
            let text = format!(
                "is the key of {place} at the same address: that is one account, whose limits \
                 count once. Name it once, and use that name in `model_list`"
            );
            return section.wrong("api_key", &text);
        }
        self.known.push(Known {
            account: Account {
                name: name.to_owned(),
                kind: parts.kind,
                access: parts.access,
                headers,
            },
            identity,
            place: Some(section.name("")),
            is_open: open.unwrap_or(serve_catalog),
        });
    }

    /// The account of an entry, by name; one that is met for the first time is added.
    pub fn inline(&mut self, inline: &Inline<'_>) -> Result<String, Told> {
        let parts = self.sources.parts(inline, true)?;
        let identity = parts.identity();
        if let Some(known) = self.known.iter().find(|known| known.identity == identity) {
            if let Some(headers) = &inline.headers
                && *headers != known.account.headers
            {
                let text = format!(
                    "the account `{}` has other headers elsewhere; name it in `accounts`, and say \
                     them there once",
                    known.account.name
                );
                inline.key.wrong("headers", &text);
            }
            return Ok(known.account.name.clone());
        }
        let is_own = self.own_identity() == Some(identity);
        let name = if is_own && self.is_free(self.own_name()) {
            self.own_name().to_owned()
        } else {
            self.name_for(&parts)
        };
        let own_headers = is_own.then(|| self.sources.own.headers.clone());
        let headers = inline.headers.clone().or(own_headers).unwrap_or_default();
        self.known.push(Known {
            account: Account {
                name: name.clone(),
                kind: parts.kind,
                access: parts.access,
                headers,
            },
            identity,
            place: None,
            is_open: false,
        });
        Ok(name)
    }

    /// The account of the section `runway`, where it is one: it has a key, and with `alone` it must.
    /// A key of the SDK's variables that some other account is called with is that account's.
    pub fn add_own(&mut self, root: &Section<'_>, alone: bool, serve_catalog: bool) {
        let Some(parts) = self.sources.own_parts() else {
            if alone && matches!(self.sources.own.key, Ok(None)) {
                let note = self
                    .sources
                    .own
                    .empty
                    .map(|name| format!(" ({name} is set, but empty)"));
                let note = note.unwrap_or_default();
                let text = format!("there is no API key{note}: {WAYS_OUT}");
                root.tell(nowhere("runway.api_key", &text));
            }
            return;
        };
        let identity = parts.identity();
        if let Some(known) = self.known.iter_mut().find(|k| k.identity == identity) {
            if known.account.headers.is_empty() {
                known.account.headers.clone_from(&self.sources.own.headers);
            }
            known.is_open |= serve_catalog && known.place.is_none();
            return;
        }
        if self.sources.own.from_sdk && self.is_used(&parts.key.text) {
            return;
        }
        if !self.is_free(self.own_name()) {
            let place = format!("accounts.{}", self.own_name());
            let text = "is what the account of the section `runway` is called; take another name, \
                        or leave the key out of `runway`";
            return root.tell(nowhere(&place, text));
        }
        self.known.push(Known {
            account: Account {
                name: self.own_name().to_owned(),
                kind: ProviderKind::Runway,
                access: parts.access,
                headers: self.sources.own.headers.clone(),
            },
            identity,
            place: None,
            is_open: serve_catalog,
        });
    }

    fn own_name(&self) -> &'static str {
        if self.sources.sandbox {
            SANDBOX
        } else {
            "runwayml"
        }
    }

    fn own_identity(&self) -> Option<[u8; 32]> {
        self.sources.own_parts().map(|parts| parts.identity())
    }

    fn is_free(&self, name: &str) -> bool {
        self.known.iter().all(|known| known.account.name != name)
    }

    /// Whether any account of RunwayML is called with this key.
    fn is_used(&self, key: &SecretString) -> bool {
        self.known.iter().any(|known| match &known.account.access {
            Access::Account { api_key, .. } => {
                known.account.kind == ProviderKind::Runway
                    && api_key.expose_secret() == key.expose_secret()
            }
            Access::Sandbox => false,
        })
    }

    fn name_for(&self, parts: &Parts) -> String {
        let provider = parts.kind.as_str();
        let key = parts.key.text.expose_secret();
        if self.sources.sandbox && key.is_empty() && parts.base.is_empty() {
            return provider.to_owned();
        }
        let Some(variable) = &parts.key.variable else {
            return format!("{provider}-{}", short_hash(&[&parts.base, key]));
        };
        let name = format!("{provider}-{}", variable.to_lowercase());
        if self.is_free(&name) {
            name
        } else {
            format!("{name}-{}", short_hash(&[&parts.base]))
        }
    }
}

/// The provider of a name.
pub fn parse_provider(text: &str) -> Result<ProviderKind, String> {
    let mut kinds = ProviderKind::ALL.into_iter();
    let found = kinds.find(|kind| kind.as_str() == text);
    found.ok_or_else(|| format!("`{}` is none of: runwayml, openai", shortened(text)))
}

/// `true` or `false`.
pub fn parse_flag(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        text => Err(format!("`{}` is none of: true, false", shortened(text))),
    }
}

fn is_name(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

fn short_hash(parts: &[&str]) -> String {
    hex::encode(&hash(parts)[..4])
}

/// Accounts in all; each has clients and loops of its own.
const MOST: usize = 256;
/// What the account of a server in the sandbox is called.
const SANDBOX: &str = "sandbox";
const NAME_RULE: &str = "is no name for an account: 1 to 64 letters, digits, `.`, `_` and `-`";
const WAYS_OUT: &str = "set RUNWAYML_API_SECRET to your account's key, or add --sandbox to try \
    mediagen without an account (nothing that the sandbox makes is real)";
