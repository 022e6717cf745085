//! What the embedding program hands over: every door, once. A run makes a [`Context`] of it for each
//! task.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;

use super::{
    Cancel, Clock, Context, Credentials, Disk, DiskCache, Files, FixedCredentials, HostDisk, HostFiles,
    HostProcesses, Images, Inner, Processes, SystemClock, file_index::FileIndex, mask::Masks, once::Once,
};
use crate::{
    Error, Result,
    event::{Discard, Event, EventKind, Sink},
    image::{Image, Store, Target},
    inputs::TaskId,
};

/// Every door, as the embedding program hands them over; clones share them.
///
/// Nothing of the process is in it unless it is put there: the environment is empty, and there are no
/// credentials.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct World {
    /// The folder that relative paths are below.
    pub root: PathBuf,
    /// The folder in which tasks get their scratch folders; `/tmp` by default, whatever `TMPDIR` says.
    pub scratch: PathBuf,
    /// The environment of commands and templates.
    pub env: BTreeMap<String, String>,
    /// The door to time.
    pub clock: Arc<dyn Clock>,
    /// The door to sources.
    pub files: Arc<dyn Files>,
    /// The door to processes.
    pub processes: Arc<dyn Processes>,
    /// The door to images.
    pub images: Arc<dyn Images>,
    /// The door to credentials.
    pub credentials: Arc<dyn Credentials>,
    /// The door to durable files.
    pub disk: Arc<dyn Disk>,
    /// Where what can be made again is kept: results of builds, hashes of files, pieces of layers; in memory only
    /// when absent.
    pub cache: Option<Arc<DiskCache>>,
    /// Where events go.
    pub sink: Arc<dyn Sink>,
    /// Whether blocking work is done on the thread that asks for it, so that every run of a simulation is the same.
    pub in_place: bool,
}

impl World {
    /// Returns this machine's world around a folder of sources: its clock, files, processes and disk;
    /// no images, no credentials, an empty environment, and events are dropped.
    pub fn host(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            scratch: PathBuf::from("/tmp"),
            env: BTreeMap::new(),
            clock: Arc::new(SystemClock::new()),
            files: Arc::new(HostFiles),
            processes: Arc::new(HostProcesses::default()),
            images: Arc::new(NoImages),
            credentials: Arc::new(FixedCredentials::new()),
            disk: Arc::new(HostDisk),
            cache: None,
            sink: Arc::new(Discard),
            in_place: false,
        }
    }

    /// Sets the environment, such as `std::env::vars()`.
    #[must_use]
    pub fn env(mut self, env: impl IntoIterator<Item = (String, String)>) -> Self {
        self.env = env.into_iter().collect();
        self
    }

    /// Sets the folder for scratch folders.
    #[must_use]
    pub fn scratch(mut self, scratch: impl Into<PathBuf>) -> Self {
        self.scratch = scratch.into();
        self
    }

    /// Sets the door to time.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets the door to sources.
    #[must_use]
    pub fn files(mut self, files: impl Files) -> Self {
        self.files = Arc::new(files);
        self
    }

    /// Sets the door to processes.
    #[must_use]
    pub fn processes(mut self, processes: impl Processes) -> Self {
        self.processes = Arc::new(processes);
        self
    }

    /// Sets the door to images.
    #[must_use]
    pub fn images(mut self, images: impl Images) -> Self {
        self.images = Arc::new(images);
        self
    }

    /// Sets the door to credentials.
    #[must_use]
    pub fn credentials(mut self, credentials: impl Credentials) -> Self {
        self.credentials = Arc::new(credentials);
        self
    }

    /// Does blocking work on the thread that asks for it, so that every run of a simulation is the same; otherwise it
    /// has threads of its own, and nobody waits for it but who asked.
    #[must_use]
    pub fn in_place(mut self) -> Self {
        self.in_place = true;
        self
    }

    /// Sets the door to durable files.
    #[must_use]
    pub fn disk(mut self, disk: impl Disk) -> Self {
        self.disk = Arc::new(disk);
        self
    }

    /// Sets where what can be made again is kept; many processes may use one folder.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use shipway_core::{DiskCache, HostDisk, World};
    ///
    /// let cache = DiskCache::new(Arc::new(HostDisk), "/home/ann/.cache/shipway").limit(10 << 30);
    /// let world = World::host("/src").cache(cache);
    /// # let _ = world;
    /// ```
    #[must_use]
    pub fn cache(mut self, cache: DiskCache) -> Self {
        self.cache = Some(Arc::new(cache));
        self
    }

    /// Sets where events go.
    #[must_use]
    pub fn sink(mut self, sink: Arc<dyn Sink>) -> Self {
        self.sink = sink;
        self
    }
}

