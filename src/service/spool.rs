//! The inputs of a request that are bytes: kept as the task's own before it is committed, and given up
//! when it is not.

use super::Service;
use super::create::CreateError;
use crate::archive::ArchiveError;
use crate::domain::generation::{Draft, DraftSource, InvalidField, InvalidReason, NO_UPLOAD};
use crate::domain::id::TaskId;

impl Service {
    /// Keeps what is inline or uploaded in the archive as the task's own, so that no row holds it and
    /// no other record's end takes it.
    pub(super) async fn spool(&self, id: TaskId, draft: &Draft) -> Result<(), CreateError> {
        let archive = &self.parts().archive;
        for (index, input) in (0_u32..).zip(&draft.inputs) {
            let kept = match &input.source {
                DraftSource::Data(bytes) => {
                    let put = archive.put_input(id, index, bytes.clone()).await;
                    put.map(drop).map_err(CreateError::Archive)
                }
                DraftSource::Uploaded(upload) => {
                    let (spool, size) = (upload.id.spool(), upload.size_bytes);
                    let given = archive.give(spool, size, id, index).await;
                    given.map_err(|error| not_given(index, error))
                }
                DraftSource::Missing | DraftSource::Url(_) | DraftSource::Upload(_) => Ok(()),
            };
            if let Err(error) = kept {
                self.unspool(id).await;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Gives them up.
    pub(super) async fn unspool(&self, id: TaskId) {
        // What stays behind belongs to no task; the cleaner finds it.
        if let Err(error) = self.parts().archive.remove_task(id).await {
            tracing::warn!(task = %id, %error, "left inputs of a refused create behind");
        }
    }
}

/// An upload that expired after it was looked up is like any other that is not there.
fn not_given(index: u32, error: ArchiveError) -> CreateError {
    if error != ArchiveError::Missing {
        return CreateError::Archive(error);
    }
    CreateError::Invalid(vec![InvalidField {
        field: format!("input_references[{index}].upload_id"),
        reason: InvalidReason::FieldInvalid,
        problem: NO_UPLOAD.to_owned(),
    }])
}
