//! `UploadInput`: the parts of its stream, and its answer.

use tonic::Status;

use super::Violations;
use super::time::timestamp;
use crate::domain::upload::{NewUpload, Upload};
use crate::grpc::limits::in_the_contracts_words;
use crate::pb::v1;
use crate::pb::v1::upload_input_request::{Metadata, Part};
use crate::service::UploadPart;

/// A message of the stream as a part of the upload.
pub(in crate::grpc) fn upload_part(
    message: Result<v1::UploadInputRequest, Status>,
) -> Result<UploadPart, Status> {
    match message.map_err(in_the_contracts_words)?.part {
        Some(Part::Metadata(Metadata {
            content_type,
            size_bytes,
            file_name,
        })) => Ok(UploadPart::Metadata(NewUpload {
            content_type,
            size_bytes,
            file_name,
        })),
        Some(Part::Chunk(chunk)) => Ok(UploadPart::Chunk(chunk)),
        None => {
            let mut found = Violations::default();
            found.field("part", "must be metadata or a chunk");
            Err(found.into_status())
        }
    }
}

/// What is said of a stored upload.
pub(in crate::grpc) fn uploaded(upload: &Upload) -> v1::UploadInputResponse {
    v1::UploadInputResponse {
        upload_id: upload.id.to_string(),
        size_bytes: upload.size_bytes,
        sha256: hex::encode(upload.sha256),
        expire_time: timestamp(upload.expires),
        content_type: upload.content_type.clone(),
    }
}
