//! Markup that is written element by element: names of elements and attributes are the program's own words, and
//! every text and every value goes through one place that lets none of it become markup.

use std::fmt::Write as _;

/// A piece of HTML or SVG.
#[derive(Debug, Default)]
pub(crate) struct Markup(String);

/// Attributes: names are constants, values are escaped.
pub(crate) type Attributes<'a> = [(&'static str, &'a str)];

impl Markup {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn finish(self) -> String {
        self.0
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Writes what the program itself says, as it stands.
    pub(crate) fn constant(&mut self, markup: &'static str) {
        self.0.push_str(markup);
    }

    /// Writes a text in one line.
    pub(crate) fn text(&mut self, text: &str) {
        escape(text, false, &mut self.0);
    }

    /// Writes a text with its line ends and tabs.
    pub(crate) fn lines(&mut self, text: &str) {
        escape(text, true, &mut self.0);
    }

    /// Writes an element and what is in it.
    pub(crate) fn within(
        &mut self,
        tag: &'static str,
        attributes: &Attributes<'_>,
        inside: impl FnOnce(&mut Self),
    ) {
        self.begin(tag, attributes);
        self.0.push('>');
        inside(self);
        self.0.push_str("</");
        self.0.push_str(tag);
        self.0.push('>');
    }

    /// Writes an element with a text in it.
    pub(crate) fn element(&mut self, tag: &'static str, attributes: &Attributes<'_>, text: &str) {
        self.within(tag, attributes, |inside| inside.text(text));
    }

    /// Writes an element that holds nothing.
    pub(crate) fn empty(&mut self, tag: &'static str, attributes: &Attributes<'_>) {
        self.begin(tag, attributes);
        self.0.push_str("/>");
    }

    /// Ends a line of the source, for those who read that.
    pub(crate) fn end_line(&mut self) {
        self.0.push('\n');
    }

    fn begin(&mut self, tag: &'static str, attributes: &Attributes<'_>) {
        self.0.push('<');
        self.0.push_str(tag);
        for (name, value) in attributes {
            self.0.push(' ');
            self.0.push_str(name);
            self.0.push_str("=\"");
            escape(value, false, &mut self.0);
            self.0.push('"');
        }
    }
}

/// Writes a text so that it is a text wherever it stands.
fn escape(text: &str, lines: bool, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(if lines { c } else { ' ' }),
            c => push_visible(c, out),
        }
    }
}

/// Writes a character so that it does not change how others are read: a control character as U+FFFD, and what is
/// invisible and turns or hides letters as its number.
pub(crate) fn push_visible(c: char, out: &mut String) {
    if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') {
        out.push(char::REPLACEMENT_CHARACTER);
    } else if misleads(c) {
        // Writing to a text cannot fail.
        let _ = write!(out, "[U+{:04X}]", u32::from(c));
    } else {
        out.push(c);
    }
}

/// Returns whether a character is not seen itself and changes what is: it turns the direction of writing, or hides.
/// (Unicode 16, `Bidi_Control`, separators and tags; joiners stay, as many scripts need them.)
fn misleads(c: char) -> bool {
    matches!(
        c,
        '\u{61c}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Returns a line without the sequences that steer a terminal: colours, the cursor, a window's name, links (ECMA-48, 5;
/// ECMA-35, 13.2).
pub(crate) fn without_colour(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match (c, rest.peek()) {
            ('\u{1b}', Some('[')) => {
                rest.next();
                end_control(&mut rest);
            }
            ('\u{9b}', _) => end_control(&mut rest),
            // What is told to the terminal itself, up to a bell or the end of a string.
            ('\u{1b}', Some(']' | 'P' | 'X' | '^' | '_'))
            | ('\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}', _) => {
                while let Some(c) = rest.next() {
                    if matches!(c, '\u{7}' | '\u{9c}') {
                        break;
                    }
                    if c == '\u{1b}' {
                        rest.next_if_eq(&'\\');
                        break;
                    }
                }
            }
            // Letters to use, and sequences of two characters.
            ('\u{1b}', Some('\u{20}'..='\u{7e}')) => {
                while rest.next_if(|c| matches!(c, '\u{20}'..='\u{2f}')).is_some() {}
                rest.next_if(|c| matches!(c, '\u{30}'..='\u{7e}'));
            }
            // What a line was written over with.
            ('\r', None) => {}
            _ => out.push(c),
        }
    }
    out
}

/// Reads the parameters of a control sequence, and the letter that ends it.
fn end_control(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while rest.next_if(|c| matches!(c, '\u{20}'..='\u{3f}')).is_some() {}
    rest.next_if(|c| matches!(c, '\u{40}'..='\u{7e}'));
}

/// Returns the beginning of a text, with a sign where it was cut.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        let mut markup = Markup::new();
        markup.element("p", &[("title", "\"><script>&'")], "</p><script>alert('1')</script>&amp;");
        assert_eq!(
            markup.finish(),
            "<p title=\"&quot;&gt;&lt;script&gt;&amp;&#39;\">&lt;/p&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;</p>"
        );
    }

    #[test]
    fn what_is_not_seen_is_shown() {
        let mut markup = Markup::new();
        markup.text("a\u{202e}b\u{0}c\u{1b}d\u{9b}e\nf\u{200b}\u{e0041}👩\u{200d}🚀");
        markup.lines("\n\tg\r");
        assert_eq!(
            markup.finish(),
            "a[U+202E]b\u{fffd}c\u{fffd}d\u{fffd}e f[U+200B][U+E0041]👩\u{200d}🚀\n\tg\u{fffd}"
        );
    }

    #[test]
    fn colours_of_a_terminal_are_left_out() {
        for (line, plain) in [
            ("\u{1b}[1;31merror\u{1b}[0m: x", "error: x"),
            ("\u{1b}]0;title\u{7}a\u{1b}]8;;http://x\u{1b}\\b", "ab"),
            ("\u{1b}[", ""),
            ("\u{1b}", "\u{1b}"),
            ("50 %\r", "50 %"),
            ("é\u{1b}[2Jb", "éb"),
            ("\u{9b}31ma\u{9d}0;title\u{9c}b", "ab"),
            ("\u{1b}Pq#0\u{1b}\\a\u{1b}(B\u{1b}=b\u{1b}cé", "abé"),
            ("a\u{1b}é", "a\u{1b}é"),
        ] {
            assert_eq!(without_colour(line), plain, "{line:?}");
        }
    }

    #[test]
    fn a_long_text_is_cut_between_letters() {
        assert_eq!((cut("äöü", 2), cut("äöü", 3)), ("äö…".to_owned(), "äöü".to_owned()));
    }
}
