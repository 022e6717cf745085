//! A repository in a registry.

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Url;
use shipway_core::{Context, Digest, Error, Result, Tag};

use super::{Client, exchange::Exchange, pull, push, referrers};
use crate::{BlobReader, Descriptor, Distribution, ImageManifest, Label, RawManifest, Reference};

/// One repository in a registry, reached over HTTP.
#[derive(Clone, Debug)]
pub struct RemoteRepository {
    pub(super) exchange: Exchange,
    path: String,
}

impl RemoteRepository {
    pub(super) fn new(client: &Client, cx: &Context, repository: &str) -> Result<Self> {
        let reference: Reference = repository.parse()?;
        if reference.tag.is_some() || reference.digest.is_some() {
            return Err(Error::config(format!("`{repository}` is more than the name of a repository"))
                .hint("leave out the tag and the digest"));
        }
        let base = client.base(&reference.host)?;
        Ok(Self { exchange: Exchange::new(client, cx, &reference.host, base), path: reference.path })
    }

    /// Returns the registry's host, as references name it and as logins are for it.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.exchange.host
    }

    /// Returns the repository's path in its registry.
    #[cfg(feature = "oci-client")]
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Returns the URL that the registry's paths are below.
    #[cfg(feature = "oci-client")]
    pub(crate) fn base(&self) -> &Url {
        &self.exchange.base
    }

    /// Returns a token for pulling from this repository and pushing to it, if the registry asks for one.
    ///
    /// Which token server is asked, and whether it sees the login, is decided as for all else here.
    #[cfg(feature = "oci-client")]
    pub(crate) async fn token(&self) -> Result<Option<String>> {
        use super::exchange::Call;
        let scope = format!("repository:{}:pull,push", self.path);
        let call = Call::new(reqwest::Method::GET, self.exchange.base.clone()).scope(scope.clone());
        self.exchange.send(&call).await?;
        let value = self.exchange.authorization(&scope);
        Ok(value.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer ").map(str::to_owned)))
    }

    /// Returns a URL of this repository.
    pub(super) fn url(&self, rest: &str) -> Result<Url> {
        let path = format!("{}/{rest}", self.path);
        self.exchange
            .base
            .join(&path)
            .map_err(|error| Error::internal(format!("`{path}` is not the path of a URL")).source(error))
    }
}

#[async_trait]
impl Distribution for RemoteRepository {
    fn place(&self) -> Option<(&str, &str)> {
        Some((self.host(), &self.path))
    }

    async fn manifest(&self, label: &Label) -> Result<Option<RawManifest>> {
        pull::manifest(self, label).await
    }

    async fn has_blob(&self, descriptor: &Descriptor) -> Result<bool> {
        pull::has_blob(self, descriptor).await
    }

    async fn read_blob(&self, descriptor: &Descriptor) -> Result<BlobReader> {
        pull::blob(self, descriptor).await
    }

    async fn write_blob(&self, descriptor: &Descriptor, content: BlobReader) -> Result<()> {
        push::blob(self, descriptor, content).await
    }

    async fn copy_blob(&self, descriptor: &Descriptor, source: &dyn Distribution) -> Result<()> {
        push::blob_of(self, descriptor, source).await
    }

    async fn write_new_blob(&self, content: BlobReader) -> Result<(Digest, u64)> {
        push::new_blob(self, content).await
    }

    async fn write_manifest(&self, media_type: &str, bytes: Bytes, tag: Option<&Tag>) -> Result<Digest> {
        push::manifest(self, media_type, bytes, tag).await.map(|(digest, _)| digest)
    }

    async fn referrers(&self, subject: &Digest, artifact_type: Option<&str>) -> Result<Vec<Descriptor>> {
        referrers::list(self, subject, artifact_type).await
    }

    async fn write_referrer(&self, manifest: &ImageManifest) -> Result<Descriptor> {
        referrers::write(self, manifest).await
    }
}
