//! `catalog` and `models`: the catalogue that a server works with, from a file and what the
//! operator adds to it, changes in it and hides of it.
//!
//! Rows are written as in the catalogue and read by the same parser. A problem in a row that the
//! configuration touches is told at the line of the configuration; any other at the catalogue.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;

use super::catalog::overlay::{Overlay, Patch};
use super::catalog::{self, CatalogError, CatalogErrors, EMBEDDED, ENDPOINT, MAX_MODELS, OPENAI};
use super::defaults::size;
use super::env::Environment;
use super::problem::{Problem, Problems, Report};
use super::section::{Section, nearest};
use super::tree::{Node, Value};
use crate::domain::generation::Operation;
use crate::domain::model::{Catalog, ProviderKind};

/// The catalogue with the configuration over it, for whoever wants to look at it.
pub struct Effective {
    /// What it means.
    pub catalog: Catalog,
    /// The file that would say the same of RunwayML's models, hidden rows left out.
    pub file: Json,
    /// The same for the models of `OpenAI`.
    pub joined: Json,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// The catalogue that a server with this configuration would work with; nothing else of the
/// configuration is looked at.
pub fn effective(file: Option<&Path>, env: &Environment) -> Result<Effective, Problems> {
    let report = Report::new(env);
    let (tree, _) = super::layers(file, env, &[])?;
    let effective = Section::root(&tree, &report, |root| {
        root.leave_the_rest();
        read(root)
    });
    report.finish(())?;
    effective.ok_or_else(|| Problems(Vec::new()))
}

/// The catalogue for a server, and what its operator should know; empty with a problem.
pub(super) fn load(root: &Section<'_>) -> (Arc<Catalog>, Vec<String>) {
    match read(root) {
        Some(effective) => (Arc::new(effective.catalog), effective.warnings),
        None => <_>::default(),
    }
}

/// `None`: problems were reported.
fn read(root: &Section<'_>) -> Option<Effective> {
    let path = root.within("catalog", |section| section.path("file"));
    let mut said = root.within("models", read_models);
    let mut file = base(root, path.as_ref())?;
    let mut joined = embedded(root, OPENAI)?;
    set_sizes(root, [&mut file, &mut joined]);
    said.check_ids(root, &file);
    let mut warnings = Vec::new();
    let source = path.map(|path| path.display().to_string());
    let source = source.unwrap_or_else(|| "the embedded catalogue".to_owned());
    let mut read = |kind, file: &mut Json, source: &str| {
        for baseless in said.overlay.of(kind).apply(file) {
            let steps = [&baseless.model, baseless.operation.as_str(), "like"].map(str::to_owned);
            said.tell(root, &steps, &baseless.problem);
        }
        said.parse(root, file, source, &mut warnings)
    };
    let catalog = read(ProviderKind::Runway, &mut file, &source);
    let others = read(
        ProviderKind::OpenAi,
        &mut joined,
        "the embedded OpenAI catalogue",
    );
    let (mut catalog, others) = catalog.zip(others)?;
    catalog.join(others);
    warnings.extend(said.hide(&mut catalog, [&mut file, &mut joined]));
    said.name(root, &mut catalog);
    set_models(root, &mut catalog);
    Some(Effective {
        catalog,
        file,
        joined,
        warnings,
    })
}

/// The catalogue file, as far as it is JSON.
fn base(root: &Section<'_>, path: Option<&PathBuf>) -> Option<Json> {
    let Some(path) = path else {
        return embedded(root, EMBEDDED);
    };
    let read = catalog::read_file(path)
        .and_then(|text| catalog::document(&text).map_err(|errors| errors.0[0].to_string()));
    match read {
        Ok(document) => Some(document.to_json()),
        Err(problem) => {
            let text = format!("{} {problem}", path.display());
            root.within("catalog", |section| {
                let _ = section.path("file");
                section.wrong("file", &text);
            });
            None
        }
    }
}

fn embedded(root: &Section<'_>, text: &str) -> Option<Json> {
    catalog::document(text)
        .map(|document| document.to_json())
        .map_err(|bug| root.wrong("catalog", &bug.to_string()))
        .ok()
}

/// Puts the operator's default sizes in the place of the catalogues' own. Those go to models that
/// need one; what an operator says goes to every model that can take it.
fn set_sizes(root: &Section<'_>, files: [&mut Json; 2]) {
    let sizes = root.within("defaults", |section| {
        section.leave_the_rest();
        // What is wrong with one is told where all of the section is read.
        let read = |key| {
            let text = section.optional(key)?;
            size(text.trim()).ok()
        };
        [("video", read("video_size")), ("image", read("image_size"))]
    });
    for file in files {
        let defaults = file.get_mut("defaults").and_then(Json::as_object_mut);
        let Some(defaults) = defaults else {
            continue;
        };
        for (media, size) in &sizes {
            let Some(size) = size else {
                continue;
            };
            if let Some(of) = defaults.get_mut("size").and_then(Json::as_object_mut) {
                of.insert((*media).to_owned(), size.as_str().into());
            }
            let to_all = defaults.entry("size_to_all");
            if let Some(to_all) = to_all
                .or_insert_with(|| Json::Array(Vec::new()))
                .as_array_mut()
            {
                to_all.push((*media).into());
            }
        }
    }
}

/// Whether they can be asked for is judged once it is known who serves what.
fn set_models(root: &Section<'_>, catalog: &mut Catalog) {
    root.within("defaults", |section| {
        section.leave_the_rest();
        catalog.default_model = section.text("video_model");
        catalog.default_image_model = section.text("image_to_video_model");
        catalog.default_model_of_images = section.text("image_model");
    });
}

/// What `models` says.
struct Said {
    nodes: BTreeMap<String, Node>,
    overlay: Overlay,
    hidden: Vec<(String, Option<Operation>)>,
    names: Vec<(String, String)>,
}

fn read_models(section: &Section<'_>) -> Said {
    let nodes = section.nodes();
    let mut said = Said {
        nodes: nodes.clone(),
        overlay: Overlay::default(),
        hidden: Vec::new(),
        names: Vec::new(),
    };
    if nodes.len() > MAX_MODELS {
        let text = format!("holds more than {MAX_MODELS} models");
        section.wrong("", &text);
        return said;
    }
    for (model, node) in nodes {
        let wrong =
            |node: &Node, path: &str, text: &str| section.wrong_at(&node.origin, path, text);
        match &node.value {
            Value::Text(word, _) if word == HIDDEN => said.hidden.push((model.clone(), None)),
            Value::Map(keys) if keys.contains_key(ALIAS) => match &keys[ALIAS].value {
                Value::Text(id, _) if keys.len() == 1 => {
                    said.names.push((model.clone(), id.clone()));
                }
                _ => wrong(node, model, "takes `alias` alone, with the name of a model"),
            },
            Value::Map(keys) if !keys.is_empty() => {
                for (key, node) in keys {
                    read_operation(section, &mut said, (model, key), node);
                }
            }
            _ => wrong(node, model, MODEL_RULE),
        }
    }
    said
}

fn read_operation(section: &Section<'_>, said: &mut Said, (model, key): (&str, &str), node: &Node) {
    let path = format!("{model}.{key}");
    let wrong = |text: &str| section.wrong_at(&node.origin, &path, text);
    let Some(operation) = Operation::parse(key) else {
        let all = Operation::ALL.map(Operation::as_str);
        return wrong(&match nearest(key, &all) {
            Some(near) => format!("is no operation; did you mean `{near}`?"),
            None => format!("is no operation; there are {}", all.join(", ")),
        });
    };
    match &node.value {
        Value::Text(word, _) if word == HIDDEN => {
            said.hidden.push((model.to_owned(), Some(operation)));
        }
        Value::Map(keys) if !keys.is_empty() => {
            let like = match keys.get(LIKE).map(|like| &like.value) {
                None => None,
                Some(Value::Text(other, _)) => Some(other.clone()),
                Some(_) => return wrong("takes the name of a model as its `like`"),
            };
            let fields = keys.iter().filter(|(name, _)| *name != LIKE);
            let fields = fields.map(|(name, node)| (name.clone(), node.to_json()));
            let fields = fields.collect();
            said.overlay.add(model, operation, Patch { like, fields });
        }
        _ => wrong("takes fields as the catalogue has them, or the word `hidden`"),
    }
}

impl Said {
    /// Tells a problem at the deepest line that leads to it.
    fn tell(&self, root: &Section<'_>, steps: &[String], text: &str) {
        let Some(node) = self.nodes.get(&steps[0]) else {
            return;
        };
        let (node, _) = node.along(&steps[1..]);
        root.wrong_at(&node.origin, &format!("models.{}", steps.join(".")), text);
    }

