//! A tree that nothing may touch, and what can be measured of this process.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tempfile::TempDir;

/// A folder with things worth overwriting.
pub(crate) struct Canary {
    _folder: TempDir,
    pub(crate) path: PathBuf,
    before: BTreeMap<PathBuf, String>,
}

impl Canary {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("canary");
        fs::create_dir_all(path.join("sub")).unwrap();
        fs::write(path.join("treasure"), "the treasure").unwrap();
        fs::write(path.join("sub/key"), "a key").unwrap();
        fs::set_permissions(path.join("treasure"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::symlink("treasure", path.join("alias")).unwrap();
        let before = state(folder.path());
        Self { _folder: folder, path, before }
    }

    /// Returns what is not as it was, of the canary and of what lies beside it.
    pub(crate) fn touched(&self) -> Vec<PathBuf> {
        let now = state(self.path.parent().unwrap());
        let paths = self.before.keys().chain(now.keys());
        paths.filter(|path| self.before.get(*path) != now.get(*path)).cloned().collect()
    }
}

/// Everything that writing, linking or changing modes alters.
fn state(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut state = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let seen = fs::symlink_metadata(&path).unwrap();
            let content = match (seen.is_dir(), seen.is_symlink()) {
                (true, _) => {
                    folders.push(path.clone());
                    Vec::new()
                }
                (_, true) => fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes(),
                _ => fs::read(&path).unwrap(),
            };
            let (mode, links, owner) = (seen.mode(), seen.nlink(), (seen.uid(), seen.gid()));
            let changed = (seen.ctime(), seen.ctime_nsec());
            state.insert(path, format!("{mode:o} {links} {owner:?} {changed:?} {content:?}"));
        }
    }
    state
}

/// Begins to measure the most memory again, where the system can.
pub(crate) fn forget_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Returns the most memory since then, in MiB; 0 where the system does not tell.
pub(crate) fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kibibytes.unwrap_or(0) / 1024
}
