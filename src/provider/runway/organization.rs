//! Reads what Runway says of the account: the balance, each model's limits, and today's use.
//!
//! Runway owns these numbers and we decide by them, so what cannot be understood is not guessed:
//! a member of the wrong type makes the whole answer unintelligible.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::domain::routing::{AccountLimits, ModelLimits};
use crate::provider::http::{Answer, is_shallow};
use crate::provider::{ProviderError, ProviderErrorKind};

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "creditBalance")]
    credits: f64,
    tier: Tier,
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Tier {
    models: BTreeMap<String, Limits>,
}

#[derive(Deserialize)]
struct Limits {
    #[serde(default, rename = "maxConcurrentGenerations")]
    concurrent: Count,
    #[serde(default, rename = "maxDailyGenerations")]
    daily: Count,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    models: BTreeMap<String, Used>,
}

#[derive(Deserialize)]
struct Used {
    #[serde(default, rename = "dailyGenerations")]
    daily: Count,
}

/// A number of generations; `None` for null and for what is below zero, which other APIs write for
/// "no limit".
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Count(Option<u32>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let number = Option::<f64>::deserialize(source)?;
        Ok(Self(number.filter(|number| *number >= 0.0).map(whole)))
    }
}

/// Reads the answer to a question about the organization.
pub(super) fn limits(answer: &Answer) -> Result<AccountLimits, ProviderError> {
    if answer.status != 200 {
        return Err(answer.failed());
    }
    let body = read(answer).ok_or_else(|| unintelligible(answer))?;
    let mut usage = body.usage.map(|usage| usage.models).unwrap_or_default();
    let known = body.tier.models.into_iter().take(MAX_MODELS);
    let models = known.filter(|(name, _)| name.len() <= MAX_NAME);
    let models = models.map(|(name, limits)| {
        let used = usage.remove(&name).and_then(|used| used.daily.0);
        let limits = ModelLimits {
            concurrent: limits.concurrent.0,
            daily: limits.daily.0,
            used_today: used.unwrap_or(0),
        };
        (name, limits)
    });
    Ok(AccountLimits {
        models: models.collect(),
        credits: Some(credits(body.credits)),
    })
}

fn read(answer: &Answer) -> Option<Body> {
    if answer.overlong || answer.cut.is_some() || !is_shallow(&answer.body) {
        return None;
    }
    serde_json::from_slice(&answer.body).ok()
}

/// Names no part of the body, which may hold anything.
fn unintelligible(answer: &Answer) -> ProviderError {
    let kind = if answer.cut.is_some() {
        ProviderErrorKind::Unavailable
    } else {
        ProviderErrorKind::Unintelligible
    };
    let message = format!(
        "the provider's answer of {} bytes says nothing of the account",
        answer.body.len()
    );
    ProviderError {
        kind,
        retry_after: None,
        message,
    }
}

/// Whole credits; an overdrawn account has none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, which is what is wanted"
)]
fn credits(number: f64) -> u64 {
    number as u64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, which is what is wanted"
)]
fn whole(number: f64) -> u32 {
    number as u32
}

/// Models that are remembered of one answer.
const MAX_MODELS: usize = 1024;
/// Longest name of a model, in bytes.
const MAX_NAME: usize = 256;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn read(body: &str) -> Result<AccountLimits, ProviderErrorKind> {
        let answer = Answer {
            body: Bytes::copy_from_slice(body.as_bytes()),
            ..Answer::empty(200)
        };
        limits(&answer).map_err(|error| error.kind)
    }

    fn model(body: &str) -> ModelLimits {
        let limits = format!(r#"{{"creditBalance":1,"tier":{{"models":{{"m":{body}}}}}}}"#);
        read(&limits).unwrap().models["m"]
    }

    #[test]
    fn an_organization_tells_its_credits_its_limits_and_its_use() {
        let read = read(
            r#"{"creditBalance":1234,"tier":{"maxMonthlyCreditSpend":10,"models":{
                "gen4.5":{"maxConcurrentGenerations":2,"maxDailyGenerations":50},
                "veo3.1":{"maxConcurrentGenerations":null,"maxDailyGenerations":null}}},
                "usage":{"models":{"gen4.5":{"dailyGenerations":7},"gone":{"dailyGenerations":9}}}}"#,
        );
        let limits = read.unwrap();
        assert_eq!(limits.credits, Some(1234));
        assert_eq!(limits.models.len(), 2);
        let gen45 = limits.models["gen4.5"];
        assert_eq!(
            (gen45.concurrent, gen45.daily, gen45.used_today),
            (Some(2), Some(50), 7)
        );
        assert_eq!(limits.models["veo3.1"], ModelLimits::default());
    }

    #[test]
    fn numbers_beyond_sense_are_safe() {
        assert_eq!(model(r#"{"maxDailyGenerations":-1}"#).daily, None);
        assert_eq!(model(r#"{"maxDailyGenerations":0}"#).daily, Some(0));
        assert_eq!(
            model(r#"{"maxDailyGenerations":1e300}"#).daily,
            Some(u32::MAX)
        );
        let credits = |number: &str| {
            let body = format!(r#"{{"creditBalance":{number},"tier":{{"models":{{}}}}}}"#);
            read(&body).map(|limits| limits.credits)
        };
        assert_eq!(credits("-5"), Ok(Some(0)));
        assert_eq!(credits("0.9"), Ok(Some(0)));
        assert_eq!(credits("1e300"), Ok(Some(u64::MAX)));
        assert_eq!(credits("1e999"), Err(ProviderErrorKind::Unintelligible));
    }

    #[test]
    fn what_cannot_be_understood_is_not_guessed() {
        for body in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"creditBalance":5}"#,
            r#"{"creditBalance":null,"tier":{"models":{}}}"#,
            r#"{"creditBalance":"5","tier":{"models":{}}}"#,
            r#"{"creditBalance":5,"tier":{"models":[]}}"#,
            r#"{"creditBalance":5,"tier":{"models":{"m":7}}}"#,
            r#"{"creditBalance":5,"tier":{"models":{"m":{"maxDailyGenerations":"many"}}}}"#,
            r#"{"creditBalance":5,"tier":{"models":{}},"usage":{"models":{"m":7}}}"#,
        ] {
            assert_eq!(read(body), Err(ProviderErrorKind::Unintelligible), "{body}");
        }
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(read(&deep), Err(ProviderErrorKind::Unintelligible));
        let usage_may_lack = r#"{"creditBalance":5,"tier":{"models":{}},"usage":null}"#;
        assert!(read(usage_may_lack).is_ok());
    }

    #[test]
    fn only_so_many_models_are_remembered() {
        let models: Vec<String> = (0..3_000).map(|n| format!(r#""m{n}":{{}}"#)).collect();
        let body = format!(
            r#"{{"creditBalance":1,"tier":{{"models":{{{}}}}}}}"#,
            models.join(",")
        );
        assert_eq!(read(&body).unwrap().models.len(), MAX_MODELS);
    }
}
