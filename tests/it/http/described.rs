//! The `OpenAPI` document as a judge: whether a request is one that it describes, and an answer too.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::rc::Rc;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::harness::http::{self, Answer};
use crate::harness::receiver::Got;

/// The document of a server, and what was held against it.
pub struct Document {
    whole: Value,
    /// By its schemas as they are.
    open: Judge,
    /// By the same, where what is not described must not be there.
    closed: Judge,
    /// Operation and status of every answer.
    seen: RefCell<BTreeSet<(String, u16)>>,
}

/// The schemas of a document, each made ready once.
struct Judge {
    components: Value,
    ready: RefCell<BTreeMap<String, Rc<Validator>>>,
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
        let whole = answer.json();
        let open = whole["components"].clone();
        let mut closed = open.clone();
        let schemas = closed["schemas"].as_object_mut().unwrap();
        schemas.values_mut().for_each(close);
        Self {
            whole,
            open: Judge::of(open),
            closed: Judge::of(closed),
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

    /// Values on the bounds of every parameter and beyond them, each with whether it is within.
    pub fn tries(&self) -> Vec<(Operation, Value, String, bool)> {
        let mut tries = Vec::new();
        for operation in self.operations() {
            let of_path = &self.whole["paths"][&operation.path]["parameters"];
            let both = [of_path, &operation.said["parameters"]];
            for parameter in both.into_iter().filter_map(Value::as_array).flatten() {
                let parameter = self.at(parameter);
                // What is not fit for the id of a call is replaced, and no reason to refuse it.
                if parameter["in"] == "path" || parameter["name"] == "x-request-id" {
                    continue;
                }
                for (value, is_within) in self.probes(parameter) {
                    tries.push((operation.clone(), parameter.clone(), value, is_within));
                }
            }
        }
        tries
    }

    fn probes(&self, parameter: &Value) -> Vec<(String, bool)> {
        let schema = self.at(&parameter["schema"]);
        let mut probes = Vec::new();
        if let Some(least) = schema["minimum"].as_i64() {
            probes.extend([(least.to_string(), true), ((least - 1).to_string(), false)]);
        }
        if let Some(most) = schema["maximum"].as_i64() {
            probes.extend([(most.to_string(), true), ((most + 1).to_string(), false)]);
        }
        if let Some(longest) = schema["maxLength"].as_u64() {
            let longest = usize::try_from(longest).unwrap();
            probes.extend([
                ("x".repeat(longest), true),
                ("x".repeat(longest + 1), false),
            ]);
        }
        if schema["minLength"] == 1 {
            probes.extend([("x".to_owned(), true), (String::new(), false)]);
        }
        for value in schema["enum"].as_array().into_iter().flatten() {
            probes.push((value.as_str().unwrap().to_owned(), true));
        }
        if schema["type"] == "integer" || schema["enum"].is_array() || schema["pattern"].is_string()
        {
            probes.push(("other".to_owned(), false));
        }
        probes
    }

    /// The operation of a call. HEAD is answered wherever GET is.
    fn operation(&self, method: &str, path: &str) -> Operation {
        let found = self.described(method, path);
        let found = found.or_else(|| (method == "HEAD").then(|| self.described("GET", path))?);
        found.unwrap_or_else(|| panic!("{method} {path} is not described"))
    }

    fn described(&self, method: &str, path: &str) -> Option<Operation> {
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
        self.operations().into_iter().find(fits)
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
        self.closed.wrong(schema, value)
    }

    /// Whether a body is one that a call is described to take.
    pub fn takes(&self, method: &str, path: &str, body: &Value) -> bool {
        let operation = self.operation(method, path);
        let schema = &operation.said["requestBody"]["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{method} {path} takes no JSON");
        self.wrong(schema, body).is_empty()
    }

    /// Whether a form of these fields is one that a call is described to take, and they are all that
    /// there are.
    pub fn takes_form(&self, method: &str, path: &str, fields: &Map<String, Value>) -> bool {
        let operation = self.operation(method, path);
        let schema = &operation.said["requestBody"]["content"]["multipart/form-data"]["schema"];
        let members = self.at(schema)["properties"].as_object().unwrap();
        let mut form = fields.clone();
        for (name, value) in &mut form {
            let text = Value::from(as_text(value));
            let is_list = members[name]["type"] == "array";
            *value = if is_list { json!([text]) } else { text };
        }
        let names: BTreeSet<&String> = members.keys().collect();
        names == form.keys().collect() && self.wrong(schema, &form.into()).is_empty()
    }

    /// Holds an answer against what is described of its call.
    pub fn check(&self, method: &str, path: &str, answer: &Answer) {
        let operation = self.operation(method, path);
        let status = answer.status.as_u16();
        let place = format!("{method} {path}: {status}");
        let name = operation.said["operationId"].as_str().unwrap();
        if operation.method == method {
            self.seen.borrow_mut().insert((name.to_owned(), status));
        }
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
            let is_known = described[name].is_object();
            assert!(!ours || is_known, "{place}: {name} is not described");
        }
    }

