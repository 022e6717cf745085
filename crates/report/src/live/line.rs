//! A line in a terminal's cells. The one way to make one keeps its rules: no text in it steers the terminal, and none
//! takes more cells than the line has.

use std::fmt::Write as _;

use crate::{
    markup::push_visible,
    width::{cells, width},
};

/// How many marks a letter may carry; no language has letters with more (UAX 15, stream-safe text).
const MARKS: usize = 30;

/// What a piece of a line looks like where there are colours; without them it reads the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Plain,
    Strong,
    Faint,
    Good,
    Bad,
    Notable,
}

impl Look {
    /// Returns the parameters that select it (ECMA-48, 8.3.117): the terminal's own colours, which its owner chose.
    fn parameters(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Strong => Some("1"),
            Self::Faint => Some("2"),
            Self::Good => Some("32"),
            Self::Bad => Some("1;31"),
            Self::Notable => Some("33"),
        }
    }
}

/// A line that is complete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    pieces: Vec<(Look, String)>,
    /// How many cells it takes.
    pub(super) columns: usize,
}

impl Line {
    /// Returns the line's text.
    pub(super) fn text(&self) -> String {
        self.pieces.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// Writes the line for a terminal.
    pub(super) fn paint(&self, colour: bool, out: &mut String) {
        for (look, text) in &self.pieces {
            match look.parameters().filter(|_| colour) {
                // Writing to a text cannot fail.
                Some(parameters) => drop(write!(out, "\u{1b}[{parameters}m{text}\u{1b}[0m")),
                None => out.push_str(text),
            }
        }
    }
}

/// A line that is being written, from the left to the right.
#[derive(Debug)]
pub(super) struct Writing {
    line: Line,
    left: usize,
    /// Blank cells before what comes next, if something does.
    gap: usize,
}

impl Writing {
    /// Returns an empty line of at most so many cells.
    pub(super) fn new(columns: usize) -> Self {
        Self { line: Line::default(), left: columns, gap: 0 }
    }

    /// Writes a text; what has no room is cut, with a sign for it.
    pub(super) fn say(mut self, look: Look, text: &str) -> Self {
        if text.is_empty() || self.left <= self.gap {
            return self;
        }
        let gap = std::mem::take(&mut self.gap);
        self.left -= gap;
        // Far more than has room, so that nobody's long text is gone through for each frame.
        let most = self.left.saturating_mul(MARKS + 1);
        let end = text.char_indices().nth(most).map_or(text.len(), |(end, _)| end);
        let text = fit(&visible(&text[..end]), self.left);
        let columns = width(&text);
        self.left -= columns;
        self.line.columns += gap + columns;
        match self.line.pieces.last_mut() {
            Some((last, before)) if *last == look && gap == 0 => before.push_str(&text),
            _ => {
                if gap > 0 {
                    self.line.pieces.push((Look::Plain, " ".repeat(gap)));
                }
                self.line.pieces.push((look, text));
            }
        }
        self
    }

    /// Leaves so many cells blank.
    pub(super) fn gap(mut self, columns: usize) -> Self {
        self.gap += columns;
        self
    }

    /// Writes a text in a column of its own, and leaves blank what it does not take.
    pub(super) fn column(self, look: Look, text: &str, wide: usize) -> Self {
        let text = visible(text);
        self.say(look, &text).gap(wide.saturating_sub(width(&text)))
    }

    /// Writes a text at the right of a column of its own.
    pub(super) fn right(self, look: Look, text: &str, wide: usize) -> Self {
        self.gap(wide.saturating_sub(width(text))).say(look, text)
    }

    pub(super) fn end(self) -> Line {
        self.line
    }
}

/// Returns a text that steers no terminal, in one line.
pub(super) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut marks = 0;
    for c in text.chars() {
        let c = if matches!(c, '\n' | '\t') { ' ' } else { c };
        // It asks for the wide form of the letter before it: half of all terminals then take a cell more.
        if c == '\u{fe0f}' {
            continue;
        }
        marks = if cells(c) == 0 && !c.is_control() { marks + 1 } else { 0 };
        if marks <= MARKS {
            push_visible(c, &mut out);
        }
    }
    out
}

