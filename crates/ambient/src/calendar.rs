//! Which day it is.

use std::fmt;

use crate::Time;

const SECONDS_OF_A_DAY: i64 = 86_400;
/// The Gregorian calendar repeats itself.
const DAYS_OF_400_YEARS: i64 = 146_097;
/// From the first of March of the year 0 to 1970. Years that begin in March end with the day that leap years have more.
const DAYS_BEFORE_1970: i64 = 719_468;

/// A day of the Gregorian calendar, in UTC. As text it is what ISO 8601 makes of it: `2026-11-21`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    year: i64,
    month: i64,
    day: i64,
}

impl Date {
    /// The `day` (from 1) of the `month` (1 to 12) of a `year`; `None` if there is no such day.
    #[must_use]
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let date = Self { year: year.into(), month: month.into(), day: day.into() };
        // There is no 31st of February: it is another day.
        (date.begin().date() == date).then_some(date)
    }

    /// The moment at which it begins.
    #[must_use]
    pub const fn begin(self) -> Time {
        let Self { year, month, day } = self;
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
        let of_era = year * 365 + year / 4 - year / 100 + (153 * month + 2) / 5 + day - 1;
        Time((era * DAYS_OF_400_YEARS + of_era - DAYS_BEFORE_1970).saturating_mul(SECONDS_OF_A_DAY))
    }
}

impl Time {
    /// The day that it is on.
    #[must_use]
    pub const fn date(self) -> Date {
        let days = self.0.div_euclid(SECONDS_OF_A_DAY) + DAYS_BEFORE_1970;
        let (era, of_era) = (days.div_euclid(DAYS_OF_400_YEARS), days.rem_euclid(DAYS_OF_400_YEARS));
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
        Date { year: era * 400 + year, month, day }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_that_of_the_calendar_from_its_first_second_to_its_last() {
        for (begin, text) in [
            (-86_400, "1969-12-31"),
            (0, "1970-01-01"),
            (951_696_000, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_709_164_800, "2024-02-29"),
            (1_772_236_800, "2026-02-28"),
            (1_772_323_200, "2026-03-01"),
            (1_795_219_200, "2026-11-21"),
            (1_798_675_200, "2026-12-31"),
            (4_107_456_000, "2100-02-28"),
            (4_107_542_400, "2100-03-01"),
        ] {
            let date = Time(begin).date();
            assert_eq!((date.to_string().as_str(), date.begin()), (text, Time(begin)));
            assert_eq!(Time(begin + 86_399).date(), date, "its last second");
        }
    }

    #[test]
    fn each_day_begins_where_the_one_before_ends() {
        for day in -800_000..800_000 {
            let begin = Time(day * 86_400);
            assert_eq!(begin.date().begin(), begin);
        }
    }

    #[test]
    fn a_day_that_there_is_not_is_none() {
        let is_one = |(year, month, day): (u16, u8, u8)| Date::new(year, month, day).is_some();
        for there_is in [(1970, 1, 1), (2000, 2, 29), (2024, 2, 29), (2026, 12, 31), (0, 1, 1)] {
            assert!(is_one(there_is), "{there_is:?}");
        }
        let none = [(2026, 2, 29), (2100, 2, 29), (2026, 4, 31), (2026, 13, 1), (2026, 0, 1), (2026, 1, 0)];
        for there_is_not in none {
            assert!(!is_one(there_is_not), "{there_is_not:?}");
        }
    }

    #[test]
    fn a_broken_clock_has_a_day_too() {
        for time in [i64::MIN, i64::MAX] {
            assert_eq!(Time(time).date().begin().date(), Time(time).date(), "{time}");
        }
    }
}
