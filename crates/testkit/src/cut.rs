//! Work that is forced to stop at a use of a door: what it says, and what it leaves (B7, S4).

use std::{pin::pin, sync::Arc};

use shipway_core::{Cancel, Context, ErrorKind, Result as CoreResult, RunContext, World};

use crate::{
    GRACE,
    clause::{Trouble, broken, ensure, kind_and_text},
    folder::{self, FolderState},
    room::{Room, task},
    tripwire::Tripwire,
};

/// One use of a door, at which somebody forces the work to stop; the first is before it begins.
pub(crate) struct Cut<'a> {
    room: &'a Room,
    at: u64,
    cancel: Cancel,
    world: World,
    wire: Arc<Tripwire>,
    before: FolderState,
}

impl<'a> Cut<'a> {
    pub(crate) fn new(room: &'a Room, at: u64) -> Result<Self, Trouble> {
        let before = folder::state(&room.root)?;
        let cancel = Cancel::new();
        let (world, wire) = Tripwire::across(room.world.clone(), at, cancel.clone());
        Ok(Self { room, at, cancel, world, wire, before })
    }

    /// Returns the context of the work, which its scratch goes with.
    pub(crate) fn context(&self) -> Context {
        RunContext::new(self.world.clone(), "conformance").context(task(), None, self.cancel.clone())
    }

    /// Says when the work was to stop.
    pub(crate) fn when(&self) -> String {
        if self.at == 0 { "before it began".to_owned() } else { format!("at use {} of a door", self.at) }
    }

    /// Waits for the work, within the grace once it is forced, and returns whether it finished all the
    /// same: what was nearly done may, what had not begun may not.
    pub(crate) async fn finishes<T>(
        &self,
        finished: &str,
        work: impl Future<Output = CoreResult<T>>,
    ) -> Result<bool, Trouble> {
        let mut work = pin!(work);
        let result = tokio::select! {
            result = &mut work => result,
            _ = self.cancel.forced() => match tokio::time::timeout(GRACE, &mut work).await {
                Ok(result) => result,
                Err(_) => return broken(format!("it was forced to stop, and still ran {GRACE:?} later")),
            },
        };
        let when = self.when();
        match result {
            Ok(_) if self.at > 0 => Ok(true),
            Ok(_) => broken(format!("forced to stop {when}, it {finished} all the same")),
            Err(error) if error.kind() == ErrorKind::Cancelled => Ok(false),
            Err(error) => {
                let answer = kind_and_text(error.report());
                broken(format!("forced to stop {when}, it did not say `cancelled` but {answer}"))
            }
        }
    }

    /// Checks that no command, process or file is left; `among` says what the room's files are. To be asked
    /// once the work and its context are gone.
    pub(crate) async fn leaves_nothing(&self, among: &str) -> Result<(), Trouble> {
        let when = self.when();
        let left = |what: &str, names: &[String]| {
            ensure(names.is_empty(), || {
                format!("forced to stop {when}, it left {what}: `{}`", names.join("`, `"))
            })
        };
        let running = self.wire.running();
        ensure(running == 0, || format!("forced to stop {when}, it left {running} commands"))?;
        left("processes", &folder::processes_with(&self.room.mark))?;
        let now = folder::state(&self.room.root)?;
        left(&format!("files among the {among}"), &folder::differences(&self.before, &now))?;
        left("scratch files", &folder::left_after(&self.room.scratch, GRACE).await?)
    }
}
