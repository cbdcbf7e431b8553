//! What is known of a request's inputs before it is judged: uploads are looked up, and the bytes
//! that are here are asked for their size and length.

use super::Service;
use crate::domain::generation::{Draft, DraftInput, DraftSource, MOST_INPUTS, Measured, Uploaded};
use crate::domain::id::TenantId;
use crate::media::{self, Source};
use crate::store::StoreError;

impl Service {
    /// The draft with all that is known of its inputs. What every call that judges a request has to
    /// do first: validation and prices go by it.
    pub(super) async fn known_inputs(
        &self,
        tenant: &TenantId,
        mut draft: Draft,
    ) -> Result<Draft, StoreError> {
        // More are refused unseen.
        for input in draft.inputs.iter_mut().take(MOST_INPUTS) {
            match &input.source {
                DraftSource::Data(bytes) if !bytes.is_empty() => {
                    input.measured = measured(Source::Bytes(bytes), bytes).await;
                }
                DraftSource::Upload(id) => {
                    let id = id.clone();
                    self.look_up(tenant, &id, input).await?;
                }
                _ => {}
            }
        }
        Ok(draft)
    }

    /// Leaves an input as it is when there is no such upload: that is then refused.
    async fn look_up(
        &self,
        tenant: &TenantId,
        id: &str,
        input: &mut DraftInput,
    ) -> Result<(), StoreError> {
        let Ok(id) = id.parse() else { return Ok(()) };
        let found = self.parts().store.upload(tenant, id).await?;
        let now = self.now();
        if let Some(upload) = found.filter(|upload| now < upload.expires) {
            input.measured = upload.measured;
            input.source = DraftSource::Uploaded(Uploaded {
                id,
                content_type: upload.content_type,
                size_bytes: upload.size_bytes,
                sha256: upload.sha256,
            });
        }
        Ok(())
    }
}

/// Reading from memory cannot fail, and what is not understood is not known.
async fn measured(source: Source<'_>, bytes: &[u8]) -> Measured {
    let head = &bytes[..bytes.len().min(media::HEAD)];
    let Some(format) = media::sniff(head) else {
        return Measured::default();
    };
    let facts = media::probe(source, format).await;
    facts.map(|facts| facts.measured).unwrap_or_default()
}
