//! When a rate counts.
//!
//! A condition is answered by yes, no or *cannot be said*; what follows from the last is
//! [`super::Tariff`]'s to decide. Fields have the provider's names, as opaque texts.

use std::fmt;

use super::facts::Facts;
use crate::domain::generation::Role;
use crate::domain::model::listed;
use crate::domain::value::Value;

/// When a rate counts.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// A field has one of these values. It cannot be said of an absent field without a default.
    OneOf {
        /// The field.
        field: String,
        /// The values.
        values: Vec<Value>,
    },
    /// A field is there.
    Given {
        /// The field.
        field: String,
    },
    /// A picture has so many pixels: of the size that a field sets, or else of an input.
    ///
    /// It cannot be said of a size that is a name or an aspect ratio, nor of an unmeasured input.
    Pixels {
        /// The field.
        field: Option<String>,
        /// The input's role.
        input: Option<Role>,
        /// More than so many; `None`: any number.
        above: Option<u64>,
        /// At most so many; `None`: any number.
        up_to: Option<u64>,
    },
}

impl Condition {
    /// Whether it holds; `None`: it cannot be said.
    pub(super) fn holds(&self, facts: &Facts<'_>) -> Option<bool> {
        match self {
            Self::OneOf { field, values } => {
                let given = facts.value(field)?;
                Some(values.iter().any(|value| value.same(given)))
            }
            Self::Given { field } => Some(facts.is_given(field)),
            Self::Pixels {
                field,
                input,
                above,
                up_to,
            } => {
                let pixels = facts.pixels(field.as_deref(), *input)?;
                let above = above.is_none_or(|above| pixels > above);
                Some(above && up_to.is_none_or(|up_to| pixels <= up_to))
            }
        }
    }
}

/// In words that follow *if*, more or less: `resolution 1080p`, `without audio`, `ratio up to 4 MP`.
impl fmt::Display for Condition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneOf { field, values } => match &values[..] {
                [Value::Bool(true)] => write!(out, "with {field}"),
                [Value::Bool(false)] => write!(out, "without {field}"),
                values => write!(out, "{field} {}", listed(spellings(values))),
            },
            Self::Given { field } => write!(out, "with {field}"),
            Self::Pixels {
                field,
                input,
                above,
                up_to,
            } => {
                let source = input.map(|role| role.as_str().replace('_', " "));
                let names = [field.clone(), source].into_iter().flatten();
                out.write_str(&names.collect::<Vec<_>>().join(" or "))?;
                if let Some(above) = above {
                    write!(out, " above {}", megapixels(*above))?;
                }
                up_to.map_or(Ok(()), |up_to| write!(out, " up to {}", megapixels(up_to)))
            }
        }
    }
}

/// Each value once, whatever the cases in which the provider spells it.
fn spellings(values: &[Value]) -> Vec<String> {
    let mut known: Vec<String> = Vec::new();
    for value in values.iter().map(Value::to_string) {
        if !known.iter().any(|known| known.eq_ignore_ascii_case(&value)) {
            known.push(value);
        }
    }
    known
}

/// `1500000` as `1.5 MP`.
fn megapixels(pixels: u64) -> String {
    let (whole, rest) = (pixels / MEGA, pixels % MEGA);
    match rest {
        0 => format!("{whole} MP"),
        rest => format!("{whole}.{} MP", format!("{rest:06}").trim_end_matches('0')),
    }
}

const MEGA: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_reads_as_words() {
        let one_of = |field: &str, values: &[Value]| Condition::OneOf {
            field: field.into(),
            values: values.to_vec(),
        };
        let text = |text: &str| Value::String(text.into());
        let pixels = |field: Option<&str>, input, above, up_to| Condition::Pixels {
            field: field.map(str::to_owned),
            input,
            above,
            up_to,
        };
        for (condition, words) in [
            (
                one_of("resolution", &[text("768p"), text("768P")]),
                "resolution 768p",
            ),
            (
                one_of("outputFormat", &[text("prores"), text("png_sequence")]),
                "outputFormat prores, png_sequence",
            ),
            (one_of("audio", &[Value::Bool(false)]), "without audio"),
            (one_of("audio", &[Value::Bool(true)]), "with audio"),
            (
                Condition::Given {
                    field: "draftTaskId".into(),
                },
                "with draftTaskId",
            ),
            (
                pixels(Some("ratio"), None, Some(600_000), Some(1_500_000)),
                "ratio above 0.6 MP up to 1.5 MP",
            ),
            (
                pixels(
                    Some("ratio"),
                    Some(Role::SourceVideo),
                    Some(4_000_000),
                    None,
                ),
                "ratio or source video above 4 MP",
            ),
        ] {
            assert_eq!(condition.to_string(), words);
        }
    }
}
