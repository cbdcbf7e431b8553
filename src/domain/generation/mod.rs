//! A request to generate: constructing it *is* validating it.
//!
//! [`Draft`] is what a caller sent; [`Generation`] is what may be submitted. Everything wrong is
//! reported at once. Nothing is fetched, stored or priced here.

mod adapted;
mod bounds;
mod choice;
mod draft;
mod fields;
mod fingerprint;
mod input;
pub(super) mod input_type;
mod invalid;
mod keyframe;
mod measured;
mod media_type;
mod operation;
mod options;
mod part;
mod placing;
mod rules;
mod spelling;
mod url;

use std::collections::BTreeMap;

pub use adapted::Adapted;
pub use bounds::{Limits, MOST_INPUTS, check_amount};
pub(crate) use bounds::{MOST_COUNT, MOST_SECONDS};
pub use draft::{Draft, DraftInput, DraftSource, Keyframe, Moment, Uploaded};
pub use fingerprint::fingerprint;
pub use input::{Input, InputSource, NO_UPLOAD};
pub use invalid::{InvalidField, InvalidReason};
pub use measured::Measured;
pub use media_type::sniff as media_type_of;
pub use operation::{Media, Operation, Role};
pub use part::Part;
pub(in crate::domain) use url::check_public_url;

use self::invalid::Violations;
use super::model::Catalog;
use super::value::Value;

/// A valid request, with defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    /// What to do.
    pub operation: Operation,
    /// The provider's id of the model.
    pub model: String,
    /// What to make; empty where the model needs none.
    pub prompt: String,
    /// What is not to be seen; empty: nothing said.
    pub negative_prompt: String,
    /// Media to start from, in the caller's order.
    pub inputs: Vec<Input>,
    /// How long the output is to be, in seconds, after defaults; `None`: not said.
    pub seconds: Option<u32>,
    /// How large the output is to be, in the model's spelling, after defaults; `None`: not said.
    pub size: Option<String>,
    /// How many outputs; `None`: not said.
    pub count: Option<u32>,
    /// What makes two runs alike; `None`: not said.
    pub seed: Option<u64>,
    /// Whether a video is to have sound; `None`: not said.
    pub audio: Option<bool>,
    /// Further fields in the provider's own names.
    pub options: BTreeMap<String, Value>,
    /// Sentences for the caller about what was understood, changed or passed unchecked.
    pub notes: Vec<String>,
}

impl Generation {
    /// Checks a draft against the catalogue and fills in defaults; every violation is reported.
    ///
    /// Pure, and bounded by the draft's size: the only costly step is hashing inline data.
    pub fn new(
        draft: &Draft,
        catalog: &Catalog,
        limits: &Limits,
    ) -> Result<Self, Vec<InvalidField>> {
        let mut found = Violations::default();
        if !bounds::check(draft, &mut found) {
            return Err(found.into_vec());
        }
        let inputs = input::inspect(&draft.inputs, *limits, &mut found);
        keyframe::check_together(&draft.inputs, &mut found);
        match choice::choose(draft, &inputs, catalog, &mut found) {
            Ok(chosen) => {
                let generation = Self::chosen(draft, inputs, &chosen, &mut found);
                if found.is_empty() {
                    return Ok(generation);
                }
            }
            Err(meant) => {
                let judged = meant.iter().map(|chosen| {
                    let mut own = found.clone();
                    Self::chosen(draft, inputs.clone(), chosen, &mut own);
                    own
                });
                let judged: Vec<Violations> = judged.collect();
                found.add_common(judged);
            }
        }
        Err(found.into_vec())
    }

    /// Judges a draft by one model's one operation; valid where nothing was found.
    fn chosen(
        draft: &Draft,
        mut inputs: Vec<input::Seen>,
        chosen: &choice::Chosen<'_>,
        found: &mut Violations,
    ) -> Self {
        let draft = &spelling::spelled(draft, chosen);
        placing::settle(&mut inputs, chosen, found);
        options::check(draft, chosen, found);
        let settled = fields::settle(draft, &inputs, chosen, found);
        rules::check(draft, &inputs, chosen, found);
        let notes = settled.notes.into_iter();
        let mut generation = Self {
            operation: chosen.operation,
            model: chosen.id.clone(),
            prompt: settled.prompt,
            negative_prompt: draft.negative_prompt.clone(),
            inputs: inputs.into_iter().map(|seen| seen.input).collect(),
            seconds: settled.seconds,
            size: settled.size,
            count: settled.count,
            seed: draft.seed,
            audio: draft.audio,
            options: draft.options.clone(),
            notes: notes.chain(options::notes(draft, chosen)).collect(),
        };
        options::lift(&mut generation, chosen.spec);
        options::fill_sizes(&mut generation, chosen, found);
        generation
    }
}

#[cfg(test)]
mod tests;
