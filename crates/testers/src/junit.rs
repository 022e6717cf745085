//! Reports of testers in the XML of JUnit, which CI systems show.
//!
//! There is no standard; this is what Jenkins' `junit` plug-in, GitLab and container-structure-test agree
//! on: suites, cases, failures and skips.

use std::{collections::BTreeMap, time::Duration};

use shipway_core::{Case, CaseOutcome, Outcome, Output, Report, TaskStatus, TestReport};

/// Returns the reports of all tests of a run, also of those that failed, as one JUnit document, with a
/// suite for each task; a command that a step ran is a case, too.
///
/// ```
/// # fn after(report: &shipway_core::Report) {
/// // After `driver.run(…)`, whatever came of it:
/// let document = shipway_testers::junit_of_run(report);
/// // … and write it to the file that the CI system reads.
/// # let _ = document;
/// # }
/// ```
#[must_use]
pub fn junit_of_run(run: &Report) -> String {
    let mut steps = BTreeMap::new();
    for (task, state) in &run.state.tasks {
        let (Some(step), TaskStatus::Ended(outcome)) = (task.as_str().strip_prefix("run:"), &state.status)
        else {
            continue;
        };
        let outcome = match outcome {
            Outcome::Succeeded | Outcome::Reused => CaseOutcome::Passed,
            Outcome::Failed { error } | Outcome::FailureAllowed { error } => {
                CaseOutcome::Failed(error.to_string())
            }
            Outcome::Skipped { .. } => CaseOutcome::Skipped("what it needs failed".to_owned()),
            _ => CaseOutcome::Skipped("the run was stopped".to_owned()),
        };
        let took = state.started.zip(state.finished).map(|(from, to)| to.0.saturating_sub(from.0));
        let case = Case::new(step, outcome).duration(Duration::from_millis(took.unwrap_or_default()));
        steps.insert(task.as_str(), TestReport::new().cases([case]));
    }
    let reports = run.outputs.iter().filter_map(|(task, output)| match output {
        Output::Report(report) => Some((task.as_str(), report)),
        _ => None,
    });
    junit(reports.chain(steps.iter().map(|(task, report)| (*task, report))))
}

/// Returns reports as one JUnit document, each as the suite of its name.
///
/// Characters that XML cannot hold, such as those that colour a terminal, become U+FFFD.
///
/// ```
/// use shipway_core::{Case, CaseOutcome, TestReport};
///
/// let report = TestReport::new().cases([Case::new("shell", CaseOutcome::Failed("no `/bin/sh`".to_owned()))]);
/// let document = shipway_testers::junit([("web", &report)]);
/// assert!(document.contains(r#"<failure message="no `/bin/sh`">no `/bin/sh`</failure>"#));
/// ```
pub fn junit<'a>(suites: impl IntoIterator<Item = (&'a str, &'a TestReport)>) -> String {
    let suites: Vec<(&str, &TestReport)> = suites.into_iter().collect();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites");
    counts(&mut out, suites.iter().map(|(_, report)| *report));
    out.push_str(">\n");
    for (name, report) in suites {
        out.push_str("  <testsuite");
        attribute(&mut out, "name", name);
        counts(&mut out, [report]);
        out.push_str(">\n");
        for case in &report.cases {
            out.push_str("    <testcase");
            attribute(&mut out, "name", &case.name);
            attribute(&mut out, "classname", name);
            attribute(&mut out, "time", &seconds(case.duration));
            match &case.outcome {
                CaseOutcome::Failed(why) => told(&mut out, "failure", why),
                CaseOutcome::Skipped(why) => told(&mut out, "skipped", why),
                _ => out.push_str("/>\n"),
            }
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

/// Writes how many cases there are, of each ending, and how long they took.
fn counts<'a>(out: &mut String, reports: impl IntoIterator<Item = &'a TestReport>) {
    let (mut tests, mut failures, mut skipped, mut took) = (0_usize, 0_usize, 0_usize, Duration::ZERO);
    for case in reports.into_iter().flat_map(|report| &report.cases) {
        tests += 1;
        failures += usize::from(matches!(case.outcome, CaseOutcome::Failed(_)));
        skipped += usize::from(matches!(case.outcome, CaseOutcome::Skipped(_)));
        took = took.saturating_add(case.duration);
    }
    attribute(out, "tests", &tests.to_string());
    attribute(out, "failures", &failures.to_string());
    // What a tester cannot do is its task's error, and no case.
    attribute(out, "errors", "0");
    attribute(out, "skipped", &skipped.to_string());
    attribute(out, "time", &seconds(took));
}

/// Writes why a case ended so, its first line as the message, and closes the case.
fn told(out: &mut String, element: &str, why: &str) {
    out.extend([">\n      <", element]);
    attribute(out, "message", why.lines().next().unwrap_or_default());
    out.push('>');
    why.chars().for_each(|c| character(out, c));
    out.extend(["</", element, ">\n    </testcase>\n"]);
}

fn seconds(duration: Duration) -> String {
    format!("{:.3}", duration.as_secs_f64())
}

fn attribute(out: &mut String, name: &str, value: &str) {
    out.extend([" ", name, "=\""]);
    for c in value.chars() {
        match c {
            // A reader makes blanks of these in an attribute (XML 1.0, 3.3.3).
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            _ => character(out, c),
        }
    }
    out.push('"');
}

/// Writes a character so that a reader gets it again, if XML can hold it (XML 1.0, 2.2 and 2.11).
fn character(out: &mut String, c: char) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\r' => out.push_str("&#13;"),
        '\t' | '\n' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}' => out.push(c),
        _ => out.push(char::REPLACEMENT_CHARACTER),
    }
}