    /// Tells what is wrong with a row: here where it was touched here, else at the catalogue.
    fn tell_of_row(&self, root: &Section<'_>, source: &str, error: &CatalogError) {
        if let [path, model, inside @ ..] = &error.place[..]
            && let Some(operation) = path.strip_prefix(ENDPOINT)
            && Operation::parse(operation).is_some_and(|op| self.overlay.covers(model, op))
        {
            let mut steps = vec![model.clone(), operation.to_owned()];
            steps.extend_from_slice(inside);
            return self.tell(root, &steps, &error.problem);
        }
        root.tell(Problem {
            place: source.to_owned(),
            key: error.place(),
            text: error.problem.clone(),
        });
    }

    /// The meaning of a file with what was said in it; `None`: problems were told.
    fn parse(
        &self,
        root: &Section<'_>,
        file: &mut Json,
        source: &str,
        warnings: &mut Vec<String>,
    ) -> Option<Catalog> {
        let mut parsed = catalog::read(file);
        while let Err(errors) = &parsed
            && self.fit_prices(file, errors, warnings)
        {
            parsed = catalog::read(file);
        }
        let tell = |errors: CatalogErrors| {
            for error in &errors.0 {
                self.tell_of_row(root, source, error);
            }
        };
        parsed.map_err(tell).ok()
    }

