//! The context: the only door to the world, one for each task. Nothing reads the process's
//! environment, the home folder or the current folder behind the embedder's back.

mod cancel;
mod clock;
mod cores;
mod credentials;
mod disk;
mod disk_cache;
mod file_index;
mod files;
mod images;
mod kubeconfig;
mod mask;
mod once;
mod printed;
mod process;
mod walk;
mod world;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

pub(crate) use self::disk::folder_of;
pub(crate) use self::file_index::{FileIndex, FileRead};
pub use self::{
    cancel::{Cancel, CancelReason, Stage},
    clock::{Clock, SystemClock},
    cores::cores,
    credentials::{Credentials, FixedCredentials, Login, LoginKind, Secret},
    disk::{Disk, DiskEntry, DiskFile, DiskLock, HostDisk, create_beside, publish},
    disk_cache::DiskCache,
    files::{Entry, EntryKind, Files, HostFiles, OpenFile},
    images::Images,
    printed::Printed,
    process::{HostProcesses, Processes},
    world::{RunContext, World},
};
use crate::{
    Error, Result,
    command::{Command, Exit, SecretId},
    event::{EventKind, Level, Stream},
    inputs::TaskId,
};

/// What a task sees of the world; clones are the same context.
#[derive(Clone)]
pub struct Context(Arc<Inner>);

struct Inner {
    run: RunContext,
    task: Option<TaskId>,
    deadline: Option<Duration>,
    cancel: Cancel,
    scratch: OnceLock<PathBuf>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("run", &self.run_id())
            .field("task", &self.0.task)
            .field("cancel", &self.0.cancel.state())
            .finish_non_exhaustive()
    }
}

impl Context {
    /// Returns the run's id.
    #[must_use]
    pub fn run_id(&self) -> &str {
        self.0.run.id()
    }

    /// Returns the task's id; none while the plan is being made.
    #[must_use]
    pub fn task(&self) -> Option<&TaskId> {
        self.0.task.as_ref()
    }

    /// Returns whether an earlier process of this run began this task and did not end it: what it took to work alone, such
    /// as a lease, it may hold still.
    #[must_use]
    pub fn resumes(&self) -> bool {
        self.0.task.as_ref().is_some_and(|task| self.0.run.begun().contains(task))
    }

