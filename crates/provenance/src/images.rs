//! What is under an image's digest: the image itself, or those of an index.

use shipway_core::{Digest, Error, Platform, Result};
use shipway_oci::{AnyManifest, Descriptor, Distribution, Label};

/// The most images of an index that are looked at.
const MOST: usize = 100;

/// An image with its index, if it is of one.
#[derive(Debug)]
pub(crate) struct Parts {
    /// What the digest names.
    pub(crate) root: Descriptor,
    /// The images, each for one platform: of an index those that it holds, else the image itself.
    pub(crate) images: Vec<Descriptor>,
}

impl Parts {
    /// Reads what is under a digest.
    ///
    /// # Errors
    /// `NotFound` when it is gone; `BadOutput` when it holds too many images.
    pub(crate) async fn read(repository: &dyn Distribution, digest: &Digest) -> Result<Self> {
        let raw = repository.manifest(&Label::Digest(digest.clone())).await?;
        let raw = raw.ok_or_else(|| {
            Error::not_found(format!("there is no image `{digest}`"))
                .hint("it was removed meanwhile; build it again")
        })?;
        let root = Descriptor::new(&raw.media_type, raw.digest.clone(), raw.bytes.len() as u64);
        let images = match AnyManifest::parse(&raw)? {
            AnyManifest::Image(_) => vec![root.clone()],
            AnyManifest::Index(index) => index.manifests.into_iter().filter(is_image).collect(),
        };
        if images.len() > MOST {
            return Err(Error::bad_output(format!("the index `{digest}` holds more than {MOST} images")));
        }
        Ok(Self { root, images })
    }

    /// Returns the digest itself and those of the images under it.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Descriptor> {
        let others = self.images.iter().filter(|image| image.digest != self.root.digest);
        std::iter::once(&self.root).chain(others)
    }

    /// Returns whether it is an index.
    pub(crate) fn is_index(&self) -> bool {
        self.images.iter().all(|image| image.digest != self.root.digest)
    }
}

/// Returns what an entry of an index is called: its platform.
pub(crate) fn platform_of(image: &Descriptor) -> Option<&Platform> {
    image.platform.as_ref()
}

/// Returns whether it is an image and not what BuildKit says about one (BuildKit,
/// docs/attestations/attestation-storage.md).
fn is_image(entry: &Descriptor) -> bool {
    !entry.annotations.contains_key("vnd.docker.reference.type")
        && entry.platform.as_ref().is_none_or(|platform| platform.os != "unknown")
}
