//! Brings an image from an engine into a registry or a layout: the archive of `docker save` is read as
//! it comes, and each layer is checked, compressed and written while it is read.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    sync::Arc,
};

use flate2::{Compression, GzBuilder};
use serde::Deserialize;
use shipway_core::{Context, Digest, Error, ErrorKind, Image, Platform, Result, Tag};
use shipway_oci::{Descriptor, Distribution, Hasher, ImageConfig, ImageManifest, digest_of, media};

use crate::{
    Daemon,
    archive::{ArchiveKind, ArchiveReader},
    daemon::unless_stopped,
    pipe::pipe,
};

/// The most bytes of a document of the archive.
const DOCUMENT: u64 = 8 * 1024 * 1024;

/// The most documents, and the most entries that are layers.
const MANY: usize = 1024;

/// What is in a target after a save.
pub(crate) struct Saved {
    pub(crate) digest: Digest,
    pub(crate) platform: Platform,
}

/// What was seen of an archive.
#[derive(Default)]
struct Seen {
    /// Documents by path, as far as they are short enough to be one.
    documents: BTreeMap<String, Vec<u8>>,
    /// Layers by the digest of their tar.
    layers: BTreeMap<Digest, Descriptor>,
}

/// Writes an image into a repository, blobs first and the tag last.
pub(crate) async fn save(
    cx: &Context,
    daemon: &Daemon,
    image: &Image,
    target: Arc<dyn Distribution>,
    tag: &Tag,
) -> Result<Saved> {
    let there = daemon.image(cx, image.digest.as_str()).await?;
    let there = there.ok_or_else(|| {
        Error::not_found(format!("there is no image `{}`", image.reference()))
            .note(format!("in the engine at `{}`", daemon.endpoint()))
            .hint("it was removed meanwhile; build it again")
    })?;
    let mut archive = ArchiveReader::new(daemon.save_archive(cx, &there.id).await?);
    let seen = unless_stopped(cx, read(&mut archive, &there.layers, &target)).await?;
    let config = seen.config(&there.id)?;
    let parsed = ImageConfig::from_json(&config)?;
    let layer = |diff_id: &Digest| {
        seen.layers.get(diff_id).cloned().ok_or_else(|| {
            Error::bad_output(format!(
                "docker's archive of image `{}` has no layer `{diff_id}`",
                image.reference()
            ))
        })
    };
    let layers = parsed.diff_ids.iter().map(layer).collect::<Result<Vec<_>>>()?;
    let descriptor = Descriptor::new(media::CONFIG, digest_of(&config), config.len() as u64);
    let write = async {
        target.write_blob(&descriptor, Box::pin(std::io::Cursor::new(config))).await?;
        let manifest = ImageManifest::new(descriptor.clone(), layers);
        target.write_manifest(media::MANIFEST, manifest.to_json(), Some(tag)).await
    };
    let digest = unless_stopped(cx, write).await?;
    Ok(Saved { digest, platform: parsed.platform })
}

/// Reads the archive to its end; the layers that are wanted are written.
async fn read<R: tokio::io::AsyncRead + Unpin + Send>(
    archive: &mut ArchiveReader<R>,
    wanted: &[Digest],
    target: &Arc<dyn Distribution>,
) -> Result<Seen> {
    let mut seen = Seen::default();
    while let Some(entry) = archive.next().await? {
        if entry.kind != ArchiveKind::File {
            continue;
        }
        let is_blob = entry.path.strip_prefix("blobs/sha256/");
        let is_layer = match is_blob {
            // The layout's name is the digest, and the engine's layers are not compressed.
            Some(hex) => wanted.iter().any(|layer| layer.hex() == hex),
            None => entry.path.ends_with("/layer.tar") || entry.path.ends_with(".tar"),
        };
        if is_layer {
            if seen.layers.len() == MANY {
                return Err(too_much());
            }
            let (diff_id, descriptor) = layer(archive, target).await?;
            seen.layers.insert(diff_id, descriptor);
        } else if entry.size <= DOCUMENT {
            if seen.documents.len() == MANY {
                return Err(too_much());
            }
            let document = archive.whole(DOCUMENT).await?;
            // Of the documents only those count that may be a configuration or say which one is.
            if is_blob.is_some() || entry.path.ends_with(".json") {
                seen.documents.insert(entry.path, document);
            }
        }
    }
    Ok(seen)
}