    /// Returns the moment on [`Clock::elapsed`]'s scale at which the task must have ended.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.0.deadline
    }

    /// Returns the task's cancellation.
    #[must_use]
    pub fn cancel(&self) -> &Cancel {
        &self.0.cancel
    }

    /// Returns this context with an earlier deadline: so long from now, if that is earlier.
    #[must_use]
    pub fn within(&self, time: Option<Duration>) -> Self {
        let moment = time.and_then(|time| self.clock().elapsed().checked_add(time));
        let deadline = [self.0.deadline, moment].into_iter().flatten().min();
        self.0.run.context(self.0.task.clone(), deadline, self.0.cancel.clone())
    }

    /// Returns this context without its cancellation and its deadline, for who must stop: to remove what
    /// was made elsewhere, or to see how something ended that is not undone. The driver drops the task
    /// after its grace all the same.
    #[must_use]
    pub fn for_cleanup(&self) -> Self {
        self.0.run.context(self.0.task.clone(), None, Cancel::new())
    }

    /// Returns the folder that relative paths are below: the root of the sources.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.world().root
    }

    /// Returns the path, below the root if it is relative.
    #[must_use]
    pub fn path(&self, path: &Path) -> PathBuf {
        self.root().join(path)
    }

    /// Returns the clock.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        self.world().clock.as_ref()
    }

    /// Returns the door to the sources.
    #[must_use]
    pub fn files(&self) -> &dyn Files {
        self.world().files.as_ref()
    }

    /// Returns the door to images.
    #[must_use]
    pub fn images(&self) -> &dyn Images {
        self.world().images.as_ref()
    }

    /// Returns the door to durable files.
    #[must_use]
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.world().disk
    }

    /// Returns where what can be made again is kept, if the embedder gave it a place; nothing in it is sure to last.
    #[must_use]
    pub fn cache(&self) -> Option<&Arc<DiskCache>> {
        self.world().cache.as_ref()
    }

    /// Returns the variable of the environment that the embedder handed over.
    #[must_use]
    pub fn env(&self, variable: &str) -> Option<&str> {
        self.world().env.get(variable).map(String::as_str)
    }

    /// Returns the whole environment that the embedder handed over.
    #[must_use]
    pub fn envs(&self) -> &BTreeMap<String, String> {
        &self.world().env
    }

    /// Runs a command on the host; see [`Processes::run`] for what is promised.
    ///
    /// # Errors
    /// `MissingTool`, `Cancelled`, `Timeout`; a non-zero code is no error here
    /// ([`Exit::success`] makes it one).
    pub async fn run(&self, command: Command) -> Result<Exit> {
        self.world().processes.run(self, command).await
    }

    /// Returns the login for exactly this host, `host[:port]` in whatever case, if there is one, and masks
    /// it in all output.
    ///
    /// # Errors
    /// What the embedder's credentials say.
    pub async fn login(&self, host: &str) -> Result<Option<Login>> {
        let login = self.world().credentials.registry(self, &host.to_lowercase()).await?;
        if let Some(login) = &login {
            self.mask(&login.password);
            // As HTTP's Basic scheme sends it (RFC 7617).
            self.mask(&Secret::from(format!("{}:{}", login.username, login.password.expose())));
        }
        Ok(login)
    }

    /// Returns the kubeconfig for a context's name, and masks the credentials in it (tokens, passwords,
    /// the data of keys) in all output.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn cluster(&self, context: &str) -> Result<Secret> {
        let secret = self.world().credentials.cluster(self, context).await?;
        kubeconfig::credentials(secret.expose()).iter().for_each(|value| self.masks().add(value));
        Ok(secret)
    }

    /// Returns a secret, and masks it in all output.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn secret(&self, id: &SecretId) -> Result<Secret> {
        let secret = self.world().credentials.secret(self, id).await?;
        self.mask(&secret);
        Ok(secret)
    }

    /// Hides a value in all output from now on, for a secret that a plug-in comes by itself.
    pub fn mask(&self, secret: &Secret) {
        self.masks().add(secret.expose());
    }

    /// Returns the text with every secret hidden, for what leaves neither as an event nor as an error.
    #[must_use]
    pub fn masked(&self, text: &str) -> String {
        self.0.run.masks().hide(text).unwrap_or_else(|| text.to_owned())
    }

    /// Returns a folder of the task's own, with mode 0700, that is removed after the task.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn scratch(&self) -> Result<&Path> {
        if let Some(path) = self.0.scratch.get() {
            return Ok(path);
        }
        let path = world::make_scratch(&self.world().scratch, self.run_id())?;
        // Of two tasks' threads that come at once, one folder stays; the other is empty and goes.
        if let Err(unused) = self.0.scratch.set(path) {
            world::remove_scratch(&unused);
        }
        Ok(self.0.scratch.get().map_or(Path::new(""), PathBuf::as_path))
    }

    /// Writes a file with mode 0600 into the task's scratch folder and returns its path.
    ///
    /// # Errors
    /// `Config` when the name is not a plain file name; else when it cannot be written.
    pub fn scratch_file(&self, name: &str, content: &[u8]) -> Result<PathBuf> {
        if Path::new(name).file_name() != Some(name.as_ref()) {
            return Err(Error::config(format!("`{name}` is not a plain file name")));
        }
        let path = self.scratch()?.join(name);
        world::write_private(&path, content)?;
        Ok(path)
    }

    /// Emits an event of this task, with every secret hidden.
    pub fn emit(&self, kind: EventKind) {
        self.0.run.emit(self.0.task.clone(), kind);
    }

    /// Emits a message for people.
    pub fn message(&self, level: Level, text: impl Into<String>) {
        self.emit(EventKind::Message { level, text: text.into() });
    }

    /// Returns what was hashed already.
    pub(crate) fn file_index(&self) -> &FileIndex {
        self.0.run.file_index()
    }

    fn masks(&self) -> &mask::Masks {
        self.0.run.masks()
    }

    /// Emits a line that something printed.
    pub fn output(&self, stream: Stream, line: &str) {
        self.emit(EventKind::Output { stream, line: line.trim_end_matches('\r').to_owned() });
    }

    /// Returns what the first task of this run to ask under this key got; the others wait for it.
    ///
    /// For what is the same for all tasks of a run and costs something to find out, such as a repository's
    /// status. The key is within the answer's type, so a plug-in with a type of its own meets no other's
    /// keys. An error is not kept: whoever asks next, asks again.
    ///
    /// # Errors
    /// What `ask` says.
    pub async fn once<T: Send + Sync + 'static>(
        &self,
        key: &str,
        ask: impl Future<Output = Result<T>> + Send,
    ) -> Result<Arc<T>> {
        self.0.run.found().get(key, ask).await
    }

    /// Runs blocking work on a thread of its own, with this context.
    ///
    /// # Errors
    /// What the work says; `Internal` when it panics.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if self.world().in_place {
            return work(self);
        }
        let cx = self.clone();
        match tokio::task::spawn_blocking(move || work(&cx)).await {
            Ok(result) => result,
            Err(error) => Err(Error::internal("blocking work panicked").source(error)),
        }
    }

    /// Returns an error once the task must stop at once, for blocking work to ask between two steps.
    ///
    /// # Errors
    /// `Cancelled` when it is forced, `Timeout` when its deadline has passed.
    pub fn check_stopped(&self) -> Result<()> {
        match self.0.cancel.state() {
            Some((Stage::Forced, reason)) => Err(Error::cancelled(reason.to_string())),
            _ if self.0.deadline.is_some_and(|deadline| deadline <= self.clock().elapsed()) => Err(late()),
            _ => Ok(()),
        }
    }

    /// Returns once the task must stop at once: it is forced, or its deadline has passed.
    pub async fn stopped(&self) -> Error {
        let deadline = async {
            match self.0.deadline {
                Some(deadline) => self.clock().sleep(deadline.saturating_sub(self.clock().elapsed())).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            reason = self.0.cancel.forced() => Error::cancelled(reason.to_string()),
            () = deadline => late(),
        }
    }

    /// Waits on the context's clock.
    ///
    /// # Errors
    /// `Cancelled` as soon as cancellation is requested; `Timeout` at the deadline.
    pub async fn sleep(&self, duration: Duration) -> Result<()> {
        tokio::select! {
            biased;
            reason = self.0.cancel.requested() => Err(Error::cancelled(reason.to_string())),
            error = self.stopped() => Err(error),
            () = self.clock().sleep(duration) => Ok(()),
        }
    }

    fn world(&self) -> &World {
        self.0.run.world()
    }
}

fn late() -> Error {
    Error::timeout("the task's deadline passed")
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(path) = self.scratch.get() {
            world::remove_scratch(path);
        }
    }
}
