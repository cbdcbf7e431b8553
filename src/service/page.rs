//! What calls that answer in pages share: filters, sizes, and tokens that say where to go on.
//!
//! A page token is opaque: the place of the last item, sealed with a digest of a secret of the server,
//! the tenant, the call and everything that was asked for, so that a forged, foreign or misplaced one is
//! refused.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use sha2::{Digest as _, Sha256};

use crate::domain::id::TenantId;
use crate::domain::model::Catalog;
use crate::domain::task::Status;
use crate::domain::time::Timestamp;
use crate::store::TaskFilter;

/// Chooses among a tenant's tasks; all that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct TaskFilters {
    /// Any of these; empty: all.
    pub statuses: Vec<Status>,
    /// This model, by its name bare or with the provider's prefix; empty: all.
    pub model: String,
    /// All of these.
    pub labels: Vec<(String, String)>,
    /// Created at or after.
    pub created_from: Option<Timestamp>,
    /// Created before.
    pub created_before: Option<Timestamp>,
}

impl TaskFilters {
    /// The filter in the store's words.
    pub(super) fn of(self, tenant: TenantId, catalog: &Catalog) -> TaskFilter {
        let models = match self.model.as_str() {
            "" => Vec::new(),
            name => catalog.spellings(name).into(),
        };
        TaskFilter {
            tenant,
            statuses: self.statuses,
            models,
            labels: self.labels,
            created_from: self.created_from,
            created_before: self.created_before,
        }
    }
}

/// How many items a page has; 0 asks for the default.
pub(super) fn page_size(asked: u32, default: usize) -> usize {
    match usize::try_from(asked).unwrap_or(MAX_PAGE) {
        0 => default,
        asked => asked.min(MAX_PAGE),
    }
}

/// The secret that seals page tokens. Tokens open only under the key that they were made with.
#[derive(Clone, PartialEq, Eq)]
pub struct PageKey([u8; 32]);

impl PageKey {
    /// A key of 32 random bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for PageKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PageKey(***)")
    }
}

/// Ties the tokens of one call to what it was asked.
pub(super) struct Seal([u8; SEAL]);

impl Seal {
    /// The seal of a call by a tenant; `further` is what it was asked beside the filters.
    pub(super) fn new<'a>(
        key: &PageKey,
        call: &str,
        tenant: &TenantId,
        filters: &TaskFilters,
        further: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut digest = Sha256::new();
        digest.update(key.0);
        let mut add = |text: &str| {
            digest.update(text.len().to_le_bytes());
            digest.update(text);
        };
        add(call);
        add(tenant.as_str());
        add(&filters.model);
        add(&filters.statuses.len().to_string());
        for status in &filters.statuses {
            add(status.as_str());
        }
        add(&filters.labels.len().to_string());
        for (name, value) in &filters.labels {
            add(name);
            add(value);
        }
        add(&format!(
            "{:?}",
            (filters.created_from, filters.created_before)
        ));
        further.into_iter().for_each(add);
        Self(short(digest))
    }

    /// The token of a place.
    pub(super) fn token(&self, place: &[u8]) -> String {
        BASE64.encode([&self.mark(place), place].concat())
    }

    /// The place of a token that this seal made.
    pub(super) fn open(&self, token: &str) -> Option<Vec<u8>> {
        let bytes = BASE64.decode(token).ok()?;
        let (mark, place) = bytes.split_first_chunk::<SEAL>()?;
        (*mark == self.mark(place)).then(|| place.to_vec())
    }

    fn mark(&self, place: &[u8]) -> [u8; SEAL] {
        let mut digest = Sha256::new();
        digest.update(self.0);
        digest.update(place);
        short(digest)
    }
}

fn short(digest: Sha256) -> [u8; SEAL] {
    let whole: [u8; 32] = digest.finalize().into();
    let mut short = [0; SEAL];
    short.copy_from_slice(&whole[..SEAL]);
    short
}

/// Bytes of a seal.
const SEAL: usize = 12;
/// Items on a page at most.
const MAX_PAGE: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: PageKey = PageKey::new([1; 32]);

    fn seal(call: &str, tenant: &str, model: &str, further: &[&str]) -> Seal {
        sealed_with(&KEY, call, tenant, model, further)
    }

    fn sealed_with(key: &PageKey, call: &str, tenant: &str, model: &str, further: &[&str]) -> Seal {
        let filters = TaskFilters {
            model: model.to_owned(),
            ..TaskFilters::default()
        };
        Seal::new(
            key,
            call,
            &TenantId::named(tenant),
            &filters,
            further.iter().copied(),
        )
    }

    #[test]
    fn a_token_opens_only_where_it_was_made() {
        let mine = || seal("List", "a", "", &[]);
        let good = mine().token(b"place");
        assert_eq!(mine().open(&good).as_deref(), Some(&b"place"[..]));
        for other in [
            seal("List", "b", "", &[]),
            seal("List", "a", "gen4.5", &[]),
            seal("CostReport", "a", "", &[]),
            seal("List", "a", "", &["day"]),
            sealed_with(&PageKey::new([2; 32]), "List", "a", "", &[]),
        ] {
            assert_eq!(other.open(&good), None);
        }
        for forged in [
            "",
            "x",
            "AAAA",
            "ä",
            &good[1..],
            &format!("{good}A"),
            &"A".repeat(99),
        ] {
            assert_eq!(mine().open(forged), None, "{forged}");
        }
    }

    #[test]
    fn what_is_asked_is_told_apart_whatever_its_words() {
        let with = |statuses: &[Status], labels: &[(&str, &str)]| {
            let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            let filters = TaskFilters {
                statuses: statuses.to_vec(),
                labels: labels.iter().map(pair).collect(),
                ..TaskFilters::default()
            };
            Seal::new(&KEY, "List", &TenantId::named("a"), &filters, []).token(b"")
        };
        let statuses = with(&[Status::Queued, Status::Failed], &[]);
        assert_ne!(statuses, with(&[], &[("QUEUED", "FAILED")]));
    }

    #[test]
    fn a_page_is_bounded() {
        for (asked, size) in [
            (0, 50),
            (1, 1),
            (1000, 1000),
            (1001, 1000),
            (u32::MAX, 1000),
        ] {
            assert_eq!(page_size(asked, 50), size);
        }
    }
}
