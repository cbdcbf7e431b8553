//! The flags that describe a generation, and the request they make.
//!
//! What a model accepts is the server's to say; here only the shape of the flags is checked.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde_json::Value as Json;

use super::failure::{Exit, Failure};
use super::input_flag::{InputFlag, parse_input};
use super::inputs::{LocalInput, Planned};
use super::media;
use super::models::parse_operation;
use crate::config::quantity::parse_duration;
use crate::pb::v1::{CreateRequest, Operation, Role};

/// A generation, as flags.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Request")]
pub struct RequestArgs {
    /// What shall be made, in words
    #[arg(value_name = "PROMPT", default_value = "", hide_default_value = true)]
    pub prompt: String,
    /// The model, as `gen4.5` or `runwayml/gen4_turbo` [default: the server's]
    #[arg(long, short, value_name = "NAME")]
    pub model: Option<String>,
    /// Width and height, as 1280x720, or a name that the model knows
    #[arg(long, value_name = "SIZE")]
    pub size: Option<String>,
    /// Length in whole seconds; a fraction or `auto` goes in --option duration=2.5
    #[arg(long, value_name = "N", value_parser = parse_seconds, allow_negative_numbers = true)]
    pub seconds: Option<u32>,
    /// An image to begin with: a file, an https URL or the id of an upload; may be repeated
    #[arg(long, value_name = "FILE_OR_URL")]
    pub image: Vec<String>,
    /// A video to begin with: a file, an https URL or the id of an upload; may be repeated
    #[arg(long, value_name = "FILE_OR_URL")]
    pub video: Vec<String>,
    /// Sound to begin with: a file, an https URL or the id of an upload; may be repeated. Given true
    /// or false, the same as --sound
    #[arg(long, value_name = "FILE_OR_URL")]
    pub audio: Vec<String>,
    /// Another input in a role of its own, as last_frame=end.png, keyframe=lake.png,at=2.5s (or
    /// at=50%) or reference=cat.png,tag=cat,subject=object; may be repeated. Roles: first_frame,
    /// last_frame, reference, source_video, source_audio, source_image, reference_video,
    /// reference_audio, character, performance, keyframe, mask, voice
    #[arg(long, value_name = "ROLE=FILE_OR_URL[,OPTION=…]", value_parser = parse_input)]
    pub input: Vec<InputFlag>,
    /// Makes the same again where the model is able to
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub seed: Option<u64>,
    /// How many outputs, where the model offers it
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub count: Option<u32>,
    /// With or without sound, where the model offers the choice
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub sound: Option<bool>,
    /// What shall not be in it, where the model offers that
    #[arg(long, value_name = "TEXT")]
    pub negative_prompt: Option<String>,
    /// What is made from what, as `video_to_video`, where the inputs leave a choice; a wrong name is
    /// answered with all of them
    #[arg(long, value_name = "NAME", value_parser = parse_operation)]
    pub operation: Option<Operation>,
    /// A field of the provider's own, as outputFormat=prores or contentModeration='{"…":"…"}'; may
    /// be repeated
    #[arg(long = "option", short = 'o', value_name = "KEY=VALUE", value_parser = parse_option)]
    pub options: Vec<(String, String)>,
    /// A label to find the task by; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub labels: Vec<(String, String)>,
    /// Names this request: the same id again gives the same task and never pays twice
    /// [default: a fresh one]
    #[arg(long, value_name = "ID")]
    pub request_id: Option<String>,
    /// Who is told when the task ends: an https URL, called with a signed POST [default: whom the server
    /// has for the key, if anybody]
    #[arg(long, value_name = "URL")]
    pub webhook: Option<String>,
    /// How long the provider may take, as 30m [default: the server's]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
}

impl RequestArgs {
    /// The request; reads local files, and leaves those to be uploaded that it cannot hold.
    pub fn to_request(&self) -> Result<Planned, Failure> {
        let mut inputs = Vec::new();
        for (kind, places) in [
            ("image", &self.image),
            ("video", &self.video),
            ("audio", &self.audio),
        ] {
            for place in places
                .iter()
                .filter(|place| kind != "audio" || !is_flag(place))
            {
                inputs.push(LocalInput::of(place, Role::Unspecified, Some(kind))?);
            }
        }
        for input in &self.input {
            let mut local = LocalInput::of(&input.source, input.role, None)?;
            input.apply(local.reference());
            inputs.push(local);
        }
        let request = self.without_inputs()?;
        Planned::new(request, inputs)
    }

    /// What `--sound` says, or else `--audio` with a value of its.
    fn wants_sound(&self) -> Option<bool> {
        let flag = self.audio.iter().rfind(|place| is_flag(place));
        self.sound.or(flag.map(|flag| flag == "true"))
    }

