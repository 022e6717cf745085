//! Regular expressions as Go's `regexp` reads them (regexp/syntax, parse.go), because the files were
//! written for a program in Go.
//!
//! Go's syntax and that of the crate `regex` are nearly one, but `\d`, `\s`, `\w` and `\b` are ASCII in
//! Go, `\Q…\E` and octal escapes are its own, and what it takes as plain text (`[a&&b]`, `\<`, `a{,5}`)
//! is an operator in Rust. So an expression is read by Go's rules and written anew by Rust's. What stays
//! different: `\p{…}` knows more names here and may be of another version of Unicode, repetitions whose
//! counts multiply to more than 1,000 are refused by Go alone, and a repetition right after flags (`a(?i)*`)
//! and an expression whose automaton is larger than 2 MiB are refused here alone.

use std::borrow::Cow;

use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;

/// The most bytes of a compiled expression.
const SIZE_LIMIT: usize = 2 * 1024 * 1024;

/// The most times that Go lets something be repeated.
const MOST_REPEATS: u32 = 1000;

/// A regular expression in Go's syntax; it matches anywhere in a text.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    /// Returns the expression as it was written.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns whether it matches anywhere in the text.
    pub(super) fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text.as_bytes())
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let invalid = |why: &str| format!("`{text}` is not a regular expression of Go: {why}");
        let translated = translate(&text).map_err(|why| invalid(&why))?;
        let regex = RegexBuilder::new(&translated).size_limit(SIZE_LIMIT).build().map_err(|error| {
            // The last line of a syntax error says what is wrong; those before show it in the translation.
            let why = error.to_string();
            invalid(why.lines().last().unwrap_or_default().trim_start_matches("error: "))
        })?;
        Ok(Self { text, regex })
    }
}

/// Returns text as Go's matcher sees bytes: each that is no part of a character is one U+FFFD.
pub(super) fn go_text(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Cow::Owned(text)
}

fn translate(pattern: &str) -> Result<String, String> {
    let mut reader = Reader { rest: pattern, out: String::new(), groups: 0, before: Before::Nothing };
    while !reader.rest.is_empty() {
        reader.item()?;
    }
    if reader.groups > 0 {
        return Err("a `)` is missing".to_owned());
    }
    Ok(reader.out)
}

/// What a repetition would apply to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    Item,
    /// Go does not repeat a repetition.
    Repetition,
}