    /// Holds the data of a server-sent event against what is described.
    pub fn check_event(&self, path: &str, data: &Value) {
        let stream = &self.operation("GET", path).said["responses"]["200"]["content"];
        let schema = &stream["text/event-stream"]["schema"]["contentSchema"];
        assert!(schema.is_object(), "{path} tells of no data");
        let missing = self.open.wrong(schema, data);
        assert!(missing.is_empty(), "{missing:#?}");
        let mut video = data.clone();
        video.as_object_mut().unwrap().remove("revision");
        let wrong = self.wrong(&json!({"$ref": "#/components/schemas/Video"}), &video);
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// Holds what a receiver was told against what is described.
    pub fn check_told(&self, got: &Got) {
        let told = &self.whole["webhooks"]["taskEnded"]["post"];
        for header in told["parameters"].as_array().unwrap() {
            let value = Value::from(got.header(header["name"].as_str().unwrap()));
            assert_ne!(value, "", "{header}");
            assert!(self.wrong(&header["schema"], &value).is_empty(), "{header}");
        }
        let content = &told["requestBody"]["content"][got.header("content-type")];
        let wrong = self.wrong(&content["schema"], &got.json());
        assert!(wrong.is_empty(), "{wrong:#?}\n{:#}", got.json());
    }

    /// The operations and statuses that are described, wanted and never seen.
    pub fn unseen(&self, is_wanted: impl Fn(&Operation, u16) -> bool) -> Vec<String> {
        let (seen, mut unseen) = (self.seen.borrow(), Vec::new());
        for operation in self.operations() {
            let name = operation.said["operationId"].as_str().unwrap().to_owned();
            for status in operation.said["responses"].as_object().unwrap().keys() {
                let status: u16 = status.parse().unwrap();
                if is_wanted(&operation, status) && !seen.contains(&(name.clone(), status)) {
                    unseen.push(format!("{} {}: {status}", operation.method, operation.path));
                }
            }
        }
        unseen
    }
}

impl Judge {
    fn of(components: Value) -> Self {
        let ready = RefCell::default();
        Self { components, ready }
    }

    /// What is wrong with a value by a schema.
    fn wrong(&self, schema: &Value, value: &Value) -> Vec<String> {
        let make = || {
            let schema = json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "components": self.components,
                "allOf": [schema],
            });
            Rc::new(jsonschema::validator_for(&schema).unwrap())
        };
        let mut ready = self.ready.borrow_mut();
        let validator = Rc::clone(ready.entry(schema.to_string()).or_insert_with(make));
        let errors = validator.iter_errors(value);
        errors
            .map(|error| format!("{} at {}", error, error.instance_path()))
            .collect()
    }
}

/// A value as a form says it.
pub fn as_text(value: &Value) -> String {
    let text = value.as_str().map(str::to_owned);
    text.unwrap_or_else(|| value.to_string())
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
const OURS: [&str; 12] = [
    "accept-ranges",
    "content-digest",
    "content-disposition",
    "content-range",
    "content-security-policy",
    "etag",
    "last-modified",
    "location",
    "referrer-policy",
    "repr-digest",
    "retry-after",
    "www-authenticate",
];
