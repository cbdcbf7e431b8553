//! The shape of one field: its type, its bounds and its allowed values, and what a value lacks of it.
//!
//! A `Shape` is judged against a [`Value`]; it never converts one.

use std::collections::BTreeMap;

use super::size::dimensions;
use crate::domain::value::Value;

/// What a field's value must look like.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Anything: the catalogue does not say.
    Any,
    /// True or false.
    Bool,
    /// A whole number.
    Integer {
        /// The least value.
        minimum: Option<i64>,
        /// The greatest value.
        maximum: Option<i64>,
    },
    /// A number.
    Number {
        /// The least value.
        minimum: Option<f64>,
        /// The greatest value.
        maximum: Option<f64>,
    },
    /// Text, measured in UTF-16 code units.
    Text {
        /// The least length.
        minimum: Option<usize>,
        /// The greatest length.
        maximum: Option<usize>,
    },
    /// The address of a medium.
    Uri,
    /// Width and height, as in `2048:1024`.
    Size {
        /// The least product of the two.
        min_pixels: u64,
        /// The greatest product of the two.
        max_pixels: u64,
    },
    /// One of these.
    Enum(Vec<Value>),
    /// Several values of one shape.
    List {
        /// The shape of each.
        item: Box<Shape>,
        /// The least number.
        minimum: usize,
        /// The greatest number.
        maximum: Option<usize>,
    },
    /// Named fields.
    Object(BTreeMap<String, Param>),
    /// Any one of several shapes.
    Either(Vec<Shape>),
}

/// A field: its name, its shape and whether it must be there.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// The provider's name of it.
    pub name: String,
    /// Whether a request without it is refused.
    pub required: bool,
    /// What it takes.
    pub shape: Shape,
    /// What is sent where it is not given; `None`: nothing is, or nothing stands in.
    pub fallback: Option<Value>,
    /// What the provider takes where nothing is sent; `None`: not known.
    pub default: Option<Value>,
}

/// What becomes of fields that a specification does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extras {
    /// The provider refuses them.
    Refused,
    /// The provider ignores or takes them.
    Passed,
    /// It is not known.
    Unknown,
}

/// What a value lacks of a shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Where in the value: empty, or as in `.multiPrompt[0].prompt`.
    pub path: String,
    /// A sentence.
    pub problem: String,
    /// Whether it is a name that the shape does not know, rather than a wrong value.
    pub unknown_name: bool,
}

impl Shape {
    /// Compares a value with the shape; every complaint is returned.
    ///
    /// The recursion is bounded by the shape, which the catalogue's author wrote.
    pub fn complaints(&self, value: &Value, extras: Extras) -> Vec<Complaint> {
        let mut found = Vec::new();
        self.judge(value, extras, "", &mut found);
        found
    }

    /// Whether a value has the shape.
    pub fn takes(&self, value: &Value) -> bool {
        self.complaints(value, Extras::Passed).is_empty()
    }

    /// The shape of each value of a list, where it may be one.
    pub fn item(&self) -> Option<&Self> {
        match self {
            Self::List { item, .. } => Some(item),
            Self::Either(shapes) => shapes.iter().find_map(Self::item),
            _ => None,
        }
    }