    /// Fits a catalogue's price to rows that were changed: what is for values that a field does not
    /// take any more goes. Where it does not fit at all, such as after removing a field that it
    /// depends on, what the row costs is not known. Says whether anything was done.
    fn fit_prices(
        &self,
        file: &mut Json,
        errors: &CatalogErrors,
        warnings: &mut Vec<String>,
    ) -> bool {
        let mut done = false;
        for error in &errors.0 {
            let [path, model, key, ..] = &error.place[..] else {
                continue;
            };
            let operation = path.strip_prefix(ENDPOINT).and_then(Operation::parse);
            let Some(operation) = operation.filter(|_| key == PRICE) else {
                continue;
            };
            if !self.overlay.covers(model, operation) || self.overlay.sets(model, operation, PRICE)
            {
                continue;
            }
            let fitted = catalog::fitted_price(file, model, operation);
            let row = file
                .get_mut("endpoints")
                .and_then(|endpoints| endpoints.get_mut(path)?.get_mut("models")?.get_mut(model))
                .and_then(Json::as_object_mut);
            let Some(row) = row else {
                continue;
            };
            if let Some(fitted) = fitted {
                row.insert(PRICE.to_owned(), fitted);
                done = true;
            } else if row.remove(PRICE).is_some() {
                done = true;
                warnings.push(format!(
                    "models.{model}.{operation}: the price of the catalogue does not fit the changed \
                     row ({error}); give it a `{PRICE}`, for until then its cost is unknown"
                ));
            }
        }
        done
    }

