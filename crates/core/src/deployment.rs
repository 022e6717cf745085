//! Deployments: what was applied, and how it fares.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    release::{Manifests, State},
    value::value,
};

/// A moment, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

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
        /// Of what is there already, only so many lines of each program.
        pub lines: Option<u64>,
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

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
