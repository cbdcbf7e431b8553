//! Whether keyframes have a moment, and whether their ranges fit together.

use super::{DraftInput, Keyframe, Moment, Role, Violations};

/// Checks one input's keyframe against its role.
pub(super) fn check(field: &str, draft: &DraftInput, found: &mut Violations) {
    let field = format!("{field}.keyframe");
    match (&draft.keyframe, draft.role == Role::Keyframe) {
        (Some(keyframe), true) => {
            check_moment(&field, keyframe, found);
            check_range(&field, keyframe, found);
        }
        (Some(_), false) => found.field(field, "goes only with the role keyframe"),
        (None, true) => found.field(field, "is needed for the role keyframe: say when"),
        (None, false) => {}
    }
}

/// All keyframes of a request have a range, or none.
pub(super) fn check_together(inputs: &[DraftInput], found: &mut Violations) {
    let ranged = |input: &DraftInput| {
        input
            .keyframe
            .as_ref()
            .map(|keyframe| keyframe.range_start_seconds.is_some())
    };
    let mut keyframes = inputs
        .iter()
        .enumerate()
        .filter_map(|(index, input)| Some((index, ranged(input)?)));
    let Some((_, first)) = keyframes.next() else {
        return;
    };
    if let Some((index, _)) = keyframes.find(|(_, ranged)| *ranged != first) {
        let field = format!("input_references[{index}].keyframe.range_start_seconds");
        found.field(
            field,
            "must be set on every keyframe of a request or on none",
        );
    }
}

fn check_moment(field: &str, keyframe: &Keyframe, found: &mut Violations) {
    let (name, value, most) = match keyframe.moment {
        None => return found.field(field, "has no position: set time or fraction"),
        Some(Moment::Seconds(seconds)) => ("time", seconds, LAST_SECOND),
        Some(Moment::Fraction(fraction)) => ("fraction", fraction, 1.0),
    };
    if !(0.0..=most).contains(&value) {
        found.field(
            format!("{field}.{name}"),
            format!("must be from 0 to {most}; got {value}"),
        );
    }
}

fn check_range(field: &str, keyframe: &Keyframe, found: &mut Violations) {
    let field = format!("{field}.range_end_seconds");
    match (keyframe.range_start_seconds, keyframe.range_end_seconds) {
        (None, None) => {}
        (Some(start), Some(end)) if start < end => {}
        (Some(start), Some(_)) => {
            found.field(field, format!("must be above range_start_seconds, {start}"));
        }
        _ => found.field(field, "comes together with range_start_seconds"),
    }
}

/// The last moment of a keyframe, in seconds, as Runway documents it.
const LAST_SECOND: f64 = 30.0;
