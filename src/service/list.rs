//! List: pages of a tenant's tasks, newest first.
//!
//! A page token is opaque: the last id of the page before it, sealed with a digest of the tenant
//! and the filters, so that a forged, foreign or misplaced one is refused.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use sha2::{Digest as _, Sha256};

use super::Service;
use crate::domain::id::{TaskId, TenantId};
use crate::domain::task::{Status, Task};
use crate::domain::time::Timestamp;
use crate::store::{ListQuery, StoreError};

/// What a caller asks for.
#[derive(Clone, Debug, Default)]
pub struct ListRequest {
    /// Tasks on a page; 0: 50.
    pub page_size: u32,
    /// Where to go on; empty: at the newest.
    pub page_token: String,
    /// Any of these; empty: all.
    pub statuses: Vec<Status>,
    /// This model as asked; empty: all.
    pub model: String,
    /// All of these.
    pub labels: Vec<(String, String)>,
    /// Created at or after.
    pub created_from: Option<Timestamp>,
    /// Created before.
    pub created_before: Option<Timestamp>,
}

/// A page.
#[derive(Clone, Debug)]
pub struct Page {
    /// Newest first.
    pub tasks: Vec<Arc<Task>>,
    /// Where the next page starts; empty at the end.
    pub next_page_token: String,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The token is not one that this list gave.
    #[error("the page token does not belong to this list")]
    PageToken,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Service {
    /// A page of the tenant's tasks.
    pub async fn list(&self, tenant: TenantId, request: ListRequest) -> Result<Page, ListError> {
        let seal = seal(&tenant, &request);
        let before = match request.page_token.as_str() {
            "" => None,
            token => Some(open(token, &seal).ok_or(ListError::PageToken)?),
        };
        let size = match request.page_size {
            0 => DEFAULT_PAGE,
            size => usize::try_from(size).unwrap_or(MAX_PAGE).min(MAX_PAGE),
        };
        let query = ListQuery {
            tenant,
            statuses: request.statuses,
            model: (!request.model.is_empty()).then_some(request.model),
            labels: request.labels,
            created_from: request.created_from,
            created_before: request.created_before,
            before,
            limit: size + 1,
        };
        let mut tasks = self.parts().store.list(&query).await?;
        let kept = fitting(&tasks).min(size);
        let more = tasks.len() > kept;
        tasks.truncate(kept);
        let last = tasks.last().filter(|_| more);
        let next_page_token = last.map(|task| token(task.id, &seal)).unwrap_or_default();
        Ok(Page {
            tasks,
            next_page_token,
        })
    }
}

/// How many tasks, at least one, a page has room for.
fn fitting(tasks: &[Arc<Task>]) -> usize {
    let mut bytes = 0;
    let fits = tasks.iter().take_while(|task| {
        bytes += weight(task);
        bytes <= MAX_PAGE_BYTES
    });
    fits.count().max(1)
}

/// About how many bytes a task takes in an answer.
fn weight(task: &Task) -> usize {
    let labels = task
        .order
        .labels
        .iter()
        .map(|(name, value)| name.len() + value.len() + ENTRY);
    let attempts = task
        .attempts
        .iter()
        .map(|attempt| attempt.reason.len() + 4 * ENTRY);
    let texts = task.order.generation.prompt.len() + task.status_detail.len();
    let entries = task.history.len() + 4 * task.outputs.len() + 16;
    labels.sum::<usize>() + attempts.sum::<usize>() + texts + entries * ENTRY
}

fn token(id: TaskId, seal: &[u8; SEAL]) -> String {
    let mut bytes = id.as_bytes().to_vec();
    bytes.extend_from_slice(&mark(id, seal));
    BASE64.encode(bytes)
}

fn open(token: &str, seal: &[u8; SEAL]) -> Option<TaskId> {
    let bytes: [u8; 16 + SEAL] = BASE64.decode(token).ok()?.try_into().ok()?;
    let (id, given) = bytes.split_first_chunk::<16>()?;
    let id = TaskId::from_bytes(*id)?;
    (given == mark(id, seal)).then_some(id)
}

/// The digest that ties an id to one list of one tenant.
fn mark(id: TaskId, seal: &[u8; SEAL]) -> [u8; SEAL] {
    let mut digest = Sha256::new();
    digest.update(seal);
    digest.update(id.as_bytes());
    short(digest)
}

fn seal(tenant: &TenantId, request: &ListRequest) -> [u8; SEAL] {
    let mut digest = Sha256::new();
    let mut add = |text: &str| {
        digest.update(text.len().to_le_bytes());
        digest.update(text);
    };
    add(tenant.as_str());
    add(&request.model);
    request
        .statuses
        .iter()
        .for_each(|status| add(status.as_str()));
    for (name, value) in &request.labels {
        add(name);
        add(value);
    }
    add(&format!(
        "{:?} {:?}",
        request.created_from, request.created_before
    ));
    short(digest)
}

fn short(digest: Sha256) -> [u8; SEAL] {
    let whole: [u8; 32] = digest.finalize().into();
    let mut short = [0; SEAL];
    short.copy_from_slice(&whole[..SEAL]);
    short
}

/// Bytes of a seal.
const SEAL: usize = 12;
/// Tasks on a page unless asked.
const DEFAULT_PAGE: usize = 50;
/// Tasks on a page at most.
const MAX_PAGE: usize = 1000;
/// Bytes on a page, about: gRPC clients take messages of 4 MiB unless told otherwise.
const MAX_PAGE_BYTES: usize = 3 * 1024 * 1024;
/// Bytes of a small part of a task in an answer, about.
const ENTRY: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_only_in_its_own_list() {
        let id = TaskId::new(1, [1; 10]);
        let (mine, request) = (TenantId::named("a"), ListRequest::default());
        let good = token(id, &seal(&mine, &request));
        assert_eq!(open(&good, &seal(&mine, &request)), Some(id));
        assert_eq!(open(&good, &seal(&TenantId::named("b"), &request)), None);
        let filtered = ListRequest {
            model: "gen4.5".to_owned(),
            ..ListRequest::default()
        };
        assert_eq!(open(&good, &seal(&mine, &filtered)), None);
        for forged in ["", "x", "AAAA", &good[1..], &format!("{good}A")] {
            assert_eq!(open(forged, &seal(&mine, &request)), None, "{forged}");
        }
    }
}
