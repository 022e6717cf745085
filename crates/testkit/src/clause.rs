//! Clauses as data: what a role promises, in one sentence, and the check that finds out.

use std::{fmt, future::Future, pin::Pin};

use shipway_core::{Capabilities, Error, ErrorReport};

use crate::suite::Bench;

/// One clause of CONTRACT.md, with its check. `R` is the role that the clause is about.
pub struct Clause<R: 'static> {
    /// The number, such as `B7`.
    pub id: &'static str,
    /// What must hold, in one sentence.
    pub sentence: &'static str,
    /// Whether a plug-in with these capabilities claims what the clause is about.
    pub applies: fn(&Capabilities) -> bool,
    /// Whether the clause came with this release: a plug-in that breaks it is told so, but not failed.
    pub new: bool,
    /// What finds out whether the clause holds.
    pub(crate) run: Check<R>,
    /// What finds out whether a plug-in that does not claim it says `Unsupported`.
    pub(crate) unclaimed: Option<Check<R>>,
}

/// What a check returns while it works.
pub(crate) type Checking = Pin<Box<dyn Future<Output = Result<(), Trouble>> + Send>>;

/// A check: plain code, over a bench of its own.
pub(crate) type Check<R> = fn(Bench<R>) -> Checking;

impl<R> Clause<R> {
    /// Returns a clause that every plug-in of the role is held to.
    pub(crate) const fn always(id: &'static str, sentence: &'static str, run: Check<R>) -> Self {
        Self { id, sentence, applies: |_| true, new: false, run, unclaimed: None }
    }

    /// Returns a clause for those who claim it; the others must answer as `unclaimed` checks.
    pub(crate) const fn claimed(
        id: &'static str,
        sentence: &'static str,
        applies: fn(&Capabilities) -> bool,
        run: Check<R>,
        unclaimed: Check<R>,
    ) -> Self {
        Self { id, sentence, applies, new: false, run, unclaimed: Some(unclaimed) }
    }
}

impl<R> fmt::Debug for Clause<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clause")
            .field("id", &self.id)
            .field("sentence", &self.sentence)
            .finish_non_exhaustive()
    }
}

/// What came of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// The clause's number.
    pub clause: &'static str,
    /// The clause's sentence.
    pub sentence: &'static str,
    /// What was found.
    pub result: Verdict,
}

/// What was found about a clause.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It holds.
    Holds,
    /// It does not hold, and this is what was seen.
    Broken(String),
    /// It does not hold, but it is new: it counts from the next release on.
    BrokenButNew(String),
    /// The plug-in does not claim it, and says `Unsupported` when asked for it.
    NotClaimed,
    /// It could not be checked with what the suite was given, and this is why.
    Unchecked(String),
}

impl Verdict {
    /// Returns whether a plug-in with this verdict fails its suite.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Broken(_))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clause, sentence, result } = self;
        match result {
            Verdict::Holds => write!(f, "{clause} {sentence}: holds"),
            Verdict::Broken(why) => write!(f, "{clause} {sentence}: broken: {why}"),
            Verdict::BrokenButNew(why) => write!(f, "{clause} {sentence}: broken, and new: {why}"),
            Verdict::NotClaimed => write!(f, "{clause} {sentence}: not claimed"),
            Verdict::Unchecked(why) => write!(f, "{clause} {sentence}: not checked: {why}"),
        }
    }
}

/// Why a check ended early.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The clause is broken.
    Broken(String),
    /// The clause cannot be checked with what the suite was given.
    Unchecked(String),
}

// An error that a check did not expect breaks the clause: what the clause asks for did not work.
impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Broken(error.report().to_string())
    }
}

/// Returns the trouble of a clause that does not hold.
pub(crate) fn broken<T>(why: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Broken(why.into()))
}

/// Returns the trouble of a clause that cannot be checked.
pub(crate) fn unchecked<T>(why: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Unchecked(why.into()))
}

/// Breaks the clause unless the condition holds.
pub(crate) fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), Trouble> {
    if holds { Ok(()) } else { broken(why()) }
}

/// Breaks the clause unless the result is `Unsupported`.
pub(crate) fn says_unsupported<T: fmt::Debug>(what: &str, result: Result<T, Error>) -> Result<(), Trouble> {
    match result {
        Err(error) if error.kind() == shipway_core::ErrorKind::Unsupported => Ok(()),
        Err(error) => {
            broken(format!("{what} is not claimed, but its answer is {}", kind_and_text(error.report())))
        }
        Ok(answer) => broken(format!("{what} is not claimed, but its answer is `{answer:?}`")),
    }
}

/// Returns the kind and the whole text of an error, for messages about wrong answers.
pub(crate) fn kind_and_text(report: &ErrorReport) -> String {
    format!("`{}`: {report}", report.kind)
}
