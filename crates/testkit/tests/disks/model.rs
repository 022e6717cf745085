//! The fakes themselves: a careless writer is found, a careful one is not.

use std::{
    collections::BTreeSet,
    io::{self, ErrorKind, Read as _, Write as _},
    path::Path,
    sync::Arc,
};

use shipway_core::{Disk, HostDisk};
use shipway_testkit::{DiskFault, FailingDisk, RecordingDisk};

/// Replaces `a/file` once it is there for good, and returns every content that may be found after power cuts; what
/// was there for good is "old".
fn found(replace: impl FnOnce(&RecordingDisk) -> io::Result<()>) -> BTreeSet<Option<String>> {
    let disk = RecordingDisk::new();
    let path = Path::new("a/file");
    disk.create_dir(Path::new("a")).expect("made");
    disk.sync_dir(Path::new(".")).expect("synced");
    shipway_core::publish(&disk, path, |file| file.write_all(b"old")).expect("published");
    let before = disk.operations().len();
    replace(&disk).expect("replaced");
    let after = disk.crashes(1, 50).filter(|crash| crash.power_cut() && crash.done() >= before);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    after.map(|crash| crash.disk().read(path).map(text)).collect()
}

fn write(disk: &RecordingDisk, path: &str, sync: bool) -> io::Result<()> {
    let mut file = disk.create(Path::new(path))?;
    file.write_all(b"new")?;
    if sync { file.sync() } else { Ok(()) }
}

#[test]
fn a_careless_writer_is_found() {
    let rename = |disk: &RecordingDisk| disk.rename(Path::new("a/new"), Path::new("a/file"));
    let (old, new) = (Some("old".to_owned()), Some("new".to_owned()));

    let careful = found(|disk| {
        write(disk, "a/new", true)?;
        rename(disk)?;
        disk.sync_dir(Path::new("a"))
    });
    assert_eq!(careful, BTreeSet::from([old.clone(), new.clone()]));

    let without_sync = found(|disk| {
        write(disk, "a/new", false)?;
        rename(disk)?;
        disk.sync_dir(Path::new("a"))
    });
    for torn in ["", "n", "ne", "\0ew", "\0\0w"] {
        assert!(without_sync.contains(&Some(torn.to_owned())), "{torn:?} of {without_sync:?}");
    }

    let in_place = found(|disk| {
        disk.remove(Path::new("a/file"))?;
        write(disk, "a/file", true)?;
        disk.sync_dir(Path::new("a"))
    });
    assert!(in_place.contains(&None), "{in_place:?}");
}

#[test]
fn what_is_not_synced_may_be_lost_and_what_is_may_not() {
    let disk = RecordingDisk::new();
    let last = |disk: &RecordingDisk| -> Vec<BTreeSet<String>> {
        let done = disk.operations().len();
        let cuts = disk.crashes(2, 40).filter(|crash| crash.power_cut() && crash.done() == done);
        let names = |crash: shipway_testkit::DiskCrash| {
            crash.disk().files().keys().map(|path| path.display().to_string()).collect()
        };
        let names: BTreeSet<BTreeSet<String>> = cuts.map(names).collect();
        names.into_iter().collect()
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();

    disk.create_dir(Path::new("a/b")).expect("made");
    write(&disk, "a/b/one", true).expect("written");
    disk.sync_dir(Path::new("a/b")).expect("synced");
    assert_eq!(last(&disk), [set(&[]), set(&["a/b/one"])], "its folders may be lost");
    disk.sync_dir(Path::new("a")).expect("synced");
    disk.sync_dir(Path::new(".")).expect("synced");
    assert_eq!(last(&disk), [set(&["a/b/one"])]);

    // Between two folders, both names may be found until the old one's folder is synced.
    disk.rename(Path::new("a/b/one"), Path::new("a/two")).expect("renamed");
    let (one, two, both) = (set(&["a/b/one"]), set(&["a/two"]), set(&["a/b/one", "a/two"]));
    assert_eq!(last(&disk), [one, both.clone(), two.clone()]);
    disk.sync_dir(Path::new("a")).expect("synced");
    assert_eq!(last(&disk), [both, two.clone()]);
    disk.sync_dir(Path::new("a/b")).expect("synced");
    assert_eq!(last(&disk), std::slice::from_ref(&two));
    disk.remove(Path::new("a/two")).expect("removed");
    assert_eq!(last(&disk), [set(&[]), two]);
}

#[test]
fn a_kill_loses_nothing_and_a_power_cut_may_follow() {
    let disk = RecordingDisk::new();
    write(&disk, "a", false).expect("written");
    let _held = disk.lock(Path::new("lock")).expect("made").expect("free");
    assert!(disk.lock(Path::new("lock")).expect("made").is_none());
    let kills: Vec<_> = disk.crashes(3, 0).filter(|crash| !crash.power_cut()).collect();
    let told: Vec<String> = kills.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "kill after 0 operations",
            "kill after 1 operations, the last: create a",
            "kill after 2 operations, the last: write 3 bytes to a",
            "kill in the middle of the last write after 1 operations, the last: write 3 bytes to a",
            "kill after 3 operations, the last: create lock",
        ]
    );
    assert_eq!(kills[3].disk().read(Path::new("a")).as_deref(), Some(&b"n"[..]));
    let killed = kills[4].disk();
    assert!(killed.lock(Path::new("lock")).expect("there").is_some(), "locks do not outlast their process");
    assert_eq!(killed.files(), disk.files());
    let cut = killed.crashes(3, 0).find(|crash| crash.power_cut() && crash.done() == 3).expect("one");
    assert!(cut.disk().files().is_empty(), "what was not synced before the kill can still be lost");
    let again: Vec<_> = disk.crashes(3, 9).map(|crash| (crash.to_string(), crash.disk().files())).collect();
    assert!(
        disk.crashes(3, 9).map(|crash| (crash.to_string(), crash.disk().files())).eq(again),
        "by the seed alone"
    );
}