    /// The shape of a member of an object, where it may be one.
    pub fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields.get(name).map(|param| &param.shape),
            Self::Either(shapes) => shapes.iter().find_map(|shape| shape.member(name)),
            _ => None,
        }
    }

    /// What it takes, in words that follow *must be*.
    pub fn wanted(&self) -> String {
        match self {
            Self::Any => "any value".into(),
            Self::Bool => "true or false".into(),
            Self::Integer { minimum, maximum } => {
                format!(
                    "a whole number{}",
                    between(minimum.as_ref(), maximum.as_ref(), "")
                )
            }
            Self::Number { minimum, maximum } => {
                format!(
                    "a number{}",
                    between(minimum.as_ref(), maximum.as_ref(), "")
                )
            }
            Self::Text { minimum, maximum } => {
                format!(
                    "text{}",
                    between(minimum.as_ref(), maximum.as_ref(), " UTF-16 code units")
                )
            }
            Self::Size {
                max_pixels: u64::MAX,
                ..
            } => "width:height".into(),
            Self::Uri => "an https:// or runway:// address".into(),
            Self::Size {
                min_pixels,
                max_pixels,
            } => {
                format!("width:height with a product from {min_pixels} to {max_pixels}")
            }
            Self::Enum(values) if values.len() == 1 => listed(values),
            Self::Enum(values) => format!("one of {}", listed(values)),
            Self::List {
                minimum, maximum, ..
            } => {
                format!(
                    "a list{}",
                    between(Some(minimum), maximum.as_ref(), " items")
                )
            }
            Self::Object(fields) => format!("an object of {}", listed(fields.keys())),
            Self::Either(shapes) => shapes
                .iter()
                .map(Self::wanted)
                .collect::<Vec<_>>()
                .join(", or "),
        }
    }

    fn judge(&self, value: &Value, extras: Extras, path: &str, found: &mut Vec<Complaint>) {
        match (self, value) {
            (Self::Object(fields), Value::Object(given)) => {
                judge_object(fields, given, extras, path, found);
            }
            (
                Self::List {
                    item,
                    minimum,
                    maximum,
                },
                Value::List(given),
            ) if given.len() >= *minimum
                && maximum.is_none_or(|maximum| given.len() <= maximum) =>
            {
                for (index, value) in given.iter().enumerate() {
                    item.judge(value, extras, &format!("{path}[{index}]"), found);
                }
            }
            (Self::Either(shapes), _) => judge_either(self, shapes, value, (extras, path), found),
            _ if self.takes_scalar(value) => {}
            _ => found.push(Complaint::wrong(
                path,
                format!("must be {}{}", self.wanted(), got(value)),
            )),
        }
    }

    fn takes_scalar(&self, value: &Value) -> bool {
        match self {
            Self::Any => true,
            Self::Bool => matches!(value, Value::Bool(_)),
            Self::Integer { minimum, maximum } => value
                .as_int()
                .is_some_and(|int| inside(&int, minimum.as_ref(), maximum.as_ref())),
            Self::Number { minimum, maximum } => value
                .as_number()
                .is_some_and(|number| inside(&number, minimum.as_ref(), maximum.as_ref())),
            Self::Text { minimum, maximum } => value.as_str().is_some_and(|text| {
                inside(
                    &text.encode_utf16().count(),
                    minimum.as_ref(),
                    maximum.as_ref(),
                )
            }),
            Self::Uri => value.as_str().is_some(),
            Self::Size {
                min_pixels,
                max_pixels,
            } => value.as_str().and_then(dimensions).is_some_and(|(w, h)| {
                (*min_pixels..=*max_pixels).contains(&(u64::from(w) * u64::from(h)))
            }),
            Self::Enum(values) => values.iter().any(|allowed| allowed.same(value)),
            Self::List { .. } | Self::Object(_) | Self::Either(_) => false,
        }
    }
}

impl Complaint {
    fn wrong(path: &str, problem: String) -> Self {
        Self {
            path: path.to_owned(),
            problem,
            unknown_name: false,
        }
    }
}

/// The values in words, shortened when there are many.
pub(crate) fn listed<T: ToString>(values: impl IntoIterator<Item = T>) -> String {
    let all: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    let mut letters = 0;
    let short = |value: &&String| {
        letters += value.len() + 2;
        letters <= MOST_LETTERS
    };
    let shown = all.iter().take(MOST_LISTED).take_while(short).count();
    // The first is shown however long it is.
    let shown = shown.max(1).min(all.len());
    if shown == all.len() {
        return all.join(", ");
    }
    format!("{}, … ({} in all)", all[..shown].join(", "), all.len())
}

fn judge_object(
    fields: &BTreeMap<String, Param>,
    given: &BTreeMap<String, Value>,
    extras: Extras,
    path: &str,
    found: &mut Vec<Complaint>,
) {
    for (name, param) in fields {
        match given.get(name) {
            Some(value) => param
                .shape
                .judge(value, extras, &format!("{path}.{name}"), found),
            None if param.required => {
                found.push(Complaint::wrong(
                    &format!("{path}.{name}"),
                    "is required".into(),
                ));
            }
            None => {}
        }
    }
    for name in given
        .keys()
        .filter(|name| extras == Extras::Refused && !fields.contains_key(*name))
    {
        found.push(Complaint {
            path: format!("{path}.{name}"),
            problem: format!("is not known; allowed here: {}", listed(fields.keys())),
            unknown_name: true,
        });
    }
}

