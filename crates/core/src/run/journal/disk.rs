//! Journals as files: one for each run, in one folder.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;

use super::{Entry, Journal, JournalWriter, OpenJournal, form};
use crate::{Disk, DiskFile, DiskLock, Error, Location, Result, context::folder_of, create_beside};

/// How a journal's file ends.
const SUFFIX: &str = ".journal";

/// Keeps journals in a folder, one readable file for each run, and the newest of them.
///
/// `<run>.journal` is only ever appended to; who goes on with a run writes what is good of it into a new file,
/// which takes the old one's place. `<run>.lock` keeps everybody else out while it is written, also from other
/// processes. Secrets are withheld ([`Output::withhold`](crate::Output::withhold)).
///
/// After a kill all that was appended is there; after a power cut, all that was appended as lasting and all before
/// it, and of what came later a beginning.
///
/// ```
/// use std::sync::Arc;
/// use shipway_core::{DiskJournal, HostDisk, Journal, JournalEntry, RunOutcome};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let folder = tempfile::tempdir()?;
/// let journal = DiskJournal::new(Arc::new(HostDisk), folder.path());
/// let open = journal.open("nightly-7").await?;
/// let ended = JournalEntry::Ended { outcome: RunOutcome::Succeeded, at: None };
/// open.writer.append(&ended, true).await?;
/// assert_eq!(journal.read("nightly-7").await?, [ended]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct DiskJournal {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    keep: usize,
    in_place: bool,
}

impl DiskJournal {
    /// Returns the journals in a folder, made when a run is first opened, of the newest 1,000 runs.
    pub fn new(disk: Arc<dyn Disk>, folder: impl Into<PathBuf>) -> Self {
        Self { disk, folder: folder.into(), keep: 1000, in_place: false }
    }

    /// Sets how many runs are kept: when a new one is opened, those that were not written to for longest go, also
    /// such as wait for an answer, but none that is being written.
    #[must_use]
    pub fn keep(mut self, runs: usize) -> Self {
        self.keep = runs;
        self
    }

    /// Does blocking work on the thread that asks for it, so that every run of a simulation is the same.
    #[must_use]
    pub fn in_place(mut self) -> Self {
        self.in_place = true;
        self
    }

    /// Returns the path of a run's journal.
    ///
    /// # Errors
    /// `Config` when the id is no name for a run.
    pub fn path(&self, run: &str) -> Result<PathBuf> {
        if is_run(run) {
            return Ok(self.file(run, SUFFIX));
        }
        Err(Error::config(format!("`{run}` is no name for a run"))
            .hint("use at most 100 letters, digits, `-`, `_` and `.`, the first no `.`"))
    }

    fn file(&self, run: &str, suffix: &str) -> PathBuf {
        self.folder.join(format!("{run}{suffix}"))
    }

    fn open_now(&self, run: &str) -> Result<OpenJournal> {
        let path = self.path(run)?;
        let disk = self.disk.as_ref();
        make_folder(disk, &self.folder).map_err(|error| Error::io("make", &self.folder, error))?;
        let lock = disk.lock(&self.file(run, ".lock")).map_err(|error| Error::io("lock", &path, error))?;
        let lock = lock.ok_or_else(|| {
            Error::conflict(format!("run `{run}` is under way"))
                .note(format!("somebody writes `{}`", path.display()))
                .hint("wait until it ends, or stop the process that runs it")
        })?;
        let (entries, end, file) = match self.read_now(run, &path)? {
            Some((entries, mut end)) => {
                let copied = self.copy(run, &path, end.bytes());
                end.synced();
                (entries, end, copied.map_err(|error| Error::io("write", &path, error))?)
            }
            None => {
                self.remove_oldest()?;
                let file = disk.create(&path).map_err(|error| Error::io("write", &path, error))?;
                (Vec::new(), form::End::new(run), file)
            }
        };
        let open = Open {
            file,
            end,
            disk: Arc::clone(&self.disk),
            path,
            written: 0,
            synced: 0,
            named: false,
            failure: None,
            _lock: lock,
        };
        let open = Arc::new(tokio::sync::Mutex::new(open));
        let writer = DiskWriter { queue: Mutex::default(), open, in_place: self.in_place };
        Ok(OpenJournal::new(entries, writer))
    }

