//! Images made here, since nothing can be pulled: layers are written as tars, and umoci makes images of
//! them, so that none of it is our own doing.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Command,
};

use tar::{Builder, EntryType, Header};

use super::packages::find;
use crate::{Result, cache::Cache, tools::quietly};

/// Writes what a layer holds.
pub(super) type Fill<'a> = &'a dyn Fn(&mut Layer) -> io::Result<()>;

/// An image, as it is made.
pub(super) struct Image<'a> {
    /// What its layout calls it.
    pub(super) name: &'a str,
    /// The image before it in the layout whose layers and settings it has too.
    pub(super) from: Option<&'a str>,
    pub(super) layers: &'a [Fill<'a>],
    /// What `umoci config` is told.
    pub(super) config: &'a [&'a str],
}

/// Returns the layout that the cache keeps by this key, which changes with the images.
pub(super) fn layout(cache: &Cache, key: &str, images: &[Image<'_>]) -> Result<PathBuf> {
    // The cache keeps folders with a program in `bin`; the layout's own file does as well.
    let index = cache.tool(key, "../oci/index.json", |folder| make(folder, images))?;
    let folder = index.parent().ok_or("the layout has no folder")?;
    folder.canonicalize().map_err(|error| format!("`{}`: {error}", folder.display()))
}

fn make(folder: &Path, images: &[Image<'_>]) -> Result<()> {
    let bin = folder.join("bin");
    fs::create_dir(&bin).map_err(|error| format!("`{}`: {error}", bin.display()))?;
    let layout = folder.join("oci").display().to_string();
    umoci(&["init", "--layout", &layout])?;
    for image in images {
        let reference = format!("{layout}:{}", image.name);
        match image.from {
            Some(from) => umoci(&["tag", "--image", &format!("{layout}:{from}"), image.name])?,
            None => umoci(&["new", "--image", &reference])?,
        }
        for fill in image.layers {
            let path = folder.join("layer.tar");
            let fail = |error| format!("`{}`: {error}", path.display());
            let mut layer = Layer(Builder::new(File::create(&path).map_err(fail)?));
            fill(&mut layer).and_then(|()| layer.0.finish()).map_err(fail)?;
            umoci(&["raw", "add-layer", "--image", &reference, &path.display().to_string()])?;
            fs::remove_file(&path).map_err(fail)?;
        }
        if !image.config.is_empty() {
            umoci(&[&["config", "--image", &reference], image.config].concat())?;
        }
    }
    Ok(())
}

fn umoci(arguments: &[&str]) -> Result<()> {
    quietly(Command::new(find("umoci").ok_or("no umoci")?).args(arguments))
}

/// A layer that is being written, all of it root's and of the year 1970.
pub(super) struct Layer(Builder<File>);

impl Layer {
    pub(super) fn entry(
        &mut self,
        path: &str,
        kind: EntryType,
        mode: u32,
        owner: u64,
        content: &[u8],
    ) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(owner);
        header.set_gid(owner);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        self.0.append_data(&mut header, path, content)
    }

    pub(super) fn folder(&mut self, path: &str, mode: u32) -> io::Result<()> {
        self.entry(path, EntryType::Directory, mode, 0, b"")
    }

    pub(super) fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        self.entry(path, EntryType::Regular, mode, 0, content)
    }

    /// Adds a program of this machine.
    pub(super) fn program(&mut self, path: &str, source: &Path) -> io::Result<()> {
        let content = fs::read(source)
            .map_err(|error| io::Error::new(error.kind(), format!("`{}`: {error}", source.display())))?;
        self.file(path, 0o755, &content)
    }

    pub(super) fn link(&mut self, path: &str, kind: EntryType, target: &str) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        // Engines give the file itself the mode of its further names.
        header.set_mode(if kind == EntryType::Link { 0o644 } else { 0o777 });
        header.set_mtime(0);
        header.set_size(0);
        self.0.append_link(&mut header, path, target)
    }

    pub(super) fn attributes(&mut self, attributes: &[(&str, &[u8])]) -> io::Result<()> {
        self.0.append_pax_extensions(attributes.iter().copied())
    }
}
