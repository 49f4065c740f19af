//! From a stamp as written to a moment: year inference, zone, plausibility.
//!
//! RFC 3164 stamps have no year. A file's years are settled before it is scanned, from its last line backwards: the
//! last stamp gets the latest year that does not put it after the anchor (the date in the file's name, else its
//! modification time, else what `--year` or `--now` say), and a jump back of more than six months between two stamps
//! is a change of year. Each line then takes the year that puts it nearest to the stamps sampled around it, so lines
//! of several hosts that are minutes out of order do not matter. A stream is read forwards with the same rule.
//!
//! Stamps without a zone are local times of one zone for the whole run. The doubled hour at the end of summer time is
//! taken for its first pass, the missing hour at its start for the time an hour later (RFC 5545, as `jiff` does it).

use jiff::civil;
use jiff::tz::TimeZone;

use crate::stamp::Stamp;

/// Seconds in a day.
const DAY: i64 = 86_400;
/// A later stamp than the anchor by more than this is suspect, seconds.
const SLACK: i64 = 2 * DAY;
/// A jump back by more than this is a change of year, seconds.
const HALF_YEAR: i64 = 183 * DAY;

/// Days from 1970-01-01 to a civil date of the Gregorian calendar. The day may lie outside the month.
pub fn days_from_civil(year: i64, month: u8, day: u8) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month = i64::from(month);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Seconds from 1970-01-01 00:00:00 to the stamp in `year`, zone not considered. `None` if the day does not exist.
pub fn civil_seconds(stamp: &Stamp, year: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match stamp.month {
        2 => 28 + u8::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if stamp.day > days {
        return None;
    }
    let date = days_from_civil(year, stamp.month, stamp.day) * DAY;
    Some(date + i64::from(stamp.hour) * 3600 + i64::from(stamp.minute) * 60 + i64::from(stamp.second))
}

/// The year of a moment in civil seconds.
pub fn year_of(seconds: i64) -> i64 {
    let guess = 1970 + seconds.div_euclid(DAY) * 400 / 146_097;
    (guess - 1..=guess + 1).rev().find(|year| days_from_civil(*year, 1, 1) * DAY <= seconds).unwrap_or(guess)
}

/// A stamp found in a file: where its line starts, and its moment in civil seconds once the year is known.
type Fixed = (u64, i64);

/// The years of one input's stamps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Years {
    /// Sampled moments in the order of the file, thinned out to where time moves on by weeks.
    fixed: Vec<Fixed>,
    /// The samples are those of a whole file, so what comes after a line is known as well as what came before it. Of a
    /// stream only what came before may count: how much more has been read already is chance.
    whole: bool,
}

/// A stamp that moves on by less than this since the last kept one is not kept, seconds.
const THIN: i64 = 20 * DAY;

impl Years {
    /// Settles the years of stamps sampled in the order of a file, given the latest moment (civil seconds) that its
    /// last line may have.
    pub fn backwards(samples: &[(u64, Stamp)], anchor: i64) -> Self {
        let mut years = Self { whole: true, ..Self::default() };
        let mut next: Option<i64> = None;
        for (offset, stamp) in samples.iter().rev() {
            let moment = match next {
                None => latest_not_after(stamp, anchor + SLACK),
                Some(next) => before(stamp, next),
            };
            let Some(moment) = moment else { continue };
            let last_kept = years.fixed.last().map(|(_, kept)| *kept);
            if last_kept.is_none_or(|kept| (kept - moment).abs() > THIN)
                || *offset == samples.first().map_or(0, |s| s.0)
            {
                years.fixed.push((*offset, moment));
            }
            next = Some(moment);
        }
        years.fixed.reverse();
        years
    }

    /// Adds the next stamp of a stream, read forwards; the first one gets the latest year not after `anchor`.
    pub fn forwards(&mut self, offset: u64, stamp: &Stamp, anchor: i64) {
        let last = self.fixed.last().map(|(_, moment)| *moment);
        let moment = match last {
            None => latest_not_after(stamp, anchor + SLACK),
            Some(last) => after(stamp, last),
        };
        let Some(moment) = moment else { return };
        if last.is_some_and(|last| (moment - last).abs() <= THIN) {
            return;
        }
        self.fixed.push((offset, moment));
    }