struct Reader<'a> {
    rest: &'a str,
    out: String,
    groups: usize,
    before: Before,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn take_if(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn item(&mut self) -> Result<(), String> {
        if self.take_if("\\Q") {
            let (quoted, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
            self.rest = rest;
            quoted.chars().for_each(|c| self.literal(c));
            return Ok(());
        }
        let Some(c) = self.take() else { return Ok(()) };
        match c {
            '\\' => return self.escape(),
            '[' => self.class()?,
            '(' => return self.group(),
            ')' if self.groups == 0 => return Err("a `(` is missing".to_owned()),
            ')' => {
                self.groups -= 1;
                self.out.push(')');
            }
            '|' => {
                self.out.push('|');
                self.before = Before::Nothing;
                return Ok(());
            }
            '*' | '+' | '?' => return self.repeat(c.encode_utf8(&mut [0; 4])),
            '{' => {
                if let Some(counts) = self.counts()? {
                    return self.repeat(&format!("{{{counts}"));
                }
                self.literal('{');
            }
            '^' | '$' | '.' => self.out.push(c),
            _ => self.literal(c),
        }
        self.before = Before::Item;
        Ok(())
    }

    fn literal(&mut self, c: char) {
        self.out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
        self.before = Before::Item;
    }

    fn repeat(&mut self, operator: &str) -> Result<(), String> {
        match self.before {
            Before::Nothing => Err(format!("nothing is before `{operator}`")),
            Before::Repetition => Err(format!("`{operator}` repeats a repetition")),
            Before::Item => {
                self.out.push_str(operator);
                if self.take_if("?") {
                    self.out.push('?');
                }
                self.before = Before::Repetition;
                Ok(())
            }
        }
    }

    /// Takes `n}`, `n,}` or `n,m}`, what follows a `{`; anything else is plain text to Go.
    fn counts(&mut self) -> Result<Option<&'a str>, String> {
        let Some(end) = self.rest.find('}') else { return Ok(None) };
        let (inside, rest) = (&self.rest[..end], &self.rest[end + 1..]);
        let (from, to) = match inside.split_once(',') {
            Some((from, to)) => (from, Some(to)),
            None => (inside, None),
        };
        let digits = |text: &str| {
            let first_is_zero = text.len() > 1 && text.starts_with('0');
            !text.is_empty() && !first_is_zero && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !digits(from) || !to.is_none_or(|to| to.is_empty() || digits(to)) {
            return Ok(None);
        }
        let number = |text: &str| text.parse().unwrap_or(u32::MAX);
        let (from, to) = (number(from), to.filter(|to| !to.is_empty()).map(number));
        if from > MOST_REPEATS || to.is_some_and(|to| to > MOST_REPEATS || to < from) {
            return Err(format!("`{{{inside}}}` is no count"));
        }
        let whole = &self.rest[..=end];
        self.rest = rest;
        Ok(Some(whole))
    }

    fn group(&mut self) -> Result<(), String> {
        if !self.take_if("?") {
            self.open("(");
            return Ok(());
        }
        if self.take_if("P<") || self.take_if("<") {
            let Some((name, rest)) = self.rest.split_once('>') else {
                return Err("a group's name has no end".to_owned());
            };
            let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            if name.is_empty() || !name.bytes().all(word) {
                return Err(format!("`{name}` is no name of a group"));
            }
            self.rest = rest;
            // Nobody asks for the group by its name.
            self.open("(");
            return Ok(());
        }
        self.flags()
    }

    fn open(&mut self, text: &str) {
        self.out.push_str(text);
        self.groups += 1;
        self.before = Before::Nothing;
    }

    fn flags(&mut self) -> Result<(), String> {
        let (mut on, mut off) = (String::new(), String::new());
        let (mut negated, mut dangling) = (false, false);
        loop {
            match self.take() {
                Some(flag @ ('i' | 'm' | 's' | 'U')) => {
                    let flags = if negated { &mut off } else { &mut on };
                    if !flags.contains(flag) {
                        flags.push(flag);
                    }
                    dangling = false;
                }
                Some('-') if !negated => (negated, dangling) = (true, true),
                Some(end @ (':' | ')')) if !dangling => {
                    on.retain(|flag| !off.contains(flag));
                    let off = if off.is_empty() { off } else { format!("-{off}") };
                    if end == ':' {
                        self.open(&format!("(?{on}{off}:"));
                    } else if !on.is_empty() || !off.is_empty() {
                        self.out.extend(["(?", &on, &off, ")"]);
                    }
                    return Ok(());
                }
                _ => return Err("what follows `(?` is unknown".to_owned()),
            }
        }
    }

    /// Reads what follows a `\` outside of a class.
    fn escape(&mut self) -> Result<(), String> {
        let set = match self.peek() {
            Some('A') => "\\A",
            Some('z') => "\\z",
            Some('b') => "(?-u:\\b)",
            Some('B') => "(?-u:\\B)",
            _ => {
                match self.set()? {
                    Some(set) => self.out.extend(["[", &set, "]"]),
                    None => {
                        let c = self.escaped()?;
                        self.literal(c);
                    }
                }
                self.before = Before::Item;
                return Ok(());
            }
        };
        self.take();
        self.out.push_str(set);
        self.before = Before::Item;
        Ok(())
    }

    /// Reads what follows a `\`, if it stands for a set of characters, and returns it as the inside of a
    /// class.
    fn set(&mut self) -> Result<Option<String>, String> {
        let set = match self.peek() {
            Some('d') => "0-9",
            Some('D') => "[^0-9]",
            // Without the vertical tab, which Rust's ASCII class has.
            Some('s') => r"\t\n\x0C\r\x20",
            Some('S') => r"[^\t\n\x0C\r\x20]",
            Some('w') => "0-9A-Za-z_",
            Some('W') => "[^0-9A-Za-z_]",
            Some(letter @ ('p' | 'P')) => {
                self.take();
                return self.unicode(letter == 'P').map(Some);
            }
            _ => return Ok(None),
        };
        self.take();
        Ok(Some(set.to_owned()))
    }

    fn unicode(&mut self, negated: bool) -> Result<String, String> {
        let unknown = |name: &str| format!("`{name}` is no set of characters");
        let (name, negated) = if self.take_if("{") {
            let Some((name, rest)) = self.rest.split_once('}') else { return Err(unknown(self.rest)) };
            self.rest = rest;
            match name.strip_prefix('^') {
                Some(name) => (name.to_owned(), !negated),
                None => (name.to_owned(), negated),
            }
        } else {
            (self.take().map(String::from).unwrap_or_default(), negated)
        };
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(unknown(&name));
        }
        Ok(format!("\\{}{{{name}}}", if negated { 'P' } else { 'p' }))
    }

    /// Reads what follows a `\` and stands for one character.
    fn escaped(&mut self) -> Result<char, String> {
        let Some(c) = self.take() else { return Err("nothing follows the last `\\`".to_owned()) };
        let octal = |c: Option<char>| c.and_then(|c| c.to_digit(8));
        let number = match c {
            '1'..='7' if octal(self.peek()).is_none() => {
                return Err(format!("`\\{c}` would be a reference back, which Go has not"));
            }
            '0'..='7' => {
                let mut number = c.to_digit(8).unwrap_or_default();
                for _ in 0..2 {
                    let Some(digit) = octal(self.peek()) else { break };
                    self.take();
                    number = number * 8 + digit;
                }
                number
            }
            'x' => {
                let digits = match self.take_if("{") {
                    true => self.rest.split_once('}'),
                    false => self.rest.split_at_checked(2),
                };
                let number = digits.and_then(|(digits, rest)| {
                    self.rest = rest;
                    let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
                    u32::from_str_radix(digits, 16).ok().filter(|_| hexadecimal)
                });
                number.unwrap_or(u32::MAX)
            }
            'a' => 0x07,
            'f' => 0x0C,
            'n' => 0x0A,
            'r' => 0x0D,
            't' => 0x09,
            'v' => 0x0B,
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => u32::from(c),
            c => return Err(format!("`\\{c}` is unknown")),
        };
        char::from_u32(number).ok_or_else(|| "an escape stands for no character".to_owned())
    }

    /// Reads a class, whose `[` was taken.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.take_if("^") {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            if !std::mem::take(&mut first) && self.take_if("]") {
                self.out.push(']');
                return Ok(());
            }
            if let Some((name, rest)) = self.rest.strip_prefix("[:").and_then(|rest| rest.split_once(":]")) {
                if !NAMED.contains(&name.trim_start_matches('^')) || name.starts_with("^^") {
                    return Err(format!("`[:{name}:]` is no set of characters"));
                }
                self.out.extend(["[:", name, ":]"]);
                self.rest = rest;
                continue;
            }
            if self.rest.starts_with('\\') {
                let before = self.rest;
                self.take();
                if let Some(set) = self.set()? {
                    self.out.push_str(&set);
                    continue;
                }
                self.rest = before;
            }
            let from = self.class_character()?;
            let mut after = self.rest.chars();
            let is_range = after.next() == Some('-') && after.next().is_some_and(|c| c != ']');
            let mut to = from;
            if is_range {
                self.take();
                to = self.class_character()?;
            }
            if to < from {
                return Err(format!("`{from}-{to}` is no range"));
            }
            let range = format!("\\x{{{:X}}}-\\x{{{:X}}}", u32::from(from), u32::from(to));
            self.out.push_str(&range);
        }
    }

    fn class_character(&mut self) -> Result<char, String> {
        match self.take() {
            Some('\\') => self.escaped(),
            Some(c) => Ok(c),
            None => Err("a `]` is missing".to_owned()),
        }
    }
}

