//! Inputs one by one: is each well-formed in itself, and what kind of medium is it?
//!
//! Where an input goes is `placing`'s question. Addresses are checked, never fetched.

use sha2::{Digest, Sha256};

use super::bounds::check_text;
use super::{
    DraftInput, DraftSource, InvalidReason, Keyframe, Limits, Measured, Media, Role, Uploaded,
    Violations, input_type, keyframe, media_type, url,
};

/// One valid input.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Where its bytes are.
    pub source: InputSource,
    /// Its media type in lower case; empty: an address that nothing was said about.
    pub content_type: String,
    /// Where it goes; unspecified only where the model takes a single input as it is.
    pub role: Role,
    /// The name by which the prompt cites it; empty: none.
    pub tag: String,
    /// What a reference shows; empty: not said.
    pub subject: String,
    /// When a keyframe is to be seen; there exactly where the role is that of a keyframe.
    pub keyframe: Option<Keyframe>,
    /// What its bytes say, where they are here.
    pub measured: Measured,
}

/// Where an input's bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputSource {
    /// At an address that the provider reads.
    Url(String),
    /// With the service, which keeps a copy for the task: sent inline, or from an upload.
    Inline {
        /// How many bytes.
        size_bytes: u64,
        /// Their SHA-256.
        sha256: [u8; 32],
    },
}

/// An input that was looked at.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub input: Input,
    pub media: Option<Media>,
}

impl Input {
    /// The kind of medium: by its type, else by its role, else by the ending of its address.
    pub fn media(&self) -> Option<Media> {
        let address = match &self.source {
            InputSource::Url(address) => Some(&**address),
            InputSource::Inline { .. } => None,
        };
        media(&self.content_type, self.role, address)
    }
}

impl DraftInput {
    /// The same before anything is checked or hashed: what the bytes say goes before what is said of
    /// them.
    pub(super) fn media(&self) -> Option<Media> {
        let declared = media_type::canonical(&self.content_type);
        let (found, address) = match &self.source {
            DraftSource::Data(data) => (media_type::sniff(data), None),
            DraftSource::Uploaded(upload) => (Some(&*upload.content_type), None),
            DraftSource::Url(address) => (None, Some(&**address)),
            DraftSource::Missing | DraftSource::Upload(_) => (None, None),
        };
        let overruled = found.filter(|found| !media_type::agree(&declared, found));
        media(overruled.unwrap_or(&declared), self.role, address)
    }
}

fn media(content_type: &str, role: Role, address: Option<&str>) -> Option<Media> {
    media_type::kind(content_type)
        .or_else(|| role.media())
        .or_else(|| address.and_then(media_type::kind_of_path))
}

/// Looks at every input; the result has one entry for each, also for those that are refused.
pub(super) fn inspect(inputs: &[DraftInput], limits: Limits, found: &mut Violations) -> Vec<Seen> {
    inputs
        .iter()
        .enumerate()
        .map(|(index, draft)| {
            let field = format!("input_references[{index}]");
            check_tag(&field, inputs, index, found);
            keyframe::check(&field, draft, found);
            let (source, content_type) = inspect_source(&field, draft, limits, found);
            let input = Input {
                source,
                content_type,
                role: draft.role,
                tag: draft.tag.clone(),
                subject: draft.subject.clone(),
                keyframe: draft.keyframe.clone(),
                measured: draft.measured,
            };
            Seen {
                media: input.media(),
                input,
            }
        })
        .collect()
}

