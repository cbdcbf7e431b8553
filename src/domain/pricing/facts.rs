//! What a request says, under the provider's names, and what its inputs were measured to be.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::quantity;
use super::tariff::{Tariff, Unit};
use crate::domain::generation::{Generation, Input, Role};
use crate::domain::model::{Shape, Spec, Typed, dimensions};
use crate::domain::value::Value;

/// What is known when a price is asked for.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    given: BTreeMap<&'a str, Cow<'a, Value>>,
    tariff: &'a Tariff,
    inputs: &'a [Input],
    /// The name and shape of the duration, where the model has one.
    duration: Option<(&'a str, &'a Shape)>,
    count: Option<u64>,
    characters: Option<u64>,
}

/// A length that nobody said, so that the longest there may be was counted, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Longest {
    /// Of the output.
    Output(u64),
    /// Of an input in this role.
    Input(Role, u64),
}

impl<'a> Facts<'a> {
    /// Everything that a request says.
    pub(super) fn of(generation: &'a Generation, spec: &'a Spec, tariff: &'a Tariff) -> Self {
        let typed = &spec.typed;
        let mut given: BTreeMap<&str, Cow<'_, Value>> = generation
            .options
            .iter()
            .map(|(name, value)| (name.as_str(), Cow::Borrowed(value)))
            .collect();
        let sizes = generation.size.as_deref();
        if let Some((param, size)) = sizes.and_then(|size| spec.size(size)) {
            given.insert(&param.name, Cow::Owned(Value::String(size)));
        }
        for (name, value) in fields(generation, typed) {
            given.insert(name, Cow::Owned(value));
        }
        let count = typed.count.as_ref().and_then(|param| {
            let count = given.get(param.name.as_str())?.as_int()?;
            u64::try_from(count).ok()
        });
        let characters = generation.prompt.encode_utf16().count();
        Self {
            given,
            tariff,
            inputs: &generation.inputs,
            duration: typed
                .seconds
                .as_ref()
                .map(|param| (param.name.as_str(), &param.shape)),
            count: Some(count.unwrap_or(1)),
            characters: u64::try_from(characters).ok(),
        }
    }

    /// Nothing but a size, in the field that it goes to.
    pub(super) fn of_size(tariff: &'a Tariff, field: &'a str, size: &str) -> Self {
        let size = Cow::Owned(Value::String(size.to_owned()));
        Self {
            given: BTreeMap::from([(field, size)]),
            tariff,
            inputs: &[],
            duration: None,
            count: None,
            characters: None,
        }
    }

    /// A field's value, or what the provider takes for it where it is absent.
    pub(super) fn value(&self, field: &str) -> Option<&Value> {
        let given = self.given.get(field).map(AsRef::as_ref);
        given.or_else(|| self.tariff.defaults.get(field))
    }

    /// Whether a field is there.
    pub(super) fn is_given(&self, field: &str) -> bool {
        self.given.contains_key(field)
    }

    /// The pixels of the size that a field sets; of an input where the field is absent.
    pub(super) fn pixels(&self, field: Option<&str>, input: Option<Role>) -> Option<u64> {
        if let Some(size) = field.and_then(|field| self.value(field)) {
            let (width, height) = size.as_str().and_then(dimensions)?;
            let in_pixels = width.min(height) >= FEWEST_PIXELS;
            return in_pixels.then(|| u64::from(width) * u64::from(height));
        }
        let role = input?;
        let mut pixels = self
            .inputs
            .iter()
            .filter(|input| input.role == role)
            .map(|input| area(input.measured.width, input.measured.height));
        let first = pixels.next()??;
        pixels.try_fold(first, |most, next| Some(most.max(next?)))
    }

