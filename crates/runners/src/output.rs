//! What a command writes: handed on line by line, or kept, never more than a limit.

use shipway_core::{Command, Context, Error, Result, Stream};

/// The most bytes of the end that an exit keeps for messages.
const END: usize = 4096;

/// A line that is longer is split, so that a command without line ends cannot fill the memory.
const LINE: usize = 64 * 1024;

/// What became of one stream of a command's output.
#[derive(Debug)]
pub(crate) struct Output<'a> {
    cx: &'a Context,
    stream: Stream,
    /// Whether lines become events.
    streamed: bool,
    /// The most bytes that are kept of the end.
    keep: usize,
    line: Vec<u8>,
    kept: Vec<u8>,
}

impl<'a> Output<'a> {
    pub(crate) fn new(cx: &'a Context, stream: Stream, command: &Command) -> Self {
        let streamed = !command.capture || stream == Stream::Stderr;
        let keep = if command.capture { Command::CAPTURE_LIMIT } else { END };
        Self { cx, stream, streamed, keep, line: Vec::new(), kept: Vec::new() }
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// `BadOutput` when more is captured than may be.
    pub(crate) fn take(&mut self, piece: &[u8], program: &str) -> Result<()> {
        self.kept.extend_from_slice(piece);
        if !self.streamed && self.kept.len() > self.keep {
            return Err(Error::bad_output(format!("`{program}` wrote more than {} bytes", self.keep)));
        }
        // Now and then, as what is kept may be long.
        if self.kept.len() >= 2 * self.keep {
            self.cut();
        }
        if !self.streamed {
            return Ok(());
        }
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            match part.strip_suffix(b"\n") {
                Some(rest) => {
                    self.line.extend_from_slice(rest);
                    self.send();
                }
                None => self.line.extend_from_slice(part),
            }
            if self.line.len() >= LINE {
                self.send();
            }
        }
        Ok(())
    }

    /// Ends the stream and returns what was kept.
    ///
    /// # Errors
    /// `BadOutput` when what is captured is not UTF-8.
    pub(crate) fn end(mut self, program: &str) -> Result<String> {
        if !self.line.is_empty() {
            self.send();
        }
        self.cut();
        if self.streamed {
            return Ok(String::from_utf8_lossy(&self.kept).into_owned());
        }
        String::from_utf8(self.kept)
            .map_err(|_| Error::bad_output(format!("the output of `{program}` is not UTF-8")))
    }

    /// Leaves out what is too much, and the rest of a line that is cut by it, since half a secret is
    /// not recognised as one.
    fn cut(&mut self) {
        let more = self.kept.len().saturating_sub(self.keep);
        if more == 0 {
            return;
        }
        let line = self.kept[more - 1..].iter().position(|byte| *byte == b'\n');
        self.kept.drain(..line.map_or(more, |line| more + line));
    }

    fn send(&mut self) {
        self.cx.output(self.stream, &String::from_utf8_lossy(&self.line));
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use shipway_core::{Cancel, RunContext, World};

    use super::*;

    fn context() -> Context {
        RunContext::new(World::host("/"), "test").context(None, None, Cancel::new())
    }

    #[test]
    fn the_end_is_kept_from_the_beginning_of_a_line() {
        let cx = context();
        let mut output = Output::new(&cx, Stream::Stdout, &Command::new("x"));
        for _ in 0..1000 {
            output.take(b"0123456789abcde\n", "x").unwrap();
        }
        output.take(b"end", "x").unwrap();
        let kept = output.end("x").unwrap();
        assert!(kept.len() <= END && kept.len() > END - 16, "{}", kept.len());
        assert!(kept.starts_with("0123") && kept.ends_with("\nend"));
    }

    #[test]
    fn what_is_captured_is_whole_or_an_error() {
        let cx = context();
        let command = Command::new("x").capture(true);
        let mut output = Output::new(&cx, Stream::Stdout, &command);
        let piece = vec![b'x'; Command::CAPTURE_LIMIT];
        output.take(&piece, "x").unwrap();
        assert!(output.take(b"y", "x").is_err());
        let mut output = Output::new(&cx, Stream::Stdout, &command);
        output.take(&[0xff], "x").unwrap();
        assert!(output.end("x").is_err());
    }
}