fn inspect_source(
    field: &str,
    draft: &DraftInput,
    limits: Limits,
    found: &mut Violations,
) -> (InputSource, String) {
    let declared = media_type::canonical(&draft.content_type);
    found.extend(input_type::check_declared(
        &format!("{field}.content_type"),
        &declared,
    ));
    match &draft.source {
        DraftSource::Missing => {
            found.field(field, "has no source: set url, data or upload_id");
            (InputSource::Url(String::new()), declared)
        }
        DraftSource::Url(address) => {
            if let Err(problem) = url::check(address) {
                found.add(
                    format!("{field}.url"),
                    InvalidReason::InputUrlForbidden,
                    problem,
                );
            }
            (InputSource::Url(address.clone()), declared)
        }
        DraftSource::Upload(id) => {
            let field = format!("{field}.upload_id");
            check_text(&field, id, found);
            found.field(field, NO_UPLOAD);
            (InputSource::Url(String::new()), declared)
        }
        DraftSource::Uploaded(upload) => inspect_upload(field, upload, declared, limits, found),
        DraftSource::Data(data) => inspect_data(field, data, declared, limits, found),
    }
}

fn inspect_data(
    field: &str,
    data: &[u8],
    declared: String,
    limits: Limits,
    found: &mut Violations,
) -> (InputSource, String) {
    let size_bytes = data.len() as u64;
    let field = format!("{field}.data");
    if data.is_empty() {
        found.field(field, "must not be empty");
        return (
            InputSource::Inline {
                size_bytes,
                sha256: [0; 32],
            },
            declared,
        );
    }
    if size_bytes > limits.inline_bytes {
        let problem = format!(
            "at most {} bytes are taken; got {size_bytes}: send more by UploadInput",
            limits.inline_bytes
        );
        found.add(field, InvalidReason::InputTooLarge, problem);
        return (
            InputSource::Inline {
                size_bytes,
                sha256: [0; 32],
            },
            declared,
        );
    }
    let content_type = match input_type::settle(&field, data, &declared) {
        Ok(settled) => settled,
        Err(wrong) => {
            found.extend(Some(wrong));
            media_type::sniff(data).map_or(declared, str::to_owned)
        }
    };
    (
        InputSource::Inline {
            size_bytes,
            sha256: Sha256::digest(data).into(),
        },
        content_type,
    )
}

/// An upload's bytes were told apart when they came; here only what is said of them is compared.
fn inspect_upload(
    field: &str,
    upload: &Uploaded,
    declared: String,
    limits: Limits,
    found: &mut Violations,
) -> (InputSource, String) {
    let kept = &upload.content_type;
    let agrees = declared.is_empty() || media_type::agree(&declared, kept);
    if !agrees && !found.names(&format!("{field}.content_type")) {
        found.add(
            format!("{field}.content_type"),
            InvalidReason::InputTypeUnsupported,
            format!("the upload is {kept}, not {declared}"),
        );
    }
    if upload.size_bytes > limits.upload_bytes {
        found.add(
            format!("{field}.upload_id"),
            InvalidReason::InputTooLarge,
            format!("at most {} bytes are taken", limits.upload_bytes),
        );
    }
    let source = InputSource::Inline {
        size_bytes: upload.size_bytes,
        sha256: upload.sha256,
    };
    let content_type = if agrees && !declared.is_empty() {
        declared
    } else {
        kept.clone()
    };
    (source, content_type)
}

fn check_tag(field: &str, inputs: &[DraftInput], index: usize, found: &mut Violations) {
    let tag = &inputs[index].tag;
    if tag.is_empty() {
        return;
    }
    let field = format!("{field}.tag");
    let letters = tag
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !letters || !tag.as_bytes()[0].is_ascii_alphabetic() || !TAG_LENGTH.contains(&tag.len()) {
        found.field(
            field,
            "must be 3 to 16 letters, digits and underscores, a letter first",
        );
    } else if inputs[..index]
        .iter()
        .any(|other| other.tag.eq_ignore_ascii_case(tag))
    {
        found.field(field, "must not be used twice");
    }
}

/// How long a tag is.
const TAG_LENGTH: std::ops::RangeInclusive<usize> = 3..=16;
/// What is said of a name under which the tenant has no upload.
pub const NO_UPLOAD: &str = "names no upload of yours; uploads expire: upload it again";
