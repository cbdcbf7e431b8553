//! What changed between two catalogues, row by row, for whoever has to decide what to do about it.
//!
//! Works on the files, not on their meaning, so that nothing is overlooked because nobody reads it.
//! Order is that of the names, so that the same two files always give the same answer.

use std::fmt;

use serde_json::{Map, Value as Json, json};

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The endpoint's path; `None`: a key of the file beside the endpoints.
    pub endpoint: Option<String>,
    /// The model's id, or `pass_through`; `None`: the endpoint itself.
    pub model: Option<String>,
    /// The field, as in `promptImage.any_of.1.position`; `None`: the row itself.
    pub field: Option<String>,
    /// What became of it.
    pub what: What,
}

/// What became of something.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// It is new.
    Added(Json),
    /// It is gone.
    Removed(Json),
    /// Its list of allowed values changed.
    Values {
        /// Values that are new.
        added: Vec<Json>,
        /// Values that are gone.
        removed: Vec<Json>,
    },
    /// One of its attributes changed; with an empty name, it itself.
    Set {
        /// The attribute, as in `maximum`.
        attribute: String,
        /// What it was; `None`: nothing.
        old: Option<Json>,
        /// What it is; `None`: nothing.
        new: Option<Json>,
    },
}

/// Every difference between two catalogue files.
pub fn diff(old: &Json, new: &Json) -> Vec<Change> {
    let mut walk = Walk::default();
    let (old, new) = (members(old), members(new));
    for (name, old, new) in pairs(&old, &new) {
        if name == "endpoints" {
            walk.endpoints(old, new);
        } else {
            walk.place.field = Some(name.to_owned());
            walk.data(old, new);
            walk.place.field = None;
        }
    }
    walk.changes
}

impl Change {
    /// For a script.
    pub fn to_json(&self) -> Json {
        let mut json = json!({
            "endpoint": self.endpoint,
            "model": self.model,
            "field": self.field,
        });
        let (name, rest) = match &self.what {
            What::Added(new) => ("added", json!({ "new": new })),
            What::Removed(old) => ("removed", json!({ "old": old })),
            What::Values { added, removed } => (
                "values",
                json!({ "attribute": "enum", "added": added, "removed": removed }),
            ),
            What::Set {
                attribute,
                old,
                new,
            } => (
                "changed",
                json!({ "attribute": attribute, "old": old, "new": new }),
            ),
        };
        json["change"] = json!(name);
        for (key, value) in members(&rest) {
            json[key] = value;
        }
        json
    }
}

/// As a line: the place, then what became of it.
impl fmt::Display for Change {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.what {
            What::Added(_) => '+',
            What::Removed(_) => '-',
            What::Values { .. } | What::Set { .. } => '~',
        };
        write!(out, "{sign}")?;
        for part in [&self.endpoint, &self.model, &self.field]
            .into_iter()
            .flatten()
        {
            write!(out, " {part}")?;
        }
        match &self.what {
            What::Added(new) if self.field.is_some() => write!(out, ": {}", short(new)),
            What::Removed(old) if self.field.is_some() => write!(out, ": {}", short(old)),
            What::Added(_) | What::Removed(_) => Ok(()),
            What::Values { added, removed } => {
                out.write_str(": values")?;
                let signed = |sign: char, values: &[Json]| {
                    let values: Vec<String> =
                        values.iter().map(|v| format!(" {sign}{v}")).collect();
                    values.concat()
                };
                write!(out, "{}{}", signed('+', added), signed('-', removed))
            }
            What::Set {
                attribute,
                old,
                new,
            } => {
                let side = |side: &Option<Json>, show: fn(&Json) -> String| {
                    side.as_ref().map_or("none".into(), show)
                };
                let colon = if attribute.is_empty() { ":" } else { ": " };
                let (mut before, mut after) = (side(old, short), side(new, short));
                if before == after {
                    // They differ where a short form does not reach.
                    (before, after) = (side(old, Json::to_string), side(new, Json::to_string));
                }
                write!(out, "{colon}{attribute} {before} -> {after}")
            }
        }
    }
}

fn short(json: &Json) -> String {
    let text = json.to_string();
    if text.chars().count() <= LONGEST {
        return text;
    }
    let kept: String = text.chars().take(LONGEST).collect();
    format!("{kept}…")
}

/// Where one is, and what was found.
#[derive(Default)]
struct Walk {
    place: Place,
    changes: Vec<Change>,
}

#[derive(Clone, Default)]
struct Place {
    endpoint: Option<String>,
    model: Option<String>,
    field: Option<String>,
}

