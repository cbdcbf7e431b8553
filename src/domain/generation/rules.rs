//! Rules across fields, which the catalogue gives as data.

use std::collections::BTreeMap;

use super::choice::Chosen;
use super::input::Seen;
use super::{Draft, Media, Role, Violations};
use crate::domain::model::{Rule, listed};
use crate::domain::value::Value;

/// Judges a draft by every rule of the chosen model.
pub(super) fn check(draft: &Draft, inputs: &[Seen], chosen: &Chosen<'_>, found: &mut Violations) {
    let request = Request {
        draft,
        inputs,
        chosen,
    };
    for rule in &chosen.spec.rules {
        request.check(rule, found);
    }
}

struct Request<'a> {
    draft: &'a Draft,
    inputs: &'a [Seen],
    chosen: &'a Chosen<'a>,
}

impl Request<'_> {
    fn check(&self, rule: &Rule, found: &mut Violations) {
        match rule {
            Rule::OptionNeeds {
                option,
                other,
                values,
            } => self.option_needs(option, other, values, found),
            Rule::Alone { option } => self.alone(option, found),
            Rule::Something { options } => self.something(options, found),
            Rule::KeyframesNeedSize { prefix } => self.keyframes_need_size(prefix, found),
            Rule::SizeNeedsInput { size } => self.size_needs_input(size, found),
            Rule::SumBetween {
                option,
                list,
                field,
                minimum,
                maximum,
            } => {
                self.sum_between(option, (list, field), (*minimum, *maximum), found);
            }
            Rule::Subjects { limits } => self.subjects(limits, found),
            Rule::InputBetween {
                input,
                minimum_ms,
                maximum_ms,
            } => self.input_between(input, (*minimum_ms, *maximum_ms), found),
            Rule::Mode {
                option,
                value,
                needs_prompt,
                forbids_size,
                fixes,
            } => {
                if self
                    .draft
                    .options
                    .get(option)
                    .is_some_and(|given| given.same(value))
                {
                    let mode = format!("{option} {value}");
                    self.mode(&mode, (*needs_prompt, *forbids_size), fixes.as_ref(), found);
                }
            }
        }
    }

    fn option_needs(&self, option: &str, other: &str, values: &[Value], found: &mut Violations) {
        let fits = self
            .draft
            .options
            .get(other)
            .is_some_and(|given| values.iter().any(|v| v.same(given)));
        if self.draft.options.contains_key(option) && !fits {
            let problem = format!("goes only with {other} of {}", listed(values));
            found.field(format!("provider_options.{option}"), problem);
        }
    }

    fn alone(&self, option: &str, found: &mut Violations) {
        let draft = self.draft;
        if !draft.options.contains_key(option) {
            return;
        }
        let fields = [
            ("prompt", !draft.prompt.is_empty()),
            ("negative_prompt", !draft.negative_prompt.is_empty()),
            ("input_references", !draft.inputs.is_empty()),
            ("seconds", draft.seconds.is_some()),
            ("size", !draft.size.is_empty()),
            ("count", draft.count.is_some()),
            ("seed", draft.seed.is_some()),
            ("audio", draft.audio.is_some()),
            ("provider_options", draft.options.len() > 1),
        ];
        for (field, _) in fields.into_iter().filter(|(_, given)| *given) {
            found.field(
                field,
                format!("must not be set beside provider_options.{option}"),
            );
        }
    }

    fn something(&self, options: &[String], found: &mut Violations) {
        let draft = self.draft;
        let instead = options
            .iter()
            .any(|option| draft.options.contains_key(option));
        if draft.prompt.trim().is_empty() && draft.inputs.is_empty() && !instead {
            let problem = format!(
                "{} needs a prompt, an input or one of {}",
                self.chosen.id,
                listed(options)
            );
            found.field("prompt", problem);
        }
    }

    fn keyframes_need_size(&self, prefix: &str, found: &mut Violations) {
        let framed = self.inputs.iter().any(|seen| seen.input.role.is_frame());
        for (field, size) in self.sizes().into_iter().filter(|_| framed) {
            if !size.starts_with(prefix) {
                let sizes = self.chosen.spec.sizes();
                let allowed = listed(sizes.into_iter().filter(|size| size.starts_with(prefix)));
                found.field(
                    field,
                    format!("with first_frame or last_frame must be one of {allowed}"),
                );
            }
        }
    }

    fn size_needs_input(&self, size: &str, found: &mut Violations) {
        let seen = self
            .inputs
            .iter()
            .any(|seen| seen.media != Some(Media::Audio));
        for (field, given) in self.sizes() {
            if given.eq_ignore_ascii_case(size) && !seen {
                found.field(
                    field,
                    format!("{size} is taken from an image or a video, and there is none"),
                );
            }
        }
    }

    fn sum_between(
        &self,
        option: &str,
        (list, field): (&str, &str),
        (minimum, maximum): (i64, i64),
        found: &mut Violations,
    ) {
        let Some(Value::Object(fields)) = self.draft.options.get(option) else {
            return;
        };
        let Some(Value::List(items)) = fields.get(list) else {
            return;
        };
        let part = |item: &Value| match item {
            Value::Object(fields) => fields.get(field).and_then(Value::as_int),
            _ => None,
        };
        let sum = items
            .iter()
            .filter_map(part)
            .fold(0_i64, i64::saturating_add);
        if items.iter().filter_map(part).any(|part| part < 1) || !(minimum..=maximum).contains(&sum)
        {
            let problem =
                format!("every {field} must be above 0, all together from {minimum} to {maximum}");
            found.field(format!("provider_options.{option}.{list}"), problem);
        }
    }

    fn subjects(&self, limits: &BTreeMap<String, usize>, found: &mut Violations) {
        for (subject, most) in limits {
            let mut shown = self
                .inputs
                .iter()
                .enumerate()
                .filter(|(_, seen)| seen.input.subject == *subject);
            if let Some((index, _)) = shown.nth(*most) {
                let field = format!("input_references[{index}].subject");
                found.field(field, format!("at most {most} inputs may show {subject}"));
            }
        }
    }

    fn input_between(
        &self,
        name: &str,
        (minimum, maximum): (Option<u64>, Option<u64>),
        found: &mut Violations,
    ) {
        let spec = self.chosen.spec;
        let asked: Vec<(Role, Option<Media>)> = self
            .inputs
            .iter()
            .map(|seen| (seen.input.role, seen.media))
            .collect();
        for (index, place) in spec.place(&asked).into_iter().enumerate() {
            let here = place.is_ok_and(|place| spec.slots[place.slot].name == name);
            let length = self.inputs[index].input.measured.duration_ms;
            let Some(length) = length.filter(|_| here) else {
                continue;
            };
            if minimum.is_some_and(|least| length < least)
                || maximum.is_some_and(|most| length > most)
            {
                let wanted = match (minimum, maximum) {
                    (Some(least), Some(most)) => format!("from {} to {}", s(least), s(most)),
                    (Some(least), None) => format!("at least {}", s(least)),
                    (None, most) => format!("at most {}", s(most.unwrap_or_default())),
                };
                let who = &self.chosen.id;
                let problem = format!("must play {wanted} s for {who}; it plays {} s", s(length));
                found.field(format!("input_references[{index}]"), problem);
            }
        }
    }

    fn mode(
        &self,
        mode: &str,
        (needs_prompt, forbids_size): (bool, bool),
        fixes: Option<&(String, Value)>,
        found: &mut Violations,
    ) {
        if needs_prompt && self.draft.prompt.trim().is_empty() {
            found.field("prompt", format!("is needed for {mode}"));
        }
        for (field, _) in self.sizes().into_iter().filter(|_| forbids_size) {
            found.field(field, format!("must not be set for {mode}"));
        }
        let Some((name, value)) = fixes else { return };
        let typed = self.chosen.spec.typed(name).map(|(field, _)| field);
        if typed == Some("seconds") && self.draft.seconds.is_some() {
            found.field("seconds", format!("must not be set for {mode}"));
        }
        if !self
            .draft
            .options
            .get(name)
            .is_some_and(|given| given.same(value))
        {
            found.field(
                format!("provider_options.{name}"),
                format!("must be {value} for {mode}"),
            );
        }
    }

    /// Every size that the request sets, with the field that sets it.
    fn sizes(&self) -> Vec<(String, String)> {
        let typed = Some(self.draft.size.as_str()).filter(|size| !size.is_empty());
        let typed = typed.map(|size| ("size".to_owned(), size.to_owned()));
        let options = self.chosen.spec.typed.sizes.iter().filter_map(|param| {
            let given = self.draft.options.get(&param.name)?.as_str()?;
            Some((format!("provider_options.{}", param.name), given.to_owned()))
        });
        typed.into_iter().chain(options).collect()
    }
}

/// Milliseconds as seconds.
fn s(milliseconds: u64) -> String {
    let (whole, rest) = (milliseconds / 1000, milliseconds % 1000);
    let text = format!("{whole}.{rest:03}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
