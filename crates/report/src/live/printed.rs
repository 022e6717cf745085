//! Lines that tools print for a terminal of their own, as they are seen at the end: without colours, and without what
//! was written over.

use super::line::visible;
use crate::{markup::without_colour, width::width};

/// How far terminals' tabs are apart.
const TAB: usize = 8;

/// Returns what is left to be seen of a line.
pub(super) fn printed(line: &str) -> String {
    let line = without_colour(line);
    // A bar that is drawn again and again is worth its last state.
    let mut states = line.rsplit('\r');
    let line = states.find(|state| !state.trim().is_empty()).unwrap_or_default();
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '\u{8}' => {
                out.pop();
            }
            '\t' => {
                let next = TAB - width(&visible(&out)) % TAB;
                out.extend(std::iter::repeat_n(' ', next));
            }
            c => out.push(c),
        }
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_over_is_not_seen() {
        for (line, seen) in [
            ("plain", "plain"),
            ("\u{1b}[32mok\u{1b}[0m  ", "ok"),
            ("10 %\r20 %\r\u{1b}[K30 %", "30 %"),
            ("30 %\r    \r", "30 %"),
            ("N\u{8}NA\u{8}A", "NA"),
            ("\u{8}\u{8}x", "x"),
            ("\r\r", ""),
            ("\ta\tb\t", "        a       b"),
            ("日\tb", "日      b"),
        ] {
            assert_eq!(printed(line), seen, "{line:?}");
        }
    }
}
