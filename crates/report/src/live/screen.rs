//! What is drawn on a terminal: lines that scroll up and, below them, rows that are drawn over and over.

use std::{
    fmt::{self, Debug, Write as _},
    io::{self, Write},
    thread,
    time::Duration,
};

use super::{TerminalSize, line::Line};

/// How long a terminal that takes nothing just now is tried again, and how often.
const PAUSE: Duration = Duration::from_millis(5);
const TRIES: usize = 400;

/// A terminal, or what is taken for one.
pub(super) struct Screen {
    writer: Box<dyn Write + Send>,
    pub(super) colour: bool,
    /// The rows below the log, above the cursor.
    rows: Vec<Line>,
    /// The size that they were drawn for.
    size: TerminalSize,
    hidden: bool,
    /// Whether nobody is there any more who sees it.
    gone: bool,
}

impl Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

impl Screen {
    pub(super) fn new(writer: Box<dyn Write + Send>) -> Self {
        let size = TerminalSize::new(0, 0);
        Self { writer, colour: true, rows: Vec::new(), size, hidden: false, gone: false }
    }

    /// Writes lines to the log and draws these rows below it, in one write; nothing where nothing has changed.
    ///
    /// # Errors
    /// The first time that the terminal cannot be written to; from then on nothing is written.
    pub(super) fn draw(&mut self, log: &[Line], rows: Vec<Line>, size: TerminalSize) -> io::Result<()> {
        if self.gone || (log.is_empty() && rows == self.rows && size == self.size) {
            return Ok(());
        }
        let mut out = String::new();
        let live = !(rows.is_empty() && self.rows.is_empty());
        // What is to be erased: with what scrolls up all of it, otherwise what is not drawn over.
        let mut old = self.height(size);
        if live {
            // Synchronised output: terminals that know it show the frame as a whole, others ignore it.
            out.push_str("\u{1b}[?2026h");
            if !self.hidden && !rows.is_empty() {
                out.push_str("\u{1b}[?25l");
                self.hidden = true;
            }
            go_up(old, &mut out);
        }
        if live && !log.is_empty() {
            erase(std::mem::take(&mut old), &mut out);
        }
        for line in log {
            // The terminal breaks long ones, and joins them again when it gets wider.
            line.paint(self.colour, &mut out);
            out.push_str("\r\n");
        }
        if live {
            // A terminal that thinks a letter wider than we do cuts the row, instead of using one more.
            out.push_str("\u{1b}[?7l");
            for row in &rows {
                out.push_str("\u{1b}[K");
                row.paint(self.colour, &mut out);
                out.push_str("\r\n");
            }
            erase(old.saturating_sub(rows.len()), &mut out);
            out.push_str("\u{1b}[?7h");
            if rows.is_empty() && self.hidden {
                out.push_str("\u{1b}[?25h");
                self.hidden = false;
            }
            out.push_str("\u{1b}[?2026l");
        }
        (self.rows, self.size) = (rows, size);
        let written = self.write(out.as_bytes());
        self.gone = written.is_err();
        written
    }

    /// Returns how many rows of a terminal of this size are taken by those that were drawn.
    fn height(&self, size: TerminalSize) -> usize {
        // A terminal that has become narrower has broken them.
        let broken = |row: &Line| row.columns.div_ceil(size.columns.max(1)).max(1);
        let height: usize = self.rows.iter().map(broken).sum();
        // What it has moved out of itself cannot be reached.
        height.min(size.rows.saturating_sub(1))
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let mut tries = 0;
        while !bytes.is_empty() {
            match self.writer.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Some program has made the terminal that it shares with us one that does not wait.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && tries < TRIES => {
                    tries += 1;
                    thread::sleep(PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
        self.writer.flush()
    }
}

/// Moves the cursor to the beginning of a row that is so many rows further up.
fn go_up(rows: usize, out: &mut String) {
    out.push('\r');
    if rows > 0 {
        // Writing to a text cannot fail.
        let _ = write!(out, "\u{1b}[{rows}A");
    }
}

/// Erases so many rows from the cursor on, and the one after them, where the terminal shows keys that are pressed; leaves
/// the cursor where it was. Row by row: tmux takes all that is erased at once from the first row on for something to be
/// scrolled back to.
fn erase(rows: usize, out: &mut String) {
    for _ in 0..rows {
        out.push_str("\u{1b}[K\r\n");
    }
    out.push_str("\u{1b}[K");
    if rows > 0 {
        go_up(rows, out);
    }
}
