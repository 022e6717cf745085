//! The form of a journal's file, which people can read with `cat`; pure.
//!
//! ```text
//! shipway journal 1 nightly-7
//! 91c3a2b4d5e6f708 {"entry":"planned","plan":{…}}
//! 0f1e2d3c4b5a6978 {"synced":"91c3a2b4d5e6f708"}
//! 8a7b6c5d4e3f2011 {"text":"apiVersion: v1\n…","name":"5f0c…"}
//! 77aa0b1c2d3e4f50 {"entry":"finished","output":{"manifests":{…,"text":{"$text":"5f0c…"}}},…}
//! ```
//!
//! Each line begins with a checksum of itself and of the checksum before it, so a line that is missing, changed or
//! moved is noticed. A line of `synced` says that all before it was on the disk for good when it was written: what
//! comes after the last of these may be torn after a crash, and then the journal ends before it; a bad line before
//! one of these is damage.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use serde_json::{Value, json};

use super::{Entry, texts};
use crate::{Error, Location, Result};

/// The number of this form.
const FORM: u64 = 1;
/// The most bytes in a line.
const LINE: usize = 64 << 20;
/// The most bytes in a file, and of its entries with all texts in their places.
pub(super) const FILE: u64 = 1 << 30;
/// The digits of a checksum.
const DIGITS: usize = 16;

/// An entry on its way into a file.
#[derive(Debug)]
pub(super) enum Written {
    /// The JSON of one of which nothing is to be taken out.
    Plain(String),
    /// One that is to be looked through.
    Whole(Value),
}

impl Written {
    /// Returns an entry as it is written.
    pub(super) fn of(entry: &Entry) -> serde_json::Result<Self> {
        match texts::plain(entry)? {
            Some(json) => Ok(Self::Plain(json)),
            None => serde_json::to_value(entry).map(Self::Whole),
        }
    }
}

/// Where a journal's file goes on.
#[derive(Debug)]
pub(super) struct End {
    run: String,
    /// The checksum of the last line.
    checksum: String,
    /// The names of the texts that the file holds.
    texts: BTreeSet<String>,
    /// The bytes of the file.
    bytes: u64,
    /// The bytes of its entries with all texts in their places.
    whole: u64,
    /// Whether all of the file is on the disk for good and does not say so yet.
    synced: bool,
}

impl End {
    /// Returns the end of an empty file.
    pub(super) fn new(run: &str) -> Self {
        Self {
            run: run.to_owned(),
            checksum: checksum("", &header(run)),
            texts: BTreeSet::new(),
            bytes: 0,
            whole: 0,
            synced: false,
        }
    }

    /// Returns the bytes of the file.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Notes that all of the file is on the disk for good.
    pub(super) fn synced(&mut self) {
        self.synced = self.bytes > 0;
    }

    /// Returns an entry's lines, with all that must stand before them.
    ///
    /// # Errors
    /// `Unsupported` when the entry, or the file with it, could not be read again.
    pub(super) fn lines(&mut self, entry: Written) -> Result<String> {
        let mut lines = String::new();
        if self.bytes == 0 {
            lines += &header(&self.run);
            lines.push('\n');
        }
        if std::mem::take(&mut self.synced) {
            let before = self.checksum.clone();
            self.line(&mut lines, &json!({ "synced": before }).to_string())?;
        }
        match entry {
            Written::Plain(json) => self.line(&mut lines, &json)?,
            Written::Whole(mut entry) => {
                let mut found = Vec::new();
                texts::take_out(&mut entry, &mut |name, text| found.push((name, text)))
                    .ok_or_else(|| refused("an entry is nested too deep"))?;
                for (name, text) in found {
                    self.whole += text.len() as u64;
                    if self.texts.insert(name.clone()) {
                        self.line(&mut lines, &json!({ "text": text, "name": name }).to_string())?;
                    }
                }
                self.line(&mut lines, &entry.to_string())?;
            }
        }
        self.bytes += lines.len() as u64;
        self.whole += lines.len() as u64;
        if self.whole > FILE {
            return Err(refused(&format!("it would have more than {FILE} bytes")));
        }
        Ok(lines)
    }

    fn line(&mut self, lines: &mut String, json: &str) -> Result<()> {
        if json.len() + DIGITS + 1 > LINE {
            return Err(refused(&format!("an entry has more than {LINE} bytes")));
        }
        self.checksum = checksum(&self.checksum, json);
        lines.extend([&*self.checksum, " ", json, "\n"]);
        Ok(())
    }
}

fn refused(problem: &str) -> Error {
    Error::unsupported(format!("the journal cannot be written: {problem}"))
        .hint("let the plug-ins keep large data elsewhere")
}

fn header(run: &str) -> String {
    format!("shipway journal {FORM} {run}")
}

fn checksum(before: &str, text: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(before.as_bytes()).update(text.as_bytes());
    hasher.finalize().to_hex()[..DIGITS].to_owned()
}

