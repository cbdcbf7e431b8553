//! The limits of a specification in the words of a request: what a form needs in order to ask only
//! for what will be taken.
//!
//! Derived from the same shapes that a request is judged by, so that no limit is told that is not
//! held. Bounds that hold for every request, whatever the model, are not repeated where the model's
//! own is not known: there the limit is `None`.

use std::ops::RangeInclusive;

use super::{Param, Rule, Shape, Slot, Spec};
use crate::domain::generation::{MOST_COUNT, MOST_SECONDS, Media, Role};
use crate::domain::value::Value;

/// Bounds of a text, in UTF-16 code units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextLimits {
    /// Whether it must be there.
    pub required: bool,
    /// The least length.
    pub minimum: Option<usize>,
    /// The greatest length.
    pub maximum: Option<usize>,
}

/// Bounds of a size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SizeLimits<'a> {
    /// The sizes that are listed.
    pub allowed: Vec<&'a str>,
    /// What is taken where none is given.
    pub default: Option<&'a str>,
    /// Whether other sizes are taken too.
    pub open: bool,
    /// The bounds of width × height of other sizes.
    pub pixels: Option<RangeInclusive<u64>>,
}

/// Bounds of a length in whole seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecondsLimits {
    /// The lengths that are listed; empty: any within the bounds.
    pub allowed: Vec<u32>,
    /// The least length.
    pub minimum: Option<u32>,
    /// The greatest length.
    pub maximum: Option<u32>,
    /// What is taken where none is given.
    pub default: Option<u32>,
}

/// Bounds of the number of outputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CountLimits {
    /// The numbers that are listed; empty: any up to the greatest.
    pub allowed: Vec<u32>,
    /// The greatest number.
    pub maximum: u32,
}

/// Bounds of the inputs of one role.
#[derive(Clone, Debug, PartialEq)]
pub struct InputLimits<'a> {
    /// The role; unspecified: a single prompt image as the model means it.
    pub role: Role,
    /// The greatest number with this role; `None`: not known.
    pub maximum: Option<usize>,
    /// The kinds of media.
    pub kinds: Vec<Media>,
    /// Where they go; with others of the same place they are counted together.
    pub slot: &'a Slot,
}

impl Spec {
    /// Bounds of the prompt; `None`: there is none.
    pub fn prompt_limits(&self) -> Option<TextLimits> {
        self.typed.prompt.as_ref().map(text_limits)
    }

    /// Bounds of the negative prompt; `None`: there is none.
    pub fn negative_prompt_limits(&self) -> Option<TextLimits> {
        self.typed.negative_prompt.as_ref().map(text_limits)
    }

