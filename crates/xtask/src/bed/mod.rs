//! The test bed: real daemons (Docker, containerd, BuildKit, registries, git over HTTP, Kubernetes) in a
//! network namespace of their own, brought up in seconds and taken down without a trace.
//!
//! Several beds can be up at once, by name. All that a bed makes is in its folder, in its namespace, and in
//! cgroups of its name.

mod bases;
mod builders;
mod certificates;
mod cgroups;
mod down;
mod image;
mod kubernetes;
mod module;
mod mounts;
mod network;
mod owner;
pub(crate) mod packages;
mod part;
mod parts;
mod seed;
mod settings;
mod single;
mod steps;
mod up;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

pub(crate) use self::{
    settings::Settings,
    up::{Extent, Lasting},
};
use crate::{Result, cache::Cache};

/// The login of the registry that wants one.
const USER: &str = "shipway";
const PASSWORD: &str = "correct horse";

/// A bed, whether it is up or not.
#[derive(Clone, Debug)]
pub(crate) struct Bed {
    name: String,
}

impl Bed {
    /// Returns the bed of this name.
    pub(crate) fn named(name: &str) -> Result<Self> {
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 20 || !name.chars().all(fine) {
            return Err(format!("`{name}` is no name for a bed: use up to 20 of a-z, 0-9 and `-`"));
        }
        Ok(Self { name: name.to_owned() })
    }

    /// Returns the bed that the environment names, or the usual one.
    pub(crate) fn chosen() -> Result<Self> {
        Self::named(&env::var("SHIPWAY_BED").unwrap_or_else(|_| "bed".to_owned()))
    }

    /// Returns the name of all that it makes outside of its folder: namespace and cgroups.
    fn id(&self) -> String {
        format!("shipway-{}", self.name)
    }

    /// Returns the folder of all that it makes. Short, because a socket's path has at most 107 bytes;
    /// on a disk, because a daemon's layers cannot lie on every file system; root's alone.
    fn folder(&self) -> PathBuf {
        Path::new(FOLDER).join(&self.name)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// Returns the namespace's file.
    fn namespace(&self) -> PathBuf {
        Path::new("/run/netns").join(self.id())
    }

    /// Waits until nobody else brings it up or takes it down, and keeps others from it.
    fn lock(&self, cache: &Cache) -> Result<fs::File> {
        cache.lock(&format!("bed-{}", self.name))
    }

    /// Returns whether something of it is there.
    fn exists(&self) -> bool {
        self.folder().exists() || self.namespace().exists()
    }
}

const FOLDER: &str = "/var/lib/shipway-bed";

/// Returns all beds of which something is there.
fn all() -> Vec<Bed> {
    let folders = fs::read_dir(FOLDER).into_iter().flatten().flatten();
    folders.filter_map(|entry| Bed::named(entry.file_name().to_str()?).ok()).collect()
}

/// Does one of `up`, `down`, `status`, `env`, `kill` and `start`.
pub(crate) fn run(task: &[&str], cache: &Cache) -> Result<bool> {
    let bed = Bed::chosen()?;
    match *task {
        ["up"] => println!("{}", bed.up(cache, Lasting::ByItself, Extent::Everything)?.shown()),
        ["up", "engines"] => println!("{}", bed.up(cache, Lasting::ByItself, Extent::Engines)?.shown()),
        ["down"] => {
            bed.down(cache)?;
            up::sweep(cache)?;
        }
        ["status"] => return bed.status(),
        ["env"] => println!("{}", Settings::read(&bed)?.shown()),
        ["kill", part] => bed.kill(part)?,
        ["start", part] => bed.start(cache, part)?,
        _ => return Err(format!("do not know `bed {}`: see `cargo xtask --help`", task.join(" "))),
    }
    Ok(true)
}

/// Takes a bed down once the process that owns it has ended: what `cargo xtask test` leaves behind when it
/// is killed.
pub(crate) fn guard(cache: &Cache, name: &str, owner: &str) -> Result<bool> {
    let bed = Bed::named(name)?;
    let owner: owner::Owner = owner.parse()?;
    while owner.lives() {
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    bed.down(cache)?;
    Ok(true)
}

impl Bed {
    /// Prints what runs; returns whether all does.
    fn status(&self) -> Result<bool> {
        let parts = part::recorded(self)?;
        if parts.is_empty() {
            println!("bed `{}` is down", self.name);
            return Ok(false);
        }
        let mut all = true;
        for part in &parts {
            let state = match part.since() {
                Some(seconds) => format!("up for {seconds} s"),
                None => "ended".to_owned(),
            };
            all &= part.since().is_some();
            println!("{:16} {state:16} {}", part.name, part.log.display());
        }
        Ok(all)
    }
}
