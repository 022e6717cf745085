//! A world in memory for one input: nothing of this machine is read, and nothing is left.

use std::{future::Future, io::Write, path::Path};

use shipway::{Cancel, Context, Disk, ErrorKind, Result, RunContext, World};
use shipway_testkit::RecordingDisk;
use tokio::runtime::{Builder, Runtime};

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
}

/// Waits for a future on this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// Returns a context in a world.
pub(crate) fn context(world: World) -> Context {
    RunContext::new(world, "fuzz").context(None, None, Cancel::new())
}

/// Returns a disk in memory that holds one file.
pub(crate) fn disk(path: &str, bytes: &[u8]) -> RecordingDisk {
    let (disk, path) = (RecordingDisk::new(), Path::new(path));
    disk.create_dir(path.parent().expect("a folder")).expect("made");
    disk.create(path).expect("made").write_all(bytes).expect("written");
    disk
}

/// Returns what was made of a file twice, if it is the same and the file is not refused; a refusal is the file's own
/// fault, and the same both times.
pub(crate) fn agreed<T: std::fmt::Debug + PartialEq>(one: Result<T>, two: Result<T>) -> Option<T> {
    match (one, two) {
        (Ok(one), Ok(two)) => {
            assert_eq!(one, two);
            Some(one)
        }
        (Err(one), Err(two)) => {
            assert_eq!(one.to_string(), two.to_string());
            assert!(
                matches!(one.kind(), ErrorKind::Config | ErrorKind::Unsupported),
                "a file is at fault, not `{:?}`: {one}",
                one.kind()
            );
            None
        }
        (one, _) => panic!("read once and refused once: {}", one.is_ok()),
    }
}
