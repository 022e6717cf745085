//! How many cells of a terminal a text takes.

use unicode_width::UnicodeWidthChar as _;

/// Returns how many cells a text takes that has no control characters.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(cells).sum()
}

/// Returns how many cells a character takes.
pub(crate) fn cells(c: char) -> usize {
    c.width().unwrap_or(0)
}
