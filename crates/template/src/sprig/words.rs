//! Words of a name, written together in another way (huandu/xstrings, which sprig asks).

use std::{iter::Peekable, str::Chars, sync::LazyLock};

use regex::Regex;

use super::{Function, arguments::Arguments, bounds::spend, function, strings::single, text};

pub(super) const ALL: &[Function] = &[
    function("camelcase", 1, 1, |a| text(pascal(name(a)?))),
    function("snakecase", 1, 1, |a| text(lower(name(a)?, '_'))),
    function("kebabcase", 1, 1, |a| text(lower(name(a)?, '-'))),
];

/// Names are short, and each of their characters is looked at many times.
fn name<'a>(a: &Arguments<'a>) -> Result<&'a str, String> {
    let whole = a.text(0)?;
    spend((whole.len() / 4) as u64)?;
    Ok(whole)
}

/// A category of characters, as Go's package `unicode` knows them; most are in ASCII and are known without a search.
struct Class {
    ascii: fn(char) -> bool,
    all: LazyLock<Option<Regex>>,
}

impl Class {
    fn has(&self, c: char) -> bool {
        match c.is_ascii() {
            true => (self.ascii)(c),
            false => self.all.as_ref().is_some_and(|all| all.is_match(c.encode_utf8(&mut [0; 4]))),
        }
    }
}

static UPPER: Class =
    Class { ascii: |c| c.is_ascii_uppercase(), all: LazyLock::new(|| Regex::new(r"\p{Lu}").ok()) };
static LETTER: Class =
    Class { ascii: |c| c.is_ascii_alphabetic(), all: LazyLock::new(|| Regex::new(r"\p{L}").ok()) };
static NUMBER: Class =
    Class { ascii: |c| c.is_ascii_digit(), all: LazyLock::new(|| Regex::new(r"\p{N}").ok()) };
static PUNCTUATION: Class = Class {
    ascii: |c| c.is_ascii_punctuation() && !"$+<=>^`|~".contains(c),
    all: LazyLock::new(|| Regex::new(r"\p{P}").ok()),
};

fn is_connector(c: char) -> bool {
    c == '-' || c == '_' || c.is_whitespace()
}

/// A letter of a script that has words with blanks between them.
fn is_alphabet(c: char) -> bool {
    let chinese = matches!(c, '\u{4e00}'..='\u{9fcc}' | '\u{3400}'..='\u{4d85}' | '\u{20000}'..='\u{2b81d}');
    LETTER.has(c) && !chinese
}

fn to_upper(c: char) -> char {
    single(c.to_uppercase(), c)
}

fn to_lower(c: char) -> char {
    single(c.to_lowercase(), c)
}

/// As xstrings' `ToPascalCase`: `http_server` is `HttpServer`.
fn pascal(whole: &str) -> String {
    let start = whole.find(|c| !is_connector(c)).unwrap_or(whole.len());
    let (mut out, mut rest) = (whole[..start].to_owned(), whole[start..].chars());
    let Some(first) = rest.next() else {
        // Where there are connectors alone, xstrings writes the last of them twice.
        out.extend(whole.chars().next_back());
        return out;
    };
    let (mut capitals, mut last) = (UPPER.has(first), to_upper(first));
    for c in rest {
        let before = last;
        last = c;
        match (is_connector(before), is_connector(c)) {
            (true, true) => out.push(before),
            (true, false) => {
                capitals = UPPER.has(c);
                last = to_upper(c);
            }
            (false, _) => {
                if capitals && UPPER.has(c) {
                    last = to_lower(c);
                } else {
                    capitals = false;
                }
                out.push(before);
            }
        }
    }
    out.push(last);
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Number,
    Capitals,
    Letters,
    Connector,
    Punctuation,
    Other,
}

fn kind(c: char) -> Word {
    match c {
        c if is_connector(c) => Word::Connector,
        c if PUNCTUATION.has(c) => Word::Punctuation,
        c if UPPER.has(c) => Word::Capitals,
        c if is_alphabet(c) => Word::Letters,
        c if NUMBER.has(c) => Word::Number,
        _ => Word::Other,
    }
}

