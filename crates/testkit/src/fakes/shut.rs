//! A world with every door shut.

use std::{
    io::{self, Read},
    path::Path,
};

use async_trait::async_trait;
use shipway_core::{
    Command, Context, Credentials, Disk, DiskEntry, DiskFile, DiskLock, Entry, Error, Exit, Files, Image,
    Images, Login, OpenFile, Processes, Result, Secret, SecretId, Store, Target, World,
};

use super::FakeClock;

/// Returns a world in which every use of a door is an error that names the door: the start for a test
/// that opens only what its plug-in may use.
///
/// The clock stands still, but sleeps go through, and events are dropped: neither can fail.
///
/// ```
/// use shipway_core::World;
/// use shipway_testkit::{Reply, ScriptedProcesses, shut_world};
///
/// // This plug-in may run `git`, and do nothing else.
/// let script = ScriptedProcesses::new().expect(["git", "..."], Reply::prints("main\n"));
/// let world: World = shut_world().processes(script);
/// # let _ = world;
/// ```
#[must_use]
pub fn shut_world() -> World {
    World::host("/nowhere/the-root-of-a-shut-world")
        .scratch("/nowhere/the-scratch-folder-of-a-shut-world")
        .clock(FakeClock::new().sleeps_advance())
        .files(Shut)
        .processes(Shut)
        .images(Shut)
        .credentials(Shut)
        .disk(Shut)
}

#[derive(Clone, Copy, Debug)]
struct Shut;

fn shut<T>(door: &str, what: impl std::fmt::Display) -> Result<T> {
    Err(Error::unsupported(format!("the door to {door} is shut, and `{what}` was asked of it"))
        .hint(format!("open it with `World::{door}`, if the plug-in may use it")))
}

fn shut_disk<T>(path: &Path) -> io::Result<T> {
    let message = format!("the door `disk` is shut, and `{}` was asked of it", path.display());
    Err(io::Error::new(io::ErrorKind::Unsupported, message))
}

impl Files for Shut {
    fn walk_each(&self, _cx: &Context, root: &Path, _ignore: &[Vec<String>]) -> Result<Vec<Vec<Entry>>> {
        shut("files", root.display())
    }

    fn entry(&self, _cx: &Context, root: &Path, path: &str) -> Result<Option<Entry>> {
        shut("files", root.join(path).display())
    }

    fn open(&self, _cx: &Context, root: &Path, path: &str) -> Result<OpenFile> {
        shut("files", root.join(path).display())
    }
}

#[async_trait]
impl Processes for Shut {
    async fn run(&self, _cx: &Context, command: Command) -> Result<Exit> {
        shut("processes", command.program)
    }
}

#[async_trait]
impl Images for Shut {
    async fn find(&self, _cx: &Context, _store: &Store, reference: &str) -> Result<Option<Image>> {
        shut("images", reference)
    }

    async fn copy(&self, _cx: &Context, image: &Image, _to: &Target) -> Result<Image> {
        shut("images", image.reference())
    }

    async fn join(&self, _cx: &Context, _images: &[Image], to: &Target) -> Result<Image> {
        shut("images", to.reference())
    }
}

#[async_trait]
impl Credentials for Shut {
    async fn registry(&self, _cx: &Context, host: &str) -> Result<Option<Login>> {
        shut("credentials", host)
    }

    async fn cluster(&self, _cx: &Context, context: &str) -> Result<Secret> {
        shut("credentials", context)
    }

    async fn secret(&self, _cx: &Context, id: &SecretId) -> Result<Secret> {
        shut("credentials", id)
    }
}

impl Disk for Shut {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        shut_disk(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        shut_disk(path)
    }

    fn entry(&self, path: &Path) -> io::Result<Option<DiskEntry>> {
        shut_disk(path)
    }

    fn touch(&self, path: &Path) -> io::Result<()> {
        shut_disk(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<DiskLock>> {
        shut_disk(path)
    }

    fn rename(&self, from: &Path, _to: &Path) -> io::Result<()> {
        shut_disk(from)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        shut_disk(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        shut_disk(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        shut_disk(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        shut_disk(path)
    }
}

#[cfg(test)]
mod tests {
    use shipway_core::{Cancel, RunContext, Tree};

    use super::*;

    #[tokio::test]
    async fn every_door_names_itself() {
        let world = shut_world();
        let disk = world.disk.open(Path::new("x")).err().expect("shut").to_string();
        assert!(disk.contains("`disk`"), "{disk}");
        let cx = RunContext::new(world, "test").context(None, None, Cancel::new());
        let scratch = cx.scratch().expect_err("shut");
        assert!(scratch.to_string().contains("scratch"), "{scratch}");
        for (door, error) in [
            ("files", cx.files().walk(&cx, &Tree::new("src")).expect_err("shut")),
            ("processes", cx.run(Command::new("git")).await.expect_err("shut")),
            ("images", cx.images().find(&cx, &Store::Registry, "a:b").await.expect_err("shut")),
            ("credentials", cx.login("host").await.expect_err("shut")),
        ] {
            assert!(error.to_string().contains(door), "{error}");
        }
    }
}
