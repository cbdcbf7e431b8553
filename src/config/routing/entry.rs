//! One entry of `model_list`: our own flat keys, and LiteLLM's `litellm_params` and `model_info`.

use http::HeaderMap;

use super::accounts::{Book, parse_provider};
use super::litellm;
use super::parts::Inline;
use super::price::{self, Source};
use super::target::{self, Target};
use crate::config::access::read_headers;
use crate::config::section::{Section, nearest, shortened};
use crate::domain::model::{Catalog, ProviderKind};
use crate::domain::money::{Millicredits, UsdRate};
use crate::domain::pricing::{Tariff, Unit};
use crate::domain::routing::{Cap, Deployment};

/// The three places where an entry says something.
pub struct Entry<'s> {
    /// The entry itself.
    pub own: &'s Section<'s>,
    /// `litellm_params`.
    pub params: &'s Section<'s>,
    /// `model_info`.
    pub info: &'s Section<'s>,
}

/// What an entry comes to.
pub enum Said {
    /// One deployment, whose id is still to be made unless it was given.
    Deployment {
        /// The deployment.
        deployment: Deployment,
        /// Whether its id was given.
        named: bool,
    },
    /// Every model of the catalogue, on these accounts.
    Open(Vec<String>),
    /// Nothing that is made here: chat, or a provider that is not spoken to. A warning says so.
    LeftOut,
    /// A problem was reported.
    Wrong,
}

type Place<'s> = (&'s Section<'s>, &'static str);

impl<'s> Entry<'s> {
    /// The name that callers ask for; `None`: a problem was reported.
    pub fn name(&self) -> Option<String> {
        let name = self.own.optional("model_name");
        if name.is_none() && !self.own.has("model_name") {
            self.own
                .wrong("model_name", "is missing: the name that callers ask for");
        }
        let name = name?;
        if Catalog::is_id(&name) {
            return Some(name);
        }
        self.own.wrong("model_name", NAME_RULE);
        None
    }

    /// Reads the entry. Everything that is wrong with it is reported.
    pub fn read(&self, name: &str, book: &mut Book<'_>, catalog: &Catalog, rate: UsdRate) -> Said {
        self.know_keys();
        let place = Self::first(&[(self.own, "model"), (self.params, "model")]);
        let id = Self::first(&[(self.own, "id"), (self.info, "id")]);
        let id = id.map(|(section, key)| section.parsed(key, parse_id));
        let details = self.details(rate);
        let is_other = self.is_of_another_kind();
        litellm::shrug_at_entry(self);
        let Some((section, key)) = place else {
            let text = "is missing: runwayml/<model> or openai/<model>";
            self.own.wrong("model", text);
            return Said::Wrong;
        };
        let Some(model) = section.optional(key) else {
            return Said::Wrong;
        };
        if is_other {
            return Said::LeftOut;
        }
        let kind = self.said_kind(book);
        let target = match target::read(model.trim(), kind, catalog) {
            Ok(target) => target,
            Err(problem) => {
                section.wrong(key, &problem);
                return Said::Wrong;
            }
        };
        match target {
            Target::Elsewhere => {
                section.warn(key, LEFT_OUT);
                Said::LeftOut
            }
            Target::Stranger(_) if self.own.has("litellm_params") => {
                section.warn(key, STRANGER);
                Said::LeftOut
            }
            Target::Stranger(problem) => {
                section.wrong(key, &problem);
                Said::Wrong
            }
            Target::Everything => self.everything(name, book),
            Target::All(kind) => self.all_of(name, kind, book),
            Target::Model(kind, model) => {
                Self::warn_of_pass_through((section, key), &model, catalog);
                let Some(account) = self.account(kind, book) else {
                    return Said::Wrong;
                };
                let named = matches!(id, Some(Some(_)));
                let mut deployment = Deployment::of_model(&account, &model);
                if let Some(Some(id)) = id {
                    deployment.id = id;
                }
                Said::Deployment {
                    deployment: details.put_on(deployment),
                    named,
                }
            }
        }
    }

    fn all_of(&self, name: &str, kind: ProviderKind, book: &mut Book<'_>) -> Said {
        if name != "*" && name != format!("{}/*", kind.as_str()) {
            let text = format!(
                "a `*` stands for every model by its own name: call it `{}/*` or `*`",
                kind.as_str()
            );
            self.own.wrong("model_name", &text);
        }
        self.account(kind, book)
            .map_or(Said::Wrong, |account| Said::Open(vec![account]))
    }

