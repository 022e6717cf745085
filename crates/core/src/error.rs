//! The one error type: what went wrong, where, why and what to do about it.
//!
//! [`Error`] is opaque, so that its inside can change; programs branch on [`ErrorKind`], people read
//! the rest. [`ErrorReport`] is the same as plain data, for events and stored records.

use std::{
    error::Error as StdError,
    fmt,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::plain::Plain;

/// A result whose error is the opaque [`struct@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Answers the question "what should a program do about it?".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// What the user wrote is wrong; trying again does not help.
    Config,
    /// Something that was named does not exist.
    NotFound,
    /// A credential is missing, wrong or not allowed to do this.
    Auth,
    /// The world moved: what was planned no longer fits; plan again.
    Conflict,
    /// A service could not be reached or is overloaded; trying again may help.
    Unavailable,
    /// A program that must be installed is not.
    MissingTool,
    /// A program ran and failed.
    ToolFailed,
    /// Something from outside (a registry, a tool, a file) does not have the form it must have.
    BadOutput,
    /// What was deployed does not work.
    Unhealthy,
    /// A deadline passed.
    Timeout,
    /// Somebody asked to stop.
    Cancelled,
    /// A plug-in was asked for something that it does not claim.
    Unsupported,
    /// A defect in Shipway or a plug-in.
    Internal,
}

impl ErrorKind {
    /// Returns the kind in words, as messages and reports show it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::NotFound => "not found",
            Self::Auth => "auth",
            Self::Conflict => "conflict",
            Self::Unavailable => "unavailable",
            Self::MissingTool => "missing tool",
            Self::ToolFailed => "tool failed",
            Self::BadOutput => "bad output",
            Self::Unhealthy => "unhealthy",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Unsupported => "unsupported",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A place in a file, shown as `file:line:column`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Location {
    /// The file as the user named it.
    pub file: PathBuf,
    /// The line, from 1; 0 when only the file is known.
    pub line: usize,
    /// The column in characters, from 1; 0 when only the line is known.
    pub column: usize,
}

impl Location {
    /// Returns the place at `line` and `column` (both from 1) of `file`.
    pub fn new(file: impl Into<PathBuf>, line: usize, column: usize) -> Self {
        Self { file: file.into(), line, column }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
            if self.column > 0 {
                write!(f, ":{}", self.column)?;
            }
        }
        Ok(())
    }
}

/// What went wrong, as one opaque value.
///
/// `Display` is the message alone; [`Error::report`] gives everything, and its `Display` is what a
/// person should see.
///
/// ```
/// use shipway_core::{Error, ErrorKind, Location};
///
/// let error = Error::config("unknown instruction `RUNN`")
///     .at(Location::new("web/Dockerfile", 3, 1))
///     .hint("did you mean `RUN`?");
/// assert_eq!(error.kind(), ErrorKind::Config);
/// assert_eq!(
///     error.report().to_string(),
///     "web/Dockerfile:3:1: unknown instruction `RUNN`\n  hint: did you mean `RUN`?"
/// );
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    report: ErrorReport,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Returns an error of this kind with a message: a lower-case fragment, values in backticks.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            report: ErrorReport {
                kind,
                message: message.into(),
                location: None,
                notes: Vec::new(),
                hint: None,
                retry: kind == ErrorKind::Unavailable,
                causes: Vec::new(),
            },
            source: None,
        }))
    }

    /// Returns an error of kind [`ErrorKind::Config`].
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    /// Returns an error of kind [`ErrorKind::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// Returns an error of kind [`ErrorKind::Unsupported`].
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// Returns an error of kind [`ErrorKind::Conflict`].
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }

    /// Returns an error of kind [`ErrorKind::BadOutput`].
    pub fn bad_output(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadOutput, message)
    }

    /// Returns an error of kind [`ErrorKind::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Returns an error of kind [`ErrorKind::Cancelled`].
    pub fn cancelled(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Cancelled, message)
    }

    /// Returns an error of kind [`ErrorKind::Timeout`].
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Timeout, message)
    }

    /// Returns the error for a failed file operation: `action` is a verb phrase, such as `read`.
    ///
    /// The kind follows the cause: `NotFound` for a missing file, `Auth` for denied permission, `Config`
    /// for something that is not what it must be, `Unavailable` otherwise.
    #[must_use]
    pub fn io(action: &str, path: &Path, source: std::io::Error) -> Self {
        let kind = match source.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            std::io::ErrorKind::PermissionDenied => ErrorKind::Auth,
            std::io::ErrorKind::InvalidInput => ErrorKind::Config,
            _ => ErrorKind::Unavailable,
        };
        Self::new(kind, format!("cannot {action} `{}`", path.display())).retry(false).source(source)
    }

    /// Sets the place in a file that the error is about.
    #[must_use]
    pub fn at(mut self, location: Location) -> Self {
        self.0.report.location = Some(location);
        self
    }

    /// Adds a line of context, such as the step that failed or the end of a tool's output.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.0.report.notes.push(note.into());
        self
    }

    /// Sets the one line that says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.report.hint = Some(hint.into());
        self
    }

    /// Says whether doing the same again may help; by default only for [`ErrorKind::Unavailable`].
    #[must_use]
    pub fn retry(mut self, retry: bool) -> Self {
        self.0.report.retry = retry;
        self
    }

    /// Sets the error that this one was caused by.
    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = source.into();
        let mut cause: Option<&dyn StdError> = Some(source.as_ref());
        while let Some(error) = cause {
            self.0.report.causes.push(error.to_string());
            cause = error.source();
        }
        self.0.source = Some(source);
        self
    }

    /// Returns what a program should do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.report.kind
    }

    /// Returns whether doing the same again may help.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        self.0.report.retry
    }

    /// Returns everything about the error as plain data.
    #[must_use]
    pub fn report(&self) -> &ErrorReport {
        &self.0.report
    }

    /// Takes everything about the error as plain data.
    #[must_use]
    pub fn into_report(self) -> ErrorReport {
        self.0.report
    }
}