    /// Bounds of the size, read off the first field for sizes: a second one is an option. Where the
    /// first lists nothing and takes any, what the second lists is told too, for it goes there.
    pub fn size_limits(&self) -> Option<SizeLimits<'_>> {
        let param = self.typed.sizes.first()?;
        let mut limits = SizeLimits {
            default: param.default_value().and_then(Value::as_str),
            ..SizeLimits::default()
        };
        for leaf in leaves(&param.shape) {
            match leaf {
                Shape::Enum(values) => {
                    limits
                        .allowed
                        .extend(values.iter().filter_map(Value::as_str));
                }
                Shape::Size {
                    min_pixels,
                    max_pixels,
                } => {
                    limits.open = true;
                    limits.pixels = Some(*min_pixels..=*max_pixels);
                }
                _ => limits.open = true,
            }
        }
        if limits.allowed.is_empty() {
            limits.allowed = self.sizes();
        }
        Some(limits)
    }

    /// Bounds of the length; `None`: whole seconds are not taken.
    pub fn seconds_limits(&self) -> Option<SecondsLimits> {
        let param = self.typed.seconds.as_ref()?;
        let whole = |value: &Value| {
            let int = value.as_int().and_then(|int| u32::try_from(int).ok());
            int.filter(|int| (1..=MOST_SECONDS).contains(int))
        };
        let default = param.default_value().and_then(whole);
        let leaves = leaves(&param.shape);
        let mut listed: Vec<u32> = Vec::new();
        let mut bounds: Option<(Option<u32>, Option<u32>)> = None;
        for leaf in leaves {
            match leaf {
                Shape::Enum(values) => listed.extend(values.iter().filter_map(whole)),
                other => bounds = bounds.or(seconds_between(other)),
            }
        }
        if bounds.is_none() && listed.is_empty() {
            return None;
        }
        listed.sort_unstable();
        let (minimum, maximum) = match bounds {
            Some(bounds) => {
                listed.clear();
                bounds
            }
            None => (listed.first().copied(), listed.last().copied()),
        };
        Some(SecondsLimits {
            allowed: listed,
            minimum,
            maximum,
            default,
        })
    }

    /// Whether there is sound where nothing is said of it; `None`: not known, or no choice.
    pub fn default_audio(&self) -> Option<bool> {
        match self.typed.audio.as_ref()?.default_value()? {
            Value::Bool(audio) => Some(*audio),
            _ => None,
        }
    }

    /// Bounds of the number of outputs; `None`: there is no choice.
    pub fn count_limits(&self) -> Option<CountLimits> {
        let param = self.typed.count.as_ref()?;
        let within = |int: i64| u32::try_from(int.clamp(0, MOST_COUNT.into())).unwrap_or(0);
        let mut limits = CountLimits::default();
        for leaf in leaves(&param.shape) {
            match leaf {
                Shape::Enum(values) => {
                    let ints = values.iter().filter_map(Value::as_int);
                    limits.allowed.extend(ints.map(within));
                }
                Shape::Integer { maximum, .. } => {
                    limits.maximum = maximum.map_or(MOST_COUNT, within);
                }
                _ => limits.maximum = MOST_COUNT,
            }
        }
        if limits.maximum > 0 {
            limits.allowed.clear();
        }
        limits.maximum = limits
            .allowed
            .iter()
            .copied()
            .fold(limits.maximum, u32::max);
        Some(limits)
    }

    /// Bounds of the inputs, role by role, in the order in which places are filled.
    pub fn input_limits(&self) -> Vec<InputLimits<'_>> {
        let mut limits: Vec<InputLimits<'_>> = Vec::new();
        for (index, slot) in self.slots.iter().enumerate() {
            if slot.frames.is_some() {
                limits.push(InputLimits::new(
                    slot,
                    Role::Unspecified,
                    vec![Media::Image],
                ));
            }
            for (role, kind) in &slot.accepts {
                // A place of its own goes before being one of the prompt's images.
                let own = |other: &Slot| other.accepts.iter().any(|(known, _)| known == role);
                if slot.frames.is_some() && self.slots[index + 1..].iter().any(own) {
                    continue;
                }
                match limits.iter_mut().find(|limits| limits.role == *role) {
                    Some(known) if known.slot == slot => known.kinds.push(*kind),
                    Some(_) => {}
                    None => limits.push(InputLimits::new(slot, *role, vec![*kind])),
                }
            }
        }
        limits
    }

    /// Every field that options may hold: those of no field of the request, further sizes, and a
    /// length that whole seconds cannot say.
    pub fn option_params(&self) -> Vec<&Param> {
        let seconds = self.typed.seconds.as_ref();
        let fractional = |param: &&Param| {
            leaves(&param.shape).into_iter().any(|leaf| match leaf {
                Shape::Integer { .. } => false,
                Shape::Enum(values) => values.iter().any(|value| value.as_int().is_none()),
                _ => true,
            })
        };
        let mut params: Vec<&Param> = self
            .options
            .values()
            .chain(self.typed.sizes.iter().skip(1))
            .chain(seconds.filter(fractional))
            .collect();
        params.sort_by(|one, other| one.name.cmp(&other.name));
        params
    }

    /// Its rules across fields as sentences, those of its places included.
    pub fn sentences(&self) -> Vec<String> {
        let frames = self.slots.iter().filter_map(|slot| slot.frames);
        let of_frames = frames.flat_map(|frames| {
            let lonely = (!frames.last_alone)
                .then(|| "A last_frame is taken only beside a first_frame.".to_owned());
            let both = (frames.or_references && !self.has_place_of_references())
                .then(|| "The prompt's images are either frames or references.".to_owned());
            lonely.into_iter().chain(both)
        });
        of_frames
            .chain(self.rules.iter().map(Rule::sentence))
            .collect()
    }

    /// Whether references have a place beside the prompt's own images.
    fn has_place_of_references(&self) -> bool {
        let takes = |slot: &Slot| {
            slot.accepts
                .iter()
                .any(|(role, _)| *role == Role::Reference)
        };
        let mut beside = self.slots.iter().filter(|slot| slot.frames.is_none());
        beside.any(takes)
    }
}

impl<'a> InputLimits<'a> {
    fn new(slot: &'a Slot, role: Role, kinds: Vec<Media>) -> Self {
        let single = role.is_frame() || role == Role::Unspecified;
        let most = if single {
            1.min(slot.maximum)
        } else {
            slot.maximum
        };
        Self {
            role,
            maximum: Some(most).filter(|most| *most != usize::MAX),
            kinds,
            slot,
        }
    }
}

impl Param {
    /// What is sent, or what the provider takes, where nothing is given; `None`: not known.
    pub fn default_value(&self) -> Option<&Value> {
        self.fallback.as_ref().or(self.default.as_ref())
    }
}

fn text_limits(param: &Param) -> TextLimits {
    let mut limits = TextLimits {
        required: param.required,
        ..TextLimits::default()
    };
    for leaf in leaves(&param.shape) {
        if let Shape::Text { minimum, maximum } = leaf {
            (limits.minimum, limits.maximum) = (*minimum, *maximum);
        }
    }
    limits
}

