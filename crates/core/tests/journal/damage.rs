//! What a crash may leave is no damage, and damage is never read as if it were whole.

use std::{fs, path::PathBuf, sync::Arc};

use proptest::prelude::*;
use shipway_core::{DiskJournal, Error, ErrorKind, HostDisk, Journal, JournalEntry, Result};

use crate::{
    ended,
    samples::{entries, id, withheld},
};

/// A journal of every kind of entry, synced after every fourth.
struct Written {
    _folder: tempfile::TempDir,
    journal: DiskJournal,
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Written {
    async fn new(entries: &[JournalEntry]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let journal = DiskJournal::new(Arc::new(HostDisk), folder.path());
        let open = journal.open("a").await.unwrap();
        for (at, entry) in entries.iter().enumerate() {
            open.writer.append(entry, at % 4 == 3).await.unwrap();
        }
        let path = journal.path("a").unwrap();
        let bytes = fs::read(&path).unwrap();
        Self { _folder: folder, journal, path, bytes }
    }

    async fn read(&self, bytes: &[u8]) -> Result<Vec<JournalEntry>> {
        fs::write(&self.path, bytes).unwrap();
        self.journal.read("a").await
    }
}

fn small() -> Vec<JournalEntry> {
    (0..9)
        .map(|n| JournalEntry::Started {
            task: id(&format!("build:{n}")),
            fingerprint: None,
            reasons: Vec::new(),
            at: None,
        })
        .collect()
}

#[tokio::test]
async fn a_journal_may_end_at_any_byte_and_is_gone_on_with() {
    let all = small();
    let written = Written::new(&all).await;
    for length in 0..written.bytes.len() {
        let read = written.read(&written.bytes[..length]).await.unwrap();
        let lines = written.bytes[..length].iter().filter(|byte| **byte == b'\n').count();
        // The header and one line of `synced` for each four entries are no entries.
        let marks = usize::from(lines > 5) + usize::from(lines > 10);
        assert_eq!(read, all[..lines.saturating_sub(1 + marks)], "after {length} bytes");
        if length % 7 == 0 {
            let open = written.journal.open("a").await.unwrap();
            open.writer.append(&ended(), false).await.unwrap();
            assert_eq!(written.journal.read("a").await.unwrap(), [&*read, &[ended()]].concat());
        }
    }
}

#[tokio::test]
async fn a_change_of_any_byte_that_was_synced_is_found() {
    let all = small();
    let written = Written::new(&all).await;
    let lines: Vec<&[u8]> = written.bytes.split_inclusive(|byte| *byte == b'\n').collect();
    // The second line of `synced` is the last thing that proves something.
    let last = lines.iter().rposition(|line| line.windows(8).any(|word| word == b"\"synced\"")).unwrap();
    let sure = lines[..last].concat().len();
    for at in 0..written.bytes.len() {
        let mut damaged = written.bytes.clone();
        damaged[at] ^= 1;
        match written.read(&damaged).await {
            Err(error) => {
                let line = written.bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
                assert!(at < sure + lines[last].len(), "{at}: {error:?}");
                let place = error.report().location.as_ref().map(|location| location.line);
                assert!([ErrorKind::BadOutput, ErrorKind::Unsupported].contains(&error.kind()), "{error:?}");
                assert_eq!(place, Some(line), "{error:?}");
            }
            // What was not proved to be synced may be torn.
            Ok(read) => {
                assert!(at + 1 >= sure, "{at} of {sure}");
                assert_eq!(read, all[..read.len()]);
            }
        }
    }
}

#[tokio::test]
async fn a_line_that_is_missing_doubled_or_moved_is_found() {
    let written = Written::new(&small()).await;
    let lines: Vec<&[u8]> = written.bytes.split_inclusive(|byte| *byte == b'\n').collect();
    for at in 0..5 {
        let mut without = lines.clone();
        without.remove(at);
        let mut doubled = lines.clone();
        doubled.insert(at, lines[at]);
        let mut moved = lines.clone();
        moved.swap(at, at + 1);
        for changed in [without, doubled, moved] {
            let error = written.read(&changed.concat()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BadOutput, "{error:?}");
        }
    }
}

#[tokio::test]
async fn another_form_and_another_run_are_told() {
    let written = Written::new(&entries()).await;
    let text = String::from_utf8(written.bytes.clone()).unwrap();
    let read = async |from: &str, to: &str| -> Error {
        written.read(text.replacen(from, to, 1).as_bytes()).await.unwrap_err()
    };
    let place = written.path.display();
    let newer = read("journal 1 a", "journal 2 a").await;
    assert_eq!(newer.kind(), ErrorKind::Unsupported);
    assert_eq!(
        format!("{newer:?}"),
        format!(
            "{place}:1: the journal has form 2, but this release reads form 1\n  \
             hint: go on with it with the release that wrote it, or begin a new run"
        )
    );
    let other = read("journal 1 a", "journal 1 b").await;
    assert_eq!(other.kind(), ErrorKind::BadOutput);
    assert_eq!(
        format!("{other:?}"),
        format!(
            "{place}:1: the journal is damaged: it is the journal of run `b`\n  \
             hint: put the file back from a copy, or begin a new run"
        )
    );
    assert_eq!(
        written.journal.open("a").await.unwrap_err().kind(),
        ErrorKind::BadOutput,
        "what is damaged is not gone on with"
    );
    assert_eq!(written.read(&written.bytes).await.unwrap(), withheld(&entries()));
}

/// Whatever a file holds, it is read or refused, and what is read can be gone on with.
async fn read_anything(bytes: Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let journal = DiskJournal::new(Arc::new(HostDisk), folder.path());
    fs::write(journal.path("a").unwrap(), &bytes).unwrap();
    let Ok(open) = journal.open("a").await else { return };
    open.writer.append(&ended(), false).await.unwrap();
    assert_eq!(journal.read("a").await.unwrap(), [&*open.entries, &[ended()]].concat());
}

/// Lines whose checksums are right, whatever they say.
fn signed(lines: &[&str]) -> Vec<u8> {
    let mut text = "shipway journal 1 a\n".to_owned();
    let mut checksum = checksum("", text.trim_end());
    for line in lines {
        checksum = self::checksum(&checksum, line);
        text.extend([&*checksum, " ", line, "\n"]);
    }
    text.into_bytes()
}

fn checksum(before: &str, text: &str) -> String {
    blake3::hash(format!("{before}{text}").as_bytes()).to_hex()[..16].to_owned()
}

#[tokio::test]
async fn hostile_lines_are_refused() {
    let written = Written::new(&[]).await;
    let deep = "[".repeat(100_000);
    let entry = r#"{"entry":"ended","outcome":"failed"}"#;
    assert_eq!(written.read(&signed(&[entry])).await.unwrap().len(), 1);
    for (line, kind) in [
        ("", ErrorKind::Unsupported),
        ("null", ErrorKind::Unsupported),
        ("{}", ErrorKind::Unsupported),
        (&deep, ErrorKind::Unsupported),
        (r#"{"entry":"unheard_of"}"#, ErrorKind::Unsupported),
        (r#"{"entry":"ended"}"#, ErrorKind::Unsupported),
        (r#"{"entry":"ended","outcome":{"$text":"abc"}}"#, ErrorKind::BadOutput),
        (r#"{"text":"x"}"#, ErrorKind::Unsupported),
    ] {
        let error = written.read(&signed(&[entry, line])).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{line}: {error:?}");
        assert_eq!(error.report().location.as_ref().unwrap().line, 3, "{line}");
    }
    // Few bytes ask for 200 GiB.
    let text = serde_json::json!({ "text": "x".repeat(1 << 20), "name": "a" }).to_string();
    let references = vec![r#"{"$text":"a"}"#; 200 << 10].join(",");
    let error = written.read(&signed(&[&text, &format!(r#"{{"entry":"x","of":[{references}]}}"#)])).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::BadOutput);
}

#[tokio::test]
async fn a_line_without_an_end_takes_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let journal = DiskJournal::new(Arc::new(HostDisk), folder.path());
    let path = journal.path("a").unwrap();
    // Zeros that take no place: a line that is too long, then a file that is.
    for (size, refused) in [(80 << 20, false), ((1 << 30) + 1, true)] {
        fs::write(&path, signed(&[r#"{"entry":"ended","outcome":"failed"}"#])).unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_len(size).unwrap();
        let read = journal.read("a").await;
        assert_eq!(read.is_err(), refused);
        if let Ok(read) = read {
            assert_eq!(read.len(), 1, "what is torn is left out");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_read_or_refused(
        lines in proptest::collection::vec(prop_oneof![
            Just("shipway journal 1 a".to_owned()),
            Just(r#"{"entry":"ended","outcome":"failed"}"#.to_owned()),
            Just(r#"{"text":"x","name":"a"}"#.to_owned()),
            Just(r#"{"synced":"0000000000000000"}"#.to_owned()),
            "\\PC{0,40}",
        ], 0..6),
        good in any::<bool>(),
        cut in any::<proptest::sample::Index>(),
    ) {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let mut bytes = if good { signed(&lines) } else { lines.join("\n").into_bytes() };
        bytes.truncate(cut.index(bytes.len() + 1));
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(read_anything(bytes));
    }
}
