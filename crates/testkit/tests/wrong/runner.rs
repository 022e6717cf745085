//! A runner that does everything right, and the wrongs that it can be told to do. Its volumes are
//! folders, and commands see them where they lie.

#![expect(clippy::disallowed_methods, reason = "wrong plug-ins go past the doors")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::symlink,
    path::Path,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use shipway_core::{
    Capabilities, Context, EntryKind, Error, ErrorKind, Exit, Feature, MountSource, Result, RunRequest,
    Runner, Stream, Volume,
};
use tempfile::TempDir;

/// One thing that a runner does wrong; the clause that it breaks comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Nothing,
    NothingButLess,
    R1FailsForACode,
    R1KeepsNoWords,
    R2TakesAMissingProgramForAFailure,
    R2LooksAtPathsOtherwise,
    R3PrintsAllAtTheEnd,
    R3KeepsNothing,
    R4LosesModes,
    R4CopiesNothingBack,
    R5OpensAnew,
    R5ClosesOnce,
    R6PassesItsOwnEnvironmentOn,
    R6LeavesEmptyOnesOut,
    R7LeavesAChild,
    R7TakesTheDeadlineForAnEnd,
    R7CallsItAFailure,
    R8HasOneInput,
    R9RunsItAnywhere,
    R9DoesNotRefuse,
}

pub(crate) const WRONGS: &[(&str, Wrong)] = &[
    ("R1", Wrong::R1FailsForACode),
    ("R1", Wrong::R1KeepsNoWords),
    ("R2", Wrong::R2TakesAMissingProgramForAFailure),
    ("R2", Wrong::R2LooksAtPathsOtherwise),
    ("R3", Wrong::R3PrintsAllAtTheEnd),
    ("R3", Wrong::R3KeepsNothing),
    ("R4", Wrong::R4LosesModes),
    ("R4", Wrong::R4CopiesNothingBack),
    ("R5", Wrong::R5OpensAnew),
    ("R5", Wrong::R5ClosesOnce),
    ("R6", Wrong::R6PassesItsOwnEnvironmentOn),
    ("R6", Wrong::R6LeavesEmptyOnesOut),
    ("R7", Wrong::R7LeavesAChild),
    ("R7", Wrong::R7TakesTheDeadlineForAnEnd),
    ("R7", Wrong::R7CallsItAFailure),
    ("R8", Wrong::R8HasOneInput),
    ("R9", Wrong::R9RunsItAnywhere),
    ("R9", Wrong::R9DoesNotRefuse),
];

/// The one image that it knows, which is where it is itself.
pub(crate) const IMAGE: &str = "sheller";

#[derive(Debug)]
pub(crate) struct Sheller {
    wrong: Wrong,
    volumes: Arc<Mutex<BTreeMap<String, TempDir>>>,
    input: Arc<Mutex<Option<String>>>,
}

impl Sheller {
    pub(crate) fn new(wrong: Wrong) -> Self {
        Self { wrong, volumes: Arc::default(), input: Arc::default() }
    }

    /// Returns the request with the folders of the volumes in the place of where they are mounted.
    fn placed(&self, request: &RunRequest) -> Result<RunRequest> {
        let mut request = request.clone();
        for mount in &request.mounts {
            let MountSource::Volume(name) = &mount.source else {
                return Err(Error::unsupported("only volumes are mounted"));
            };
            let volumes = self.volumes.lock().expect("not poisoned");
            let volume = volumes.get(name).ok_or_else(|| Error::not_found(format!("no volume `{name}`")))?;
            let folder = volume.path();
            let target = mount.target.to_str().expect("text");
            for arg in &mut request.command.args {
                *arg = arg.replace(target, folder.to_str().expect("text"));
            }
        }
        Ok(request)
    }
}

#[async_trait]
impl Runner for Sheller {
    fn capabilities(&self) -> Capabilities {
        match self.wrong {
            Wrong::NothingButLess => Capabilities::new(),
            Wrong::R9DoesNotRefuse => Capabilities::new().features(BTreeSet::from([Feature::Mounts])),
            _ => Capabilities::new().features(BTreeSet::from([Feature::Images, Feature::Mounts])),
        }
    }

    async fn open(&self, cx: &Context, volume: &Volume) -> Result<()> {
        if self.wrong == Wrong::NothingButLess {
            return Err(Error::unsupported("there are no volumes here"));
        }
        let mut volumes = self.volumes.lock().expect("not poisoned");
        if volumes.contains_key(&volume.name) && self.wrong != Wrong::R5OpensAnew {
            return Ok(());
        }
        let folder = tempfile::tempdir().expect("a folder");
        if let Some(tree) = &volume.from {
            for entry in cx.files().walk(cx, tree)? {
                let (from, to) = (cx.path(&tree.root).join(&entry.path), folder.path().join(&entry.path));
                let made = match &entry.kind {
                    EntryKind::Folder => fs::create_dir_all(to),
                    EntryKind::Link(text) => symlink(text, to),
                    _ => fs::copy(from, to).map(drop),
                };
                made.map_err(|error| Error::io("copy", &tree.root, error))?;
            }
        }
        volumes.insert(volume.name.clone(), folder);
        Ok(())
    }