    /// Number of the stretch between two sampled moments that `offset` lies in: in one stretch, equal stamps have equal
    /// years.
    fn part(&self, offset: u64) -> usize {
        if self.fixed.len() < 2 { 0 } else { self.fixed.partition_point(|(at, _)| *at <= offset) }
    }

    /// The moment (civil seconds) of a stamp without a year on a line at `offset`; `None` if nothing was sampled or
    /// the day exists in no year nearby.
    pub fn place(&self, offset: u64, stamp: &Stamp) -> Option<i64> {
        let after = self.fixed.partition_point(|(at, _)| *at <= offset);
        let here = self.fixed.get(after.saturating_sub(1))?.1;
        let next = self.fixed.get(after).filter(|_| self.whole).map_or(here, |(_, moment)| *moment);
        let (low, high) = (here.min(next), here.max(next));
        let distance = |moment: i64| if moment < low { low - moment } else { (moment - high).max(0) };
        let candidates = (year_of(low) - 1..=year_of(high) + 1).filter_map(|year| civil_seconds(stamp, year));
        candidates.min_by_key(|moment| distance(*moment)).or_else(|| leap_day_before(stamp, low + SLACK))
    }

    /// First and last sampled moment, civil seconds.
    pub fn span(&self) -> Option<(i64, i64)> {
        Some((self.fixed.first()?.1, self.fixed.last()?.1))
    }
}

fn latest_not_after(stamp: &Stamp, limit: i64) -> Option<i64> {
    let year = year_of(limit);
    let found = (year - 1..=year).rev().filter_map(|year| civil_seconds(stamp, year)).find(|moment| *moment <= limit);
    found.or_else(|| leap_day_before(stamp, limit))
}

/// The last 29 February not after `limit`; `None` for any other day.
fn leap_day_before(stamp: &Stamp, limit: i64) -> Option<i64> {
    let year = year_of(limit);
    (year - 8..=year).rev().filter_map(|year| civil_seconds(stamp, year)).find(|moment| *moment <= limit)
}

/// The moment of a stamp that stands before a line of moment `next`.
fn before(stamp: &Stamp, next: i64) -> Option<i64> {
    let year = year_of(next);
    let in_year = |year| civil_seconds(stamp, year);
    if let Some(disorder) = in_year(year + 1)
        && disorder - next < SLACK
    {
        return Some(disorder);
    }
    match in_year(year) {
        Some(moment) if moment - next <= HALF_YEAR => Some(moment),
        _ => in_year(year - 1).or_else(|| leap_day_before(stamp, next)),
    }
}

/// The moment of a stamp that stands after a line of moment `last`.
fn after(stamp: &Stamp, last: i64) -> Option<i64> {
    let year = year_of(last);
    let in_year = |year| civil_seconds(stamp, year);
    if let Some(disorder) = in_year(year - 1)
        && last - disorder < SLACK
    {
        return Some(disorder);
    }
    match in_year(year) {
        Some(moment) if last - moment <= HALF_YEAR => Some(moment),
        _ => (year + 1..=year + 8).find_map(in_year),
    }
}

/// The date in a rotated log's name: `mail.log-20260301`, `maillog.20240301-000000`, `mainlog-20021225`. The last one
/// if there are several. Civil seconds of the end of that day.
pub fn date_in_name(name: &[u8]) -> Option<i64> {
    let mut found = None;
    let mut run = 0;
    for (at, byte) in name.iter().chain(b"/").enumerate() {
        if byte.is_ascii_digit() {
            run += 1;
            continue;
        }
        if run == 8 {
            found = name.get(at - 8..at).and_then(eight_digits).or(found);
        }
        run = 0;
    }
    found
}

fn eight_digits(digits: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let (year, month, day) = (number / 10_000, (number / 100 % 100) as u8, (number % 100) as u8);
    let sound = (1980..2100).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    sound.then(|| (days_from_civil(year, month, day) + 1) * DAY - 1)
}

/// A usable moment: microseconds since 1970-01-01 UTC.
pub type Micros = i64;

/// 1980-01-01 00:00:00, civil seconds.
const Y1980: i64 = 315_532_800;

