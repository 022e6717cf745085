//! What a build prints, line by line: the classic builder's text, and BuildKit's trace (moby/buildkit,
//! api/services/control/control.proto, `StatusResponse`).

use std::collections::{BTreeMap, BTreeSet};

use shipway_core::{Context, Result, Stream};

use crate::message::{Value, fields};

/// The most bytes of the end of the output that an error shows.
const END: usize = 4096;

/// A line that is longer is split.
const LINE: usize = 64 * 1024;

/// Hands lines on and keeps the end of them.
#[derive(Debug)]
pub(crate) struct Progress<'a> {
    cx: &'a Context,
    /// What is not a whole line yet, by the step that prints it.
    lines: BTreeMap<String, Vec<u8>>,
    begun: BTreeSet<String>,
    end: String,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(cx: &'a Context) -> Self {
        Self { cx, lines: BTreeMap::new(), begun: BTreeSet::new(), end: String::new() }
    }

    /// Takes a piece of a step's text, which may end within a line.
    pub(crate) fn text(&mut self, step: &str, stream: Stream, text: &[u8]) {
        for part in text.split_inclusive(|byte| *byte == b'\n') {
            let line = self.lines.entry(step.to_owned()).or_default();
            line.extend_from_slice(part);
            if part.ends_with(b"\n") || line.len() >= LINE {
                let line = std::mem::take(line);
                self.line(stream, String::from_utf8_lossy(&line).trim_end());
            }
        }
    }

    fn line(&mut self, stream: Stream, line: &str) {
        if line.is_empty() {
            return;
        }
        self.cx.output(stream, line);
        self.end.push_str(line);
        self.end.push('\n');
        let cut = self.end.ceil_char_boundary(self.end.len().saturating_sub(END));
        self.end.drain(..cut);
    }

    /// Takes a part of BuildKit's trace.
    pub(crate) fn trace(&mut self, message: &[u8]) -> Result<()> {
        for (number, value) in fields(message)? {
            match number {
                1 => self.vertex(value.bytes())?,
                3 => self.log(value.bytes())?,
                4 => {
                    let short = fields(value.bytes())?.into_iter().find(|(number, _)| *number == 3);
                    if let Some((_, short)) = short {
                        self.line(Stream::Stderr, &format!("warning: {}", short.text()));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn vertex(&mut self, message: &[u8]) -> Result<()> {
        let (mut digest, mut name, mut error) = (String::new(), String::new(), String::new());
        let (mut cached, mut started) = (false, false);
        for (number, value) in fields(message)? {
            match (number, value) {
                (1, value) => digest = value.text(),
                (3, value) => name = value.text(),
                (4, Value::Number(number)) => cached = number != 0,
                (5, _) => started = true,
                (7, value) => error = value.text(),
                _ => {}
            }
        }
        // The trace tells of a step again and again as it goes on.
        if started && self.begun.insert(digest) {
            self.line(Stream::Stdout, &if cached { format!("{name} (cached)") } else { name.clone() });
        }
        if !error.is_empty() && !error.contains("context canceled") {
            self.line(Stream::Stderr, &format!("{name}: {error}"));
        }
        Ok(())
    }

    fn log(&mut self, message: &[u8]) -> Result<()> {
        let (mut step, mut stream, mut text): (String, _, &[u8]) = (String::new(), Stream::Stdout, &[]);
        for (number, value) in fields(message)? {
            match (number, value) {
                (1, value) => step = value.text(),
                (3, Value::Number(2)) => stream = Stream::Stderr,
                (4, value) => text = value.bytes(),
                _ => {}
            }
        }
        self.text(&step, stream, text);
        Ok(())
    }

    /// Hands on what is left, and returns the end of it all.
    pub(crate) fn finish(mut self) -> String {
        for line in std::mem::take(&mut self.lines).into_values() {
            self.line(Stream::Stdout, String::from_utf8_lossy(&line).trim_end());
        }
        self.end
    }
}
