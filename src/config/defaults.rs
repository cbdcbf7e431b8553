//! `defaults` and `log`: what holds when a caller, or the operator, does not say.

use std::time::Duration;

use super::section::Section;
use super::tree::{Node, Value};
use super::{DAY, DEFAULTS, MINUTE};
use crate::domain::generation::Operation;
use crate::domain::model::{Catalog, canonical, dimensions};
use crate::domain::routing::Routes;

/// What a Create gets that does not say.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// The model when no image is given, by any name that a caller could write.
    pub video_model: String,
    /// The model when an image is given.
    pub image_to_video_model: String,
    /// The model of a call for images over HTTP that names none.
    pub image_model: String,
    /// The size of a video where a model takes one, in the catalogue's spelling; `None`: the
    /// catalogue's, where a model needs one.
    pub video_size: Option<String>,
    /// The same for images.
    pub image_size: Option<String>,
    /// How long a task may take at the provider.
    pub task_timeout: Duration,
}

/// What is logged, and how it looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// A level, or directives of tracing's filter.
    pub filter: String,
    /// How lines look.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Defaults {
    pub(super) fn read(section: &Section<'_>) -> Self {
        Self {
            video_model: section.text("video_model"),
            image_to_video_model: section.text("image_to_video_model"),
            image_model: section.text("image_model"),
            video_size: section.parsed("video_size", size),
            image_size: section.parsed("image_size", size),
            task_timeout: section.duration("task_timeout", MINUTE..=2 * DAY),
        }
    }
}

/// Holds the default models against what there is: each must be a name that a caller could write, and
/// make what it is the default of. The built-in ones are held against the catalogue alone: that a
/// group hides one, or that nobody serves it, is no mistake.
pub(super) fn check_models(root: &Section<'_>, routes: &Routes, catalog: &Catalog) {
    // Without a catalogue nothing can be said; why there is none was told.
    if root.is_given_up() || *catalog == Catalog::default() {
        return;
    }
    root.within("defaults", |section| {
        section.leave_the_rest();
        for (key, does) in MODELS {
            section.required(key, |name| {
                let is_built_in = section.is_default(key) || is_built_in(key, name);
                let routes = (!is_built_in).then_some(routes);
                let checked = check_model(name, does, routes, catalog);
                // Who hides it may want no images at all.
                if let (true, Operation::TextToImage, Err(problem)) = (is_built_in, does, &checked)
                {
                    section.warn(key, problem);
                    return Ok(());
                }
                checked
            });
        }
    });
}

/// Whether it is the default itself, as it stands in what `config show` writes.
fn is_built_in(key: &str, name: &str) -> bool {
    let defaults = Node::parse("default.yaml", DEFAULTS);
    defaults.is_ok_and(|defaults| {
        let path = ["defaults", key].map(str::to_owned);
        matches!(&defaults.along(&path).0.value, Value::Text(text, _) if text == name)
    })
}

fn check_model(
    name: &str,
    does: Operation,
    routes: Option<&Routes>,
    catalog: &Catalog,
) -> Result<(), String> {
    let meant = routes.map_or_else(
        || vec![name.to_owned()],
        |routes| routes.meanings(name, catalog),
    );
    let resolved: Result<Vec<_>, _> = meant.iter().map(|name| catalog.resolve(name)).collect();
    let models = resolved.map_err(|unknown| match &unknown.nearest[..] {
        [] => format!("`{name}` is no model of the catalogue, or a hidden one"),
        near => format!(
            "`{name}` is no model of the catalogue, or a hidden one; near it are {}",
            near.join(", ")
        ),
    })?;
    if models.iter().all(|model| !model.offer.contains_key(&does)) {
        return Err(format!("`{name}` does not do {does}"));
    }
    // Without any account there are problems enough.
    let routes = routes.filter(|routes| !routes.open.is_empty() || !routes.groups.is_empty());
    if routes.is_some_and(|routes| routes.group(name, catalog).is_none()) {
        return Err(format!("nobody serves `{name}`"));
    }
    Ok(())
}

