//! The accounts, groups and rules in force, in our own spelling and without secrets.

use serde_json::{Map, Value as Json, json};

use super::{Account, Routing};
use crate::config::access::Access;
use crate::config::quantity::{show_duration, show_usd_micros};
use crate::domain::money::{Millicredits, UsdRate};
use crate::domain::pricing::{Tariff, Unit};
use crate::domain::routing::{Cap, Deployment, Group};

/// What stands for a secret.
pub const HIDDEN: &str = "***";

impl Routing {
    /// The sections `accounts`, `model_list`, `groups` and `routing` that would say the same.
    pub(in crate::config) fn shown(&self, rate: UsdRate) -> Vec<(&'static str, Json)> {
        let open = |account: &Account| {
            let names = self.routes.open.get(&account.kind);
            names.is_some_and(|names| names.contains(&account.name))
        };
        let accounts = self.accounts.iter().map(|account| {
            let shown = shown_account(account, open(account));
            (account.name.clone(), shown)
        });
        let groups = self.routes.groups.values();
        let entries = groups
            .clone()
            .flat_map(|group| group.deployments.iter().map(move |one| (group, one)))
            .map(|(group, one)| shown_deployment(&group.name, one, rate));
        let policies = groups
            .clone()
            .map(|group| (group.name.clone(), shown_group(group)));
        vec![
            ("accounts", Json::Object(accounts.collect())),
            ("model_list", Json::Array(entries.collect())),
            ("groups", Json::Object(policies.collect())),
            ("routing", self.shown_rules()),
        ]
    }

    fn shown_rules(&self) -> Json {
        let routes = &self.routes;
        json!({
            "strategy": routes.policy.strategy.as_str(),
            "fallbacks": if routes.policy.fallbacks.is_empty() {
                json!({})
            } else {
                json!({ "*": routes.policy.fallbacks })
            },
            "aliases": routes.aliases,
            "retry_failed_tasks": routes.policy.retry_failed_tasks,
            "allowed_fails": routes.breaker.allowed_fails,
            "cooldown": show_duration(routes.breaker.cooldown),
            "check_accounts": show_duration(self.check_accounts),
            "serve_catalog": !routes.open.is_empty(),
        })
    }
}

fn shown_account(account: &Account, is_open: bool) -> Json {
    let mut shown = Map::new();
    shown.insert("provider".into(), account.kind.as_str().into());
    if let Access::Account { base_url, .. } = &account.access {
        shown.insert("api_key".into(), HIDDEN.into());
        shown.insert("base_url".into(), base_url.as_str().into());
    }
    let headers = account.headers.keys();
    let headers: Map<String, Json> = headers
        .map(|name| (name.to_string(), HIDDEN.into()))
        .collect();
    shown.insert("headers".into(), headers.into());
    shown.insert("serve_catalog".into(), is_open.into());
    shown.into()
}

fn shown_deployment(group: &str, one: &Deployment, rate: UsdRate) -> Json {
    let model = match one.model.split_once('/') {
        Some(("openai", _)) => one.model.clone(),
        _ => format!("runwayml/{}", one.model),
    };
    json!({
        "model_name": group,
        "model": model,
        "account": one.account,
        "id": one.id,
        "weight": one.weight,
        "rpm": one.rpm,
        "max_in_flight": match one.max_in_flight {
            Cap::Auto => json!("auto"),
            Cap::Unlimited => json!("unlimited"),
            Cap::AtMost(most) => json!(most),
        },
        "price": one.price.as_ref().map(|price| shown_price(price, rate)),
        "max_cost": one.max_cost.map(|cost| dollars(cost, rate)),
    })
}

fn shown_price(price: &Tariff, rate: UsdRate) -> Json {
    let part = |part: &crate::domain::pricing::Part| {
        let key = match part.unit {
            Unit::OutputSecond => "per_second",
            Unit::Output => "per_output",
            _ => "per_task",
        };
        let amount = part.rates.first()?.amount?;
        Some((key.to_owned(), dollars(amount.price, rate)))
    };
    let parts: Map<String, Json> = price.parts.iter().filter_map(part).collect();
    parts.into()
}

fn shown_group(group: &Group) -> Json {
    json!({
        "strategy": group.policy.strategy.as_str(),
        "fallbacks": group.policy.fallbacks,
        "retry_failed_tasks": group.policy.retry_failed_tasks,
        "max_queued": group.policy.max_queued,
    })
}

fn dollars(amount: Millicredits, rate: UsdRate) -> Json {
    let text = show_usd_micros(amount.usd_micros(rate));
    let number: Option<serde_json::Number> = text.parse().ok();
    number.map_or(Json::String(text), Json::Number)
}
