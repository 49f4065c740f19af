//! Dates and times as text. Always UTC; total over all values, so nothing read from a file can fail here.

use crate::clock::days_from_civil;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Year, month and day of a day number (days since 1970-01-01, proleptic Gregorian calendar).
fn civil(days: i64) -> (i64, i64, i64) {
    // Days from 0000-03-01, in eras of 400 years: with March first, the leap day is the last of a year.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Day number of a date, or `None` where there is no such date in the years 0 to 9999.
fn day_number(year: i64, month: i64, day: i64) -> Option<i64> {
    let days = days_from_civil(year, u8::try_from(month).ok()?, u8::try_from(day).ok()?);
    ((0..=9999).contains(&year) && civil(days) == (year, month, day)).then_some(days)
}

/// `2026-11-22`.
pub fn date(days: i32) -> String {
    let (year, month, day) = civil(days.into());
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2026-11-22T13:45:01.000000Z`. Always six digits: pandas takes the first row's layout for all.
pub fn timestamp(micros: i64) -> String {
    let (day, time) = split(micros);
    format!("{day}T{time}.{:06}Z", micros.rem_euclid(1_000_000))
}

/// `2026-11-22 13:45`, for people.
pub fn minute(micros: i64) -> String {
    let (day, time) = split(micros);
    format!("{day} {}", time.get(..5).unwrap_or(&time))
}

/// Date and `13:45:01`.
fn split(micros: i64) -> (String, String) {
    let (year, month, day) = civil(micros.div_euclid(MICROS_PER_DAY));
    let seconds = micros.rem_euclid(MICROS_PER_DAY) / 1_000_000;
    let time = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    (format!("{year:04}-{month:02}-{day:02}"), time)
}

/// Reads what [`date`] wrote.
pub fn parse_date(text: &str) -> Option<i32> {
    let mut parts = text.split('-').map(digits);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    (parts.next().is_none()).then(|| day_number(year, month, day))??.try_into().ok()
}

/// Reads what [`timestamp`] wrote.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    let (day, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "000000"));
    let mut parts = time.split(':').map(digits);
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 || fraction.len() != 6 {
        return None;
    }
    let seconds = (hour * 60 + minute) * 60 + second;
    Some(i64::from(parse_date(day)?) * MICROS_PER_DAY + seconds * 1_000_000 + digits(fraction)?)
}

fn digits(text: &str) -> Option<i64> {
    (text.bytes().all(|b| b.is_ascii_digit()) && text.len() <= 6).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
    use super::*;

    #[test]
    fn dates_there_and_back() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(-1), "1969-12-31");
        assert_eq!(date(11_016), "2000-02-29");
        assert_eq!(date(20_779), "2026-11-22");
        for days in (-719_000..2_900_000).step_by(97) {
            assert_eq!(parse_date(&date(days)), Some(days));
        }
        for bad in ["2026-02-30", "2026-13-01", "2026-00-10", "2026-1", "", "--", "2026-01-01-01", "x"] {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
    }

    #[test]
    fn times_there_and_back() {
        assert_eq!(timestamp(-1), "1969-12-31T23:59:59.999999Z");
        assert_eq!(minute(20_779 * MICROS_PER_DAY + 49_501_000_000), "2026-11-22 13:45");
        for micros in [0, -1, 1, 1_795_355_101_000_000, 253_402_300_799_999_999] {
            assert_eq!(parse_timestamp(&timestamp(micros)), Some(micros));
        }
        assert_eq!(parse_timestamp("2026-11-22T24:00:00.000000Z"), None);
        assert_eq!(parse_timestamp("2026-11-22 13:45:01"), None);
        let _ = (timestamp(i64::MIN), timestamp(i64::MAX), date(i32::MIN), date(i32::MAX));
    }
}
