//! The media type of an input: what was said of it, and what its first bytes say.

use super::{InvalidField, InvalidReason, Media, media_type};
use crate::domain::model::listed;

/// What is wrong with a declared type on its own; an empty one says nothing.
pub(in crate::domain) fn check_declared(field: &str, declared: &str) -> Option<InvalidField> {
    let declared = media_type::canonical(declared);
    let taken = |media| media_type::taken(media).contains(&declared.as_str());
    let known = declared.is_empty() || media_type::kind(&declared).is_some_and(taken);
    (!known).then(|| {
        let allowed = all_taken(media_type::kind(&declared));
        unsupported(field, format!("must be one of {allowed}"))
    })
}

/// The type that declaration and bytes agree on.
pub(in crate::domain) fn settle(
    field: &str,
    data: &[u8],
    declared: &str,
) -> Result<String, InvalidField> {
    let declared = media_type::canonical(declared);
    let Some(sniffed) = media_type::sniff(data) else {
        let allowed = all_taken(media_type::kind(&declared));
        let problem = format!("is of no known type; taken are {allowed}");
        return Err(unsupported(field, problem));
    };
    let kind = media_type::kind(sniffed);
    if !kind.is_some_and(|media| media_type::taken(media).contains(&sniffed)) {
        let problem = format!("is {sniffed}; taken are {}", all_taken(kind));
        return Err(unsupported(field, problem));
    }
    if declared.is_empty() {
        return Ok(sniffed.to_owned());
    }
    if media_type::agree(&declared, sniffed) {
        return Ok(declared);
    }
    let problem = format!("is {sniffed}, not {declared} as content_type says");
    Err(unsupported(field, problem))
}

fn unsupported(field: &str, problem: String) -> InvalidField {
    InvalidField {
        field: field.to_owned(),
        reason: InvalidReason::InputTypeUnsupported,
        problem,
    }
}

fn all_taken(media: Option<Media>) -> String {
    let kinds = media.map_or(vec![Media::Image, Media::Video, Media::Audio], |media| {
        vec![media]
    });
    let types: Vec<&str> = kinds
        .into_iter()
        .flat_map(media_type::taken)
        .copied()
        .collect();
    if media.is_some() {
        listed(types)
    } else {
        types.join(", ")
    }
}
