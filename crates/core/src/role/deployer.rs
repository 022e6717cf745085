//! The role that brings a release to a target, watches it and goes back.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{
    Capabilities, ChangeSet, Context, Deployment, Desired, Health, Inputs, Manifests, Release, Result,
};

/// Brings releases to a target. Release, settle, restore and remove are one path: [`diff`] to a
/// desired state, then [`apply`] exactly that. Clauses D1 to D14 of CONTRACT.md.
///
/// [`diff`]: Deployer::diff
/// [`apply`]: Deployer::apply
#[async_trait]
pub trait Deployer: Debug + Send + Sync + 'static {
    /// Returns what the deployer can do; constant, and made without IO.
    fn capabilities(&self) -> Capabilities;

    /// Returns what the manifests depend on besides the release and its images, which core adds: its
    /// own files.
    ///
    /// # Errors
    /// `Config` when what the user wrote is wrong, with its place.
    async fn inputs(&self, cx: &Context) -> Result<Inputs>;

    /// Returns the manifests of a release; the same for the same release (D1).
    ///
    /// # Errors
    /// `Config` when what the user wrote is wrong, with its place.
    async fn render(&self, cx: &Context, release: &Release) -> Result<Manifests>;

    /// Returns what the target itself remembers of a release: the live deployment first, then earlier
    /// settled ones, newest first. Each is as good as what `apply` returned.
    ///
    /// # Errors
    /// `Unavailable` when the target cannot be asked.
    async fn history(&self, cx: &Context, release: &str) -> Result<Vec<Deployment>>;

    /// Returns all that has to change for what is desired; changes nothing (D2).
    ///
    /// # Errors
    /// `Unsupported` for what is not claimed; `Conflict` when an object or a field that would change is
    /// somebody else's; `Unavailable` when the target cannot be asked.
    async fn diff(&self, cx: &Context, desired: &Desired) -> Result<ChangeSet>;

    /// Makes these changes, exactly; idempotent, also after it was cut anywhere (D4, D6).
    ///
    /// # Errors
    /// `Conflict` when the fields that it would change are no longer as they were at `diff` (D5).
    async fn apply(&self, cx: &Context, changes: &ChangeSet) -> Result<Deployment>;

    /// Looks once at how a deployment fares (D7); the driver repeats it.
    ///
    /// # Errors
    /// `Unavailable` when the target cannot be asked.
    async fn health(&self, cx: &Context, deployment: &Deployment) -> Result<Health>;
}
