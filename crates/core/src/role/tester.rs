//! The role that judges an image or a deployment.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{Capabilities, Context, Inputs, Result, Subject, TestReport};

/// Judges an image before it is deployed, or a deployment. Clauses S1 to S4 of CONTRACT.md.
#[async_trait]
pub trait Tester: Debug + Send + Sync + 'static {
    /// Returns what the tester can do; constant, and made without IO.
    fn capabilities(&self) -> Capabilities;

    /// Returns what its verdict depends on besides the subject, which core adds: its own files (S3).
    ///
    /// # Errors
    /// `Config` when what the user wrote is wrong, with its place.
    async fn inputs(&self, cx: &Context) -> Result<Inputs>;

    /// Returns what it found; a failed case is part of a report, not an error (S1), and no two have one
    /// name (S2).
    ///
    /// # Errors
    /// When the test could not be done; `Cancelled` within the grace when forced, with nothing left
    /// behind (S4).
    async fn test(&self, cx: &Context, subject: &Subject) -> Result<TestReport>;
}
