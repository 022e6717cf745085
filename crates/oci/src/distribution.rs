//! One repository that holds blobs and manifests, wherever it is: what a registry and a layout have
//! in common, and all that copying an image needs.

use std::{collections::BTreeMap, fmt::Debug, pin::Pin};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use shipway_core::{Digest, Error, Platform, Result, Tag};
use tokio::io::AsyncRead;

use crate::ImageManifest;

/// A blob or manifest by media type, digest and size (OCI image-spec, descriptor.md).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Descriptor {
    /// The media type.
    pub media_type: String,
    /// The digest.
    pub digest: Digest,
    /// The size in bytes.
    pub size: u64,
    /// The platform, for a manifest inside an index.
    pub platform: Option<Platform>,
    /// What an artifact is that is no container image.
    pub artifact_type: Option<String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// Returns a descriptor with nothing more.
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Self {
        let (platform, artifact_type, annotations) = (None, None, BTreeMap::new());
        Self { media_type: media_type.into(), digest, size, platform, artifact_type, annotations }
    }
}

/// A manifest or index as its bytes, which its digest is of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RawManifest {
    /// The media type.
    pub media_type: String,
    /// The digest of the bytes; checked.
    pub digest: Digest,
    /// The bytes.
    pub bytes: Bytes,
}

/// What a manifest is asked for by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Label {
    /// A tag.
    Tag(Tag),
    /// A digest.
    Digest(Digest),
}

/// The content of a blob as it comes.
pub type BlobReader = Pin<Box<dyn AsyncRead + Send>>;

/// One repository of blobs and manifests. Everything that comes out of it is checked against its
/// digest and its size; what goes in is there whole or not at all.
#[async_trait]
pub trait Distribution: Debug + Send + Sync {
    /// Returns the host of the registry that this is in and the repository's path there; none for one
    /// that is elsewhere. Of one registry, a repository can take another one's blobs without their being
    /// sent.
    fn place(&self) -> Option<(&str, &str)> {
        None
    }

    /// Returns the manifest or index, or `None` when there is none; at most 4 MiB.
    ///
    /// # Errors
    /// `BadOutput` when the bytes are not what the digest says, or too many.
    async fn manifest(&self, label: &Label) -> Result<Option<RawManifest>>;

    /// Returns whether the blob is there, with its size as far as that is known without reading it.
    async fn has_blob(&self, descriptor: &Descriptor) -> Result<bool>;

    /// Returns the blob's content. Reading fails at the end if it is not what the descriptor says, and
    /// at once where it is longer.
    ///
    /// # Errors
    /// `NotFound` when there is no such blob.
    async fn read_blob(&self, descriptor: &Descriptor) -> Result<BlobReader>;

    /// Writes a blob whose digest is known, unless it is there (which is asked first).
    ///
    /// # Errors
    /// `BadOutput` when the content is not what the descriptor says; nothing is kept then.
    async fn write_blob(&self, descriptor: &Descriptor, content: BlobReader) -> Result<()>;

    /// Writes a blob that another repository has, unless it is there (which is asked first): without
    /// sending it where both are in one registry, and else from where it broke off, if that happens.
    ///
    /// # Errors
    /// `NotFound` when the other one does not have it, `BadOutput` when what it has is not what the
    /// descriptor says.
    async fn copy_blob(&self, descriptor: &Descriptor, source: &dyn Distribution) -> Result<()> {
        if self.has_blob(descriptor).await? {
            return Ok(());
        }
        self.write_blob(descriptor, source.read_blob(descriptor).await?).await
    }

    /// Writes a blob whose digest is known only at the end, in one pass, and returns its digest and
    /// size.
    async fn write_new_blob(&self, content: BlobReader) -> Result<(Digest, u64)>;

    /// Writes a manifest or index, and then, with a tag, moves the tag to it. What it points to must
    /// be there.
    async fn write_manifest(&self, media_type: &str, bytes: Bytes, tag: Option<&Tag>) -> Result<Digest>;

    /// Returns the manifests whose subject is this one, such as signatures and attestations, of one artifact
    /// type if it is given; none for a manifest that is not there. What the list says about them is not
    /// checked.
    ///
    /// # Errors
    /// `BadOutput` when the list is malformed, or longer than anybody needs it; `Unsupported` when the
    /// repository keeps no such lists.
    async fn referrers(&self, subject: &Digest, artifact_type: Option<&str>) -> Result<Vec<Descriptor>> {
        let _ = (subject, artifact_type);
        Err(Error::unsupported("the repository does not list what refers to a manifest"))
    }

    /// Writes a manifest that has a subject, and has it listed among that one's referrers; returns how. What it
    /// points to must be there, but for the subject. Idempotent.
    ///
    /// # Errors
    /// `Config` when it has no subject; `Conflict` when others keep writing the list at the same time.
    async fn write_referrer(&self, manifest: &ImageManifest) -> Result<Descriptor> {
        let _ = manifest;
        Err(Error::unsupported("the repository does not list what refers to a manifest"))
    }
}
