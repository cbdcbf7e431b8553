//! Everybody to whom anything is pending, once, host by host.

use std::collections::VecDeque;

use crate::domain::webhook::levels;
use crate::store::{Receiver, StoreError, TaskStore};

/// Reads all receivers in pages: those after a name, then those up to it.
pub(super) struct Round {
    begun_after: Option<String>,
    after: Option<String>,
    page: VecDeque<Receiver>,
    is_last: bool,
    has_turned: bool,
}

impl Round {
    /// Begins after a name; `None`: with the first.
    pub(super) fn after(name: Option<String>) -> Self {
        Self {
            after: name.clone(),
            has_turned: name.is_none(),
            begun_after: name,
            page: VecDeque::new(),
            is_last: false,
        }
    }

    /// The next one; `None`: that was all.
    pub(super) async fn next(
        &mut self,
        store: &dyn TaskStore,
    ) -> Result<Option<Receiver>, StoreError> {
        while self.page.is_empty() {
            if self.is_last && self.has_turned {
                return Ok(None);
            }
            if self.is_last {
                (self.after, self.has_turned) = (None, true);
            }
            let page = store.receivers(self.after.clone(), PAGE).await?;
            self.is_last = page.len() < PAGE;
            if let Some(last) = page.last() {
                self.after = Some(last.name.clone());
            }
            self.page = page.into();
        }
        let next = self.page.pop_front();
        Ok(next.filter(|one| !self.is_round_at(&one.name)))
    }

    /// Passes over what is left of a host.
    pub(super) fn skip(&mut self, host: &str) {
        self.page
            .retain(|one| levels(&one.name).next() != Some(host));
        if self.page.is_empty() && !self.is_last {
            self.after = Some(end_of(host));
        }
    }

    /// Where it began.
    pub(super) fn begun_after(&self) -> Option<&String> {
        self.begun_after.as_ref()
    }

    fn is_round_at(&self, name: &str) -> bool {
        let end = self.begun_after.as_deref();
        self.has_turned && end.is_some_and(|end| name > end)
    }
}

/// What comes after every receiver of a host, and before those of the next.
pub(super) fn end_of(host: &str) -> String {
    format!("{host}/~")
}

/// Receivers read at once.
const PAGE: usize = 256;