/// The words of a text, one after the other.
struct Words<'a>(&'a str);

impl<'a> Iterator for Words<'a> {
    type Item = (Word, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let mut rest = self.0.chars().peekable();
        let first = kind(rest.next()?);
        let is_lower = |c: char| is_alphabet(c) && !UPPER.has(c);
        let size = self.0.chars().next()?.len_utf8();
        let end = size
            + match first {
                Word::Capitals if rest.peek().copied().is_some_and(is_lower) => taken(&mut rest, is_lower),
                Word::Capitals => {
                    let capitals = taken(&mut rest, |c| UPPER.has(c));
                    let last = self.0[..size + capitals].chars().next_back().map_or(0, char::len_utf8);
                    // The last capital of `HTTPServer`'s first four begins its own word.
                    let begins = capitals > 0 && rest.peek().copied().is_some_and(is_alphabet);
                    if begins { capitals - last } else { capitals }
                }
                Word::Letters => taken(&mut rest, is_lower),
                Word::Connector => taken(&mut rest, is_connector),
                Word::Punctuation => taken(&mut rest, |c| PUNCTUATION.has(c)),
                Word::Number => taken(&mut rest, |c| NUMBER.has(c)),
                Word::Other => taken(&mut rest, |c| {
                    !is_connector(c) && !is_alphabet(c) && !NUMBER.has(c) && !PUNCTUATION.has(c)
                }),
            };
        let (word, rest) = self.0.split_at(end);
        self.0 = rest;
        Some((first, word))
    }
}

fn taken(rest: &mut Peekable<Chars>, wanted: impl Fn(char) -> bool) -> usize {
    let mut size = 0;
    while let Some(c) = rest.next_if(|c| wanted(*c)) {
        size += c.len_utf8();
    }
    size
}

/// As xstrings' `ToSnakeCase` and `ToKebabCase`: `HTTPServer` is `http_server`, `http2xx` is `http_2xx`.
fn lower(whole: &str, connector: char) -> String {
    let mut out = String::new();
    let put = |out: &mut String, (kind, word): (Word, &str)| match kind {
        Word::Capitals | Word::Connector => {
            out.extend(word.chars().map(|c| match c {
                c if is_connector(c) => connector,
                c if UPPER.has(c) => to_lower(c),
                c => c,
            }));
        }
        _ => out.push_str(word),
    };
    let joins = |word: Option<(Word, &str)>| matches!(word, Some((Word::Letters | Word::Number, _)));
    // Whether something stands between this word and the one before it anyway.
    let parted = |word: Option<(Word, &str)>| {
        word.is_none_or(|(kind, _)| matches!(kind, Word::Connector | Word::Punctuation))
    };
    let mut words = Words(whole);
    let mut next = words.next();
    while let Some(word) = next {
        put(&mut out, word);
        next = words.next();
        match (word.0, next) {
            (_, None) => {}
            (Word::Connector | Word::Punctuation, _) => {}
            (Word::Number, _) => {
                while let Some(joined) = next.filter(|_| joins(next)) {
                    put(&mut out, joined);
                    next = words.next();
                }
                if !parted(next) {
                    out.push(connector);
                }
            }
            (_, Some(number @ (Word::Number, _))) => {
                let after = words.next();
                if after.is_none() {
                    continue;
                }
                next = after;
                // A number is of the word before it, as in `Bld4Floor`, unless small letters follow, as in `HTTP2xx`.
                let begins = matches!(after, Some((Word::Letters, _)));
                if begins {
                    out.push(connector);
                }
                put(&mut out, number);
                while let Some(joined) = next.filter(|_| begins && joins(next)) {
                    put(&mut out, joined);
                    next = words.next();
                }
                if !parted(next) {
                    out.push(connector);
                }
            }
            (_, after) => {
                if !parted(after) {
                    out.push(connector);
                }
            }
        }
    }
    out
}
