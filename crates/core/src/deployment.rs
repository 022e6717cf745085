//! Deployments: what was applied, and how it fares.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    release::{Manifests, State},
    value::value,
};

/// A moment, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Reads a moment as RFC 3339 writes it, with any offset from UTC; what is finer than a millisecond is left out.
    ///
    /// # Errors
    /// `Config` when the text is no such moment, or one before 1970.
    pub fn parse(text: &str) -> Result<Self> {
        let moment = moment(text).ok_or_else(|| Error::config(format!("`{text}` is no moment")));
        moment.map(Self).map_err(|error| error.hint("write it as `2026-11-21T02:43:56Z`"))
    }
}

/// Returns the milliseconds since 1970 of a moment as RFC 3339 writes it.
fn moment(text: &str) -> Option<u64> {
    let number = |text: &str, length: usize| -> Option<i64> {
        let digits = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok())?
    };
    let (date, rest) = text.split_once(['T', 't'])?;
    let (year, date) = date.split_once('-')?;
    let (month, day) = date.split_once('-')?;
    let (year, month, day) = (number(year, 4)?, number(month, 2)?, number(day, 2)?);
    let (clock, rest) = rest.split_at_checked(8)?;
    let (hour, clock) = clock.split_once(':')?;
    let (minute, second) = clock.split_once(':')?;
    let (hour, minute, second) = (number(hour, 2)?, number(minute, 2)?, number(second, 2)?);
    let (millis, zone) = match rest.strip_prefix('.') {
        None => (0, rest),
        Some(rest) => {
            let (fraction, zone) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
            let millis = format!("{fraction:0<3}");
            (number(millis.get(..3).filter(|_| !fraction.is_empty())?, 3)?, zone)
        }
    };
    let east = match zone.strip_prefix(['+', '-']) {
        None => matches!(zone, "Z" | "z").then_some(0)?,
        Some(offset) => {
            let (hours, minutes) = offset.split_once(':')?;
            let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
            let minutes = (hours <= 23 && minutes <= 59).then_some(hours * 60 + minutes)?;
            if zone.starts_with('-') { -minutes } else { minutes }
        }
    };
    // 60 is a leap second.
    let is_time = hour <= 23 && minute <= 59 && second <= 60;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !is_time {
        return None;
    }
    // The same algorithms as in `Display`: years begin in March, so that the leap day is their last.
    let (shifted, of_year) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (leap_days, before) = (shifted / 4 - shifted / 100 + shifted / 400, (153 * of_year + 2) / 5);
    let days = shifted * 365 + leap_days + before + day - 1 - 719_468;
    let seconds = (days * 24 + hour) * 3600 + (minute - east) * 60 + second;
    u64::try_from(seconds * 1000 + millis).ok()
}

impl fmt::Display for Timestamp {
    /// Writes the moment as RFC 3339 in UTC, such as `2026-11-21T02:43:56.120Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.0 / 1000, self.0 % 1000);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        // Civil date from a day number: Howard Hinnant, "chrono-Compatible Low-Level Date
        // Algorithms", with eras of 400 years that begin on 1 March.
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

value! {
    /// What was applied: enough for another process to watch, undo or remove it.
    #[derive(Eq)]
    pub struct Deployment {
        /// The manifests, with their inventory and images.
        pub manifests: Manifests,
        /// The target's own number for it, such as helm's revision or a commit.
        pub revision: String,
        /// When it was applied.
        pub at: Timestamp,
        ;
        /// Percent of the traffic that it gets.
        pub share: u8,
        /// The deployer's own state.
        pub state: Option<State>,
    }
}

/// How a deployment fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// Not there yet.
    Progressing,
    /// It works.
    Healthy,
    /// It does not work, and waiting will not help.
    Failed,
}

value! {
    /// One observation of a deployment.
    #[derive(Eq)]
    pub struct Health {
        /// How it fares.
        pub phase: Phase,
        ;
        /// What it waits for, or why it failed; one line each, empty when healthy.
        pub waiting_for: Vec<String>,
        /// When it is worth looking again; the driver's interval when absent.
        pub again: Option<Duration>,
    }
}

value! {
    /// Which lines of a deployment's logs are wanted; by default all that there are.
    #[derive(Eq, Default)]
    pub struct LogRequest {
        ;
        /// Whether to go on with what comes, until cancellation is requested.
        pub follow: bool,
        /// Only lines from this moment on.
        pub since: Option<Timestamp>,
        /// Of what is there already, only so many lines of each program: the last.
        pub lines: Option<u64>,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Timestamp;

    proptest! {
        #[test]
        fn moments_are_read_as_they_are_shown(millis in 0..253_402_300_800_000_u64) {
            prop_assert_eq!(Timestamp::parse(&Timestamp(millis).to_string()).unwrap(), Timestamp(millis));
        }
    }

    #[test]
    fn moments_are_read_with_any_offset_and_fraction() {
        for (text, millis) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01t00:00:00.5z", 500),
            ("1970-01-01T02:00:00+02:00", 0),
            ("1969-12-31T18:30:00.123999999-05:30", 123),
            ("2000-03-01T00:00:00+00:01", 951_868_740_000),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ] {
            assert_eq!(Timestamp::parse(text).unwrap(), Timestamp(millis), "{text}");
        }
        for text in [
            "",
            "T",
            "2026-11-21",
            "2026-11-21T02:43Z",
            "2026-11-21T02:43:56",
            "2026-11-21 02:43:56Z",
            "2026-11-21T02:43:56.Z",
            "2026-11-21T02:43:56.1",
            "2026-11-21T02:43:56.1\u{e4}",
            "2026-13-21T02:43:56Z",
            "2026-11-32T02:43:56Z",
            "2026-11-21T24:43:56Z",
            "2026-11-21T02:43:56+2:00",
            "2026-11-21T02:43:56+24:00",
            "+026-11-21T02:43:56Z",
            "2026-11-21T02:43:5\u{e4}Z",
            "2026-11-21T02:43:56ZZ",
            "1969-12-31T23:59:59Z",
            "2026--1-21T02:43:56Z",
            "2026-11-21T02:+3:56Z",
        ] {
            let error = Timestamp::parse(text).expect_err(text);
            assert_eq!(error.to_string(), format!("`{text}` is no moment"));
        }
    }

    #[test]
    fn moments_are_shown_as_rfc_3339() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_229_036_120, "2026-11-21T02:43:56.120Z"),
            (4_102_444_799_999, "2099-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Timestamp(millis).to_string(), text);
        }
    }
}
