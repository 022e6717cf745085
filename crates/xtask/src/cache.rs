//! The folder outside of the checkout that keeps what is slow to make: one folder per tool and version,
//! there whole or not at all, made once however many runs ask at a time.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
};

use crate::Result;

/// The cache folder.
#[derive(Debug)]
pub(crate) struct Cache {
    tools: PathBuf,
}

impl Cache {
    /// Opens the cache that the environment names.
    pub(crate) fn open() -> Result<Self> {
        let folder = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = folder("SHIPWAY_CACHE")
            .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("shipway")))
            .or_else(|| folder("HOME").map(|home| home.join(".cache/shipway")))
            .ok_or("no folder for the cache: set SHIPWAY_CACHE")?;
        Self::at(&root)
    }

    fn at(root: &Path) -> Result<Self> {
        let tools = root.join("tools");
        fs::create_dir_all(&tools).map_err(at(&tools))?;
        // Tools are built with another current folder.
        Ok(Self { tools: tools.canonicalize().map_err(at(&tools))? })
    }

    /// Returns the path of `bin/BINARY` in the folder `name`, which holds a version: with another
    /// version it is another folder. Where it is missing, `build` makes it in the folder it is given.
    pub(crate) fn tool(
        &self,
        name: &str,
        binary: &str,
        build: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let home = self.tools.join(name);
        let path = home.join("bin").join(binary);
        if path.is_file() {
            return Ok(path);
        }
        let _lock = self.lock(name)?;
        if path.is_file() {
            return Ok(path);
        }
        // What a killed run left is nobody's while we hold the lock.
        let partial = self.tools.join(format!("{name}.partial"));
        for folder in [&partial, &home] {
            if folder.exists() {
                fs::remove_dir_all(folder).map_err(at(folder))?;
            }
        }
        fs::create_dir(&partial).map_err(at(&partial))?;
        build(&partial)?;
        let built = partial.join("bin").join(binary);
        if !built.is_file() {
            return Err(format!("the build of {name} made no `{}`", built.display()));
        }
        fs::rename(&partial, &home).map_err(at(&home))?;
        Ok(path)
    }

    /// Returns the folder of this name, made if it is missing, for what is kept between runs and grows.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.tools.join(name);
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        Ok(folder)
    }

    /// Waits until no other run holds the lock of this name, and holds it until the value is dropped or
    /// the process ends.
    pub(crate) fn lock(&self, name: &str) -> Result<File> {
        let path = self.tools.join(format!("{name}.lock"));
        let file = File::create(&path).map_err(at(&path))?;
        file.lock().map_err(at(&path))?;
        Ok(file)
    }
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> String {
    move |error| format!("`{}`: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    use super::*;

    fn make(folder: &Path) -> Result<()> {
        fs::create_dir(folder.join("bin")).unwrap();
        fs::write(folder.join("bin/tool"), "made").unwrap();
        Ok(())
    }

    #[test]
    fn a_tool_is_made_once_by_runs_that_ask_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let made = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let path = Cache::at(root.path()).unwrap().tool("tool-1", "tool", |folder| {
                        made.fetch_add(1, Ordering::SeqCst);
                        make(folder)
                    });
                    assert_eq!(fs::read_to_string(path.unwrap()).unwrap(), "made");
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
    }

    #[test]
    fn a_build_that_fails_leaves_nothing_to_find_and_the_next_starts_afresh() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::at(root.path()).unwrap();
        let failed = cache.tool("tool-1", "tool", |folder| {
            make(folder)?;
            Err("no space".to_owned())
        });
        assert_eq!(failed.unwrap_err(), "no space");
        assert!(!root.path().join("tools/tool-1").exists());
        let empty = cache.tool("tool-1", "tool", |folder| {
            assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
            Ok(())
        });
        assert!(empty.unwrap_err().contains("made no"));
        cache.tool("tool-1", "tool", make).unwrap();
        assert!(!root.path().join("tools/tool-1.partial").exists());
    }
}
