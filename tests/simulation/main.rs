//! Whole runs in a world that a seed decides: random pipelines, plug-ins that fail, hang and panic, a clock of its own,
//! disks that fail, processes that are killed and power that is cut, each gone on with. After every run the invariants of
//! `check.rs` hold, and one seed gives one log of events, byte for byte.
//!
//! `SHIPWAY_SEEDS` is how many seeds are tried, and `SHIPWAY_SEED` the first one.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the test makes a world of its own, and prints its figures"
)]

mod check;
mod course;
mod land;
mod pipeline;
mod plugins;
mod random;

use std::{collections::BTreeMap, panic};

use self::course::Course;

/// In the test command; a soak tries many more.
const SEEDS: u64 = 2500;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn every_seed_keeps_the_invariants_and_gives_one_log() {
    let hook = panic::take_hook();
    // The panics of plug-ins are part of the play.
    panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref::<&str>() != Some(&plugins::PANIC) {
            hook(info);
        }
    }));
    let first = number("SHIPWAY_SEED").unwrap_or(0);
    let seeds = number("SHIPWAY_SEEDS").unwrap_or(SEEDS);
    let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in first..first + seeds {
        let played = panic::catch_unwind(|| Course::play(seed));
        let Ok(course) = played else {
            panic!("seed {seed}: see above; SHIPWAY_SEED={seed} SHIPWAY_SEEDS=1")
        };
        for (what, count) in course.figures() {
            *totals.entry(what).or_default() += count;
        }
        if seed.is_multiple_of(10) {
            let again = Course::play(seed);
            assert_eq!(course.log, again.log, "seed {seed} gives two logs");
        }
    }
    let totals: Vec<String> = totals.iter().map(|(what, count)| format!("{count} {what}")).collect();
    println!("simulation: {seeds} seeds, {}", totals.join(", "));
}
