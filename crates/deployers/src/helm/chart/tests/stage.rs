//! A folder with charts, and who pulls.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use shipway_core::{Cancel, Context, DiskCache, Error, HostDisk, Result, RunContext, World};
use tempfile::TempDir;

use crate::helm::chart::{Chart, LoadOptions, Pull, Source, archive, content::Content, pack::pack};

pub(super) struct Stage {
    pub(super) folder: TempDir,
}

impl Stage {
    /// Returns a folder with these files; the text of a link begins with `-> `.
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let stage = Self { folder: tempfile::tempdir().expect("a folder") };
        files.iter().for_each(|(path, text)| stage.write(path, text));
        stage
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("src").join(path)
    }

    pub(super) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let (place, text) = (self.path(path), text.as_ref());
        fs::create_dir_all(place.parent().expect("a folder")).expect("made");
        let link = std::str::from_utf8(text).ok().and_then(|text| text.strip_prefix("-> "));
        match link {
            Some(link) => symlink(link, place).expect("linked"),
            None => fs::write(place, text).expect("written"),
        }
    }

    /// Returns the context of a new run, whose cache stays.
    pub(super) fn cx(&self) -> Context {
        let cache = DiskCache::new(Arc::new(HostDisk), self.folder.path().join("cache"));
        let world = World::host(self.path("")).cache(cache);
        RunContext::new(world, "run").context(None, None, Cancel::new())
    }

    pub(super) async fn load(&self, path: &str, helm: &dyn Pull) -> Result<Chart> {
        self.load_with(path, helm, &LoadOptions { build_dependencies: true, ..LoadOptions::default() }).await
    }

    pub(super) async fn load_with(
        &self,
        path: &str,
        helm: &dyn Pull,
        options: &LoadOptions,
    ) -> Result<Chart> {
        Source::Path(PathBuf::from(path)).load(&self.cx(), helm, options).await
    }

    /// Returns all that is below the folder, with its content.
    pub(super) fn everything(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        fn look(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for entry in fs::read_dir(folder).expect("listed") {
                let path = entry.expect("an entry").path();
                if path.is_dir() && !path.is_symlink() {
                    look(&path, found);
                } else {
                    found.insert(path.clone(), fs::read(&path).unwrap_or_default());
                }
            }
        }
        let mut found = BTreeMap::new();
        look(&self.path(""), &mut found);
        found
    }
}

/// Returns a chart's archive with one template.
pub(super) fn packed(name: &str, version: &str) -> Bytes {
    let mut content = Content::new(name);
    let text = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
    content.files.insert("Chart.yaml".to_owned(), Bytes::from(text));
    content.files.insert("templates/a.yaml".to_owned(), Bytes::from("a: b\n"));
    pack(&content, name).expect("packed")
}

/// Returns the paths in an archive, those of archives in it after a `!`.
pub(super) fn paths(archive: &Bytes) -> Vec<String> {
    let (_, content) = archive::read("it", archive).expect("an archive");
    let mut found = Vec::new();
    for (path, data) in &content.files {
        found.push(path.clone());
        if archive::is_chart(path) {
            found.extend(paths(data).into_iter().map(|below| format!("{path}!{below}")));
        }
    }
    found
}

/// Gives archives away, and notes who asked for what.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    archives: BTreeMap<String, Bytes>,
    pub(super) asked: Mutex<Vec<String>>,
}

impl Shelf {
    pub(super) fn new<const N: usize>(archives: [(&str, Bytes); N]) -> Self {
        let archives = archives.into_iter().map(|(key, archive)| (key.to_owned(), archive)).collect();
        Self { archives, asked: Mutex::default() }
    }

    /// Returns what was asked for since the last time.
    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().expect("not poisoned"))
    }
}

#[async_trait]
impl Pull for Shelf {
    async fn pull(
        &self,
        _: &Context,
        name: &str,
        repository: Option<&str>,
        version: Option<&str>,
    ) -> Result<Vec<u8>> {
        let key = [repository, Some(name), version].into_iter().flatten().collect::<Vec<_>>().join(" ");
        self.asked.lock().expect("not poisoned").push(key.clone());
        let archive = self.archives.get(&key).ok_or_else(|| Error::not_found(format!("there is no `{key}`")));
        archive.map(|archive| archive.to_vec())
    }
}
