//! The value of `--input`: a role, a source, and what else is to be said about the input.

use std::time::Duration;

use super::json::bare;
use crate::config::quantity::parse_duration;
use crate::pb::v1::keyframe::Position;
use crate::pb::v1::{InputReference, Keyframe, Role};

/// An input in a role of its own, as the command line has it.
#[derive(Clone, Debug, PartialEq)]
pub struct InputFlag {
    /// What it is for.
    pub role: Role,
    /// A file, a URL or an upload's id.
    pub source: String,
    at: Option<Position>,
    tag: String,
    subject: String,
}

impl InputFlag {
    /// Puts what was said about the input on it.
    pub fn apply(&self, reference: &mut InputReference) {
        reference.tag.clone_from(&self.tag);
        reference.subject.clone_from(&self.subject);
        reference.keyframe = self.at.map(|position| Keyframe {
            position: Some(position),
            ..Keyframe::default()
        });
    }
}

/// Parses `ROLE=SOURCE[,at=TIME][,tag=NAME][,subject=NAME]`. Only known options are split off the
/// end, because a file's name and a URL may hold commas.
pub fn parse_input(text: &str) -> Result<InputFlag, String> {
    let form = || format!("`{text}` is not of the form ROLE=FILE_OR_URL");
    let (role, source) = text.split_once('=').ok_or_else(form)?;
    let mut input = InputFlag {
        role: parse_role(role)?,
        source: String::new(),
        at: None,
        tag: String::new(),
        subject: String::new(),
    };
    let mut rest = source;
    let mut seen = Vec::new();
    while let Some((source, name, value)) = last_option(rest) {
        if seen.contains(&name) {
            return Err(format!("`{name}` is given twice"));
        }
        if value.is_empty() {
            return Err(format!("`{name}` lacks its value"));
        }
        match name {
            AT => input.at = Some(parse_position(value)?),
            TAG => value.clone_into(&mut input.tag),
            _ => value.clone_into(&mut input.subject),
        }
        seen.push(name);
        rest = source;
    }
    if rest.is_empty() {
        return Err(form());
    }
    rest.clone_into(&mut input.source);
    Ok(input)
}

/// What stands before the last comma, and the option after it; `None` when that is none.
fn last_option(text: &str) -> Option<(&str, &'static str, &str)> {
    let (source, option) = text.rsplit_once(',')?;
    let (name, value) = option.split_once('=')?;
    let known = [AT, TAG, SUBJECT]
        .into_iter()
        .find(|known| *known == name)?;
    Some((source, known, value))
}

/// Parses a role in small letters.
fn parse_role(text: &str) -> Result<Role, String> {
    let name = format!("ROLE_{}", text.to_uppercase().replace('-', "_"));
    let known = Role::from_str_name(&name).filter(|known| *known != Role::Unspecified);
    known.ok_or_else(|| {
        let names = (1..).map_while(|number| Role::try_from(number).ok());
        let names = names.map(|role| bare(role.as_str_name(), "ROLE_").to_lowercase());
        let names = names.collect::<Vec<_>>().join(", ");
        format!("`{text}` is no role; the roles are: {names}")
    })
}

/// Parses `2.5s`, any other duration, or `50%`.
fn parse_position(text: &str) -> Result<Position, String> {
    let wrong = || format!("at: `{text}` is no moment; write it as 2.5s, 1500ms or 50%");
    let number = |digits: &str, most: f64| {
        let is_plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let number = digits.parse::<f64>().ok().filter(|_| is_plain);
        number.filter(|number| *number <= most).ok_or_else(wrong)
    };
    if let Some(percent) = text.strip_suffix('%') {
        return Ok(Position::Fraction(number(percent, 100.0)? / 100.0));
    }
    let time = if let Ok(time) = parse_duration(text) {
        time
    } else {
        let seconds = text.strip_suffix('s').ok_or_else(wrong)?;
        Duration::from_secs_f64(number(seconds, LATEST_SECOND)?)
    };
    let time = prost_types::Duration::try_from(time).map_err(|_| wrong())?;
    Ok(Position::Time(time))
}

const AT: &str = "at";
const TAG: &str = "tag";
const SUBJECT: &str = "subject";
/// Far later than any video ends; the server knows where this one does.
const LATEST_SECOND: f64 = 1e6;

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> (Role, String) {
        let input = parse_input(text).unwrap();
        (input.role, input.source)
    }

    #[test]
    fn an_input_is_a_role_and_a_source_that_may_hold_commas() {
        assert_eq!(
            source("last-frame=a=b.png"),
            (Role::LastFrame, "a=b.png".into())
        );
        let url = "https://x.example/a,b?at=1,c=2";
        assert_eq!(
            source(&format!("source_video={url}")),
            (Role::SourceVideo, url.into())
        );
        assert_eq!(
            source(&format!("reference={url},tag=cat,subject=object")),
            (Role::Reference, url.into())
        );
        for wrong in ["lake.png", "keyframe=", "keyframe=,at=1s", "=lake.png"] {
            assert!(parse_input(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_said_about_an_input_is_put_on_it() {
        let said = |text: &str| {
            let mut reference = InputReference::default();
            parse_input(text).unwrap().apply(&mut reference);
            reference
        };
        let cat = said("reference=cat.png,subject=object,tag=cat");
        assert_eq!((cat.tag.as_str(), cat.subject.as_str()), ("cat", "object"));
        assert_eq!(cat.keyframe, None);
        let position = |text: &str| said(text).keyframe.unwrap().position;
        let time = |seconds, nanos| Some(Position::Time(prost_types::Duration { seconds, nanos }));
        assert_eq!(position("keyframe=a,at=2.5s"), time(2, 500_000_000));
        assert_eq!(position("keyframe=a,at=1500ms"), time(1, 500_000_000));
        assert_eq!(position("keyframe=a,at=0s"), time(0, 0));
        assert_eq!(position("keyframe=a,at=50%"), Some(Position::Fraction(0.5)));
    }

    #[test]
    fn wrong_options_are_refused_by_name() {
        for (text, said) in [
            ("keyframe=a,at=soon", "2.5s"),
            ("keyframe=a,at=-1s", "2.5s"),
            ("keyframe=a,at=101%", "2.5s"),
            ("keyframe=a,at=NaN%", "2.5s"),
            ("keyframe=a,at=1e5s", "2.5s"),
            ("keyframe=a,at=1s,at=2s", "`at` is given twice"),
            ("reference=a,tag=", "`tag` lacks"),
            ("frame=a", "first_frame, last_frame"),
            ("frame=a", "mask, voice"),
            ("unspecified=a", "no role"),
        ] {
            let told = parse_input(text).unwrap_err();
            assert!(told.contains(said), "{text}: {told}");
        }
    }
}
