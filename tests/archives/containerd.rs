//! containerd, which unpacks images as we read them.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    listing::{Listing, of_folder},
    skip::skip,
};

/// containerd by its client `ctr`.
pub(crate) struct Containerd {
    socket: String,
    namespace: String,
}

/// An image that is mounted until this goes.
struct Mounted<'a> {
    containerd: &'a Containerd,
    name: String,
    folder: PathBuf,
}

impl Containerd {
    /// Returns the containerd of the bed, or `None` where there is none, which is counted for the test.
    pub(crate) fn find(test: &str) -> Option<Self> {
        match env::var("SHIPWAY_BED_CONTAINERD") {
            Ok(socket) if !socket.is_empty() => {
                Some(Self { socket, namespace: format!("shipway-archives-{}", std::process::id()) })
            }
            _ => {
                skip(&format!("archives::{test}"), "containerd");
                None
            }
        }
    }

    fn ctr(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new("ctr");
        command.args(["--address", &self.socket, "--namespace", &self.namespace]).args(arguments);
        let output = command.output().unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(said(&output.stdout)) } else { Err(said(&output.stderr)) }
    }

    /// Unpacks the image of a layout and returns what is in it.
    pub(crate) fn unpack(&self, layout: &Path, number: usize) -> Result<Listing, String> {
        let archive = layout.with_extension("tar");
        let tarred =
            Command::new("tar").arg("-C").arg(layout).arg("-cf").arg(&archive).arg(".").status().unwrap();
        assert!(tarred.success());
        let base = format!("shipway.local/odd-{number}");
        let name = format!("{base}:latest");
        let folder = layout.with_extension("mounted");
        std::fs::create_dir(&folder).unwrap();
        let mounted = Mounted { containerd: self, name: name.clone(), folder: folder.clone() };
        self.ctr(&["images", "import", "--no-unpack", "--base-name", &base, archive.to_str().unwrap()])?;
        self.ctr(&["images", "mount", &name, folder.to_str().unwrap()])?;
        let listing = of_folder(&folder);
        drop(mounted);
        Ok(listing)
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let folder = self.folder.to_str().unwrap();
        let _ = self.containerd.ctr(&["images", "unmount", "--rm", folder]);
        let _ = self.containerd.ctr(&["images", "remove", "--sync", &self.name]);
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        // What was made of the images goes with them, and then the namespace may.
        let _ = self.ctr(&["namespaces", "remove", &self.namespace]);
    }
}
