//! The table: what was reached, and whether that is enough.

use std::fs;

use super::contender::{Contender, Median};
use crate::Result;

/// A line of the table.
#[derive(Debug)]
pub(super) struct Row {
    work: String,
    seconds: f64,
    others: Vec<Peer>,
    outcome: Outcome,
}

/// Somebody else on the same work.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    name: String,
    seconds: f64,
    /// Whether that was recorded elsewhere.
    recorded: bool,
}

impl Peer {
    pub(super) fn new(name: &str, seconds: f64) -> Self {
        Self { name: name.to_owned(), seconds, recorded: false }
    }

    /// Returns somebody who is on no machine here, with what was recorded elsewhere.
    pub(super) fn recorded(name: &str, seconds: f64) -> Self {
        Self { recorded: true, ..Self::new(name, seconds) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn seconds(&self) -> f64 {
        self.seconds
    }

    fn text(&self) -> String {
        let text = format!("{} {}", self.name, seconds(self.seconds));
        if self.recorded { format!("[{text}]") } else { text }
    }
}

/// What a target is about, what it was, and what it must be.
#[derive(Debug)]
pub(super) enum Outcome {
    AtMost { what: &'static str, value: f64, limit: f64 },
    AtLeast { what: &'static str, value: f64, limit: f64 },
}

impl Row {
    pub(super) fn new(work: &str, seconds: f64, others: Vec<Peer>, outcome: Outcome) -> Self {
        Self { work: work.to_owned(), seconds, others, outcome }
    }

    pub(super) fn work(&self) -> &str {
        &self.work
    }

    pub(super) fn seconds(&self) -> f64 {
        self.seconds
    }

    pub(super) fn others(&self) -> &[Peer] {
        &self.others
    }

    pub(super) fn reached(&self) -> bool {
        match self.outcome {
            Outcome::AtMost { value, limit, .. } => value <= limit,
            Outcome::AtLeast { value, limit, .. } => value >= limit,
        }
    }
}

/// Returns what others took.
pub(super) fn others(contenders: &[Contender], taken: &[Median]) -> Vec<Peer> {
    let others = contenders.iter().zip(taken);
    others.map(|(contender, taken)| Peer::new(&contender.name, taken.seconds)).collect()
}

pub(super) fn seconds(seconds: f64) -> String {
    match seconds {
        // What is no time at all, but a size.
        none if none.is_nan() => String::new(),
        tiny if tiny < 0.001 => format!("{:.2} µs", tiny * 1e6),
        small if small < 1.0 => format!("{small:.3} s"),
        _ => format!("{seconds:.2} s"),
    }
}

/// Returns what the floor is made of, and the least that these cores could take for it.
pub(super) fn floor(level: &str, parts: &[(String, f64)], cores: usize) -> String {
    let sum: f64 = parts.iter().map(|(_, seconds)| seconds).sum();
    let parts: Vec<String> = parts.iter().map(|(name, took)| format!("{name} {}", seconds(*took))).collect();
    format!(
        "At level {level} the parts of the floor take, one after the other on one core: {}. That is {}, and on \
        {cores} cores no less than {}.",
        parts.join(", "),
        seconds(sum),
        seconds(sum / cores as f64)
    )
}

/// Returns the count of cores.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Returns the page: the rows, and what there is to say besides.
pub(super) fn render(rows: &[Row], notes: &[String], rounds: usize) -> Result<String> {
    let mut page = format!(
        "# Benchmarks\n\n\
        `cargo xtask bench` made this page in one run on {}. Each number is the median of {rounds} runs after a \
        warm-up, all contenders in turn, each timed as processes from start to end (Docker and BuildKit on the big \
        folder once, since they take long and no target is about them); the in-process registry is \
        `examples/serve_registry` in a process of its own, its data and the sources in memory (`/dev/shm`), so that no \
        disk is measured; Docker's and BuildKit's data and docker-registry's are on a disk. The floor is a tar of the files, both SHA-256 and \
        libdeflate at that level over all cores, then the same bytes sent to the registry in one request \
        (`benches/targets`). What stands in brackets was recorded elsewhere.\n\n\
        ![Shipway beside the others](benchmarks.svg)\n\n\
        | work | Shipway | others | reached | target | |\n|---|---|---|---|---|---|\n",
        machine()?,
    );
    for row in rows {
        let (reached, target) = match &row.outcome {
            Outcome::AtMost { what, value, limit } => (number(*value, what), format!("≤ {limit} {what}")),
            Outcome::AtLeast { what, value, limit } => (number(*value, what), format!("≥ {limit} {what}")),
        };
        let mark = if row.reached() { "yes" } else { "**no**" };
        let others = row.others.iter().map(Peer::text).collect::<Vec<_>>().join("; ");
        let line = [&row.work, &seconds(row.seconds), &others, &reached, &target, mark].join(" | ");
        page.extend(["| ", &line, " |\n"]);
    }
    for note in notes {
        page.extend(["\n", note, "\n"]);
    }
    Ok(page)
}

fn number(value: f64, what: &str) -> String {
    if what == "s" { seconds(value) } else { format!("{value:.2} {what}") }
}

/// Returns the machine by the model of its processor and the count of its cores.
fn machine() -> Result<String> {
    let text = fs::read_to_string("/proc/cpuinfo").map_err(|error| format!("`/proc/cpuinfo`: {error}"))?;
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model.trim());
    Ok(format!("{model}, {} cores", cores()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_is_missed_is_said() {
        let at_most = |value| Outcome::AtMost { what: "× floor", value, limit: 1.3 };
        let at_least = |value| Outcome::AtLeast { what: "× faster", value, limit: 3.0 };
        let others = vec![Peer::new("floor", 0.4), Peer::recorded("Skaffold", 28.8)];
        let rows = [at_most(1.3), at_most(1.31), at_least(3.0), at_least(2.9)]
            .map(|outcome| Row::new("work", 0.5, others.clone(), outcome));
        assert_eq!(rows.each_ref().map(Row::reached), [true, false, true, false]);
        let note = floor("1", &[("tar".to_owned(), 0.25), ("libdeflate".to_owned(), 1.5)], 2);
        let page = render(&rows, &[note], 5).unwrap();
        assert!(page.ends_with(
            "| work | 0.500 s | floor 0.400 s; [Skaffold 28.80 s] | 1.31 × floor | ≤ 1.3 × floor | **no** |\n\
            | work | 0.500 s | floor 0.400 s; [Skaffold 28.80 s] | 3.00 × faster | ≥ 3 × faster | yes |\n\
            | work | 0.500 s | floor 0.400 s; [Skaffold 28.80 s] | 2.90 × faster | ≥ 3 × faster | **no** |\n\n\
            At level 1 the parts of the floor take, one after the other on one core: tar 0.250 s, libdeflate 1.50 s. \
            That is 1.75 s, and on 2 cores no less than 0.875 s.\n"
        ));
    }
}
