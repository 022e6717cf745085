//! Journals: what was appended is there, in order, and readable whatever happens.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use shipway_core::{
    Disk, DiskJournal, Exit, Journal, JournalEntry, Outcome, Output, Result, RunOutcome, TaskId, Timestamp,
    Trace,
};
use shipway_testkit::{DiskCrash, DiskFault, FailingDisk, RecordingDisk};

use crate::assert_told;

const FOLDER: &str = "state/journal";

fn journal(disk: impl Disk) -> DiskJournal {
    DiskJournal::new(Arc::new(disk), FOLDER)
}

fn entry(n: usize) -> JournalEntry {
    let task = TaskId::parse(format!("build:{n}")).expect("an id");
    match n % 3 {
        0 => JournalEntry::Started { task, fingerprint: None, reasons: Vec::new(), at: None },
        1 => JournalEntry::Waiting { task, until: Timestamp(n as u64) },
        _ => {
            // Long enough to be a line of its own, each second time the same.
            let output = Output::Exit(Exit::new(0).stdout(format!("{}", n % 2).repeat(1500)));
            JournalEntry::Finished { task, outcome: Outcome::Succeeded, output, trace: Trace::default() }
        }
    }
}

fn entries(count: usize) -> Vec<JournalEntry> {
    (0..count).map(entry).collect()
}

fn is_lasting(n: usize) -> bool {
    [1, 4, 5, 8].contains(&n)
}

/// Appends in two openings of the run, each time after all that is there, and tells `appended` after each.
async fn write(journal: &DiskJournal, mut appended: impl FnMut(usize)) -> Result<()> {
    for range in [0..7, 7..10] {
        let open = journal.open("run").await?;
        for n in range {
            open.writer.append(&entry(n), is_lasting(n)).await?;
            appended(n);
        }
    }
    Ok(())
}

/// Reads what a crash or a failure left, and goes on with it.
async fn read_and_go_on(disk: &RecordingDisk, place: &str) -> Vec<JournalEntry> {
    let journal = journal(disk.clone());
    let read = journal.read("run").await.unwrap_or_else(|error| panic!("{place}: {error:?}"));
    assert_eq!(read, entries(read.len()), "{place}: a beginning of what was appended");
    let open = journal.open("run").await.unwrap_or_else(|error| panic!("{place}: {error:?}"));
    assert_eq!(open.entries, read, "{place}");
    let next = entry(read.len());
    open.writer.append(&next, true).await.unwrap_or_else(|error| panic!("{place}: {error:?}"));
    assert_eq!(journal.read("run").await.expect("readable"), [&*read, &[next]].concat(), "{place}");
    let names = disk.list(Path::new(FOLDER)).expect("listed");
    assert_eq!(names, ["run.journal", "run.lock"], "{place}: nothing is left beside");
    read
}

/// What was written by when: after so many operations this entry had been appended.
type Appended = Vec<(usize, usize)>;

/// Returns how many entries must be there at least after a crash.
fn least(appended: &Appended, crash: &DiskCrash) -> usize {
    let done = appended.iter().filter(|(operations, _)| *operations <= crash.done());
    let sure = done.filter(|(_, n)| !crash.power_cut() || is_lasting(*n));
    sure.map(|(_, n)| n + 1).max().unwrap_or(0)
}

#[tokio::test]
async fn f2_after_any_crash_the_journal_is_a_beginning_with_all_that_was_to_last() {
    let disk = RecordingDisk::new();
    let mut appended = Appended::new();
    write(&journal(disk.clone()), |n| appended.push((disk.operations().len(), n))).await.expect("written");
    let (mut states, mut lengths) = (0, BTreeSet::new());
    for crash in disk.crashes(23, 10) {
        let read = read_and_go_on(crash.disk(), &crash.to_string()).await;
        assert!(read.len() >= least(&appended, &crash), "{crash}: only {} entries", read.len());
        states += 1;
        lengths.insert(read.len());
    }
    println!("F2: journal: {states} crash states of {} operations, all read", disk.operations().len());
    assert!(states > 300, "only {states}");
    assert_eq!(lengths, (0..=10).collect(), "a crash after each entry was tried");
}

