//! Tars as Go's `archive/tar` reads them, which runtimes unpack with.

use std::io::Read as _;

use serde_json::{Value, json};

use super::{tar_reader::TarReader, *};

fn unpacked(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    let packed: Vec<u8> = digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&*packed).read_to_end(&mut bytes).unwrap();
    bytes
}

/// Returns the entries as the table has them.
fn entries(tar: &[u8]) -> Result<Vec<Value>> {
    let mut reader = TarReader::new(tar);
    let mut entries = Vec::new();
    while let Some(entry) = reader.next()? {
        let mut text = vec![0; usize::try_from(entry.size).unwrap()];
        let mut at = 0;
        while at < text.len() {
            at += reader.read_content(&mut text[at..]).map_err(super::tar_reader::unreadable)?;
        }
        let (kind, link) = match entry.kind {
            TarKind::File => ("file", String::new()),
            TarKind::Folder => ("folder", String::new()),
            TarKind::Link(link) => ("link", link),
            TarKind::HardLink(link) => ("hard link", link),
            TarKind::Device(_) => ("device", String::new()),
        };
        entries.push(json!({
            "kind": kind, "path": entry.path, "link": link, "size": entry.size, "mode": entry.mode,
            "uid": entry.uid, "gid": entry.gid, "text": String::from_utf8_lossy(&text).trim_end_matches('\0'),
        }));
    }
    Ok(entries)
}

/// `main.go` beside the table made it with Go's own `archive/tar`.
#[test]
#[expect(clippy::print_stdout, reason = "the figure is what the test is for")]
fn tars_are_read_as_go_reads_them() {
    let (mut read, mut refused, mut by_us, mut wrong) = (0, 0, 0, Vec::new());
    for line in include_str!("../../../tests/go_tar/table.jsonl").lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let ours = entries(&unpacked(row["tar"].as_str().unwrap()));
        match (ours, row["refused"].as_bool().unwrap()) {
            (Ok(ours), false) if Value::from(ours.clone()) == row["entries"] => read += 1,
            (Err(_), true) => refused += 1,
            // An owner that is no number to Linux.
            (Err(error), false) if error.to_string().contains("an owner of no number") => by_us += 1,
            (ours, _) => wrong.push(format!("{}: {ours:?}\n    but to Go {}", row["name"], row["entries"])),
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(read > 200 && refused > 50 && by_us < 10, "{read} read, {refused} refused, {by_us} by us alone");
    println!("M2: {read} odd tars read as Go reads them, {refused} refused by both, {by_us} by us alone");
}
