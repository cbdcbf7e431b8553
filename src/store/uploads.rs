//! The part of the store that knows uploads, and where content is placed at providers.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::id::TenantId;
use crate::domain::time::Timestamp;
use crate::domain::upload::{PlaceKey, Placement, SpoolId, Upload, UploadId};

/// A durable home of uploads and placements.
///
/// Every method is atomic, and a write that returned `Ok` is on disk. Nothing of it is announced:
/// no loop waits for it.
#[async_trait]
pub trait UploadStore: Send + Sync {
    /// Commits an upload, whose object is durable already.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when there is one of that name.
    async fn add_upload(&self, upload: Upload) -> Result<(), StoreError>;

    /// A tenant's upload of exactly this name, expired or not; another tenant's is not there.
    async fn upload(&self, tenant: &TenantId, id: UploadId) -> Result<Option<Upload>, StoreError>;

    /// Whether anybody has an upload whose object is called so.
    async fn has_upload(&self, spool: SpoolId) -> Result<bool, StoreError>;

    /// Up to `limit` uploads that have expired at `now`, the oldest first.
    async fn expired_uploads(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<SpoolId>, StoreError>;

    /// Forgets uploads; says how many there were.
    async fn remove_uploads(&self, spools: Vec<SpoolId>) -> Result<usize, StoreError>;

    /// Where content is placed, good or not.
    async fn placement(&self, key: &PlaceKey) -> Result<Option<Placement>, StoreError>;

    /// Commits a placement in place of an earlier one.
    async fn place(&self, placement: Placement) -> Result<(), StoreError>;

    /// Forgets a placement if it still has this address: one that was made anew is kept.
    async fn displace(&self, placement: Placement) -> Result<bool, StoreError>;

    /// Forgets placements that have expired at `now`; says how many.
    async fn expire_placements(&self, now: Timestamp) -> Result<usize, StoreError>;
}