    /// `*` without a provider: every provider, with the keys that it is usually called with.
    fn everything(&self, name: &str, book: &mut Book<'_>) -> Said {
        if name != "*" {
            self.own
                .wrong("model_name", "goes with `model: '*'` only as `*`");
        }
        if let Some((section, key)) = self.key_place() {
            section.wrong(
                key,
                "goes with one provider: write the model as runwayml/* or openai/*",
            );
            return Said::Wrong;
        }
        self.account(ProviderKind::Runway, book)
            .map_or(Said::Wrong, |account| Said::Open(vec![account]))
    }

    /// The account that pays: a named one, or what the entry says of it.
    fn account(&self, kind: ProviderKind, book: &mut Book<'_>) -> Option<String> {
        let headers = self.headers();
        let key = self.key_place().map_or(self.own, |(section, _)| section);
        let base = self.base_place();
        if let Some(name) = self.own.optional("account") {
            let Some(known) = book.kind(&name) else {
                let names = book.names();
                let text = match nearest(&name, &names) {
                    Some(near) => format!("is no account of `accounts`; did you mean `{near}`?"),
                    None => "is no account of `accounts`".to_owned(),
                };
                self.own.wrong("account", &text);
                return None;
            };
            if known != kind {
                let (known, kind) = (known.as_str(), kind.as_str());
                let text = format!("is of {known}, and the model is of {kind}");
                self.own.wrong("account", &text);
            }
            for (section, key) in self.key_place().into_iter().chain(base) {
                section.wrong(
                    key,
                    "is the account's, which is named; say it in `accounts`",
                );
            }
            return Some(name);
        }
        let inline = Inline {
            kind,
            key,
            base,
            headers,
        };
        book.inline(&inline).ok()
    }

    /// Whatever comes of the entry, these keys are known.
    fn know_keys(&self) {
        for key in [
            "account",
            "api_key",
            "api_key_file",
            "base_url",
            "headers",
            "provider",
        ] {
            let _ = self.own.given(key);
        }
        for key in [
            "api_key",
            "api_key_file",
            "api_base",
            "base_url",
            "headers",
            "extra_headers",
        ] {
            let _ = self.params.given(key);
        }
        let _ = self.params.given("custom_llm_provider");
    }