    fn without_inputs(&self) -> Result<CreateRequest, Failure> {
        Ok(CreateRequest {
            request_id: self.request_id.clone().unwrap_or_else(fresh_request_id),
            model: self.model.clone().unwrap_or_default(),
            prompt: self.prompt.clone(),
            seconds: self.seconds,
            size: self.size.clone().unwrap_or_default(),
            count: self.count,
            seed: self.seed,
            audio: self.wants_sound(),
            negative_prompt: self.negative_prompt.clone().unwrap_or_default(),
            operation: self.operation.unwrap_or_default().into(),
            provider_options: to_options(&self.options)?,
            labels: to_labels(&self.labels)?,
            timeout: self
                .timeout
                .map(prost_types::Duration::try_from)
                .transpose()
                .context("--timeout")?,
            webhook_url: self.webhook.clone().unwrap_or_default(),
            ..CreateRequest::default()
        })
    }
}

/// Whether `--audio` was given a switch and no file.
fn is_flag(place: &str) -> bool {
    matches!(place, "true" | "false")
}

/// Splits `key=value` at the first `=`.
pub fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err(format!("`{text}` is not of the form KEY=VALUE")),
    }
}

/// A pair, where a file's name is understood as what it is.
fn parse_option(text: &str) -> Result<(String, String), String> {
    parse_pair(text)
        .map_err(|problem| format!("{problem}; the file to write is named with -O or --output"))
}

fn parse_seconds(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| {
        if text == "auto" || text.parse::<f64>().is_ok_and(|number| number > 0.0) {
            format!("takes whole seconds; where the model can, write --option duration={text}")
        } else {
            "takes a number of whole seconds".into()
        }
    })
}

fn usage(flag: &'static str) -> impl Fn(String) -> Failure {
    move |problem| Failure::new(Exit::Usage, format!("{flag}: {problem}"))
}

fn fresh_request_id() -> String {
    format!("cli-{:032x}", rand::random::<u128>())
}

/// Labels by their keys, each of which may be given once.
pub fn to_labels(pairs: &[(String, String)]) -> Result<HashMap<String, String>, Failure> {
    let mut labels = HashMap::new();
    for (key, value) in pairs {
        if labels.insert(key.clone(), value.clone()).is_some() {
            let told = format!("`{key}` is given twice, and a task has one value of it");
            return Err(usage("--label")(told));
        }
    }
    Ok(labels)
}

fn to_options(pairs: &[(String, String)]) -> Result<Option<prost_types::Struct>, Failure> {
    let mut fields = std::collections::BTreeMap::new();
    for (key, text) in pairs {
        let value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(problem) if text.trim_start().starts_with(['{', '[']) => {
                let told = format!("{key}: looks like JSON, but is none: {problem}");
                return Err(usage("--option")(told));
            }
            Err(_) => Json::String(text.clone()),
        };
        if fields.insert(key.clone(), to_proto(value)).is_some() {
            return Err(usage("--option")(format!("`{key}` is given twice")));
        }
    }
    Ok((!fields.is_empty()).then_some(prost_types::Struct { fields }))
}

fn to_proto(value: Json) -> prost_types::Value {
    use prost_types::value::Kind;
    let kind = match value {
        Json::Null => Kind::NullValue(0),
        Json::Bool(flag) => Kind::BoolValue(flag),
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::MAX)),
        Json::String(text) => Kind::StringValue(text),
        Json::Array(items) => {
            let values = items.into_iter().map(to_proto).collect();
            Kind::ListValue(prost_types::ListValue { values })
        }
        Json::Object(entries) => {
            let fields = entries
                .into_iter()
                .map(|(key, value)| (key, to_proto(value)))
                .collect();
            Kind::StructValue(prost_types::Struct { fields })
        }
    };
    prost_types::Value { kind: Some(kind) }
}

/// A file that cannot be written is told before anything is paid for.
pub fn check_output(output: Option<&Path>) -> Result<(), Failure> {
    let Some(output) = output else { return Ok(()) };
    let folder = match output.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let problem = if output.is_dir() {
        "is a folder; name a file"
    } else if folder.is_dir() {
        return Ok(());
    } else {
        "lies in no folder that exists"
    };
    let text = format!("--output: {} {problem}", output.display());
    Err(Failure::new(Exit::Usage, text))
}

/// Where an output goes and what it is called; shared by `generate` and `download`.
pub fn output_path(given: Option<&Path>, task_id: &str, index: u32, content_type: &str) -> PathBuf {
    let extension = media::extension(content_type);
    match given {
        Some(path) => path.to_owned(),
        None if index == 0 => PathBuf::from(format!("{task_id}.{extension}")),
        None => PathBuf::from(format!("{task_id}-{index}.{extension}")),
    }
}

