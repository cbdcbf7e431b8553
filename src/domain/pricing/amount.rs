//! So much for so many.

use std::num::NonZeroU64;

use crate::domain::money::Millicredits;

/// What is charged for a number of units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    /// What one block costs.
    pub price: Millicredits,
    /// How many units make a block.
    pub per: NonZeroU64,
    /// Whether a part of a block is charged as that part; otherwise a begun block is charged whole.
    pub fractions: bool,
}

impl Amount {
    /// The price of so many thousandths of a unit, rounded up; `None`: more than can be counted.
    pub(super) fn times(self, thousandths: u64) -> Option<Millicredits> {
        let block = self.per.get().checked_mul(THOUSANDTHS)?;
        let price = if self.fractions {
            let exact = u128::from(thousandths) * u128::from(self.price.0);
            u64::try_from(exact.div_ceil(u128::from(block))).ok()?
        } else {
            thousandths.div_ceil(block).checked_mul(self.price.0)?
        };
        Some(Millicredits(price))
    }

    /// The price of one unit, where that is a whole number of millicredits.
    pub const fn per_unit(self) -> Option<Millicredits> {
        if self.price.0.is_multiple_of(self.per.get()) {
            Some(Millicredits(self.price.0 / self.per.get()))
        } else {
            None
        }
    }
}

/// Quantities are counted in thousandths of their unit, so that milliseconds are exact.
pub(super) const THOUSANDTHS: u64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(price: u64, per: u64, fractions: bool) -> Amount {
        Amount {
            price: Millicredits(price),
            per: NonZeroU64::new(per).expect("above zero"),
            fractions,
        }
    }

    #[test]
    fn a_begun_block_is_charged_whole_unless_fractions_are_charged() {
        for (price, per, fractions, thousandths, expected) in [
            (1000, 50, false, 50_000, 1000),
            (1000, 50, false, 51_000, 2000),
            (1000, 6, false, 1, 1000),
            (20_000, 1, true, 2_500, 50_000),
            (20_000, 1, false, 2_500, 60_000),
            (250, 1, true, 1, 1),
            (5, 1, false, 0, 0),
        ] {
            let amount = amount(price, per, fractions);
            assert_eq!(
                amount.times(thousandths),
                Some(Millicredits(expected)),
                "{amount:?}"
            );
        }
    }

    #[test]
    fn what_cannot_be_counted_is_unknown() {
        assert_eq!(amount(u64::MAX, 1, false).times(1001), None);
        assert_eq!(amount(u64::MAX, 1, true).times(u64::MAX), None);
        assert_eq!(amount(1, u64::MAX, true).times(1), None);
    }

    #[test]
    fn one_unit_has_a_price_only_where_it_is_exact() {
        assert_eq!(amount(1000, 50, false).per_unit(), Some(Millicredits(20)));
        assert_eq!(amount(1000, 6, false).per_unit(), None);
    }
}
