//! Doors that count their uses, and that can cancel the task at one of them: the way to stop a plug-in
//! at the same moment in every run.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use shipway_core::{
    Cancel, CancelReason, Command, Context, Entry, Event, Exit, Files, Image, Images, OpenFile, Processes,
    Result, Sink, Stage, Store, Target, World,
};

/// Counts how often doors are used, and forces the task to stop at one use.
#[derive(Debug)]
pub(crate) struct Tripwire {
    at: u64,
    cancel: Cancel,
    uses: AtomicU64,
    running: AtomicU64,
    written: Mutex<Vec<String>>,
}

impl Tripwire {
    /// Puts the wire across every door of a world; use number `at` trips it, from 0, which trips it
    /// before anything else.
    pub(crate) fn across(world: World, at: u64, cancel: Cancel) -> (World, Arc<Self>) {
        if at == 0 {
            cancel.escalate(Stage::Forced, CancelReason::Asked);
        }
        let wire = Arc::new(Self {
            at,
            cancel,
            uses: AtomicU64::new(0),
            running: AtomicU64::new(0),
            written: Mutex::default(),
        });
        let inner = world.clone();
        let door = || Door { inner: inner.clone(), wire: Arc::clone(&wire) };
        let world = world.files(door()).processes(door()).images(door()).sink(Arc::new(door()));
        (world, wire)
    }

    /// Returns how often doors were used.
    pub(crate) fn uses(&self) -> u64 {
        self.uses.load(Ordering::SeqCst)
    }

    /// Returns how many commands run now.
    pub(crate) fn running(&self) -> u64 {
        self.running.load(Ordering::SeqCst)
    }

    /// Returns which images were copied or joined.
    pub(crate) fn written(&self) -> Vec<String> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn use_door(&self) {
        if self.uses.fetch_add(1, Ordering::SeqCst) + 1 == self.at {
            self.cancel.escalate(Stage::Forced, CancelReason::Asked);
        }
    }

    fn write(&self, reference: String) {
        self.use_door();
        self.written.lock().unwrap_or_else(PoisonError::into_inner).push(reference);
    }
}

/// Returns the uses of doors at which work is cut: before the first, more and more rarely after it, and at
/// the last two, where what was to be made is already there or nearly so.
pub(crate) fn cuts(uses: u64) -> BTreeSet<u64> {
    let growing = std::iter::successors(Some((1, 2)), |&(one, next)| Some((next, one + next)));
    let mut cuts: BTreeSet<u64> = growing.map(|(at, _)| at).take_while(|at| *at < uses).take(8).collect();
    cuts.extend([0, uses.saturating_sub(1), uses]);
    cuts
}

/// Every door of the inner world, with the wire across it.
#[derive(Debug)]
struct Door {
    inner: World,
    wire: Arc<Tripwire>,
}

impl Files for Door {
    fn walk_each(&self, cx: &Context, root: &Path, ignore: &[Vec<String>]) -> Result<Vec<Vec<Entry>>> {
        self.wire.use_door();
        self.inner.files.walk_each(cx, root, ignore)
    }

    fn entry(&self, cx: &Context, root: &Path, path: &str) -> Result<Option<Entry>> {
        self.wire.use_door();
        self.inner.files.entry(cx, root, path)
    }

    fn open(&self, cx: &Context, root: &Path, path: &str) -> Result<OpenFile> {
        self.wire.use_door();
        self.inner.files.open(cx, root, path)
    }
}

/// Counts a command while its future lives, so that also a dropped one is counted off.
struct Running<'a>(&'a AtomicU64);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Processes for Door {
    async fn run(&self, cx: &Context, command: Command) -> Result<Exit> {
        self.wire.use_door();
        self.wire.running.fetch_add(1, Ordering::SeqCst);
        let _running = Running(&self.wire.running);
        self.inner.processes.run(cx, command).await
    }
}

#[async_trait]
impl Images for Door {
    async fn find(&self, cx: &Context, store: &Store, reference: &str) -> Result<Option<Image>> {
        self.wire.use_door();
        self.inner.images.find(cx, store, reference).await
    }

    async fn copy(&self, cx: &Context, image: &Image, to: &Target) -> Result<Image> {
        self.wire.write(to.reference());
        self.inner.images.copy(cx, image, to).await
    }

    async fn join(&self, cx: &Context, images: &[Image], to: &Target) -> Result<Image> {
        self.wire.write(to.reference());
        self.inner.images.join(cx, images, to).await
    }
}

impl Sink for Door {
    fn emit(&self, event: &Event) {
        self.wire.use_door();
        self.inner.sink.emit(event);
    }
}

#[cfg(test)]
mod tests {
    use super::cuts;

    #[test]
    fn work_is_cut_at_the_start_and_at_the_end() {
        for (uses, expected) in [
            (0, vec![0]),
            (1, vec![0, 1]),
            (4, vec![0, 1, 2, 3, 4]),
            (100, vec![0, 1, 2, 3, 5, 8, 13, 21, 34, 99, 100]),
        ] {
            assert_eq!(cuts(uses).into_iter().collect::<Vec<_>>(), expected, "{uses}");
        }
    }
}