/// Turns stamps into moments. One for each worker: it remembers the zone's last offset.
#[derive(Clone, Debug)]
pub struct Clock {
    zone: TimeZone,
    /// Civil quarter of an hour, and the zone's offset in it in seconds: offsets change at whole quarters.
    last: Option<(i64, i64)>,
    /// The last hour, and its start in civil seconds: logs stay in one for many lines.
    hour: Option<(Hour, i64)>,
}

/// An hour as stamps write it, and the part of the input that decides its year.
type Hour = (Option<u16>, u8, u8, u8, usize);

impl Clock {
    /// A clock that reads stamps without a zone as local times of `zone`.
    pub fn new(zone: TimeZone) -> Self {
        Self { zone, last: None, hour: None }
    }

    /// Forgets what it knows of an input's years: the next stamps are of another part of it, or of another input.
    pub fn begin(&mut self) {
        self.hour = None;
    }

    /// The moment of a stamp on a line at `offset`. `latest` is the last plausible moment (UTC seconds): later ones,
    /// and those before 1980, are suspect.
    ///
    /// # Errors
    /// [`NoTime`] says why the stamp cannot be used.
    pub fn moment(&mut self, stamp: &Stamp, offset: u64, years: &Years, latest: i64) -> Result<Micros, NoTime> {
        let civil = self.civil(stamp, offset, years).ok_or(NoTime::Unknown)?;
        if civil < Y1980 || civil > latest + SLACK + DAY {
            return Err(NoTime::Suspect);
        }
        let utc = civil - stamp.utc_offset.map_or_else(|| self.zone_offset(civil), i64::from);
        if stamp.year.is_some() && utc > latest + SLACK {
            return Err(NoTime::Suspect);
        }
        Ok(utc * 1_000_000 + i64::from(stamp.micros))
    }

    fn civil(&mut self, stamp: &Stamp, offset: u64, years: &Years) -> Option<i64> {
        let hour = (stamp.year, stamp.month, stamp.day, stamp.hour, years.part(offset));
        let within = i64::from(stamp.minute) * 60 + i64::from(stamp.second);
        match self.hour {
            Some((known, start)) if known == hour => Some(start + within),
            _ => {
                let civil = match stamp.year {
                    Some(year) => civil_seconds(stamp, i64::from(year)),
                    None => years.place(offset, stamp),
                }?;
                self.hour = Some((hour, civil - within));
                Some(civil)
            }
        }
    }

    fn zone_offset(&mut self, civil: i64) -> i64 {
        let quarter = civil.div_euclid(900);
        match self.last {
            Some((known, offset)) if known == quarter => offset,
            _ => {
                let offset = offset_at(&self.zone, civil);
                self.last = Some((quarter, offset));
                offset
            }
        }
    }
}

/// Offset from UTC, east positive, of the zone at a local time; 0 where the calendar ends.
fn offset_at(zone: &TimeZone, civil: i64) -> i64 {
    let Ok(as_utc) = jiff::Timestamp::from_second(civil) else { return 0 };
    let local: civil::DateTime = TimeZone::UTC.to_datetime(as_utc);
    zone.to_timestamp(local).map_or(0, |moment| civil - moment.as_second())
}