/// What the tasks of one run share: the world, the run's id, its sequence of events and its masks.
///
/// The driver makes one for each run; whoever tests a plug-in makes one to get a context.
///
/// ```
/// use std::path::Path;
/// use shipway_core::{Cancel, RunContext, World};
///
/// let world = World::host("/src").env([("LANG".to_owned(), "C".to_owned())]);
/// let cx = RunContext::new(world, "1").context("build:web".parse().ok(), None, Cancel::new());
/// assert_eq!(cx.path(Path::new("web")), Path::new("/src/web"));
/// assert_eq!(cx.env("LANG"), Some("C"));
/// assert_eq!(cx.env("HOME"), None, "what is not handed over is not there");
/// ```
#[derive(Clone, Debug)]
pub struct RunContext(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    world: World,
    id: String,
    masks: Masks,
    file_index: Arc<FileIndex>,
    /// The tasks that an earlier process of the run began.
    begun: BTreeSet<TaskId>,
    found: Once,
    next: Mutex<u64>,
}

impl RunContext {
    /// Returns the surroundings of a new run with this id.
    pub fn new(world: World, id: impl Into<String>) -> Self {
        Self::knowing(world, id, Arc::default(), BTreeSet::new())
    }

    /// Returns the surroundings of a run, in which these files of the world need not be read again, and of which an earlier
    /// process began these tasks.
    pub(crate) fn knowing(
        world: World,
        id: impl Into<String>,
        file_index: Arc<FileIndex>,
        begun: BTreeSet<TaskId>,
    ) -> Self {
        Self(Arc::new(Shared {
            world,
            id: id.into(),
            masks: Masks::default(),
            file_index,
            begun,
            found: Once::default(),
            next: Mutex::new(0),
        }))
    }

    /// Returns the context for a task, or, without one, for making the plan.
    #[must_use]
    pub fn context(&self, task: Option<TaskId>, deadline: Option<Duration>, cancel: Cancel) -> Context {
        Context(Arc::new(Inner { run: self.clone(), task, deadline, cancel, scratch: OnceLock::new() }))
    }

    /// Returns the run's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    pub(super) fn world(&self) -> &World {
        &self.0.world
    }

    pub(super) fn masks(&self) -> &Masks {
        &self.0.masks
    }

    pub(super) fn file_index(&self) -> &FileIndex {
        &self.0.file_index
    }

    pub(super) fn begun(&self) -> &BTreeSet<TaskId> {
        &self.0.begun
    }

    pub(super) fn found(&self) -> &Once {
        &self.0.found
    }

    /// Returns the text with every secret hidden, if it tells one.
    pub(crate) fn hide(&self, text: &str) -> Option<String> {
        self.0.masks.hide(text)
    }

    /// Emits an event, with every secret hidden and in sequence.
    pub fn emit(&self, task: Option<TaskId>, mut kind: EventKind) {
        kind.for_each_text(&mut |text| {
            if let Some(hidden) = self.0.masks.hide(text) {
                *text = hidden;
            }
        });
        // The lock is held while the sink takes the event, so that events arrive in their sequence.
        let mut next = self.0.next.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.world.sink.emit(&Event::new(*next, self.0.world.clock.now(), task, kind));
        *next += 1;
    }

    /// Returns the error as plain data with every secret hidden.
    #[must_use]
    pub fn report(&self, error: Error) -> crate::ErrorReport {
        let mut report = error.into_report();
        report.for_each_text(&mut |text| {
            if let Some(hidden) = self.0.masks.hide(text) {
                *text = hidden;
            }
        });
        report
    }
}