/// Returns the beginning of a visible text that takes at most so many cells, with a sign where it was cut.
fn fit(text: &str, most: usize) -> String {
    let mut used = 0;
    // Where it is cut if it has to be: before what would leave no cell for the sign.
    let mut end = 0;
    for (at, c) in text.char_indices() {
        used += cells(c);
        if used > most {
            return if most == 0 { String::new() } else { format!("{}…", &text[..end]) };
        }
        if used < most {
            end = at + c.len_utf8();
        }
    }
    text.to_owned()
}

/// Returns a name with its middle left out where it is long: what differs is mostly at the end.
pub(super) fn middle(name: &str, most: usize) -> String {
    let name = visible(name);
    if width(&name) <= most {
        return name;
    }
    let back = most / 2;
    let mut used = 0;
    let mut start = name.len();
    for (at, c) in name.char_indices().rev() {
        used += cells(c);
        if used > back {
            break;
        }
        start = at;
    }
    // With the sign at its end.
    format!("{}{}", fit(&name, most - back), &name[start..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthStr as _;

    use super::*;

    #[test]
    fn a_text_is_cut_between_letters_with_a_sign() {
        for (text, most, cut) in [
            ("build:web", 9, "build:web"),
            ("build:web", 8, "build:w…"),
            ("build:web", 1, "…"),
            ("build:web", 0, ""),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("日本語", 2, "…"),
            ("日", 1, "…"),
            // A mark stays with its letter.
            ("e\u{301}e\u{301}e\u{301}", 3, "e\u{301}e\u{301}e\u{301}"),
            ("e\u{301}e\u{301}e\u{301}", 2, "e\u{301}…"),
        ] {
            assert_eq!(fit(text, most), cut, "{text} in {most}");
        }
    }

    #[test]
    fn names_lose_their_middle() {
        for (name, most, short) in [
            ("build:web", 9, "build:web"),
            ("build:a-long-name/web", 12, "build…me/web"),
            ("日本語日本語", 7, "日…語"),
            ("abc", 1, "…"),
            ("abc", 0, ""),
        ] {
            assert_eq!(middle(name, most), short, "{name} in {most}");
        }
    }

    #[test]
    fn a_line_is_written_up_to_its_end() {
        let line = |columns| {
            let writing = Writing::new(columns).column(Look::Good, "done", 6).say(Look::Strong, "web");
            writing.right(Look::Plain, "3s", 5).gap(2).say(Look::Faint, "made\tit").gap(3).end()
        };
        assert_eq!(line(80).text(), "done  web   3s  made it");
        assert_eq!(line(18).text(), "done  web   3s  m…");
        assert_eq!(line(16).text(), "done  web   3s");
        assert_eq!(line(6).text(), "done");
        assert_eq!(line(0), Line::default());
        let mut painted = String::new();
        line(18).paint(true, &mut painted);
        assert_eq!(painted, "\u{1b}[32mdone\u{1b}[0m  \u{1b}[1mweb\u{1b}[0m   3s  \u{1b}[2mm…\u{1b}[0m");
        let mut painted = String::new();
        line(18).paint(false, &mut painted);
        assert_eq!(painted, line(18).text());
    }

    proptest! {
        #[test]
        fn no_text_is_wider_than_its_place(text in "\\PC*|(\u{301}|日|e|\u{fe0f}|❤|👩|\u{200d}|🇩|\u{1b}|\n){0,60}", most in 0_usize..40) {
            for short in [fit(&visible(&text), most), middle(&text, most), Writing::new(most).say(Look::Plain, &text).end().text()] {
                prop_assert!(width(&short) <= most && short.width() <= most, "{short:?}");
                prop_assert!(!short.contains(char::is_control), "{short:?}");
            }
        }
    }

    #[test]
    fn a_letter_carries_so_many_marks() {
        let text = format!("a{}b", "\u{301}".repeat(10_000));
        assert_eq!(visible(&text).chars().count(), 2 + MARKS);
    }
}
