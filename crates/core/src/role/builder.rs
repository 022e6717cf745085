//! The role that makes images of sources.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{Artifact, BuildRequest, Capabilities, Context, Image, Inputs, Result};

/// Makes an image of an artifact. Clauses B1 to B12 of CONTRACT.md.
#[async_trait]
pub trait Builder: Debug + Send + Sync + 'static {
    /// Returns what the builder can do; constant, and made without IO.
    fn capabilities(&self) -> Capabilities;

    /// Returns all that the image depends on, besides the tag, the platforms and the required images,
    /// which core adds.
    ///
    /// Reads only (B5), and is the same when nothing changed (B1). A declared file that is missing is
    /// declared all the same (B4).
    ///
    /// # Errors
    /// `Config` when what the user wrote is wrong, with its place.
    async fn inputs(&self, cx: &Context, artifact: &Artifact) -> Result<Inputs>;

    /// Builds the image into the request's target and returns it as it is there (B6).
    ///
    /// # Errors
    /// `ToolFailed` with the tool's name and the end of its output (B8); `Cancelled` within the grace
    /// when forced, with nothing left behind (B7).
    async fn build(&self, cx: &Context, request: &BuildRequest) -> Result<Image>;
}
