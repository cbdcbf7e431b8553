//! `routing` and `groups`: how deployments are chosen, and what follows a failure. LiteLLM's
//! `router_settings` and `litellm_settings` say the same under other names.

use std::time::Duration;

use super::accounts::parse_flag;
use super::litellm;
use crate::config::quantity::{parse_duration, show_duration};
use crate::config::section::{Section, shortened};
use crate::config::tree::{Node, Origin, Value};
use crate::config::{DAY, SECOND};
use crate::domain::routing::{BreakerSettings, Policy, Strategy};

/// What is said of all groups, and of single ones by name.
pub struct Settings {
    /// What goes for a group that says nothing; without its fallbacks.
    pub policy: Policy,
    /// When a deployment is left alone for a while.
    pub breaker: BreakerSettings,
    /// Whether accounts serve the catalogue by its own names.
    pub serve_catalog: bool,
    /// How often accounts are asked what they may do.
    pub check_accounts: Duration,
    /// What serves in whose place.
    pub fallbacks: Vec<Fall>,
    /// Other names.
    pub aliases: Vec<Alias>,
    /// What `groups` says.
    pub groups: Vec<GroupSaid>,
}

/// A name, and where it is written.
#[derive(Clone, Debug)]
pub struct Named {
    /// The name.
    pub name: String,
    /// Its line.
    pub origin: Origin,
    /// Its whole path.
    pub path: String,
}

/// What serves in a group's place; of `*`: in every group's that does not say.
pub struct Fall {
    /// The group.
    pub from: Named,
    /// The others, in order.
    pub to: Vec<Named>,
}

/// Another name for a group.
pub struct Alias {
    /// The other name.
    pub name: Named,
    /// What it stands for.
    pub target: String,
}

/// What one group says of itself.
pub struct GroupSaid {
    /// The group.
    pub group: Named,
    strategy: Option<Strategy>,
    retry_failed_tasks: Option<u32>,
    max_queued: Option<u32>,
}

impl GroupSaid {
    /// Puts what is said over a policy.
    pub fn put_on(&self, policy: &mut Policy) {
        policy.strategy = self.strategy.unwrap_or(policy.strategy);
        policy.retry_failed_tasks = self.retry_failed_tasks.unwrap_or(policy.retry_failed_tasks);
        policy.max_queued = self.max_queued.or(policy.max_queued);
    }
}

/// The three sections that say the same.
struct Sections<'s> {
    own: &'s Section<'s>,
    router: &'s Section<'s>,
    module: &'s Section<'s>,
}

type Place<'s> = (&'s Section<'s>, &'static str);

impl Settings {
    /// Reads `routing`, `groups`, `router_settings` and `litellm_settings`.
    pub fn read(root: &Section<'_>) -> Self {
        let mut settings = root.within("routing", |own| {
            root.maybe("router_settings", |router| {
                root.maybe("litellm_settings", |module| {
                    litellm::shrug_at_settings(router, module);
                    Sections {
                        own,
                        router,
                        module,
                    }
                    .read()
                })
            })
        });
        root.within("groups", |section| {
            for (name, node) in section.nodes() {
                section.below(name, node, |group| settings.read_group(name, node, group));
            }
        });
        settings
    }

    fn read_group(&mut self, name: &str, node: &Node, section: &Section<'_>) {
        let group = Named {
            name: name.to_owned(),
            origin: node.origin.clone(),
            path: section.name(""),
        };
        self.groups.push(GroupSaid {
            group: group.clone(),
            strategy: section.parsed("strategy", |text| parse_strategy(text, section)),
            retry_failed_tasks: section.parsed("retry_failed_tasks", parse_retries),
            max_queued: section.parsed("max_queued", |text| number(text, 1..=1_000_000)),
        });
        if let Some(node) = section.given("fallbacks") {
            let to = names(section, "fallbacks", node);
            self.fallbacks.push(Fall { from: group, to });
        }
    }
}

