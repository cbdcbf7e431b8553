//! The typed fields: prompt, seconds, size, count, seed, audio and negative prompt.

use super::choice::Chosen;
use super::input::Seen;
use super::{Draft, Operation, Violations, rules};
use crate::domain::model::{Extras, Param, Rule, canonical, dimensions, listed, nearest};
use crate::domain::value::Value;

/// The typed fields after defaults.
#[derive(Debug, Default)]
pub(super) struct Settled {
    pub prompt: String,
    pub seconds: Option<u32>,
    pub size: Option<String>,
    pub count: Option<u32>,
    pub notes: Vec<String>,
}

/// Checks the typed fields and fills in what the model requires.
pub(super) fn settle(
    draft: &Draft,
    inputs: &[Seen],
    chosen: &Chosen<'_>,
    found: &mut Violations,
) -> Settled {
    let mut notes = Vec::new();
    check_seed_audio_and_negative(draft, chosen, found);
    Settled {
        prompt: settle_prompt(draft, chosen, found),
        seconds: default_seconds(draft, inputs, chosen)
            .or_else(|| settle_seconds(draft, chosen, found)),
        size: settle_size(draft, chosen, &mut notes, found)
            .or_else(|| default_size(draft, inputs, chosen)),
        count: settle_count(draft, chosen, found),
        notes,
    }
}

fn settle_prompt(draft: &Draft, chosen: &Chosen<'_>, found: &mut Violations) -> String {
    if draft.prompt.trim().is_empty() {
        if chosen
            .spec
            .typed
            .prompt
            .as_ref()
            .is_some_and(|param| param.required)
        {
            found.field("prompt", format!("{} needs a prompt", chosen.id));
        } else if !draft.prompt.is_empty() {
            found.field("prompt", "must not be blank: leave it out");
        }
        return String::new();
    }
    let value = Value::String(draft.prompt.clone());
    judge(
        "prompt",
        chosen.spec.typed.prompt.as_ref(),
        &value,
        chosen,
        found,
    );
    draft.prompt.clone()
}

fn settle_seconds(draft: &Draft, chosen: &Chosen<'_>, found: &mut Violations) -> Option<u32> {
    let param = chosen.spec.typed.seconds.as_ref();
    if let Some(seconds) = draft.seconds {
        judge("seconds", param, &Value::Int(seconds.into()), chosen, found);
        return Some(seconds);
    }
    let param = param.filter(|param| param.required && !draft.options.contains_key(&param.name))?;
    let fallback = param
        .fallback
        .as_ref()
        .and_then(Value::as_int)
        .and_then(|int| u32::try_from(int).ok());
    if fallback.is_none() {
        found.field("seconds", format!("must be {}", param.shape.wanted()));
    }
    fallback
}

/// The default length, or the nearest that the model makes, the shorter of two: what the request says
/// of its length goes before it, and so does a rule that would refuse it.
fn default_seconds(draft: &Draft, inputs: &[Seen], chosen: &Chosen<'_>) -> Option<u32> {
    let films = matches!(
        chosen.operation,
        Operation::TextToVideo | Operation::ImageToVideo
    );
    let wanted = draft.default_seconds.filter(|_| films && chosen.known)?;
    let param = chosen.spec.typed.seconds.as_ref()?;
    let is_said = draft.seconds.is_some() || draft.options.contains_key(&param.name);
    if is_said || has_parts(draft, chosen) {
        return None;
    }
    let limits = chosen.spec.seconds_limits()?;
    let listed = limits.allowed.iter().copied();
    let nearest = listed.min_by_key(|seconds| (seconds.abs_diff(wanted), *seconds));
    let least = limits.minimum.unwrap_or(0);
    let seconds = nearest.unwrap_or(wanted.min(limits.maximum.unwrap_or(u32::MAX)).max(least));
    let with_seconds = Draft {
        seconds: Some(seconds),
        ..draft.clone()
    };
    let mut refused = Violations::default();
    let value = Value::Int(seconds.into());
    judge("seconds", Some(param), &value, chosen, &mut refused);
    rules::check(&with_seconds, inputs, chosen, &mut refused);
    (!refused.names("seconds")).then_some(seconds)
}

/// Whether it says how long each of its parts is, and so says the length.
fn has_parts(draft: &Draft, chosen: &Chosen<'_>) -> bool {
    chosen.spec.rules.iter().any(|rule| match rule {
        Rule::SumBetween { option, list, .. } => {
            let given = draft.options.get(option);
            matches!(given, Some(Value::Object(fields)) if fields.contains_key(list))
        }
        _ => false,
    })
}

