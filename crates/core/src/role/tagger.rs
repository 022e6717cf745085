//! The role that names images for people.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{Context, Result, Tag, TagRequest};

/// Gives an artifact's image the tag that people know it by. Clauses T1 to T4 of CONTRACT.md.
#[async_trait]
pub trait Tagger: Debug + Send + Sync + 'static {
    /// Returns whether [`TagRequest::fingerprint`] must be there.
    ///
    /// Such a tag cannot be a build argument of its own artifact, which would make it depend on itself.
    fn needs_fingerprint(&self) -> bool;

    /// Returns the tag; the same for the same request and the same state of the world.
    ///
    /// # Errors
    /// `Config` when what comes out is not a tag.
    async fn tag(&self, cx: &Context, request: &TagRequest) -> Result<Tag>;
}