    fn read_now(&self, run: &str, path: &Path) -> Result<Option<(Vec<Entry>, form::End)>> {
        let failed = |error| Error::io("read", path, error);
        let Some(entry) = self.disk.entry(path).map_err(failed)? else { return Ok(None) };
        if entry.size > form::FILE {
            return Err(Error::bad_output(format!("the journal has more than {} bytes", form::FILE))
                .at(Location::new(path, 0, 0))
                .hint("put the file back from a copy, or begin a new run"));
        }
        form::read(run, path, self.disk.open(path).map_err(failed)?).map(Some)
    }

    /// Puts the first bytes of a journal, which are good, into a new file in its place, which goes on.
    ///
    /// What an earlier process wrote cannot be synced any more, so what was read and is acted upon from now on
    /// could still be lost; and what is torn would stand in the middle.
    fn copy(&self, run: &str, path: &Path, bytes: u64) -> std::io::Result<Box<dyn DiskFile>> {
        let disk = self.disk.as_ref();
        self.remove_left(run)?;
        let (beside, mut file) = create_beside(disk, path)?;
        let written = (|| {
            let copied = std::io::copy(&mut std::io::Read::take(disk.open(path)?, bytes), &mut file)?;
            if copied < bytes {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            file.sync()?;
            // The name lasts from the first lasting entry on, as a new file's.
            disk.rename(&beside, path)
        })();
        if written.is_err() {
            // The first error is the one to tell.
            let _ = disk.remove(&beside);
        }
        written.map(|()| file)
    }

    /// Removes what was written beside a run's journal. Its lock is held, so whoever wrote that was killed.
    fn remove_left(&self, run: &str) -> std::io::Result<()> {
        let beside = format!(".{run}{SUFFIX}.");
        let names = self.disk.list(&self.folder)?;
        let mut left = names.iter().filter(|name| name.starts_with(&beside) && name.ends_with(".new"));
        left.try_for_each(|name| self.disk.remove(&self.folder.join(name)))
    }

    /// Removes the oldest runs to make room for one. What cannot be removed is in nobody's way, and tried again with
    /// the next run.
    fn remove_oldest(&self) -> Result<()> {
        let runs = self.runs_now()?;
        let mut excess = (runs.len() + 1).saturating_sub(self.keep.max(1));
        if excess == 0 {
            return Ok(());
        }
        let used =
            |run: &String| self.disk.entry(&self.file(run, SUFFIX)).ok().flatten().map(|entry| entry.used);
        let mut by_age: Vec<_> = runs.iter().map(|run| (used(run), run)).collect();
        by_age.sort();
        for (_, run) in by_age {
            let lock = self.file(run, ".lock");
            if let Ok(Some(_held)) = self.disk.lock(&lock)
                && self.remove_left(run).and_then(|()| self.disk.remove(&self.file(run, SUFFIX))).is_ok()
            {
                let _ = self.disk.remove(&lock);
                excess -= 1;
            }
            if excess == 0 {
                break;
            }
        }
        Ok(())
    }

    fn runs_now(&self) -> Result<Vec<String>> {
        let names = self.disk.list(&self.folder).map_err(|error| Error::io("list", &self.folder, error))?;
        let runs = names.iter().filter_map(|name| name.strip_suffix(SUFFIX)).filter(|run| is_run(run));
        let mut runs: Vec<String> = runs.map(str::to_owned).collect();
        runs.sort();
        Ok(runs)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if self.in_place {
            return work(self);
        }
        let journal = self.clone();
        let work = tokio::task::spawn_blocking(move || work(&journal));
        work.await.map_err(|error| Error::internal("work on a journal panicked").source(error))?
    }
}

/// Returns whether a run may be called so: it is a plain file name that is not hidden.
fn is_run(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=100).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(plain)
}

#[async_trait]
impl Journal for DiskJournal {
    async fn open(&self, run: &str) -> Result<OpenJournal> {
        let run = run.to_owned();
        self.blocking(move |journal| journal.open_now(&run)).await
    }

    async fn read(&self, run: &str) -> Result<Vec<Entry>> {
        let (run, path) = (run.to_owned(), self.path(run)?);
        let found = self.blocking(move |journal| journal.read_now(&run, &path)).await?;
        Ok(found.map(|(entries, _)| entries).unwrap_or_default())
    }

    async fn runs(&self) -> Result<Vec<String>> {
        self.blocking(Self::runs_now).await
    }
}

