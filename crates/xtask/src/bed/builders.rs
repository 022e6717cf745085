//! Images of builders that run in pods: kaniko's executor, and buildkitd with the runc that it starts.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    bases::{applets, busybox},
    image::{Image, Layer, layout},
    module::{BUILDKIT, KANIKO},
    packages::find,
    parts::BUILDKIT_REGISTRIES,
};
use crate::{Result, cache::Cache};

/// Changes with what this file makes.
const RECIPE: &str = "1";

pub(super) const NAMES: [&str; 2] = ["kaniko", "buildkit"];

/// Returns the layout that holds the images, by tag.
pub(super) fn builders(cache: &Cache) -> Result<PathBuf> {
    let (executor, buildkitd) = (KANIKO.program(cache)?, BUILDKIT.program(cache)?);
    let images = [
        Image {
            name: "kaniko",
            from: None,
            layers: &[&|layer: &mut Layer| kaniko(layer, &executor)],
            // As upstream's image `debug` has them.
            config: &[
                "--config.entrypoint",
                "/kaniko/executor",
                "--config.workingdir",
                "/workspace",
                "--config.env",
                "HOME=/root",
                "--config.env",
                "USER=root",
                "--config.env",
                "PATH=/usr/local/bin:/kaniko:/busybox",
                "--config.env",
                "DOCKER_CONFIG=/kaniko/.docker/",
                "--config.env",
                "SSL_CERT_DIR=/kaniko/ssl/certs",
            ],
        },
        Image {
            name: "buildkit",
            from: None,
            layers: &[&busybox, &|layer: &mut Layer| buildkit(layer, &buildkitd)],
            // The volume lies on a disk: a file system of layers cannot lie on another one.
            config: &[
                "--config.entrypoint",
                "/usr/bin/buildkitd",
                "--config.volume",
                "/var/lib/buildkit",
                "--config.env",
                "PATH=/usr/bin:/bin",
            ],
        },
    ];
    layout(cache, &format!("builders-{RECIPE}-{}-{}", KANIKO.key(), BUILDKIT.key()), &images)
}

fn kaniko(layer: &mut Layer, executor: &Path) -> io::Result<()> {
    for folder in
        ["kaniko", "kaniko/.docker", "kaniko/ssl", "kaniko/ssl/certs", "busybox", "etc", "workspace", "root"]
    {
        layer.folder(folder, 0o755)?;
    }
    layer.program("kaniko/executor", executor)?;
    applets(layer, "busybox")?;
    layer.file("etc/nsswitch.conf", 0o644, b"hosts: files dns\n")?;
    layer.file("etc/passwd", 0o644, b"root:x:0:0:root:/root:/busybox/sh\n")?;
    layer.file("etc/group", 0o644, b"root:x:0:\n")
}

fn buildkit(layer: &mut Layer, buildkitd: &Path) -> io::Result<()> {
    for folder in ["etc/buildkit", "usr", "usr/bin", "var/lib", "var/lib/buildkit"] {
        layer.folder(folder, 0o755)?;
    }
    layer.program("usr/bin/buildkitd", buildkitd)?;
    layer.program("usr/bin/buildctl", &buildkitd.with_file_name("buildctl"))?;
    layer.file("etc/buildkit/buildkitd.toml", 0o644, BUILDKIT_REGISTRIES.as_bytes())?;
    let runc = find("runc").ok_or_else(|| io::Error::other("no runc"))?;
    layer.program("usr/bin/runc", &runc)?;
    libraries(layer, &runc)
}

/// Adds the shared libraries that a program needs, where it looks for them.
fn libraries(layer: &mut Layer, program: &Path) -> io::Result<()> {
    let needed = Command::new("ldd").arg(program).output()?;
    let needed = String::from_utf8_lossy(&needed.stdout).into_owned();
    // `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)`, and the loader itself without the arrow.
    for path in needed.split_whitespace().filter(|word| word.starts_with('/')) {
        let folders: Vec<&Path> = Path::new(path).ancestors().skip(1).collect();
        for folder in folders.into_iter().rev().filter(|folder| folder.parent().is_some()) {
            layer.folder(&folder.display().to_string()[1..], 0o755)?;
        }
        layer.file(&path[1..], 0o755, &fs::read(path)?)?;
    }
    Ok(())
}
