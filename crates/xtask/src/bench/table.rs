//! The table: what was reached, and whether that is enough.

use std::fs;

use super::contender::{Contender, Median};
use crate::Result;

/// A line of the table.
#[derive(Debug)]
pub(super) struct Row {
    work: String,
    seconds: f64,
    others: String,
    outcome: Outcome,
}

/// What a target is about, what it was, and what it must be.
#[derive(Debug)]
pub(super) enum Outcome {
    AtMost { what: &'static str, value: f64, limit: f64 },
    AtLeast { what: &'static str, value: f64, limit: f64 },
}

impl Row {
    pub(super) fn new(work: &str, seconds: f64, others: String, outcome: Outcome) -> Self {
        Self { work: work.to_owned(), seconds, others, outcome }
    }

    pub(super) fn reached(&self) -> bool {
        match self.outcome {
            Outcome::AtMost { value, limit, .. } => value <= limit,
            Outcome::AtLeast { value, limit, .. } => value >= limit,
        }
    }
}

/// Returns what others took.
pub(super) fn others(contenders: &[Contender], taken: &[Median]) -> String {
    let others = contenders.iter().zip(taken);
    let others: Vec<String> =
        others.map(|(contender, taken)| format!("{} {}", contender.name, seconds(taken.seconds))).collect();
    others.join("; ")
}

fn seconds(seconds: f64) -> String {
    if seconds < 1.0 { format!("{seconds:.3} s") } else { format!("{seconds:.2} s") }
}

/// Returns the page.
pub(super) fn render(rows: &[Row], rounds: usize) -> Result<String> {
    let mut page = format!(
        "# Benchmarks\n\n\
        `cargo xtask bench` made this page in one run on {}. Each number is the median of {rounds} runs after a \
        warm-up, all contenders in turn, each timed as processes from start to end (Docker and BuildKit on the big \
        folder once, since they take long and no target is about them); the in-process registry is \
        `examples/serve_registry` in a process of its own, its data and the sources in memory (`/dev/shm`), so that no \
        disk is measured; Docker's and BuildKit's data and docker-registry's are on a disk. The floor is a tar of the files, both SHA-256 and \
        libdeflate at that level over all cores, then the same bytes sent to the registry in one request \
        (`benches/targets`). What stands in brackets was recorded elsewhere.\n\n\
        | work | Shipway | others | reached | target | |\n|---|---|---|---|---|---|\n",
        machine()?,
    );
    for row in rows {
        let (reached, target) = match &row.outcome {
            Outcome::AtMost { what, value, limit } => (number(*value, what), format!("≤ {limit} {what}")),
            Outcome::AtLeast { what, value, limit } => (number(*value, what), format!("≥ {limit} {what}")),
        };
        let mark = if row.reached() { "yes" } else { "**no**" };
        let line = [&row.work, &seconds(row.seconds), &row.others, &reached, &target, mark].join(" | ");
        page.extend(["| ", &line, " |\n"]);
    }
    Ok(page)
}

fn number(value: f64, what: &str) -> String {
    if what == "s" { format!("{value:.3} {what}") } else { format!("{value:.2} {what}") }
}

/// Returns the machine by the model of its processor and the count of its cores.
fn machine() -> Result<String> {
    let text = fs::read_to_string("/proc/cpuinfo").map_err(|error| format!("`/proc/cpuinfo`: {error}"))?;
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(format!("{model}, {cores} cores"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_is_missed_is_said() {
        let at_most = |value| Outcome::AtMost { what: "× floor", value, limit: 1.3 };
        let at_least = |value| Outcome::AtLeast { what: "× faster", value, limit: 3.0 };
        let rows = [at_most(1.3), at_most(1.31), at_least(3.0), at_least(2.9)]
            .map(|outcome| Row::new("work", 0.5, "floor 0.400 s".to_owned(), outcome));
        assert_eq!(rows.each_ref().map(Row::reached), [true, false, true, false]);
        let page = render(&rows, 5).unwrap();
        assert!(page.ends_with(
            "| work | 0.500 s | floor 0.400 s | 1.31 × floor | ≤ 1.3 × floor | **no** |\n\
            | work | 0.500 s | floor 0.400 s | 3.00 × faster | ≥ 3 × faster | yes |\n\
            | work | 0.500 s | floor 0.400 s | 2.90 × faster | ≥ 3 × faster | **no** |\n"
        ));
    }
}
