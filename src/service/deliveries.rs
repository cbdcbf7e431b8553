//! Who is told of a task's end: the check of an address, the record of the tries, and what a caller
//! verifies them with.

use super::{LookupError, Service};
use crate::domain::caller::{Callers, KeyId};
use crate::domain::generation::{InvalidField, InvalidReason};
use crate::domain::id::{TaskId, TenantId};
use crate::domain::webhook::{self, Delivery, Secret};

impl Service {
    /// What became of telling a task's receiver of its end; none: nobody is to be told, or the task has
    /// not ended. A deleted task's is not told.
    ///
    /// # Errors
    /// As [`Service::status`].
    pub async fn deliveries(
        &self,
        tenant: &TenantId,
        id: TaskId,
    ) -> Result<Vec<Delivery>, LookupError> {
        let task = self.status(tenant, id).await?;
        Ok(self.parts().store.deliveries(task.id).await?)
    }

    /// What the events of a key's tasks are signed with now, each of them; at least one.
    pub fn webhook_secrets(&self, key: Option<&KeyId>) -> Vec<Secret> {
        let signing = &self.parts().settings.signing;
        self.roster().callers.webhooks.secrets(key, signing)
    }
}

/// What is wrong with the address that a request names.
pub(super) fn check_webhook(url: &str, callers: &Callers) -> Option<InvalidField> {
    if url.is_empty() {
        return None;
    }
    let problem = webhook::check(url, &callers.webhooks.allow).err()?;
    Some(InvalidField {
        field: "webhook_url".to_owned(),
        reason: InvalidReason::FieldInvalid,
        problem: format!("{problem}; or the operator names its origin in webhooks.allow"),
    })
}

/// Who is told of the end: whom the request names, else whom its key's configuration does.
pub(super) fn receiver_of(url: &str, key: Option<&KeyId>, callers: &Callers) -> String {
    if url.is_empty() {
        callers.webhooks.url_of(key).unwrap_or_default().to_owned()
    } else {
        url.to_owned()
    }
}