#[derive(Debug)]
struct DiskWriter {
    queue: Mutex<Queue>,
    open: Arc<tokio::sync::Mutex<Open>>,
    in_place: bool,
}

/// Entries that are not written yet, because the file is being synced: the next one writes them all, and one sync
/// does for all of them.
#[derive(Debug, Default)]
struct Queue {
    entries: Vec<form::Written>,
    /// How many came, ever.
    count: u64,
}

impl DiskWriter {
    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl JournalWriter for DiskWriter {
    async fn append(&self, entry: &Entry, lasting: bool) -> Result<()> {
        let written = match form::Written::of(&entry.withheld()) {
            Ok(written) => written,
            Err(error) => {
                let error =
                    Error::unsupported("an entry of the journal cannot be written as JSON").source(error);
                return Err(self.open.lock().await.fail(error));
            }
        };
        let number = {
            let mut queue = self.queue();
            queue.entries.push(written);
            queue.count += 1;
            queue.count
        };
        let mut open = Arc::clone(&self.open).lock_owned().await;
        if open.written < number {
            // A write of a few hundred bytes goes to the system's memory in microseconds, less than a hop to another
            // thread takes; what takes milliseconds is the sync.
            let entries = std::mem::take(&mut self.queue().entries);
            open.write(entries)?;
        }
        if !lasting || open.synced >= number {
            return Ok(());
        }
        if self.in_place {
            return open.sync();
        }
        // The thread owns the file, so that a task that is dropped leaves it to the next.
        let synced = tokio::task::spawn_blocking(move || open.sync());
        synced.await.map_err(|error| Error::internal("work on a journal panicked").source(error))?
    }
}

struct Open {
    file: Box<dyn DiskFile>,
    end: form::End,
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// How many entries are in the file.
    written: u64,
    /// How many of them are there for good.
    synced: u64,
    /// Whether the file has its name for good.
    named: bool,
    /// What went wrong first.
    failure: Option<String>,
    /// After the file, which is closed before.
    _lock: DiskLock,
}

impl Open {
    fn write(&mut self, entries: Vec<form::Written>) -> Result<()> {
        self.alive()?;
        let count = entries.len() as u64;
        let lines: Result<Vec<String>> = entries.into_iter().map(|entry| self.end.lines(entry)).collect();
        let written = lines.and_then(|lines| {
            let written = self.file.write_all(lines.concat().as_bytes()).and_then(|()| self.file.flush());
            written.map_err(|error| Error::io("write", &self.path, error))
        });
        written.map_err(|error| self.fail(error))?;
        self.written += count;
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        self.alive()?;
        let synced = self.file.sync().and_then(|()| if self.named { Ok(()) } else { self.sync_name() });
        synced.map_err(|error| {
            let error = Error::io("sync", &self.path, error);
            self.fail(error)
        })?;
        self.named = true;
        self.synced = self.written;
        self.end.synced();
        Ok(())
    }

    fn sync_name(&self) -> std::io::Result<()> {
        let folder = folder_of(&self.path);
        self.disk.sync_dir(folder)?;
        sync_name(self.disk.as_ref(), folder)
    }

    /// Notes that nothing is written any more: what came after a hole could not be read.
    fn fail(&mut self, error: Error) -> Error {
        self.failure.get_or_insert_with(|| error.to_string());
        error
    }

    fn alive(&self) -> Result<()> {
        match &self.failure {
            None => Ok(()),
            Some(failure) => Err(Error::conflict("the journal is written no more, because it failed before")
                .note(failure.clone())
                .hint("go on with the run once the cause is gone")),
        }
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").field("path", &self.path).field("end", &self.end).finish_non_exhaustive()
    }
}

/// Makes a folder and those above it, each durable in the one above it.
fn make_folder(disk: &dyn Disk, folder: &Path) -> std::io::Result<()> {
    if disk.entry(folder)?.is_some() {
        return Ok(());
    }
    let above = folder_of(folder);
    if disk.entry(above)?.is_some() {
        sync_name(disk, above)?;
    } else {
        make_folder(disk, above)?;
    }
    disk.create_dir(folder)?;
    disk.sync_dir(above)
}

/// Makes the name of a folder durable: whoever made it may have been killed before that.
fn sync_name(disk: &dyn Disk, folder: &Path) -> std::io::Result<()> {
    match disk.sync_dir(folder_of(folder)) {
        // Above what is somebody's own, folders may be closed.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}