    /// How many thousandths of a unit there are at most; `None`: no bound is known.
    ///
    /// Without `fractions` a begun second of anything that plays counts as one.
    pub(super) fn quantity(&self, unit: &Unit, fractions: bool) -> Option<u64> {
        match unit {
            Unit::OutputSecond => self.output_ms(fractions)?.checked_mul(self.count?),
            Unit::Output => quantity::whole(self.count?),
            Unit::Task => quantity::whole(1),
            Unit::InputSecond(roles) => self.input_ms(roles, fractions),
            Unit::Reference(roles) => {
                let given = self.inputs.iter();
                let count = given.filter(|input| roles.contains(&input.role)).count();
                quantity::whole(u64::try_from(count).ok()?)
            }
            Unit::Character => quantity::whole(self.characters?),
            Unit::OutputFrame => quantity::whole(self.output_frames()?)?.checked_mul(self.count?),
        }
    }

    /// The lengths that a quantity of this unit assumes.
    pub(super) fn longest(&self, unit: &Unit) -> Vec<Longest> {
        match (unit, self.duration, self.tariff.follows) {
            (Unit::OutputSecond, Some((name, shape)), _) => {
                let said = self.value(name).and_then(Value::as_number);
                let longest = quantity::longest_ms(shape).filter(|_| said.is_none());
                longest.map(Longest::Output).into_iter().collect()
            }
            (Unit::OutputSecond, None, Some(followed)) => self.unmeasured(&[followed]),
            (Unit::InputSecond(roles), ..) => self.unmeasured(roles),
            _ => Vec::new(),
        }
    }

    fn unmeasured(&self, roles: &[Role]) -> Vec<Longest> {
        let unmeasured = self.inputs.iter().filter(|input| {
            roles.contains(&input.role) && input.measured.duration_ms.is_none_or(|ms| ms == 0)
        });
        let longest = |input: &Input| {
            let longest = self.tariff.longest_ms.get(&input.role);
            longest.map(|ms| Longest::Input(input.role, *ms))
        };
        unmeasured.filter_map(longest).collect()
    }

    fn output_ms(&self, fractions: bool) -> Option<u64> {
        let Some((name, shape)) = self.duration else {
            let followed = self.tariff.follows?;
            let there = self.inputs.iter().any(|input| input.role == followed);
            return self.input_ms(&[followed], fractions).filter(|_| there);
        };
        let said = self.value(name).and_then(Value::as_number);
        let length = said.map_or_else(|| quantity::longest_ms(shape), quantity::milliseconds);
        quantity::counted(length?, fractions)
    }

    fn input_ms(&self, roles: &[Role], fractions: bool) -> Option<u64> {
        let those = self.inputs.iter();
        let mut lengths = those
            .filter(|input| roles.contains(&input.role))
            .map(|input| {
                let measured = input.measured.duration_ms.filter(|ms| *ms > 0);
                let length = measured.or_else(|| self.tariff.longest_ms.get(&input.role).copied());
                quantity::counted(length?, fractions)
            });
        lengths.try_fold(0_u64, |sum, length| sum.checked_add(length?))
    }

    fn output_frames(&self) -> Option<u64> {
        let followed = self.tariff.follows?;
        let mut inputs = self.inputs.iter().filter(|input| input.role == followed);
        let frames = inputs.next()?.measured.frames?;
        (frames > 0).then_some(frames)
    }
}

/// The typed fields that a request sets, by the provider's names; its size goes another way.
fn fields<'a>(generation: &Generation, typed: &'a Typed) -> Vec<(&'a str, Value)> {
    let int = |value: u32| Value::Int(value.into());
    let set = [
        (&typed.seconds, generation.seconds.map(int)),
        (&typed.count, generation.count.map(int)),
        (&typed.audio, generation.audio.map(Value::Bool)),
    ];
    set.into_iter()
        .filter_map(|(param, value)| Some((param.as_ref()?.name.as_str(), value?)))
        .collect()
}

fn area(width: Option<u32>, height: Option<u32>) -> Option<u64> {
    let pixels = u64::from(width?) * u64::from(height?);
    (pixels > 0).then_some(pixels)
}

/// Sizes with a shorter side than this are aspect ratios, as `16:9` is.
const FEWEST_PIXELS: u32 = 64;
