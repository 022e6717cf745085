//! What a command prints, on this machine or elsewhere: line by line, and never half a secret.

use crate::{
    Context,
    command::{Command, Exit},
    event::Stream,
};

/// What a command prints on one stream: each line becomes an event, and the end of it all is kept.
///
/// Secrets are hidden before anything is cut off or split: half a secret is not recognised as one.
#[derive(Debug)]
pub struct Printed<'a> {
    cx: &'a Context,
    stream: Stream,
    /// What each line begins with as an event.
    who: Option<String>,
    /// At most this many bytes are the end.
    keep: usize,
    line: Vec<u8>,
    text: String,
}

/// A line that is longer is split, so that a command without line ends cannot fill the memory.
const LINE: usize = 64 * 1024;

impl<'a> Printed<'a> {
    /// Returns nothing yet. What is kept is as much as an exit has: of standard error that stands beside
    /// a captured output, as much as is captured.
    #[must_use]
    pub fn new(cx: &'a Context, stream: Stream, command: &Command) -> Self {
        let all = command.capture && stream == Stream::Stderr;
        let keep = if all { Command::CAPTURE_LIMIT } else { Exit::END };
        Self { cx, stream, who: None, keep, line: Vec::new(), text: String::new() }
    }

    /// Sets who prints it, where several do at once: in brackets before each line as it is told, and not in what is kept.
    #[must_use]
    pub fn by(mut self, who: &str) -> Self {
        self.who = Some(format!("[{who}]"));
        self
    }

    /// Takes the next piece.
    pub fn take(&mut self, piece: &[u8]) {
        for &byte in piece {
            if byte == b'\n' {
                let line = self.hidden(&self.line);
                self.send(&line, "\n");
                self.line.clear();
                continue;
            }
            self.line.push(byte);
            if self.line.len() >= LINE {
                self.send_beginning();
            }
        }
    }

    /// Returns the end of what was printed.
    #[must_use]
    pub fn end(mut self) -> String {
        if !self.line.is_empty() {
            let line = self.hidden(&self.line);
            self.send(&line, "");
        }
        self.cut();
        self.text
    }

    /// Sends what has come of a long line, but for what may be the beginning of a character or of a
    /// secret.
    fn send_beginning(&mut self) {
        let line = std::mem::take(&mut self.line);
        let whole = line.utf8_chunks().last().map_or(0, |chunk| chunk.invalid().len());
        let (line, rest) = line.split_at(line.len() - whole);
        let text = self.hidden(line);
        let (sent, kept) = match text.len() - self.cx.masks().begun(&text) {
            0 => (text.as_str(), ""),
            end => text.split_at(end),
        };
        self.send(sent, "");
        self.line = [kept.as_bytes(), rest].concat();
    }

    fn hidden(&self, line: &[u8]) -> String {
        let line = String::from_utf8_lossy(line);
        self.cx.masks().hide(&line).unwrap_or_else(|| line.into_owned())
    }

    fn send(&mut self, line: &str, end: &str) {
        // Of CR LF, as some programs end lines, both end it.
        let told = line.trim_end_matches('\r');
        match &self.who {
            Some(who) => self.cx.output(self.stream, &format!("{who} {told}")),
            None => self.cx.output(self.stream, told),
        }
        self.text.extend([line, end]);
        // Now and then, as what is kept may be long.
        if self.text.len() >= 2 * self.keep {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let cut = self.text.ceil_char_boundary(self.text.len().saturating_sub(self.keep));
        self.text.drain(..cut);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Cancel, EventKind, Record, RunContext, World};

    #[test]
    fn output_is_cut_into_lines_wherever_its_pieces_end() {
        let record = Arc::new(Record::default());
        let world = World::host("/").sink(Arc::<Record>::clone(&record));
        let cx = RunContext::new(world, "run").context(None, None, Cancel::new());
        let told = || {
            let line = |kind| match kind {
                EventKind::Output { line, .. } => Some(line.to_string()),
                _ => None,
            };
            record.events().into_iter().filter_map(|event| line(event.kind)).collect::<Vec<_>>()
        };
        let pieces = ["one\ntw", "o\r\n\nthr", "ee"];
        let mut printed = Printed::new(&cx, Stream::Stderr, &Command::new("x"));
        pieces.iter().for_each(|piece| printed.take(piece.as_bytes()));
        assert_eq!(printed.end(), "one\ntwo\r\n\nthree");
        assert_eq!(told(), ["one", "two", "", "three"]);

        let mut printed = Printed::new(&cx, Stream::Stderr, &Command::new("x")).by("web main");
        pieces.iter().for_each(|piece| printed.take(piece.as_bytes()));
        assert_eq!(printed.end(), "one\ntwo\r\n\nthree", "who prints it is not a part of it");
        let named = told().split_off(4);
        assert_eq!(named, ["[web main] one", "[web main] two", "[web main] ", "[web main] three"]);

        let mut printed = Printed::new(&cx, Stream::Stdout, &Command::new("x"));
        printed.take(&vec![b'x'; 3 * LINE]);
        assert_eq!(told().len(), 8 + 3, "what never ends is told all the same");
    }
}