/// Whole seconds between bounds that need not be whole; `None`: the shape is no number.
fn seconds_between(shape: &Shape) -> Option<(Option<u32>, Option<u32>)> {
    let (least, most) = match shape {
        Shape::Integer { minimum, maximum } => (
            minimum.map(|int| Value::Int(int).as_number().unwrap_or_default()),
            maximum.map(|int| Value::Int(int).as_number().unwrap_or_default()),
        ),
        Shape::Number { minimum, maximum } => (*minimum, *maximum),
        Shape::Any => (None, None),
        _ => return None,
    };
    let clamp = |number: f64| {
        let number = number.clamp(1.0, f64::from(MOST_SECONDS));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 1..=3600 just before"
        )]
        let whole = number as u32;
        whole
    };
    Some((
        least.map(|least| clamp(least.ceil())),
        most.map(|most| clamp(most.floor())),
    ))
}

/// The alternatives of a shape, or itself.
fn leaves(shape: &Shape) -> Vec<&Shape> {
    match shape {
        Shape::Either(shapes) => shapes.iter().flat_map(leaves).collect(),
        one => vec![one],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::model::{Extras, Frames, Typed};

    fn param(name: &str, required: bool, shape: Shape) -> Param {
        Param {
            name: name.into(),
            required,
            shape,
            fallback: None,
            default: None,
        }
    }

    fn spec(typed: Typed, slots: Vec<Slot>) -> Spec {
        Spec {
            typed,
            slots,
            options: BTreeMap::new(),
            extras: Extras::Refused,
            rules: Vec::new(),
            price: None,
        }
    }

    fn seconds(shape: Shape) -> (Spec, SecondsLimits) {
        let typed = Typed {
            seconds: Some(param("duration", false, shape)),
            ..Typed::default()
        };
        let spec = spec(typed, Vec::new());
        let limits = spec.seconds_limits().unwrap();
        (spec, limits)
    }

    #[test]
    fn fractional_lengths_are_rounded_inward_and_go_in_options() {
        let shape = Shape::Number {
            minimum: Some(0.5),
            maximum: Some(29.9),
        };
        let (spec, limits) = seconds(shape);
        assert_eq!((limits.minimum, limits.maximum), (Some(1), Some(29)));
        assert_eq!(spec.option_params()[0].name, "duration");
    }

    #[test]
    fn a_length_is_a_list_or_bounds_and_auto_goes_in_options() {
        let listed = Shape::Enum([8, 4, 6].map(Value::Int).to_vec());
        let (plain, limits) = seconds(listed);
        assert_eq!(limits.allowed, [4, 6, 8]);
        assert_eq!((limits.minimum, limits.maximum), (Some(4), Some(8)));
        assert!(plain.option_params().is_empty());
        let between = Shape::Integer {
            minimum: Some(4),
            maximum: Some(i64::MAX),
        };
        let auto = Shape::Enum(vec![Value::String("auto".into())]);
        let (spec, limits) = seconds(Shape::Either(vec![auto, between]));
        assert_eq!(limits.allowed, [0_u32; 0]);
        assert_eq!(
            (limits.minimum, limits.maximum),
            (Some(4), Some(MOST_SECONDS))
        );
        assert_eq!(spec.option_params().len(), 1);
    }

    #[test]
    fn roles_that_share_a_place_are_told_one_by_one() {
        let slot = |name: &str, accepts: &[(Role, Media)], frames| Slot {
            name: name.into(),
            required: true,
            accepts: accepts.to_vec(),
            maximum: 3,
            frames,
            tags: false,
            subjects: Vec::new(),
            shape: Shape::Any,
        };
        let frames = Frames {
            last_alone: false,
            or_references: true,
        };
        let image = |role| (role, Media::Image);
        let roles = [Role::FirstFrame, Role::Reference].map(image);
        let character = [
            (Role::Character, Media::Image),
            (Role::Character, Media::Video),
        ];
        let slots = vec![
            slot("promptImage", &roles, Some(frames)),
            slot("references", &[image(Role::Reference)], None),
            slot("character", &character, None),
        ];
        let spec = spec(Typed::default(), slots);
        let told: Vec<_> = spec
            .input_limits()
            .into_iter()
            .map(|limits| {
                (
                    limits.role,
                    limits.maximum,
                    limits.kinds.len(),
                    limits.slot.name.clone(),
                )
            })
            .collect();
        let expected = [
            (Role::Unspecified, Some(1), 1, "promptImage".to_owned()),
            (Role::FirstFrame, Some(1), 1, "promptImage".to_owned()),
            (Role::Reference, Some(3), 1, "references".to_owned()),
            (Role::Character, Some(3), 2, "character".to_owned()),
        ];
        assert_eq!(told, expected);
        assert_eq!(
            spec.sentences().len(),
            1,
            "references have a place of their own"
        );
    }
}
