//! L1 and L4: what is told, and that telling it changes nothing.

use std::sync::Arc;

use shipway_core::{Cancel, LogRequest};

use super::{
    LogReaders,
    reading::Reading,
    stand::{Stand, ensure_told},
};
use crate::{
    clause::{Trouble, broken},
    suite::Bench,
};

/// Longer than the pieces that a container runtime cuts lines into, 16 KiB.
const LONG: usize = 20_000;

/// Returns lines that are easily taken for something else than they are.
fn odd_lines() -> Vec<String> {
    let mut lines: Vec<String> = [
        "plain",
        "",
        "  at an indented line ",
        "\tat a tab",
        "after them",
        "a second time",
        "a second time",
        "[somebody else] in brackets",
        "{\"level\": \"info\", \"text\": \"a\\nb\"}",
        "w\u{f6}rter \u{8a9e} \u{1f980}",
        "2026-11-21T10:00:00.000000000Z a moment",
    ]
    .map(str::to_owned)
    .to_vec();
    lines.push("long ".repeat(LONG / 5));
    lines.push("the end".to_owned());
    lines
}

pub(super) async fn each_line_once(bench: Bench<LogReaders>) -> Result<(), Trouble> {
    let stand = Stand::new(&bench)?;
    let lines = odd_lines();
    for line in &lines {
        for program in 0..stand.programs().len() {
            stand.print(program, line).await;
        }
    }
    let due = lines.len() * stand.programs().len();
    for (how, follow) in [("without `follow`", false), ("with `follow`", true)] {
        let reading = stand.read(&LogRequest::new().follow(follow));
        let told = reading.told(|told| told.len() >= due).await?;
        let mut others: Vec<&str> = told.iter().map(String::as_str).collect();
        for program in stand.programs() {
            let before = format!("[{program}] ");
            let own: Vec<&str> = told.iter().filter_map(|line| line.strip_prefix(&before)).collect();
            ensure_told(&own, &lines, &format!("{how}, of `{program}`"))?;
            others.retain(|line| !line.starts_with(&before));
        }
        if let Some(line) = others.first() {
            let line: String = line.chars().take(80).collect();
            return broken(format!("{how}: `{line}` is of none of the deployment's programs"));
        }
    }
    Ok(())
}

pub(super) async fn the_same_again(bench: Bench<LogReaders>) -> Result<(), Trouble> {
    let stand = Stand::new(&bench)?;
    let mut due = 0;
    for number in 1..=3 {
        due += stand.print_each(number).await.len();
    }
    let reader = stand.reader();
    let (again, another) = (Arc::clone(&reader), stand.reader());
    let mut first: Option<Vec<String>> = None;
    for (who, reader) in [("", reader), ("asked again", again), ("asked after another", another)] {
        let reading = Reading::begin(&stand, reader, &LogRequest::new(), Cancel::new());
        let mut told = reading.told(|told| told.len() >= due).await?;
        // Of several programs, no order is promised.
        told.sort_unstable();
        match &first {
            None => first = Some(told),
            Some(first) => ensure_told(&told, first, who)?,
        }
    }
    Ok(())
}
