//! What the tests share: worlds, keys, and images made by hand.

#![expect(clippy::unwrap_used, reason = "what fails is the test")]

use std::{collections::BTreeMap, io::Cursor, path::Path};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use ring::{rand::SystemRandom, signature::Ed25519KeyPair};
use shipway_core::{
    BuildRecord, Cancel, Context, Image, Platform, RunContext, Secret, Store, Timestamp, World,
};
use shipway_oci::{Descriptor, Distribution, History, ImageConfig, ImageManifest, Stores, digest_of, media};

pub(crate) struct Bench {
    pub(crate) world: World,
}

impl Bench {
    pub(crate) fn new(root: &Path) -> Self {
        Self { world: World::host(root).images(Stores::new()) }
    }

    pub(crate) fn context(&self) -> Context {
        RunContext::new(self.world.clone(), "run-1").context(None, None, Cancel::new())
    }
}

/// Returns a private key as PEM.
pub(crate) fn pem(key: &[u8]) -> Secret {
    let text = BASE64_STANDARD.encode(key);
    Secret::from(format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n"))
}

pub(crate) fn ed25519() -> Secret {
    pem(Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap().as_ref())
}

pub(crate) fn layer(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path.trim_start_matches('/'), *content).unwrap();
    }
    tar.into_inner().unwrap()
}

pub(crate) async fn put(into: &dyn Distribution, media_type: &str, bytes: Vec<u8>) -> Descriptor {
    let descriptor = Descriptor::new(media_type, digest_of(&bytes), bytes.len() as u64);
    into.write_blob(&descriptor, Box::pin(Cursor::new(Bytes::from(bytes)))).await.unwrap();
    descriptor
}

/// Writes an image of these layers, the lowest first.
pub(crate) async fn write(into: &dyn Distribution, platform: &Platform, layers: &[Vec<u8>]) -> Descriptor {
    let mut config = ImageConfig::new(platform.clone());
    let mut written = Vec::new();
    for layer in layers {
        config.add_layer(digest_of(layer), History::new("by hand"));
        written.push(put(into, "application/vnd.oci.image.layer.v1.tar", layer.clone()).await);
    }
    let config = put(into, media::CONFIG, config.to_json().to_vec()).await;
    let bytes = ImageManifest::new(config, written).to_json();
    let digest = into.write_manifest(media::MANIFEST, bytes.clone(), None).await.unwrap();
    let mut descriptor = Descriptor::new(media::MANIFEST, digest, bytes.len() as u64);
    descriptor.platform = Some(platform.clone());
    descriptor
}

/// Writes an image of one layer.
pub(crate) async fn image(bench: &Bench, store: &Store, repository: &str, files: &[(&str, &[u8])]) -> Image {
    let into = Stores::new().open(&bench.context(), store, repository).unwrap();
    let written = write(into.as_ref(), &Platform::linux_here(), &[layer(files)]).await;
    Image::new("web", store.clone(), repository, written.digest)
}

/// How an image was built.
pub(crate) fn build(image: &Image) -> BuildRecord {
    let inputs: BTreeMap<String, String> = [
        ("file web/main.rs", format!("0644 {}", "ab".repeat(32))),
        ("fact build argument VERSION", "1.2".to_owned()),
        ("image docker.io/library/alpine:3.20", format!("sha256:{}", "cd".repeat(32))),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    BuildRecord::new("run-1", "web", image.clone(), "native 0.1.0")
        .inputs(inputs)
        .started(Timestamp(1_795_242_240_000))
        .ended(Timestamp(1_795_242_241_500))
}
