//! When something was, in words.

use super::Sentence;

/// Spans and times.
#[derive(Debug)]
pub(crate) struct Time {
    pub(crate) a_second: &'static str,
    pub(crate) seconds: Sentence<1>,
    pub(crate) minutes: Sentence<1>,
    pub(crate) just_now: &'static str,
    pub(crate) minutes_ago: Sentence<1>,
    pub(crate) hours_ago: Sentence<1>,
    pub(crate) yesterday: &'static str,
    pub(crate) days_ago: Sentence<1>,
    pub(crate) on_a_day: Sentence<1>,
}

impl Time {
    /// When something was, that was so many seconds ago.
    pub(crate) fn ago(&self, when: ambient::Time, seconds: i64) -> String {
        let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
        match (minutes, hours, days) {
            (..=0, _, _) => self.just_now.to_owned(),
            (..60, _, _) => self.minutes_ago.say(&[&minutes.to_string()]),
            (_, ..24, _) => self.hours_ago.say(&[&hours.to_string()]),
            (_, _, 1) => self.yesterday.to_owned(),
            (_, _, ..31) => self.days_ago.say(&[&days.to_string()]),
            _ => self.on_a_day.say(&[&when.date().to_string()]),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::language::Language;

    #[test]
    fn a_time_is_said_as_people_would() {
        let words = &Language::English.texts().time;
        let now = 1_709_208_000;
        for (seconds, said) in [
            (-5, "just now"),
            (59, "just now"),
            (60, "1 min ago"),
            (3599, "59 min ago"),
            (7200, "2 h ago"),
            (86_400, "yesterday"),
            (10 * 86_400, "10 days ago"),
            (31 * 86_400, "on 2024-01-29"),
        ] {
            assert_eq!(words.ago(ambient::Time(now - seconds), seconds), said);
        }
    }
}
