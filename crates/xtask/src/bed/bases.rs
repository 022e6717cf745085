//! Base images, made here, since nothing can be pulled: `busybox`, and `odd` with all that a layer may hold
//! that builders get wrong. Made by umoci of tars, so that none of it is our own doing.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use tar::{Builder, EntryType, Header};

use super::packages::find;
use crate::{Result, cache::Cache, tools::quietly};

/// Changes with what this file makes.
const RECIPE: &str = "2";

pub(super) const NAMES: [&str; 2] = ["busybox", "odd"];

/// Returns the layout that holds the images, by tag.
pub(super) fn bases(cache: &Cache) -> Result<PathBuf> {
    // The cache keeps folders with a program in `bin`; the layout's own file does as well.
    let index = cache.tool(&format!("bases-{RECIPE}"), "../oci/index.json", make)?;
    let folder = index.parent().ok_or("the layout has no folder")?;
    folder.canonicalize().map_err(|error| format!("`{}`: {error}", folder.display()))
}

fn make(folder: &Path) -> Result<()> {
    let bin = folder.join("bin");
    fs::create_dir(&bin).map_err(|error| format!("`{}`: {error}", bin.display()))?;
    let layout = folder.join("oci").display().to_string();
    umoci(&["init", "--layout", &layout])?;
    let layers = [
        ("busybox", "busybox.tar", busybox as fn(&mut Layer) -> std::io::Result<()>),
        ("odd", "odd.tar", odd),
        ("odd", "odd-above.tar", odd_above),
    ];
    for (name, file, fill) in layers {
        let image = format!("{layout}:{name}");
        let path = folder.join(file);
        let fail = |error| format!("`{}`: {error}", path.display());
        let mut layer = Layer(Builder::new(File::create(&path).map_err(fail)?));
        fill(&mut layer).and_then(|()| layer.0.finish()).map_err(fail)?;
        if file == "busybox.tar" {
            umoci(&["new", "--image", &image])?;
        } else if file == "odd.tar" {
            umoci(&["tag", "--image", &format!("{layout}:busybox"), name])?;
        }
        umoci(&["raw", "add-layer", "--image", &image, &path.display().to_string()])?;
        fs::remove_file(&path).map_err(fail)?;
        if name == "busybox" {
            umoci(&["config", "--image", &image, "--config.env", "PATH=/bin", "--config.cmd", "sh"])?;
        }
    }
    umoci(&[
        "config",
        "--image",
        &format!("{layout}:odd"),
        "--config.user",
        "nobody",
        "--config.workingdir",
        "/odd",
        "--config.label",
        "odd=yes",
        "--config.volume",
        "/odd/volume",
        "--config.exposedports",
        "8080/tcp",
    ])
}

fn umoci(arguments: &[&str]) -> Result<()> {
    quietly(Command::new(find("umoci").ok_or("no umoci")?).args(arguments))
}

/// A layer that is being written, all of it root's and of the year 1970.
struct Layer(Builder<File>);

impl Layer {
    fn entry(
        &mut self,
        path: &str,
        kind: EntryType,
        mode: u32,
        owner: u64,
        content: &[u8],
    ) -> std::io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(owner);
        header.set_gid(owner);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        self.0.append_data(&mut header, path, content)
    }

    fn folder(&mut self, path: &str, mode: u32) -> std::io::Result<()> {
        self.entry(path, EntryType::Directory, mode, 0, b"")
    }

    fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> std::io::Result<()> {
        self.entry(path, EntryType::Regular, mode, 0, content)
    }

    fn link(&mut self, path: &str, kind: EntryType, target: &str) -> std::io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        // Engines give the file itself the mode of its further names.
        header.set_mode(if kind == EntryType::Link { 0o644 } else { 0o777 });
        header.set_mtime(0);
        header.set_size(0);
        self.0.append_link(&mut header, path, target)
    }

    fn attributes(&mut self, attributes: &[(&str, &[u8])]) -> std::io::Result<()> {
        self.0.append_pax_extensions(attributes.iter().copied())
    }
}

const LOADER: &[u8] = b"/ld-linux";

fn busybox(layer: &mut Layer) -> std::io::Result<()> {
    for folder in ["bin", "etc", "home", "root", "var"] {
        layer.folder(folder, 0o755)?;
    }
    layer.folder("tmp", 0o1777)?;
    let program = find("busybox").ok_or_else(|| std::io::Error::other("no busybox"))?;
    let content = fs::read(&program)?;
    // A program that needs shared libraries names its loader, which the image has not.
    if content.windows(LOADER.len()).any(|part| part == LOADER) {
        return Err(std::io::Error::other("busybox needs shared libraries: install busybox-static"));
    }
    layer.file("bin/busybox", 0o755, &content)?;
    let list = Command::new(&program).arg("--list").output()?;
    for applet in String::from_utf8_lossy(&list.stdout).lines().filter(|&applet| applet != "busybox") {
        layer.link(&format!("bin/{applet}"), EntryType::Symlink, "busybox")?;
    }
    layer.file(
        "etc/passwd",
        0o644,
        b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    )?;
    layer.file("etc/group", 0o644, b"root:x:0:\nnobody:x:65534:\n")
}

fn odd(layer: &mut Layer) -> std::io::Result<()> {
    layer.folder("odd", 0o750)?;
    layer.file("odd/gone", 0o644, b"removed above\n")?;
    layer.folder("odd/opaque", 0o755)?;
    layer.file("odd/opaque/below", 0o644, b"hidden above\n")?;
    layer.file("odd/setuid", 0o4755, b"#!/bin/sh\n")?;
    layer.file("odd/setgid", 0o2755, b"#!/bin/sh\n")?;
    layer.entry("odd/owned", EntryType::Regular, 0o600, 65534, b"nobody's\n")?;
    layer.file("odd/first", 0o644, b"has two names\n")?;
    layer.link("odd/second", EntryType::Link, "odd/first")?;
    layer.link("odd/dangling", EntryType::Symlink, "../../../../nowhere")?;
    layer.link("odd/absolute", EntryType::Symlink, "/etc/passwd")?;
    layer.entry("odd/fifo", EntryType::Fifo, 0o644, 0, b"")?;
    layer.attributes(&[("SCHILY.xattr.user.shipway", b"yes")])?;
    layer.file("odd/attributes", 0o644, b"has an extended attribute\n")?;
    // CAP_NET_BIND_SERVICE, permitted and effective (linux/capability.h, `vfs_cap_data` revision 2).
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    layer.attributes(&[("SCHILY.xattr.security.capability", &capability)])?;
    layer.file("odd/capable", 0o755, b"#!/bin/sh\n")?;
    layer.folder("odd/volume", 0o777)?;
    layer.file(&format!("odd/{}", "long-".repeat(40)), 0o644, b"a name of 200 characters\n")
}

/// What the last layer of `odd` hides and replaces.
fn odd_above(layer: &mut Layer) -> std::io::Result<()> {
    layer.folder("odd", 0o755)?;
    layer.file("odd/.wh.gone", 0o644, b"")?;
    layer.folder("odd/opaque", 0o700)?;
    layer.file("odd/opaque/.wh..wh..opq", 0o644, b"")?;
    layer.file("odd/opaque/above", 0o644, b"seen\n")?;
    // A folder where a link was.
    layer.file("odd/.wh.dangling", 0o644, b"")?;
    layer.folder("odd/dangling", 0o755)?;
    layer.file("odd/dangling/file", 0o644, b"in the folder\n")
}
