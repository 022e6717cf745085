//! A terminal, as far as the view needs one; what else is sent to it is a failure.

use unicode_width::UnicodeWidthChar as _;

/// A terminal with what has scrolled out of it.
pub(crate) struct Terminal {
    columns: usize,
    rows: usize,
    /// All rows, the screen's last.
    lines: Vec<Vec<char>>,
    /// The cursor: which of the screen's rows, and which of its cells.
    row: usize,
    column: usize,
    wraps: bool,
    pub(crate) cursor: bool,
    /// What has come of a sequence.
    sequence: String,
}

impl Terminal {
    pub(crate) fn new(columns: usize, rows: usize) -> Self {
        let lines = vec![Vec::new(); rows];
        Self { columns, rows, lines, row: 0, column: 0, wraps: true, cursor: true, sequence: String::new() }
    }

    /// Takes what is written to it.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        for c in std::str::from_utf8(bytes).unwrap().chars() {
            if !self.sequence.is_empty() || c == '\u{1b}' {
                self.sequence.push(c);
                let parameters = self.sequence.strip_prefix("\u{1b}[");
                if parameters.is_some_and(|rest| rest.ends_with(|c: char| c.is_ascii_alphabetic())) {
                    let sequence = std::mem::take(&mut self.sequence);
                    self.obey(&sequence[2..]);
                }
                assert!(self.sequence.len() < 16, "{:?}", self.sequence);
                continue;
            }
            match c {
                '\r' => self.column = 0,
                '\n' => self.feed(),
                c => self.put(c),
            }
        }
    }

    fn obey(&mut self, sequence: &str) {
        match sequence {
            "?25l" => self.cursor = false,
            "?25h" => self.cursor = true,
            "?7l" => self.wraps = false,
            "?7h" => self.wraps = true,
            "?2026h" | "?2026l" => {}
            "K" => {
                let (row, column) = (self.first() + self.row, self.column);
                self.lines[row].truncate(column);
            }
            _ if sequence.ends_with('m') => {}
            _ => {
                let up: usize = sequence.strip_suffix('A').and_then(|up| up.parse().ok()).expect(sequence);
                self.row = self.row.saturating_sub(up);
            }
        }
    }

    fn put(&mut self, c: char) {
        let cells = c.width().unwrap_or_else(|| panic!("{c:?} steers the terminal"));
        if cells == 0 {
            return;
        }
        if self.column + cells > self.columns {
            assert!(self.wraps, "a row that is drawn again is too wide");
            self.column = 0;
            self.feed();
        }
        let row = self.first() + self.row;
        let line = &mut self.lines[row];
        line.resize(line.len().max(self.column + cells), ' ');
        line[self.column] = c;
        // The second cell of a wide letter.
        line[self.column + 1..self.column + cells].fill('\0');
        self.column += cells;
    }

    fn feed(&mut self) {
        if self.row + 1 < self.rows {
            self.row += 1;
        } else {
            self.lines.push(Vec::new());
        }
    }

    fn first(&self) -> usize {
        self.lines.len() - self.rows
    }

    /// Returns all that can be seen or scrolled to, without what is empty at the end.
    pub(crate) fn text(&self) -> String {
        let line = |line: &Vec<char>| {
            let text: String = line.iter().filter(|c| **c != '\0').collect();
            text.trim_end().to_owned()
        };
        let lines: Vec<String> = self.lines.iter().map(line).collect();
        lines.join("\n").trim_end().to_owned()
    }
}

#[test]
fn it_is_a_terminal() {
    let mut terminal = Terminal::new(4, 3);
    terminal.take("ab\r\n日本語\r\nx\u{1b}[1A\rq\u{1b}[K\u{1b}[?25l".as_bytes());
    assert_eq!(terminal.text(), "ab\n日本\nq\nx");
    assert!(!terminal.cursor);
    terminal.take(b"\r\x1b[9A\x1b[K");
    assert_eq!(terminal.text(), "ab\n\nq\nx");
}