fn too_much() -> Error {
    Error::bad_output(format!("docker's archive has more than {MANY} files"))
}

/// Compresses and writes one layer; returns the digest of its tar and what it is in the target.
async fn layer<R: tokio::io::AsyncRead + Unpin + Send>(
    archive: &mut ArchiveReader<R>,
    target: &Arc<dyn Distribution>,
) -> Result<(Digest, Descriptor)> {
    let (plain, mut plain_reader) = pipe();
    let (packed, packed_reader) = pipe();
    let pack = move || {
        // Without a name and a time, the same layer gives the same bytes.
        let mut encoder = GzBuilder::new()
            .write(io::BufWriter::with_capacity(64 * 1024, packed.clone()), Compression::new(6));
        let result = copy_evenly(&mut plain_reader, &mut encoder)
            .and_then(|()| encoder.finish())
            .and_then(|mut rest| rest.flush())
            .map_err(|error| crate::pipe::carried(error, "compress a layer"));
        packed.finish_blocking(result);
    };
    // A thread of its own: it waits for the target, which may need the pool's threads.
    std::thread::Builder::new().name("shipway-docker-layer".to_owned()).spawn(pack).map_err(|error| {
        Error::new(ErrorKind::Unavailable, "cannot start a thread for a layer").source(error)
    })?;
    let feed = async {
        let mut hasher = Hasher::new();
        let fed = async {
            while let Some(piece) = archive.read().await? {
                hasher.update(&piece);
                plain.write(piece).await?;
            }
            Ok(())
        };
        let fed: Result<()> = fed.await;
        let passed_on = fed.as_ref().map(drop).map_err(|error| Error::from(error.report().clone()));
        plain.finish(passed_on).await;
        fed.map(|()| hasher.finish().0)
    };
    let (fed, written) = tokio::join!(feed, target.write_new_blob(Box::pin(packed_reader)));
    match (fed, written) {
        (Ok(diff_id), Ok((digest, size))) => Ok((diff_id, Descriptor::new(media::LAYER_GZIP, digest, size))),
        // Nobody reads on when the target does not take it; its reason is the better one.
        (Err(error), Err(reason)) if error.kind() == ErrorKind::Cancelled => Err(reason),
        (Err(error), _) | (Ok(_), Err(error)) => Err(error),
    }
}

/// Copies in pieces of one size, however they arrive: what the encoder gives hangs on where it is
/// handed the next piece.
fn copy_evenly(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    const PIECE: u64 = 128 * 1024;
    let mut piece = Vec::with_capacity(PIECE as usize);
    while from.take(PIECE).read_to_end(&mut piece)? > 0 {
        to.write_all(&piece)?;
        piece.clear();
    }
    Ok(())
}

impl Seen {
    /// Returns the configuration of the image with this id, found by its digest alone, whatever the
    /// archive calls it.
    fn config(&self, id: &Digest) -> Result<Vec<u8>> {
        #[derive(Deserialize)]
        struct Manifest {
            config: Named,
        }
        #[derive(Deserialize)]
        struct Named {
            digest: Digest,
        }
        let by_digest =
            |digest: &Digest| self.documents.values().find(|document| digest_of(document) == *digest);
        let document = by_digest(id)
            .ok_or_else(|| Error::bad_output(format!("docker's archive does not hold the image `{id}`")))?;
        // With containerd's store the id is the manifest's digest.
        match serde_json::from_slice::<Manifest>(document) {
            Ok(manifest) => by_digest(&manifest.config.digest).cloned().ok_or_else(|| {
                Error::bad_output(format!("docker's archive of image `{id}` has no configuration"))
            }),
            Err(_) => Ok(document.clone()),
        }
    }
}