    /// Rows of what cannot be a model are told here, and not again with the rows.
    fn check_ids(&mut self, root: &Section<'_>, file: &Json) {
        let prefix = file.get("prefix").and_then(Json::as_str);
        let unfit = |model: &String| {
            let problem = match ProviderKind::of(model) {
                ProviderKind::Runway => {
                    catalog::unfit_id(model, prefix.unwrap_or_default(), false)?
                }
                ProviderKind::OpenAi => catalog::unfit_id(model, "openai/", true)?,
            };
            Some((model.clone(), problem))
        };
        let unfit: Vec<(String, String)> = self.nodes.keys().filter_map(unfit).collect();
        for (model, problem) in unfit {
            self.tell(root, std::slice::from_ref(&model), &problem);
            self.overlay.forget(&model);
        }
    }

    /// Hides what is to be hidden; what was not there is worth a warning, for it may be a slip.
    fn hide(&self, catalog: &mut Catalog, mut files: [&mut Json; 2]) -> Vec<String> {
        let mut warnings = Vec::new();
        for (model, operation) in &self.hidden {
            let known: Vec<String> = catalog.ids().map(str::to_owned).collect();
            let (was_there, what) = match operation {
                None => (catalog.hide(model), model.clone()),
                Some(operation) => (
                    catalog.hide_operation(model, *operation),
                    format!("{model}.{operation}"),
                ),
            };
            if !was_there {
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let hint = nearest(model, &known).filter(|near| near != model);
                let hint = hint.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
                warnings.push(format!(
                    "models.{what}: hides what the catalogue lacks{hint}"
                ));
            }
            for known in Operation::ALL {
                if operation.is_none_or(|operation| operation == known) {
                    for file in &mut files {
                        remove(file, model, known);
                    }
                }
            }
        }
        warnings
    }

    fn name(&self, root: &Section<'_>, catalog: &mut Catalog) {
        for (name, target) in &self.names {
            let wrong = |text: &str| {
                self.tell(root, &[name.clone(), ALIAS.to_owned()], text);
            };
            if catalog.offer(name).is_some() {
                wrong("is the name of a model that the catalogue has; take another");
            } else if let Some((_, other)) = self.names.iter().find(|(name, _)| name == target) {
                let is_alias = self.names.iter().any(|(name, _)| name == other);
                wrong(&if is_alias {
                    format!("`{target}` is an alias too; name a model itself")
                } else {
                    format!("`{target}` is an alias too; name `{other}` itself")
                });
            } else {
                match catalog.resolve(target).map(|resolved| resolved.id) {
                    Ok(id) => catalog.name(name, id),
                    Err(unknown) => wrong(&match &unknown.nearest[..] {
                        [] => format!("`{target}` is no model of the catalogue, or a hidden one"),
                        near => format!(
                            "`{target}` is no model of the catalogue, or a hidden one; near it \
                             are {}",
                            near.join(", ")
                        ),
                    }),
                }
            }
        }
    }
}

fn remove(file: &mut Json, model: &str, operation: Operation) {
    let path = format!("{ENDPOINT}{operation}");
    let endpoint = file.get_mut("endpoints").and_then(|all| all.get_mut(path));
    if let Some(models) = endpoint
        .and_then(|endpoint| endpoint.get_mut("models"))
        .and_then(Json::as_object_mut)
    {
        models.remove(model);
    }
}

const HIDDEN: &str = "hidden";
const ALIAS: &str = "alias";
const LIKE: &str = "like";
/// The key of a row that says what it costs.
const PRICE: &str = "_price";
const MODEL_RULE: &str = "takes operations as the catalogue has them, the word `hidden`, or \
    `{alias: <model>}`";

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::config::Config;
    use crate::domain::model::Shape;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn sandbox() -> Environment {
        [("MEDIAGEN_SANDBOX", "true")].into_iter().collect()
    }

    fn load(text: &str) -> Result<Config, Problems> {
        Config::load(Some(file(text).path()), &sandbox(), &[])
    }

    fn problems(text: &str) -> String {
        load(text).expect_err(text).to_string()
    }