impl<'s> Sections<'s> {
    fn read(&self) -> Settings {
        let both = |key| [(self.router, key), (self.module, key)];
        let strategy = self.chosen("strategy", &[(self.router, "routing_strategy")]);
        let fails = self.chosen("allowed_fails", &both("allowed_fails"));
        let cooldown = self.chosen("cooldown", &both("cooldown_time"));
        let usual = BreakerSettings::default();
        let mut fallbacks = self.falls(&both("fallbacks"));
        if let Some(fall) = self.default_falls() {
            fallbacks.push(fall);
        }
        Settings {
            policy: Policy {
                strategy: strategy
                    .0
                    .parsed(strategy.1, |text| parse_strategy(text, strategy.0))
                    .unwrap_or_default(),
                retry_failed_tasks: self
                    .own
                    .required("retry_failed_tasks", parse_retries)
                    .unwrap_or_default(),
                ..Policy::default()
            },
            breaker: BreakerSettings {
                allowed_fails: fails
                    .0
                    .parsed(fails.1, |text| number(text, 1..=10_000))
                    .unwrap_or(usual.allowed_fails),
                cooldown: cooldown
                    .0
                    .parsed(cooldown.1, parse_cooldown)
                    .unwrap_or(usual.cooldown),
            },
            serve_catalog: self
                .own
                .required("serve_catalog", parse_flag)
                .unwrap_or(true),
            check_accounts: self.own.duration("check_accounts", 10 * SECOND..=DAY),
            fallbacks,
            aliases: self.aliases(),
            groups: Vec::new(),
        }
    }

    /// Our own key where somebody set it, else the first of theirs that is set, else our default.
    fn chosen(&self, own: &'static str, theirs: &[Place<'s>]) -> Place<'s> {
        let set: Vec<Place<'s>> = theirs
            .iter()
            .copied()
            .filter(|(section, key)| section.given(key).is_some())
            .collect();
        let ours = (self.own, own);
        if self.own.given(own).is_none() && set.is_empty() {
            self.own.wrong(own, "needs a value");
        }
        let is_ours = !self.own.is_default(own) || set.is_empty();
        let chosen = if is_ours { ours } else { set[0] };
        let place = chosen.0.name(chosen.1);
        for (section, key) in set.into_iter().skip(usize::from(!is_ours)) {
            section.warn(key, &format!("gives way to {place}"));
        }
        chosen
    }

    fn falls(&self, theirs: &[Place<'s>]) -> Vec<Fall> {
        let (section, key) = self.chosen("fallbacks", theirs);
        let Some(node) = section.given(key) else {
            return Vec::new();
        };
        let mut falls = Vec::new();
        let mut read = |path: &str, node: &Node| match &node.value {
            Value::Map(keys) => {
                for (from, node) in keys {
                    let path = format!("{path}.{}", shortened(from));
                    falls.push(Fall {
                        from: Named {
                            name: from.clone(),
                            origin: node.origin.clone(),
                            path: section.name(&path),
                        },
                        to: names(section, &path, node),
                    });
                }
            }
            Value::Null | Value::Text(..) | Value::List(_) => {
                section.wrong_at(&node.origin, path, FALL_RULE);
            }
        };
        match &node.value {
            Value::List(items) => {
                for (index, node) in items.iter().enumerate() {
                    read(&format!("{key}[{index}]"), node);
                }
            }
            _ => read(key, node),
        }
        falls
    }

    /// `default_fallbacks` of either section, which is our `"*"`.
    fn default_falls(&self) -> Option<Fall> {
        let places = [self.router, self.module].map(|section| (section, "default_fallbacks"));
        let given = places.map(|(section, key)| section.given(key).map(|node| (section, node)));
        let (section, node) = given.into_iter().flatten().next()?;
        Some(Fall {
            from: Named {
                name: ANY.to_owned(),
                origin: node.origin.clone(),
                path: section.name("default_fallbacks"),
            },
            to: names(section, "default_fallbacks", node),
        })
    }

    fn aliases(&self) -> Vec<Alias> {
        let theirs = [
            (self.router, "model_group_alias"),
            (self.module, "model_group_alias"),
        ];
        let (section, key) = self.chosen("aliases", &theirs);
        let Some(node) = section.given(key) else {
            return Vec::new();
        };
        let Value::Map(keys) = &node.value else {
            section.wrong(key, "takes names, each with the group that it stands for");
            return Vec::new();
        };
        let mut aliases = Vec::new();
        for (name, node) in keys {
            let path = format!("{key}.{}", shortened(name));
            let (target, deep) = node.along(&["model".to_owned()]);
            match &target.value {
                Value::Text(target, _) if matches!(node.value, Value::Text(..)) || deep == 1 => {
                    aliases.push(Alias {
                        name: Named {
                            name: name.clone(),
                            origin: node.origin.clone(),
                            path: section.name(&path),
                        },
                        target: target.clone(),
                    });
                }
                _ => section.wrong_at(&node.origin, &path, "takes the name of a group"),
            }
        }
        aliases
    }
}

