//! `keys`, `keys_file` and `tenants`: who may call, and how much of everything.
//!
//! A key is known by its SHA-256 from here on; its text is forgotten as soon as it is read. The keys
//! file is read again while the server runs: [`Callers::reread`] is the whole of that.

mod entry;
mod fields;
pub mod file;
mod tenants;
#[cfg(test)]
mod tests;
mod webhook;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

use super::env::Environment;
use super::problem::{Problem, Problems, Report};
use super::section::Section;
use super::tree::{Node, Origin, Value};
use crate::domain::caller::{AllowedModels, Callers as Limits, KeyId, KeyLimits, Scope};
use crate::domain::id::TenantId;
use crate::domain::money::UsdRate;
use crate::domain::time::Timestamp;
use crate::domain::webhook::{Allowed, KeyWebhook, Webhooks};

use entry::{Entry, Reading};
pub use entry::{MAX_KEY, digest};
use fields::Fields;

/// Who may call.
#[derive(Clone, Debug, Default)]
pub struct Callers {
    /// Every key of the configuration and of the keys file.
    pub keys: Vec<Key>,
    /// The file that `mediagen keys` writes; read again when it changes.
    pub keys_file: Option<PathBuf>,
    /// Whether the configuration names the keys file: then a key is needed, be there any or not.
    pub is_file_named: bool,
    /// Limits of tenants, and what each key may spend.
    pub limits: Limits,
    /// Which of the keys came from the file.
    from_file: Vec<KeyId>,
    /// What the file is read with.
    env: Environment,
    rate: Option<UsdRate>,
}

/// One API key, without the key.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Its visible name.
    pub id: KeyId,
    /// SHA-256 of the whole key.
    pub sha256: [u8; 32],
    /// Whose tasks it sees.
    pub tenant: TenantId,
    /// The models it may ask for.
    pub models: AllowedModels,
    /// The calls it may make.
    pub scopes: Vec<Scope>,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    /// How much of everything.
    pub limits: KeyLimits,
    /// Who is told of its tasks' ends, and how that is signed.
    pub webhook: KeyWebhook,
}

impl Callers {
    /// Reads `keys`, `keys_file` and `tenants`, and the keys file itself; `further` is a key that stands
    /// elsewhere in the configuration, `allowed` what webhooks may call beside public addresses. What
    /// the operator should know comes with it.
    pub(super) fn read(
        root: &Section<'_>,
        env: &Environment,
        rate: UsdRate,
        data_dir: &Path,
        (further, allowed): (Option<Key>, Allowed),
    ) -> (Self, Vec<String>) {
        let named = root.path("keys_file");
        let report = Report::default();
        let (tenants, any_tenant) = root
            .raw("tenants")
            .map(|node| tenants::read(node, &report))
            .unwrap_or_default();
        let mut found = Found::of(further, "general_settings.master_key");
        if let Some(node) = root.raw("keys") {
            let allowed = Some(&allowed);
            let reading = Reading { env, rate, allowed };
            found.take_list("keys", node, &report, reading);
        }
        let mut callers = Self {
            is_file_named: named.is_some(),
            keys_file: Some(named.unwrap_or_else(|| data_dir.join(DEFAULT_FILE))),
            limits: Limits {
                tenants,
                any_tenant,
                webhooks: Webhooks {
                    allow: allowed,
                    ..Webhooks::default()
                },
                ..Limits::default()
            },
            env: env.clone(),
            rate: Some(rate),
            ..Self::default()
        };
        let has_file = callers.take_file(&callers.read_file(), &mut found, &report);
        let mut warnings = std::mem::take(&mut found.warnings);
        if let Some(path) = callers
            .keys_file
            .as_ref()
            .filter(|_| !has_file && callers.is_file_named)
        {
            warnings.push(format!(
                "the keys file {} holds nothing: `mediagen keys create` makes a key",
                path.display()
            ));
        }
        callers.set_keys(found.keys.into_iter().map(|located| located.key).collect());
        let problems = report.finish(()).err().map_or(Vec::new(), |all| all.0);
        for problem in problems {
            root.tell(problem);
        }
        (callers, warnings)
    }

