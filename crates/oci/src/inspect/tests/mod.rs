//! Layers and images made by hand, as no tool would make them, and what is found in them.

mod content;
mod files;
mod go;
mod hostile;
mod image;

use std::{io::Write as _, sync::Arc};

use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use shipway_core::{Digest, Error, ErrorKind, HostDisk, Platform, Result};
use tar::{EntryType, Header};
use tempfile::TempDir;

use super::*;
use crate::{
    Descriptor, Distribution as _, History, ImageConfig, ImageIndex, ImageManifest, Layout, digest_of, media,
};

/// An entry of a hostile tar: its path as it is, what it is, its link, and its mode.
type Raw<'a> = (&'a str, EntryType, &'a str, u32);

/// A path, and where it leads.
type Query<'a> = (&'a str, Option<(String, FileKind, u32)>);

const FILE: EntryType = EntryType::Regular;
const FOLDER: EntryType = EntryType::Directory;
const LINK: EntryType = EntryType::Symlink;
const HARD: EntryType = EntryType::Link;

fn block(path: &str, kind: EntryType, link: &str, mode: u32, size: u64) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.as_ustar_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
    header.as_ustar_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn padded(content: &[u8]) -> Vec<u8> {
    let mut padded = content.to_vec();
    padded.resize(content.len().next_multiple_of(512), 0);
    padded
}

fn tar(entries: &[Raw<'_>]) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        entries.iter().flat_map(|(path, kind, link, mode)| block(path, *kind, link, *mode, 0)).collect();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

struct Bed {
    layout: Layout,
    _folder: TempDir,
}

impl Bed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { layout: Layout::new(Arc::new(HostDisk), folder.path()), _folder: folder }
    }

    async fn blob(&self, media_type: &str, bytes: Vec<u8>) -> Descriptor {
        let (digest, size) = self.layout.write_new_blob(Box::pin(std::io::Cursor::new(bytes))).await.unwrap();
        Descriptor::new(media_type, digest, size)
    }

    /// Reads the layers, the lowest first; every other is compressed.
    async fn files(&self, layers: &[Vec<u8>], limits: Limits) -> Result<ImageFiles> {
        let mut descriptors = Vec::new();
        for (i, layer) in layers.iter().enumerate() {
            let bytes = if i % 2 == 0 { gzip(layer) } else { layer.clone() };
            descriptors.push(self.blob(media::LAYER_GZIP, bytes).await);
        }
        ImageFiles::read(&self.layout, &descriptors, limits).await
    }

    async fn image(&self, config: &ImageConfig, layers: Vec<Descriptor>) -> Descriptor {
        let config = self.blob(media::CONFIG, config.to_json().to_vec()).await;
        self.manifest(media::MANIFEST, &ImageManifest::new(config, layers).to_json()).await
    }

    async fn manifest(&self, media_type: &str, bytes: &bytes::Bytes) -> Descriptor {
        let digest = self.layout.write_manifest(media_type, bytes.clone(), None).await.unwrap();
        Descriptor::new(media_type, digest, bytes.len() as u64)
    }

    async fn index(&self, manifests: Vec<Descriptor>) -> Descriptor {
        self.manifest(media::INDEX, &ImageIndex::new(manifests).to_json()).await
    }
}

fn platform(text: &str) -> Platform {
    text.parse().unwrap()
}
