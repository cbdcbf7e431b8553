//! The enums of the contract and those of the domain: one table each, read both ways.

use super::Violations;
use crate::domain::generation::{Media, Operation, Role};
use crate::domain::money::Charge;
use crate::domain::task::{AttemptOutcome, Status};
use crate::pb::v1;

/// The contract's number of an operation.
pub(super) const fn operation(operation: Operation) -> v1::Operation {
    match operation {
        Operation::TextToVideo => v1::Operation::TextToVideo,
        Operation::ImageToVideo => v1::Operation::ImageToVideo,
        Operation::VideoToVideo => v1::Operation::VideoToVideo,
        Operation::CharacterPerformance => v1::Operation::CharacterPerformance,
        Operation::VideoUpscale => v1::Operation::VideoUpscale,
        Operation::VideoToHdr => v1::Operation::VideoToHdr,
        Operation::TextToImage => v1::Operation::TextToImage,
        Operation::ImageUpscale => v1::Operation::ImageUpscale,
        Operation::TextToSpeech => v1::Operation::TextToSpeech,
        Operation::SpeechToSpeech => v1::Operation::SpeechToSpeech,
        Operation::SoundEffect => v1::Operation::SoundEffect,
        Operation::VideoToAudio => v1::Operation::VideoToAudio,
        Operation::VoiceDubbing => v1::Operation::VoiceDubbing,
        Operation::VoiceIsolation => v1::Operation::VoiceIsolation,
    }
}

/// The contract's number of a role.
pub(super) const fn role(role: Role) -> v1::Role {
    match role {
        Role::Unspecified => v1::Role::Unspecified,
        Role::FirstFrame => v1::Role::FirstFrame,
        Role::LastFrame => v1::Role::LastFrame,
        Role::Reference => v1::Role::Reference,
        Role::SourceImage => v1::Role::SourceImage,
        Role::SourceVideo => v1::Role::SourceVideo,
        Role::SourceAudio => v1::Role::SourceAudio,
        Role::ReferenceVideo => v1::Role::ReferenceVideo,
        Role::ReferenceAudio => v1::Role::ReferenceAudio,
        Role::Character => v1::Role::Character,
        Role::Performance => v1::Role::Performance,
        Role::Mask => v1::Role::Mask,
        Role::Voice => v1::Role::Voice,
        Role::Keyframe => v1::Role::Keyframe,
    }
}

/// The contract's number of a kind of media.
pub(super) const fn media_kind(media: Media) -> v1::MediaKind {
    match media {
        Media::Video => v1::MediaKind::Video,
        Media::Image => v1::MediaKind::Image,
        Media::Audio => v1::MediaKind::Audio,
    }
}

/// The contract's number of a status.
pub(super) const fn status(status: Status) -> v1::TaskStatus {
    match status {
        Status::Queued => v1::TaskStatus::Queued,
        Status::Throttled => v1::TaskStatus::Throttled,
        Status::InProgress => v1::TaskStatus::InProgress,
        Status::Completed => v1::TaskStatus::Completed,
        Status::Failed => v1::TaskStatus::Failed,
        Status::Cancelled => v1::TaskStatus::Cancelled,
        Status::SubmissionUnknown => v1::TaskStatus::SubmissionUnknown,
    }
}

/// The contract's number of what is known of a bill.
pub(super) const fn charge(charge: Charge) -> v1::Charge {
    match charge {
        Charge::None => v1::Charge::None,
        Charge::Estimated => v1::Charge::Estimated,
        Charge::Charged => v1::Charge::Charged,
        Charge::ChargedOrUnknown => v1::Charge::ChargedOrUnknown,
    }
}

/// The contract's number of an attempt's outcome.
pub(super) const fn attempt_outcome(outcome: AttemptOutcome) -> v1::AttemptOutcome {
    match outcome {
        AttemptOutcome::Pending => v1::AttemptOutcome::Pending,
        AttemptOutcome::Accepted => v1::AttemptOutcome::Accepted,
        AttemptOutcome::Rejected => v1::AttemptOutcome::Rejected,
        AttemptOutcome::Unknown => v1::AttemptOutcome::Unknown,
        AttemptOutcome::Ended => v1::AttemptOutcome::Ended,
        AttemptOutcome::Skipped => v1::AttemptOutcome::Skipped,
    }
}