    /// The same with the keys file as it is now, and everything that is wrong with the file. A wrong
    /// one changes nothing, but that keys which it says are revoked are. One
    /// that went away, or was emptied, is as wrong as a broken one if keys came from it.
    pub fn reread(&self) -> (Self, Result<(), Problems>) {
        let read = self.read_file();
        match self.with_file(&read) {
            Ok(callers) => (callers, Ok(())),
            Err(problems) => {
                let mut callers = self.clone();
                if let Ok(Some(node)) = &read {
                    callers.revoke_by(node);
                }
                (callers, Err(problems))
            }
        }
    }

    fn with_file(&self, read: &FileRead) -> Result<Self, Problems> {
        let report = Report::default();
        let mut callers = self.clone();
        let is_from_file = |key: &&Key| self.from_file.contains(&key.id);
        let own = self.keys.iter().filter(|key| !is_from_file(key)).cloned();
        let mut found = Found::of(own, "the configuration");
        if !callers.take_file(read, &mut found, &report) && !self.from_file.is_empty() {
            let path = self.keys_file.clone().unwrap_or_default();
            let text = "is gone or empty; to take back its keys, revoke them";
            report.add(Problem::new(&in_file(&path), "", text));
        }
        callers.set_keys(found.keys.into_iter().map(|located| located.key).collect());
        report.finish(callers)
    }

    /// Whether a key is needed to call.
    pub fn is_key_needed(&self) -> bool {
        self.is_file_named || !self.keys.is_empty()
    }

    /// Lets in whoever reaches the server, and forgets every key.
    pub fn without_keys(&mut self) {
        *self = Self {
            limits: Limits {
                budgets: BTreeMap::new(),
                webhooks: Webhooks {
                    allow: std::mem::take(&mut self.limits.webhooks.allow),
                    ..Webhooks::default()
                },
                ..std::mem::take(&mut self.limits)
            },
            ..Self::default()
        };
    }

    /// Revokes keys that came from the file and that entries of it, by name and digest, say are
    /// revoked. Whatever else is wrong with the file or the entry: who takes a key back must be heard.
    fn revoke_by(&mut self, node: &Node) {
        let Value::List(items) = &file::entries(node).0.value else {
            return;
        };
        let (reading, unheard) = (self.reading(), Report::default());
        let mut revoked = HashMap::new();
        for item in items {
            let read = |fields: &Fields<'_>| entry::read(fields, reading).key;
            let key = Fields::read(String::new(), item, &unheard, read);
            if let Some(when) = key.revoked {
                revoked.insert((key.id, key.sha256), when);
            }
        }
        for key in &mut self.keys {
            let when = revoked.get(&(key.id.clone(), key.sha256));
            if key.revoked.is_none() && when.is_some() && self.from_file.contains(&key.id) {
                key.revoked = when.copied();
            }
        }
    }

    /// The file as it is; `None` when there is none, or nothing in it.
    fn read_file(&self) -> FileRead {
        let node = self.keys_file.as_deref().map(file::read).transpose()?;
        let node = node.flatten();
        Ok(node.filter(|node| !matches!(node.value, Value::Null)))
    }

    /// What the file's entries are read with.
    fn reading(&self) -> Reading<'_> {
        Reading {
            env: &self.env,
            rate: self.rate.unwrap_or(UsdRate::ONE_CENT),
            allowed: Some(&self.limits.webhooks.allow),
        }
    }

    /// Takes the keys of the file in; `false` when there is no file, or nothing in it.
    fn take_file(&mut self, read: &FileRead, found: &mut Found, report: &Report) -> bool {
        self.from_file.clear();
        let node = match read {
            Ok(Some(node)) => node,
            Ok(None) => return false,
            Err(problem) => {
                report.add(problem.clone());
                return true;
            }
        };
        let before = found.keys.len();
        let (list, name) = file::entries(node);
        found.take_list(name, list, report, self.reading());
        let new = found.keys.iter().skip(before);
        self.from_file = new.map(|located| located.key.id.clone()).collect();
        true
    }

    fn set_keys(&mut self, keys: Vec<Key>) {
        let bounded = keys
            .iter()
            .filter(|key| key.limits.budget.is_bounded())
            .map(|key| (key.id.clone(), key.limits.budget));
        self.limits.budgets = bounded.collect();
        let told = keys
            .iter()
            .filter(|key| key.webhook != KeyWebhook::default())
            .map(|key| (key.id.clone(), key.webhook.clone()));
        self.limits.webhooks.keys = told.collect();
        self.keys = keys;
    }
}

