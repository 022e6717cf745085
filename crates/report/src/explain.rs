//! What is wrong in a file, for people: the error with the line that it speaks of and a mark below the place. It opens
//! no file: whoever calls it hands over the text, or keeps it back where it holds secrets.

use std::path::Path;

use shipway_core::{ErrorReport, Location};

use crate::{markup::push_visible, width::width};

/// The least columns that are worth a piece of a line beside its number.
const LEAST: usize = 12;

/// What stands for a tab.
const TAB: &str = "    ";

/// What stands for the part of a line that there is no room for.
const CUT: &str = "…";

/// Returns an error as a person should see it: as the report's `Display`, with the line of the file after the message.
///
/// `source` gives the text of the file as it was read, or none: where the file has secrets, or cannot be read any more.
/// The line has at most so many columns; messages are not wrapped.
///
/// ```
/// use shipway_core::{Error, Location};
/// use shipway_report::explain_error;
///
/// let error = Error::config("there is no field `contxt` here")
///     .at(Location::new("skaffold.yaml", 4, 5))
///     .hint("did you mean `context`?");
/// let text = "build:\n  artifacts:\n  - image: web\n    contxt: web\n";
/// assert_eq!(
///     explain_error(error.report(), |_| Some(text.to_owned()), 80),
///     "skaffold.yaml:4:5: there is no field `contxt` here
///   4 |     contxt: web
///     |     ^^^^^^
///   hint: did you mean `context`?"
/// );
/// ```
pub fn explain_error(
    report: &ErrorReport,
    source: impl FnOnce(&Path) -> Option<String>,
    columns: usize,
) -> String {
    let whole = report.to_string();
    let shown = report.location.as_ref().and_then(|at| excerpt(at, &source(&at.file)?, columns));
    let Some(shown) = shown else { return whole };
    let mut head = report.clone();
    head.causes.clear();
    head.notes.clear();
    head.hint = None;
    let head = head.to_string();
    let rest = whole.strip_prefix(&head).unwrap_or_default();
    format!("{head}\n{shown}{rest}")
}

/// Returns the line of a text that a place is in, behind its number, and below it a mark at the column, as wide as the
/// word that begins there.
///
/// None where there is nothing to show: the line is not known, empty, or not in the text, or there are so few columns
/// that nothing of it would be left. A line that is longer is cut to what stands around the column. What would steer a
/// terminal or turn the direction of writing is shown as a sign or as its number.
///
/// ```
/// use shipway_core::Location;
/// use shipway_report::excerpt;
///
/// let at = Location::new("Dockerfile", 2, 1);
/// let shown = "  2 | COYP run /run\n    | ^^^^";
/// assert_eq!(excerpt(&at, "FROM scratch\nCOYP run /run\n", 80).as_deref(), Some(shown));
/// ```
#[must_use]
pub fn excerpt(location: &Location, text: &str, columns: usize) -> Option<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let line = text.lines().nth(location.line.checked_sub(1)?)?.trim_end();
    let number = location.line.to_string();
    let room = columns.checked_sub(number.len() + 5).filter(|room| *room >= LEAST)?;
    if line.is_empty() {
        return None;
    }
    let Some(column) = location.column.checked_sub(1) else {
        return Some(format!("  {number} | {}", beginning(line, room).0));
    };
    let ends = line.char_indices().map(|(at, _)| at).chain([line.len()]);
    let (before, after) = line.split_at(ends.clone().nth(column)?);

    // The rest of the line gets what the part before it leaves, but two thirds at least.
    let left = (room / 3).max(room.saturating_sub(cost(after).max(1)));
    let before = end(before, left);
    let (after, mark) = beginning(after, room - width(&before));
    let (blank, indent) = (" ".repeat(number.len()), " ".repeat(width(&before)));
    Some(format!("  {number} | {before}{after}\n  {blank} | {indent}{}", "^".repeat(mark.max(1))))
}

/// Returns the beginning of a line that fits, and how wide the word is in it that it begins with.
fn beginning(line: &str, room: usize) -> (String, usize) {
    let cut = cost(line) > room;
    let mut left = if cut { room.saturating_sub(1) } else { room };
    let (word, mut mark) = (word(line), 0);
    let mut shown = String::new();
    for (number, c) in line.chars().enumerate() {
        let cell = visible(c);
        let Some(rest) = left.checked_sub(cost_of(&cell)) else { break };
        left = rest;
        if number < word {
            mark += width(&cell);
        }
        shown.push_str(&cell);
    }
    (if cut { shown + CUT } else { shown }, mark)
}

/// Returns the end of a line that fits.
fn end(line: &str, room: usize) -> String {
    let cut = cost(line) > room;
    let mut left = if cut { room.saturating_sub(1) } else { room };
    let mut cells = Vec::new();
    for c in line.chars().rev() {
        let cell = visible(c);
        let Some(rest) = left.checked_sub(cost_of(&cell)) else { break };
        left = rest;
        cells.push(cell);
    }
    let shown: String = cells.into_iter().rev().collect();
    if cut { format!("{CUT}{shown}") } else { shown }
}

/// Returns how many characters the word has that a text begins with: a name, or what stands in quotes.
fn word(text: &str) -> usize {
    let mut chars = text.chars();
    match chars.next() {
        Some(quote @ ('"' | '\'')) => chars.position(|c| c == quote).map_or(1, |at| at + 2),
        Some(_) => {
            let in_name = |c: &char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '@');
            text.chars().take_while(in_name).count().max(1)
        }
        None => 1,
    }
}

