//! Which input goes to which slot.
//!
//! One pure function, used when a request is checked and again when it is written for the wire, so
//! that both always agree.

use super::{Slot, Spec};
use crate::domain::generation::{Media, Role};

/// Where one input goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The slot's index.
    pub slot: usize,
    /// The role after defaults; unspecified only where the slot takes it so.
    pub role: Role,
    /// The kind of media.
    pub media: Media,
}

/// Why an input has no place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misplaced {
    /// No slot takes the role.
    RoleUnknown,
    /// No slot takes that kind of media without a role.
    MediaUnknown(Media),
    /// The role takes media of other kinds.
    MediaDiffers {
        /// What was given.
        given: Media,
        /// What is taken.
        taken: Vec<Media>,
    },
    /// The role takes several kinds, and the kind is not known.
    MediaUnclear(Vec<Media>),
}

impl Spec {
    /// Places inputs by their role and, where known, their kind.
    pub fn place(&self, inputs: &[(Role, Option<Media>)]) -> Vec<Result<Placement, Misplaced>> {
        let framed = inputs.iter().any(|(role, media)| {
            role.is_frame()
                || (*role == Role::Unspecified && matches!(media, None | Some(Media::Image)))
        });
        inputs
            .iter()
            .map(|(role, media)| match role {
                Role::Unspecified => self.place_unspecified(*media),
                role => self.place_role(*role, *media, framed),
            })
            .collect()
    }

    fn place_unspecified(&self, media: Option<Media>) -> Result<Placement, Misplaced> {
        // A keyframe without its moment would be no keyframe.
        let fits = |(role, taken): &&(Role, Media)| {
            *role != Role::Keyframe && media.is_none_or(|media| media == *taken)
        };
        let takes = |slot: &Slot| {
            let (role, media) = *slot.accepts.iter().find(fits)?;
            Some((
                if slot.frames.is_some() {
                    Role::Unspecified
                } else {
                    role
                },
                media,
            ))
        };
        let found = self
            .slots
            .iter()
            .enumerate()
            .find_map(|(index, slot)| Some((index, takes(slot)?)));
        match found {
            Some((slot, (role, media))) => Ok(Placement { slot, role, media }),
            None => Err(Misplaced::MediaUnknown(media.unwrap_or(Media::Image))),
        }
    }

    /// A reference goes to a slot of its own where the prompt's slot is taken by a frame.
    fn place_role(
        &self,
        role: Role,
        media: Option<Media>,
        framed: bool,
    ) -> Result<Placement, Misplaced> {
        let taking = |slot: &Slot| slot.accepts.iter().any(|(taken, _)| *taken == role);
        let mut slots: Vec<(usize, &Slot)> = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| taking(slot))
            .collect();
        if framed && role == Role::Reference {
            slots.sort_by_key(|(index, slot)| (slot.frames.is_some(), *index));
        }
        let Some((index, slot)) = slots.first() else {
            return Err(Misplaced::RoleUnknown);
        };
        let taken: Vec<Media> = slot
            .accepts
            .iter()
            .filter(|(taken, _)| *taken == role)
            .map(|(_, media)| *media)
            .collect();
        match (media, &taken[..]) {
            (None, [only]) => Ok(Placement {
                slot: *index,
                role,
                media: *only,
            }),
            (None, _) => Err(Misplaced::MediaUnclear(taken)),
            (Some(given), _) if taken.contains(&given) => Ok(Placement {
                slot: *index,
                role,
                media: given,
            }),
            (Some(given), _) => Err(Misplaced::MediaDiffers { given, taken }),
        }
    }
}
