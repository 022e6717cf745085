//! A clock that a test moves.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use shipway_core::{Clock, Timestamp};
use tokio::sync::watch;

/// A clock that stands still until it is advanced; clones are the same clock.
///
/// ```
/// use std::time::Duration;
/// use shipway_core::{Clock, World};
/// use shipway_testkit::FakeClock;
///
/// let clock = FakeClock::new();
/// let world = World::host("/sources").clock(clock.clone());
/// clock.advance(Duration::from_secs(3600));
/// assert_eq!(world.clock.elapsed(), Duration::from_secs(3600));
/// ```
#[derive(Clone, Debug)]
pub struct FakeClock {
    start: Timestamp,
    elapsed: Arc<watch::Sender<Duration>>,
    sleeps_advance: bool,
}

impl Default for FakeClock {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeClock {
    /// Returns a clock that stands at 2026-01-01T00:00:00Z.
    #[must_use]
    pub fn new() -> Self {
        Self::at(Timestamp(1_767_225_600_000))
    }

    /// Returns a clock that stands at a moment.
    #[must_use]
    pub fn at(start: Timestamp) -> Self {
        Self { start, elapsed: Arc::new(watch::Sender::new(Duration::ZERO)), sleeps_advance: false }
    }

    /// Lets every sleep advance the clock by itself instead of waiting for [`FakeClock::advance`], so
    /// that a loop that polls goes through at once.
    #[must_use]
    pub fn sleeps_advance(mut self) -> Self {
        self.sleeps_advance = true;
        self
    }

    /// Moves the clock on, and wakes whoever slept until then.
    pub fn advance(&self, by: Duration) {
        self.elapsed.send_modify(|elapsed| *elapsed = elapsed.saturating_add(by));
    }
}

#[async_trait]
impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        let millis = u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX);
        Timestamp(self.start.0.saturating_add(millis))
    }

    fn elapsed(&self) -> Duration {
        *self.elapsed.borrow()
    }

    async fn sleep(&self, duration: Duration) {
        let mut changes = self.elapsed.subscribe();
        let until = self.elapsed().saturating_add(duration);
        if self.sleeps_advance {
            // To the moment rather than by the duration: two who sleep at once sleep at once.
            self.elapsed.send_modify(|elapsed| *elapsed = until.max(*elapsed));
            // A real sleep lets others run.
            tokio::task::yield_now().await;
            return;
        }
        // The clock holds the sender as long as anybody sleeps, so this only ends at the moment.
        let _ = changes.wait_for(|elapsed| *elapsed >= until).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_clock_was_advanced_far_enough() {
        let clock = FakeClock::at(Timestamp(1000));
        let sleeper = clock.clone();
        let mut sleeping = tokio::spawn(async move { sleeper.sleep(Duration::from_secs(2)).await });
        clock.advance(Duration::from_secs(1));
        assert!(tokio::time::timeout(Duration::from_millis(20), &mut sleeping).await.is_err());
        clock.advance(Duration::from_secs(60));
        sleeping.await.expect("woken");
        assert_eq!(clock.now(), Timestamp(62_000));
    }

    #[tokio::test]
    async fn sleeps_advance_the_clock_when_told_to() {
        let clock = FakeClock::new().sleeps_advance();
        clock.sleep(Duration::from_secs(3600)).await;
        assert_eq!(clock.elapsed(), Duration::from_secs(3600));
    }
}
