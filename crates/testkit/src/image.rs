//! Small images, written without any builder.

use bytes::Bytes;
use shipway_core::{Digest, Platform, Tag};
use shipway_oci::{Descriptor, Distribution, ImageIndex, ImageManifest, digest_of, media};

use crate::clause::Trouble;

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A file of an image: its path and its content.
pub(crate) type ImageFile = (String, Vec<u8>);

/// Writes an image of one layer with these files: an index of such where there are several platforms.
pub(crate) async fn write_image(
    into: &dyn Distribution,
    files: &[ImageFile],
    env: &[String],
    platforms: &[Platform],
    tag: &Tag,
) -> Result<Digest, Trouble> {
    let layer = tar_of(files);
    let diff_id = digest_of(&layer);
    let layer = put(into, LAYER, layer).await?;
    let mut manifests = Vec::new();
    for platform in platforms {
        let config = serde_json::json!({
            "os": platform.os,
            "architecture": platform.architecture,
            "variant": platform.variant,
            "config": {"Env": env},
            "rootfs": {"type": "layers", "diff_ids": [diff_id.as_str()]},
        });
        let config = put(into, media::CONFIG, config.to_string().into_bytes()).await?;
        let manifest = ImageManifest::new(config, vec![layer.clone()]).to_json();
        let size = manifest.len() as u64;
        let digest = into.write_manifest(media::MANIFEST, manifest, Some(tag)).await?;
        let mut descriptor = Descriptor::new(media::MANIFEST, digest, size);
        descriptor.platform = Some(platform.clone());
        manifests.push(descriptor);
    }
    match manifests.as_slice() {
        [image] => Ok(image.digest.clone()),
        _ => Ok(into.write_manifest(media::INDEX, ImageIndex::new(manifests).to_json(), Some(tag)).await?),
    }
}

async fn put(into: &dyn Distribution, media_type: &str, bytes: Vec<u8>) -> Result<Descriptor, Trouble> {
    let descriptor = Descriptor::new(media_type, digest_of(&bytes), bytes.len() as u64);
    into.write_blob(&descriptor, Box::pin(std::io::Cursor::new(Bytes::from(bytes)))).await?;
    Ok(descriptor)
}

/// Returns a tar archive of regular files, whose names are short (POSIX ustar).
fn tar_of(files: &[ImageFile]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, content) in files {
        let mut header = [0_u8; 512];
        let mut set = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
        set(0, name);
        set(100, "0000644");
        set(108, "0000000");
        set(116, "0000000");
        set(124, &format!("{:011o}", content.len()));
        set(136, "00000000000");
        // The checksum is taken with blanks in its own place.
        set(148, "        ");
        set(156, "0");
        set(257, "ustar");
        set(263, "00");
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar.extend_from_slice(&header);
        tar.extend_from_slice(content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}
