//! What the kit needs to know of a log reader's target, and to do in it.

use std::fmt::Debug;

use async_trait::async_trait;
use shipway_core::{Deployment, Timestamp};

/// The target of a log reader under test: a deployment whose programs run and print nothing but what they are told to.
///
/// What else runs in the target may print as well, and should: none of that is the deployment's.
#[async_trait]
pub trait LogTarget: Debug + Send + Sync + 'static {
    /// Returns the deployment.
    fn deployment(&self) -> Deployment;

    /// Returns who prints, at least two programs, each as the reader has it between the brackets.
    fn programs(&self) -> Vec<String>;

    /// Lets a program print a line, and returns once it is in the log with the moment that it has there, which is later
    /// than that of every line before.
    async fn print(&self, program: &str, line: &str) -> Timestamp;
}
