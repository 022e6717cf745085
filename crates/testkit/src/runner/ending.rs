//! R1, R2 and R7: how commands end.

use std::time::Duration;

use shipway_core::{Cancel, CancelReason, ErrorKind, Stage as CancelStage};

use super::{Runners, stage::Stage};
use crate::{
    GRACE,
    clause::{Trouble, broken, ensure, kind_and_text},
    folder,
    suite::Bench,
};

pub(super) async fn a_code_is_an_exit(bench: Bench<Runners>) -> Result<(), Trouble> {
    let stage = Stage::new(&bench)?;
    for code in [0, 1, 3, 125, 126, 127, 255] {
        let exit = stage.run(&stage.script(&format!("echo the end >&2; exit {code}"))).await?;
        ensure(exit.code == code, || {
            format!("the command ended with {code}, and the exit says {}", exit.code)
        })?;
        ensure(exit.stderr.contains("the end"), || {
            format!("the end of standard error is not in the exit but `{}`", exit.stderr)
        })?;
    }
    Ok(())
}

pub(super) async fn a_missing_program(bench: Bench<Runners>) -> Result<(), Trouble> {
    let stage = Stage::new(&bench)?;
    for program in ["shipway-no-such-program", "/no/such/program"] {
        let request = stage.program(program, &["argument"]);
        match stage.runner.run(&stage.context("check"), &request).await {
            Err(error) if error.kind() == ErrorKind::MissingTool => {}
            Err(error) => {
                return broken(format!("for `{program}` its answer is {}", kind_and_text(error.report())));
            }
            Ok(exit) => return broken(format!("`{program}` ended with {}", exit.code)),
        }
    }
    Ok(())
}

pub(super) async fn a_stopped_command_leaves_nothing(bench: Bench<Runners>) -> Result<(), Trouble> {
    for (how, kind) in [("cancelled", ErrorKind::Cancelled), ("timed out", ErrorKind::Timeout)] {
        let stage = Stage::new(&bench)?;
        let cancel = Cancel::new();
        let deadline = (kind == ErrorKind::Timeout).then(|| stage.context("clock").clock().elapsed() + SOON);
        let cx = stage.stoppable("check", deadline, cancel.clone());
        // With a child, which would outlive a runner that ends only what it started itself.
        let request = stage.script("sleep 1000 & echo started; sleep 1000; wait");
        let mut running = stage.runner.run(&cx, &request);
        // Who prints late is another clause's matter.
        let started = tokio::time::timeout(SOON, stage.first_line("check"));
        let result = tokio::select! {
            result = &mut running => Some(result),
            _ = started => None,
        };
        if kind == ErrorKind::Cancelled {
            cancel.escalate(CancelStage::Forced, CancelReason::Asked);
        }
        let result = match result {
            Some(result) => result,
            None => match tokio::time::timeout(SOON + GRACE, &mut running).await {
                Ok(result) => result,
                Err(_) => return broken(format!("{how}, the command still ran {GRACE:?} later")),
            },
        };
        drop(running);
        match result {
            Err(error) if error.kind() == kind => {}
            Err(error) => {
                return broken(format!("{how}, its answer is {}", kind_and_text(error.report())));
            }
            Ok(exit) => return broken(format!("{how}, the command ended with {}", exit.code)),
        }
        drop(cx);
        let left = |what: &str, names: &[String]| {
            ensure(names.is_empty(), || format!("{how}, it left {what}: `{}`", names.join("`, `")))
        };
        left("processes", &folder::processes_after(&stage.room.mark, SOON).await)?;
        left("scratch files", &folder::left_after(&stage.room.scratch, GRACE).await?)?;
        if let Some(look) = &stage.role.left {
            left("something elsewhere", &look().await)?;
        }
    }
    // What had not begun does not begin.
    let stage = Stage::new(&bench)?;
    let cancel = Cancel::new();
    cancel.escalate(CancelStage::Forced, CancelReason::Asked);
    let cx = stage.stoppable("check", None, cancel);
    match stage.runner.run(&cx, &stage.script("echo ran")).await {
        Err(error) if error.kind() == ErrorKind::Cancelled => Ok(()),
        Err(error) => {
            broken(format!("cancelled before it began, its answer is {}", kind_and_text(error.report())))
        }
        Ok(_) => broken("cancelled before it began, it ran the command all the same"),
    }
}

/// Long enough for a command to begin, on a busy machine too.
const SOON: Duration = Duration::from_secs(3);
