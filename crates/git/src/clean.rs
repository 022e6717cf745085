//! Sees by looks alone that nothing is uncommitted: in one walk through the worktree, relative to each folder, that
//! finds every entry of the index as it was, and nothing else but what is ignored.

use std::{mem::MaybeUninit, os::unix::ffi::OsStrExt, path::Path};

use gix::{
    bstr::{BStr, ByteSlice},
    index::{Entry, State, entry::Mode},
};
use rustix::fs::{AtFlags, FileType, OFlags, RawDir, Stat, open, statat};
use shipway_core::{Context, Result};

/// What the kernel lists at once.
const BUFFER: usize = 32 * 1024;

/// Returns whether the worktree is seen to be as the index says. Where looks do not tell, it is not, and whoever asks
/// has to compare what files hold: something changed, or is not tracked and not ignored, or was changed so shortly
/// before the index was written that it may have changed after (git's "racily clean"), or is of the kinds that are
/// rare, such as submodules.
pub(crate) fn is_clean(
    cx: &Context,
    repository: &gix::Repository,
    index: &State,
    worktree: &Path,
    untracked: bool,
) -> Result<bool> {
    let simple = index.entries().iter().all(|entry| is_simple(entry, index));
    if !simple || index.is_sparse() || repository.config_snapshot().boolean("core.ignoreCase") == Some(true) {
        return Ok(false);
    }
    let Ok(mut ignored) =
        repository.excludes(index, None, gix::worktree::stack::state::ignore::Source::default())
    else {
        return Ok(false);
    };
    let mut is_ignored = |path: &BStr, mode: Mode| {
        ignored.at_entry(path, Some(mode)).is_ok_and(|platform| platform.is_excluded())
    };
    let mut buffer = vec![MaybeUninit::<u8>::uninit(); BUFFER];
    let (mut open_folders, mut found) = (vec![Vec::new()], 0);
    while let Some(prefix) = open_folders.pop() {
        cx.check_stopped()?;
        let folder = worktree.join(std::ffi::OsStr::from_bytes(&prefix));
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(folder) = open(&folder, flags, rustix::fs::Mode::empty()) else { return Ok(false) };
        // The entries below the folder lie together.
        let entries = index.entries();
        let from = entries.partition_point(|entry| entry.path(index).as_bytes() < prefix.as_slice());
        let below = &entries[from..];
        let until = below.partition_point(|entry| entry.path(index).starts_with(&prefix));
        let below = &below[..until];
        let mut items = RawDir::new(&folder, &mut buffer);
        while let Some(item) = items.next() {
            let Ok(item) = item else { return Ok(false) };
            let name = item.file_name();
            match (name.to_bytes(), prefix.is_empty()) {
                (b"." | b"..", _) | (b".git", true) => continue,
                // Another repository.
                (b".git", false) => return Ok(false),
                _ => {}
            }
            let path = [prefix.as_slice(), name.to_bytes()].concat();
            let at = below.partition_point(|entry| entry.path(index).as_bytes() < path.as_slice());
            if let Some(entry) = below.get(at).filter(|entry| entry.path(index).as_bytes() == path) {
                let looks = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW);
                if !looks.is_ok_and(|looks| is_as(entry, &looks)) {
                    return Ok(false);
                }
                found += 1;
                continue;
            }
            let inside = [path.as_slice(), b"/"].concat();
            let kind = match item.file_type() {
                FileType::Unknown => match statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(looks) => FileType::from_raw_mode(looks.st_mode),
                    Err(_) => return Ok(false),
                },
                kind => kind,
            };
            let holds_tracked = below[at..]
                .get(below[at..].partition_point(|entry| entry.path(index).as_bytes() < inside.as_slice()))
                .is_some_and(|entry| entry.path(index).starts_with(&inside));
            match kind {
                FileType::Directory if holds_tracked => open_folders.push(inside),
                _ if holds_tracked => return Ok(false),
                _ if !untracked => {}
                FileType::Directory if is_ignored(path.as_bstr(), Mode::DIR) => {}
                // It may hold nothing, or nothing that is not ignored.
                FileType::Directory => open_folders.push(inside),
                _ if is_ignored(path.as_bstr(), Mode::FILE) => {}
                _ => return Ok(false),
            }
        }
    }
    Ok(found == index.entries().len())
}

/// Returns whether looks can tell about the entry.
fn is_simple(entry: &Entry, index: &State) -> bool {
    let written = index.timestamp();
    let changed = (i64::from(entry.stat.mtime.secs), entry.stat.mtime.nsecs);
    matches!(entry.mode, Mode::FILE | Mode::FILE_EXECUTABLE | Mode::SYMLINK)
        && has_rested(changed, (written.unix_seconds(), written.nanoseconds()))
}

/// Returns whether what changed then cannot have changed again without a trace after the index was written.
fn has_rested(changed: (i64, u32), written: (i64, u32)) -> bool {
    changed < written
}

/// Returns whether something looks as it did when the entry was written (git's `match_stat_data`).
fn is_as(entry: &Entry, looks: &Stat) -> bool {
    let mode = match FileType::from_raw_mode(looks.st_mode) {
        FileType::RegularFile if looks.st_mode & 0o100 == 0 => Mode::FILE,
        FileType::RegularFile => Mode::FILE_EXECUTABLE,
        FileType::Symlink => Mode::SYMLINK,
        _ => return false,
    };
    // The index keeps the low halves of what is longer.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the index truncates as well"
    )]
    let seen = [
        looks.st_mtime as u32,
        looks.st_mtime_nsec as u32,
        looks.st_ctime as u32,
        looks.st_ctime_nsec as u32,
        looks.st_ino as u32,
        looks.st_uid,
        looks.st_gid,
        looks.st_size as u32,
    ];
    let stat = &entry.stat;
    let known = [
        stat.mtime.secs,
        stat.mtime.nsecs,
        stat.ctime.secs,
        stat.ctime.nsecs,
        stat.ino,
        stat.uid,
        stat.gid,
        stat.size,
    ];
    entry.mode == mode && seen == known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_when_the_index_was_written_may_have_changed_after() {
        for (changed, rested) in
            [((5, 0), true), ((5, 7), true), ((5, 8), false), ((5, 9), false), ((6, 0), false)]
        {
            assert_eq!(has_rested(changed, (5, 8)), rested, "{changed:?}");
        }
    }
}
