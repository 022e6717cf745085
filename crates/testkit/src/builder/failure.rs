//! B7, B8 and B9: what a builder leaves and says when it does not go well.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use shipway_core::{Cancel, Command, Context, ErrorKind, Exit, Processes, Result as CoreResult, Stream};

use super::{Builders, site::Site};
use crate::{
    canary::Canaries,
    clause::{Trouble, broken, ensure, kind_and_text, unchecked},
    cut::Cut,
    room::task,
    suite::Bench,
    tripwire::{Tripwire, cuts},
};

pub(super) async fn a_cancelled_build_says_so(bench: Bench<Builders>) -> Result<(), Trouble> {
    let mut site = Site::new(&bench).await?;
    let builder = site.builder();
    let declared = site.declare(&site.context(), builder.as_ref()).await?;
    let (world, wire) = Tripwire::across(site.room.world.clone(), u64::MAX, Cancel::new());
    site.room.world = world;
    builder.build(&site.context(), &site.request(&declared)).await?;
    for at in cuts(wire.uses()) {
        cut(&Site::new(&bench).await?, at).await?;
    }
    Ok(())
}

/// Cuts one build at a use of a door, and looks at what it says and leaves.
async fn cut(site: &Site, at: u64) -> Result<(), Trouble> {
    let builder = site.builder();
    let declared = site.declare(&site.context(), builder.as_ref()).await?;
    let request = site.request(&declared);
    let cut = Cut::new(&site.room, at)?;
    let cx = cut.context();
    if cut.finishes("built the image", builder.build(&cx, &request)).await? {
        return Ok(());
    }
    drop(cx);
    cut.leaves_nothing("sources").await?;
    let built = site.find(&site.target.reference()).await?;
    ensure(built.is_none(), || format!("forced to stop {}, it left an image in the target", cut.when()))
}

/// Every command fails, with last words.
#[derive(Debug, Default)]
struct Failing {
    programs: Mutex<Vec<String>>,
}

const LAST_WORDS: &str = "last words of the conformance kit";

#[async_trait]
impl Processes for Failing {
    async fn run(&self, cx: &Context, command: Command) -> CoreResult<Exit> {
        self.programs.lock().unwrap_or_else(PoisonError::into_inner).push(command.program.clone());
        // As a careless tool would: it prints what it was given.
        let mut shown = String::new();
        for id in command.secrets.values() {
            shown.push_str(cx.secret(id).await?.expose());
            shown.push('\n');
        }
        let output = format!("{shown}{LAST_WORDS}\n");
        for line in output.lines() {
            cx.output(Stream::Stderr, line);
        }
        Ok(Exit::new(42).stderr(output))
    }
}

/// Builds with commands that fail, and returns what they were called and the build's error.
async fn fail(site: &mut Site) -> Result<(Vec<String>, shipway_core::ErrorReport), Trouble> {
    let builder = site.builder();
    let declared = site.declare(&site.context(), builder.as_ref()).await?;
    let failing = Arc::new(Failing::default());
    site.room.world.processes = Arc::<Failing>::clone(&failing);
    let run = site.room.run();
    let result = builder.build(&run.context(task(), None, Cancel::new()), &site.request(&declared)).await;
    let programs = failing.programs.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match (programs.is_empty(), result) {
        (true, _) => unchecked("it runs no command"),
        (false, Ok(_)) => broken(format!("`{}` failed, and the build did not", programs.join("`, `"))),
        (false, Err(error)) => Ok((programs, run.report(error))),
    }
}

pub(super) async fn names_the_tool(bench: Bench<Builders>) -> Result<(), Trouble> {
    let mut site = Site::new(&bench).await?;
    let (programs, report) = fail(&mut site).await?;
    ensure(report.kind == ErrorKind::ToolFailed, || {
        format!("a failed command is not `tool failed` but {}", kind_and_text(&report))
    })?;
    let text = report.to_string();
    let name = |program: &String| program.rsplit('/').next().unwrap_or_default().to_owned();
    ensure(programs.iter().any(|program| text.contains(&name(program))), || {
        format!("none of `{}` is named by the error: {text}", programs.join("`, `"))
    })?;
    ensure(text.contains(LAST_WORDS), || {
        format!("the end of the command's output is not in the error: {text}")
    })
}

pub(super) async fn no_secret_leaks(bench: Bench<Builders>) -> Result<(), Trouble> {
    for failing in [false, true] {
        let mut site = Site::new(&bench).await?;
        let canaries = Canaries::over(Arc::clone(&site.room.world.credentials));
        site.room.world = site.room.world.credentials(canaries.clone());
        let mut texts: Vec<(&str, String)> = Vec::new();
        let mut show = |what, value: Result<String, serde_json::Error>| {
            texts.push((what, value.unwrap_or_default()));
        };
        let run = site.room.run();
        let cx = run.context(task(), None, Cancel::new());
        let builder = site.builder();
        let declared = site.declare(&cx, builder.as_ref()).await?;
        show("the inputs", serde_json::to_string(&declared.inputs));
        show("the snapshot", serde_json::to_string(&declared.snapshot));
        if failing {
            match fail(&mut site).await {
                Ok((_, report)) => show("the error", serde_json::to_string(&report)),
                // Only the failure is of interest here; that it runs no command is no trouble of this clause.
                Err(_) => continue,
            }
        } else {
            match builder.build(&cx, &site.request(&declared)).await {
                Ok(image) => show("the image", serde_json::to_string(&image)),
                Err(error) => show("the error", serde_json::to_string(&run.report(error))),
            }
        }
        show("an event", serde_json::to_string(&site.room.record.events()));
        for (what, text) in texts {
            if let Some(how) = canaries.leaked(&text) {
                return broken(format!("a secret is in {what}, {how}"));
            }
        }
    }
    Ok(())
}
