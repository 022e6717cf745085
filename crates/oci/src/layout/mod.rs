//! An OCI image layout (image-spec, image-layout.md): one repository as a folder on the disk.

mod blob;
mod index;
mod referrers;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use shipway_core::{Digest, Disk, Error, ErrorKind, Result, Tag, publish};
use tokio::sync::OnceCell;

use self::blob::{DiskReader, NewBlob};
use crate::{
    BlobReader, Descriptor, Distribution, ImageManifest, Label, RawManifest,
    digest::{Hasher, digest_of, verified},
    json,
    lock::FolderLock,
    manifest::{AnyManifest, own_media_type},
    media,
};

/// An OCI image layout, which holds one repository; clones are the same one.
///
/// It is made at the first write. What is written is synced and then renamed into its place, so that
/// a crash leaves a whole layout. Several may write at once, also from several processes: they take turns with a lock
/// on the file `.lock`.
#[derive(Clone, Debug)]
pub struct Layout(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    made: OnceCell<()>,
}

impl Layout {
    /// Returns the layout at this path, where nothing need be yet; does no IO.
    pub fn new(disk: Arc<dyn Disk>, path: impl Into<PathBuf>) -> Self {
        Self(Arc::new(Inner { disk, path: path.into(), made: OnceCell::new() }))
    }

    /// Returns the path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Returns the tags and what they point to.
    ///
    /// # Errors
    /// `BadOutput` when the layout's index is not valid.
    pub async fn tags(&self) -> Result<BTreeMap<Tag, Descriptor>> {
        let index = self.on_disk(Self::read_index).await?;
        index::tags(&index)
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        // A checked digest has no `/` and no `..` in it.
        self.0.path.join("blobs").join(digest.algorithm()).join(digest.hex())
    }

    /// Makes what every layout has, once.
    async fn make(&self) -> Result<()> {
        let make = async || {
            self.on_disk(|layout| {
                let Inner { disk, path, .. } = &*layout.0;
                let blobs = path.join("blobs");
                let make = || {
                    for algorithm in ["sha256", "sha512"] {
                        disk.create_dir(&blobs.join(algorithm))?;
                    }
                    let _held = FolderLock::wait(path)?;
                    for (name, content) in [("oci-layout", index::VERSION), ("index.json", index::EMPTY)] {
                        if disk.entry(&path.join(name))?.is_none() {
                            publish(&**disk, &path.join(name), |file| file.write_all(content))?;
                        }
                    }
                    disk.sync_dir(&blobs)?;
                    disk.sync_dir(path)?;
                    match path.parent() {
                        Some(above) if above != Path::new("") => disk.sync_dir(above),
                        _ => Ok(()),
                    }
                };
                make().map_err(|error| Error::io("make the layout", path, error))
            })
            .await
        };
        self.0.made.get_or_try_init(make).await.copied()
    }

    /// Writes content into its place, whose digest is known and checked by the reader, or is found.
    async fn store(&self, mut content: BlobReader, known: Option<&Descriptor>) -> Result<(Digest, u64)> {
        self.make().await?;
        let mut hasher = Hasher::new();
        let mut new =
            self.on_disk(|layout| NewBlob::create(Arc::clone(&layout.0.disk), &layout.0.path)).await?;
        let mut chunk = Vec::new();
        loop {
            chunk = blob::fill(&mut content, chunk).await?;
            if chunk.is_empty() {
                break;
            }
            if known.is_none() {
                hasher.update(&chunk);
            }
            (new, chunk) = self
                .on_disk(move |_| {
                    new.write(&chunk)?;
                    chunk.clear();
                    Ok((new, chunk))
                })
                .await?;
        }
        let (digest, size) = match known {
            Some(descriptor) => (descriptor.digest.clone(), descriptor.size),
            None => hasher.finish(),
        };
        let place = self.blob_path(&digest);
        self.on_disk(move |_| new.publish(&place)).await?;
        Ok((digest, size))
    }

    fn read_index(&self) -> Result<serde_json::Value> {
        match self.read_small(&self.0.path.join("index.json"), "the layout's `index.json`")? {
            Some(bytes) => json::parse(&bytes, "the layout's `index.json`"),
            None => json::parse(index::EMPTY, "the empty index"),
        }
    }

    fn read_small(&self, path: &Path, what: &str) -> Result<Option<Bytes>> {
        use io::Read as _;
        let mut bytes = Vec::new();
        match self.0.disk.open(path) {
            Ok(file) => file.take(json::LIMIT as u64 + 1).read_to_end(&mut bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => Err(error),
        }
        .map_err(|error| Error::io("read", path, error))?;
        if bytes.len() > json::LIMIT {
            return Err(Error::bad_output(format!("{what} has more than {} bytes", json::LIMIT)));
        }
        Ok(Some(bytes.into()))
    }

    /// Reads a manifest by its digest, and checks it.
    fn read_manifest(&self, digest: &Digest) -> Result<Option<RawManifest>> {
        let what = format!("the manifest `{digest}`");
        let Some(bytes) = self.read_small(&self.blob_path(digest), &what)? else { return Ok(None) };
        let mut hasher = Hasher::like(digest);
        hasher.update(&bytes);
        let (found, _) = hasher.finish();
        if found != *digest {
            return Err(Error::bad_output(format!("the content of `{digest}` is `{found}`"))
                .note(format!("in the layout `{}`", self.0.path.display()))
                .hint("it was damaged or replaced; write it again"));
        }
        // A blob that is no manifest is none to a registry either.
        Ok(own_media_type(&bytes).map(|media_type| RawManifest { media_type, digest: found, bytes }))
    }

    /// Runs blocking work with the layout.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let layout = self.clone();
        match tokio::task::spawn_blocking(move || work(&layout)).await {
            Ok(result) => result,
            Err(error) => Err(Error::internal("work on a layout panicked").source(error)),
        }
    }
}

