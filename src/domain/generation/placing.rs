//! Inputs together: does each have a place in the model, and is every place filled as it must be?

use super::choice::Chosen;
use super::input::Seen;
use super::{InvalidReason, Media, Role, Violations};
use crate::domain::model::{Frames, Misplaced, Placement, Slot, listed};

/// Gives every input its role, or notes why it has none.
pub(super) fn settle(inputs: &mut [Seen], chosen: &Chosen<'_>, found: &mut Violations) {
    let asked: Vec<(Role, Option<Media>)> = inputs
        .iter()
        .map(|seen| (seen.input.role, seen.media))
        .collect();
    let mut placed = Vec::new();
    for (index, place) in chosen.spec.place(&asked).into_iter().enumerate() {
        match place {
            Ok(place) => {
                inputs[index].input.role = place.role;
                inputs[index].media = Some(place.media);
                check_words(
                    index,
                    &inputs[index],
                    &chosen.spec.slots[place.slot],
                    chosen,
                    found,
                );
                placed.push((index, place));
            }
            Err(misplaced) => refuse(index, asked[index].0, &misplaced, chosen, found),
        }
    }
    let complete = placed.len() == inputs.len();
    for (index, slot) in chosen.spec.slots.iter().enumerate() {
        let here: Vec<(usize, Role)> = placed
            .iter()
            .filter(|(_, place)| place.slot == index)
            .map(|(at, p)| (*at, p.role))
            .collect();
        check_slot(slot, &here, complete, chosen, found);
    }
    check_twice(&placed, found);
}

fn refuse(
    index: usize,
    role: Role,
    misplaced: &Misplaced,
    chosen: &Chosen<'_>,
    found: &mut Violations,
) {
    let who = format!("{} for {}", chosen.id, chosen.operation);
    let field = format!("input_references[{index}]");
    match misplaced {
        Misplaced::RoleUnknown => {
            let roles = roles(chosen);
            found.field(
                format!("{field}.role"),
                format!("{who} has no {role}; it takes {roles}"),
            );
        }
        Misplaced::MediaUnknown(media) => {
            let roles = roles(chosen);
            found.field(field, format!("{who} takes no {media}; it takes {roles}"));
        }
        Misplaced::MediaDiffers { given, taken } => found.add(
            format!("{field}.content_type"),
            InvalidReason::InputTypeUnsupported,
            format!("{role} must be {}, not {given}", listed(taken)),
        ),
        Misplaced::MediaUnclear(kinds) => found.field(
            format!("{field}.content_type"),
            format!("must be set, for {role} may be {}", listed(kinds)),
        ),
    }
}

/// The roles that the model takes, in words.
fn roles(chosen: &Chosen<'_>) -> String {
    let mut roles: Vec<Role> = chosen
        .spec
        .slots
        .iter()
        .flat_map(|slot| slot.accepts.iter().map(|(role, _)| *role))
        .collect();
    roles.dedup();
    if roles.is_empty() {
        "no inputs".into()
    } else {
        listed(roles)
    }
}

/// What a place may know about an input beside its address.
fn check_words(
    index: usize,
    seen: &Seen,
    slot: &Slot,
    chosen: &Chosen<'_>,
    found: &mut Violations,
) {
    let (tag, subject) = (&seen.input.tag, &seen.input.subject);
    let refuse = |name: &str, found: &mut Violations| {
        let field = format!("input_references[{index}].{name}");
        found.field(field, format!("{} takes no {name} here", chosen.id));
    };
    if !tag.is_empty() && !slot.tags {
        refuse("tag", found);
    }
    if !subject.is_empty() && slot.subjects.is_empty() {
        refuse("subject", found);
    } else if !subject.is_empty() && !slot.subjects.contains(subject) {
        let field = format!("input_references[{index}].subject");
        found.field(field, format!("must be one of {}", listed(&slot.subjects)));
    }
}

fn check_slot(
    slot: &Slot,
    here: &[(usize, Role)],
    complete: bool,
    chosen: &Chosen<'_>,
    found: &mut Violations,
) {
    if slot.required && here.is_empty() && complete {
        let role = slot
            .accepts
            .first()
            .map_or(Role::Unspecified, |(role, _)| *role);
        let media = slot
            .accepts
            .first()
            .map_or(Media::Image, |(_, media)| *media);
        let problem = format!("{} needs an input: {media} ({role}) is missing", chosen.id);
        found.field("input_references", problem);
    }
    if let Some((index, _)) = here.get(slot.maximum) {
        let roles = listed(slot.accepts.iter().map(|(role, _)| *role));
        let (most, given) = (slot.maximum, here.len());
        let problem = format!(
            "{} takes at most {most} with the role {roles}; got {given}",
            chosen.id
        );
        found.field(format!("input_references[{index}].role"), problem);
    } else if let Some(frames) = slot.frames {
        check_frames(slot, frames, here, chosen, found);
    }
}

/// A prompt's images: one as it is, or frames, or references.
fn check_frames(
    slot: &Slot,
    frames: Frames,
    here: &[(usize, Role)],
    chosen: &Chosen<'_>,
    found: &mut Violations,
) {
    let at = |wanted: Role| {
        here.iter()
            .find(|(_, role)| *role == wanted)
            .map(|(index, _)| *index)
    };
    let role_of = |index: usize| format!("input_references[{index}].role");
    if let Some(index) = at(Role::Unspecified).filter(|_| here.len() > 1) {
        let roles = listed(slot.accepts.iter().map(|(role, _)| *role));
        let problem = format!("must be set where several images are given: one of {roles}");
        return found.field(role_of(index), problem);
    }
    let first = at(Role::FirstFrame);
    if let Some(index) = at(Role::LastFrame).filter(|_| first.is_none() && !frames.last_alone) {
        found.field(
            role_of(index),
            format!("{} takes a last_frame only beside a first_frame", chosen.id),
        );
    }
    let frame = first.or(at(Role::LastFrame));
    if let (Some(index), Some(_), true) = (at(Role::Reference), frame, frames.or_references) {
        found.field(
            role_of(index),
            format!("{} takes either frames or references, not both", chosen.id),
        );
    }
}

fn check_twice(placed: &[(usize, Placement)], found: &mut Violations) {
    for (at, (index, place)) in placed.iter().enumerate() {
        let before = placed[..at]
            .iter()
            .find(|(_, earlier)| earlier.role == place.role);
        if let (true, Some((other, _))) = (place.role.is_frame(), before) {
            let problem = format!(
                "{} is also the role of input_references[{other}]",
                place.role
            );
            found.field(format!("input_references[{index}].role"), problem);
        }
    }
}
