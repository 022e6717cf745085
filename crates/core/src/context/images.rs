//! The door to images: find, copy, join. Verify, push, retag, load and stitch are these three.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{
    Context, Result,
    image::{Image, Store, Target},
};

/// Finds, copies and joins images across stores.
#[async_trait]
pub trait Images: Debug + Send + Sync + 'static {
    /// Returns the image that a reference means in a store now, or `None` when there is none.
    ///
    /// A reference is `repository:tag`, `repository@digest` or both, in which case the digest counts;
    /// in a layout, a tag or a digest alone will do. The answer's name is the reference.
    ///
    /// # Errors
    /// `Unavailable` when the store cannot be asked, `Auth` when it refuses.
    async fn find(&self, cx: &Context, store: &Store, reference: &str) -> Result<Option<Image>>;

    /// Copies an image, with all it points to, and moves the target's tag to it last; what the target
    /// has already is not sent again. Idempotent.
    ///
    /// # Errors
    /// `NotFound` when the image is gone, `BadOutput` when its bytes are not what its digest says.
    async fn copy(&self, cx: &Context, image: &Image, to: &Target) -> Result<Image>;

    /// Joins images of one platform each, in one repository of one store, into one index.
    ///
    /// # Errors
    /// `Unsupported` for a daemon, which holds no indexes; `Config` when two have one platform.
    async fn join(&self, cx: &Context, images: &[Image], to: &Target) -> Result<Image>;
}