    #[test]
    fn without_a_word_the_catalogue_is_the_compiled_in_one() {
        let config = load("").unwrap();
        let mut embedded = catalog::embedded().unwrap();
        embedded
            .default_model
            .clone_from(&config.defaults.video_model);
        embedded
            .default_model_of_images
            .clone_from(&config.defaults.image_model);
        assert_eq!(*config.catalog, embedded);
        assert!(config.warnings.is_empty());
    }

    #[test]
    fn models_are_added_changed_hidden_and_named() {
        let config = load(
            "models:\n  gen5:\n    text_to_video:\n      like: gen4.5\n      \
             duration: {range: [2, 20]}\n    image_to_video: {promptText: {type: string}}\n  \
             gen4.5:\n    text_to_video: {outputFormat: null, proresProfile: null, _rules: null}\n  \
             act_two: hidden\n  veo3.1: {image_to_video: hidden}\n  fast: {alias: gen4_turbo}\n  \
             next: {alias: runwayml/gen6}\n",
        )
        .unwrap();
        let catalog = &config.catalog;
        let gen5 = catalog.offer("gen5").unwrap();
        let old = &catalog.offer("gen4.5").unwrap()[&Operation::TextToVideo];
        let new = &gen5[&Operation::TextToVideo];
        let seconds = new.typed.seconds.as_ref().unwrap();
        assert_eq!(
            seconds.shape,
            Shape::Integer {
                minimum: Some(2),
                maximum: Some(20)
            }
        );
        assert!(seconds.required);
        assert!(!old.options.contains_key("outputFormat") && old.rules.is_empty());
        assert_eq!(
            new.options, old.options,
            "begins with the other as configured"
        );
        assert!(gen5[&Operation::ImageToVideo].typed.prompt.is_some());
        for name in ["act_two", "runwayml/act_two"] {
            assert!(catalog.resolve(name).is_err(), "{name}");
        }
        assert!(
            !catalog
                .offer("veo3.1")
                .unwrap()
                .contains_key(&Operation::ImageToVideo)
        );
        assert!(catalog.resolve("runwayml/gen5").unwrap().known);
        assert_eq!(catalog.resolve("fast").unwrap().id, "gen4_turbo");
        let next = catalog.resolve("next").unwrap();
        assert_eq!((next.id.as_str(), next.known), ("gen6", false));
        // The price of the catalogue depends on the format that is gone.
        assert_eq!(config.warnings.len(), 2, "{:?}", config.warnings);
        assert!(new.price.is_none() && old.price.is_none());
    }

    #[test]
    fn a_price_stays_while_it_fits_and_can_be_given() {
        let price = |text: &str| {
            let config = load(&format!("models: {{gen4.5: {{text_to_video: {text}}}}}")).unwrap();
            let offer = config.catalog.offer("gen4.5").unwrap();
            let price = offer[&Operation::TextToVideo].price.clone();
            (price.is_some(), config.warnings.len())
        };
        assert_eq!(price("{seed: null}"), (true, 0));
        assert_eq!(price("{outputFormat: {enum: [mp4]}}"), (true, 0));
        // What is taken without a word, mp4, has no price any more.
        assert_eq!(price("{outputFormat: {enum: [prores]}}"), (false, 1));
        assert_eq!(price("{outputFormat: {enum: [gif]}}"), (false, 1));
        assert_eq!(price("{outputFormat: null, _rules: null}"), (false, 1));
        assert_eq!(price("{_price: null}"), (false, 0));
        let own = "{parts: [{unit: output_second, credits: 9}]}";
        let given =
            format!("{{outputFormat: null, proresProfile: null, _rules: null, _price: {own}}}");
        assert_eq!(price(&given), (true, 0));
        let told = problems(
            "models:\n  gen4.5:\n    text_to_video:\n      _price:\n        parts: [{unit: hour, credits: 1}]",
        );
        assert!(
            told.contains("models.gen4.5.text_to_video._price"),
            "{told}"
        );
    }

