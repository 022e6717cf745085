//! The context that all cases share.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use flate2::{Compression, write::GzEncoder};
use tar::{Builder, EntryType, Header};

/// Files by path, mode and content.
const FILES: [(&str, u32, &str); 24] = [
    (".dockerignore", 0o644, "dockerfiles\n.dockerignore\n*.ignored\n**/*.tmp\n!keep.tmp\n"),
    ("a.txt", 0o644, "a\n"),
    ("b.txt", 0o600, "b\n"),
    ("c.md", 0o640, "c\n"),
    ("run.sh", 0o755, "#!/bin/sh\n"),
    ("setuid", 0o4755, "setuid\n"),
    ("with space", 0o644, "space\n"),
    ("x.ignored", 0o644, "no\n"),
    ("gone.tmp", 0o644, "no\n"),
    ("keep.tmp", 0o644, "yes\n"),
    ("dir/one.txt", 0o644, "one\n"),
    ("dir/two.md", 0o644, "two\n"),
    ("dir/deep/three.txt", 0o444, "three\n"),
    ("dir/deep/er/four.go", 0o644, "four\n"),
    ("dir/deep/er/x.tmp", 0o644, "no\n"),
    ("src/main.go", 0o644, "main\n"),
    ("src/pkg/a/a.go", 0o644, "a\n"),
    ("src/pkg/a/a_test.go", 0o644, "a test\n"),
    ("src/pkg/b/b.go", 0o644, "b\n"),
    ("src/pkg/b/data.json", 0o644, "{}\n"),
    ("bin/tool", 0o755, "tool\n"),
    ("onbuild/x", 0o644, "triggered\n"),
    ("a-amd64", 0o644, "amd64\n"),
    ("a-arm64", 0o644, "arm64\n"),
];

const LINKS: [(&str, &str); 6] = [
    ("link.txt", "a.txt"),
    ("dirlink", "dir"),
    ("abslink", "/dir/one.txt"),
    ("dir/deep/up", "../one.txt"),
    ("dangling", "nowhere/at/all"),
    ("chain", "link.txt"),
];

/// Writes the context.
pub(crate) fn write(root: &Path) {
    for (path, mode, content) in FILES {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    for (path, mode) in [("private", 0o700), ("dir", 0o755), ("dir/deep", 0o2775), ("empty", 0o1777)] {
        fs::create_dir_all(root.join(path)).unwrap();
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    for (path, text) in LINKS {
        symlink(text, root.join(path)).unwrap();
    }
    let tar = archive();
    fs::write(root.join("files.tar"), &tar).unwrap();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    std::io::Write::write_all(&mut gzip, &tar).unwrap();
    fs::write(root.join("files.tar.gz"), gzip.finish().unwrap()).unwrap();
    fs::write(root.join("slip.tar"), slip()).unwrap();
    fs::write(root.join("cut.tar.gz"), b"\x1f\x8b not gzip").unwrap();
}

fn header(kind: EntryType, mode: u32, owner: u64, size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner);
    header.set_gid(owner);
    header.set_mtime(0);
    header.set_size(size as u64);
    header
}

fn archive() -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    let mut add = |path: &str, kind: EntryType, mode: u32, owner: u64, content: &str| {
        let mut header = header(kind, mode, owner, content.len());
        tar.append_data(&mut header, path, content.as_bytes()).unwrap();
    };
    add("t", EntryType::Directory, 0o750, 7, "");
    add("t/file", EntryType::Regular, 0o640, 8, "from a tar\n");
    add("t/setuid", EntryType::Regular, 0o6755, 8, "s\n");
    add("implied/by/this", EntryType::Regular, 0o644, 9, "implied\n");
    add("t/twice", EntryType::Regular, 0o644, 0, "first\n");
    add("t/twice", EntryType::Regular, 0o600, 1, "second\n");
    add("t/fifo", EntryType::Fifo, 0o644, 0, "");
    for (path, kind, target) in [
        ("t/link", EntryType::Symlink, "file"),
        ("t/abs", EntryType::Symlink, "/t/file"),
        ("t/hard", EntryType::Link, "t/file"),
        ("into", EntryType::Symlink, "t"),
    ] {
        let mut header = header(kind, 0o777, 3, 0);
        tar.append_link(&mut header, path, target).unwrap();
    }
    tar.append_pax_extensions([("SCHILY.xattr.user.shipway", &b"yes"[..])]).unwrap();
    let mut header = header(EntryType::Regular, 0o644, 0, 2);
    tar.append_data(&mut header, "t/attributes", &b"x\n"[..]).unwrap();
    tar.into_inner().unwrap()
}

/// An archive whose paths lead upwards, which tar's own writer would refuse.
fn slip() -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for path in ["../../up", "/abs", "a/../../../b"] {
        let mut header = header(EntryType::Regular, 0o644, 0, 2);
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        tar.append(&header, &b"x\n"[..]).unwrap();
    }
    tar.into_inner().unwrap()
}
