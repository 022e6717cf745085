//! The contents of files that are not files on this machine: they come out of layers and archives into
//! the task's scratch folder, each once and only when a layer or a lookup needs it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use shipway_core::{Context, Disk, Error, Result};
use shipway_oci::{Content, FoundFile, ImageFiles};

use super::{
    images::Images,
    tree::{ArchiveFile, Body, Node, Tree, What},
};

/// The contents that are in a folder of the build's own.
#[derive(Debug)]
pub(super) struct Contents {
    folder: Arc<Path>,
    there: BTreeSet<String>,
    archives: BTreeMap<Arc<ArchiveFile>, usize>,
}

impl Contents {
    /// Returns none yet, which are to come into this folder.
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: Arc::from(folder), there: BTreeSet::new(), archives: BTreeMap::new() }
    }

    /// Brings what these files hold, as far as it is neither on this machine nor in memory.
    pub(super) async fn bring(
        &mut self,
        cx: &Context,
        images: &Images,
        nodes: impl IntoIterator<Item = &Arc<Node>>,
    ) -> Result<()> {
        let mut of_images: BTreeMap<usize, Vec<FoundFile>> = BTreeMap::new();
        let mut of_archives: BTreeMap<Arc<ArchiveFile>, BTreeMap<u64, u64>> = BTreeMap::new();
        for node in nodes {
            let What::File(body) = &node.what else { continue };
            match body {
                Body::Image { image, file } if !self.there.contains(&self.name(body)) => {
                    of_images.entry(*image).or_default().push(FoundFile::clone(file));
                }
                Body::Archive { archive, entry, size } => {
                    let next = self.archives.len();
                    self.archives.entry(Arc::clone(archive)).or_insert(next);
                    if !self.there.contains(&self.name(body)) {
                        of_archives.entry(Arc::clone(archive)).or_default().insert(*entry, *size);
                    }
                }
                Body::Image { .. } | Body::Host { .. } | Body::Text(_) => {}
            }
        }
        for (image, files) in of_images {
            let (disk, folder) = (Arc::clone(cx.disk()), Arc::clone(&self.folder));
            let names = files.iter().map(|file| name_in_image(image, file.origin()));
            let names: Vec<String> = names.collect();
            let open = images.opened(image);
            let write = move |origin, content: &mut dyn Read| {
                write(&*disk, &folder.join(name_in_image(image, origin)), content)
            };
            ImageFiles::extract(open.from.as_ref(), &open.image.manifest.layers, files, write).await?;
            self.there.extend(names);
        }
        for (archive, entries) in of_archives {
            let number = self.archives.get(&archive).copied().unwrap_or_default();
            let names = entries.keys().map(|entry| name_in_archive(number, *entry)).collect::<Vec<_>>();
            let folder = Arc::clone(&self.folder);
            cx.blocking(move |cx| from_archive(cx, &folder, &archive, number, entries)).await?;
            self.there.extend(names);
        }
        Ok(())
    }

    /// Returns what a layer's entry holds.
    pub(super) fn content(&self, body: &Body) -> Content {
        match body {
            Body::Host { root, path, size } => {
                Content::File { root: Arc::clone(root), path: path.clone(), size: *size }
            }
            Body::Text(text) => Content::Bytes(text.as_bytes().to_vec().into()),
            Body::Image { file, .. } => {
                Content::File { root: Arc::clone(&self.folder), path: self.name(body), size: file.size }
            }
            Body::Archive { size, .. } => {
                Content::File { root: Arc::clone(&self.folder), path: self.name(body), size: *size }
            }
        }
    }

    /// Returns the text of a small file of a tree, or nothing where there is none.
    pub(super) async fn text(
        &mut self,
        cx: &Context,
        images: &Images,
        tree: &Tree,
        path: &str,
    ) -> Result<String> {
        const LIMIT: usize = 8 * 1024 * 1024;
        let Some(node) = tree.node(&tree.resolve("", path)?)? else { return Ok(String::new()) };
        let What::File(body) = &node.what else { return Ok(String::new()) };
        self.bring(cx, images, [&node]).await?;
        let bytes = match self.content(body) {
            Content::Bytes(bytes) => bytes.to_vec(),
            Content::File { root, path, .. } => {
                cx.blocking(move |cx| cx.files().open(cx, &root, &path)?.read(LIMIT)).await?
            }
            _ => Vec::new(),
        };
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn name(&self, body: &Body) -> String {
        match body {
            Body::Image { image, file } => name_in_image(*image, file.origin()),
            Body::Archive { archive, entry, .. } => {
                name_in_archive(self.archives.get(archive).copied().unwrap_or_default(), *entry)
            }
            Body::Host { path, .. } => path.clone(),
            Body::Text(_) => String::new(),
        }
    }
}

fn name_in_image(image: usize, origin: shipway_oci::Origin) -> String {
    format!("image-{image}-{}-{}", origin.layer, origin.entry)
}

fn name_in_archive(archive: usize, entry: u64) -> String {
    format!("archive-{archive}-{entry}")
}

/// Makes a folder below the task's scratch folder for one build: more than one may share a task.
pub(super) async fn folder(cx: &Context) -> Result<PathBuf> {
    // A counter for the whole process only makes names unlike; it carries no state between builds.
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let folder = cx.scratch()?.join(format!("native-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
    let disk = Arc::clone(cx.disk());
    cx.blocking(move |_| match disk.create_dir(&folder) {
        Ok(()) => Ok(folder),
        Err(error) => Err(Error::io("make", &folder, error)),
    })
    .await
}

fn from_archive(
    cx: &Context,
    folder: &Path,
    archive: &ArchiveFile,
    archive_number: usize,
    mut entries: BTreeMap<u64, u64>,
) -> Result<()> {
    let changed = || {
        Error::conflict(format!("`{}` changed while the image was made", archive.path))
            .hint("build again once nothing writes to it")
    };
    let mut reader = archive.open(cx)?;
    let mut number = 0;
    while let Some(entry) = reader.next_entry()? {
        number += 1;
        if let Some(size) = entries.remove(&number) {
            if entry.size != size {
                return Err(changed());
            }
            write(&**cx.disk(), &folder.join(name_in_archive(archive_number, number)), &mut reader)?;
        }
        if entries.is_empty() {
            return Ok(());
        }
    }
    Err(changed())
}

fn write(disk: &dyn Disk, path: &PathBuf, content: &mut dyn Read) -> Result<()> {
    let problem = |error: io::Error| Error::io("write", Path::new(path), error);
    let mut file = disk.create(path).map_err(problem)?;
    io::copy(content, &mut file).map_err(problem)?;
    Ok(())
}
