//! A cache in a repository of a registry, which several machines share: each value is an artifact of its own
//! (OCI image-spec, "Guidelines for Artifact Usage") under a tag that its key decides.

use std::{collections::BTreeMap, io::Cursor};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use shipway_core::{Cache, Context, Error, ErrorKind, Result, Tag};
use tokio::io::AsyncReadExt as _;

use crate::{
    Client, Descriptor, Distribution, Label, RawManifest, carry::unpack, digest_of, json,
    manifest::DescriptorDocument, media,
};

/// What the artifacts are, which tells them from images that somebody pushed there.
const ARTIFACT: &str = "application/vnd.shipway.cache.v1";
/// The annotation with the key.
const KEY: &str = "dev.shipway.cache.key";
/// The content of an artifact's configuration that has none (OCI image-spec, "Guidance for an Empty Descriptor").
const EMPTY: &[u8] = b"{}";
/// The most bytes of a value.
const LIMIT: u64 = 64 * 1024 * 1024;

/// Keeps values in a repository of a registry, for all who may read it.
///
/// Logins, TLS and what else concerns registries are the client's. What is there and is not what was put under the
/// key is as if it were not there. Nothing is ever removed; a registry's own rules for old tags will do.
///
/// **Whoever may write to the repository decides what is built and released**: a cache's answer takes the place
/// of a build. Let only those write who may release, and give all others a login that can only read. It should be a
/// repository for this alone.
///
/// In front of it belongs a near one: [`WrittenThrough`](shipway_core::WrittenThrough).
///
/// ```
/// use std::sync::Arc;
/// use shipway_core::{Driver, MemoryCache, World, WrittenThrough};
/// use shipway_oci::{Client, RegistryCache};
///
/// let far = RegistryCache::new(Client::new(), "registry.example/team/cache");
/// let cache = WrittenThrough::new(Arc::new(MemoryCache::new()), Arc::new(far));
/// let driver = Driver::new(World::host("/src")).cache(Arc::new(cache));
/// # drop(driver);
/// ```
#[derive(Clone, Debug)]
pub struct RegistryCache {
    client: Client,
    repository: String,
}

impl RegistryCache {
    /// Returns the cache in a repository, `host[:port]/path`; nothing is connected before it is used.
    pub fn new(client: Client, repository: impl Into<String>) -> Self {
        Self { client, repository: repository.into() }
    }
}

#[async_trait]
impl Cache for RegistryCache {
    async fn get(&self, cx: &Context, key: &str) -> Result<Option<Bytes>> {
        match read(&self.client.repository(cx, &self.repository)?, key).await {
            // Somebody else's, or removed meanwhile, or damaged.
            Err(error) if is_absence(error.kind()) => Ok(None),
            other => other,
        }
    }

    async fn put(&self, cx: &Context, key: &str, value: Bytes) -> Result<()> {
        if value.len() as u64 > LIMIT {
            return Err(Error::unsupported(format!("a value of {} bytes is too long", value.len()))
                .hint(format!("a cache in a registry takes at most {LIMIT} bytes under a key")));
        }
        let repository = self.client.repository(cx, &self.repository)?;
        let (config, layer) =
            (descriptor(media::EMPTY, EMPTY), descriptor("application/octet-stream", &value));
        let manifest = json::to_bytes(&Artifact::new(key, &config, &layer));
        repository.write_blob(&config, Box::pin(Cursor::new(EMPTY))).await?;
        repository.write_blob(&layer, Box::pin(Cursor::new(value))).await?;
        repository.write_manifest(media::MANIFEST, manifest, Some(&tag_of(key)?)).await?;
        Ok(())
    }
}

async fn read(repository: &dyn Distribution, key: &str) -> Result<Option<Bytes>> {
    let found = repository.manifest(&Label::Tag(tag_of(key)?)).await?;
    let Some(value) = found.and_then(|manifest| value_of(&manifest, key)) else { return Ok(None) };
    let mut bytes = Vec::new();
    // Which ends where the descriptor says, or fails.
    let mut content = repository.read_blob(&value).await?;
    content.read_to_end(&mut bytes).await.map_err(|error| unpack(error, "read a value of the cache"))?;
    Ok(Some(bytes.into()))
}

fn is_absence(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::BadOutput | ErrorKind::Unsupported)
}

/// Returns where the value is, if the manifest is one of ours and for this key.
fn value_of(manifest: &RawManifest, key: &str) -> Option<Descriptor> {
    let artifact: Artifact = json::parse(&manifest.bytes, "the manifest").ok()?;
    let ours = manifest.media_type == media::MANIFEST
        && artifact.artifact_type.as_deref() == Some(ARTIFACT)
        && artifact.annotations.get(KEY).is_some_and(|own| own == key);
    let [value] = <[DescriptorDocument; 1]>::try_from(artifact.layers).ok()?;
    Some(Descriptor::from(value)).filter(|value| ours && value.size <= LIMIT)
}

/// Returns the tag, which has room for no key: a part of the key's hash.
fn tag_of(key: &str) -> Result<Tag> {
    Tag::parse(format!("cache-{}", &blake3::hash(key.as_bytes()).to_hex()[..40]))
}

fn descriptor(media_type: &str, content: &[u8]) -> Descriptor {
    Descriptor::new(media_type, digest_of(content), content.len() as u64)
}

/// The manifest of a value.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    schema_version: u64,
    media_type: String,
    artifact_type: Option<String>,
    config: DescriptorDocument,
    layers: Vec<DescriptorDocument>,
    #[serde(default, deserialize_with = "json::or_null")]
    annotations: BTreeMap<String, String>,
}

impl Artifact {
    fn new(key: &str, config: &Descriptor, value: &Descriptor) -> Self {
        Self {
            schema_version: 2,
            media_type: media::MANIFEST.to_owned(),
            artifact_type: Some(ARTIFACT.to_owned()),
            config: config.into(),
            layers: vec![value.into()],
            annotations: [(KEY.to_owned(), key.to_owned())].into(),
        }
    }
}
