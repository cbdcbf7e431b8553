//! Which models, accounts and deployments may appear in labels: those of the catalogue and the
//! configuration. Whatever else a caller or a provider names is `other`.

use std::collections::BTreeSet;

use parking_lot::RwLock;

use super::series::OTHER;

#[derive(Default)]
struct Known {
    models: BTreeSet<String>,
    accounts: BTreeSet<String>,
    deployments: BTreeSet<String>,
}

/// Makes names known, beside those that already are: a reload forgets none, since its tasks go on.
pub fn know<'a>(
    models: impl IntoIterator<Item = &'a str>,
    accounts: impl IntoIterator<Item = &'a str>,
    deployments: impl IntoIterator<Item = &'a str>,
) {
    let mut known = KNOWN.write();
    add(&mut known.models, models);
    add(&mut known.accounts, accounts);
    add(&mut known.deployments, deployments);
}

fn add<'a>(known: &mut BTreeSet<String>, names: impl IntoIterator<Item = &'a str>) {
    for name in names {
        if known.len() < MOST_NAMES && !known.contains(name) {
            known.insert(name.to_owned());
        }
    }
}

/// The label of a model.
pub fn model(name: &str) -> &str {
    if KNOWN.read().models.contains(name) {
        name
    } else {
        OTHER
    }
}

/// The label of an account.
pub fn account(name: &str) -> &str {
    if KNOWN.read().accounts.contains(name) {
        name
    } else {
        OTHER
    }
}

/// The label of a deployment: a configured one, or a known model on a known account.
pub fn deployment(id: &str) -> &str {
    let known = KNOWN.read();
    let of_model = || {
        let slashes = id.match_indices('/');
        slashes
            .map(|(at, _)| (&id[..at], &id[at + 1..]))
            .any(|(account, model)| {
                known.accounts.contains(account) && known.models.contains(model)
            })
    };
    if known.deployments.contains(id) || of_model() {
        id
    } else {
        OTHER
    }
}

static KNOWN: RwLock<Known> = RwLock::new(Known {
    models: BTreeSet::new(),
    accounts: BTreeSet::new(),
    deployments: BTreeSet::new(),
});

/// Names of a kind at most; the configuration's own bounds are far below.
const MOST_NAMES: usize = 10_000;
