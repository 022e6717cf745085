//! Journals on the disk: their form, what they keep, and who may write them.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests look at the real disk and damage it"
)]
#![expect(clippy::print_stdout, reason = "the tests print their figures")]

mod damage;
mod golden;
mod roundtrip;
mod samples;

use std::{fs, sync::Arc};

use shipway_core::{
    Disk, DiskJournal, ErrorKind, HostDisk, Journal, JournalEntry, Output, RunOutcome, Timestamp,
};
use tempfile::TempDir;

use crate::samples::{entries, finished, id, manifests, withheld};

fn journal(folder: &TempDir) -> DiskJournal {
    DiskJournal::new(Arc::new(HostDisk), folder.path().join("deep/journal"))
}

fn ended() -> JournalEntry {
    JournalEntry::Ended { outcome: RunOutcome::Succeeded, at: None }
}

fn names(journal: &DiskJournal) -> Vec<String> {
    HostDisk.list(journal.path("any").unwrap().parent().unwrap()).unwrap()
}

#[tokio::test]
async fn what_was_appended_is_read_and_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(&folder);
    assert_eq!(journal.read("a").await.unwrap(), []);
    assert_eq!(journal.runs().await.unwrap(), [""; 0]);
    assert!(!folder.path().join("deep").exists(), "reading makes nothing");

    let all = entries();
    for (round, part) in all.chunks(5).enumerate() {
        let open = journal.open("a").await.unwrap();
        assert_eq!(open.entries, withheld(&all[..round * 5]));
        for (at, entry) in part.iter().enumerate() {
            open.writer.append(entry, at % 2 == 0).await.unwrap();
        }
        assert_eq!(journal.read("a").await.unwrap(), withheld(&all[..round * 5 + part.len()]));
    }
    assert_eq!(names(&journal), ["a.journal", "a.lock"]);
    assert_eq!(journal.runs().await.unwrap(), ["a"]);
    let text = fs::read_to_string(journal.path("a").unwrap()).unwrap();
    assert!(text.starts_with("shipway journal 1 a\n"), "{text}");
    assert!(!text.contains("open sesame"), "no secrets");
}

#[tokio::test]
async fn one_writes_a_run_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(&folder);
    let open = journal.open("a").await.unwrap();
    assert_eq!(journal.open("a").await.unwrap_err().kind(), ErrorKind::Conflict);
    open.writer.append(&ended(), true).await.unwrap();
    assert_eq!(journal.read("a").await.unwrap(), [ended()], "others may read");
    journal.open("b").await.expect("another run");
    drop(open);
    assert_eq!(journal.open("a").await.expect("free again").entries, [ended()]);
}

#[tokio::test]
async fn only_plain_names_are_runs() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(&folder);
    for good in ["a", "A-1_b.c", "0", "-", &"x".repeat(100)] {
        journal.open(good).await.unwrap();
    }
    for bad in ["", ".", "..", ".a", "a/b", "../a", "a\0", "a b", "é", "a\n", &"x".repeat(101)] {
        assert_eq!(journal.open(bad).await.unwrap_err().kind(), ErrorKind::Config, "{bad}");
        assert_eq!(journal.read(bad).await.unwrap_err().kind(), ErrorKind::Config, "{bad}");
    }
    fs::write(folder.path().join("deep/journal/no run.journal"), "").unwrap();
    assert_eq!(journal.runs().await.unwrap(), ["-", "0", "A-1_b.c", "a", &"x".repeat(100)]);
}

