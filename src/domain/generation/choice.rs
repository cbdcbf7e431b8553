//! Which model and which operation a draft means.

use std::cmp::Reverse;

use super::input::Seen;
use super::{Draft, DraftInput, InvalidReason, Media, Operation, Role, Violations};
use crate::domain::model::{Catalog, Offer, Resolved, Spec, listed};

/// The model and the operation that were chosen.
#[derive(Clone, Debug)]
pub(super) struct Chosen<'a> {
    pub id: String,
    pub operation: Operation,
    pub spec: &'a Spec,
    /// Whether the catalogue knows the model.
    pub known: bool,
}

/// Chooses. Where that cannot be done it is noted, and everything that may have been meant is
/// returned: what is wrong in any case can be told all the same.
pub(super) fn choose<'a>(
    draft: &Draft,
    inputs: &[Seen],
    catalog: &'a Catalog,
    found: &mut Violations,
) -> Result<Chosen<'a>, Vec<Chosen<'a>>> {
    let unknown = match catalog.resolve(draft.model_name(catalog)) {
        Ok(resolved) => return choose_operation(draft, inputs, &resolved, found),
        Err(unknown) => unknown,
    };
    let what = if unknown.hidden {
        "is not offered here"
    } else {
        "is no known model"
    };
    let hint = match &unknown.nearest[..] {
        [] if unknown.hidden => format!("offered are {}", listed(catalog.ids())),
        [] => format!(
            "known are {}; a model that the catalogue lacks is named as {}<id>",
            listed(catalog.ids()),
            catalog.prefix
        ),
        near => format!("near it are {}", near.join(", ")),
    };
    found.add(
        "model",
        InvalidReason::ModelUnknown,
        format!("{what}; {hint}"),
    );
    let mut meant = Vec::new();
    for near in unknown
        .nearest
        .iter()
        .flat_map(|name| catalog.resolve(name))
    {
        match choose_operation(draft, inputs, &near, &mut Violations::default()) {
            Ok(chosen) => meant.push(chosen),
            Err(several) => meant.extend(several),
        }
    }
    Err(meant)
}

fn choose_operation<'a>(
    draft: &Draft,
    inputs: &[Seen],
    resolved: &Resolved<'a>,
    found: &mut Violations,
) -> Result<Chosen<'a>, Vec<Chosen<'a>>> {
    let offer = resolved.offer;
    let chosen = |operation: &Operation, spec: &'a Spec| Chosen {
        id: resolved.id.clone(),
        operation: *operation,
        spec,
        known: resolved.known,
    };
    if let Some((field, made)) = other_output(draft, resolved) {
        let wanted = draft.output.map_or("", Media::as_str);
        let problem = format!("makes {}, not {}", a(made.as_str()), a(wanted));
        found.add(field, InvalidReason::Makes(made), problem);
        return Err(Vec::new());
    }
    let problem = match draft.operation {
        Some(operation) => match offer.get(&operation) {
            Some(spec) => return Ok(chosen(&operation, spec)),
            None => format!(
                "{} does {}, not {operation}",
                resolved.id,
                listed(offer.keys())
            ),
        },
        None if !resolved.known && draft.output.is_none() => {
            let all = Operation::ALL.map(Operation::as_str).join(", ");
            format!(
                "must be set, for the catalogue lacks {}: one of {all}",
                resolved.id
            )
        }
        None => match derive(offer, draft.output, inputs) {
            Ok(operation) => return Ok(chosen(&operation, &offer[&operation])),
            Err(fitting) => format!("must be set, for {} does {}", resolved.id, listed(&fitting)),
        },
    };
    found.field("operation", problem);
    Err(offer
        .iter()
        .map(|(operation, spec)| chosen(operation, spec))
        .collect())
}

/// The field that asks for something else than must come out, and what that makes.
fn other_output(draft: &Draft, resolved: &Resolved<'_>) -> Option<(&'static str, Media)> {
    let wanted = draft.output?;
    if let Some(operation) = draft.operation {
        let made = operation.output();
        return (made != wanted).then_some(("operation", made));
    }
    let mut made = resolved.offer.keys().map(|operation| operation.output());
    let first = made.next()?;
    (first != wanted && made.all(|other| other != wanted)).then_some(("model", first))
}