/// The sets that have names inside of a class, in Go as in POSIX.
const NAMED: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// `main.go` beside the table made it with Go's own `regexp`.
    #[test]
    fn matches_as_go_does_for_every_pair_of_the_table() {
        let (mut pairs, mut refused, mut wrong) = (0, 0, Vec::new());
        for line in include_str!("../../tests/go_regexp/table.jsonl").lines() {
            let row: Value = serde_json::from_str(line).expect("the table is JSON lines");
            let text = row["pattern"].as_str().expect("a pattern");
            let pattern = Pattern::try_from(text.to_owned());
            match (pattern, row["matches"].as_object()) {
                (Err(_), None) => refused += 1,
                (Ok(pattern), Some(texts)) => {
                    for (text, matches) in texts {
                        pairs += 1;
                        if Some(pattern.matches(text)) != matches.as_bool() {
                            wrong.push(format!("{} on {text:?} should be {matches}", pattern.as_str()));
                        }
                    }
                }
                (Ok(_), None) => wrong.push(format!("{text} should be refused")),
                (Err(why), Some(_)) => wrong.push(why),
            }
        }
        assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
        assert!(pairs > 1000 && refused > 50, "{pairs} pairs, {refused} refused");
    }

    #[test]
    fn bytes_that_are_no_text_are_one_replacement_each() {
        for (bytes, text) in [
            (&b"a\xE2\x82b"[..], "a\u{FFFD}\u{FFFD}b"),
            (b"\xFF", "\u{FFFD}"),
            (b"\xF0\x9F\x92", "\u{FFFD}\u{FFFD}\u{FFFD}"),
            ("é€".as_bytes(), "é€"),
            (b"", ""),
        ] {
            assert_eq!(go_text(bytes), text, "{bytes:?}");
        }
    }

    #[test]
    fn an_expression_that_would_take_much_memory_is_refused() {
        let why = Pattern::try_from("((\\pL{100}){10}){10}".to_owned()).expect_err("too large");
        assert!(why.contains("is not a regular expression of Go"), "{why}");
    }
}