    fn key_place(&self) -> Option<Place<'s>> {
        let places = [
            (self.own, "api_key"),
            (self.own, "api_key_file"),
            (self.params, "api_key"),
            (self.params, "api_key_file"),
        ];
        Self::first(&places)
    }

    fn base_place(&self) -> Option<Place<'s>> {
        let places = [
            (self.own, "base_url"),
            (self.params, "api_base"),
            (self.params, "base_url"),
        ];
        Self::first(&places)
    }

    fn headers(&self) -> Option<HeaderMap> {
        let places = [
            (self.own, "headers"),
            (self.params, "extra_headers"),
            (self.params, "headers"),
        ];
        let (section, key) = Self::first(&places)?;
        Some(section.maybe(key, read_headers))
    }

    /// The provider that is said beside the model.
    fn said_kind(&self, book: &Book<'_>) -> Option<ProviderKind> {
        let places = [(self.own, "provider"), (self.params, "custom_llm_provider")];
        let said = Self::first(&places);
        let said = said.and_then(|(section, key)| section.parsed(key, parse_provider));
        let account = self.own.given("account").and(self.own.spelled("account"));
        said.or_else(|| book.kind(account?))
    }

    fn details(&self, rate: UsdRate) -> Details {
        let both = |key| Self::first(&[(self.own, key), (self.params, key)]);
        let cap = [
            (self.own, "max_in_flight"),
            (self.params, "max_parallel_requests"),
        ];
        let read = |place: Option<Place<'_>>, least| {
            place.and_then(|(section, key)| section.parsed(key, |text| parse_count(text, least)))
        };
        let cap = Self::first(&cap);
        Details {
            weight: read(both("weight"), 0),
            rpm: read(both("rpm"), 1),
            cap: cap.and_then(|(section, key)| section.parsed(key, parse_cap)),
            max_cost: self.own.parsed("max_cost", |text| {
                let dollars = price::parse_dollars(text)?;
                price::credits(dollars, rate).ok_or_else(|| "is too much".to_owned())
            }),
            price: self.price(rate),
        }
    }

    fn price(&self, rate: UsdRate) -> Option<Tariff> {
        let source = |section: &'s Section<'s>, key, unit| Source { section, key, unit };
        self.own.maybe("price", |own| {
            let mut sources = vec![
                Source {
                    section: own,
                    key: "per_second",
                    unit: Unit::OutputSecond,
                },
                Source {
                    section: own,
                    key: "per_output",
                    unit: Unit::Output,
                },
                Source {
                    section: own,
                    key: "per_task",
                    unit: Unit::Task,
                },
            ];
            for section in [self.info, self.params] {
                sources.extend(SECONDS.map(|key| source(section, key, Unit::OutputSecond)));
                sources.push(source(section, "output_cost_per_image", Unit::Output));
            }
            price::read(&sources, rate)
        })
    }

    /// Whether the entry says that it is for something that is not made here.
    fn is_of_another_kind(&self) -> bool {
        let place = Self::first(&[(self.own, "mode"), (self.info, "mode")]);
        let Some((section, key)) = place else {
            return false;
        };
        let mode = section.optional(key);
        let is_other = mode.is_some_and(|mode| !MODES.contains(&&*mode));
        if is_other {
            section.warn(key, "is nothing that is made here; the entry is left out");
        }
        is_other
    }

    fn warn_of_pass_through((section, key): Place<'_>, id: &str, catalog: &Catalog) {
        if ProviderKind::of(id) != ProviderKind::Runway || catalog.offer(id).is_some() {
            return;
        }
        let known: Vec<&str> = catalog.ids().collect();
        let hint =
            nearest(id, &known).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        let text = format!("is not in the catalogue, so that it is passed on unchecked{hint}");
        section.warn(key, &text);
    }

    /// The first place that says something; a second one is refused.
    fn first(places: &[Place<'s>]) -> Option<Place<'s>> {
        let mut given = places
            .iter()
            .copied()
            .filter(|(section, key)| section.given(key).is_some());
        let first = given.next()?;
        for (section, key) in given {
            let other = first.0.name(first.1);
            section.wrong(key, &format!("says what {other} says; keep one of them"));
        }
        Some(first)
    }
}

/// What an entry says beside who makes what.
struct Details {
    weight: Option<u32>,
    rpm: Option<u32>,
    cap: Option<Cap>,
    max_cost: Option<Millicredits>,
    price: Option<Tariff>,
}

impl Details {
    fn put_on(self, deployment: Deployment) -> Deployment {
        Deployment {
            weight: self.weight.unwrap_or(deployment.weight),
            rpm: self.rpm,
            max_in_flight: self.cap.unwrap_or_default(),
            price: self.price,
            max_cost: self.max_cost,
            ..deployment
        }
    }
}

fn parse_id(text: &str) -> Result<String, String> {
    if Catalog::is_id(text) {
        Ok(text.to_owned())
    } else {
        Err("is no id: 1 to 128 letters of ASCII without spaces".to_owned())
    }
}

fn parse_count(text: &str, least: u32) -> Result<u32, String> {
    let count: Option<u32> = text.parse().ok();
    count
        .filter(|count| (least..=MOST).contains(count))
        .ok_or_else(|| {
            let text = shortened(text);
            format!("`{text}` is no whole number from {least} to {MOST}")
        })
}

fn parse_cap(text: &str) -> Result<Cap, String> {
    match text {
        "auto" => Ok(Cap::Auto),
        "unlimited" => Ok(Cap::Unlimited),
        text => parse_count(text, 1)
            .map(Cap::AtMost)
            .map_err(|problem| format!("{problem}, and neither auto nor unlimited")),
    }
}

const MOST: u32 = 1_000_000;
/// LiteLLM's words for what is made here.
const MODES: [&str; 5] = [
    "video_generation",
    "image_generation",
    "image_edit",
    "audio_speech",
    "audio_generation",
];
/// LiteLLM's keys for the price of a second of video.
const SECONDS: [&str; 2] = ["output_cost_per_second", "output_cost_per_video_per_second"];
const NAME_RULE: &str =
    "is no name that callers could ask for: 1 to 128 letters of ASCII without spaces";
const STRANGER: &str = "is no model of the catalogue, as models for chat are not; the entry is left \
    out. One that makes videos or images is written runwayml/<model> or openai/<model>";
const LEFT_OUT: &str = "is of a provider that mediagen does not speak to; the entry is left out";
