//! Money in integers: millicredits at the provider, micros of a US dollar for people.
//!
//! Source of the default rate: the provider's API description, "1 credit = $0.01".

/// Thousandths of a provider credit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millicredits(pub u64);

impl Millicredits {
    /// Whole credits, saturating.
    pub const fn from_credits(credits: u64) -> Self {
        Self(credits.saturating_mul(1000))
    }

    /// The price in millionths of a US dollar at `micros_per_credit`, rounded down, saturating.
    pub const fn usd_micros(self, micros_per_credit: u64) -> u64 {
        self.0.saturating_mul(micros_per_credit) / 1000
    }

    /// The sum, saturating.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// Micros of a US dollar for one credit, unless configured otherwise.
pub const USD_MICROS_PER_CREDIT: u64 = 10_000;

/// What is known of the bill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charge {
    /// Nothing was charged, and this is proved.
    #[default]
    None,
    /// The provider took the request and named a price that is not final.
    Estimated,
    /// The provider charged.
    Charged,
    /// It may have charged; nothing proves either.
    ChargedOrUnknown,
}

/// The bill of a task or of one attempt. An absent amount is unknown, never zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// What the provider (or our price rules) expected.
    pub estimated: Option<Millicredits>,
    /// What the provider said it took.
    pub actual: Option<Millicredits>,
    /// What is known of the bill.
    pub charge: Charge,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_credit_is_one_cent() {
        assert_eq!(
            Millicredits::from_credits(25).usd_micros(USD_MICROS_PER_CREDIT),
            250_000
        );
        assert_eq!(Millicredits(250).usd_micros(USD_MICROS_PER_CREDIT), 2_500);
    }
}
