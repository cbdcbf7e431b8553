//! A valid request made to fit another model: what a fallback sends in the first model's place.
//!
//! Sizes become the nearest that the other model has, by the rule that holds everywhere; lengths the
//! nearest that is not shorter, else the longest. Nothing else is bent: what the other model does
//! not take makes it unfit, and the reason says so.

use super::choice::Chosen;
use super::input::Seen;
use super::{Draft, DraftInput, Generation, InvalidField, Violations};
use crate::domain::model::{
    Catalog, Param, ProviderKind, SecondsLimits, Spec, canonical, dimensions, nearest,
};
use crate::domain::value::Value;

/// A request as another model takes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Adapted {
    /// The request.
    pub generation: Generation,
    /// Sentences about what differs from what was asked for; empty: nothing does.
    pub changes: Vec<String>,
}

impl Generation {
    /// The request for a model by the catalogue's id of it.
    ///
    /// # Errors
    /// Why that model does not take it, for people.
    pub fn for_model(&self, id: &str, catalog: &Catalog) -> Result<Adapted, String> {
        let lacks = || format!("{id} does not do {}", self.operation);
        if self.model == id && catalog.is_known(id, self.operation) {
            return Ok(self.unchanged());
        }
        let known = catalog.offer(id);
        let spec = match known {
            Some(offer) => offer.get(&self.operation),
            None => catalog.spec(id, self.operation),
        };
        let chosen = Chosen {
            id: id.to_owned(),
            operation: self.operation,
            spec: spec.ok_or_else(lacks)?,
            known: known.is_some(),
        };
        let fitted = self.fitted(&chosen, catalog)?;
        // The catalogue never knew it, or has lost it since: it is asked in the usual words, if those
        // say all of it.
        Ok(if self.model == id {
            self.unchanged()
        } else {
            fitted
        })
    }

    fn unchanged(&self) -> Adapted {
        Adapted {
            generation: self.clone(),
            changes: Vec::new(),
        }
    }

    fn fitted(&self, chosen: &Chosen<'_>, catalog: &Catalog) -> Result<Adapted, String> {
        let mut changes = Vec::new();
        let mut draft = self.as_draft();
        if ProviderKind::of(&self.model) != ProviderKind::of(&chosen.id) {
            let foreign = |name: &&String| !chosen.spec.options.contains_key(*name);
            if let Some(name) = draft.options.keys().find(foreign) {
                return Err(format!("{} has no option {name}", chosen.id));
            }
        }
        // Defaults of the first model that nobody asked for.
        let own = catalog.spec(&self.model, self.operation);
        draft
            .options
            .retain(|name, value| !own.is_some_and(|spec| is_filled_in(spec, name, value)));
        draft.seconds = draft
            .seconds
            .map(|seconds| fit_seconds(seconds, chosen, &mut changes));
        draft.size = fit_size(&draft.size, chosen, &mut changes);
        // One that the first model could have done without is no reason to leave out another.
        if chosen.spec.size(&draft.size).is_none()
            && own.is_some_and(|spec| is_default_size(spec, &draft.size))
        {
            draft.size.clear();
        }
        let mut found = Violations::default();
        let seen = self.inputs.iter().map(|input| Seen {
            media: input.media(),
            input: input.clone(),
        });
        let generation = Self::chosen(&draft, seen.collect(), chosen, &mut found);
        match found.into_vec() {
            refused if refused.is_empty() => Ok(Adapted {
                generation,
                changes,
            }),
            refused => Err(why(chosen, &refused)),
        }
    }

    /// What a caller would have sent for this; inputs are there by their number alone.
    fn as_draft(&self) -> Draft {
        Draft {
            model: self.model.clone(),
            prompt: self.prompt.clone(),
            inputs: vec![DraftInput::default(); self.inputs.len()],
            seconds: self.seconds,
            default_seconds: None,
            size: self.size.clone().unwrap_or_default(),
            count: self.count,
            seed: self.seed,
            audio: self.audio,
            negative_prompt: self.negative_prompt.clone(),
            operation: Some(self.operation),
            output: None,
            options: self.options.clone(),
            options_are_texts: false,
        }
    }
}

/// Whether an option is a further size that the model requires, with the value that stands in.
fn is_filled_in(spec: &Spec, name: &str, value: &Value) -> bool {
    let mut sizes = spec.typed.sizes.iter();
    let param = sizes.find(|param| param.required && param.name == name);
    param.is_some_and(|param| param.fallback.as_ref() == Some(value))
}

/// Whether a size is what is sent where none is asked for, though the model requires none.
fn is_default_size(spec: &Spec, size: &str) -> bool {
    let mut sizes = spec.typed.sizes.iter().filter(|param| !param.required);
    let sent = |param: &Param| param.fallback.as_ref().and_then(Value::as_str) == Some(size);
    sizes.any(sent)
}

/// The nearest length that is not shorter, else the longest; a model without a choice keeps it, to
/// be refused for it.
fn fit_seconds(wanted: u32, chosen: &Chosen<'_>, changes: &mut Vec<String>) -> u32 {
    let typed = chosen.spec.typed.seconds.as_ref();
    let takes = typed.is_some_and(|param| param.shape.takes(&Value::Int(wanted.into())));
    let limits = chosen.spec.seconds_limits();
    let Some(fitted) = limits.filter(|_| !takes).and_then(|l| fitting(wanted, &l)) else {
        return wanted;
    };
    if fitted != wanted {
        changes.push(format!(
            "{} makes no {wanted} seconds: {fitted} are asked for",
            chosen.id
        ));
    }
    fitted
}

fn fitting(wanted: u32, limits: &SecondsLimits) -> Option<u32> {
    let longer = limits.allowed.iter().copied().filter(|s| *s >= wanted);
    let listed = longer
        .min()
        .or_else(|| limits.allowed.iter().copied().max());
    listed.or_else(|| {
        let least = limits.minimum.unwrap_or(0);
        let most = limits.maximum.unwrap_or(u32::MAX);
        (least <= most).then(|| wanted.clamp(least, most))
    })
}

/// The nearest size that the model lists; one that nothing is near to is kept, to be refused.
fn fit_size(wanted: &str, chosen: &Chosen<'_>, changes: &mut Vec<String>) -> String {
    let spec = chosen.spec;
    if wanted.is_empty() || spec.size(wanted).is_some() {
        return wanted.to_owned();
    }
    let price = |size: &str| {
        let (param, size) = spec.size(size)?;
        spec.price.as_ref()?.at_size(&param.name, &size)
    };
    let pixels = dimensions(&canonical(wanted));
    let Some(near) = pixels.and_then(|pixels| nearest(pixels, spec.sizes(), SHAPE_WEIGHT, price))
    else {
        return wanted.to_owned();
    };
    changes.push(format!(
        "{} has no size {wanted}: {near}, the nearest, is asked for",
        chosen.id
    ));
    near.to_owned()
}

fn why(chosen: &Chosen<'_>, refused: &[InvalidField]) -> String {
    let shown = refused.iter().take(MOST_SHOWN).map(ToString::to_string);
    let shown: Vec<String> = shown.collect();
    format!(
        "{} does not take the request: {}",
        chosen.id,
        shown.join("; ")
    )
}

/// A fallback keeps the picture's shape rather than its number of pixels.
const SHAPE_WEIGHT: f64 = 2.0;
/// Violations that a reason names.
const MOST_SHOWN: usize = 3;
