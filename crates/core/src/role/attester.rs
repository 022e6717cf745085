//! The role that says of an image how it came about.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{BuildRecord, Capabilities, Context, Result};

/// Attaches to an image what is to be known of how it came about, where others can find and check it: a companion of a
/// [`Builder`](crate::Builder). Clauses A1 to A3 of CONTRACT.md.
#[async_trait]
pub trait Attester: Debug + Send + Sync + 'static {
    /// Returns what the attester can do; constant, and made without IO. What it reads are the stores in which it finds the
    /// image, and to whose image it attaches. Its version is an input of the build: an image that another one attested,
    /// or none, is built again.
    fn capabilities(&self) -> Capabilities;

    /// Attaches what it has to say of a build to the build's image and to no other (A2), without a secret (A3). Idempotent:
    /// what is there already stays, and no second one comes beside it, whatever was cut in between (A1).
    ///
    /// # Errors
    /// `Unavailable` when the store cannot be asked; `Auth` when nothing may be attached there.
    async fn attest(&self, cx: &Context, build: &BuildRecord) -> Result<()>;
}
