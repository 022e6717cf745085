//! The objects of new commits as one stream (gitformat-pack), each for itself and compressed.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
};

use flate2::{Compression, write::ZlibEncoder};
use gix::{ObjectId as Id, objs::Kind};
use shipway_core::{Context, ErrorKind, Result};

use crate::{ObjectId, Repository, failure::failed};

impl Repository {
    /// Returns a pack of what `to` has and `from` has not: the commits between, and of their trees what their
    /// parents do not have.
    pub(super) fn pack(&self, cx: &Context, from: Option<ObjectId>, to: ObjectId) -> Result<Vec<u8>> {
        let repository = self.inner.to_thread_local();
        let unreadable = |error| self.unreadable("the history", error);
        let mut wanted = Wanted { repository: &repository, ids: Vec::new(), seen: BTreeSet::new() };
        let walk =
            repository.rev_walk([to.0]).with_hidden(from.map(|from| from.0)).all().map_err(unreadable)?;
        for step in walk {
            cx.check_stopped()?;
            let id = step.map_err(unreadable)?.id;
            let commit = repository.find_commit(id).map_err(unreadable)?;
            wanted.add(id);
            let tree = commit.tree_id().map_err(unreadable)?.detach();
            let parent = commit.parent_ids().next().map(gix::Id::detach);
            let parent =
                parent.map(|parent| repository.find_commit(parent).and_then(|parent| parent.tree_id()));
            let parent = parent.transpose().map_err(unreadable)?.map(gix::Id::detach);
            wanted.tree(tree, parent).map_err(unreadable)?;
        }
        let mut pack = b"PACK\0\0\0\x02".to_vec();
        pack.extend(u32::try_from(wanted.ids.len()).unwrap_or(u32::MAX).to_be_bytes());
        for id in wanted.ids {
            cx.check_stopped()?;
            let object = repository.find_object(id).map_err(unreadable)?;
            head(&mut pack, object.kind, object.data.len());
            let mut compressed = ZlibEncoder::new(&mut pack, Compression::default());
            let written = compressed.write_all(&object.data).and_then(|()| compressed.finish().map(drop));
            written
                .map_err(|error| failed(ErrorKind::Internal, "compress objects of", self.folder(), error))?;
        }
        let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
        hasher.update(&pack);
        let digest = hasher.try_finalize();
        let digest =
            digest.map_err(|error| failed(ErrorKind::BadOutput, "hash objects of", self.folder(), error))?;
        pack.extend_from_slice(digest.as_slice());
        Ok(pack)
    }
}

/// The objects that go into a pack, each once.
struct Wanted<'a> {
    repository: &'a gix::Repository,
    ids: Vec<Id>,
    seen: BTreeSet<Id>,
}

impl Wanted<'_> {
    fn add(&mut self, id: Id) -> bool {
        let new = self.seen.insert(id);
        if new {
            self.ids.push(id);
        }
        new
    }

    /// Adds a tree but for what lies at the same place of the older one.
    fn tree(&mut self, id: Id, older: Option<Id>) -> gix::Result<()> {
        if Some(id) == older || !self.add(id) {
            return Ok(());
        }
        let mut before = BTreeMap::new();
        if let Some(older) = older {
            for entry in self.repository.find_tree(older)?.iter() {
                let entry = entry?;
                before.insert(entry.filename().to_owned(), (entry.mode(), entry.object_id()));
            }
        }
        for entry in self.repository.find_tree(id)?.iter() {
            let entry = entry?;
            let same = before.get(entry.filename()).copied();
            let id = entry.object_id();
            if entry.mode().is_tree() {
                self.tree(id, same.filter(|(mode, _)| mode.is_tree()).map(|(_, id)| id))?;
            } else if !entry.mode().is_commit() && same.is_none_or(|(_, same)| same != id) {
                self.add(id);
            }
        }
        Ok(())
    }
}

/// An object's kind and size: four bits, then seven bits a byte.
fn head(pack: &mut Vec<u8>, kind: Kind, size: usize) {
    let kind = match kind {
        Kind::Commit => 1_usize,
        Kind::Tree => 2,
        Kind::Blob => 3,
        Kind::Tag => 4,
    };
    let byte = |bits: usize, more: bool| u8::try_from(bits | usize::from(more) << 7).unwrap_or(0);
    let mut rest = size >> 4;
    pack.push(byte(kind << 4 | size & 15, rest > 0));
    while rest > 0 {
        let bits = rest & 127;
        rest >>= 7;
        pack.push(byte(bits, rest > 0));
    }
}
