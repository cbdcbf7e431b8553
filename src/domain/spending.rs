//! Budgets against the calendar: days and months of UTC, and what fits in them.

use super::caller::Budget;
use super::money::Millicredits;
use super::time::Timestamp;

/// A period that a budget bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// A day of UTC.
    Day,
    /// A calendar month of UTC.
    Month,
}

/// What a key has spent, or holds back, in the day and the month of some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// On the day.
    pub day: Millicredits,
    /// In the month, that day included.
    pub month: Millicredits,
}

/// A budget that would be exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Which one.
    pub period: Period,
    /// What may be spent in it.
    pub limit: Millicredits,
    /// What was spent, or is held back.
    pub spent: Millicredits,
    /// When the period ends and the budget begins anew.
    pub renewed: Timestamp,
}

/// A day of UTC, counted from the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub i64);

impl Period {
    /// The name in errors.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}

impl Day {
    /// The day of a moment.
    pub const fn of(moment: Timestamp) -> Self {
        Self(moment.0.div_euclid(DAY_MS))
    }

    /// Its first moment.
    pub const fn begins(self) -> Timestamp {
        Timestamp(self.0.saturating_mul(DAY_MS))
    }

    /// The first day of its month, and the first of the next.
    pub const fn month(self) -> (Self, Self) {
        let (year, month, day) = self.civil();
        let first = Self(self.0 - (day - 1));
        (first, Self(first.0 + days_in(year, month)))
    }

    /// Year, month and day in the Gregorian calendar, from 1 each. Source: H. Hinnant,
    /// "chrono-compatible low-level date algorithms", `civil_from_days`.
    const fn civil(self) -> (i64, i64, i64) {
        let shifted = self.0 + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 {
            from_march + 3
        } else {
            from_march - 9
        };
        let next_year = if month <= 2 { 1 } else { 0 };
        (year + era * 400 + next_year, month, day)
    }
}

const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

impl Budget {
    /// What stands against spending `more` on a day on which so much is `spent`. Of two periods the
    /// one that is renewed later is told.
    pub fn exceeded(&self, spent: Spent, more: Millicredits, on: Day) -> Option<Exceeded> {
        let over = |limit: Option<Millicredits>, spent: Millicredits| {
            limit.filter(|limit| spent.plus(more) > *limit)
        };
        let exceeded = |period, limit, spent, until: Day| Exceeded {
            period,
            limit,
            spent,
            renewed: until.begins(),
        };
        let month = over(self.month, spent.month)
            .map(|limit| exceeded(Period::Month, limit, spent.month, on.month().1));
        month.or_else(|| {
            over(self.day, spent.day)
                .map(|limit| exceeded(Period::Day, limit, spent.day, Day(on.0 + 1)))
        })
    }
}

const DAY_MS: i64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        let date: jiff::civil::Date = text.parse().expect("a date");
        let zoned = date.to_zoned(jiff::tz::TimeZone::UTC).expect("a day");
        Day::of(Timestamp(zoned.timestamp().as_millisecond()))
    }

    #[test]
    fn months_begin_and_end_where_the_calendar_says() {
        for (on, first, next) in [
            ("2026-11-22", "2026-11-01", "2026-12-01"),
            ("2026-12-31", "2026-12-01", "2027-01-01"),
            ("2028-02-29", "2028-02-01", "2028-03-01"),
            ("2100-02-28", "2100-02-01", "2100-03-01"),
            ("2000-02-29", "2000-02-01", "2000-03-01"),
            ("1970-01-01", "1970-01-01", "1970-02-01"),
            ("1969-12-31", "1969-12-01", "1970-01-01"),
        ] {
            assert_eq!(day(on).month(), (day(first), day(next)), "{on}");
        }
    }

    #[test]
    fn every_day_of_forty_years_is_in_its_month() {
        let mut on = day("2000-01-01");
        while on < day("2040-01-01") {
            let (first, next) = on.month();
            assert!(first <= on && on < next);
            assert_eq!((first.month().0, next.month().0), (first, next));
            on = Day(on.0 + 1);
        }
    }

    #[test]
    fn a_day_begins_at_midnight_utc() {
        let midnight = day("2026-11-22").begins();
        assert_eq!(Day::of(midnight), day("2026-11-22"));
        assert_eq!(Day::of(Timestamp(midnight.0 - 1)), day("2026-11-21"));
        assert_eq!(
            Day::of(Timestamp(midnight.0 + DAY_MS - 1)),
            day("2026-11-22")
        );
    }

    #[test]
    fn a_budget_holds_to_the_last_unit_and_tells_the_longer_period() {
        let on = day("2026-11-22");
        let budget = Budget {
            day: Some(Millicredits(10)),
            month: Some(Millicredits(100)),
        };
        let spent = |day, month| Spent {
            day: Millicredits(day),
            month: Millicredits(month),
        };
        let told = |spent, more| {
            let exceeded = budget.exceeded(spent, Millicredits(more), on);
            exceeded.map(|found| (found.period, found.renewed))
        };
        let tomorrow = Some((Period::Day, day("2026-11-23").begins()));
        let december = Some((Period::Month, day("2026-12-01").begins()));
        assert_eq!(told(spent(9, 9), 1), None);
        assert_eq!(told(spent(9, 9), 2), tomorrow);
        assert_eq!(told(spent(0, 99), 1), None);
        assert_eq!(told(spent(0, 99), 2), december);
        assert_eq!(told(spent(10, 100), 1), december);
        assert_eq!(told(spent(1, 1), u64::MAX), december);
        let free = Budget::default();
        assert_eq!(free.exceeded(spent(9, 9), Millicredits(u64::MAX), on), None);
    }
}