/// The operation of a request; `None`: to be derived.
pub(super) fn read_operation(number: i32, found: &mut Violations) -> Option<Operation> {
    if number == v1::Operation::Unspecified as i32 {
        return None;
    }
    let named = Operation::ALL
        .into_iter()
        .find(|known| operation(*known) as i32 == number);
    if named.is_none() {
        found.field("operation", format!("{number} is no operation"));
    }
    named
}

/// The role of an input.
pub(super) fn read_role(field: &str, number: i32, found: &mut Violations) -> Role {
    let named = Role::ALL
        .into_iter()
        .find(|known| role(*known) as i32 == number);
    if named.is_none() {
        found.field(format!("{field}.role"), format!("{number} is no role"));
    }
    named.unwrap_or_default()
}

/// The status of a filter.
pub(super) fn read_status(field: &str, number: i32, found: &mut Violations) -> Option<Status> {
    let named = Status::ALL
        .into_iter()
        .find(|known| status(*known) as i32 == number);
    if named.is_none() {
        found.field(field, format!("{number} is no status that a task can have"));
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every number that the contract has for an enum, and one on each side.
    fn numbers(is_known: impl Fn(i32) -> bool) -> Vec<i32> {
        let known: Vec<i32> = (0..100).filter(|number| is_known(*number)).collect();
        assert!(known.len() > 4);
        known
    }

    #[test]
    fn every_operation_of_the_contract_is_one_of_ours_and_back() {
        let mut found = Violations::default();
        for number in numbers(|number| v1::Operation::try_from(number).is_ok()) {
            let ours = read_operation(number, &mut found);
            let back = ours.map_or(v1::Operation::Unspecified, operation);
            assert_eq!(back as i32, number);
            let (name, ours) = (
                back.as_str_name(),
                ours.map_or("unspecified", Operation::as_str),
            );
            assert_eq!(name, format!("OPERATION_{}", ours.to_uppercase()));
        }
        for ours in Operation::ALL {
            assert_eq!(
                read_operation(operation(ours) as i32, &mut found),
                Some(ours)
            );
        }
        assert!(found.is_empty());
    }

    #[test]
    fn every_role_of_the_contract_is_one_of_ours() {
        for number in numbers(|number| v1::Role::try_from(number).is_ok()) {
            let mut found = Violations::default();
            let ours = read_role("i", number, &mut found);
            assert!(found.is_empty(), "{number}");
            assert_eq!(role(ours) as i32, number);
            let name = format!("ROLE_{}", ours.as_str().to_uppercase());
            assert_eq!(role(ours).as_str_name(), name);
        }
        for ours in Role::ALL {
            let mut found = Violations::default();
            assert_eq!(read_role("i", role(ours) as i32, &mut found), ours);
            assert!(found.is_empty());
        }
    }

    #[test]
    fn every_status_of_the_contract_but_unspecified_is_one_of_ours() {
        for number in numbers(|number| v1::TaskStatus::try_from(number).is_ok()) {
            let mut found = Violations::default();
            let ours = read_status("s", number, &mut found);
            assert_eq!(ours.is_none(), number == 0);
            let name = ours.map(|ours| format!("TASK_STATUS_{}", ours.as_str()));
            assert!(
                name.is_none_or(
                    |name| v1::TaskStatus::from_str_name(&name).unwrap() as i32 == number
                )
            );
        }
    }

    #[test]
    fn outcomes_keep_their_names() {
        for outcome in AttemptOutcome::ALL {
            let name = format!("ATTEMPT_OUTCOME_{}", outcome.as_str());
            assert_eq!(attempt_outcome(outcome).as_str_name(), name);
        }
    }

    #[test]
    fn unknown_numbers_are_refused() {
        for number in [-1, 99, i32::MIN, i32::MAX] {
            let mut found = Violations::default();
            assert_eq!(read_operation(number, &mut found), None);
            assert!(!std::mem::take(&mut found).is_empty());
            read_role("i", number, &mut found);
            assert!(!std::mem::take(&mut found).is_empty());
            assert_eq!(read_status("s", number, &mut found), None);
            assert!(!found.is_empty());
        }
    }
}