impl Walk {
    fn endpoints(&mut self, old: Option<&Json>, new: Option<&Json>) {
        let (old, new) = (old.map(members), new.map(members));
        for (path, old, new) in pairs(&old.unwrap_or_default(), &new.unwrap_or_default()) {
            self.place.endpoint = Some(path.to_owned());
            if let Some((old, new)) = self.both(old, new) {
                self.endpoint(&members(old), &members(new));
            }
            self.place.endpoint = None;
        }
    }

    fn endpoint(&mut self, old: &Map<String, Json>, new: &Map<String, Json>) {
        for (name, old, new) in pairs(old, new) {
            match name {
                "models" => self.rows(old, new),
                "pass_through" => {
                    let row = |row: Option<&Json>| json!({ "pass_through": row });
                    self.rows(Some(&row(old)), Some(&row(new)));
                }
                _ if old != new => self.replaced(name, old, new),
                _ => {}
            }
        }
    }

    fn rows(&mut self, old: Option<&Json>, new: Option<&Json>) {
        let (old, new) = (old.map(members), new.map(members));
        for (model, old, new) in pairs(&old.unwrap_or_default(), &new.unwrap_or_default()) {
            self.place.model = Some(model.to_owned());
            if let Some((old, new)) = self.both(old, new) {
                self.fields(&members(old), &members(new), "");
            }
            self.place.model = None;
        }
    }

    fn fields(&mut self, old: &Map<String, Json>, new: &Map<String, Json>, prefix: &str) {
        let before = self.place.field.take();
        for (name, old, new) in pairs(old, new) {
            self.place.field = Some(format!("{prefix}{name}"));
            if let Some((old, new)) = self.both(old, new) {
                if name.starts_with('_') {
                    self.data(Some(old), Some(new));
                } else {
                    self.field(old, new);
                }
            }
        }
        self.place.field = before;
    }

    fn field(&mut self, old: &Json, new: &Json) {
        let (Json::Object(old), Json::Object(new)) = (old, new) else {
            return self.replaced("", Some(old), Some(new));
        };
        let here = self.place.field.clone().unwrap_or_default();
        for (name, old, new) in pairs(old, new) {
            match (name, old, new) {
                _ if old == new => {}
                ("enum", Some(Json::Array(old)), Some(Json::Array(new))) => self.values(old, new),
                ("object", Some(Json::Object(old)), Some(Json::Object(new))) => {
                    self.fields(old, new, &format!("{here}."));
                }
                ("array_of", Some(old), Some(new)) => {
                    self.inside(format!("{here}.array_of"), old, new);
                }
                ("any_of", Some(Json::Array(old)), Some(Json::Array(new)))
                    if old.len() == new.len() =>
                {
                    for (index, (old, new)) in old.iter().zip(new).enumerate() {
                        self.inside(format!("{here}.any_of.{index}"), old, new);
                    }
                }
                _ => self.replaced(name, old, new),
            }
        }
    }

    /// What is no field: by name and by index, as far as both sides are of one form.
    fn data(&mut self, old: Option<&Json>, new: Option<&Json>) {
        let Some((old, new)) = self.both(old, new) else {
            return;
        };
        match (old, new) {
            (Json::Object(old), Json::Object(new)) => {
                for (name, old, new) in pairs(old, new) {
                    self.below(name, old, new);
                }
            }
            (Json::Array(old), Json::Array(new)) if holds_parts(old) || holds_parts(new) => {
                self.items(old, new);
            }
            _ => self.replaced("", Some(old), Some(new)),
        }
    }

    /// Lists of parts: what is the same at both ends stays out of it.
    fn items(&mut self, old: &[Json], new: &[Json]) {
        let same = |(old, new): &(&Json, &Json)| old == new;
        let begin = old.iter().zip(new).take_while(same).count();
        let (old, new) = (&old[begin..], &new[begin..]);
        let end = old.iter().rev().zip(new.iter().rev());
        let end = end.take_while(same).count();
        let (old, new) = (&old[..old.len() - end], &new[..new.len() - end]);
        for index in 0..old.len().max(new.len()) {
            let name = (begin + index).to_string();
            self.below(&name, old.get(index), new.get(index));
        }
    }

    fn below(&mut self, name: &str, old: Option<&Json>, new: Option<&Json>) {
        let before = self.place.field.clone();
        let here = before.as_deref().unwrap_or_default();
        self.place.field = Some(format!("{here}.{name}"));
        self.data(old, new);
        self.place.field = before;
    }