/// The word with its article.
fn a(word: &str) -> String {
    let article = if word.starts_with(['a', 'i']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {word}")
}

impl Draft {
    /// The name of its model: as asked, else the default for the inputs that there are. Nothing is
    /// checked, and uploads count that were looked up.
    pub fn model_name<'a>(&'a self, catalog: &'a Catalog) -> &'a str {
        let has_image = || {
            let mut media = self.inputs.iter().map(DraftInput::media);
            media.any(|media| matches!(media, None | Some(Media::Image)))
        };
        let may_animate = matches!(self.operation, None | Some(Operation::ImageToVideo));
        match self.model.as_str() {
            "" if may_animate && has_image() => &catalog.default_image_model,
            "" => &catalog.default_model,
            name => name,
        }
    }
}

/// The first operation, in the order that the inputs suggest, which has a place for each of them
/// and gets all it needs; else the first of those that have a place for the most of them, so that
/// the answer says what is amiss with the others.
/// The error: the operations between which nothing decides.
fn derive(
    offer: &Offer,
    output: Option<Media>,
    inputs: &[Seen],
) -> Result<Operation, Vec<Operation>> {
    let order = suggested(inputs);
    let makes = |operation: &Operation| output.is_none_or(|output| operation.output() == output);
    let offered: Vec<Operation> = order
        .into_iter()
        .filter(|operation| offer.contains_key(operation) && makes(operation))
        .collect();
    let fitting: Vec<Operation> = offered
        .iter()
        .copied()
        .filter(|operation| fits(&offer[operation], inputs))
        .collect();
    if fitting.contains(&Operation::TextToSpeech) && fitting.contains(&Operation::SoundEffect) {
        return Err(fitting);
    }
    let nearest = || {
        let most = |operation: &&Operation| Reverse(placed(&offer[operation], inputs));
        offered.iter().min_by_key(most)
    };
    fitting.first().or_else(nearest).copied().ok_or(fitting)
}

fn suggested(inputs: &[Seen]) -> Vec<Operation> {
    let has = |media| inputs.iter().any(|seen| seen.media == Some(media));
    let first: &[Operation] = if inputs.is_empty() {
        &[
            Operation::TextToVideo,
            Operation::TextToImage,
            Operation::TextToSpeech,
            Operation::SoundEffect,
        ]
    } else if has(Media::Video) {
        &[
            Operation::VideoToVideo,
            Operation::VideoUpscale,
            Operation::VideoToHdr,
            Operation::VideoToAudio,
            Operation::CharacterPerformance,
            Operation::SpeechToSpeech,
        ]
    } else if has(Media::Audio) && !has(Media::Image) {
        &[
            Operation::SpeechToSpeech,
            Operation::VoiceIsolation,
            Operation::VoiceDubbing,
        ]
    } else {
        &[
            Operation::ImageToVideo,
            Operation::TextToImage,
            Operation::ImageUpscale,
        ]
    };
    let rest = Operation::ALL
        .into_iter()
        .filter(|operation| !first.contains(operation));
    first.iter().copied().chain(rest).collect()
}

fn fits(spec: &Spec, inputs: &[Seen]) -> bool {
    let fills = fills(spec, inputs);
    let filled = fills.iter().zip(&spec.slots);
    placed(spec, inputs) == inputs.len()
        && filled
            .into_iter()
            .all(|(fill, slot)| *fill >= usize::from(slot.required))
}

/// How many of the inputs an operation has room for.
fn placed(spec: &Spec, inputs: &[Seen]) -> usize {
    let fills = fills(spec, inputs);
    let filled = fills.iter().zip(&spec.slots);
    filled.map(|(fill, slot)| *fill.min(&slot.maximum)).sum()
}

/// How many inputs come to each place, be there room or not.
fn fills(spec: &Spec, inputs: &[Seen]) -> Vec<usize> {
    let asked: Vec<(Role, Option<Media>)> = inputs
        .iter()
        .map(|seen| (seen.input.role, seen.media))
        .collect();
    let mut fills = vec![0; spec.slots.len()];
    for place in spec.place(&asked).into_iter().flatten() {
        fills[place.slot] += 1;
    }
    fills
}