impl From<ErrorReport> for Error {
    fn from(report: ErrorReport) -> Self {
        Self(Box::new(Inner { report, source: None }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Plain(f).write_str(&self.0.report.message)
    }
}

// `Debug` is what `unwrap` and a failing `main` print, so it is the full report.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.report, f)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// An [`struct@Error`] as plain data; its `Display` is what a person should see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ErrorReport {
    /// What a program should do about it.
    pub kind: ErrorKind,
    /// What went wrong: a lower-case fragment.
    pub message: String,
    /// The place in a file, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// Lines of context, the innermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Whether doing the same again may help.
    #[serde(default)]
    pub retry: bool,
    /// The messages of the errors that caused it, the nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
}

impl ErrorReport {
    /// Calls `change` with every text that may hold something from outside, for masking.
    pub(crate) fn for_each_text(&mut self, change: &mut dyn FnMut(&mut String)) {
        change(&mut self.message);
        self.notes.iter_mut().chain(&mut self.hint).chain(&mut self.causes).for_each(change);
    }
}

impl fmt::Display for ErrorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = Plain(f);
        if let Some(location) = &self.location {
            write!(f, "{location}: ")?;
        }
        f.write_str(&self.message)?;
        for cause in &self.causes {
            write!(f, "\n  because: {cause}")?;
        }
        for note in &self.notes {
            write!(f, "\n  note: {}", note.replace('\n', "\n        "))?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

/// Returns the candidate nearest to `name`, when it is near enough to be meant.
///
/// The distance counts letters that are missing, added, changed or swapped with their neighbour; near enough is at
/// most a third of the longer name.
///
/// ```
/// use shipway_core::did_you_mean;
///
/// assert_eq!(did_you_mean("biuld", ["build", "run"]), Some("build"));
/// assert_eq!(did_you_mean("bazel", ["build", "run"]), None);
/// ```
#[must_use]
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance * 3 <= name.chars().count().max(candidate.chars().count()))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Returns the distance of Damerau and Levenshtein, in the form in which no letter is touched twice (optimal string
/// alignment).
fn distance(a: &str, b: &str) -> usize {
    let letters = |name: &str| name.to_lowercase().chars().collect::<Vec<char>>();
    let (a, b) = (letters(a), letters(b));
    // The distances from the first letters of `a`, two fewer, one fewer and as many as the loop has seen.
    let mut before = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, right) in b.iter().enumerate() {
            let changed = above[j] + usize::from(left != right);
            let mut least = changed.min(row[j] + 1).min(above[j + 1] + 1);
            if i > 0 && j > 0 && *left == b[j - 1] && a[i - 1] == *right {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_only_near_names() {
        let kinds = ["native", "docker", "kaniko"];
        assert_eq!(did_you_mean("nativ", kinds), Some("native"));
        assert_eq!(did_you_mean("Dokcer", kinds), Some("docker"));
        assert_eq!(did_you_mean("bazel", kinds), None);
    }

    #[test]
    fn two_swapped_letters_are_one_mistake() {
        assert_eq!(did_you_mean("biuld", ["build", "run"]), Some("build"));
        for (a, b, expected) in [
            ("", "", 0),
            ("", "ab", 2),
            ("ab", "ba", 1),
            ("build", "biuld", 1),
            ("abcd", "badc", 2),
            ("aab", "baa", 2),
            ("ca", "abc", 3),
            ("kitten", "sitting", 3),
            ("gr\u{fc}n", "gr\u{dc}n", 0),
        ] {
            assert_eq!((distance(a, b), distance(b, a)), (expected, expected), "{a} {b}");
        }
    }

    #[test]
    fn a_report_shows_place_causes_notes_and_hint() {
        let cause = std::io::Error::new(std::io::ErrorKind::NotFound, "no such file");
        let error = Error::io("read", Path::new("a.txt"), cause)
            .at(Location::new("Dockerfile", 2, 0))
            .note("step 1")
            .hint("create it");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(!error.may_retry());
        assert_eq!(
            format!("{error:?}"),
            "Dockerfile:2: cannot read `a.txt`\n  because: no such file\n  note: step 1\n  hint: create it"
        );
        let json = serde_json::to_string(error.report()).expect("serialises");
        let back: ErrorReport = serde_json::from_str(&json).expect("parses");
        assert_eq!(&back, error.report());
    }
}