#[tokio::test]
async fn a_long_text_is_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(&folder);
    let mut release = manifests();
    let text = "x".repeat(10_000);
    release.objects = (0..10_u8)
        .map(|n| {
            let mut manifest = release.objects[1].clone();
            manifest.text = format!("{n}{text}").into();
            manifest
        })
        .collect();
    // Also by who goes on with the run.
    for round in 0..3 {
        let open = journal.open("a").await.unwrap();
        for task in 0..3 {
            let entry = finished(&format!("render:{round}-{task}"), Output::Manifests(release.clone()));
            open.writer.append(&entry, false).await.unwrap();
        }
    }
    let size = fs::metadata(journal.path("a").unwrap()).unwrap().len();
    println!("9 entries of 100 kB of manifests are {size} bytes of journal");
    assert!((100_000..130_000).contains(&size), "{size}");
    let read = journal.read("a").await.unwrap();
    assert_eq!(read.len(), 9);
    assert_eq!(read[8], finished("render:2-2", Output::Manifests(release)));
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_append_at_once_are_all_there() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(&folder);
    let writer: Arc<dyn shipway_core::JournalWriter> = Arc::from(journal.open("a").await.unwrap().writer);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..100_u64 {
        let writer = Arc::clone(&writer);
        tasks.spawn(async move {
            let entry = JournalEntry::Waiting { task: id("wait:a"), until: Timestamp(n) };
            let append = writer.append(&entry, n % 3 > 0);
            // Some give up on the way, as tasks that are dropped do; the writer goes on for the others.
            match n % 10 {
                0 => drop(tokio::time::timeout(std::time::Duration::ZERO, append).await),
                _ => append.await.unwrap(),
            }
        });
    }
    tasks.join_all().await;
    writer.append(&ended(), true).await.unwrap();
    let read = journal.read("a").await.unwrap();
    for n in (0..100).filter(|n| n % 10 > 0) {
        let entry = JournalEntry::Waiting { task: id("wait:a"), until: Timestamp(n) };
        assert_eq!(read.iter().filter(|other| **other == entry).count(), 1, "{n}");
    }
    assert_eq!(read.last(), Some(&ended()));
}

#[tokio::test]
async fn the_oldest_runs_make_room_but_none_that_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(&folder).keep(3);
    let touched = |run: &str, seconds| {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let file = fs::File::options().write(true).open(journal.path(run).unwrap()).unwrap();
        file.set_modified(time).unwrap();
    };
    let oldest = journal.open("oldest").await.unwrap();
    for (run, seconds) in [("d", 2), ("c", 3), ("b", 4)] {
        journal.open(run).await.unwrap();
        touched(run, seconds);
        touched("oldest", 1);
    }
    // The oldest is being written, so it stays, and counts.
    assert_eq!(journal.runs().await.unwrap(), ["b", "c", "oldest"]);
    drop(oldest);
    fs::write(folder.path().join("deep/journal/.oldest.journal.1-1.new"), "left by a kill").unwrap();
    journal.open("a").await.unwrap();
    assert_eq!(names(&journal), ["a.journal", "a.lock", "b.journal", "b.lock", "c.journal", "c.lock"]);
    journal.open("c").await.expect("goes on with a run, which needs no room");
    assert_eq!(journal.runs().await.unwrap(), ["a", "b", "c"]);
}

#[tokio::test]
async fn what_a_killed_process_left_beside_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(&folder);
    journal.open("a").await.unwrap();
    let others = folder.path().join("deep/journal/.a.b.journal.1-1.new");
    for left in [&folder.path().join("deep/journal/.a.journal.1-1.new"), &others] {
        fs::write(left, "left").unwrap();
    }
    journal.open("a").await.unwrap();
    assert_eq!(names(&journal), [".a.b.journal.1-1.new", "a.journal", "a.lock"]);
}

#[tokio::test]
async fn what_cannot_be_read_again_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(&folder);
    let open = journal.open("a").await.unwrap();
    open.writer.append(&ended(), false).await.unwrap();
    let deep = (0..150).fold(serde_json::Value::Null, |inner, _| serde_json::json!([inner]));
    let state = shipway_core::State::new(1, &deep).unwrap();
    let entry = finished("a:b", Output::Manifests(manifests().state(state)));
    assert_eq!(open.writer.append(&entry, false).await.unwrap_err().kind(), ErrorKind::Unsupported);
    let after = open.writer.append(&ended(), false).await.unwrap_err();
    assert_eq!(after.kind(), ErrorKind::Conflict, "nothing is written after an error");
    drop(open);
    let large = finished("a:b", Output::Exit(shipway_core::Exit::new(0).stdout("x".repeat(64 << 20))));
    let open = journal.open("a").await.unwrap();
    assert_eq!(open.writer.append(&large, false).await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(journal.read("a").await.unwrap(), [ended()]);
}
