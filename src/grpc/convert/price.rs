//! A model's price as the contract lists it.
//!
//! Amounts are for one unit where that is exact, else for a block of several. What a request comes to
//! is the domain's question, not a sum of what is listed here.

use super::task::signed;
use crate::domain::generation::Role;
use crate::domain::money::{Millicredits, UsdRate};
use crate::domain::pricing::{Amount, Part, Rate, Tariff, Unit};
use crate::pb::v1;

/// Every part that may charge something, in order, and the minimum last.
pub(super) fn prices(tariff: &Tariff, rate: UsdRate) -> Vec<v1::Price> {
    let parts = tariff.parts.iter().flat_map(|part| {
        let charging = |rate: &&Rate| rate.amount.is_none_or(|amount| amount.price.0 > 0);
        part.rates
            .iter()
            .filter(charging)
            .map(|charged| price(part, charged, rate))
    });
    let minimum = tariff.minimum.map(|least| v1::Price {
        unit: v1::PriceUnit::Task as i32,
        millicredits: Some(signed(least.0)),
        usd_micros: Some(signed(least.usd_micros(rate))),
        condition: "at least".into(),
        unit_count: 1,
    });
    parts.chain(minimum).collect()
}

fn price(part: &Part, charged: &Rate, rate: UsdRate) -> v1::Price {
    let amount = charged.amount.map(block);
    v1::Price {
        unit: unit(&part.unit) as i32,
        millicredits: amount.map(|(amount, _)| signed(amount.0)),
        usd_micros: amount.map(|(amount, _)| signed(amount.usd_micros(rate))),
        condition: condition(part, charged),
        unit_count: amount.map_or(1, |(_, units)| units),
    }
}

/// The amount for one unit where it is exact, else for the block; and how many units that is.
fn block(amount: Amount) -> (Millicredits, u32) {
    let block = || {
        (
            amount.price,
            u32::try_from(amount.per.get()).unwrap_or(u32::MAX),
        )
    };
    amount.per_unit().map_or_else(block, |price| (price, 1))
}

/// When it counts, in words: on which inputs, under which conditions.
fn condition(part: &Part, rate: &Rate) -> String {
    let inputs = match &part.unit {
        Unit::InputSecond(roles) | Unit::Reference(roles) => named(roles),
        Unit::OutputSecond | Unit::Output | Unit::Task | Unit::Character | Unit::OutputFrame => {
            None
        }
    };
    let otherwise = rate.when.is_empty() && part.rates.len() > 1;
    let words = inputs
        .into_iter()
        .chain(rate.when.iter().map(ToString::to_string))
        .chain(otherwise.then(|| "otherwise".to_owned()));
    words.collect::<Vec<_>>().join(", ")
}

fn named(roles: &[Role]) -> Option<String> {
    let words = roles
        .iter()
        .filter(|role| **role != Role::Unspecified)
        .map(|role| role.as_str().replace('_', " "))
        .collect::<Vec<_>>();
    (!words.is_empty()).then(|| words.join(" or "))
}

const fn unit(unit: &Unit) -> v1::PriceUnit {
    match unit {
        Unit::OutputSecond => v1::PriceUnit::OutputSecond,
        Unit::Output => v1::PriceUnit::Output,
        Unit::Task => v1::PriceUnit::Task,
        Unit::InputSecond(_) => v1::PriceUnit::InputSecond,
        Unit::Reference(_) => v1::PriceUnit::Reference,
        Unit::Character => v1::PriceUnit::Character,
        Unit::OutputFrame => v1::PriceUnit::OutputFrame,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::catalog;
    use crate::domain::generation::Operation;

    /// A line for each: unit and how many, millicredits, micros of a dollar, condition.
    fn listed(model: &str, operation: Operation) -> Vec<String> {
        let catalog = catalog::parse(catalog::EMBEDDED).unwrap();
        let tariff = catalog.spec(model, operation).unwrap().price.clone();
        let shown = |amount: Option<i64>| amount.map_or("?".into(), |amount| amount.to_string());
        prices(&tariff.expect("is priced"), UsdRate::ONE_CENT)
            .into_iter()
            .map(|price| {
                let mut unit = price.unit().as_str_name().replace("PRICE_UNIT_", "");
                if price.unit_count != 1 {
                    unit = format!("{unit}x{}", price.unit_count);
                }
                let (credits, usd) = (shown(price.millicredits), shown(price.usd_micros));
                format!("{unit} {credits} {usd} {}", price.condition)
            })
            .collect()
    }

    #[test]
    fn prices_are_listed_with_their_conditions() {
        for (model, operation, expected) in [
            (
                "gen4_turbo",
                Operation::ImageToVideo,
                &["OUTPUT_SECOND 5000 50000 "][..],
            ),
            (
                "veo3.1",
                Operation::TextToVideo,
                &[
                    "OUTPUT_SECOND 40000 400000 with audio",
                    "OUTPUT_SECOND 20000 200000 without audio",
                ],
            ),
            (
                "seedance2_mini",
                Operation::TextToVideo,
                &["OUTPUT_SECOND 16000 160000 ", "TASK 64000 640000 at least"],
            ),
            (
                "happyhorse_1_0",
                Operation::TextToVideo,
                &[
                    "OUTPUT_SECOND 15000 150000 ratio up to 1.5 MP",
                    "OUTPUT_SECOND 30000 300000 ratio above 1.5 MP",
                ],
            ),
            (
                "gemini_omni_flash",
                Operation::ImageToVideo,
                &[
                    "OUTPUT_SECOND 10000 100000 ",
                    "REFERENCE 1000 10000 first frame",
                ],
            ),
            (
                "magnific_video_upscaler_creative",
                Operation::VideoUpscale,
                &[
                    "OUTPUT_FRAME ? ? with fpsBoost",
                    "OUTPUT_FRAME 700 7000 resolution 720p, 1k",
                    "OUTPUT_FRAME 900 9000 resolution 2k",
                    "OUTPUT_FRAME 1200 12000 resolution 4k",
                    "TASK 1000 10000 at least",
                ],
            ),
            ("eleven_v3", Operation::TextToSpeech, &["CHARACTER 20 200 "]),
            (
                "seed_audio",
                Operation::TextToSpeech,
                &["OUTPUT_SECOND 250 2500 ", "TASK 5000 50000 at least"],
            ),
            (
                "eleven_voice_isolation",
                Operation::VoiceIsolation,
                &["INPUT_SECONDx6 1000 10000 source audio"],
            ),
            (
                "gen4_image",
                Operation::TextToImage,
                &[
                    "OUTPUT 5000 50000 ratio 1280:720, 720:1280, 720:720, 960:720, 720:960, 1680:720",
                    "OUTPUT 8000 80000 otherwise",
                ],
            ),
        ] {
            assert_eq!(listed(model, operation), expected, "{model}");
        }
    }

    #[test]
    fn every_tariff_lists_something_and_nothing_for_nothing() {
        let catalog = catalog::parse(catalog::EMBEDDED).unwrap();
        for id in catalog.ids() {
            for (operation, spec) in catalog.offer(id).unwrap() {
                let Some(tariff) = &spec.price else { continue };
                let listed = prices(tariff, UsdRate::ONE_CENT);
                assert!(!listed.is_empty(), "{id} {operation}");
                let charges =
                    |price: &v1::Price| price.millicredits.is_none_or(|credits| credits > 0);
                assert!(listed.iter().all(charges), "{id} {operation}");
            }
        }
    }
}
