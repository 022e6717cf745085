//! The cgroups of the bed's name, below which all its containers are.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::Bed;
use crate::Result;

const ROOT: &str = "/sys/fs/cgroup";

impl Bed {
    /// Makes them, for who wants to find them there: in each hierarchy, or in the one of version 2.
    pub(super) fn make_cgroups(&self) -> Result<()> {
        let fail = |path: &Path| {
            let shown = path.display().to_string();
            move |error| format!("`{shown}`: {error}")
        };
        let controllers = Path::new(ROOT).join("cgroup.controllers");
        let places = if let Ok(controllers) = fs::read_to_string(controllers) {
            // Below the root there are those that the root passes on.
            let pass = Path::new(ROOT).join("cgroup.subtree_control");
            let all: Vec<String> = controllers.split_whitespace().map(|name| format!("+{name}")).collect();
            fs::write(&pass, all.join(" ")).map_err(fail(&pass))?;
            vec![PathBuf::from(ROOT)]
        } else {
            hierarchies()
        };
        for place in places {
            let path = place.join(self.id());
            fs::create_dir_all(&path).map_err(fail(&path))?;
        }
        Ok(())
    }

    /// Removes them, as far as nothing is in them.
    pub(super) fn remove_cgroups(&self) {
        let places = std::iter::once(PathBuf::from(ROOT)).chain(hierarchies());
        for cgroup in places.map(|place| place.join(self.id())).filter(|path| path.is_dir()) {
            remove(&cgroup);
        }
    }
}

fn hierarchies() -> Vec<PathBuf> {
    let entries = fs::read_dir(ROOT).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// Removes a cgroup and those below it.
fn remove(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let _ = fs::remove_dir(path);
}
