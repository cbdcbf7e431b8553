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
    /// The size of a video where a model needs one, in the catalogue's spelling; `None`: the catalogue's.
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
                check_model(name, does, routes, catalog)
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
            (
                "models: {gen4_image: hidden}",
                "defaults.image_model: `gen4_image` is no model of the catalogue, or a hidden one",
            ),
        ] {
            let told = load(text).expect_err(text).to_string();
            assert!(told.contains(expected), "{text}\n{told}");
        }
    }
}
