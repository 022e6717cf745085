//! Brings an image from a registry or a layout into an engine: as an archive in the form of `docker
//! save` (moby, image/spec/v1.2.md), made while it is sent, with layers as they are.

use std::sync::Arc;

use serde_json::json;
use shipway_core::{Context, Error, Image, Result};
use shipway_oci::{AnyManifest, Descriptor, Distribution, ImageConfig, ImageManifest, Label, same_platform};
use tokio::io::AsyncReadExt;

use crate::{
    Daemon, DaemonImage,
    archive::{END, file_header, padding},
    pipe::{PipeWriter, carried, pipe},
};

/// The most bytes of an image's configuration.
const CONFIG_LIMIT: u64 = 8 * 1024 * 1024;

/// Loads an image and returns it as the engine knows it.
pub(crate) async fn load(
    cx: &Context,
    daemon: &Daemon,
    image: &Image,
    source: Arc<dyn Distribution>,
) -> Result<DaemonImage> {
    let (manifest, config) = find(cx, daemon, image, source.as_ref()).await?;
    let parsed = ImageConfig::from_json(&config)?;
    if parsed.diff_ids.len() != manifest.layers.len() {
        return Err(Error::bad_output(format!(
            "image `{}` has {} layers, and its configuration {}",
            image.reference(),
            manifest.layers.len(),
            parsed.diff_ids.len()
        )));
    }
    // What is there already under this id is the same image.
    if let Some(there) = daemon.image(cx, manifest.config.digest.as_str()).await? {
        return Ok(there);
    }
    let (writer, reader) = pipe();
    let parts = (manifest.clone(), config, source);
    tokio::spawn(async move {
        let (manifest, config, source) = parts;
        let result = write(&writer, &manifest, config, source.as_ref()).await;
        writer.finish(result).await;
    });
    let loaded = daemon.load_archive(cx, Box::pin(reader)).await?;
    let id = loaded.first().map_or(manifest.config.digest.as_str(), String::as_str);
    let there = daemon.image(cx, id).await?;
    let there =
        there.ok_or_else(|| Error::bad_output(format!("docker loaded `{id}`, and it is not there")))?;
    // The id is the configuration's digest; with containerd's store it is of a manifest that the
    // engine made, so that the layers must do.
    if there.id != manifest.config.digest && there.layers != parsed.diff_ids {
        return Err(Error::bad_output(format!(
            "docker loaded `{}` in place of `{}`",
            there.id,
            image.reference()
        )));
    }
    Ok(there)
}

/// Returns the manifest for the engine's platform and its configuration.
async fn find(
    cx: &Context,
    daemon: &Daemon,
    image: &Image,
    source: &dyn Distribution,
) -> Result<(ImageManifest, Vec<u8>)> {
    let gone = || Error::not_found(format!("there is no image `{}`", image.reference()));
    let mut raw = source.manifest(&Label::Digest(image.digest.clone())).await?.ok_or_else(gone)?;
    if let AnyManifest::Index(index) = AnyManifest::parse(&raw)? {
        let platform = daemon.version(cx).await?.platform;
        let fits = |one: &&Descriptor| one.platform.as_ref().is_some_and(|one| same_platform(one, &platform));
        let chosen = index.manifests.iter().find(fits).ok_or_else(|| {
            Error::not_found(format!("image `{}` has nothing for `{platform}`", image.reference()))
                .note(format!("which is the platform of the engine at `{}`", daemon.endpoint()))
        })?;
        raw = source.manifest(&Label::Digest(chosen.digest.clone())).await?.ok_or_else(gone)?;
    }
    let AnyManifest::Image(manifest) = AnyManifest::parse(&raw)? else {
        return Err(Error::unsupported(format!("image `{}` is an index of indexes", image.reference())));
    };
    if manifest.config.size > CONFIG_LIMIT {
        return Err(Error::bad_output("the image's configuration is too long"));
    }
    let mut config = Vec::new();
    let mut content = source.read_blob(&manifest.config).await?;
    content
        .read_to_end(&mut config)
        .await
        .map_err(|error| carried(error, "read the image's configuration"))?;
    Ok((manifest, config))
}

async fn write(
    to: &PipeWriter,
    manifest: &ImageManifest,
    config: Vec<u8>,
    source: &dyn Distribution,
) -> Result<()> {
    let name = format!("{}.json", manifest.config.digest.hex());
    file(to, &name, config).await?;
    let mut names: Vec<String> = Vec::new();
    for (index, layer) in manifest.layers.iter().enumerate() {
        let name = format!("{index}/layer.tar");
        // The same layer twice is one file.
        if let Some(before) = manifest.layers[..index].iter().position(|one| one.digest == layer.digest) {
            names.push(names[before].clone());
            continue;
        }
        to.write(file_header(&name, 0o644, (0, 0), layer.size)).await?;
        let mut content = source.read_blob(layer).await?;
        loop {
            let mut piece = bytes::BytesMut::with_capacity(64 * 1024);
            let what = "read a layer of the image";
            if content.read_buf(&mut piece).await.map_err(|error| carried(error, what))? == 0 {
                break;
            }
            to.write(piece.freeze()).await?;
        }
        to.write(padding(layer.size)).await?;
        names.push(name);
    }
    let list = json!([{"Config": name, "RepoTags": [], "Layers": names}]);
    file(to, "manifest.json", list.to_string().into_bytes()).await?;
    to.write(&END[..]).await
}

async fn file(to: &PipeWriter, name: &str, content: Vec<u8>) -> Result<()> {
    let size = content.len() as u64;
    to.write(file_header(name, 0o644, (0, 0), size)).await?;
    to.write(content).await?;
    to.write(padding(size)).await
}