    fn inside(&mut self, place: String, old: &Json, new: &Json) {
        let before = self.place.field.replace(place);
        self.field(old, new);
        self.place.field = before;
    }

    fn values(&mut self, old: &[Json], new: &[Json]) {
        let lacks = |these: &[Json], those: &[Json]| -> Vec<Json> {
            let lacking = these.iter().filter(|value| !those.contains(value));
            lacking.cloned().collect()
        };
        let (added, removed) = (lacks(new, old), lacks(old, new));
        if added.is_empty() && removed.is_empty() {
            // Only their order changed, which decides what is tried first.
            self.replaced("enum", Some(&json!(old)), Some(&json!(new)));
        } else {
            self.note(What::Values { added, removed });
        }
    }

    /// Both sides, where both are there and differ; else what became of it is noted.
    fn both<'a>(
        &mut self,
        old: Option<&'a Json>,
        new: Option<&'a Json>,
    ) -> Option<(&'a Json, &'a Json)> {
        match (present(old), present(new)) {
            (Some(old), Some(new)) => return (old != new).then_some((old, new)),
            (None, Some(new)) => self.note(What::Added(new.clone())),
            (Some(old), None) => self.note(What::Removed(old.clone())),
            (None, None) => {}
        }
        None
    }

    fn replaced(&mut self, attribute: &str, old: Option<&Json>, new: Option<&Json>) {
        if old != new {
            self.note(What::Set {
                attribute: attribute.to_owned(),
                old: old.cloned(),
                new: new.cloned(),
            });
        }
    }

    fn note(&mut self, what: What) {
        let Place {
            endpoint,
            model,
            field,
        } = self.place.clone();
        self.changes.push(Change {
            endpoint,
            model,
            field,
            what,
        });
    }
}

fn present(json: Option<&Json>) -> Option<&Json> {
    json.filter(|json| !json.is_null())
}

/// Whether a list is one of objects or lists, not of plain values.
fn holds_parts(list: &[Json]) -> bool {
    list.iter().any(|item| item.is_object() || item.is_array())
}

fn members(json: &Json) -> Map<String, Json> {
    json.as_object().cloned().unwrap_or_default()
}

/// Every name of either, in order, with what each has under it.
fn pairs<'a>(
    old: &'a Map<String, Json>,
    new: &'a Map<String, Json>,
) -> Vec<(&'a str, Option<&'a Json>, Option<&'a Json>)> {
    let mut names: Vec<&str> = old.keys().chain(new.keys()).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .map(|name| (name, old.get(name), new.get(name)))
        .collect()
}

/// Most characters of a value that a line repeats.
const LONGEST: usize = 100;

#[cfg(test)]
mod tests {
    use super::super::EMBEDDED;
    use super::*;

    fn lines(old: &Json, new: &Json) -> Vec<String> {
        diff(old, new).iter().map(Change::to_string).collect()
    }

    #[test]
    fn a_file_does_not_differ_from_itself() {
        let file = serde_json::from_str(EMBEDDED).unwrap();
        assert!(diff(&file, &file).is_empty());
    }

    #[test]
    fn every_kind_of_change_is_told_by_its_place() {
        let old = json!({"prefix": "a/", "endpoints": {
            "/v1/a": {"output": "video", "pass_through": {"x": {"type": "string"}}, "models": {
                "gone": {"x": {"type": "string"}},
                "m": {
                    "size": {"enum": ["s", "m"], "required": true},
                    "n": {"type": "integer", "minimum": 1, "maximum": 10},
                    "o": {"object": {"p": {"type": "string"}, "q": {"type": "boolean"}}},
                    "u": {"any_of": [{"type": "string"}, {"array_of": {"object": {"v": {"enum": [1]}}}}]},
                    "k": {"type": "boolean"},
                    "_strict": false
                }
            }},
            "/v1/b": {"models": {}}
        }});
        let new = json!({"prefix": "b/", "endpoints": {
            "/v1/a": {"output": "image", "pass_through": {}, "models": {
                "new": {"x": {"type": "string"}},
                "m": {
                    "size": {"enum": ["l", "m"]},
                    "n": {"type": "integer", "minimum": 1, "maximum": 15},
                    "o": {"object": {"p": {"type": "string", "maxLength": 3}, "r": {"type": "boolean"}}},
                    "u": {"any_of": [{"type": "string"}, {"array_of": {"object": {"v": {"enum": [2]}}}}]},
                    "_strict": true,
                    "_price": {"per": 1}
                }
            }},
            "/v1/c": {"models": {}}
        }});
        let expected = [
            "~ /v1/a m size: values +\"l\" -\"s\"",
            "~ /v1/a m size: required true -> none",
            "~ /v1/a m u.any_of.1.array_of.v: values +2 -1",
            "~ /v1/a m n: maximum 10 -> 15",
            "~ /v1/a m o.p: maxLength none -> 3",
            "- /v1/a m o.q: {\"type\":\"boolean\"}",
            "+ /v1/a m o.r: {\"type\":\"boolean\"}",
            "- /v1/a m k: {\"type\":\"boolean\"}",
            "~ /v1/a m _strict: false -> true",
            "+ /v1/a m _price: {\"per\":1}",
            "- /v1/a gone",
            "+ /v1/a new",
            "- /v1/a pass_through x: {\"type\":\"string\"}",
            "~ /v1/a: output \"video\" -> \"image\"",
            "- /v1/b",
            "+ /v1/c",
            "~ prefix: \"a/\" -> \"b/\"",
        ];
        let told = lines(&old, &new);
        for line in expected {
            assert!(told.contains(&line.to_owned()), "{line}\n{told:#?}");
        }
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        assert_eq!(lines(&old, &new), told, "always the same");
        let back = lines(&new, &old);
        assert_eq!(back.len(), told.len());
        assert!(back.contains(&"~ /v1/a m n: maximum 15 -> 10".to_owned()));
    }

