//! What one model takes for one operation.

use std::collections::BTreeMap;

use super::{Extras, Param, Rule, Shape, canonical};
use crate::domain::generation::{Media, Role};
use crate::domain::pricing::Tariff;
use crate::domain::value::Value;

/// What one model takes for one operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// The fields that a request names itself.
    pub typed: Typed,
    /// Where media go, in the order in which they are filled.
    pub slots: Vec<Slot>,
    /// Every other field, by the provider's name.
    pub options: BTreeMap<String, Param>,
    /// What becomes of options that are not named here.
    pub extras: Extras,
    /// Rules across fields.
    pub rules: Vec<Rule>,
    /// What it costs; `None`: not known.
    pub price: Option<Tariff>,
}

/// The fields that a request names itself; absent where the model has none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Typed {
    /// The prompt.
    pub prompt: Option<Param>,
    /// The duration.
    pub seconds: Option<Param>,
    /// The size; a value goes to the first that lists it, else to the first that takes it.
    pub sizes: Vec<Param>,
    /// The number of outputs.
    pub count: Option<Param>,
    /// The seed.
    pub seed: Option<Param>,
    /// Sound or none.
    pub audio: Option<Param>,
    /// What is not to be seen.
    pub negative_prompt: Option<Param>,
}

/// One place for media.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// The provider's name of it.
    pub name: String,
    /// Whether a request without it is refused.
    pub required: bool,
    /// Which roles it takes, and of which kind the media are then.
    pub accepts: Vec<(Role, Media)>,
    /// The greatest number of inputs.
    pub maximum: usize,
    /// Where it is the prompt's own image: a single input without a role belongs here as it is, and
    /// means what the model means.
    pub frames: Option<Frames>,
    /// Whether inputs can be named by tags.
    pub tags: bool,
    /// What an input may be said to show; empty: that cannot be said.
    pub subjects: Vec<String>,
    /// What it looks like on the wire; for the provider's own module.
    pub shape: Shape,
}

/// What a prompt's own images may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frames {
    /// Whether a last frame may come without a first.
    pub last_alone: bool,
    /// Whether they may be references instead; frames and references then exclude each other.
    pub or_references: bool,
}

impl Spec {
    /// The field that a size goes to, with the model's own spelling of it.
    pub fn size(&self, size: &str) -> Option<(&Param, String)> {
        let size = canonical(size);
        let listed = self
            .typed
            .sizes
            .iter()
            .find_map(|param| Some((param, spelled(&param.shape, &size)?)));
        listed.or_else(|| {
            let value = Value::String(size.clone());
            let free = self
                .typed
                .sizes
                .iter()
                .find(|param| param.shape.takes(&value))?;
            Some((free, size))
        })
    }

    /// Every size that is listed, in order.
    pub fn sizes(&self) -> Vec<&str> {
        self.typed
            .sizes
            .iter()
            .flat_map(|param| texts(&param.shape))
            .collect()
    }

    /// The typed field that a provider's name stands for: the request's name of it, and the field.
    pub fn typed(&self, name: &str) -> Option<(&'static str, &Param)> {
        let typed = &self.typed;
        let singles = [
            ("prompt", &typed.prompt),
            ("seconds", &typed.seconds),
            ("count", &typed.count),
            ("seed", &typed.seed),
            ("audio", &typed.audio),
            ("negative_prompt", &typed.negative_prompt),
        ];
        let singles = singles
            .into_iter()
            .filter_map(|(field, param)| Some((field, param.as_ref()?)));
        let sizes = typed.sizes.iter().map(|param| ("size", param));
        singles.chain(sizes).find(|(_, param)| param.name == name)
    }

    /// Every name that `provider_options` takes, in order; of several sizes the request's own
    /// field sets only one.
    pub fn option_names(&self) -> Vec<&str> {
        let sizes = Some(&self.typed.sizes).filter(|sizes| sizes.len() > 1);
        let sizes = sizes.into_iter().flatten().map(|param| param.name.as_str());
        self.options
            .keys()
            .map(String::as_str)
            .chain(sizes)
            .collect()
    }
}

/// The listed spelling of a size, whatever its case.
fn spelled(shape: &Shape, size: &str) -> Option<String> {
    let listed = texts(shape);
    let exact = listed.iter().find(|text| **text == size);
    exact
        .or_else(|| listed.iter().find(|text| text.eq_ignore_ascii_case(size)))
        .map(ToString::to_string)
}

/// The texts that a shape lists.
fn texts(shape: &Shape) -> Vec<&str> {
    match shape {
        Shape::Enum(values) => values.iter().filter_map(Value::as_str).collect(),
        Shape::Either(shapes) => shapes.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}
