//! What is told of a past run among others: a line.

use std::fmt;

use serde::Serialize;
use shipway_core::{Error, Plain, Timestamp};

use crate::{
    PastRun,
    markup::cut,
    moments::{day_and_time, spoken},
};

/// A past run, in short: for a list of them, and as JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HistoryLine {
    /// The run's id.
    pub run: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// When it began; unknown in journals of earlier releases.
    pub began: Option<Timestamp>,
    /// How many milliseconds processes worked on it.
    pub took_millis: Option<u64>,
    /// How it ended: `succeeded`, `failed`, `was stopped`, `waits for an answer`, `did not end` or `cannot be read`.
    pub outcome: &'static str,
    /// What it built, released and removed.
    pub what: String,
    /// What failed first, and why.
    pub failure: Option<String>,
}

impl HistoryLine {
    /// Returns the line of a run.
    #[must_use]
    pub fn of(run: &PastRun) -> Self {
        let took = run.took().map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        Self {
            run: run.id.clone(),
            pipeline: run.pipeline.clone(),
            began: run.began(),
            took_millis: took,
            outcome: run.ending(),
            what: run.what(),
            failure: run.first_failure().map(|(past, error)| format!("{}: {}", past.task.id, error.message)),
        }
    }

    /// Returns the line of a run whose journal cannot be read.
    #[must_use]
    pub fn unreadable(run: &str, error: &Error) -> Self {
        Self {
            run: run.to_owned(),
            pipeline: String::new(),
            began: None,
            took_millis: None,
            outcome: "cannot be read",
            what: String::new(),
            failure: Some(error.to_string()),
        }
    }
}

/// Lists past runs for people; its `Display` is a table.
///
/// ```
/// use shipway_report::{History, HistoryLine, PastRun};
///
/// let lines = [HistoryLine::of(&PastRun::of("nightly-7", &[]))];
/// assert!(History(&lines).to_string().contains("nightly-7"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct History<'a>(pub &'a [HistoryLine]);

impl fmt::Display for History<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;

        let mut rows = vec![["RUN", "BEGAN", "TOOK", "OUTCOME", "WHAT"].map(str::to_owned)];
        for line in self.0 {
            let took = line.took_millis.map(std::time::Duration::from_millis);
            let what = [Some(&line.pipeline), Some(&line.what), line.failure.as_ref()];
            let what: Vec<&str> =
                what.into_iter().flatten().map(String::as_str).filter(|text| !text.is_empty()).collect();
            rows.push([
                line.run.replace(char::is_control, " "),
                line.began.map_or_else(|| "unknown".to_owned(), day_and_time),
                took.map(spoken).unwrap_or_default(),
                line.outcome.to_owned(),
                cut(&what.join(": ").replace(char::is_control, " "), 120),
            ]);
        }
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..4).map(width).collect();
        let mut f = Plain(f);
        for [run, began, took, outcome, what] in &rows {
            let line = format!(
                "{run:<0$}  {began:<1$}  {took:>2$}  {outcome:<3$}  {what}",
                widths[0], widths[1], widths[2], widths[3]
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
