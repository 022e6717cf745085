//! S4: what a tester leaves when it is stopped.

use shipway_core::{Cancel, ErrorKind, RunContext};

use super::{Testers, site::Site};
use crate::{
    GRACE,
    clause::{Trouble, broken, ensure, kind_and_text},
    folder,
    room::task,
    suite::Bench,
    tripwire::{Tripwire, cuts},
};

pub(super) async fn nothing_is_left_after_cancel(bench: Bench<Testers>) -> Result<(), Trouble> {
    let mut site = Site::new(&bench).await?;
    let (world, wire) = Tripwire::across(site.room.world.clone(), u64::MAX, Cancel::new());
    site.room.world = world;
    site.test(site.tester().as_ref(), &site.passes).await?;
    for at in cuts(wire.uses()) {
        cut(&Site::new(&bench).await?, at).await?;
    }
    Ok(())
}

/// Cuts one test at a use of a door, and looks at what it says and leaves.
async fn cut(site: &Site, at: u64) -> Result<(), Trouble> {
    let before = folder::state(&site.room.root)?;
    let cancel = Cancel::new();
    let (world, wire) = Tripwire::across(site.room.world.clone(), at, cancel.clone());
    let cx = RunContext::new(world, "conformance").context(task(), None, cancel.clone());
    let tester = site.tester();
    let mut testing = tester.test(&cx, &site.passes);
    let result = tokio::select! {
        result = &mut testing => result,
        _ = cancel.forced() => match tokio::time::timeout(GRACE, &mut testing).await {
            Ok(result) => result,
            Err(_) => return broken(format!("it was forced to stop, and still ran {GRACE:?} later")),
        },
    };
    drop(testing);
    drop(cx);
    let when = if at == 0 { "before it began".to_owned() } else { format!("at use {at} of a door") };
    match result {
        // What was nearly done may be finished; what had not begun may not. Either way nothing is left.
        Ok(_) if at > 0 => {}
        Ok(_) => return broken(format!("forced to stop {when}, it judged all the same")),
        Err(error) if error.kind() == ErrorKind::Cancelled => {}
        Err(error) => {
            let answer = kind_and_text(error.report());
            return broken(format!("forced to stop {when}, it did not say `cancelled` but {answer}"));
        }
    }
    let left = |what: &str, names: &[String]| {
        ensure(names.is_empty(), || {
            format!("forced to stop {when}, it left {what}: `{}`", names.join("`, `"))
        })
    };
    ensure(wire.running() == 0, || format!("forced to stop {when}, it left {} commands", wire.running()))?;
    left("processes", &folder::processes_with(&site.room.mark))?;
    left("files among the tests", &folder::differences(&before, &folder::state(&site.room.root)?))?;
    left("scratch files", &folder::left_after(&site.room.scratch, GRACE).await?)
}
