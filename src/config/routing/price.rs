//! A deployment's own price, in dollars, as a tariff in credits.

use std::num::NonZeroU64;

use crate::config::section::{Section, shortened};
use crate::domain::money::{Millicredits, UsdRate};
use crate::domain::pricing::{Amount, Part, Rate, Tariff, Unit};

/// Where a price may stand, and for what.
pub struct Source<'s> {
    /// The section.
    pub section: &'s Section<'s>,
    /// Its key.
    pub key: &'static str,
    /// What is counted.
    pub unit: Unit,
}

/// The tariff of all prices that are given; `None`: none is.
///
/// Two that count the same are one price in two spellings, of which the first goes.
pub fn read(sources: &[Source<'_>], rate: UsdRate) -> Option<Tariff> {
    let mut parts: Vec<Part> = Vec::new();
    for source in sources {
        let price = source.section.parsed(source.key, parse_dollars);
        let Some(price) = price else { continue };
        if parts.iter().any(|part| part.unit == source.unit) {
            continue;
        }
        let Some(amount) = credits(price, rate) else {
            source
                .section
                .wrong(source.key, "is more than can be counted");
            continue;
        };
        if amount.0 == 0 {
            source.section.warn(source.key, FREE);
            continue;
        }
        parts.push(Part {
            unit: source.unit.clone(),
            rates: vec![Rate {
                when: Vec::new(),
                amount: Some(Amount {
                    price: amount,
                    per: NonZeroU64::MIN,
                    fractions: true,
                }),
            }],
        });
    }
    (!parts.is_empty()).then(|| Tariff {
        parts,
        ..Tariff::default()
    })
}

/// What so many dollars are, rounded up; `None`: more than can be counted.
pub fn credits(dollars: Dollars, rate: UsdRate) -> Option<Millicredits> {
    let millicredits = dollars.0.checked_mul(1_000)?;
    let exact = millicredits.div_ceil(u128::from(rate.0.max(1)) * PICOS_IN_MICRO);
    u64::try_from(exact).ok().map(Millicredits)
}

/// An amount of dollars, in millionths of a millionth of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dollars(u128);

/// Parses `0.05`, `12` or `5e-05`: prices are written in every form that a number has.
pub fn parse_dollars(text: &str) -> Result<Dollars, String> {
    let wrong = || {
        let text = shortened(text);
        format!("`{text}` is no amount of dollars; write it as 0.05, with 12 decimals at most")
    };
    let (digits, power) = match text.split_once(['e', 'E']) {
        Some((digits, power)) => (digits, power.parse::<i32>().map_err(|_| wrong())?),
        None => (text, 0),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{part}");
    if whole.is_empty() || all.len() > 30 || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let number: u128 = all.parse().map_err(|_| wrong())?;
    let decimals = i32::try_from(part.len()).map_err(|_| wrong())?;
    let shift = 12_i32
        .checked_add(power)
        .and_then(|shift| shift.checked_sub(decimals))
        .ok_or_else(wrong)?;
    let scale = 10_u128
        .checked_pow(shift.unsigned_abs())
        .ok_or_else(wrong)?;
    let picos = if shift >= 0 {
        number.checked_mul(scale).ok_or_else(wrong)?
    } else if number.is_multiple_of(scale) {
        number / scale
    } else {
        return Err(wrong());
    };
    if picos > DEAREST {
        return Err("is out of bounds: 0 to 1000000 dollars".to_owned());
    }
    Ok(Dollars(picos))
}

const PICOS_IN_MICRO: u128 = 1_000_000;
/// A million dollars.
const DEAREST: u128 = 1_000_000_000_000_000_000;
const FREE: &str = "a price of nothing counts as unknown, for an estimate is never nothing; keys \
    with a budget need `max_cost`, which may be 0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_credits_rounded_up() {
        for (text, rate, millicredits) in [
            ("0.05", 10_000, 5_000),
            ("5e-2", 10_000, 5_000),
            ("0.000001", 10_000, 1),
            ("1", 1, 1_000_000_000),
            ("12", 12_345, 972_054),
            ("0", 10_000, 0),
        ] {
            let dollars = parse_dollars(text).unwrap();
            let amount = credits(dollars, UsdRate(rate));
            assert_eq!(amount, Some(Millicredits(millicredits)), "{text}");
        }
    }

    #[test]
    fn what_is_no_price_is_refused() {
        for text in [
            "",
            "-1",
            "a",
            "1.2.3",
            ".5",
            "1e99",
            "1e-13",
            "1e999999999999",
            "$1",
            "1000001",
            "0.0000000000001",
            "1_0",
        ] {
            assert!(parse_dollars(text).is_err(), "{text}");
        }
    }
}
