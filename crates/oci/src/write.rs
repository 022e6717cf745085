//! Finishes an image whose layers are written: its configuration, its manifest, and its tag last.

use shipway_core::{Digest, Result, Tag};

use crate::{Descriptor, Distribution, ImageConfig, ImageManifest, digest_of, media};

/// Writes the configuration and the manifest of an image whose layers are there, moves the tag to it,
/// and returns its digest.
///
/// The layers are those that the configuration has diff ids of, the lowest first.
///
/// # Errors
/// What the repository says.
pub async fn write_image(
    into: &dyn Distribution,
    config: &ImageConfig,
    layers: Vec<Descriptor>,
    tag: Option<&Tag>,
) -> Result<Digest> {
    let config = config.to_json();
    let descriptor = Descriptor::new(media::CONFIG, digest_of(&config), config.len() as u64);
    into.write_blob(&descriptor, Box::pin(std::io::Cursor::new(config))).await?;
    let manifest = ImageManifest::new(descriptor, layers);
    into.write_manifest(media::MANIFEST, manifest.to_json(), tag).await
}
