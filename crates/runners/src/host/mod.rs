//! The runner that runs commands on this machine.

mod place;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shipway_core::{
    Capabilities, Catalog, Context, EntryKind, Error, Exit, Feature, MountSource, PluginConfig, Result,
    RunRequest, Runner, Tree, Volume,
};

use self::place::Places;
use crate::folder::{Folder, beginning, is_there, protect, remove, settle};

/// The most bytes of a result file.
const RESULT: u64 = 4096;

/// Runs commands on this machine, in the context's environment, as processes of their own.
///
/// A machine has one file system, so nothing can be mounted at a path of a command's choice: a volume,
/// a secret and a text lie in folders of the run's own, and wherever the command (its program,
/// arguments, variables and working folder) names the target of a mount or what is below it, the real
/// path is put in its place. Text that a command makes up by itself is not seen by this.
///
/// ```
/// use shipway_core::{Command, Cancel, RunContext, RunRequest, Runner, World};
/// use shipway_runners::Host;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let cx = RunContext::new(World::host("/"), "1").context(None, None, Cancel::new());
/// let request = RunRequest::new(Command::new("sh").args(["-c".to_owned(), "exit 3".to_owned()]));
/// assert_eq!(Host::new().run(&cx, &request).await?.code, 3);
/// # Ok::<_, shipway_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Host;

/// The options of the runner `host`: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct HostConfig {}

impl PluginConfig for HostConfig {
    const KIND: &'static str = "host";

    type Plugin = Host;

    fn into_plugin(self, _catalog: &Catalog) -> Result<Host> {
        Ok(Host)
    }
}

impl Host {
    /// Returns the runner.
    #[must_use]
    pub fn new() -> Self {
        Self
    }

    /// Returns the request with real paths in the place of its mounts, and where its result will be.
    async fn place(&self, cx: &Context, request: &RunRequest) -> Result<(RunRequest, Option<PathBuf>)> {
        let mut request = request.clone();
        let mut places = Places::default();
        for mount in &request.mounts {
            let real = match &mount.source {
                MountSource::Volume(name) => {
                    let folder = volume_folder(cx, name)?;
                    if !is_there(&folder, cx.scratch()?)? {
                        return Err(Error::config(format!("the volume `{name}` is not open")));
                    }
                    folder
                }
                MountSource::Host(path) => cx.path(path),
                MountSource::Secret(id) => file(cx, cx.secret(id).await?.expose())?,
                MountSource::Text(text) => file(cx, text)?,
                _ => return Err(Error::unsupported("runner `host` does not know this kind of mount")),
            };
            let lasts = matches!(mount.source, MountSource::Volume(_) | MountSource::Host(_));
            if mount.read_only && lasts {
                return Err(Error::unsupported(format!(
                    "runner `host` cannot keep a command from writing to `{}`",
                    mount.target.display()
                ))
                .hint("mount it without `read_only`, or use a runner of containers"));
            }
            places.add(&mount.target, real)?;
        }
        let mut result = None;
        if let Some(target) = &request.result {
            let place = match places.find(target) {
                Some(place) => place,
                None => {
                    let place = cx.scratch()?.join(unlike("result"));
                    places.add(target, place.clone())?;
                    place
                }
            };
            result = Some(place);
        }
        places.put_into(&mut request.command);
        Ok((request, result))
    }
}

#[async_trait]
impl Runner for Host {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new().features(BTreeSet::from([Feature::Mounts]))
    }

    async fn open(&self, cx: &Context, volume: &Volume) -> Result<()> {
        let folder = volume_folder(cx, &volume.name)?;
        let from = volume.from.clone();
        cx.blocking(move |cx| {
            if is_there(&folder, cx.scratch()?)? {
                return Ok(());
            }
            // Filled elsewhere, so that whoever finds it finds it whole.
            let beside = cx.scratch()?.join(unlike("volume"));
            let filled = Folder::make_private(&beside).and_then(|into| match &from {
                Some(tree) => fill(cx, &into, tree),
                None => Ok(()),
            });
            match filled.and_then(|()| settle(&beside, &folder)) {
                Ok(()) => Ok(()),
                Err(error) => {
                    remove(&beside)?;
                    Err(error)
                }
            }
        })
        .await
    }

    async fn run(&self, cx: &Context, request: &RunRequest) -> Result<Exit> {
        if let Some(image) = &request.image {
            return Err(Error::unsupported(format!(
                "runner `host` runs nothing inside image `{}`",
                image.reference()
            ))
            .hint("use runner `docker`"));
        }
        if request.command.program.is_empty() {
            return Err(Error::config("the command has no program")
                .hint("only in an image an empty program means the entrypoint"));
        }
        cx.check_stopped()?;
        let (request, result) = self.place(cx, request).await?;
        let exit = cx.run(request.command).await?;
        let Some(path) = result else { return Ok(exit) };
        let said = cx.blocking(move |_| beginning(&path, RESULT)).await?;
        Ok(exit.result(said.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())))
    }

    async fn close(&self, cx: &Context, volume: &Volume) -> Result<()> {
        let folder = volume_folder(cx, &volume.name)?;
        let into = volume.into.clone();
        cx.blocking(move |cx| {
            if !is_there(&folder, cx.scratch()?)? {
                return Ok(());
            }
            let copied = match into {
                Some(into) => Folder::make(&cx.path(&into)).and_then(|into| into.copy_from(cx, &folder)),
                None => Ok(()),
            };
            remove(&folder)?;
            copied
        })
        .await
    }
}

/// Returns where a volume lies: beside the tasks' scratch folders, because it outlives the task that
/// opens it. The run's id is in the name, so that a run that is resumed finds it again.
fn volume_folder(cx: &Context, name: &str) -> Result<PathBuf> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        return Err(Error::config(format!("`{name}` is not the name of a volume"))
            .hint("use letters, digits, `-`, `_` and `.`"));
    }
    let run: String = cx.run_id().chars().map(|c| if plain(c) { c } else { '-' }).collect();
    let base = cx.scratch()?.parent().unwrap_or(Path::new("/"));
    Ok(base.join(format!("shipway-volume-{run}-{name}")))
}

fn fill(cx: &Context, into: &Folder, tree: &Tree) -> Result<()> {
    for entry in cx.files().walk(cx, tree)? {
        match &entry.kind {
            EntryKind::Folder => into.folder(&entry.path, entry.mode)?,
            EntryKind::Link(text) => into.link(&entry.path, text)?,
            EntryKind::File => {
                let mut file = cx.files().open(cx, &tree.root, &entry.path)?;
                std::io::copy(&mut file.reader, &mut into.file(&entry.path, entry.mode)?)
                    .map_err(|error| Error::io("copy", &cx.path(&tree.root).join(&entry.path), error))?;
            }
            _ => crate::folder::warn_of_special(cx, &entry.path),
        }
    }
    Ok(())
}

/// Writes a file that its owner alone can read, and returns its path.
fn file(cx: &Context, text: &str) -> Result<PathBuf> {
    let path = cx.scratch_file(&unlike("mount"), text.as_bytes())?;
    protect(&path)?;
    Ok(path)
}

/// Returns a name that no other command of this process has.
fn unlike(name: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}