fn settle_size(
    draft: &Draft,
    chosen: &Chosen<'_>,
    notes: &mut Vec<String>,
    found: &mut Violations,
) -> Option<String> {
    let spec = chosen.spec;
    if draft.size.is_empty() {
        let needs = |param: &&Param| param.required && !draft.options.contains_key(&param.name);
        let param = spec.typed.sizes.iter().find(needs)?;
        let fallback = param
            .fallback
            .as_ref()
            .and_then(Value::as_str)
            .map(str::to_owned);
        if fallback.is_none() {
            found.field("size", format!("must be {}", param.shape.wanted()));
        }
        return fallback;
    }
    if let Some((_, size)) = spec.size(&draft.size) {
        return Some(size);
    }
    if let Some(size) = mapped(draft, chosen) {
        notes.push(format!(
            "{} has no size {}: {size}, the nearest, is asked for",
            chosen.id, draft.size
        ));
        return Some(size);
    }
    let problem = match &spec.typed.sizes[..] {
        [] => format!(
            "{} has no choice of size for {}",
            chosen.id, chosen.operation
        ),
        sizes => {
            let wanted = sizes
                .iter()
                .map(|param| param.shape.wanted())
                .collect::<Vec<_>>()
                .join(", or ");
            format!("{} takes {wanted}; got {:?}", chosen.id, draft.size)
        }
    };
    found.field("size", problem);
    None
}

/// The default size where the model can do without one: what the request says of its size goes
/// before it, and so does a rule that would refuse it.
fn default_size(draft: &Draft, inputs: &[Seen], chosen: &Chosen<'_>) -> Option<String> {
    let sizes = &chosen.spec.typed.sizes;
    let is_said = |param: &Param| param.required || draft.options.contains_key(&param.name);
    if !draft.size.is_empty() || sizes.iter().any(is_said) {
        return None;
    }
    let mut fallbacks = sizes.iter().filter_map(|param| param.fallback.as_ref());
    let with_size = Draft {
        size: fallbacks.next()?.as_str()?.to_owned(),
        ..draft.clone()
    };
    let mut refused = Violations::default();
    rules::check(&with_size, inputs, chosen, &mut refused);
    (!refused.names("size")).then_some(with_size.size)
}

/// The two sizes that callers know from another provider's images, as the nearest that there is.
fn mapped(draft: &Draft, chosen: &Chosen<'_>) -> Option<String> {
    let size = canonical(&draft.size);
    if chosen.operation != Operation::TextToImage || !FOREIGN_SIZES.contains(&size.as_str()) {
        return None;
    }
    let spec = chosen.spec;
    let price = |size: &str| {
        let (param, size) = spec.size(size)?;
        spec.price.as_ref()?.at_size(&param.name, &size)
    };
    nearest(dimensions(&size)?, spec.sizes(), 0.0, price).map(str::to_owned)
}

/// One output is what every model makes, so asking for it is never wrong.
fn settle_count(draft: &Draft, chosen: &Chosen<'_>, found: &mut Violations) -> Option<u32> {
    let count = draft.count?;
    let param = chosen.spec.typed.count.as_ref();
    if count == 1 && param.is_none() {
        return None;
    }
    judge("count", param, &Value::Int(count.into()), chosen, found);
    Some(count)
}

fn check_seed_audio_and_negative(draft: &Draft, chosen: &Chosen<'_>, found: &mut Violations) {
    let typed = &chosen.spec.typed;
    if let Some(seed) = draft.seed.and_then(|seed| i64::try_from(seed).ok()) {
        judge(
            "seed",
            typed.seed.as_ref(),
            &Value::Int(seed),
            chosen,
            found,
        );
    }
    if let Some(audio) = draft.audio {
        judge(
            "audio",
            typed.audio.as_ref(),
            &Value::Bool(audio),
            chosen,
            found,
        );
    }
    if !draft.negative_prompt.is_empty() {
        let value = Value::String(draft.negative_prompt.clone());
        judge(
            "negative_prompt",
            typed.negative_prompt.as_ref(),
            &value,
            chosen,
            found,
        );
    }
}

fn judge(
    field: &str,
    param: Option<&Param>,
    value: &Value,
    chosen: &Chosen<'_>,
    found: &mut Violations,
) {
    let Some(param) = param else {
        let fields = listed(taken(chosen));
        let problem = format!(
            "{} does not take it for {}; it takes {fields}",
            chosen.id, chosen.operation
        );
        return found.field(field, problem);
    };
    if found.names(field) {
        return;
    }
    for complaint in param.shape.complaints(value, Extras::Passed) {
        found.field(field, format!("{}: {}", chosen.id, complaint.problem));
    }
}

/// The typed fields that the model has.
fn taken(chosen: &Chosen<'_>) -> Vec<&'static str> {
    let typed = &chosen.spec.typed;
    [
        ("prompt", typed.prompt.is_some()),
        ("seconds", typed.seconds.is_some()),
        ("size", !typed.sizes.is_empty()),
        ("count", typed.count.is_some()),
        ("seed", typed.seed.is_some()),
        ("audio", typed.audio.is_some()),
        ("negative_prompt", typed.negative_prompt.is_some()),
        ("input_references", !chosen.spec.slots.is_empty()),
    ]
    .into_iter()
    .filter_map(|(field, has)| has.then_some(field))
    .collect()
}

/// Sizes of another provider's images that callers of image models send.
const FOREIGN_SIZES: [&str; 2] = ["1792:1024", "1024:1792"];
