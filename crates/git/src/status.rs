//! What is not committed, as `git status --porcelain` lists it.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use gix::{
    bstr::BString,
    status::{Item, Submodule, UntrackedFiles, tree_index::TrackRenames},
};
use shipway_core::{Context, Result};

use crate::{Repository, clean};

/// Every path of a worktree at which something is not committed: changed, staged, removed, in conflict,
/// or untracked and not ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    paths: BTreeSet<BString>,
}

impl Status {
    /// Returns the changed paths in a folder, without the folder itself, each below the worktree, in order.
    ///
    /// The folder is given by its [path](Repository::path_below). A folder among the answers is a
    /// submodule, or another repository, that changed as a whole.
    pub fn below<'a>(&'a self, folder: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let within = move |path: &&[u8]| match path.strip_prefix(folder) {
            Some(rest) => folder.is_empty() || rest.first() == Some(&b'/'),
            None => false,
        };
        let start = self.paths.range::<BString, _>(BString::from(folder)..);
        start.map(|path| path.as_slice()).take_while(move |path| path.starts_with(folder)).filter(within)
    }
}

impl Repository {
    /// Returns what is not committed in the whole worktree.
    ///
    /// It is what git says without its user's settings, except that each untracked file stands for itself
    /// and that no filter is run: a file that a filter of the repository's own configuration changes
    /// (`filter.….clean`) counts by its content as it is.
    ///
    /// # Errors
    /// `BadOutput` when the repository cannot be read; `Cancelled` or `Timeout` when the task must stop.
    pub fn status(&self, cx: &Context) -> Result<Status> {
        cx.check_stopped()?;
        let repository = self.inner.to_thread_local();
        let unreadable = |error| self.unreadable("the status", error);
        let stop = Arc::new(AtomicBool::new(false));
        let untracked = repository.config_snapshot().string("status.showUntrackedFiles");
        let untracked = match untracked.as_deref().map(|value| value.to_ascii_lowercase()).as_deref() {
            Some(b"no" | b"false" | b"off" | b"0") => UntrackedFiles::None,
            _ => UntrackedFiles::Files,
        };
        let platform = repository
            .status(gix::progress::Discard)
            .map_err(unreadable)?
            .untracked_files(untracked)
            .dirwalk_options(|options| options.empty_patterns_match_prefix(false))
            .index_worktree_rewrites(None)
            .tree_index_track_renames(TrackRenames::Disabled)
            .index_worktree_submodules(Submodule::AsConfigured { check_dirty: true })
            .should_interrupt_owned(Arc::clone(&stop));
        // Comparing the index with the commit reads every tree; as git does, we skip it where the index says
        // that it is that tree (gitformat-index, "Cache tree").
        let head = repository.head_tree_id_or_empty().map_err(unreadable)?;
        let index = repository.index_or_empty().map_err(unreadable)?;
        let staged = !index.tree().is_some_and(|tree| tree.num_entries.is_some() && tree.id == head.detach());
        if !staged
            && clean::is_clean(cx, &repository, &index, &self.folder, untracked != UntrackedFiles::None)?
        {
            return Ok(Status::default());
        }
        let items: Box<dyn Iterator<Item = gix::Result<Item>>> = if staged {
            Box::new(platform.into_iter(None).map_err(unreadable)?)
        } else {
            let items = platform.into_index_worktree_iter(Vec::new()).map_err(unreadable)?;
            Box::new(items.map(|item| item.map(Item::from)))
        };
        let mut paths = BTreeSet::new();
        for item in items {
            if let Err(stopped) = cx.check_stopped() {
                stop.store(true, Ordering::Relaxed);
                return Err(stopped);
            }
            match item.map_err(unreadable)? {
                Item::IndexWorktree(item) if item.summary().is_none() => {}
                item => {
                    paths.insert(item.location().to_owned());
                }
            }
        }
        Ok(Status { paths })
    }
}
