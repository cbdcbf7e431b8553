//! Prices against the documented rates, and what holds of every price.
//!
//! The expected figures are worked out by hand from the provider's documented rates, never from the
//! catalogue's data, which is what is under test.

mod assumptions;
mod images_and_sounds;
mod properties;
mod videos;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::*;
use crate::config::catalog;
use crate::domain::generation::{
    Draft, DraftInput, DraftSource, Limits, Measured, Operation, Role,
};
use crate::domain::model::Catalog;
use crate::domain::value::Value;

/// A request and the credits that the documented rates make of it; `None`: not known.
type Row = (Ask, Option<u64>);

fn check(rows: Vec<Row>) {
    for (ask, credits) in rows {
        assert_eq!(
            ask.estimate(),
            credits.map(Millicredits::from_credits),
            "{:?}",
            ask.0
        );
    }
}

fn embedded() -> &'static Catalog {
    static EMBEDDED: OnceLock<Catalog> = OnceLock::new();
    EMBEDDED.get_or_init(|| catalog::parse(catalog::EMBEDDED).unwrap())
}

/// A request in the making.
#[derive(Clone, Debug)]
struct Ask(Draft);

fn ask(operation: Operation, model: &str) -> Ask {
    let prompt = match operation {
        Operation::CharacterPerformance
        | Operation::VideoUpscale
        | Operation::VideoToHdr
        | Operation::ImageUpscale
        | Operation::SpeechToSpeech
        | Operation::VoiceIsolation
        | Operation::VoiceDubbing => "",
        _ => "a lake",
    };
    Ask(Draft {
        model: model.into(),
        operation: Some(operation),
        prompt: prompt.into(),
        ..Draft::default()
    })
}

impl Ask {
    fn prompt(mut self, prompt: String) -> Self {
        self.0.prompt = prompt;
        self
    }

    fn seconds(mut self, seconds: u32) -> Self {
        self.0.seconds = Some(seconds);
        self
    }

    fn size(mut self, size: &str) -> Self {
        self.0.size = size.into();
        self
    }

    fn count(mut self, count: u32) -> Self {
        self.0.count = Some(count);
        self
    }

    fn audio(mut self, audio: bool) -> Self {
        self.0.audio = Some(audio);
        self
    }

    fn option(mut self, name: &str, value: Value) -> Self {
        self.0.options.insert(name.into(), value);
        self
    }

    fn text(self, name: &str, text: &str) -> Self {
        self.option(name, Value::String(text.into()))
    }

    /// A stock voice, which the speaking models want.
    fn voice(self) -> Self {
        let field = |name: &str, text: &str| (name.to_owned(), Value::String(text.into()));
        let voice = [field("type", "runway-preset"), field("presetId", "Maya")];
        self.option("voice", Value::Object(BTreeMap::from(voice)))
    }

    /// An input at an address, of which nothing is known.
    fn input(self, role: Role) -> Self {
        self.measured(role, Measured::default())
    }

    /// An input of that length, in milliseconds.
    fn lasting(self, role: Role, ms: u64) -> Self {
        let measured = Measured {
            duration_ms: Some(ms),
            ..Measured::default()
        };
        self.measured(role, measured)
    }

    /// An input of that length and size.
    fn lasting_at(self, role: Role, ms: u64, (width, height): (u32, u32)) -> Self {
        let measured = Measured {
            duration_ms: Some(ms),
            width: Some(width),
            height: Some(height),
            frames: None,
        };
        self.measured(role, measured)
    }

    fn measured(mut self, role: Role, measured: Measured) -> Self {
        let number = self.0.inputs.len();
        let (ending, content_type) = match role {
            Role::SourceVideo | Role::ReferenceVideo | Role::Performance => ("mp4", "video/mp4"),
            Role::SourceAudio | Role::ReferenceAudio | Role::Voice => ("mp3", "audio/mpeg"),
            _ => ("jpg", "image/jpeg"),
        };
        self.0.inputs.push(DraftInput {
            source: DraftSource::Url(format!("https://example.com/{number}.{ending}")),
            content_type: content_type.into(),
            role,
            measured,
            ..DraftInput::default()
        });
        self
    }

    fn generation(&self) -> Generation {
        Generation::new(&self.0, embedded(), &Limits::default())
            .unwrap_or_else(|found| panic!("{:?}: {found:?}", self.0))
    }

    fn estimate(&self) -> Option<Millicredits> {
        let generation = self.generation();
        let spec = embedded().spec(&generation.model, generation.operation);
        estimate(&generation, spec.expect("is offered"))
    }
}