/// Returns what is shown of a character.
fn visible(c: char) -> String {
    let mut cell = String::new();
    if c == '\t' {
        cell.push_str(TAB);
    } else {
        push_visible(c, &mut cell);
    }
    cell
}

/// Returns how many columns are put by for what a character shows: one at least, so that a line of accents ends as well.
fn cost_of(cell: &str) -> usize {
    width(cell).max(1)
}

fn cost(line: &str) -> usize {
    line.chars().map(|c| cost_of(&visible(c))).sum()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;
    use shipway_core::Error;

    use super::*;

    fn shown(text: &str, line: usize, column: usize, columns: usize) -> String {
        excerpt(&Location::new("a.yaml", line, column), text, columns).unwrap_or_default()
    }

    #[test]
    fn the_word_at_the_place_is_marked() {
        for (line, column, mark) in [
            ("image: web", 1, "^^^^^"),
            ("image: gcr.io/a/web:v1", 8, "       ^^^^^^^^^^^^"),
            ("a: 'b c' # d", 4, "   ^^^^^"),
            ("a: 'b c", 4, "   ^"),
            ("a: {b: c}", 4, "   ^"),
            ("a:", 3, "  ^"),
            ("grün: ü", 7, "      ^"),
        ] {
            assert_eq!(shown(line, 1, column, 80), format!("  1 | {line}\n    | {mark}"), "{column}");
        }
    }

    #[test]
    fn tabs_wide_letters_and_accents_take_the_columns_that_they_take() {
        assert_snapshot!(shown("a\t名前: \t名 b", 1, 8, 80), @"
          1 | a    名前:     名 b
            |                ^^
        ");
        assert_snapshot!(shown("e\u{301}e\u{301}: x", 1, 7, 80), @r"
        1 | éé: x
          |     ^
        ");
    }

    #[test]
    fn a_long_line_is_cut_around_the_column() {
        let line: String = (0..40).map(|number| format!("word{number:02} ")).collect();
        assert_snapshot!(
            [1, 15, 141, 274].map(|column| shown(&line, 1, column, 40)).join("\n"),
            @r"
        1 | word00 word01 word02 word03 word0…
          | ^^^^^^
        1 | …00 word01 word02 word03 word04 w…
          |            ^^^^^^
        1 | …18 word19 word20 word21 word22 w…
          |            ^^^^^^
        1 | …ord35 word36 word37 word38 word39
          |                             ^^^^^^
        "
        );
        assert_eq!(shown(&line, 1, 1, 0), "");
        let long = shown(&"x".repeat(1 << 20), 1, 1 << 19, 20);
        assert_eq!(long, "  1 | …xxxxxxxxxxxx…\n    |     ^^^^^^^^^");
    }

    #[test]
    fn what_is_not_there_is_not_shown() {
        for (line, column, columns) in [
            (0, 0, 80),
            (3, 1, 80),
            (usize::MAX, 1, 80),
            (1, 10, 80),
            (1, usize::MAX, 80),
            (2, 1, 80),
            (1, 1, 17),
        ] {
            assert_eq!(shown("image: w\n\n", line, column, columns), "", "{line}:{column}");
        }
        assert_eq!(shown("image: w", 1, 9, 80), "  1 | image: w\n    |         ^");
        assert_eq!(shown("image: w\n", 1, 0, 80), "  1 | image: w");
        assert_eq!(shown("\u{feff}image: w\r\n", 1, 1, 80), "  1 | image: w\n    | ^^^^^");
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_snapshot!(shown("a\u{1b}[2J: \u{202e}b\u{7}", 1, 8, 80), @r"
        1 | a�[2J: [U+202E]b�
          |        ^^^^^^^^
        ");
    }

    #[test]
    fn the_line_stands_between_the_message_and_the_notes() {
        let error = Error::config("two have the name `a`")
            .at(Location::new("a.yaml", 2, 9))
            .source(std::io::Error::other("because of that"))
            .note("the first is at a.yaml:1:9\nhere")
            .hint("give one another name");
        let text = "- name: a\n- name: a\n";
        assert_snapshot!(explain_error(error.report(), |_| Some(text.to_owned()), 80), @"
        a.yaml:2:9: two have the name `a`
          2 | - name: a
            |         ^
          because: because of that
          note: the first is at a.yaml:1:9
                here
          hint: give one another name
        ");
        assert_eq!(explain_error(error.report(), |_| None, 80), error.report().to_string());
        let error = Error::config("no place");
        assert_eq!(explain_error(error.report(), |_| panic!("no file is asked for"), 80), "no place");
    }

    proptest! {
        #[test]
        fn it_stays_within_the_columns(
            text in "(\\PC|[\t\u{1b}\u{301}\u{200b}名\r\n]){0,80}",
            line in 0_usize..4,
            column in 0_usize..90,
            columns in 0_usize..60,
        ) {
            let shown = shown(&text, line, column, columns);
            for line in shown.lines() {
                prop_assert!(width(line) <= columns, "{line:?}");
                prop_assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
            }
            prop_assert!(shown.lines().count() <= 2, "{shown:?}");
        }
    }
}