    #[test]
    fn a_change_deep_in_a_price_or_a_rule_is_told_where_it_is() {
        let old: Json = serde_json::from_str(EMBEDDED).unwrap();
        let told = |change: &dyn Fn(&mut Json)| {
            let mut new = old.clone();
            change(&mut new);
            lines(&old, &new)
        };
        let rate =
            told(&|new| new["tariffs"]["veo3.1"]["parts"][0]["rates"][1]["credits"] = json!(21));
        assert_eq!(rate, ["~ tariffs.veo3.1.parts.0.rates.1.credits: 20 -> 21"]);
        let named = told(&|new| {
            let tariffs = new["tariffs"].as_object_mut().unwrap();
            let tariff = tariffs.remove("seed_audio").unwrap();
            tariffs.insert("speech".into(), tariff);
        });
        assert!(named[0].starts_with("- tariffs.seed_audio: {"), "{named:?}");
        assert!(named[1].starts_with("+ tariffs.speech: {"), "{named:?}");
        let place = |new: &mut Json, change: &dyn Fn(&mut Vec<Json>)| {
            let row = &mut new["endpoints"]["/v1/text_to_video"]["models"]["seedance2_5"];
            change(row["_rules"].as_array_mut().unwrap());
        };
        let rule = json!({"rule": "alone", "option": "seed"});
        let before = told(&|new| place(new, &|rules| rules.insert(0, rule.clone())));
        let text = r#"+ /v1/text_to_video seedance2_5 _rules.0: {"option":"seed","rule":"alone"}"#;
        assert_eq!(before, [text]);
        let gone = told(&|new| place(new, &|rules| drop(rules.pop())));
        assert!(gone[0].starts_with("- /v1/text_to_video seedance2_5 _rules.1: "));
        let typed = told(&|new| new["typed"]["seed"] = json!(["seed", "sed"]));
        assert_eq!(typed, [r#"~ typed.seed: ["seed"] -> ["seed","sed"]"#]);
        let order = told(&|new| {
            let row = &mut new["endpoints"]["/v1/text_to_image"]["models"]["gen4_image"];
            let sizes = row["ratio"]["enum"].as_array_mut().unwrap();
            let last = sizes.len() - 1;
            sizes.swap(last - 1, last);
        });
        let [order] = &order[..] else {
            panic!("{order:?}")
        };
        let (before, after) = order.split_once(" -> ").unwrap();
        assert!(!before.ends_with(after), "{order}");
    }

    #[test]
    fn a_script_gets_the_same_in_parts() {
        let old = json!({"endpoints": {"/v1/a": {"models": {"m": {"s": {"enum": [1]}}}}}});
        let new = json!({"endpoints": {"/v1/a": {"models": {"m": {"s": {"enum": [2]}}}}}});
        let told: Vec<Json> = diff(&old, &new).iter().map(Change::to_json).collect();
        let expected = json!([{
            "endpoint": "/v1/a", "model": "m", "field": "s",
            "change": "values", "attribute": "enum", "added": [2], "removed": [1]
        }]);
        assert_eq!(json!(told), expected);
    }
}
