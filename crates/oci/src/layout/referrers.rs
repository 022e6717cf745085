//! What refers to a manifest of a layout, listed by the tag schema as in a registry without such lists, which is how
//! `regctl` and `oras` keep them in layouts too.

use shipway_core::{Digest, Error, Result, publish};

use super::{Layout, index};
use crate::{
    Descriptor, RawManifest, digest_of, json,
    lock::FolderLock,
    media,
    referrers::{entries, tag_of, too_many, with},
};

impl Layout {
    pub(super) fn list_referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        let listed = match self.referrers_index(subject)? {
            Some(index) => entries(&index.bytes)?,
            None => Vec::new(),
        };
        if listed.len() > crate::referrers::MOST { Err(too_many()) } else { Ok(listed) }
    }

    /// Adds to the list, which nobody else changes meanwhile.
    pub(super) fn list_referrer(&self, subject: &Digest, referrer: &Descriptor) -> Result<()> {
        let (disk, folder) = (&self.0.disk, &self.0.path);
        let _held = FolderLock::wait(folder).map_err(|error| Error::io("lock the layout", folder, error))?;
        let before = self.referrers_index(subject)?;
        let Some(bytes) = with(before.as_ref().map(|index| &*index.bytes), referrer)? else { return Ok(()) };
        let list = Descriptor::new(media::INDEX, digest_of(&bytes), bytes.len() as u64);
        let mut layout = self.read_index()?;
        index::set_tag(&mut layout, &tag_of(subject), &list)?;
        for (path, content) in
            [(self.blob_path(&list.digest), bytes), (folder.join("index.json"), json::to_bytes(&layout))]
        {
            publish(&**disk, &path, |file| file.write_all(&content))
                .map_err(|error| Error::io("write", &path, error))?;
        }
        Ok(())
    }

    fn referrers_index(&self, subject: &Digest) -> Result<Option<RawManifest>> {
        let tags = index::tags(&self.read_index()?)?;
        match tags.get(&tag_of(subject)) {
            Some(list) => self.read_manifest(&list.digest),
            None => Ok(None),
        }
    }
}
