//! Trees that change under the walk and hold what must not be read: nothing from outside comes in, and
//! nothing blocks.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the tests prepare real files and print their figures"
)]

use std::{
    fs,
    io::Read,
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::fs::{CWD, FileType, RenameFlags};
use shipway_core::{Cancel, Context, EntryKind, ErrorKind, Inputs, RunContext, Snapshot, Tree, World};

fn context(root: &Path) -> Context {
    RunContext::new(World::host(root), "run").context(None, None, Cancel::new())
}

/// Fails the test instead of hanging it.
fn within<T: Send + 'static>(limit: Duration, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = std::sync::mpsc::channel();
    thread::spawn(move || send.send(work()));
    receive.recv_timeout(limit).expect("it blocks")
}

const SWAPS: u64 = 100_000;

#[test]
fn a_folder_that_is_swapped_for_a_link_a_hundred_thousand_times_never_leads_out() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    for (path, content) in
        [("ctx/sub/below/file", "inside"), ("out/below/file", "canary"), ("out/canary", "")]
    {
        fs::create_dir_all(at(path).parent().unwrap()).unwrap();
        fs::write(at(path), content).unwrap();
    }
    symlink("../out", at("link")).unwrap();
    let (ended, swaps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let swapper = thread::spawn({
        let (sub, link, ended, swaps) = (at("ctx/sub"), at("link"), Arc::clone(&ended), Arc::clone(&swaps));
        move || {
            let start = Instant::now();
            // Each exchange is one step: at every moment there is the folder or the link.
            while swaps.load(Ordering::Relaxed) < SWAPS && start.elapsed() < Duration::from_secs(60) {
                rustix::fs::renameat_with(CWD, &sub, CWD, &link, RenameFlags::EXCHANGE).unwrap();
                swaps.fetch_add(1, Ordering::Relaxed);
            }
            ended.store(true, Ordering::Relaxed);
        }
    });
    let cx = context(folder.path());
    let (mut walks, mut as_link, mut opened, mut refused) = (0, 0, 0, 0);
    while !ended.load(Ordering::Relaxed) {
        let entries = cx.files().walk(&cx, &Tree::new("ctx")).expect("a walk goes on");
        let paths: Vec<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
        assert!(
            [&["sub"][..], &["sub", "sub/below", "sub/below/file"][..]].contains(&paths.as_slice()),
            "{paths:?}"
        );
        if paths.len() == 1 {
            assert_eq!(entries[0].kind, EntryKind::Link("../out".to_owned()));
            as_link += 1;
        }
        walks += 1;
        for _ in 0..10 {
            match cx.files().open(&cx, Path::new("ctx"), "sub/below/file") {
                Ok(file) => {
                    assert_eq!(file.read(100).unwrap(), b"inside");
                    opened += 1;
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
                    refused += 1;
                }
            }
            let entry = cx.files().entry(&cx, Path::new("ctx"), "sub/canary");
            assert!(!matches!(entry, Ok(Some(_))), "a file outside is seen");
        }
    }
    swapper.join().unwrap();
    let swaps = swaps.load(Ordering::Relaxed);
    println!(
        "M3: {swaps} swaps of a folder for a link that leads out: {walks} walks ({as_link} saw the link), \
         {opened} files opened, {refused} refused, 0 bytes from outside"
    );
    assert!(swaps == SWAPS && as_link > 0 && walks > as_link && opened > 0 && refused > 0);
}

#[test]
fn fifos_sockets_and_devices_are_entries_that_are_never_read_and_never_block() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join("ctx").join(path);
    fs::create_dir(folder.path().join("ctx")).unwrap();
    fs::write(at("file"), "inside").unwrap();
    rustix::fs::mknodat(CWD, at("fifo"), FileType::Fifo, 0o600.into(), 0).unwrap();
    let _socket = UnixListener::bind(at("socket")).unwrap();
    let mut special = vec!["fifo", "socket"];
    // `/dev/zero` and `/dev/tty`, for those who may make devices.
    for (name, minor) in [("zero", 5), ("tty", 0)] {
        let device = rustix::fs::makedev(if name == "tty" { 5 } else { 1 }, minor);
        if rustix::fs::mknodat(CWD, at(name), FileType::CharacterDevice, 0o600.into(), device).is_ok() {
            special.push(name);
        }
    }
    special.sort_unstable();
    let cx = context(folder.path());
    let count = special.len();
    // Somebody waits to write into the FIFO: nobody must take what it writes.
    let fifo = at("fifo");
    let writer = thread::spawn(move || fs::OpenOptions::new().write(true).open(fifo));
    let (seen, refused) = within(Duration::from_secs(30), {
        let special = special.clone();
        move || {
            let entries = cx.files().walk(&cx, &Tree::new("ctx")).unwrap();
            let seen: Vec<String> = entries
                .into_iter()
                .filter(|entry| entry.kind == EntryKind::Special)
                .map(|entry| entry.path)
                .collect();
            let mut refused = 0;
            for _ in 0..1_000 {
                for path in &special {
                    let error = cx.files().open(&cx, Path::new("ctx"), path).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Config, "{path}: {error:?}");
                    refused += 1;
                }
            }
            let inputs = Inputs::default().trees([Tree::new("ctx")]).files(["ctx/fifo".into()]);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(Snapshot::take(&cx, &inputs)).unwrap();
            (seen, refused)
        }
    });
    assert_eq!(seen, special);
    assert!(!writer.is_finished(), "the FIFO was opened: its writer was let go");
    let mut reader = fs::File::open(at("fifo")).unwrap();
    drop(writer.join().unwrap());
    assert_eq!(reader.read(&mut [0; 8]).unwrap(), 0);
    println!("M3: {count} kinds of special files refused {refused} times, none opened or read");
}