    #[test]
    fn every_row_of_the_catalogue_can_be_written_in_a_configuration() {
        let whole: Json = serde_json::from_str(EMBEDDED).unwrap();
        for (path, endpoint) in whole["endpoints"].as_object().unwrap() {
            let operation = path.strip_prefix(ENDPOINT).unwrap();
            for (model, row) in endpoint["models"].as_object().unwrap() {
                // JSON is YAML.
                let text = format!("models: {{another: {{{operation}: {row}}}}}");
                let config = load(&text).unwrap_or_else(|told| panic!("{model}: {told}"));
                let operation = Operation::parse(operation).unwrap();
                let same = config.catalog.offer(model).unwrap().get(&operation);
                let another = config.catalog.offer("another").unwrap();
                assert_eq!(another.get(&operation), same, "{model} {operation}");
            }
        }
    }

    #[test]
    fn a_wrong_row_is_told_at_its_line_of_the_configuration() {
        let table = [
            (
                "models:\n  a:\n    text_to_vidio: hidden",
                ":3: models.a.text_to_vidio: is no operation; did you mean `text_to_video`?",
            ),
            (
                "models:\n  a:\n    text_to_video:\n      x:\n        typ: string",
                ":5: models.a.text_to_video.x.typ: is no attribute",
            ),
            (
                "models:\n  gen4.5:\n    text_to_video:\n      ratio: {enum: []}",
                ":4: models.gen4.5.text_to_video.ratio.enum: must be a list",
            ),
            (
                "models:\n  gen4.5:\n    text_to_video:\n      duration: {enum: [5]}",
                "has type and enum",
            ),
            (
                "models:\n  gen4.5:\n    text_to_video:\n      duration: {maximum: 1}",
                ":4: models.gen4.5.text_to_video.duration: has a least value above",
            ),
            (
                "models:\n  gen4.5:\n    text_to_video:\n      duration: {maximum: .inf}",
                "non-finite float",
            ),
            (
                "models:\n  gen4.5:\n    text_to_video:\n      seed: 5",
                ":4: models.gen4.5.text_to_video.seed: must be an object",
            ),
            (
                "models:\n  a:\n    text_to_video: {like: gen4.6}",
                ":3: models.a.text_to_video.like: no model `gen4.6` does text_to_video; did you mean `gen4.5`?",
            ),
            (
                "models:\n  a:\n    text_to_video: {like: [b]}",
                "takes the name of a model as its `like`",
            ),
            (
                "models:\n  a:\n    text_to_video: {like: a}",
                "goes in a circle",
            ),
            (
                "models:\n  a:\n    text_to_video: visible",
                ":3: models.a.text_to_video: takes fields",
            ),
            ("models:\n  a:\n    text_to_video:", "takes fields"),
            ("models: {a: {}}", "models.a: takes operations"),
            ("models: {a: hide}", ":1: models.a: takes operations"),
            ("models: {a: [hidden]}", "models.a: takes operations"),
            ("models: [a]", "models: holds keys of its own"),
            (
                "models: {runwayml/a: hidden}",
                "models.runwayml/a: is written without the prefix, as `a`",
            ),
            ("models: {'a b': hidden}", "is no model id"),
            (
                "models: {a: {alias: gen4_turbo, text_to_video: hidden}}",
                "takes `alias` alone",
            ),
            (
                "models:\n  a: {alias: gen4-turbo}",
                ":2: models.a.alias: `gen4-turbo` is no model of the catalogue, or a hidden one; near it are gen4_turbo",
            ),
            (
                "models: {a: {alias: b}, b: {alias: gen4_turbo}}",
                "`b` is an alias too",
            ),
            (
                "models: {gen4.5: {alias: gen4_turbo}}",
                "is the name of a model that the catalogue has",
            ),
            (
                "models: {veo3: hidden, a: {alias: veo3}}",
                "`veo3` is no model of the catalogue, or a hidden one",
            ),
            (
                "models: {gen4.5: hidden}",
                "defaults.video_model: `gen4.5` is no model of the catalogue, or a hidden one",
            ),
            (
                "models: {gen4_turbo: {image_to_video: hidden}}",
                "defaults.image_to_video_model: `gen4_turbo`",
            ),
            (
                "defaults: {video_model: gen45}",
                ":1: defaults.video_model: `gen45` is no model of the catalogue, or a hidden one; near it are gen4.5",
            ),
            (
                "catalog: {file: /nowhere/at/all.json}",
                ":1: catalog.file: /nowhere/at/all.json cannot be opened",
            ),
            ("catalog: {fil: a}", "did you mean `catalog.file`?"),
        ];
        for (text, expected) in table {
            let told = problems(text);
            assert!(told.contains(expected), "{text}\n{told}");
        }
    }