/// Why a stamp gives no moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTime {
    /// No year fits, or the day does not exist.
    Unknown,
    /// It lies in the future of its file, or before 1980.
    Suspect,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn stamp(text: &str) -> Stamp {
        Stamp::rfc3164(text.as_bytes()).or_else(|| Stamp::iso8601(text.as_bytes())).unwrap().0
    }

    fn at(text: &str) -> i64 {
        text.parse::<jiff::Timestamp>().unwrap().as_second()
    }

    fn shown(seconds: Option<i64>) -> String {
        jiff::Timestamp::from_second(seconds.unwrap()).unwrap().to_string()
    }

    fn lines(texts: &[&str]) -> Vec<(u64, Stamp)> {
        texts.iter().enumerate().map(|(n, text)| (n as u64 * 100, stamp(text))).collect()
    }

    #[test]
    fn a_new_year_inside_a_file_is_found_whenever_it_is_read() {
        let samples =
            lines(&["Dec 30 10:00:00", "Dec 31 23:59:00", "Jan  1 00:01:00", "Dec 31 23:59:59", "Jan  2 09:00:00"]);
        for anchor in ["2027-01-02T09:00:01Z", "2027-03-01T00:00:00Z", "2027-12-29T00:00:00Z"] {
            let years = Years::backwards(&samples, at(anchor));
            assert_eq!(shown(years.place(0, &samples[0].1)), "2026-12-30T10:00:00Z");
            assert_eq!(shown(years.place(200, &samples[2].1)), "2027-01-01T00:01:00Z");
            assert_eq!(shown(years.place(300, &samples[3].1)), "2026-12-31T23:59:59Z");
        }
    }

    #[test]
    fn several_years_in_one_file_are_counted_back() {
        let samples =
            lines(&["Mar  1 00:00:00", "Nov  1 00:00:00", "Feb 10 00:00:00", "Sep  1 00:00:00", "Jan  5 00:00:00"]);
        let years = Years::backwards(&samples, at("2026-06-01T00:00:00Z"));
        let all: Vec<_> = samples.iter().map(|(o, s)| year_of(years.place(*o, s).unwrap())).collect();
        assert_eq!(all, [2024, 2024, 2025, 2025, 2026]);
        let mut forwards = Years::default();
        for (offset, stamp) in &samples {
            forwards.forwards(*offset, stamp, at("2025-01-01T00:00:00Z"));
        }
        let all: Vec<_> = samples.iter().map(|(o, s)| year_of(forwards.place(*o, s).unwrap())).collect();
        assert_eq!(all, [2024, 2024, 2025, 2025, 2026]);
    }

    #[test]
    fn a_leap_day_takes_the_last_leap_year() {
        let samples = lines(&["Feb 29 12:00:00"]);
        let years = Years::backwards(&samples, at("2027-06-01T00:00:00Z"));
        assert_eq!(shown(years.place(0, &samples[0].1)), "2024-02-29T12:00:00Z");
        assert_eq!(years.place(0, &stamp("Feb 30 12:00:00")), None);
    }

    #[test]
    fn the_zone_is_applied_and_the_doubled_hour_is_its_first_pass() {
        let mut clock = Clock::new(TimeZone::get("Europe/Berlin").unwrap());
        let latest = at("2027-01-01T00:00:00Z");
        let mut moment = |text: &str| clock.moment(&stamp(text), 0, &Years::default(), latest).unwrap() / 1_000_000;
        assert_eq!(moment("2026-07-01 12:00:00"), at("2026-07-01T10:00:00Z"));
        assert_eq!(moment("2026-10-25 02:30:00"), at("2026-10-25T00:30:00Z"));
        assert_eq!(moment("2026-03-29 02:30:00"), at("2026-03-29T01:30:00Z"));
        assert_eq!(moment("2026-12-31T23:59:60Z"), at("2027-01-01T00:00:00Z"));
        assert_eq!(moment("2026-07-01T12:00:00-05:00"), at("2026-07-01T17:00:00Z"));
    }

    #[test]
    fn stamps_from_the_future_are_suspect() {
        let mut clock = Clock::new(TimeZone::UTC);
        let latest = at("2026-11-23T00:00:00Z");
        let mut moment = |text: &str| clock.moment(&stamp(text), 0, &Years::default(), latest);
        assert!(moment("2026-11-24T10:00:00Z").is_ok());
        assert_eq!(moment("2036-11-24T10:00:00Z"), Err(NoTime::Suspect));
        assert_eq!(moment("0000-11-24T10:00:00Z"), Err(NoTime::Suspect));
        assert_eq!(moment("2026-02-30T10:00:00Z"), Err(NoTime::Unknown));
    }

    #[test]
    fn a_date_in_the_name_is_read() {
        assert_eq!(date_in_name(b"mail.log-20260301.gz"), Some(at("2026-03-01T23:59:59Z")));
        assert_eq!(date_in_name(b"maillog.20240301-000000"), Some(at("2024-03-01T23:59:59Z")));
        assert_eq!(date_in_name(b"mail.123456789.log"), None);
        assert_eq!(date_in_name(b"mail-20261399.log"), None);
    }
}
