//! The `OpenAPI` document as a judge: whether a request is one that it describes, and an answer too.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::harness::http::{self, Answer};

/// The document of a server, and what was held against it.
pub struct Document {
    whole: Value,
    /// Operation and status of every answer.
    seen: RefCell<BTreeSet<(String, u16)>>,
}

/// One operation.
#[derive(Clone, Debug)]
pub struct Operation {
    pub method: String,
    /// With its placeholders.
    pub path: String,
    pub said: Value,
}

impl Document {
    /// Reads it from a server.
    pub async fn of(address: SocketAddr) -> Self {
        let answer = http::get(address, "/openapi.json").await;
        assert_eq!(answer.header("content-type"), "application/json");
        let mut whole = answer.json();
        // What is not described must not be there.
        let schemas = whole["components"]["schemas"].as_object_mut().unwrap();
        schemas.values_mut().for_each(close);
        Self {
            whole,
            seen: RefCell::default(),
        }
    }

    pub fn operations(&self) -> Vec<Operation> {
        let mut found = Vec::new();
        for (path, item) in self.whole["paths"].as_object().unwrap() {
            for (method, said) in item.as_object().unwrap() {
                if method != "parameters" {
                    found.push(Operation {
                        method: method.to_uppercase(),
                        path: path.clone(),
                        said: said.clone(),
                    });
                }
            }
        }
        found
    }

    fn operation(&self, method: &str, path: &str) -> Operation {
        let path = path.split('?').next().unwrap();
        let fits = |operation: &Operation| {
            let described = operation.path.split('/');
            let (mut asked, mut fits) = (path.split('/'), true);
            for part in described {
                fits &= match asked.next() {
                    Some(name) => part == name || part.starts_with('{') && !name.is_empty(),
                    None => false,
                };
            }
            // A model's name may hold a slash.
            let rest = asked.next().is_none() || operation.path.ends_with("/models/{id}");
            operation.method == method && fits && rest
        };
        let found = self.operations().into_iter().find(fits);
        found.unwrap_or_else(|| panic!("{method} {path} is not described"))
    }

    /// What a reference leads to.
    fn at<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(place) => self.whole.pointer(&place[1..]).unwrap(),
            None => value,
        }
    }

    /// What is wrong with a value by a schema.
    fn wrong(&self, schema: &Value, value: &Value) -> Vec<String> {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "components": self.whole["components"],
            "allOf": [schema],
        });
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors = validator.iter_errors(value);
        errors
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect()
    }

    /// Whether a body is one that a call is described to take.
    pub fn takes(&self, method: &str, path: &str, body: &Value) -> bool {
        let operation = self.operation(method, path);
        let schema = &operation.said["requestBody"]["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{method} {path} takes no JSON");
        self.wrong(schema, body).is_empty()
    }

    /// Holds an answer against what is described of its call.
    pub fn check(&self, method: &str, path: &str, answer: &Answer) {
        let operation = self.operation(method, path);
        let status = answer.status.as_u16();
        let place = format!("{method} {path}: {status}");
        let name = operation.said["operationId"].as_str().unwrap();
        self.seen.borrow_mut().insert((name.to_owned(), status));
        let response = &operation.said["responses"][status.to_string()];
        assert!(response.is_object(), "{place} is not described: {answer:?}");
        let response = self.at(response);
        self.check_headers(&place, &response["headers"], answer);
        let kind = answer.header("content-type").split(';').next().unwrap();
        if method == "HEAD" || response["content"].is_null() {
            assert!(answer.body.is_empty(), "{place}: {answer:?}");
            return;
        }
        let content = &response["content"];
        let described = if content[kind].is_object() {
            &content[kind]
        } else {
            &content["*/*"]
        };
        assert!(described.is_object(), "{place}: {kind} is not described");
        if kind == "application/json" {
            let wrong = self.wrong(&described["schema"], &answer.json());
            assert!(wrong.is_empty(), "{place}: {wrong:#?}\n{:#}", answer.json());
        }
    }

    fn check_headers(&self, place: &str, described: &Value, answer: &Answer) {
        for (name, header) in described.as_object().into_iter().flatten() {
            let header = self.at(header);
            let Some(value) = answer.headers.get(name) else {
                assert_ne!(header["required"], true, "{place}: no {name}: {answer:?}");
                continue;
            };
            let value = Value::from(value.to_str().unwrap());
            let wrong = self.wrong(&header["schema"], &value);
            assert!(wrong.is_empty(), "{place}: {name}: {wrong:?}");
        }
        for name in answer.headers.keys().map(::http::HeaderName::as_str) {
            let ours = name.starts_with("x-") || name.starts_with("openai-");
            let ours = ours || OURS.contains(&name);
            let is_known = described[name].is_object() || COMMON.contains(&name);
            assert!(!ours || is_known, "{place}: {name} is not described");
        }
    }

    /// Holds the data of a server-sent event against what is described.
    pub fn check_event(&self, data: &Value) {
        let mut video = data.clone();
        let revision = video.as_object_mut().unwrap().remove("revision");
        assert!(revision.is_some_and(|revision| revision.as_u64() > Some(0)));
        let wrong = self.wrong(&json!({"$ref": "#/components/schemas/Video"}), &video);
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// The operations that were never answered with such a status, though one is described.
    pub fn unseen(&self, is_wanted: impl Fn(u16) -> bool) -> Vec<String> {
        let seen = self.seen.borrow();
        let operations = self.operations().into_iter().filter(|operation| {
            let described = operation.said["responses"].as_object().unwrap().keys();
            let mut described = described.filter_map(|status| status.parse().ok());
            let name = operation.said["operationId"].as_str().unwrap();
            let mut known = seen.iter();
            described.any(&is_wanted)
                && !known.any(|(seen, status)| seen == name && is_wanted(*status))
        });
        operations
            .map(|one| format!("{} {}", one.method, one.path))
            .collect()
    }
}

/// Lets an object have no members but those described.
fn close(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if object.contains_key("properties") && !object.contains_key("additionalProperties") {
        object.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    if let Some(members) = object.get_mut("properties").and_then(Value::as_object_mut) {
        members.values_mut().for_each(close);
    }
    if let Some(items) = object.get_mut("items") {
        close(items);
    }
}

/// Headers beside those of `x-` and `openai-` that must be described where they come.
const OURS: [&str; 10] = [
    "accept-ranges",
    "content-digest",
    "content-disposition",
    "content-range",
    "etag",
    "last-modified",
    "location",
    "repr-digest",
    "retry-after",
    "www-authenticate",
];
/// What a browser reads, and nobody else.
const COMMON: [&str; 1] = ["x-content-type-options"];
