//! Requests one step outside each constraint of a model, with the field that must be named.

use mediagen::pb::v1::keyframe::Position;
use mediagen::pb::v1::{Keyframe, Role};
use serde_json::{Value as Json, json};

use super::catalogue::{Pair, bound, most_media, places, range, typed};
use super::requests::{Wanted, input, least, sample};

/// A request that must be refused.
pub struct Outside {
    /// What is wrong with it, for whoever reads a failure.
    pub what: String,
    /// The field that must be named, or one inside it.
    pub field: String,
    pub wanted: Wanted,
}

/// Collects them over the least that the model takes.
struct Steps<'a> {
    pair: &'a Pair,
    found: Vec<Outside>,
}

/// Every step outside.
pub fn outside(pair: &Pair) -> Vec<Outside> {
    let mut steps = Steps {
        pair,
        found: Vec::new(),
    };
    for (name, field) in pair.members() {
        if let [role, ..] = places(name, field)[..] {
            steps.media(name, field, role);
        } else if let Some(ours) = typed(name) {
            steps.typed(name, field, ours);
        } else {
            steps.option(name, field);
        }
    }
    steps.lacking();
    for rule in pair.rules() {
        steps.rule(rule);
    }
    steps.found
}

impl Steps<'_> {
    fn add(&mut self, what: &str, field: &str, change: impl FnOnce(&mut Wanted)) {
        let mut wanted = least(self.pair);
        change(&mut wanted);
        self.found.push(Outside {
            what: what.into(),
            field: field.into(),
            wanted,
        });
    }

    fn add_option(&mut self, name: &str, value: Json) {
        self.add_option_at(name, "", value);
    }

    /// The path leads to what is wrong inside the option.
    fn add_option_at(&mut self, name: &str, path: &str, value: Json) {
        let (what, field) = (
            format!("{name} = {}", shortened(&value)),
            format!("provider_options.{name}{path}"),
        );
        self.add(&what, &field, |wanted| {
            wanted.options.insert(name.into(), value);
        });
    }

    fn typed(&mut self, name: &str, field: &Json, ours: &str) {
        match ours {
            "prompt" => {
                let longest = bound(field, &["maxLength"]).unwrap_or(LONGEST_PROMPT);
                self.add("a long prompt", ours, |w| {
                    w.request.prompt = "ä".repeat(longest + 1)
                });
                self.add("a prompt of pairs", ours, |w| {
                    w.request.prompt = "🎬".repeat(longest / 2 + 1)
                });
                self.add("a blank prompt", ours, |w| w.request.prompt = "\n ".into());
                if bound(field, &["minLength"]) > Some(1) {
                    self.add("a short prompt", ours, |w| w.request.prompt = "a".into());
                }
                if field["required"] == true {
                    self.add("no prompt", ours, |w| w.request.prompt.clear());
                }
            }
            "negative_prompt" => {
                let longest = bound(field, &["maxLength"]).unwrap_or(LONGEST_PROMPT);
                self.add("a long one", ours, |w| {
                    w.request.negative_prompt = "a".repeat(longest + 1)
                });
                self.add_option(name, json!("a".repeat(longest + 1)));
            }
            "size" => {
                self.add("no size", ours, |w| w.request.size = "nonsense".into());
                let free = |(_, field): (&str, &Json)| field["type"] == "size";
                if !self.pair.members().any(free) {
                    self.add("a size of nobody", ours, |w| {
                        w.request.size = "7x7000".into();
                    });
                }
                self.add_option(name, json!("nonsense"));
                let forms = field["any_of"].as_array().into_iter().flatten();
                for pixels in forms.filter_map(|form| form["max_pixels"].as_u64()) {
                    self.add("too many pixels", ours, |w| {
                        w.request.size = format!("2x{}", pixels / 2 + 1)
                    });
                }
            }
            "seed" => {
                self.add("a large seed", ours, |w| w.request.seed = Some(1 << 32));
                for seed in [json!(-1), json!(4_294_967_296_u64), json!(1.5), json!("7")] {
                    self.add_option(name, seed);
                }
            }
            "audio" => self.add_option(name, json!("yes")),
            _ => self.amount(name, field, ours),
        }
    }

    /// Seconds or a count.
    fn amount(&mut self, name: &str, field: &Json, ours: &str) {
        let set = |wanted: &mut Wanted, amount| match ours {
            "seconds" => wanted.request.seconds = Some(amount),
            _ => wanted.request.count = Some(amount),
        };
        self.add("nothing", ours, |w| set(w, 0));
        self.add("millions", ours, |w| set(w, 4_000_000));
        let (low, high) = range(field);
        let below = low.map(|low| low - 1.0).filter(|low| *low >= 0.0);
        for beyond in [below, high.map(|high| high + 1.0)].into_iter().flatten() {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "small bounds"
            )]
            self.add("one beyond", ours, |w| set(w, beyond as u32));
            self.add_option(name, json!(beyond));
        }
        if let Some(listed) = field["enum"].as_array() {
            let between = (1..20).find(|n| !listed.contains(&json!(n))).unwrap();
            self.add("between what is listed", ours, |w| set(w, between));
        }
        let fractions = field["type"] == "number";
        let wrong = [json!(-1), json!(0), json!("soon"), json!(true)];
        for value in wrong.into_iter().chain((!fractions).then(|| json!(5.5))) {
            self.add_option(name, value);
        }
        let both = format!("provider_options.{name}");
        let good = sample(field, false);
        self.add("given twice", &both, |wanted| {
            set(wanted, 5);
            wanted.options.insert(name.into(), good);
        });
    }

    fn media(&mut self, name: &str, field: &Json, role: Role) {
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
        let mut broken = |what: &str, end: &str, change: &dyn Fn(&mut super::InputReference)| {
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
            input.content_type = kind.into()
        });
        broken("no source", "", &|input| input.source = None);
        broken("a short tag", ".tag", &|input| input.tag = "ab".into());
        broken("a long tag", ".tag", &|input| input.tag = "a".repeat(17));
        broken("a subject of nobody", ".subject", &|input| {
            input.subject = "teapot".into()
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
                        position: Some(position.clone()),
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
                input.keyframe = Some(Keyframe::default())
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

    fn option(&mut self, name: &str, field: &Json) {
        if field["required"] == true {
            self.add(
                "it left out",
                &format!("provider_options.{name}"),
                |wanted| {
                    wanted.options.remove(name);
                },
            );
        }
        for (path, value) in wrong_values(field, self.pair.is_strict()) {
            self.add_option_at(name, &path, value);
        }
    }

    /// What the model does not have at all.
    fn lacking(&mut self) {
        let has = |ours: &str| {
            self.pair
                .members()
                .any(|(name, _)| typed(name) == Some(ours))
        };
        let [prompt, seconds, size, seed, audio, negative, count] = [
            "prompt",
            "seconds",
            "size",
            "seed",
            "audio",
            "negative_prompt",
            "count",
        ]
        .map(has);
        let mut lacks = |has: bool, ours: &str, change: &dyn Fn(&mut Wanted)| {
            if !has {
                self.add("what it lacks", ours, change);
            }
        };
        lacks(prompt, "prompt", &|w| w.request.prompt = "a lake".into());
        lacks(seconds, "seconds", &|w| w.request.seconds = Some(5));
        lacks(size, "size", &|w| w.request.size = "1280x720".into());
        lacks(seed, "seed", &|w| w.request.seed = Some(7));
        lacks(audio, "audio", &|w| w.request.audio = Some(true));
        lacks(negative, "negative_prompt", &|w| {
            w.request.negative_prompt = "rain".into()
        });
        lacks(count, "count", &|w| w.request.count = Some(2));
        for role in ROLES.into_iter().filter(|role| !self.pair.takes(*role)) {
            let index = least(self.pair).request.input_references.len();
            let field = format!("input_references[{index}].role");
            self.add(role.as_str_name(), &field, |wanted| wanted.input(role));
        }
        if self.pair.is_strict() {
            self.add_option("fooBar", json!(1));
        }
    }

    fn rule(&mut self, rule: &Json) {
        let word = |name: &str| rule[name].as_str().unwrap().to_owned();
        match rule["rule"].as_str().unwrap() {
            "option_needs" => {
                let value = sample(self.pair.member(&word("option")).unwrap(), false);
                self.add_option(&word("option"), value);
            }
            "alone" => self.add("not alone", "prompt", |wanted| {
                wanted.request.prompt = "a lake".into();
                wanted.options.insert(word("option"), json!("17f2"));
            }),
            "something" => self.add("nothing at all", "prompt", |w| w.request.prompt.clear()),
            "keyframes_need_size" => self.add("a fixed size", "size", |wanted| {
                wanted.request.input_references = vec![input(Role::FirstFrame)];
                wanted.request.size = "1280x720".into();
            }),
            "size_needs_input" => self.size_needs_input(&word("size")),
            "sum_between" => self.sum_between(rule),
            "subjects" => {
                for (subject, most) in rule["limits"].as_object().unwrap() {
                    let most = usize::try_from(most.as_u64().unwrap()).unwrap();
                    let field = format!("input_references[{most}].subject");
                    self.add(subject, &field, |wanted| {
                        wanted.request.input_references =
                            (0..=most).map(|_| input(Role::Reference)).collect();
                        for input in &mut wanted.request.input_references {
                            input.subject.clone_from(subject);
                        }
                    });
                }
            }
            "mode" => self.mode(rule),
            // Judged where media were measured; the catalogue's own test does that.
            "input_between" => {}
            other => panic!("the test knows no rule {other}"),
        }
    }

    /// Where the least has an image or a video, there is nothing to refuse.
    fn size_needs_input(&mut self, size: &str) {
        if least(self.pair).request.input_references.is_empty() {
            self.add("a size of nothing", "size", |w| {
                w.request.size = size.into()
            });
            self.add("a size of sound", "size", |wanted| {
                wanted.request.size = size.into();
                wanted.input(Role::ReferenceAudio);
            });
        }
    }

    fn sum_between(&mut self, rule: &Json) {
        let word = |name: &str| rule[name].as_str().unwrap();
        let [least, most] = ["minimum", "maximum"].map(|name| rule[name].as_i64().unwrap());
        let item = |amount: i64| json!({ word("field"): amount, "prompt": "a lake" });
        for amounts in [vec![least - 1], vec![most, 1], vec![-5, 8], vec![]] {
            let items: Vec<Json> = amounts.into_iter().map(item).collect();
            let value = json!({ word("list"): items });
            self.add_option_at(word("option"), &format!(".{}", word("list")), value);
        }
    }

    fn mode(&mut self, rule: &Json) {
        let option = rule["option"].as_str().unwrap();
        let with_mode = |wanted: &mut Wanted| {
            wanted.options.insert(option.into(), rule["value"].clone());
            for (name, value) in rule["fixes"].as_object().into_iter().flatten() {
                wanted.options.insert(name.clone(), value.clone());
            }
            wanted.request.prompt = "a lake".into();
        };
        if rule["needs_prompt"] == true {
            self.add("a mode without words", "prompt", |wanted| {
                with_mode(wanted);
                wanted.request.prompt.clear();
            });
        }
        if rule["forbids_size"] == true {
            self.add("a mode with a size", "size", |wanted| {
                with_mode(wanted);
                wanted.request.size = "1280x720".into();
            });
        }
        for name in rule["fixes"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name)
        {
            self.add(
                "a mode without its option",
                &format!("provider_options.{name}"),
                |wanted| {
                    with_mode(wanted);
                    wanted.options.remove(name);
                },
            );
        }
    }
}

/// Values that a member does not take, each with the path to what is wrong in it.
fn wrong_values(field: &Json, strict: bool) -> Vec<(String, Json)> {
    let here = |value: Json| (String::new(), value);
    let mut wrong = vec![here(json!([[]])), here(Json::Null)];
    let (low, high) = range(field);
    match field["type"].as_str() {
        Some(kind @ ("integer" | "number")) => {
            wrong.extend(low.map(|low| here(json!(low - 1.0))));
            wrong.extend(
                high.filter(|high| *high < 1e9)
                    .map(|high| here(json!(high + 1.0))),
            );
            wrong.push(here(json!("many")));
            wrong.extend((kind == "integer").then(|| here(json!(low.unwrap_or(1.0) + 0.5))));
        }
        Some("boolean") => wrong.extend([here(json!("true")), here(json!(1))]),
        Some("string") => {
            let lengths = (bound(field, &["minLength"]), bound(field, &["maxLength"]));
            wrong.extend(
                lengths
                    .0
                    .filter(|least| *least > 1)
                    .map(|n| here(json!("a".repeat(n - 1)))),
            );
            wrong.extend(lengths.1.map(|most| here(json!("a".repeat(most + 1)))));
            wrong.push(here(json!(true)));
        }
        _ => {}
    }
    if field.get("enum").is_some() {
        wrong.extend([here(json!("nonsense")), here(json!(-7))]);
    }
    if let Some(members) = field["object"].as_object() {
        wrong.extend(wrong_objects(field, members, strict));
    }
    if let Some(item) = field.get("array_of") {
        let many = |count: usize| -> Json { (0..count).map(|_| sample(item, true)).collect() };
        wrong.extend(bound(field, &["maxItems", "max_items"]).map(|most| here(many(most + 1))));
        wrong.extend(bound(field, &["minItems"]).map(|least| here(many(least - 1))));
        let inside = wrong_values(item, strict)
            .into_iter()
            .filter(|(_, value)| !value.is_null());
        wrong.extend(inside.map(|(path, value)| (format!("[0]{path}"), json!([value]))));
    }
    wrong
}

fn wrong_objects(
    field: &Json,
    members: &serde_json::Map<String, Json>,
    strict: bool,
) -> Vec<(String, Json)> {
    let mut wrong = vec![
        (String::new(), json!("an object")),
        (String::new(), json!([1])),
    ];
    let whole = sample(field, false);
    for (name, member) in members {
        let inside = wrong_values(member, strict)
            .into_iter()
            .filter(|(_, value)| !value.is_null());
        for (path, value) in inside {
            let mut odd = whole.clone();
            odd[name] = value;
            wrong.push((format!(".{name}{path}"), odd));
        }
        if member["required"] == true {
            let mut less = whole.clone();
            less.as_object_mut().unwrap().remove(name);
            wrong.push((format!(".{name}"), less));
        }
    }
    if strict {
        let mut more = whole;
        more["fooBar"] = json!(1);
        wrong.push((".fooBar".into(), more));
    }
    wrong
}

fn shortened(value: &Json) -> String {
    value.to_string().chars().take(60).collect()
}

/// Where the file gives no length.
const LONGEST_PROMPT: usize = 32_000;
const ROLES: [Role; 13] = [
    Role::FirstFrame,
    Role::LastFrame,
    Role::Reference,
    Role::SourceVideo,
    Role::SourceAudio,
    Role::SourceImage,
    Role::ReferenceVideo,
    Role::ReferenceAudio,
    Role::Character,
    Role::Performance,
    Role::Keyframe,
    Role::Mask,
    Role::Voice,
];