/// Makes a fresh folder with mode 0700.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub(super) fn make_scratch(base: &Path, run: &str) -> Result<PathBuf> {
    // Makes names unlike within the process; `create` makes them so beyond it.
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let failed = |error| Error::io("make a scratch folder in", base, error);
    // An id is the embedder's own word; here it is only a part of a name.
    let run = run.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "_");
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = base.join(format!("shipway-{run}-{}-{count}", std::process::id()));
        match fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return fs::canonicalize(&path).map_err(failed),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub(super) fn remove_scratch(path: &Path) {
    if fs::remove_dir_all(path).is_err() {
        // A folder without the right to write keeps what is in it, as those of Go's module cache.
        let _ = make_writable(path);
        // What cannot be removed even so is the system's to clean: it lies among the temporary files.
        let _ = fs::remove_dir_all(path);
    }
}

/// Gives the right to write to the folder and to those below it, and follows no link.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
fn make_writable(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            make_writable(&entry.path())?;
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub(super) fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| {
            // A file that was there already has the mode that it was given then.
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
            file.write_all(content)
        })
        .map_err(|error| Error::io("write", path, error))
}

/// The door to images of a world that was given none.
#[derive(Debug)]
struct NoImages;

impl NoImages {
    fn refuse<T>() -> Result<T> {
        Err(Error::unsupported("the world has no door to images").hint("give it one with `World::images`"))
    }
}

#[async_trait]
impl Images for NoImages {
    async fn find(&self, _cx: &Context, _store: &Store, _reference: &str) -> Result<Option<Image>> {
        Self::refuse()
    }

    async fn copy(&self, _cx: &Context, _image: &Image, _to: &Target) -> Result<Image> {
        Self::refuse()
    }

    async fn join(&self, _cx: &Context, _images: &[Image], _to: &Target) -> Result<Image> {
        Self::refuse()
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the test looks at the real disk")]
mod tests {
    use super::*;

    #[test]
    fn folders_without_the_right_to_write_get_it_but_nothing_that_a_link_leads_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let (scratch, outside) = (folder.path().join("scratch"), folder.path().join("outside"));
        fs::create_dir_all(scratch.join("mod/cache")).expect("made");
        fs::create_dir(&outside).expect("made");
        std::os::unix::fs::symlink(&outside, scratch.join("mod/link")).expect("made");
        let set = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o555));
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        for path in [&scratch.join("mod/cache"), &scratch.join("mod"), &outside] {
            set(path).expect("set");
        }
        make_writable(&scratch).expect("made writable");
        assert_eq!((mode(&scratch.join("mod")), mode(&scratch.join("mod/cache"))), (0o700, 0o700));
        assert_eq!(mode(&outside), 0o555);
        remove_scratch(&scratch);
        assert!(!scratch.exists() && outside.exists());
    }

    #[test]
    fn a_task_that_an_earlier_process_began_knows_it() {
        let [begun, other] = ["apply:shop", "apply:web"].map(|id| id.parse::<TaskId>().expect("an id"));
        let tasks = BTreeSet::from([begun.clone()]);
        let run = RunContext::knowing(World::host("/"), "run", Arc::default(), tasks);
        let resumes = |task| run.context(task, None, Cancel::new()).resumes();
        assert_eq!([Some(begun), Some(other), None].map(resumes), [true, false, false]);
    }
}