/// A size in pixels, in the catalogue's spelling.
pub(super) fn size(text: &str) -> Result<String, String> {
    let size = canonical(text);
    if dimensions(&size).is_some() {
        Ok(size)
    } else {
        Err(format!("`{text}` is no size; write it as 1280x720"))
    }
}

/// The keys that name models, and what each must be able to do.
const MODELS: [(&str, Operation); 3] = [
    ("video_model", Operation::TextToVideo),
    ("image_to_video_model", Operation::ImageToVideo),
    ("image_model", Operation::TextToImage),
];

impl Log {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let filter = section.text("filter");
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&filter) {
            section.wrong("filter", &format!("is no filter: {error}"));
        }
        let names = [("text", LogFormat::Text), ("json", LogFormat::Json)];
        Self {
            filter,
            format: section.choice("format", &names, LogFormat::Text),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use crate::config::{Config, Environment, Problems};
    use crate::domain::generation::{Draft, DraftInput, DraftSource, Generation, Limits, Role};
    use crate::domain::value::Value;

    fn load(text: &str) -> Result<Config, Problems> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let env: Environment = [("MEDIAGEN_SANDBOX", "true")].into_iter().collect();
        Config::load(Some(file.path()), &env, &[])
    }

    #[test]
    fn a_default_model_is_any_name_that_a_caller_could_write() {
        let lake = "model_list: [{model_name: lake, litellm_params: {model: runwayml/gen4.5}}]";
        let picture = "model_list: [{model_name: picture, model: openai/gpt-image-1}]";
        let turbo = "model_list: [{model_name: gen4.5, model: runwayml/gen4_turbo}]";
        for text in [
            format!("{lake}\ndefaults: {{video_model: lake, image_to_video_model: lake}}"),
            format!("{lake}\nrouting: {{aliases: {{a: lake}}}}\ndefaults: {{video_model: a}}"),
            format!(
                "{lake}\nrouter_settings: {{model_group_alias: {{a: veo3.1}}}}\n\
                 defaults: {{video_model: a}}"
            ),
            format!("{picture}\ndefaults: {{image_model: picture}}"),
            "models: {fast: {alias: veo3.1}}\ndefaults: {video_model: fast}".to_owned(),
            "defaults: {video_model: runwayml/veo3.1, image_model: runwayml/gen9}".to_owned(),
            // A built-in one is not told, though a group hides it or nobody serves it.
            format!("{turbo}\ndefaults: {{video_model: gen4.5}}"),
            turbo.to_owned(),
            format!("{lake}\nrouting: {{serve_catalog: false}}"),
        ] {
            if let Err(told) = load(&text) {
                panic!("{text}\n{told}");
            }
        }
        for (text, expected) in [
            (
                "defaults: {image_model: nope}",
                ":1: defaults.image_model: `nope` is no model of the catalogue, or a hidden one",
            ),
            (
                "log:\ndefaults:\n  image_model: gen4.5",
                ":3: defaults.image_model: `gen4.5` does not do text_to_image",
            ),
            (
                &format!("{turbo}\ndefaults: {{video_model: runwayml/gen4_turbo}}"),
                ":2: defaults.video_model: `runwayml/gen4_turbo` does not do text_to_video",
            ),
            (
                "model_list: [{model_name: lake, model: gen4_turbo}]\ndefaults: {video_model: lake}",
                ":2: defaults.video_model: `lake` does not do text_to_video",
            ),
            (
                &format!("{lake}\ndefaults: {{video_model: laek}}"),
                ":2: defaults.video_model: `laek` is no model of the catalogue, or a hidden one; \
                 near it are lake",
            ),
            (
                &format!(
                    "{lake}\nrouting: {{serve_catalog: false}}\ndefaults: {{image_model: muse_image}}"
                ),
                ":3: defaults.image_model: nobody serves `muse_image`",
            ),
        ] {
            let told = load(text).expect_err(text).to_string();
            assert!(told.contains(expected), "{text}\n{told}");
        }
        let warned = load("models: {gen4_image: hidden}").unwrap().warnings;
        assert!(
            warned[0].starts_with("defaults.image_model: `gen4_image` is no model"),
            "{warned:?}"
        );
    }

    fn asked(model: &str) -> Draft {
        Draft {
            model: model.to_owned(),
            prompt: "a lake".to_owned(),
            ..Draft::default()
        }
    }

    fn given(model: &str, address: &str, role: Role) -> Draft {
        let input = DraftInput {
            source: DraftSource::Url(address.to_owned()),
            role,
            ..DraftInput::default()
        };
        Draft {
            inputs: vec![input],
            ..asked(model)
        }
    }

    fn sized(draft: &Draft, config: &Config) -> Option<String> {
        let generation = Generation::new(draft, &config.catalog, &Limits::default());
        generation
            .unwrap_or_else(|wrong| panic!("{draft:?}: {wrong:?}"))
            .size
    }

    #[test]
    fn a_default_size_that_is_set_goes_to_every_model_that_can_take_it() {
        let unset = load("").unwrap();
        let set = load("defaults: {video_size: 720x1280, image_size: 1024x1536}").unwrap();
        let square = load("defaults: {video_size: 960x960}").unwrap();
        for (model, before, after, even) in [
            ("gen4.5", Some("1280:720"), Some("720:1280"), None),
            ("seedance2", None, Some("720:1280"), Some("960:960")),
            ("wan3", None, Some("720:1280"), Some("960:960")),
            ("kling2.5_turbo_pro", None, Some("720:1280"), None),
            ("hailuo3", None, Some("9:16"), Some("1:1")),
            ("grok_imagine_1_5", None, Some("9:16"), Some("1:1")),
            ("h3_max", None, None, None),
            ("openai/sora-2", Some("1280:720"), Some("720:1280"), None),
            ("gen4_image", Some("1920:1080"), Some("1080:1440"), None),
            ("openai/gpt-image-2", None, Some("1024:1536"), None),
        ] {
            let draft = asked(model);
            assert_eq!(sized(&draft, &unset).as_deref(), before, "{model}");
            assert_eq!(sized(&draft, &set).as_deref(), after, "{model}");
            if even.is_some() {
                assert_eq!(sized(&draft, &square).as_deref(), even, "{model}");
            }
        }
    }

    #[test]
    fn a_default_size_leaves_no_other_model_out() {
        let set = load("defaults: {video_size: 720x1280}").unwrap();
        let made = Generation::new(&asked("seedance2"), &set.catalog, &Limits::default());
        let made = made.unwrap();
        for (model, size) in [
            ("gen4.5", Some("720:1280")),
            ("h3_max", None),
            ("hailuo3", Some("9:16")),
        ] {
            let there = made.for_model(model, &set.catalog).unwrap();
            assert_eq!(there.generation.size.as_deref(), size, "{model}");
        }
        let said = Draft {
            size: "960x960".to_owned(),
            ..asked("seedance2")
        };
        let said = Generation::new(&said, &set.catalog, &Limits::default()).unwrap();
        assert!(said.for_model("h3_max", &set.catalog).is_err());
    }

    #[test]
    fn a_default_size_gives_way_to_what_is_asked_for_and_to_what_would_refuse_it() {
        let set = load("defaults: {video_size: 720x1280}").unwrap();
        let (image, video) = ("https://a.example/a.jpg", "https://a.example/a.mp4");
        let with = |model: &str, name: &str, value: &str| Draft {
            options: [(name.to_owned(), Value::String(value.to_owned()))].into(),
            ..asked(model)
        };
        let tomorrows = Draft {
            operation: Some(crate::domain::generation::Operation::TextToVideo),
            ..asked("runwayml/gen9")
        };
        for (draft, size) in [
            (with("seedance2", "ratio", "960:960"), Some("960:960")),
            (with("hailuo3", "resolution", "2k"), Some("2k")),
            (
                given("seedance2", image, Role::FirstFrame),
                Some("720:1280"),
            ),
            // Frames have the shape of the video.
            (given("wan3", image, Role::FirstFrame), None),
            (given("aleph2", video, Role::SourceVideo), None),
            (tomorrows, None),
        ] {
            assert_eq!(sized(&draft, &set).as_deref(), size, "{draft:?}");
        }
    }
}
