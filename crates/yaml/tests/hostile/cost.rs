//! What documents that are made to hurt cost: each is read in a process of its own, whose memory the system tells.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "the figures are for the report")]

use std::{
    env, fs,
    process::Command,
    time::{Duration, Instant},
};

use shipway_yaml::{Rules, parse};

use crate::bombs::bombs;

/// About a megabyte each.
const TIMES: usize = 4;
/// The most that reading may take, in KiB.
const MOST: u64 = 64 * 1024;

/// Returns a line of what the system says of this process (proc(5)), in KiB.
fn memory(line: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let value = status.lines().find_map(|one| one.strip_prefix(line))?;
    value.trim().trim_end_matches(" kB").parse().ok()
}

/// Reads one document and tells what it took; in the process that the test starts for it.
fn read(name: &str) {
    let bomb = bombs(TIMES).into_iter().find(|(known, ..)| *known == name);
    let (.., text) = bomb.expect("there is such a document");
    let size = text.len() / 1024;
    // The peak from here on (proc(5), `clear_refs`).
    fs::write("/proc/self/clear_refs", "5").expect("the peak is reset");
    let (before, began) = (memory("VmHWM:").expect("the system tells"), Instant::now());
    let documents = parse("bomb.yaml", &text);
    let (took, peak) = (began.elapsed(), memory("VmHWM:").expect("the system tells"));
    let began = Instant::now();
    for document in documents.iter().flatten() {
        // That keys are equal is an error here, as soon as it is seen.
        drop(document.merged(Rules::Config));
        drop(document.to_json(Rules::Manifest));
    }
    let whole = memory("VmHWM:").expect("the system tells").saturating_sub(before);
    println!(
        "M1: {name}: {size} KiB read in {took:?} and {} KiB, converted in {:?} and {whole} KiB in all",
        peak.saturating_sub(before),
        began.elapsed()
    );
}

#[test]
fn no_document_costs_more_than_it_may() {
    if let Ok(name) = env::var("SHIPWAY_BOMB") {
        return read(&name);
    }
    if memory("VmHWM:").is_none() {
        println!("skipped: needs /proc, as Linux has it");
        return;
    }
    let mut dear = Vec::new();
    for (name, ..) in bombs(1) {
        let began = Instant::now();
        let output = Command::new(env::current_exe().expect("it runs"))
            .args(["--exact", "cost::no_document_costs_more_than_it_may", "--nocapture"])
            .env("SHIPWAY_BOMB", name)
            .output()
            .expect("it runs");
        let took = began.elapsed();
        let said = String::from_utf8_lossy(&output.stdout);
        let line =
            said.lines().find(|line| line.contains("M1: ")).unwrap_or_else(|| panic!("{name}: {output:?}"));
        println!("{line}");
        let mut numbers = line.split(" KiB").filter_map(|part| part.rsplit(' ').next()?.parse::<u64>().ok());
        let read = numbers.nth(1).expect("size, reading, all");
        // The machine may be busy; what grows with the square of the size takes minutes.
        if read > MOST || took > Duration::from_secs(60) {
            dear.push(format!("{line}, and the process {took:?}"));
        }
    }
    assert!(dear.is_empty(), "\n{}", dear.join("\n"));
}
