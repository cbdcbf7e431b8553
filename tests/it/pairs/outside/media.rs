//! Steps outside with the media of a request.

use mediagen::pb::v1::keyframe::Position;
use mediagen::pb::v1::{InputReference, Keyframe, Role};
use serde_json::{Value as Json, json};

use super::super::catalogue::{most_media, places};
use super::super::requests::{input, least};
use super::{Outside, Steps};

impl Steps<'_> {
    pub(super) fn media(&mut self, name: &str, field: &Json, role: Role) {
        let here = places(name, field);
        if field["required"] == true {
            self.add("no input", "input_references", |w| {
                w.request
                    .input_references
                    .retain(|input| !here.contains(&input.role()));
            });
        }
        self.add(
            "given as an option",
            &format!("provider_options.{name}"),
            |wanted| {
                wanted
                    .options
                    .insert(name.into(), json!("https://example.com/a"));
            },
        );
        let limit = match name {
            "promptImage" if here.contains(&Role::Reference) => None,
            "promptImage" => Some(here.len()),
            _ => most_media(field).filter(|limit| *limit < 60),
        };
        if let Some(limit) = limit {
            let mut wanted = least(self.pair);
            let inputs = &mut wanted.request.input_references;
            inputs.retain(|input| !here.contains(&input.role()));
            inputs.extend((0..=limit).map(|_| input(role)));
            let last = inputs.len() - 1;
            self.found.push(Outside {
                what: format!("{} of {limit} for {name}", limit + 1),
                field: format!("input_references[{last}].role"),
                wanted,
            });
        }
        self.medium(role, &here);
        if name == "promptImage" {
            self.frames(&here);
        }
    }

    /// One medium that is not as it should be.
    fn medium(&mut self, role: Role, here: &[Role]) {
        let mut broken = |what: &str, end: &str, change: &dyn Fn(&mut InputReference)| {
            let mut wanted = least(self.pair);
            let inputs = &mut wanted.request.input_references;
            inputs.retain(|input| !here.contains(&input.role()));
            let mut odd = input(role);
            change(&mut odd);
            inputs.push(odd);
            self.found.push(Outside {
                what: what.into(),
                field: format!("input_references[{}]{end}", inputs.len() - 1),
                wanted,
            });
        };
        let kind = if matches!(role, Role::SourceImage) {
            "audio/mpeg"
        } else {
            "text/html"
        };
        broken("a wrong type", ".content_type", &|input| {
            input.content_type = kind.into();
        });
        broken("no source", "", &|input| input.source = None);
        broken("a short tag", ".tag", &|input| input.tag = "ab".into());
        broken("a long tag", ".tag", &|input| input.tag = "a".repeat(17));
        broken("a subject of nobody", ".subject", &|input| {
            input.subject = "teapot".into();
        });
        if role == Role::Keyframe {
            broken("no moment", ".keyframe", &|input| input.keyframe = None);
            let late = Position::Time(prost_types::Duration {
                seconds: 30,
                nanos: 1_000_000,
            });
            for position in [late, Position::Fraction(1.01), Position::Fraction(-0.01)] {
                broken("a moment outside", ".keyframe", &|input| {
                    input.keyframe = Some(Keyframe {
                        position: Some(position),
                        ..Keyframe::default()
                    });
                });
            }
            broken("an empty range", ".keyframe.range_end_seconds", &|input| {
                let keyframe = input.keyframe.as_mut().unwrap();
                (keyframe.range_start_seconds, keyframe.range_end_seconds) = (Some(3), Some(3));
            });
        } else {
            broken("a moment", ".keyframe", &|input| {
                input.keyframe = Some(Keyframe::default());
            });
        }
    }

    fn frames(&mut self, here: &[Role]) {
        let mut given = |what: &str, roles: &[Role], index: usize| {
            let mut wanted = least(self.pair);
            let inputs = &mut wanted.request.input_references;
            inputs.retain(|input| !here.contains(&input.role()));
            let before = inputs.len();
            inputs.extend(roles.iter().map(|role| input(*role)));
            self.found.push(Outside {
                what: what.into(),
                field: format!("input_references[{}].role", before + index),
                wanted,
            });
        };
        let (first, last) = (Role::FirstFrame, Role::LastFrame);
        given("two first frames", &[first, first], 1);
        if here.contains(&last) {
            given("two last frames", &[first, last, last], 2);
        } else {
            given("a last frame", &[last], 0);
        }
        if self.pair.member("_last_alone") == Some(&json!(false)) {
            given("a last frame alone", &[last], 0);
        }
        if here.contains(&Role::Reference) && self.pair.member("references").is_none() {
            given("frames and references", &[first, Role::Reference], 1);
        }
    }
}
