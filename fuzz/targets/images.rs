//! References, manifests, configurations and layers, as registries serve them.

use std::{
    fmt::{Debug, Display},
    io::{Cursor, Read},
    str::FromStr,
};

use async_trait::async_trait;
use bytes::Bytes;
use shipway::{
    Digest, Error, ErrorKind, Platform, Result, Tag, TaskId,
    oci::{
        AnyManifest, Archive, BlobReader, Descriptor, Distribution, ImageConfig, ImageFiles, Label, Limits,
        RawManifest, Reference, digest_of, media,
    },
};

use super::world::block_on;

/// The names of things: what is read is written so that it is read as the same.
pub(crate) fn reference(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    same_again::<Reference>(text);
    same_again::<Platform>(text);
    same_again::<Digest>(text);
    same_again::<Tag>(text);
    same_again::<TaskId>(text);
    if let Ok(reference) = text.parse::<Reference>() {
        assert!(!reference.host.contains('/') && !reference.path.contains([':', '@']), "{reference:?}");
        assert!(!reference.path.split('/').any(|step| matches!(step, "" | "." | "..")), "{reference:?}");
    }
}

fn same_again<T: FromStr<Err: Debug> + Display + Debug + PartialEq>(text: &str) {
    if let Ok(one) = text.parse::<T>() {
        let two: T = one.to_string().parse().expect("what was written is read");
        assert_eq!(one, two);
    }
}

/// A manifest is one kind of thing, and written it is read as the same.
pub(crate) fn manifest(data: &[u8]) {
    let mut kinds = 0;
    for media_type in [media::MANIFEST, media::INDEX, media::DOCKER_MANIFEST, media::DOCKER_INDEX] {
        let manifest = match AnyManifest::from_json(media_type, data) {
            Ok(manifest) => manifest,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::BadOutput, "{error}");
                continue;
            }
        };
        let (written, is_image) = match &manifest {
            AnyManifest::Image(image) => (image.to_json(), true),
            AnyManifest::Index(index) => (index.to_json(), false),
        };
        assert_eq!(AnyManifest::from_json(media_type, &written).expect("read again"), manifest);
        let _ = manifest.references();
        kinds |= if is_image { 1 } else { 2 };
    }
    assert_ne!(kinds, 3, "an image to one and an index to another");
}

/// A configuration is written so that what is read is written as the same.
pub(crate) fn config(data: &[u8]) {
    match ImageConfig::from_json(data) {
        Ok(config) => {
            let written = config.to_json();
            let again = ImageConfig::from_json(&written).expect("read again");
            // A health check of nothing and none are written alike.
            assert_eq!(again.to_json(), written);
        }
        Err(error) => assert_eq!(error.kind(), ErrorKind::BadOutput, "{error}"),
    }
}

const LIMITS: (u64, u64) = (4 << 20, 1000);

fn limits() -> Limits {
    Limits::default().bytes(LIMITS.0).entries(LIMITS.1)
}

/// An archive ends, or is refused, within its limits.
pub(crate) fn tar(data: &[u8]) {
    let opened = Archive::open(Cursor::new(data.to_owned()), limits());
    let Ok(mut archive) = opened else { return };
    let (mut bytes, mut entries) = (0, 0);
    loop {
        let entry = match archive.next_entry() {
            Ok(Some(entry)) => entry,
            Ok(None) => break,
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::BadOutput | ErrorKind::Unsupported), "{error}");
                break;
            }
        };
        entries += 1;
        let mut content = Vec::new();
        // Every other one is skipped by the reader.
        if entries % 2 == 1 && archive.read_to_end(&mut content).is_ok() {
            assert_eq!(content.len() as u64, entry.size, "{entry:?}");
        }
        bytes += content.len() as u64;
    }
    assert!(bytes <= LIMITS.0 && entries <= LIMITS.1, "{bytes} bytes in {entries} entries");
}

/// Layers become a tree in which everything is found that is listed; they are parted by lines `--layer--`.
pub(crate) fn files(data: &[u8]) {
    const BETWEEN: &[u8] = b"\n--layer--\n";
    let (mut layers, mut rest) = (Vec::new(), data);
    while let Some(at) =
        rest.windows(BETWEEN.len()).position(|bytes| bytes == BETWEEN).filter(|_| layers.len() < 3)
    {
        layers.push(&rest[..at]);
        rest = &rest[at + BETWEEN.len()..];
    }
    layers.push(rest);
    let layers = Layers(layers.into_iter().map(<[u8]>::to_owned).collect());
    let described: Vec<Descriptor> = layers
        .0
        .iter()
        .map(|layer| Descriptor::new(media::LAYER_GZIP, digest_of(layer), layer.len() as u64))
        .collect();
    match block_on(ImageFiles::read(&layers, &described, limits())) {
        Ok(files) => list(&files, "", 0),
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::BadOutput | ErrorKind::Unsupported), "{error}");
        }
    }
}

fn list(files: &ImageFiles, folder: &str, depth: usize) {
    let names = files.names(folder).expect("a folder, not a circle of links").expect("a folder");
    for name in names {
        assert!(!matches!(name, "" | "." | "..") && !name.contains('/'), "`{name}` in `{folder}`");
        let path = format!("{folder}/{name}");
        let entry = files
            .entry(&path)
            .expect("no link")
            .unwrap_or_else(|| panic!("`{path}` is listed and not found"));
        if let Err(error) = files.find(&path) {
            assert_eq!(error.kind(), ErrorKind::BadOutput, "{error}");
        }
        if entry.kind == shipway::oci::FileKind::Folder && depth < 20 {
            list(files, &path, depth + 1);
        }
    }
}

/// The blobs of a repository that nothing can be put into.
#[derive(Debug)]
struct Layers(Vec<Vec<u8>>);

#[async_trait]
impl Distribution for Layers {
    async fn manifest(&self, _label: &Label) -> Result<Option<RawManifest>> {
        Ok(None)
    }

    async fn has_blob(&self, descriptor: &Descriptor) -> Result<bool> {
        Ok(self.0.iter().any(|layer| digest_of(layer) == descriptor.digest))
    }

    async fn read_blob(&self, descriptor: &Descriptor) -> Result<BlobReader> {
        let found = self.0.iter().find(|layer| digest_of(layer) == descriptor.digest);
        let layer = found.ok_or_else(|| Error::not_found("there is no such layer"))?;
        Ok(Box::pin(Cursor::new(layer.clone())))
    }

    async fn write_blob(&self, _descriptor: &Descriptor, _content: BlobReader) -> Result<()> {
        Err(Error::unsupported("nothing is written here"))
    }

    async fn write_new_blob(&self, _content: BlobReader) -> Result<(Digest, u64)> {
        Err(Error::unsupported("nothing is written here"))
    }

    async fn write_manifest(&self, _media_type: &str, _bytes: Bytes, _tag: Option<&Tag>) -> Result<Digest> {
        Err(Error::unsupported("nothing is written here"))
    }
}
