//! What a tenant's tasks cost, summed by the store.

use super::Service;
use super::page::{Seal, TaskFilters, page_size};
use crate::domain::id::TenantId;
use crate::store::{CostKey, CostQuery, CostRow, CostTotals, Grouping, StoreError};

/// What a caller asks for.
#[derive(Clone, Debug, Default)]
pub struct CostRequest {
    /// Among which tasks.
    pub filters: TaskFilters,
    /// What splits the sums, in this order.
    pub group_by: Vec<Grouping>,
    /// Groups on a page; 0: 100.
    pub page_size: u32,
    /// Where to go on; empty: at the first group.
    pub page_token: String,
}

/// A page of a report.
#[derive(Clone, Debug)]
pub struct Costs {
    /// In the order of their keys.
    pub rows: Vec<CostRow>,
    /// Over all pages.
    pub totals: CostTotals,
    /// Where the next page starts; empty at the end.
    pub next_page_token: String,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum CostError {
    /// The token is not one that this report gave.
    #[error("the page token does not belong to this report")]
    PageToken,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Service {
    /// A page of the sums over the tenant's tasks.
    pub async fn cost_report(
        &self,
        tenant: TenantId,
        request: CostRequest,
    ) -> Result<Costs, CostError> {
        let groups = request.group_by.iter().flat_map(words);
        let key = &self.parts().settings.page_key;
        let seal = Seal::new(key, "CostReport", &tenant, &request.filters, groups);
        let after = match request.page_token.as_str() {
            "" => None,
            token => {
                let keys = seal.open(token).and_then(|place| decode(&place));
                let keys = keys.filter(|keys| fit(keys, &request.group_by));
                Some(keys.ok_or(CostError::PageToken)?)
            }
        };
        let size = page_size(request.page_size, DEFAULT_PAGE);
        let query = CostQuery {
            filter: request.filters.of(tenant, &self.roster().catalog),
            group_by: request.group_by,
            after,
            limit: size + 1,
        };
        let mut report = self.parts().store.cost_report(&query).await?;
        let more = report.rows.len() > size;
        report.rows.truncate(size);
        let last = report.rows.last().filter(|_| more);
        let next_page_token = last.map(|row| seal.token(&encode(&row.keys)));
        Ok(Costs {
            rows: report.rows,
            totals: report.totals,
            next_page_token: next_page_token.unwrap_or_default(),
        })
    }
}

/// A grouping as words that no other has.
fn words(grouping: &Grouping) -> [&str; 2] {
    match grouping {
        Grouping::Model => ["model", ""],
        Grouping::Deployment => ["deployment", ""],
        Grouping::Day => ["day", ""],
        Grouping::Label(name) => ["label", name],
    }
}

/// Whether the keys are those of a group.
fn fit(keys: &[CostKey], group_by: &[Grouping]) -> bool {
    let fits = |(key, grouping): (&CostKey, &Grouping)| match grouping {
        Grouping::Model | Grouping::Deployment => matches!(key, CostKey::Text(_)),
        Grouping::Day => matches!(key, CostKey::Day(_)),
        Grouping::Label(_) => matches!(key, CostKey::Text(_) | CostKey::Missing),
    };
    !keys.is_empty() && keys.len() == group_by.len() && keys.iter().zip(group_by).all(fits)
}

/// Keys as bytes: a letter, and for a text its length.
fn encode(keys: &[CostKey]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for key in keys {
        match key {
            CostKey::Missing => bytes.push(b'-'),
            CostKey::Day(day) => {
                bytes.push(b'd');
                bytes.extend(day.to_le_bytes());
            }
            CostKey::Text(text) => {
                bytes.push(b't');
                bytes.extend((text.len() as u64).to_le_bytes());
                bytes.extend(text.as_bytes());
            }
        }
    }
    bytes
}

/// Keys from bytes; `None` when they make no sense.
fn decode(mut bytes: &[u8]) -> Option<Vec<CostKey>> {
    let mut keys = Vec::new();
    while let Some((kind, rest)) = bytes.split_first() {
        bytes = rest;
        keys.push(match kind {
            b'-' => CostKey::Missing,
            b'd' => {
                let (day, rest) = bytes.split_first_chunk()?;
                bytes = rest;
                CostKey::Day(i64::from_le_bytes(*day))
            }
            b't' => {
                let (length, rest) = bytes.split_first_chunk()?;
                let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
                let (text, rest) = rest.split_at_checked(length)?;
                bytes = rest;
                CostKey::Text(String::from_utf8(text.to_vec()).ok()?)
            }
            _ => return None,
        });
    }
    Some(keys)
}

/// Groups on a page unless asked.
const DEFAULT_PAGE: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_and_nonsense_does_not() {
        let keys = vec![
            CostKey::Text("gen4.5".to_owned()),
            CostKey::Text(String::new()),
            CostKey::Day(20_000),
            CostKey::Missing,
            CostKey::Text("röd".to_owned()),
        ];
        assert_eq!(decode(&encode(&keys)), Some(keys));
        let cut = b"t\xff\xff\xff\xff\xff\xff\xff\xffx";
        for bytes in [&b"x"[..], b"d12", b"t", cut, b"t\x01\0\0\0\0\0\0\0\xff"] {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn keys_fit_their_groupings_only() {
        let group_by = [Grouping::Day, Grouping::Label("team".to_owned())];
        assert!(fit(&[CostKey::Day(1), CostKey::Missing], &group_by));
        assert!(!fit(&[CostKey::Day(1)], &group_by));
        assert!(!fit(&[CostKey::Missing, CostKey::Missing], &group_by));
        assert!(!fit(&[], &[]));
    }
}
