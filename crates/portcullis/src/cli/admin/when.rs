//! Times as people write them.

use ambient::Date;
use thiserror::Error;

use super::table;

/// A text that is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "it must be a date (2026-11-21), a date and a time in UTC (2026-11-21T10:00:00Z), or seconds since 1970"
)]
pub(super) struct NotATime;

/// Seconds since 1970: of a number of them, of a date, or of a date and a time in UTC, as tables show them and RFC 3339 has them.
pub(super) fn seconds(text: &str) -> Result<i64, NotATime> {
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let bare = text.strip_suffix('Z').unwrap_or(text);
    let (date, time) = bare.split_once(['T', ' ']).unwrap_or((bare, "00:00:00"));
    let (year, month_and_day) = date.split_once('-').ok_or(NotATime)?;
    let [month, day] = parts(month_and_day, '-').ok_or(NotATime)?;
    let [hours, minutes, seconds] = parts(time, ':').ok_or(NotATime)?;
    let date_of = Date::new(year.parse().map_err(|_| NotATime)?, month, day).ok_or(NotATime)?;
    let of_day = i64::from(hours) * 3_600 + i64::from(minutes) * 60 + i64::from(seconds);
    let seconds = date_of.begin().plus(of_day).0;
    // There is no 25th hour, and each part has all of its digits.
    if table::time(seconds) == format!("{date} {time}Z") { Ok(seconds) } else { Err(NotATime) }
}

fn parts<const N: usize>(text: &str, between: char) -> Option<[u8; N]> {
    let parts: Vec<u8> = text.split(between).map(|part| part.parse().ok()).collect::<Option<_>>()?;
    parts.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_it_is_shown() {
        for (text, expected) in [
            ("0", 0),
            ("1795221218", 1_795_221_218),
            ("1970-01-01", 0),
            ("2000-02-29", 951_782_400),
            ("2026-02-28 23:59:59Z", 1_772_323_199),
            ("2026-03-01T00:00:00Z", 1_772_323_200),
            ("2100-03-01 00:00:00", 4_107_542_400),
        ] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "2026-02-29",
            "2026-13-01",
            "2026-1-1",
            "2026-01-01T24:00:00Z",
            "2026-01-01T10:00",
        ] {
            assert_eq!(seconds(text), Err(NotATime), "{text}");
        }
    }
}
