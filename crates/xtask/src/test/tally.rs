//! What the tests' output says came of them: counts, names of failures, reasons of skips.

use std::mem;

/// What a machine that runs CI must have: a test that is skipped for want of it would hide that the
/// real part was not tried.
const REQUIRED: [&str; 11] = [
    "crane",
    "skopeo",
    "helm3",
    "helm4",
    "kustomize",
    "cosign",
    "docker",
    "containerd",
    "buildkit",
    "kubernetes",
    "bed",
];

/// The results so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    /// Whether a test program has begun and not told its result.
    running: bool,
    failures: Vec<String>,
    /// What the harness itself did not run, with its reason.
    not_run: Vec<String>,
    skips: Vec<String>,
}

impl Tally {
    /// Counts an example that ran well.
    pub(super) fn pass(&mut self) {
        self.passed += 1;
    }

    /// Counts a failure of something that is not itself a test.
    pub(super) fn fail(&mut self, what: &str) {
        self.failed += 1;
        self.failures.push(what.to_owned());
    }

    /// Returns the count of failures so far.
    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    /// Returns whether nothing was tried.
    pub(super) fn is_empty(&self) -> bool {
        self.passed + self.failed + self.ignored == 0 && self.skips.is_empty()
    }

    /// Takes a line of a test's output.
    pub(super) fn line(&mut self, line: &str) {
        let line = line.trim_end();
        if line.starts_with("running ") && (line.ends_with(" tests") || line.ends_with(" test")) {
            self.end();
            self.running = true;
        } else if let Some(counts) = line.strip_prefix("test result: ") {
            self.running = false;
            self.passed += count(counts, "passed");
            self.failed += count(counts, "failed");
            self.ignored += count(counts, "ignored");
        } else if let Some(name) = line.strip_prefix("test ").and_then(|line| line.strip_suffix("FAILED")) {
            self.failures.push(name.trim_end_matches([' ', '.']).to_owned());
        } else if let Some((name, why)) = ignored(line) {
            self.not_run.push(format!("{name}: {why}"));
        }
    }

    /// Takes the end of the output: a test program that told no result crashed.
    pub(super) fn end(&mut self) {
        if mem::take(&mut self.running) {
            self.fail("a test program that ended without a result (cargo's error above names it)");
        }
    }

    /// Takes the lines `skipped: NAME needs THING` that skipped tests left, one each. The harness
    /// counted each as passed.
    pub(super) fn skip(&mut self, lines: &str, ci: bool) {
        for line in lines.lines().filter(|line| !line.trim().is_empty()) {
            let line = line.trim_start_matches("skipped: ");
            let needs = line.rsplit_once("needs ").map_or("", |(_, needs)| needs);
            let required = needs.split(|c: char| !c.is_alphanumeric()).any(|word| REQUIRED.contains(&word));
            self.passed = self.passed.saturating_sub(1);
            if ci && required {
                self.fail(&format!("{line}, which CI must have"));
            } else {
                self.skips.push(line.to_owned());
            }
        }
        self.skips.sort();
    }

    /// Returns the last line of the report.
    pub(super) fn last_line(&self) -> String {
        let skipped = self.ignored + self.skips.len() as u64;
        format!("{} passed, {} failed, {skipped} skipped", self.passed, self.failed)
    }

    /// Prints what failed, what was skipped and why, and the counts; returns whether nothing failed.
    pub(super) fn report(&self) -> bool {
        println!();
        for failure in &self.failures {
            println!("failed: {failure}");
        }
        for skip in self.not_run.iter().chain(&self.skips) {
            println!("skipped: {skip}");
        }
        println!("{}", self.last_line());
        self.failed == 0
    }
}

