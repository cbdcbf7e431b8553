//! Media on their way into a create, and what is said when they do not get there.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures_util::StreamExt as _;

use crate::domain::task::{Rejection, RejectionKind};
use crate::provider::Media;

/// The media themselves as an address.
pub(in crate::provider) async fn data_uri(media: &Media) -> Result<String, Rejection> {
    let size = usize::try_from(media.size_bytes).unwrap_or(usize::MAX);
    let mut bytes = Vec::with_capacity(size);
    let mut stream = media.open();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| not_sent("a spooled input cannot be read"))?;
        if chunk.len() > size - bytes.len() {
            return Err(not_sent("a spooled input is longer than it was"));
        }
        bytes.extend_from_slice(&chunk);
    }
    if bytes.len() < size {
        return Err(not_sent("a spooled input is shorter than it was"));
    }
    let mut uri = format!("data:{};base64,", media.content_type);
    BASE64_STANDARD.encode_string(&bytes, &mut uri);
    Ok(uri)
}

/// Nothing was sent, for this reason.
pub(in crate::provider) fn not_sent(message: &str) -> Rejection {
    rejection(RejectionKind::NotSent, "", message)
}

/// A rejection without a wish to wait.
pub(in crate::provider) fn rejection(kind: RejectionKind, code: &str, message: &str) -> Rejection {
    Rejection {
        kind,
        message: message.to_owned(),
        code: code.to_owned(),
        retry_after: None,
    }
}

/// The ending that providers expect of a file's name.
pub(in crate::provider) fn extension(content_type: &str) -> &'static str {
    match content_type {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/webp" => "webp",
        "video/mp4" => "mp4",
        "video/quicktime" => "mov",
        "video/webm" => "webm",
        "video/x-matroska" => "mkv",
        "video/3gpp" => "3gp",
        "audio/mpeg" => "mp3",
        "audio/wav" | "audio/x-wav" => "wav",
        "audio/flac" => "flac",
        "audio/mp4" => "m4a",
        "audio/aac" => "aac",
        "audio/ogg" | "video/ogg" => "ogg",
        _ => "bin",
    }
}
