//! `strftime_now` of chat templates: today's date and time in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A moment on the calendar, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    year: i64,
    /// 0 to 11.
    month: usize,
    /// 1 to 31.
    day: i64,
    /// 0 is Sunday.
    weekday: usize,
    /// Seconds since midnight.
    second: i64,
}

impl Moment {
    /// Now, by the system's clock.
    pub(crate) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self::from_unix(since.map_or(0, |time| time.as_secs() as i64))
    }

    /// The moment this many seconds after 1 January 1970.
    pub(crate) fn from_unix(seconds: i64) -> Self {
        let days = seconds.div_euclid(86_400);
        // A year that starts on 1 March ends with its leap day, and 400 of them have 146,097
        // days: the rest is division. (Day 719,468 is 1 March of the year 0 to 1 January 1970.)
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let from_march = (5 * of_year + 2) / 153;
        let month = (from_march + 2) % 12;
        Self {
            year: era * 400 + year + i64::from(month < 2),
            month: month as usize,
            day: of_year - (153 * from_march + 2) / 5 + 1,
            weekday: (days + 4).rem_euclid(7) as usize,
            second: seconds.rem_euclid(86_400),
        }
    }

    /// The moment in a format of Python's `strftime`. A directive that is not known is kept as
    /// it is written.
    pub(crate) fn format(self, format: &str) -> String {
        let mut out = String::new();
        let mut rest = format.chars();
        while let Some(c) = rest.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            // `%-d` is `%d` without leading zeros.
            let mut directive = rest.next();
            let bare = directive == Some('-');
            if bare {
                directive = rest.next();
            }
            match directive.and_then(|directive| self.directive(directive)) {
                Some(text) if bare => out.push_str(strip_zeros(&text)),
                Some(text) => out.push_str(&text),
                None => {
                    out.push_str(if bare { "%-" } else { "%" });
                    out.extend(directive);
                }
            }
        }
        out
    }

    fn directive(self, directive: char) -> Option<String> {
        let hour = self.second / 3_600;
        Some(match directive {
            'Y' => format!("{:04}", self.year),
            'y' => format!("{:02}", self.year.rem_euclid(100)),
            'm' => format!("{:02}", self.month + 1),
            'B' => MONTHS[self.month].to_owned(),
            'b' => MONTHS[self.month][..3].to_owned(),
            'd' => format!("{:02}", self.day),
            'A' => DAYS[self.weekday].to_owned(),
            'a' => DAYS[self.weekday][..3].to_owned(),
            'H' => format!("{hour:02}"),
            'I' => format!("{:02}", (hour + 11) % 12 + 1),
            'p' => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            'M' => format!("{:02}", self.second / 60 % 60),
            'S' => format!("{:02}", self.second % 60),
            'F' => self.format("%Y-%m-%d"),
            'T' => self.format("%H:%M:%S"),
            'Z' => "UTC".to_owned(),
            '%' => "%".to_owned(),
            _ => return None,
        })
    }
}

/// A number without leading zeros: `07` is `7`, `00` is `0`.
fn strip_zeros(text: &str) -> &str {
    let bare = text.trim_start_matches('0');
    if bare.is_empty() { "0" } else { bare }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(seconds: i64, format: &str, expected: &str) {
        assert_eq!(Moment::from_unix(seconds).format(format), expected);
    }

    #[test]
    fn known_moments() {
        check(0, "%A %F %T", "Thursday 1970-01-01 00:00:00");
        check(951_782_400, "%d %b %Y", "29 Feb 2000");
        check(1_709_251_199, "%a %F %T", "Thu 2024-02-29 23:59:59");
        check(1_735_689_600, "%Y-%m-%d", "2025-01-01");
        check(4_107_542_400, "%F", "2100-03-01");
        check(-1, "%F %H", "1969-12-31 23");
    }

    #[test]
    fn directives() {
        check(1_709_251_199, "%-d. %B %y, %I:%M %p", "29. February 24, 11:59 PM");
        check(0, "%-H:%-d|%-j|%Q|100%%|%", "0:1|%-j|%Q|100%|%");
    }
}
