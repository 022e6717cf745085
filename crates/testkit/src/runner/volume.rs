//! R4 and R5: volumes.

use std::path::{Path, PathBuf};

use shipway_core::{Mount, MountSource, RunRequest, Tree, Volume};

use super::{Runners, stage::Stage};
use crate::{
    clause::{Trouble, ensure, says_unsupported},
    folder,
    suite::Bench,
};

/// Where commands see the volume.
const TARGET: &str = "/shipway-volume";

fn mounting(stage: &Stage, script: &str) -> RunRequest {
    let mount = Mount::new(MountSource::Volume("kit".to_owned()), PathBuf::from(TARGET));
    stage.script(script).mounts([mount])
}

pub(super) async fn is_shared_and_comes_back(bench: Bench<Runners>) -> Result<(), Trouble> {
    let stage = Stage::new(&bench)?;
    let from = stage.room.root.join("kit-volume");
    folder::make(&from.join("folder/empty"))?;
    for (path, content) in [("plain.txt", "plain\n"), ("folder/a b", "blank"), ("left.out", "never")] {
        folder::write(&from.join(path), content, 0o644)?;
    }
    folder::write(&from.join("folder/run.sh"), "#!/bin/sh\n", 0o755)?;
    folder::link(&from.join("folder/link"), "run.sh")?;
    let into = stage.room.root.join("kit-back");
    let tree = Tree::new("kit-volume").ignore(["*.out".to_owned()]);
    let volume = Volume::new("kit").from(tree).into(PathBuf::from("kit-back"));
    let cx = stage.context("check");
    stage.runner.open(&cx, &volume).await?;
    for (script, what) in [
        (
            format!(
                "cd {TARGET} && [ ! -e left.out ] && [ -x folder/run.sh ] && [ ! -x plain.txt ] && \
                     [ -d folder/empty ] && [ \"$(cat 'folder/a b')\" = blank ]"
            ),
            "what the volume was opened with is not there as it was",
        ),
        (format!("echo made > {TARGET}/made && rm {TARGET}/plain.txt"), "the volume cannot be written"),
        (
            format!(
                "[ \"$(cat {TARGET}/made)\" = made ] && [ ! -e {TARGET}/plain.txt ] && \
                     chmod 755 {TARGET}/made && mkdir {TARGET}/new"
            ),
            "what one command did is not there for the next",
        ),
    ] {
        let exit = stage.run(&mounting(&stage, &script)).await?;
        ensure(exit.code == 0, || format!("{what}: {}", exit.stderr))?;
    }
    let before = folder::state(&from)?;
    stage.runner.close(&cx, &volume).await?;
    ensure(folder::state(&from)? == before, || "the sources were changed".to_owned())?;
    let back = paths(&into)?;
    let expected = ["folder", "folder/a b", "folder/empty", "folder/link", "folder/run.sh", "made", "new"];
    ensure(back == expected, || format!("what came back is {back:?}"))?;
    for (path, content, mode) in
        [("made", "made\n", 0o755), ("folder/a b", "blank", 0o644), ("folder/run.sh", "#!/bin/sh\n", 0o755)]
    {
        let seen = folder::read(&into.join(path))?;
        ensure(seen == (content.to_owned(), mode), || format!("`{path}` came back as {seen:?}"))?;
    }
    Ok(())
}

fn paths(folder: &Path) -> Result<Vec<String>, Trouble> {
    Ok(folder::state(folder)?.into_keys().collect())
}

pub(super) async fn opens_and_closes_again(bench: Bench<Runners>) -> Result<(), Trouble> {
    let stage = Stage::new(&bench)?;
    let volume = Volume::new("kit").into(PathBuf::from("kit-back"));
    let cx = stage.context("check");
    stage.runner.open(&cx, &volume).await?;
    let exit = stage.run(&mounting(&stage, &format!("echo kept > {TARGET}/file"))).await?;
    ensure(exit.code == 0, || format!("the volume cannot be written: {}", exit.stderr))?;
    stage.runner.open(&cx, &volume).await?;
    let exit = stage.run(&mounting(&stage, &format!("cat {TARGET}/file"))).await?;
    ensure(exit.code == 0, || "opened again, the volume lost what was in it".to_owned())?;
    for _ in 0..2 {
        stage.runner.close(&cx, &volume).await?;
        let back = paths(&stage.room.root.join("kit-back"))?;
        ensure(back == ["file"], || format!("what came back is {back:?}"))?;
    }
    // One that was never opened is closed already.
    stage.runner.close(&cx, &Volume::new("never")).await?;
    Ok(())
}

pub(super) async fn is_unsupported(bench: Bench<Runners>) -> Result<(), Trouble> {
    let stage = Stage::new(&bench)?;
    let cx = stage.context("check");
    says_unsupported("a volume", stage.runner.open(&cx, &Volume::new("kit")).await)
}
