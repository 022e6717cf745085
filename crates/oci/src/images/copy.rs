//! Copying an image with all that it points to: blobs first, then manifests, then indexes, and the
//! tag last, so that whatever is seen is whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use shipway_core::{Context, Digest, Error, ErrorKind, EventKind, Image, Result, Stage, Tag, Unit};
use tokio::task::JoinSet;

use super::stores::gone;
use crate::{AnyManifest, Descriptor, Distribution, Label, RawManifest, media, stop::until_stopped};

/// The most blobs on their way at once.
const AT_ONCE: usize = 4;

/// The most indexes in each other: an index may hold indexes of indexes of images.
const DEPTH: usize = 3;

/// The most bytes of all manifests of an image together.
const MANIFESTS_LIMIT: usize = 16 * 1024 * 1024;

/// Copies an image and moves the tag to it.
pub(super) async fn copy(
    cx: &Context,
    image: &Image,
    source: Arc<dyn Distribution>,
    target: Arc<dyn Distribution>,
    tag: &Tag,
) -> Result<()> {
    let root = source.manifest(&Label::Digest(image.digest.clone())).await?;
    let root = root.ok_or_else(|| gone(image))?;
    let parts = Parts::of(source.as_ref(), root).await?;
    copy_blobs(cx, &image.name, parts.blobs, &source, &target).await?;
    for RawManifest { media_type, digest, bytes } in parts.manifests {
        let tag = (digest == image.digest).then_some(tag);
        target.write_manifest(&media_type, bytes, tag).await?;
    }
    Ok(())
}

/// All that an image consists of.
#[derive(Default)]
struct Parts {
    /// Each after those that it holds, the image itself last.
    manifests: Vec<RawManifest>,
    blobs: BTreeMap<Digest, Descriptor>,
}

impl Parts {
    /// Reads the manifests, each once, although several indexes may hold it.
    async fn of(source: &dyn Distribution, root: RawManifest) -> Result<Self> {
        let mut parts = Self::default();
        let mut seen = BTreeSet::from([root.digest.clone()]);
        let mut size = root.bytes.len();
        let held = parts.enter(&root)?;
        // The manifest that is looked at and those that hold it, with what they hold yet.
        let mut path = vec![(root, held)];
        while let Some((raw, held)) = path.last_mut() {
            let Some(next) = held.next() else {
                parts.manifests.extend(path.pop().map(|(raw, _)| raw));
                continue;
            };
            if !seen.insert(next.digest.clone()) {
                continue;
            }
            let child = read_held(source, &raw.digest, &next).await?;
            size += child.bytes.len();
            if size > MANIFESTS_LIMIT {
                return Err(Error::bad_output("an index holds too much")
                    .note(format!("more than {MANIFESTS_LIMIT} bytes of manifests")));
            }
            let held = parts.enter(&child)?;
            if path.len() >= DEPTH && held.len() > 0 {
                return Err(Error::bad_output(format!(
                    "index `{}` lies too deep in other indexes",
                    child.digest
                ))
                .note(format!("at most {DEPTH} indexes lie in each other")));
            }
            path.push((child, held));
        }
        Ok(parts)
    }

    /// Notes the blobs of an image, or returns what an index holds.
    fn enter(&mut self, raw: &RawManifest) -> Result<std::vec::IntoIter<Descriptor>> {
        check_algorithm(&raw.digest)?;
        match AnyManifest::parse(raw)? {
            AnyManifest::Image(image) => {
                let blobs = std::iter::once(image.config).chain(image.layers);
                self.blobs.extend(blobs.map(|blob| (blob.digest.clone(), blob)));
                Ok(Vec::new().into_iter())
            }
            AnyManifest::Index(index) => Ok(index.manifests.into_iter()),
        }
    }
}

/// Manifests are written by their bytes, and get the canonical digest.
fn check_algorithm(digest: &Digest) -> Result<()> {
    if digest.algorithm() == "sha256" {
        return Ok(());
    }
    Err(Error::unsupported(format!("manifest `{digest}` cannot be copied under its digest"))
        .hint("use an image whose manifests are known by sha256"))
}

/// Reads a manifest that an index holds, which must be as the index says.
async fn read_held(source: &dyn Distribution, index: &Digest, held: &Descriptor) -> Result<RawManifest> {
    let wrong = |what: &str| {
        Error::bad_output(format!("index `{index}` holds manifest `{}`, which {what}", held.digest))
    };
    let label = Label::Digest(held.digest.clone());
    let raw = source.manifest(&label).await?.ok_or_else(|| wrong("is not there"))?;
    if raw.media_type != held.media_type {
        return Err(wrong("is of another media type there"));
    }
    if raw.bytes.len() as u64 != held.size {
        return Err(wrong("has another size there"));
    }
    Ok(raw)
}

/// Copies the blobs that the target does not have, several at once. After a failure nothing new is
/// begun, and what is under way ends by itself, so that no upload is left open.
async fn copy_blobs(
    cx: &Context,
    name: &str,
    blobs: BTreeMap<Digest, Descriptor>,
    source: &Arc<dyn Distribution>,
    target: &Arc<dyn Distribution>,
) -> Result<()> {
    let total = blobs.len() as u64;
    let mut done = 0;
    let mut waiting = blobs.into_values();
    let mut copying = JoinSet::new();
    let mut failed = None;
    loop {
        if let Some((Stage::Forced, reason)) = cx.cancel().state() {
            failed.get_or_insert_with(|| Error::cancelled(reason.to_string()));
        }
        while failed.is_none() && copying.len() < AT_ONCE {
            let Some(blob) = waiting.next() else { break };
            copying.spawn(copy_blob(cx.clone(), blob, Arc::clone(source), Arc::clone(target)));
        }
        match copying.join_next().await {
            Some(Ok(Ok(()))) => {
                done += 1;
                let what = format!("blobs of {name}");
                cx.emit(EventKind::Progress { what, done, total: Some(total), unit: Unit::Items });
            }
            Some(Ok(Err(error))) => {
                failed.get_or_insert(error);
            }
            Some(Err(error)) => {
                failed.get_or_insert(Error::internal("copying a blob panicked").source(error));
            }
            None => return failed.map_or(Ok(()), Err),
        }
    }
}

async fn copy_blob(
    cx: Context,
    blob: Descriptor,
    source: Arc<dyn Distribution>,
    target: Arc<dyn Distribution>,
) -> Result<()> {
    let foreign = media::is_foreign_layer(&blob.media_type);
    if target.place().is_some() && !foreign {
        return target.copy_blob(&blob, &*source).await;
    }
    // Asked here too, so that a blob that is not needed is not opened.
    if target.has_blob(&blob).await? {
        return Ok(());
    }
    let content = match source.read_blob(&blob).await {
        // The layer may be elsewhere; its `urls` are never followed, because whoever wrote the manifest
        // chose them.
        Err(error) if error.kind() == ErrorKind::NotFound && foreign => return Ok(()),
        content => content?,
    };
    // A layout does not know of the task.
    target.write_blob(&blob, until_stopped(&cx, content)).await
}