    #[test]
    fn problems_of_several_rows_and_of_other_sections_are_told_at_once() {
        let told = load(
            "poll: {interval: x}\nmodels:\n  a: {text_to_video: {x: {typ: string}, y: {type: \
             strin}}}\n  b: {like: c}\n  veo3: {text_to_video: {ratio: 5}}\n",
        );
        let told = told.unwrap_err();
        assert_eq!(told.0.len(), 5, "{told}");
    }

    #[test]
    fn a_default_must_do_its_work_and_an_alias_must_end_at_a_model() {
        for (text, expected) in [
            (
                "models: {gen4.5: {text_to_video: hidden}}",
                "defaults.video_model: `gen4.5` does not do text_to_video",
            ),
            (
                "defaults: {image_to_video_model: eleven_v3}",
                ":1: defaults.image_to_video_model: `eleven_v3` does not do image_to_video",
            ),
            (
                "models: {a: {alias: a}}",
                "`a` is an alias too; name a model itself",
            ),
        ] {
            let told = problems(text);
            assert!(told.contains(expected), "{text}\n{told}");
        }
    }

    #[test]
    fn every_name_that_cannot_be_a_model_is_told_at_once_and_once() {
        let told = problems(
            "models:\n  ж: {text_to_video: {x: {type: string}}}\n  a b: hidden\n  '': hidden\n  \
             b: {text_to_video: {x: {typ: string}}}\n",
        );
        let lines = [
            ":2: models.ж: is no model id",
            ":3: models.a b: is no model id",
            ":4: models.: is no model id",
            ":5: models.b.text_to_video.x.typ: is no attribute",
        ];
        assert!(lines.iter().all(|line| told.contains(line)), "{told}");
        assert_eq!(told.matches('\n').count(), lines.len(), "{told}");
    }

    #[test]
    fn a_price_is_fitted_to_fewer_values_and_can_be_read_again() {
        let text = "models:\n  gen4.5:\n    text_to_video: {outputFormat: {enum: [mp4, prores]}}";
        let written = file(text);
        let effective = effective(Some(written.path()), &Environment::default()).unwrap();
        let of = |catalog: &Catalog| {
            let offer = catalog.offer("gen4.5").unwrap();
            offer[&Operation::TextToVideo].price.clone()
        };
        let fitted = of(&effective.catalog).expect("keeps its price");
        let whole = of(&catalog::parse(EMBEDDED).unwrap()).unwrap();
        let rates = |part: usize| {
            (
                whole.parts[part].rates.len(),
                fitted.parts[part].rates.len(),
            )
        };
        assert_eq!(fitted.parts[0], whole.parts[0]);
        assert_eq!(rates(1), (4, 2), "{fitted:?}");
        assert_eq!(fitted.defaults, whole.defaults);
        let again = catalog::read(&effective.file).unwrap();
        assert_eq!(of(&again), Some(fitted));
    }

    #[test]
    fn hiding_what_is_not_there_is_a_warning_and_still_shuts_the_door() {
        let config = load("models: {act_too: hidden, veo3: {text_to_image: hidden}}").unwrap();
        assert_eq!(config.warnings.len(), 2, "{:?}", config.warnings);
        assert!(
            config.warnings[0].contains("models.act_too")
                && config.warnings[0].contains("`act_two`")
        );
        assert!(config.catalog.resolve("runwayml/act_too").is_err());
    }

