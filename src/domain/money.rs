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

    /// The price in millionths of a US dollar, rounded down, saturating.
    pub fn usd_micros(self, rate: UsdRate) -> u64 {
        let exact = u128::from(self.0) * u128::from(rate.0) / 1000;
        u64::try_from(exact).unwrap_or(u64::MAX)
    }

    /// The sum, saturating.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// What one credit costs: millionths of a US dollar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsdRate(pub u64);

impl UsdRate {
    /// The provider's own: a cent.
    pub const ONE_CENT: Self = Self(10_000);
}

/// What is known of the bill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charge {
    /// Nothing was charged, and this is proved.
    #[default]
    None,
    /// It is to be charged: the provider took the request, or has yet to be asked. Not final.
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
        let cents = |amount: Millicredits| amount.usd_micros(UsdRate::ONE_CENT);
        assert_eq!(cents(Millicredits::from_credits(25)), 250_000);
        assert_eq!(cents(Millicredits(250)), 2_500);
    }

    #[test]
    fn dollars_are_exact_as_far_as_a_micro_goes_and_never_wrap() {
        for (amount, rate, micros) in [
            (1, 1_000, 1),
            (999, 1, 0),
            (1_001, 12_345, 12_357),
            (u64::MAX, 1, u64::MAX / 1000),
            (u64::MAX, 1_000_000_000, u64::MAX),
        ] {
            assert_eq!(Millicredits(amount).usd_micros(UsdRate(rate)), micros);
        }
    }
}