/// The names in a list, or the one in a text.
fn names(section: &Section<'_>, path: &str, node: &Node) -> Vec<Named> {
    let named = |path: &str, node: &Node| match &node.value {
        Value::Text(text, _) => Some(Named {
            name: text.trim().to_owned(),
            origin: node.origin.clone(),
            path: section.name(path),
        }),
        Value::Null | Value::List(_) | Value::Map(_) => {
            section.wrong_at(&node.origin, path, "takes names of groups");
            None
        }
    };
    match &node.value {
        Value::List(items) if items.len() > LONGEST => {
            let text = format!("holds more than {LONGEST} names");
            section.wrong_at(&node.origin, path, &text);
            Vec::new()
        }
        Value::List(items) => {
            let items = items.iter().enumerate();
            items
                .filter_map(|(index, node)| named(&format!("{path}[{index}]"), node))
                .collect()
        }
        _ => named(path, node).into_iter().collect(),
    }
}

fn parse_strategy(text: &str, section: &Section<'_>) -> Result<Strategy, String> {
    let own = Strategy::ALL
        .into_iter()
        .find(|strategy| strategy.as_str() == text);
    if let Some(strategy) = own {
        return Ok(strategy);
    }
    match text {
        "latency-based-routing" => Ok(Strategy::LatencyBased),
        "cost-based-routing" => Ok(Strategy::CostBased),
        "usage-based-routing" | "usage-based-routing-v2" => {
            let text = format!(
                "`{text}` goes by tokens, of which there are none here: `{}` is taken, which goes by \
                 tasks in flight",
                Strategy::default().as_str()
            );
            section.warn("routing_strategy", &text);
            Ok(Strategy::default())
        }
        text => {
            let names = Strategy::ALL.map(Strategy::as_str);
            let text = shortened(text);
            Err(format!("`{text}` is none of: {}", names.join(", ")))
        }
    }
}

fn parse_retries(text: &str) -> Result<u32, String> {
    number(text, 0..=MOST_RETRIES)
}

fn number(text: &str, bounds: std::ops::RangeInclusive<u32>) -> Result<u32, String> {
    let number: Option<u32> = text.parse().ok();
    number
        .filter(|number| bounds.contains(number))
        .ok_or_else(|| {
            let (text, least, most) = (shortened(text), bounds.start(), bounds.end());
            format!("`{text}` is no whole number from {least} to {most}")
        })
}

/// A duration, or seconds as LiteLLM has them.
fn parse_cooldown(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok();
    let seconds = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let cooldown = seconds.map_or_else(|| parse_duration(text), Ok)?;
    if (SHORTEST..=DAY).contains(&cooldown) {
        Ok(cooldown)
    } else {
        let cooldown = show_duration(cooldown);
        Err(format!("{cooldown} is out of bounds: 100ms to 1d"))
    }
}

/// What stands for every group that does not say.
pub const ANY: &str = "*";
/// Names in one list of fallbacks.
const LONGEST: usize = 32;
/// Each is a paid generation.
const MOST_RETRIES: u32 = 5;
const SHORTEST: Duration = Duration::from_millis(100);
const FALL_RULE: &str = "takes a group's name with a list of names: `{gen4-turbo: [gen4.5]}`";
