//! Journals of runs, which a crash may have torn and a person edited.

use std::sync::Arc;

use shipway::{DiskJournal, ErrorKind, Journal, JournalEntry, RunOutcome};

use super::world::{block_on, disk};

/// What is read is read alike again, and a journal that can be read can be gone on with. A journal that begins with `+`
/// gets its checksums here, so that what is behind them is tried too.
pub(crate) fn read(data: &[u8]) {
    let sealed = data.strip_prefix(b"+").map(seal);
    let journal =
        DiskJournal::new(Arc::new(disk("/runs/run-1.journal", sealed.as_deref().unwrap_or(data))), "/runs");
    let read = || block_on(journal.read("run-1"));
    match (read(), read()) {
        (Ok(one), Ok(two)) => {
            assert_eq!(one, two);
            let opened = block_on(journal.open("run-1")).expect("what can be read can be gone on with");
            assert_eq!(opened.entries, one);
            let ended = JournalEntry::Ended { outcome: RunOutcome::Cancelled, at: None };
            block_on(opened.writer.append(&ended, true)).expect("appended");
            let mut whole = one;
            whole.push(ended);
            assert_eq!(read().expect("read again"), whole);
        }
        (Err(one), Err(two)) => {
            assert_eq!(one.to_string(), two.to_string());
            assert!(
                matches!(one.kind(), ErrorKind::BadOutput | ErrorKind::Unsupported),
                "{:?}: {one}",
                one.kind()
            );
        }
        (one, _) => panic!("read once and refused once: {one:?}"),
    }
}

/// Returns lines with the checksums that they need to be read.
fn seal(lines: &[u8]) -> Vec<u8> {
    let header = "shipway journal 1 run-1";
    let mut journal = format!("{header}\n").into_bytes();
    let mut checksum = digits(b"", header.as_bytes());
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        checksum = digits(checksum.as_bytes(), line);
        journal.extend([checksum.as_bytes(), b" ", line, b"\n"].concat());
    }
    journal
}

fn digits(before: &[u8], line: &[u8]) -> String {
    blake3::Hasher::new().update(before).update(line).finalize().to_hex()[..16].to_owned()
}
