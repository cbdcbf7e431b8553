//! Requests one step outside each constraint of a model, with the field that must be named.

mod media;
mod rules;
mod values;

use mediagen::pb::v1::Role;
use serde_json::{Value as Json, json};

use self::values::wrong_values;
use super::catalogue::{Pair, bound, places, range, typed};
use super::requests::{Wanted, least, sample};

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
                    w.request.prompt = "ä".repeat(longest + 1);
                });
                self.add("a prompt of pairs", ours, |w| {
                    w.request.prompt = "🎬".repeat(longest / 2 + 1);
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
                    w.request.negative_prompt = "a".repeat(longest + 1);
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
                for pixels in forms.clone().filter_map(|form| form["min_pixels"].as_u64()) {
                    self.add("too few pixels", ours, |w| {
                        w.request.size = format!("1024x{}", pixels / 1024 - 1);
                    });
                }
                for pixels in forms.filter_map(|form| form["max_pixels"].as_u64()) {
                    self.add("too many pixels", ours, |w| {
                        w.request.size = format!("2x{}", pixels / 2 + 1);
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
            w.request.negative_prompt = "rain".into();
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