#[async_trait]
impl Distribution for Layout {
    async fn manifest(&self, label: &Label) -> Result<Option<RawManifest>> {
        match label.clone() {
            Label::Digest(digest) => self.on_disk(move |layout| layout.read_manifest(&digest)).await,
            Label::Tag(tag) => {
                self.on_disk(move |layout| {
                    let tags = index::tags(&layout.read_index()?)?;
                    let Some(entry) = tags.get(&tag) else { return Ok(None) };
                    let bad = |problem: &str| Err(Error::bad_output(format!("the tag `{tag}` {problem}")));
                    match layout.read_manifest(&entry.digest)? {
                        None => bad(&format!("points to `{}`, which is no manifest here", entry.digest)),
                        Some(raw) if raw.media_type != entry.media_type => {
                            bad("points to a manifest of another media type")
                        }
                        some => Ok(some),
                    }
                })
                .await
            }
        }
    }

    async fn has_blob(&self, descriptor: &Descriptor) -> Result<bool> {
        let path = self.blob_path(&descriptor.digest);
        Ok(self.on_disk(move |layout| layout.size(&path)).await? == Some(descriptor.size))
    }

    async fn read_blob(&self, descriptor: &Descriptor) -> Result<BlobReader> {
        let path = self.blob_path(&descriptor.digest);
        let digest = descriptor.digest.clone();
        let file = self
            .on_disk(move |layout| {
                layout.0.disk.open(&path).map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => Error::not_found(format!("there is no blob `{digest}`"))
                        .note(format!("in the layout `{}`", layout.0.path.display())),
                    _ => Error::io("open", &path, error),
                })
            })
            .await?;
        Ok(verified(Box::pin(DiskReader::new(file)), descriptor))
    }

    async fn write_blob(&self, descriptor: &Descriptor, content: BlobReader) -> Result<()> {
        // One of another size was cut off by something else; it is written again.
        if self.has_blob(descriptor).await? {
            return Ok(());
        }
        self.store(verified(content, descriptor), Some(descriptor)).await.map(|_| ())
    }

    async fn write_new_blob(&self, content: BlobReader) -> Result<(Digest, u64)> {
        self.store(content, None).await
    }

    async fn write_manifest(&self, media_type: &str, bytes: Bytes, tag: Option<&Tag>) -> Result<Digest> {
        let manifest = AnyManifest::from_json(media_type, &bytes)?;
        let descriptor = Descriptor::new(media_type, digest_of(&bytes), bytes.len() as u64);
        self.on_disk(move |layout| layout.check_references(&manifest)).await?;
        self.write_blob(&descriptor, Box::pin(io::Cursor::new(bytes))).await?;
        let digest = descriptor.digest.clone();
        if let Some(tag) = tag.cloned() {
            self.on_disk(move |layout| {
                let _held = FolderLock::wait(&layout.0.path)
                    .map_err(|error| Error::io("lock the layout", &layout.0.path, error))?;
                let mut index = layout.read_index()?;
                if !index::set_tag(&mut index, &tag, &descriptor)? {
                    return Ok(());
                }
                let path = layout.0.path.join("index.json");
                publish(&*layout.0.disk, &path, |file| file.write_all(&json::to_bytes(&index)))
                    .map_err(|error| Error::io("write", &path, error))
            })
            .await?;
        }
        Ok(digest)
    }

    async fn referrers(&self, subject: &Digest, artifact_type: Option<&str>) -> Result<Vec<Descriptor>> {
        let subject = subject.clone();
        let listed = self.on_disk(move |layout| layout.list_referrers(&subject)).await?;
        Ok(crate::referrers::of_type(listed, artifact_type))
    }

    async fn write_referrer(&self, manifest: &ImageManifest) -> Result<Descriptor> {
        let (subject, referrer) = crate::referrers::of_manifest(manifest)?;
        self.write_manifest(&manifest.media_type, manifest.to_json(), None).await?;
        let entry = referrer.clone();
        self.on_disk(move |layout| layout.list_referrer(&subject, &entry)).await?;
        Ok(referrer)
    }
}

impl Layout {
    fn size(&self, path: &Path) -> Result<Option<u64>> {
        let entry = self.0.disk.entry(path).map_err(|error| Error::io("read", path, error))?;
        Ok(entry.map(|entry| entry.size))
    }

    /// Checks that all that a manifest points to is there.
    fn check_references(&self, manifest: &AnyManifest) -> Result<()> {
        for descriptor in manifest.references() {
            let found = self.size(&self.blob_path(&descriptor.digest))?;
            // Layers of Windows may lie elsewhere (image-spec, layer.md, "Non-Distributable Layers").
            if found == Some(descriptor.size)
                || found.is_none() && media::is_foreign_layer(&descriptor.media_type)
            {
                continue;
            }
            return Err(Error::new(
                ErrorKind::BadOutput,
                format!(
                    "the manifest points to `{}`, which is not in the layout with {} bytes",
                    descriptor.digest, descriptor.size
                ),
            ));
        }
        Ok(())
    }
}