/// Reads a journal's file, and returns its entries and where it goes on.
///
/// # Errors
/// `BadOutput` when it is damaged; `Unsupported` when another release wrote what this one does not know; else what
/// the disk says.
pub(super) fn read(run: &str, path: &Path, file: impl Read) -> Result<(Vec<Entry>, End)> {
    let failed = |error| Error::io("read", path, error);
    let mut file = BufReader::with_capacity(64 << 10, file.take(FILE));
    let mut reading = Reading { path, number: 0, kept: BTreeMap::new(), end: End::new(run) };
    let (mut entries, mut line, mut torn_at, mut bytes) = (Vec::new(), Vec::new(), None, 0);
    while let Some((whole, length)) = read_line(&mut file, &mut line).map_err(failed)? {
        bytes += length;
        let text = std::str::from_utf8(&line).ok().filter(|_| whole);
        if let Some(number) = torn_at {
            if text.is_some_and(proves_synced) {
                reading.number = number;
                return Err(reading.damaged("the line is not what was written"));
            }
            continue;
        }
        reading.number += 1;
        match text.map(|text| reading.take(text)) {
            Some(Ok(entry)) => {
                entries.extend(entry);
                reading.end.bytes = bytes;
            }
            Some(Err(Problem::Told(error))) => return Err(error),
            Some(Err(Problem::Torn)) | None => torn_at = Some(reading.number),
        }
    }
    reading.end.texts = reading.kept.into_keys().collect();
    Ok((entries, reading.end))
}

enum Problem {
    /// A crash may have left it so.
    Torn,
    /// Nothing but this error can come of it.
    Told(Error),
}

struct Reading<'a> {
    path: &'a Path,
    number: usize,
    kept: BTreeMap<String, String>,
    end: End,
}

impl Reading<'_> {
    fn take(&mut self, line: &str) -> Result<Option<Entry>, Problem> {
        if self.number == 1 {
            return self.header(line).map(|()| None);
        }
        let (found, json) = split(line).ok_or(Problem::Torn)?;
        if found != checksum(&self.end.checksum, json) {
            return Err(Problem::Torn);
        }
        found.clone_into(&mut self.end.checksum);
        self.end.whole += line.len() as u64 + 1;
        // From here on the line is what was written.
        let value = serde_json::from_str(json).map_err(|error| Problem::Told(self.unknown(error)))?;
        self.value(value).map_err(Problem::Told)
    }

    fn header(&mut self, line: &str) -> Result<(), Problem> {
        if line == header(&self.end.run) {
            self.end.whole = line.len() as u64 + 1;
            return Ok(());
        }
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let ["shipway", "journal", form, run] = words[..] else { return Err(Problem::Torn) };
        Err(match form.parse::<u64>() {
            Ok(FORM) => Problem::Told(self.damaged(&format!("it is the journal of run `{run}`"))),
            Ok(form) => Problem::Told(
                Error::unsupported(format!(
                    "the journal has form {form}, but this release reads form {FORM}"
                ))
                .at(self.place())
                .hint("go on with it with the release that wrote it, or begin a new run"),
            ),
            Err(_) => Problem::Torn,
        })
    }

    fn value(&mut self, mut value: Value) -> Result<Option<Entry>> {
        if value.get("entry").is_none() {
            let text = |field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
            if let (Some(text), Some(name)) = (text("text"), text("name")) {
                self.kept.insert(name, text);
                return Ok(None);
            }
            if text("synced").is_some() {
                return Ok(None);
            }
        }
        let (kept, whole) = (&self.kept, &mut self.end.whole);
        let put_back = texts::put_back(&mut value, &mut |name| {
            let text = kept.get(name)?;
            *whole += text.len() as u64;
            // Few lines can ask for much: each text as often as they like.
            (*whole <= FILE).then(|| text.clone())
        });
        if self.end.whole > FILE {
            return Err(self.damaged(&format!("its entries have more than {FILE} bytes")));
        }
        put_back.ok_or_else(|| self.damaged("the line refers to a text that is not there"))?;
        serde_json::from_value(value).map(Some).map_err(|error| self.unknown(error))
    }

    fn place(&self) -> Location {
        Location::new(self.path, self.number, 0)
    }

    fn damaged(&self, problem: &str) -> Error {
        Error::bad_output(format!("the journal is damaged: {problem}"))
            .at(self.place())
            .hint("put the file back from a copy, or begin a new run")
    }

    fn unknown(&self, error: serde_json::Error) -> Error {
        Error::unsupported("the journal holds an entry that this release does not know")
            .at(self.place())
            .source(error)
            .hint("go on with it with the release that wrote it, or begin a new run")
    }
}

/// Splits a line into its checksum and its JSON.
fn split(line: &str) -> Option<(&str, &str)> {
    line.split_once(' ').filter(|(checksum, _)| checksum.len() == DIGITS)
}

/// Returns whether a line is a whole one of `synced`, whatever is before it: it holds the checksum that it needs.
fn proves_synced(line: &str) -> bool {
    let Some((found, json)) = split(line) else { return false };
    // What is no such line need not be parsed, which may be long.
    let value: Option<Value> =
        json.starts_with("{\"synced\"").then(|| serde_json::from_str(json).ok()).flatten();
    let before = value.as_ref().and_then(|value| value.get("synced")?.as_str());
    before.is_some_and(|before| checksum(before, json) == found)
}

/// Reads a line without its end, and returns whether it has one and is not too long to keep, and how many bytes
/// it takes in the file; `None` at the end.
fn read_line(file: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<(bool, u64)>> {
    line.clear();
    let mut length = 0;
    loop {
        let buffer = match file.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            buffer => buffer?,
        };
        if buffer.is_empty() {
            return Ok((length > 0).then_some((false, length)));
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let piece = &buffer[..end.unwrap_or(buffer.len())];
        // One byte more than may be shows that it is too long.
        line.extend_from_slice(&piece[..piece.len().min(LINE + 1 - line.len())]);
        let taken = end.map_or(buffer.len(), |end| end + 1);
        length += taken as u64;
        file.consume(taken);
        if end.is_some() {
            return Ok(Some((line.len() <= LINE, length)));
        }
    }
}