/// What came of opening the keys file.
type FileRead = Result<Option<Node>, Problem>;

/// Keys as they are found, each with the place where it was written.
#[derive(Default)]
struct Found {
    keys: Vec<Located>,
    /// Which of them has a name, or a digest.
    ids: HashMap<KeyId, usize>,
    digests: HashMap<[u8; 32], usize>,
    warnings: Vec<String>,
}

struct Located {
    key: Key,
    place: String,
}

impl Found {
    /// Keys that were read before, at `place`.
    fn of(keys: impl IntoIterator<Item = Key>, place: &str) -> Self {
        let mut found = Self::default();
        for (index, key) in keys.into_iter().enumerate() {
            found.ids.insert(key.id.clone(), index);
            found.digests.insert(key.sha256, index);
            let place = place.to_owned();
            found.keys.push(Located { key, place });
        }
        found
    }

    /// Takes in a list of entries, which problems call `name`.
    fn take_list(&mut self, name: &str, node: &Node, report: &Report, with: Reading<'_>) {
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            Value::Null => &[],
            Value::Text(..) | Value::Map(_) => {
                report.add(Problem::new(&node.origin, name, "must be a list of keys"));
                &[]
            }
        };
        if items.len() > MOST_KEYS {
            let text = format!("holds more than {MOST_KEYS} keys");
            report.add(Problem::new(&node.origin, name, &text));
            return;
        }
        for (index, item) in items.iter().enumerate() {
            let path = format!("{name}[{index}]");
            Fields::read(path, item, report, |fields| {
                let Entry { key, warning } = entry::read(fields, with);
                self.warnings.extend(warning);
                self.take(key, fields);
            });
        }
    }

    fn take(&mut self, key: Key, fields: &Fields<'_>) {
        let place = fields.origin().to_string();
        let index = self.keys.len();
        // What is empty was wrong, and is told already.
        if !key.id.as_str().is_empty()
            && let Some(old) = self.ids.insert(key.id.clone(), index)
        {
            let place = &self.keys[old].place;
            fields.wrong("id", &format!("is the name of another key, at {place}"));
        }
        if key.sha256 != [0; 32]
            && let Some(old) = self.digests.insert(key.sha256, index)
        {
            let Located { key: old, place } = &self.keys[old];
            fields.wrong(
                "key",
                &format!("is the same key as `{}`, at {place}", old.id),
            );
        }
        self.keys.push(Located { key, place });
    }
}

/// The names of the configuration's keys, each with its place; nothing else of them is looked at.
pub(super) fn names(tree: &Node) -> Vec<(String, String)> {
    let within = |node: &Node, name: &str| match &node.value {
        Value::Map(keys) => keys.get(name).cloned(),
        Value::Null | Value::Text(..) | Value::List(_) => None,
    };
    let mut names = Vec::new();
    if let Some(Value::List(items)) = within(tree, "keys").map(|list| list.value) {
        let ids = items.iter().filter_map(|item| within(item, "id"));
        names.extend(ids.filter_map(|id| match &id.value {
            Value::Text(text, _) => Some((text.trim().to_owned(), id.origin.to_string())),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }));
    }
    let general = within(tree, "general_settings");
    let master = ["master_key", "master_key_file"];
    let master = master.map(|name| general.as_ref().and_then(|general| within(general, name)));
    let is_given = |key: &Node| !matches!(key.value, Value::Null);
    if let Some(key) = master.into_iter().flatten().find(is_given) {
        names.push((MASTER.to_owned(), key.origin.to_string()));
    }
    names
}

/// A place in a file that has no line.
fn in_file(path: &Path) -> Origin {
    Origin::File(path.display().to_string(), 1)
}

/// The digest of a key that can be guessed would tell the key.
impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Key")
            .field("id", &self.id.as_str())
            .field("tenant", &self.tenant.as_str())
            .finish_non_exhaustive()
    }
}

/// The keys file of a data folder, unless another is named.
pub const DEFAULT_FILE: &str = "keys.yaml";
/// The name of the key that `general_settings.master_key` is.
pub const MASTER: &str = "master";
/// Keys in one list.
const MOST_KEYS: usize = 10_000;
