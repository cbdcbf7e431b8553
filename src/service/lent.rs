//! Uploads that came with one request and are nobody's after it.

use super::Service;
use crate::domain::upload::UploadId;

/// An upload that is forgotten when this is dropped. What a crash leaves expires as any other does.
pub struct Lent {
    service: Service,
    id: UploadId,
}

impl Lent {
    pub(super) const fn new(service: Service, id: UploadId) -> Self {
        Self { service, id }
    }

    /// The upload, as a create names it.
    pub const fn id(&self) -> UploadId {
        self.id
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Without a runtime the process ends.
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let (service, spool) = (self.service.clone(), self.id.spool());
        self.service.parts().shutdown.spawn(async move {
            let parts = service.parts();
            // The record goes first: an object without one is swept some day.
            if let Err(error) = parts.store.remove_uploads(vec![spool]).await {
                return tracing::warn!(%spool, %error, "an upload of one request stays until it expires");
            }
            if let Err(error) = parts.archive.remove_upload(spool).await {
                tracing::warn!(%spool, %error, "an upload was not removed");
            }
        });
    }
}
