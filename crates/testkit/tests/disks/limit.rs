//! A real disk that takes no more: the system's limit on the size of a file.

#![expect(clippy::disallowed_methods, reason = "the test starts itself again under a limit")]

use std::{env, path::Path, process::Command, sync::Arc};

use shipway_core::{DiskJournal, HostDisk, Journal, JournalEntry, RunOutcome, TaskId, Timestamp};

use crate::assert_told;

const FOLDER: &str = "SHIPWAY_TEST_LIMITED_FOLDER";

fn entry(n: u64) -> JournalEntry {
    JournalEntry::Waiting { task: TaskId::parse("wait:a").expect("an id"), until: Timestamp(n) }
}

/// Appends under the limit until that fails, and says how often it went well.
async fn append(folder: &Path) {
    let open = DiskJournal::new(Arc::new(HostDisk), folder).open("a").await.expect("opened");
    for n in 0.. {
        if let Err(error) = open.writer.append(&entry(n), n % 100 == 0).await {
            assert_told(&error, "under a limit");
            println!("appended {n}");
            return;
        }
    }
}

#[tokio::test]
async fn f3_a_file_that_may_not_grow_is_told_and_the_journal_stays_whole() {
    if let Some(folder) = env::var_os(FOLDER) {
        return append(Path::new(&folder)).await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let limited = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh"])
        .arg(env::current_exe().expect("this test"))
        .args([
            "--exact",
            "--nocapture",
            "limit::f3_a_file_that_may_not_grow_is_told_and_the_journal_stays_whole",
        ])
        .env(FOLDER, folder.path())
        .output()
        .expect("started");
    let said = String::from_utf8_lossy(&limited.stdout).into_owned();
    assert!(limited.status.success(), "{said}");
    let count = said.lines().find_map(|line| line.rsplit_once("appended ")?.1.parse::<usize>().ok());
    let count = count.unwrap_or_else(|| panic!("it was stopped by the limit: {said}"));

    let journal = DiskJournal::new(Arc::new(HostDisk), folder.path());
    let open = journal.open("a").await.expect("goes on without the limit");
    assert_eq!(open.entries, (0..count as u64).map(entry).collect::<Vec<_>>());
    let ended = JournalEntry::Ended { outcome: RunOutcome::Succeeded, at: None };
    open.writer.append(&ended, true).await.expect("appended");
    assert_eq!(journal.read("a").await.expect("read").len(), count + 1);
    println!("F3: journal: {count} entries under a real limit, all read");
    assert!(count > 100, "only {count}");
}
