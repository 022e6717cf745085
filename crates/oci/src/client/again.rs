//! When a request is sent again: how often, and after how long.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    time::Duration,
};

use reqwest::{
    Response, StatusCode,
    header::{DATE, RETRY_AFTER},
};
use shipway_core::{Context, Error, Result};

use super::answer::header;

/// How often a request is sent that a registry is too busy for, or whose connection broke.
pub(super) const ATTEMPTS: u32 = 8;

/// The longest pause before the second attempt; it doubles with each one.
const FIRST: Duration = Duration::from_millis(100);

/// The longest pause before any attempt.
const LONGEST: Duration = Duration::from_secs(10);

/// The longest that a registry may ask to wait for; beyond, whoever asked is told.
const ASKED: Duration = Duration::from_secs(60);

/// What a quick failure costs of the attempts: a refusal, a connection that broke.
pub(super) const QUICK: u32 = 1;

/// What it costs when nobody is there, or nobody answers: each takes long, and seldom gets better.
pub(super) const SLOW: u32 = 3;

/// Why a request got no answer.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) error: Error,
    /// What it costs of the attempts; none when the same again cannot help.
    pub(super) cost: Option<u32>,
}

impl Trouble {
    /// Returns the trouble that another attempt does not mend.
    pub(super) fn last(error: Error) -> Self {
        Self { error, cost: None }
    }

    /// Returns the trouble of an error that says itself whether another attempt may help.
    pub(super) fn of(error: Error) -> Self {
        let cost = error.may_retry().then_some(QUICK);
        Self { error, cost }
    }
}

/// Counts the attempts of one thing and waits between them.
#[derive(Debug)]
pub(super) struct Again {
    cx: Context,
    left: u32,
    pause: Duration,
}

impl Again {
    pub(super) fn new(cx: &Context, attempts: u32) -> Self {
        Self { cx: cx.clone(), left: attempts, pause: FIRST }
    }

    /// Waits until the next attempt, as long as the registry `asked` for or, without its word, a random
    /// part of a pause that grows ("full jitter": AWS, "Exponential Backoff And Jitter"). Returns
    /// whether there is a next attempt.
    ///
    /// # Errors
    /// `Cancelled` and `Timeout`, when the task must not go on.
    pub(super) async fn wait(&mut self, cost: u32, asked: Option<Duration>) -> Result<bool> {
        self.left = self.left.saturating_sub(cost);
        let mut pause = part_of(self.pause);
        self.pause = (self.pause * 2).min(LONGEST);
        if let Some(asked) = asked {
            let deadline = self.cx.deadline().map(|end| end.saturating_sub(self.cx.clock().elapsed()));
            if asked > ASKED || deadline.is_some_and(|left| left <= asked) {
                return Ok(false);
            }
            pause += asked;
        }
        if self.left == 0 {
            return Ok(false);
        }
        self.cx.sleep(pause).await.map(|()| true)
    }
}

/// Returns whether a refusal is of the moment, so that the same request may be taken later.
pub(super) fn is_busy(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 500 | 502..=504)
}

/// Returns how long a registry asks to wait (RFC 9110, section 10.2.3).
pub(super) fn retry_after(cx: &Context, response: &Response) -> Option<Duration> {
    let text = header(response, &RETRY_AFTER)?;
    match text.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let until = Duration::from_secs(http_date(&text)?);
            // By the registry's own calendar, so that ours may be wrong.
            let now = header(response, &DATE).and_then(|date| http_date(&date)).map(Duration::from_secs);
            let now = now.unwrap_or_else(|| Duration::from_millis(cx.clock().now().0));
            Some(until.saturating_sub(now))
        }
    }
}

/// Reads a date such as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7; the forms that it
/// calls obsolete are not read), and returns its seconds since 1970.
fn http_date(text: &str) -> Option<u64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = words.as_slice() else { return None };
    if month.len() != 3 {
        return None;
    }
    let (day, year): (u64, u64) = (day.parse().ok()?, year.parse().ok()?);
    let month = MONTHS.find(month).filter(|at| at % 3 == 0)? as u64 / 3 + 1;
    let parts: Vec<u64> = time.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [hours, minutes, seconds] = parts.as_slice() else { return None };
    // 60 is a leap second.
    let is_time = *hours <= 23 && *minutes <= 59 && *seconds <= 60;
    if !(1970..=9999).contains(&year) || !(1..=31).contains(&day) || !is_time {
        return None;
    }
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil: years begin in
    // March, so that the leap day is their last.
    let (shifted, of_year) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days =
        shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + (153 * of_year + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468)?;
    Some(days * 86_400 + hours * 3600 + minutes * 60 + seconds)
}

/// Returns a random part of a pause; what it is random for is that many clients do not come at once.
pub(super) fn part_of(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    let nanoseconds = pause.as_nanos().saturating_mul(u128::from(random)) >> 64;
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_http_are_read() {
        for (text, seconds) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Thu, 29 Feb 2024 23:59:59 GMT", Some(1_709_251_199)),
            ("Sat, 21 Nov 2026 06:24:00 GMT", Some(1_795_242_240)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("Sun, 06 anF 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49 GMT", None),
            ("Sun, 99 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:18446744073709551615 GMT", None),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(http_date(text), seconds, "{text}");
        }
    }

    #[tokio::test]
    async fn a_registry_that_asks_to_wait_for_ever_is_not_waited_for() {
        use shipway_core::{Cancel, RunContext, World};
        let cx = RunContext::new(World::host("/"), "test").context(None, None, Cancel::new());
        for _ in 0..100 {
            // As after some attempts: the longer a pause, the nearer its sum with the other to overflowing.
            let mut again = Again { cx: cx.clone(), left: 8, pause: LONGEST };
            let goes_on = again.wait(QUICK, Some(Duration::from_secs(u64::MAX))).await;
            assert!(!goes_on.expect("no deadline"));
        }
    }

    #[test]
    fn pauses_are_never_longer_than_they_may_be() {
        for _ in 0..1000 {
            assert!(part_of(FIRST) <= FIRST);
        }
    }
}
