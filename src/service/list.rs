//! List: pages of a tenant's tasks, newest first, or by a task that they come after.

use std::sync::Arc;

use super::Service;
use super::page::{Seal, TaskFilters, page_size};
use crate::domain::id::{TaskId, TenantId};
use crate::domain::task::Task;
use crate::store::{ListQuery, Sorted, StoreError};

/// What a caller asks for.
#[derive(Clone, Debug, Default)]
pub struct ListRequest {
    /// Tasks on a page; 0: 50.
    pub page_size: u32,
    /// Where to go on; empty: at the newest.
    pub page_token: String,
    /// Among which.
    pub filters: TaskFilters,
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

/// What a caller asks for who names the task to go on after.
#[derive(Clone, Debug)]
pub struct WalkRequest {
    /// Tasks on a page at most.
    pub limit: usize,
    /// The last task of the page before; it may be deleted meanwhile.
    pub after: Option<TaskId>,
    /// In which order.
    pub sorted: Sorted,
}

/// A page of a walk.
#[derive(Clone, Debug)]
pub struct WalkPage {
    /// In the order asked for.
    pub tasks: Vec<Arc<Task>>,
    /// Whether there are more.
    pub has_more: bool,
}

/// Why there is no page of a walk.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// The tenant has no such task to go on after.
    #[error("there is no such task to go on after")]
    After,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Service {
    /// A page of all of the tenant's tasks, after one of them.
    pub async fn walk(
        &self,
        tenant: TenantId,
        request: WalkRequest,
    ) -> Result<WalkPage, WalkError> {
        if let Some(after) = request.after {
            let known = self.parts().store.get(after).await?;
            if known.is_none_or(|task| task.tenant != tenant) {
                return Err(WalkError::After);
            }
        }
        let query = ListQuery {
            filter: TaskFilters::default().of(tenant, &self.roster().catalog),
            after: request.after,
            sorted: request.sorted,
            limit: request.limit + 1,
        };
        let mut tasks = self.parts().store.list(&query).await?;
        let kept = fitting(&tasks).min(request.limit);
        let has_more = tasks.len() > kept;
        tasks.truncate(kept);
        self.inner.receipts.told(&tasks);
        Ok(WalkPage { tasks, has_more })
    }

    /// A page of the tenant's tasks.
    pub async fn list(&self, tenant: TenantId, request: ListRequest) -> Result<Page, ListError> {
        let key = &self.parts().settings.page_key;
        let seal = Seal::new(key, "List", &tenant, &request.filters, []);
        let after = match request.page_token.as_str() {
            "" => None,
            token => Some(opened(token, &seal).ok_or(ListError::PageToken)?),
        };
        let size = page_size(request.page_size, DEFAULT_PAGE);
        let query = ListQuery {
            filter: request.filters.of(tenant, &self.roster().catalog),
            after,
            sorted: Sorted::NewestFirst,
            limit: size + 1,
        };
        let mut tasks = self.parts().store.list(&query).await?;
        let kept = fitting(&tasks).min(size);
        let more = tasks.len() > kept;
        tasks.truncate(kept);
        self.inner.receipts.told(&tasks);
        let last = tasks.last().filter(|_| more);
        let next_page_token = last.map(|task| seal.token(task.id.as_bytes()));
        Ok(Page {
            tasks,
            next_page_token: next_page_token.unwrap_or_default(),
        })
    }
}

/// The last task of the page that gave the token.
fn opened(token: &str, seal: &Seal) -> Option<TaskId> {
    let place: [u8; 16] = seal.open(token)?.try_into().ok()?;
    TaskId::from_bytes(place)
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

/// Tasks on a page unless asked.
const DEFAULT_PAGE: usize = 50;
/// Bytes on a page, about: gRPC clients take messages of 4 MiB unless told otherwise.
const MAX_PAGE_BYTES: usize = 3 * 1024 * 1024;
/// Bytes of a small part of a task in an answer, about.
const ENTRY: usize = 32;
