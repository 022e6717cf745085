//! What testers look at and what they found.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{deployment::Deployment, image::Image, value::value};

/// What a tester looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Subject {
    /// An image, before it is deployed.
    Image(Image),
    /// A deployment, after it was applied.
    Deployment(Deployment),
}

value! {
    /// What a tester found.
    #[derive(Eq, Default)]
    pub struct TestReport {
        ;
        /// The cases, uniquely named.
        pub cases: Vec<Case>,
    }
}

impl TestReport {
    /// Returns the cases that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Case> {
        self.cases.iter().filter(|case| matches!(case.outcome, CaseOutcome::Failed(_)))
    }
}

value! {
    /// One case of a test.
    #[derive(Eq)]
    pub struct Case {
        /// The name, unique in its report.
        pub name: String,
        /// How it ended.
        pub outcome: CaseOutcome,
        ;
        /// How long it took.
        pub duration: Duration,
    }
}

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CaseOutcome {
    /// As it should.
    Passed,
    /// Not as it should; the text says how.
    Failed(String),
    /// It did not run; the text says why.
    Skipped(String),
}
