//! From a digest to the manifest and configuration of one image for one platform.

use shipway_core::{Digest, Error, ErrorKind, Platform, Result};
use tokio::io::AsyncReadExt as _;

use crate::{
    AnyManifest, Descriptor, Distribution, ImageConfig, ImageIndex, ImageManifest, Label, RawManifest,
    carry::unpack, json, media,
};

/// An image as its manifest and configuration say it is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct InspectedImage {
    /// The digest of the manifest; not that of an index it was found in.
    pub digest: Digest,
    /// The manifest.
    pub manifest: ImageManifest,
    /// The configuration.
    pub config: ImageConfig,
}

/// How deep an index may lie in another.
const DEPTH: usize = 2;

/// Reads the image with this digest; of an index, the one for the platform, or, when none is named,
/// the only one or the one for Linux on this machine.
///
/// # Errors
/// `NotFound` when there is no such image or none for the platform; `BadOutput` when it is malformed;
/// `Unsupported` when it is something else than a container image.
pub async fn read_image(
    repository: &dyn Distribution,
    digest: &Digest,
    platform: Option<&Platform>,
) -> Result<InspectedImage> {
    let mut raw = read_manifest(repository, digest).await?;
    for depth in 0..=DEPTH {
        match AnyManifest::parse(&raw)? {
            AnyManifest::Image(manifest) => {
                let config = read_config(repository, &manifest).await?;
                // What an index says about a platform was believed; its variants are often left out here.
                let fits = |wanted: &Platform| {
                    let (wanted, own) = (normal(wanted), normal(&config.platform));
                    (wanted.0, wanted.1) == (own.0, own.1)
                };
                if depth == 0 && !platform.is_none_or(fits) {
                    return Err(missing(platform, &[&config.platform]));
                }
                return Ok(InspectedImage { digest: raw.digest, manifest, config });
            }
            AnyManifest::Index(index) => {
                let chosen = choose(&index, platform)?;
                raw = read_manifest(repository, &chosen.digest).await?;
                if raw.bytes.len() as u64 != chosen.size || raw.media_type != chosen.media_type {
                    return Err(Error::bad_output(format!(
                        "the manifest `{}` has not the size and media type that its index says",
                        chosen.digest
                    )));
                }
            }
        }
    }
    Err(Error::bad_output(format!("the index `{digest}` holds indexes too deep in each other")))
}

async fn read_manifest(repository: &dyn Distribution, digest: &Digest) -> Result<RawManifest> {
    let found = repository.manifest(&Label::Digest(digest.clone())).await?;
    found.ok_or_else(|| Error::not_found(format!("there is no manifest `{digest}`")))
}

async fn read_config(repository: &dyn Distribution, manifest: &ImageManifest) -> Result<ImageConfig> {
    let descriptor = &manifest.config;
    if !media::is_config(&descriptor.media_type) {
        return Err(Error::unsupported(format!(
            "what the manifest holds is `{}`, which is not a container image",
            descriptor.media_type
        )));
    }
    if descriptor.size > json::LIMIT as u64 {
        let size = descriptor.size;
        return Err(Error::bad_output(format!("the image's configuration is said to have {size} bytes")));
    }
    let mut bytes = Vec::new();
    let reader = repository.read_blob(descriptor).await?;
    let read = reader.take(json::LIMIT as u64 + 1).read_to_end(&mut bytes).await;
    read.map_err(|error| unpack(error, "read the image's configuration"))?;
    let config = ImageConfig::from_json(&bytes)?;
    if config.diff_ids.len() != manifest.layers.len() {
        return Err(Error::bad_output(format!(
            "the image's configuration has {} layers, its manifest {}",
            config.diff_ids.len(),
            manifest.layers.len()
        )));
    }
    Ok(config)
}

/// Returns the entry of an index for a platform.
pub(super) fn choose<'a>(index: &'a ImageIndex, platform: Option<&Platform>) -> Result<&'a Descriptor> {
    let images: Vec<&Descriptor> = index.manifests.iter().filter(|entry| is_image(entry)).collect();
    if let ([only], true) = (images.as_slice(), platform.is_none()) {
        return Ok(only);
    }
    let wanted = platform.cloned().unwrap_or_else(Platform::linux_here);
    let fitting = fitting(&wanted).into_iter().find_map(|fitting| {
        images.iter().find(|entry| entry.platform.as_ref().is_some_and(|own| normal(own) == fitting))
    });
    match (fitting, images.as_slice()) {
        (Some(entry), _) => Ok(entry),
        // An index in an index often has no platform of its own.
        (None, [only]) if only.platform.is_none() => Ok(only),
        (None, _) => {
            let platforms: Vec<&Platform> =
                images.iter().filter_map(|entry| entry.platform.as_ref()).collect();
            Err(missing(Some(&wanted), &platforms))
        }
    }
}

/// Returns whether it is an image and not what BuildKit says about one (BuildKit,
/// docs/attestations/attestation-storage.md).
fn is_image(entry: &Descriptor) -> bool {
    !entry.annotations.contains_key("vnd.docker.reference.type")
        && entry.platform.as_ref().is_none_or(|platform| platform.os != "unknown")
}

fn missing(wanted: Option<&Platform>, platforms: &[&Platform]) -> Error {
    let wanted = wanted.map_or_else(String::new, |wanted| format!(" for `{wanted}`"));
    let found: Vec<String> = platforms.iter().map(ToString::to_string).collect();
    Error::new(ErrorKind::NotFound, format!("there is no image{wanted}"))
        .note(format!("there is one for: {}", found.join(", ")))
}

/// Returns whether two platforms are one in two spellings, such as `linux/arm64` and `linux/arm64/v8`.
#[must_use]
pub fn same_platform(one: &Platform, other: &Platform) -> bool {
    normal(one) == normal(other)
}

type Normal = (String, String, String);

/// Returns the platform in one spelling (containerd, platforms/database.go).
fn normal(platform: &Platform) -> Normal {
    let architecture = match platform.architecture.as_str() {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        "i386" => "386",
        other => other,
    };
    let variant = match (architecture, platform.variant.as_deref().unwrap_or_default()) {
        ("arm64", "8" | "v8") | ("amd64", "v1") => "",
        ("arm", "" | "7") => "v7",
        ("arm", "6") => "v6",
        (_, other) => other,
    };
    (platform.os.clone(), architecture.to_owned(), variant.to_owned())
}

/// Returns what runs on a platform, the best first: 32-bit ARM runs what was made for its forebears.
fn fitting(wanted: &Platform) -> Vec<Normal> {
    let (os, architecture, variant) = normal(wanted);
    let variants = match (architecture.as_str(), variant.as_str()) {
        ("arm", "v7") => vec!["v7", "v6", "v5"],
        ("arm", "v6") => vec!["v6", "v5"],
        _ => vec![variant.as_str()],
    };
    variants.into_iter().map(|variant| (os.clone(), architecture.clone(), variant.to_owned())).collect()
}
