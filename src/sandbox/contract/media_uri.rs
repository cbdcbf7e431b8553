//! The shapes a media URI may have (`runway/api.md` §2.2 and §7). Nothing is ever fetched.

use base64::Engine as _;
use serde_json::Value;

use super::check::KnowsUpload;

/// Whether the member at `path` holds a media URI, told by its name.
pub fn is_media(path: &[Value]) -> bool {
    let name = name(path);
    name == "uri"
        || name.ends_with("Uri")
        || name.starts_with("promptImage")
        || name.starts_with("promptVideo")
        || name.starts_with("reference")
}

/// Checks the shape of one URI; the error is the sentence for the caller.
pub fn check(path: &[Value], uri: &str, knows_upload: KnowsUpload<'_>) -> Result<(), String> {
    if let Some(rest) = uri.strip_prefix("data:") {
        return data_uri(kind(path), rest, uri.len());
    }
    if uri.starts_with("runway://") {
        length(uri, MAX_RUNWAY_URI)?;
        return if knows_upload(uri) {
            Ok(())
        } else {
            Err(UNKNOWN_UPLOAD.into())
        };
    }
    if uri.starts_with("https://") {
        length(uri, MAX_HTTPS_URI)?;
        return https(uri);
    }
    Err("Invalid URI: expected an https, runway or data URI".into())
}

fn length(uri: &str, most: usize) -> Result<(), String> {
    let units = uri.encode_utf16().count();
    if (MIN_URI..=most).contains(&units) {
        Ok(())
    } else {
        Err(format!("URI must have {MIN_URI} to {most} characters"))
    }
}

fn https(uri: &str) -> Result<(), String> {
    let parsed = url::Url::parse(uri).map_err(|_| "Invalid URL".to_owned())?;
    match parsed.host() {
        Some(url::Host::Domain(_)) => Ok(()),
        _ => Err("URL must use a domain name, not an IP address".into()),
    }
}

fn data_uri(kind: &str, rest: &str, chars: usize) -> Result<(), String> {
    if !(MIN_URI..=MAX_DATA_URI).contains(&chars) {
        return Err(format!(
            "Data URI must have {MIN_URI} to {MAX_DATA_URI} characters"
        ));
    }
    let (media_type, payload) = rest
        .split_once(";base64,")
        .ok_or_else(|| "Data URI must be base64-encoded".to_owned())?;
    let media_type = media_type.split(';').next().unwrap_or_default();
    let (found, _) = media_type
        .split_once('/')
        .ok_or_else(|| "Invalid data URI".to_owned())?;
    if !MEDIA_KINDS.contains(&found) || (kind != "any" && kind != found) {
        return Err(format!("Unsupported media type {media_type}"));
    }
    if found == "image" && !IMAGE_TYPES.contains(&media_type) {
        return Err(format!("Unsupported media type {media_type}"));
    }
    base64::engine::general_purpose::STANDARD
        .decode(payload)
        .map(drop)
        .map_err(|_| "Data URI is not valid base64".to_owned())
}

/// The kind of media that the member at `path` wants, told by the names on the way to it.
fn kind(path: &[Value]) -> &'static str {
    let names = path
        .iter()
        .filter_map(Value::as_str)
        .collect::<Vec<_>>()
        .join(".")
        .to_lowercase();
    if names.contains("audio") {
        "audio"
    } else if names.contains("video") {
        "video"
    } else if names.contains("image") || names.contains("mask") || names.contains("keyframes") {
        "image"
    } else {
        "any"
    }
}

fn name(path: &[Value]) -> &str {
    path.iter()
        .rev()
        .find_map(Value::as_str)
        .unwrap_or_default()
}

const MIN_URI: usize = 13;
const MAX_HTTPS_URI: usize = 2_048;
const MAX_RUNWAY_URI: usize = 5_000;
/// Counted on the encoded string; video and audio follow the newer, lower limit too.
const MAX_DATA_URI: usize = 5_242_880;
const MEDIA_KINDS: [&str; 3] = ["image", "video", "audio"];
const IMAGE_TYPES: [&str; 4] = ["image/jpeg", "image/jpg", "image/png", "image/webp"];
const UNKNOWN_UPLOAD: &str = "Failed to fetch asset. The upload does not exist or has expired.";
