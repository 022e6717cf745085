//! Base images: `busybox`, and `odd` with all that a layer may hold that builders get wrong; and `pause`,
//! which keeps a pod's namespaces open.

use std::{fs, io, path::PathBuf, process::Command};

use tar::EntryType;

use super::{
    image::{Image, Layer, layout},
    packages::find,
};
use crate::{Result, cache::Cache};

/// Changes with what this file makes.
const RECIPE: &str = "3";

/// The images that builders start from.
pub(super) const NAMES: [&str; 2] = ["busybox", "odd"];

pub(super) const PAUSE: &str = "pause";

/// Returns the layout that holds the images, by tag.
pub(super) fn bases(cache: &Cache) -> Result<PathBuf> {
    let images = [
        Image {
            name: "busybox",
            from: None,
            layers: &[&busybox],
            config: &["--config.env", "PATH=/bin", "--config.cmd", "sh"],
        },
        Image {
            name: "odd",
            from: Some("busybox"),
            layers: &[&odd, &odd_above],
            config: &[
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
            ],
        },
        Image {
            name: PAUSE,
            from: Some("busybox"),
            layers: &[],
            config: &[
                "--config.entrypoint",
                "/bin/sleep",
                "--config.entrypoint",
                "2147483647",
                "--clear=config.cmd",
            ],
        },
    ];
    layout(cache, &format!("bases-{RECIPE}"), &images)
}

const LOADER: &[u8] = b"/ld-linux";

pub(super) fn busybox(layer: &mut Layer) -> io::Result<()> {
    for folder in ["bin", "etc", "home", "root", "var"] {
        layer.folder(folder, 0o755)?;
    }
    layer.folder("tmp", 0o1777)?;
    applets(layer, "bin")?;
    layer.file(
        "etc/passwd",
        0o644,
        b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    )?;
    layer.file("etc/group", 0o644, b"root:x:0:\nnobody:x:65534:\n")
}

/// Puts busybox into a folder, by all its names.
pub(super) fn applets(layer: &mut Layer, folder: &str) -> io::Result<()> {
    let program = find("busybox").ok_or_else(|| io::Error::other("no busybox"))?;
    let content = fs::read(&program)?;
    // A program that needs shared libraries names its loader, which the image has not.
    if content.windows(LOADER.len()).any(|part| part == LOADER) {
        return Err(io::Error::other("busybox needs shared libraries: install busybox-static"));
    }
    layer.file(&format!("{folder}/busybox"), 0o755, &content)?;
    let list = Command::new(&program).arg("--list").output()?;
    for applet in String::from_utf8_lossy(&list.stdout).lines().filter(|&applet| applet != "busybox") {
        layer.link(&format!("{folder}/{applet}"), EntryType::Symlink, "busybox")?;
    }
    Ok(())
}

fn odd(layer: &mut Layer) -> io::Result<()> {
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
fn odd_above(layer: &mut Layer) -> io::Result<()> {
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
