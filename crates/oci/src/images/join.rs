//! Joining images of one platform each into an index.

use shipway_core::{Digest, Error, Image, Platform, Result, Tag};
use tokio::io::AsyncReadExt;

use super::stores::gone;
use crate::{AnyManifest, Descriptor, Distribution, ImageConfig, ImageIndex, Label, carry::unpack, json};

/// Writes the index of these images, moves the tag to it, and returns its digest and platforms.
pub(super) async fn join(
    place: &dyn Distribution,
    images: &[Image],
    tag: &Tag,
) -> Result<(Digest, Vec<Platform>)> {
    let mut manifests: Vec<Descriptor> = Vec::new();
    for image in images {
        let raw = place.manifest(&Label::Digest(image.digest.clone())).await?;
        let raw = raw.ok_or_else(|| gone(image))?;
        let AnyManifest::Image(manifest) = AnyManifest::parse(&raw)? else {
            return Err(Error::config(format!("`{}` is an index already", image.reference()))
                .hint("join images of one platform each"));
        };
        let platform = platform_of(place, image, &manifest.config).await?;
        if let Some(other) = manifests.iter().find(|other| other.platform.as_ref() == Some(&platform)) {
            return Err(Error::config(format!("two images have the platform `{platform}`"))
                .note(format!("`{}` and `{}`", other.digest, raw.digest))
                .hint("join images of one platform each"));
        }
        let mut descriptor = Descriptor::new(raw.media_type, raw.digest, raw.bytes.len() as u64);
        descriptor.platform = Some(platform);
        manifests.push(descriptor);
    }
    // The same index for the same images, in whatever order their builds ended.
    manifests.sort_by(|a, b| a.platform.cmp(&b.platform));
    let platforms = manifests.iter().filter_map(|manifest| manifest.platform.clone()).collect();
    let index = ImageIndex::new(manifests);
    let digest = place.write_manifest(&index.media_type, index.to_json(), Some(tag)).await?;
    Ok((digest, platforms))
}

/// Returns the platform that an image's configuration says.
async fn platform_of(place: &dyn Distribution, image: &Image, config: &Descriptor) -> Result<Platform> {
    let of = |error: Error| error.note(format!("of image `{}`", image.reference()));
    if config.size > json::LIMIT as u64 {
        return Err(of(Error::bad_output("the image's configuration is too long")));
    }
    let mut bytes = Vec::new();
    let mut content = place.read_blob(config).await?;
    content
        .read_to_end(&mut bytes)
        .await
        .map_err(|error| of(unpack(error, "read the image's configuration")))?;
    Ok(ImageConfig::from_json(&bytes).map_err(of)?.platform)
}