/// A value that fits none is judged by the alternative that it fails least.
fn judge_either(
    whole: &Shape,
    shapes: &[Shape],
    value: &Value,
    (extras, path): (Extras, &str),
    found: &mut Vec<Complaint>,
) {
    let mut nearest: Option<Vec<Complaint>> = None;
    for shape in shapes {
        let mut complaints = Vec::new();
        shape.judge(value, extras, path, &mut complaints);
        if complaints.is_empty() {
            return;
        }
        let deeper = complaints.iter().all(|complaint| complaint.path != path);
        if deeper
            && nearest
                .as_ref()
                .is_none_or(|known| complaints.len() < known.len())
        {
            nearest = Some(complaints);
        }
    }
    match nearest {
        Some(complaints) => found.extend(complaints),
        None => found.push(Complaint::wrong(
            path,
            format!("must be {}{}", whole.wanted(), got(value)),
        )),
    }
}

fn inside<T: PartialOrd>(value: &T, minimum: Option<&T>, maximum: Option<&T>) -> bool {
    minimum.is_none_or(|minimum| value >= minimum) && maximum.is_none_or(|maximum| value <= maximum)
}

/// Bounds in words, after a space; nothing where there are none.
pub(super) fn between<T: ToString>(minimum: Option<&T>, maximum: Option<&T>, unit: &str) -> String {
    match (minimum.map(T::to_string), maximum.map(T::to_string)) {
        (Some(minimum), Some(maximum)) => format!(" from {minimum} to {maximum}{unit}"),
        (Some(minimum), None) => format!(" of at least {minimum}{unit}"),
        (None, Some(maximum)) => format!(" of at most {maximum}{unit}"),
        (None, None) => String::new(),
    }
}

/// What was given, where it is short enough to repeat.
fn got(value: &Value) -> String {
    match value {
        Value::String(text) if text.len() > MOST_REPEATED => {
            format!(
                "; got {} UTF-16 code units of text",
                text.encode_utf16().count()
            )
        }
        Value::List(items) => format!("; got {} items", items.len()),
        Value::String(text) => format!("; got {text:?}"),
        other => format!("; got {other}"),
    }
}

/// Most allowed values that a sentence lists.
const MOST_LISTED: usize = 12;
/// Most letters of a list, so that the sentence around it fits into an answer.
const MOST_LETTERS: usize = 170;
/// Longest text that a sentence repeats.
const MOST_REPEATED: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::String(text.into())
    }

    #[test]
    fn bounds_hold_at_the_edge_and_not_beyond() {
        let shape = Shape::Integer {
            minimum: Some(2),
            maximum: Some(10),
        };
        for (given, taken) in [(1, false), (2, true), (10, true), (11, false)] {
            assert_eq!(shape.takes(&Value::Int(given)), taken, "{given}");
        }
        assert!(!shape.takes(&Value::Number(2.5)));
        let problem = &shape.complaints(&Value::Int(11), Extras::Refused)[0].problem;
        assert_eq!(problem, "must be a whole number from 2 to 10; got 11");
    }

    #[test]
    fn text_is_measured_in_utf16_code_units() {
        let shape = Shape::Text {
            minimum: Some(1),
            maximum: Some(2),
        };
        assert!(shape.takes(&text("🌊")), "one sign, two units");
        assert!(!shape.takes(&text("🌊a")));
        assert!(!shape.takes(&text("")));
    }

    #[test]
    fn an_unknown_name_inside_is_found_where_names_are_strict() {
        let inner = Param {
            name: "a".into(),
            required: true,
            shape: Shape::Bool,
            fallback: None,
            default: None,
        };
        let shape = Shape::Object(BTreeMap::from([("a".into(), inner)]));
        let given = Value::Object(BTreeMap::from([("b".into(), Value::Null)]));
        let paths: Vec<_> = shape
            .complaints(&given, Extras::Refused)
            .into_iter()
            .map(|c| (c.path, c.unknown_name))
            .collect();
        assert_eq!(paths, [(".a".to_owned(), false), (".b".to_owned(), true)]);
        assert_eq!(shape.complaints(&given, Extras::Passed).len(), 1);
    }

    #[test]
    fn a_long_list_of_allowed_values_is_shortened() {
        assert_eq!(listed(0..3), "0, 1, 2");
        assert!(listed(0..50).ends_with("11, … (50 in all)"));
        let long = listed(["a".repeat(100), "b".repeat(100), "c".into()]);
        assert!(long.starts_with("aaa") && long.ends_with("a, … (3 in all)"));
        assert_eq!(listed([0; 0]), "");
    }
}