    #[test]
    fn a_file_replaces_the_catalogue_and_is_held_to_the_same_rules() {
        let renamed = EMBEDDED.replace("\"gen4.5\"", "\"gen5\"");
        let catalogue = file(&renamed);
        let path = catalogue.path().display();
        let text = format!("catalog: {{file: {path}}}\n");
        let told = problems(&text);
        assert!(told.contains("defaults.video_model: `gen4.5`"), "{told}");
        let config = load(&format!("{text}defaults: {{video_model: gen5}}")).unwrap();
        assert!(config.catalog.offer("gen4.5").is_none());
        let broken = file(&EMBEDDED.replacen("\"maximum\": 10", "\"maxximum\": 10", 1));
        let path = broken.path().display();
        let told = problems(&format!("catalog: {{file: {path}}}\n"));
        let expected =
            format!("{path}: /v1/text_to_video gen4.5 duration.maxximum: is no attribute");
        assert!(told.contains(&expected), "{told}");
        for (text, expected) in [
            ("{", "is no catalogue"),
            ("\u{0}", "is no catalogue"),
            ("{}", "prefix: is missing"),
        ] {
            let bad = file(text);
            let told = problems(&format!("catalog: {{file: {}}}", bad.path().display()));
            assert!(told.contains(expected), "{told}");
        }
    }

    #[test]
    fn models_of_another_provider_are_configured_like_any_other() {
        let text = "models:\n  openai/wan: {text_to_video: {like: openai/sora-2, seconds: {enum: [5]}, \
                    size: {enum: ['832:480']}, _price: {parts: [{unit: output_second, credits: 2}]}}}\n  \
                    openai/dall-e-3: hidden\n  dream: {alias: openai/sora-2-pro}\n";
        let config = load(text).unwrap();
        let catalog = &config.catalog;
        let spec = catalog.spec("openai/wan", Operation::TextToVideo).unwrap();
        assert_eq!(spec.sizes(), ["832:480"]);
        assert!(spec.price.is_some() && spec.typed.prompt.is_some());
        assert!(catalog.resolve("openai/dall-e-3").is_err());
        assert_eq!(catalog.resolve("dream").unwrap().id, "openai/sora-2-pro");
        assert_eq!(catalog.resolve("openai/other").unwrap().offer.len(), 3);
        for (text, expected) in [
            (
                "models: {openai/x: {text_to_video: {like: gen4.5}}}",
                "models.openai/x.text_to_video.like",
            ),
            (
                "models: {openai/x: {text_to_video: {like: openai/sora-3}}}",
                "did you mean `openai/sora-2`?",
            ),
            (
                "models: {openai/x: {text_to_video: {seconds: {typ: integer}}}}",
                "did you mean `type`?",
            ),
            (
                "models: {openai/: {text_to_video: {like: openai/sora-2}}}",
                "models.openai/",
            ),
        ] {
            let told = problems(text);
            assert!(told.contains(expected), "{text}\n{told}");
        }
    }

    #[test]
    fn the_effective_catalogue_needs_no_key_and_can_be_used_as_a_file() {
        let text = "poll: {interval: nonsense}\nmodels:\n  act_two: hidden\n  gen5: {text_to_video: {like: gen4.5}}\n";
        let effective = effective(Some(file(text).path()), &Environment::default()).unwrap();
        let again = catalog::read(&effective.file).unwrap();
        assert!(again.offer("gen5").is_some() && again.offer("act_two").is_none());
        let mut again = again;
        again.join(catalog::read(&effective.joined).unwrap());
        let rows = |catalog: &Catalog| {
            catalog
                .ids()
                .map(|id| (id.to_owned(), catalog.offer(id).cloned()))
                .collect::<Vec<_>>()
        };
        assert_eq!(rows(&again), rows(&effective.catalog));
    }
}