/// The name of one of several outputs after the name that was given: `lake.png`, `lake-1.png`.
pub fn numbered(given: &Path, place: usize) -> PathBuf {
    let (Some(stem), true) = (given.file_stem(), place > 0) else {
        return given.to_owned();
    };
    let mut name = stem.to_owned();
    name.push(format!("-{place}"));
    if let Some(ending) = given.extension() {
        name.push(".");
        name.push(ending);
    }
    given.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use prost_types::value::Kind;

    use super::*;
    use crate::pb::v1::input_reference::Source;

    #[test]
    fn options_are_json_where_they_can_be_and_text_otherwise() {
        let pairs = [
            ("a", "1.5"),
            ("b", "true"),
            ("c", "hello"),
            ("d", r#"{"x":[null,"y"]}"#),
            ("e", "\"7\""),
        ];
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let options = to_options(&pairs).unwrap().unwrap().fields;
        assert_eq!(options["a"].kind, Some(Kind::NumberValue(1.5)));
        assert_eq!(options["b"].kind, Some(Kind::BoolValue(true)));
        assert_eq!(options["c"].kind, Some(Kind::StringValue("hello".into())));
        assert!(matches!(options["d"].kind, Some(Kind::StructValue(_))));
        assert_eq!(options["e"].kind, Some(Kind::StringValue("7".into())));
        assert_eq!(to_options(&[]).unwrap(), None);
        let twice = [
            ("a".to_owned(), "1".to_owned()),
            ("a".to_owned(), "2".to_owned()),
        ];
        assert_eq!(to_options(&twice).unwrap_err().exit, Exit::Usage);
        for broken in ["{\"a\":1", "[1,", "{a}"] {
            let pairs = [("key".to_owned(), broken.to_owned())];
            let told = to_options(&pairs).unwrap_err().message;
            assert!(told.contains("key: looks like JSON, but"), "{told}");
        }
        assert!(parse_option("lake.mp4").unwrap_err().contains("--output"));
    }

    #[test]
    fn seconds_are_whole_and_a_fraction_is_shown_its_place() {
        assert_eq!(parse_seconds("5"), Ok(5));
        for text in ["2.5", "5.0", "auto"] {
            let said = parse_seconds(text).unwrap_err();
            assert!(
                said.contains(&format!("--option duration={text}")),
                "{said}"
            );
        }
        for text in ["-1", "five", "", "NaN"] {
            assert!(
                !parse_seconds(text).unwrap_err().contains("option"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_pair_is_split_at_its_first_equals_sign() {
        assert_eq!(parse_pair("k=a=b"), Ok(("k".into(), "a=b".into())));
        assert_eq!(parse_pair("k="), Ok(("k".into(), String::new())));
        assert!(parse_pair("k").is_err() && parse_pair("=v").is_err());
    }

    #[test]
    fn a_request_always_has_an_id_and_no_two_the_same() {
        let args = RequestArgs::default();
        let (one, other) = (args.to_request().unwrap(), args.to_request().unwrap());
        let (one, other) = (&one.request().request_id, &other.request().request_id);
        assert!(one.len() <= 128 && one != other);
    }

    #[test]
    fn inputs_come_in_the_order_of_their_flags_and_a_switch_is_none() {
        let args = RequestArgs {
            image: vec!["https://x.example/a".into()],
            video: vec!["https://x.example/b".into()],
            audio: vec!["true".into(), "https://x.example/c".into()],
            input: vec![parse_input("last-frame=https://x.example/d").unwrap()],
            ..RequestArgs::default()
        };
        let planned = args.to_request().unwrap();
        let inputs = &planned.request().input_references;
        let urls: Vec<_> = inputs
            .iter()
            .map(|input| match &input.source {
                Some(Source::Url(url)) => url.as_str(),
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = ["a", "b", "c", "d"].map(|end| format!("https://x.example/{end}"));
        assert_eq!(urls, expected);
        assert_eq!(inputs[3].role(), Role::LastFrame);
        assert_eq!(planned.request().audio, Some(true));
    }

    #[test]
    fn of_several_outputs_the_further_ones_are_numbered() {
        for (given, place, name) in [
            ("out/multi.png", 0, "out/multi.png"),
            ("out/multi.png", 1, "out/multi-1.png"),
            ("a.b.png", 12, "a.b-12.png"),
            ("multi", 2, "multi-2"),
        ] {
            assert_eq!(numbered(Path::new(given), place), Path::new(name));
        }
    }

    #[test]
    fn an_output_is_called_after_its_task_unless_it_is_given_a_name() {
        assert_eq!(
            output_path(None, "task_1", 0, "video/mp4"),
            Path::new("task_1.mp4")
        );
        assert_eq!(
            output_path(None, "task_1", 2, "image/png"),
            Path::new("task_1-2.png")
        );
        assert_eq!(
            output_path(Some(Path::new("x.y")), "task_1", 2, "image/png"),
            Path::new("x.y")
        );
    }
}
