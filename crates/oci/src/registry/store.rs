//! The registry's folder. Blocking; whatever is seen there is whole:
//!
//! ```text
//! blobs/<algorithm>/<hex>                              content, of blobs and manifests
//! repositories/<name>/_blobs/<algorithm>/<hex>         empty: the repository has this blob
//! repositories/<name>/_manifests/<algorithm>/<hex>     the manifest's media type
//! repositories/<name>/_tags/<tag>                      the manifest's digest
//! repositories/<name>/_referrers/<algorithm>/<hex>/…   a file for each manifest that refers to this one
//! uploads/<id>                                         content that is coming
//! .lock                                                locked by the registry that has the folder
//! ```
//!
//! No part of a repository's name begins with `_`, so the names never meet.

use std::{
    collections::HashSet,
    io,
    io::Read,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use bytes::Bytes;
use shipway_core::{Digest, Disk, Tag, publish};

use crate::{Label, RawManifest, json, lock::FolderLock};

/// What is in the folder.
#[derive(Clone, Debug)]
pub(super) struct Store {
    folder: Arc<Path>,
    disk: Arc<dyn Disk>,
    /// Held to write by who removes content, and to read by who says that a repository has some.
    removing: Arc<RwLock<()>>,
    /// Folders that a power cut does not take away.
    lasting: Arc<Mutex<HashSet<PathBuf>>>,
    _lock: Arc<FolderLock>,
}

impl Store {
    /// Opens the folder, making it if need be, and removes what an earlier process left half-way; returns
    /// none if a registry has it open.
    pub(super) fn open(folder: &Path, disk: Arc<dyn Disk>) -> io::Result<Option<Self>> {
        disk.create_dir(folder)?;
        let Some(lock) = FolderLock::now(folder)? else { return Ok(None) };
        let store = Self {
            folder: folder.into(),
            disk,
            removing: Arc::default(),
            lasting: Arc::default(),
            _lock: Arc::new(lock),
        };
        let uploads = store.folder.join("uploads");
        for kind in ["blobs/sha256", "blobs/sha512", "repositories", "uploads"] {
            store.make_folder(&store.folder.join(kind))?;
        }
        for left in store.disk.list(&uploads)? {
            store.disk.remove(&uploads.join(left))?;
        }
        Ok(Some(store))
    }

    pub(super) fn disk(&self) -> &dyn Disk {
        self.disk.as_ref()
    }

    pub(super) fn upload(&self, id: &str) -> PathBuf {
        self.folder.join("uploads").join(id)
    }

    pub(super) fn content(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs").join(digest.algorithm()).join(digest.hex())
    }

    pub(super) fn entry(&self, repository: &str, kind: &str, digest: &Digest) -> PathBuf {
        self.repository(repository).join(kind).join(digest.algorithm()).join(digest.hex())
    }

    fn repository(&self, name: &str) -> PathBuf {
        self.repositories().join(name)
    }

    pub(super) fn repositories(&self) -> PathBuf {
        self.folder.join("repositories")
    }

    /// Waits until nobody says that a repository has some content, and keeps it so.
    pub(super) fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.removing.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn not_removing(&self) -> RwLockReadGuard<'_, ()> {
        self.removing.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the size of a repository's blob.
    pub(super) fn blob_size(&self, repository: &str, digest: &Digest) -> io::Result<Option<u64>> {
        match self.disk.entry(&self.entry(repository, "_blobs", digest))? {
            Some(_) => Ok(self.disk.entry(&self.content(digest))?.map(|entry| entry.size)),
            None => Ok(None),
        }
    }

    /// Opens a blob's content.
    pub(super) fn open_blob(&self, digest: &Digest) -> io::Result<Box<dyn Read + Send>> {
        self.disk.open(&self.content(digest))
    }

    /// Makes a finished upload, whose digest was checked and which was synced, a blob of a repository.
    pub(super) fn keep_upload(&self, repository: &str, upload: &Path, digest: &Digest) -> io::Result<()> {
        let _kept = self.not_removing();
        let content = self.content(digest);
        // If the blob is there already, this puts the same content in its place.
        self.disk.rename(upload, &content)?;
        self.disk.sync_dir(content.parent().unwrap_or(&self.folder))?;
        self.link_blob(repository, digest)
    }

    /// Makes a blob of one repository a blob of another too; returns whether it was there.
    pub(super) fn mount_blob(&self, from: &str, to: &str, digest: &Digest) -> io::Result<bool> {
        let _kept = self.not_removing();
        let there = self.blob_size(from, digest)?.is_some();
        if there {
            self.link_blob(to, digest)?;
        }
        Ok(there)
    }

    fn link_blob(&self, repository: &str, digest: &Digest) -> io::Result<()> {
        self.write(&self.entry(repository, "_blobs", digest), b"")
    }

    /// Returns whether a repository has a manifest.
    pub(super) fn has_manifest(&self, repository: &str, digest: &Digest) -> io::Result<bool> {
        Ok(self.disk.entry(&self.entry(repository, "_manifests", digest))?.is_some())
    }

    /// Returns a repository's manifest.
    pub(super) fn manifest(&self, repository: &str, label: &Label) -> io::Result<Option<RawManifest>> {
        let digest = match label {
            Label::Digest(digest) => digest.clone(),
            Label::Tag(tag) => match self.read(&self.tags(repository).join(tag.as_str()))? {
                Some(digest) => Digest::parse(text(digest)?).map_err(io::Error::other)?,
                None => return Ok(None),
            },
        };
        let Some(media_type) = self.read(&self.entry(repository, "_manifests", &digest))? else {
            return Ok(None);
        };
        let bytes = self.read(&self.content(&digest))?;
        let missing = || io::Error::other(format!("the content of manifest `{digest}` is gone"));
        let bytes = Bytes::from(bytes.ok_or_else(missing)?);
        Ok(Some(RawManifest { media_type: text(media_type)?, digest, bytes }))
    }

    /// Writes a manifest: its content, that the repository has it, what it refers to, and last the tag.
    /// Returns what it refers to.
    pub(super) fn write_manifest(
        &self,
        repository: &str,
        manifest: &RawManifest,
        tag: Option<&Tag>,
    ) -> io::Result<Option<Digest>> {
        let _kept = self.not_removing();
        self.write(&self.content(&manifest.digest), &manifest.bytes)?;
        let entry = self.entry(repository, "_manifests", &manifest.digest);
        self.write(&entry, manifest.media_type.as_bytes())?;
        let subject = self.refer(repository, manifest)?;
        if let Some(tag) = tag {
            self.write(&self.tags(repository).join(tag.as_str()), manifest.digest.as_str().as_bytes())?;
        }
        Ok(subject)
    }

    /// Returns a repository's tags in the order of the distribution-spec ("Listing Tags": lexical, case
    /// folded), or `None` when there is no such repository.
    pub(super) fn list_tags(&self, repository: &str) -> io::Result<Option<Vec<Tag>>> {
        // A folder may be there for a repository below it.
        let own = self.disk.list(&self.repository(repository))?;
        if !own.iter().any(|name| name.starts_with('_')) {
            return Ok(None);
        }
        // What is being published begins with a dot, and a tag does not.
        let names = self.disk.list(&self.tags(repository))?;
        let mut tags: Vec<Tag> = names.into_iter().filter_map(|name| Tag::parse(name).ok()).collect();
        tags.sort_by_cached_key(order_of_tag);
        Ok(Some(tags))
    }

    pub(super) fn tags(&self, repository: &str) -> PathBuf {
        self.repository(repository).join("_tags")
    }

    pub(super) fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        self.make_folder(path.parent().unwrap_or(&self.folder))?;
        publish(self.disk(), path, |file| file.write_all(content))
    }

    /// Makes a folder and those above it, each durable in the one above it. One that is there already may be another
    /// process's, which was killed before it had made it durable; so each is synced once by each process.
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        let lasting = || self.lasting.lock().unwrap_or_else(PoisonError::into_inner);
        if lasting().contains(path) {
            return Ok(());
        }
        let Some(parent) = path.parent().filter(|_| path != &*self.folder) else {
            return self.disk.create_dir(path);
        };
        self.make_folder(parent)?;
        self.disk.create_dir(path)?;
        self.disk.sync_dir(parent)?;
        lasting().insert(path.to_owned());
        Ok(())
    }

    pub(super) fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let file = match self.disk.open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut content = Vec::new();
        file.take(json::LIMIT as u64).read_to_end(&mut content)?;
        Ok(Some(content))
    }
}

/// Returns the key that tags are sorted by.
pub(super) fn order_of_tag(tag: &Tag) -> (String, Tag) {
    (tag.as_str().to_ascii_lowercase(), tag.clone())
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(io::Error::other)
}