/// Does one of each, and returns what was seen, so that two disks can be compared.
fn story(disk: &dyn Disk, root: &Path) -> Vec<String> {
    let mut seen = Vec::new();
    let mut see = |what: &str, result: io::Result<String>| {
        seen.push(format!("{what}: {}", result.unwrap_or_else(|error| format!("{:?}", error.kind()))));
    };
    let at = |name: &str| root.join(name);
    let done = |()| "done".to_owned();
    see("list nothing", disk.list(&at("d")).map(|names| names.join(" ")));
    see("create without a folder", disk.create(&at("d/a")).map(|_| String::new()));
    see("create a folder", disk.create_dir(&at("d/e")).map(done));
    see("create it again", disk.create_dir(&at("d/e")).map(done));
    let mut file = disk.create(&at("d/a")).expect("made");
    see("create a file again", disk.create(&at("d/a")).map(|_| String::new()));
    see("write", file.write_all(b"one").and_then(|()| file.sync()).map(done));
    see("rename while open", disk.rename(&at("d/a"), &at("d/b")).map(done));
    see("write on", file.write_all(b" two").map(done));
    see("rename nothing", disk.rename(&at("d/a"), &at("d/b")).map(done));
    see("rename into no folder", disk.rename(&at("d/b"), &at("x/b")).map(done));
    let read = |path: &str| {
        let mut text = String::new();
        disk.open(&at(path))?.read_to_string(&mut text).map(|_| text)
    };
    see("read", read("d/b"));
    see("read nothing", read("d/a"));
    let size = |path: &str| disk.entry(&at(path)).map(|entry| format!("{:?}", entry.map(|entry| entry.size)));
    see("look", size("d/b"));
    see("look at nothing", size("d/a"));
    see("touch", disk.touch(&at("d/b")).map(done));
    see("touch nothing", disk.touch(&at("d/a")).map(done));
    let lock = || disk.lock(&at("d/lock")).map(|lock| format!("{}", lock.is_some()));
    let held = disk.lock(&at("d/lock")).expect("made");
    see("lock what is locked", lock());
    drop(held);
    see("lock what is free", lock());
    see("sync a folder", disk.sync_dir(&at("d")).map(done));
    see("sync no folder", disk.sync_dir(&at("x")).map(done));
    see("list", disk.list(&at("d")).map(|names| names.join(" ")));
    see("remove", disk.remove(&at("d/b")).map(done));
    see("remove nothing", disk.remove(&at("d/b")).map(done));
    see("list after", disk.list(&at("d")).map(|names| names.join(" ")));
    seen
}

#[test]
fn the_recording_disk_does_what_the_machines_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let real = story(&HostDisk, folder.path());
    assert_eq!(story(&RecordingDisk::new(), Path::new("/")), real);
    assert_eq!(story(&RecordingDisk::new(), Path::new("")), real);
    let failing = FailingDisk::new(Arc::new(RecordingDisk::new()), 1000, DiskFault::Broken);
    assert_eq!(story(&failing, Path::new("")), real);
    assert!(!failing.failed());
}

#[test]
fn each_use_fails_once_and_says_how() {
    let path = Path::new("a");
    for (fault, kind, left) in [
        (DiskFault::Full, ErrorKind::StorageFull, "ab"),
        (DiskFault::ReadOnly, ErrorKind::ReadOnlyFilesystem, ""),
        (DiskFault::Broken, io::Error::from_raw_os_error(5).kind(), ""),
        (DiskFault::TooManyFiles, io::Error::from_raw_os_error(24).kind(), ""),
    ] {
        let disk = FailingDisk::new(Arc::new(RecordingDisk::new()), 1, fault);
        let mut file = disk.create(path).expect("made");
        assert!(!disk.failed());
        assert_eq!(file.write(b"abcd").expect_err("fails").kind(), kind, "{fault:?}");
        assert!(disk.failed());
        file.write_all(b"!").expect("only once");
        let mut text = String::new();
        disk.open(path).expect("there").read_to_string(&mut text).expect("text");
        assert_eq!(text, format!("{left}!"));
    }
    let disk = FailingDisk::new(Arc::new(RecordingDisk::new()), 1, DiskFault::Short);
    let mut file = disk.create(path).expect("made");
    assert_eq!(file.write(b"abc").expect("no error"), 2);
}
