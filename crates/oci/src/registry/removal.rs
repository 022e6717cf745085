//! Removing what was pushed. A repository forgets its entry; content goes when no repository has it.

use std::{
    io,
    path::{Path, PathBuf},
};

use shipway_core::{Digest, Tag};

use super::store::Store;
use crate::Label;

impl Store {
    /// Removes a tag, or a manifest with the tags that point to it; returns whether it was there.
    pub(super) fn remove_manifest(&self, repository: &str, label: &Label) -> io::Result<bool> {
        let digest = match label {
            Label::Tag(tag) => return self.remove_tag(repository, tag),
            Label::Digest(digest) => digest,
        };
        let _alone = self.alone();
        let Some(manifest) = self.manifest(repository, label)? else { return Ok(false) };
        // What leads to it first, so that whatever is cut short leaves nothing that leads nowhere.
        for tag in self.list_tags(repository)?.unwrap_or_default() {
            let path = self.tags(repository).join(tag.as_str());
            if self.read(&path)?.as_deref() == Some(digest.as_str().as_bytes()) {
                self.take_away(&path)?;
            }
        }
        if let Some(subject) = super::referrers::subject(&manifest.bytes) {
            self.take_away(&self.referrer(repository, &subject, digest))?;
        }
        self.take_away(&self.entry(repository, "_manifests", digest))?;
        self.drop_content(digest)?;
        Ok(true)
    }

    fn remove_tag(&self, repository: &str, tag: &Tag) -> io::Result<bool> {
        let path = self.tags(repository).join(tag.as_str());
        let there = self.disk().entry(&path)?.is_some();
        if there {
            self.take_away(&path)?;
        }
        Ok(there)
    }

    /// Removes a blob from a repository; returns whether it was there.
    pub(super) fn remove_blob(&self, repository: &str, digest: &Digest) -> io::Result<bool> {
        let _alone = self.alone();
        let entry = self.entry(repository, "_blobs", digest);
        if self.disk().entry(&entry)?.is_none() {
            return Ok(false);
        }
        self.take_away(&entry)?;
        self.drop_content(digest)?;
        Ok(true)
    }

    fn take_away(&self, path: &Path) -> io::Result<()> {
        self.disk().remove(path)?;
        match path.parent() {
            Some(folder) if self.disk().entry(folder)?.is_some() => self.disk().sync_dir(folder),
            _ => Ok(()),
        }
    }

    /// Removes content that no repository has. Nobody else links content meanwhile.
    fn drop_content(&self, digest: &Digest) -> io::Result<()> {
        let mut folders = vec![self.repositories()];
        while let Some(folder) = folders.pop() {
            for kind in ["_blobs", "_manifests"] {
                let entry = folder.join(kind).join(digest.algorithm()).join(digest.hex());
                if self.disk().entry(&entry)?.is_some() {
                    return Ok(());
                }
            }
            let names = self.disk().list(&folder)?;
            // What begins with `_` is of this repository, what begins with a dot is being published.
            let below = names.iter().filter(|name| !name.starts_with(['_', '.']));
            folders.extend(below.map(|name| folder.join(name)).collect::<Vec<PathBuf>>());
        }
        self.take_away(&self.content(digest))
    }
}