/// Returns the name and the reason of a test that was not run: `test NAME ... ignored, WHY` as libtest
/// says it, `ignored (WHY)` as a conformance suite does.
fn ignored(line: &str) -> Option<(&str, &str)> {
    let (name, why) = line.strip_prefix("test ")?.split_once(" ... ignored")?;
    let why = why.trim_start_matches([',', ' ', '(']);
    Some((name.trim_end(), if why.is_empty() { "marked `#[ignore]`" } else { why.trim_end_matches(')') }))
}

/// Returns N of `N WORD` in `ok. 3 passed; 0 failed; …`.
fn count(counts: &str, word: &str) -> u64 {
    let mut words = counts.split([' ', ';']).filter(|word| !word.is_empty());
    let mut before = "";
    words
        .find_map(|next| {
            let number = (next == word).then(|| before.parse().ok());
            before = next;
            number
        })
        .flatten()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        for line in lines {
            tally.line(line);
        }
        tally
    }

    #[test]
    fn results_of_all_test_programs_are_summed() {
        let tally = tally(&[
            "running 4 tests",
            "test a ... ok",
            "test b::c ... FAILED",
            "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n",
            "test src/lib.rs - Image (line 3) ... ok",
            "test result: ok. 40 passed; 0 failed; 2 ignored; 0 measured; 5 filtered out; finished in 1.00s",
            "the text `test result: ok. 9 passed` inside a line is not a result",
        ]);
        assert_eq!(tally.last_line(), "43 passed, 1 failed, 2 skipped");
        assert_eq!(tally.failures, ["b::c"]);
        assert!(!tally.report());
    }

    #[test]
    fn what_the_harness_did_not_run_is_told_with_its_reason() {
        let tally = tally(&[
            "test a::b ... ignored",
            "test slow ... ignored, needs an hour",
            "test B11 an index holds every platform   ... ignored (not claimed)",
            "test ignored ... ok",
            "test result: ok. 1 passed; 0 failed; 3 ignored; 0 measured",
        ]);
        let expected = [
            "a::b: marked `#[ignore]`",
            "slow: needs an hour",
            "B11 an index holds every platform: not claimed",
        ];
        assert_eq!(tally.not_run, expected);
        assert_eq!(tally.last_line(), "1 passed, 0 failed, 3 skipped");
    }

    #[test]
    fn a_skipped_test_is_not_a_passed_one() {
        let mut tally = tally(&["test result: ok. 3 passed; 0 failed; 0 ignored"]);
        tally.skip("skipped: needs crane\n\nskipped: read needs SHIPWAY_CORPUS\n", false);
        assert_eq!(tally.last_line(), "1 passed, 0 failed, 2 skipped");
        assert!(tally.report());
    }

    #[test]
    fn in_ci_a_test_that_lacks_a_required_tool_failed() {
        let mut tally = tally(&["test result: ok. 4 passed; 0 failed; 0 ignored"]);
        tally.skip(
            "skipped: a needs crane\nskipped: needs skopeo and root\nskipped: crane needs SHIPWAY_CORPUS\n",
            true,
        );
        assert_eq!(tally.last_line(), "1 passed, 2 failed, 1 skipped");
        assert_eq!(
            tally.failures,
            ["a needs crane, which CI must have", "needs skopeo and root, which CI must have"]
        );
    }

    #[test]
    fn a_program_that_crashed_among_others_is_a_failure() {
        let result = "test result: FAILED. 0 passed; 1 failed; 0 ignored";
        let mut tally =
            tally(&["running 2 tests", "test a ... ok", "running 1 test", "test b ... FAILED", result]);
        tally.end();
        assert_eq!(tally.last_line(), "0 passed, 2 failed, 0 skipped");
        tally.line("running 0 tests");
        tally.end();
        tally.end();
        assert_eq!(tally.failed(), 3);
    }

    #[test]
    fn a_line_without_counts_counts_nothing() {
        for line in ["test result: ", "test result: passed", "test result: x passed; y failed", ""] {
            assert!(tally(&[line]).is_empty(), "{line}");
        }
    }
}