    async fn run(&self, cx: &Context, request: &RunRequest) -> Result<Exit> {
        if let Some((shipway_core::Stage::Forced, reason)) = cx.cancel().state() {
            return Err(Error::cancelled(reason.to_string()));
        }
        let refuses = !matches!(self.wrong, Wrong::R9RunsItAnywhere | Wrong::R9DoesNotRefuse);
        match &request.image {
            Some(_) if self.wrong == Wrong::NothingButLess => {
                return Err(Error::unsupported("there are no images here"));
            }
            Some(image) if refuses && image.repository != IMAGE => {
                return Err(Error::not_found(format!("there is no `{}`", image.repository)));
            }
            _ => {}
        }
        let mut command = self.placed(request)?.command;
        let by_path = command.program.contains('/');
        let prints_late = self.wrong == Wrong::R3PrintsAllAtTheEnd && !command.capture;
        match self.wrong {
            Wrong::R3PrintsAllAtTheEnd => command.capture = true,
            Wrong::R3KeepsNothing => command.capture = false,
            Wrong::R6LeavesEmptyOnesOut => command.env.retain(|_, value| !value.is_empty()),
            Wrong::R6PassesItsOwnEnvironmentOn => {
                for (name, value) in std::env::vars() {
                    command.env.entry(name).or_insert(value);
                }
            }
            Wrong::R7LeavesAChild => {
                let script = command.args.last().cloned().unwrap_or_default();
                if script.contains("sleep 1000 &") {
                    let escaped = script.replace("sleep 1000 &", "setsid sleep 20 >&- 2>&- &");
                    command.args.pop();
                    command.args.push(escaped);
                }
            }
            Wrong::R8HasOneInput if command.stdin.is_some() => {
                let mut input = self.input.lock().expect("not poisoned");
                command.stdin = Some(input.get_or_insert(command.stdin.unwrap_or_default()).clone());
            }
            _ => {}
        }
        let result = cx.run(command).await;
        match (self.wrong, result) {
            (Wrong::R1FailsForACode, Ok(exit)) if exit.code != 0 => exit.success("command"),
            (Wrong::R1KeepsNoWords, Ok(exit)) if exit.code != 0 => Ok(Exit::new(exit.code)),
            (Wrong::R2LooksAtPathsOtherwise, Err(error))
                if error.kind() == ErrorKind::MissingTool && by_path =>
            {
                Err(Error::new(ErrorKind::ToolFailed, "the command failed"))
            }
            (Wrong::R7CallsItAFailure, Err(error)) if error.kind() == ErrorKind::Cancelled => {
                Err(Error::new(ErrorKind::ToolFailed, "the command was interrupted"))
            }
            (Wrong::R2TakesAMissingProgramForAFailure, Err(error))
                if error.kind() == ErrorKind::MissingTool =>
            {
                Err(Error::new(ErrorKind::ToolFailed, "the command failed"))
            }
            (Wrong::R7TakesTheDeadlineForAnEnd, Err(error)) if error.kind() == ErrorKind::Timeout => {
                Ok(Exit::new(0))
            }
            (_, Ok(exit)) if prints_late => {
                exit.stdout.lines().for_each(|line| cx.output(Stream::Stdout, line));
                Ok(Exit::new(exit.code).stderr(exit.stderr))
            }
            (_, result) => result,
        }
    }

    async fn close(&self, cx: &Context, volume: &Volume) -> Result<()> {
        let mut volumes = self.volumes.lock().expect("not poisoned");
        let Some(folder) = volumes.remove(&volume.name) else {
            return match self.wrong {
                Wrong::R5ClosesOnce => Err(Error::not_found(format!("no volume `{}`", volume.name))),
                _ => Ok(()),
            };
        };
        match &volume.into {
            Some(into) if self.wrong != Wrong::R4CopiesNothingBack || volume.from.is_none() => {
                let modes = self.wrong != Wrong::R4LosesModes;
                copy_folder(folder.path(), &cx.path(into), modes)
                    .map_err(|error| Error::io("copy", into, error))
            }
            _ => Ok(()),
        }
    }
}

fn copy_folder(from: &Path, to: &Path, modes: bool) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy_folder(&source, &target, modes)?;
        } else if entry.file_type()?.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else if modes {
            fs::copy(&source, &target)?;
        } else {
            fs::write(&target, fs::read(&source)?)?;
        }
    }
    Ok(())
}