#[tokio::test]
async fn f2_what_was_read_after_a_kill_outlasts_a_power_cut_once_it_was_gone_on_with() {
    let disk = RecordingDisk::new();
    write(&journal(disk.clone()), |_| {}).await.expect("written");
    let mut states = 0;
    for kill in disk.crashes(29, 0).filter(|crash| !crash.power_cut()) {
        let killed = kill.disk();
        let before = killed.operations().len();
        // What is read here need not have been synced by the process that was killed.
        let read = read_and_go_on(killed, &kill.to_string()).await.len();
        let after = killed.operations().len();
        for crash in killed.crashes(31, 3).filter(|crash| crash.done() >= before) {
            let place = format!("{kill}, then {crash}");
            let found = journal(crash.disk().clone()).read("run").await;
            let found = found.unwrap_or_else(|error| panic!("{place}: {error:?}"));
            assert_eq!(found, entries(found.len()), "{place}");
            if crash.done() == after {
                assert_eq!(found.len(), read + 1, "{place}");
            }
            states += 1;
        }
    }
    println!("F2: journal: {states} power cuts and kills after a kill, all read");
    assert!(states > 1000, "only {states}");
}

#[tokio::test]
async fn f3_a_failure_is_told_and_the_journal_stays_whole() {
    let mut failures = 0;
    for fault in DiskFault::ALL {
        for n in 0.. {
            let below = RecordingDisk::new();
            let failing = FailingDisk::new(Arc::new(below.clone()), n, fault);
            let mut appended = 0;
            let written = write(&journal(failing.clone()), |n| appended = n + 1).await;
            let place = format!("{fault:?} {n}");
            match written {
                Ok(()) => assert!(!failing.failed() || fault == DiskFault::Short, "{place}: not told"),
                Err(error) => {
                    assert!(failing.failed(), "{place}: {error:?}");
                    assert_told(&error, &place);
                    failures += 1;
                }
            }
            let names = below.list(Path::new(FOLDER)).expect("listed");
            assert!(names.iter().all(|name| !name.starts_with('.')), "{place}: {names:?}");
            let read = read_and_go_on(&below, &place).await;
            assert!(read.len() >= appended, "{place}: {} of {appended}", read.len());
            if !failing.failed() {
                break;
            }
        }
    }
    println!("F3: journal: {failures} failures told, all read");
    assert!(failures > 100, "only {failures}");
}

#[tokio::test]
async fn f3_after_a_failure_nothing_is_appended() {
    let mut failures = 0;
    for n in 0.. {
        let below = RecordingDisk::new();
        let failing = FailingDisk::new(Arc::new(below.clone()), n, DiskFault::Full);
        let Ok(open) = journal(failing.clone()).open("run").await else { continue };
        let mut failed_at = None;
        for n in 0..6 {
            let appended = open.writer.append(&entry(n), is_lasting(n)).await;
            match failed_at {
                None if appended.is_err() => failed_at = Some(n),
                None => {}
                Some(_) => assert_told(&appended.expect_err("after a failure"), "after a failure"),
            }
        }
        drop(open);
        let read = read_and_go_on(&below, &n.to_string()).await;
        match failed_at {
            // The entry that failed may be there: it was written, and could not be synced.
            Some(failed_at) => assert!((failed_at..=failed_at + 1).contains(&read.len()), "{n}"),
            None if !failing.failed() => break,
            None => assert_eq!(read.len(), 6, "{n}"),
        }
        failures += 1;
    }
    assert!(failures >= 8, "only {failures}");
}

#[tokio::test]
async fn f3_an_old_run_that_cannot_be_removed_stops_nobody() {
    for fault in DiskFault::ALL {
        for n in 0.. {
            let below = RecordingDisk::new();
            journal(below.clone()).open("old").await.expect("opened");
            let failing = FailingDisk::new(Arc::new(below.clone()), n, fault);
            let opened = journal(failing.clone()).keep(1).open("new").await;
            if let Err(error) = &opened {
                assert_told(error, &format!("{fault:?} {n}"));
            }
            drop(opened);
            journal(below.clone()).keep(1).open("newer").await.expect("tried again");
            assert_eq!(journal(below).runs().await.expect("listed"), ["newer"], "{fault:?} {n}");
            if !failing.failed() {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_run_that_ended_is_read_by_everybody() {
    let disk = RecordingDisk::new();
    let ended = JournalEntry::Ended { outcome: RunOutcome::Succeeded, at: None };
    let open = journal(disk.clone()).open("run").await.expect("opened");
    open.writer.append(&ended, true).await.expect("appended");
    drop(open);
    let before = disk.operations().len();
    assert_eq!(journal(disk.clone()).read("run").await.expect("read"), [ended]);
    assert_eq!(disk.operations().len(), before, "reading changes nothing");
}
