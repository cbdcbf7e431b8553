//! Steps outside of the rules across members.

use mediagen::pb::v1::Role;
use serde_json::{Value as Json, json};

use super::super::requests::{Wanted, input, least, sample};
use super::Steps;

impl Steps<'_> {
    pub(super) fn rule(&mut self, rule: &Json) {
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
                w.request.size = size.into();
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
