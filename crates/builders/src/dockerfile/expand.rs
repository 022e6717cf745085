//! Variables in a Dockerfile's words, with its quotes and escapes: a port of BuildKit's `shell.Lex`.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter::Peekable,
    str::Chars,
};

use shipway_core::{Error, Result};

use super::pattern::Pattern;

/// The variables that words may name.
#[derive(Clone, Debug)]
pub(crate) struct Variables {
    escape: char,
    values: BTreeMap<String, String>,
    /// Those whose value hangs on one that is not known.
    unsure: BTreeSet<String>,
    /// Whether a name that is not here has no value; else it may have one in the base image.
    complete: bool,
}

/// A text with its variables replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expanded<T = String> {
    pub(crate) value: T,
    /// Whether all that it took is known.
    pub(crate) sure: bool,
}

/// `${a:-${b:-…}}` goes no deeper, so that a file cannot exhaust the stack.
const MAX_DEPTH: usize = 32;
/// Variables that hold each other grow fast; no honest word is longer.
const MAX_LENGTH: usize = 1024 * 1024;

impl Variables {
    /// Returns no variables, for words that are escaped by this character.
    pub(crate) fn new(escape: char, complete: bool) -> Self {
        Self { escape, values: BTreeMap::new(), unsure: BTreeSet::new(), complete }
    }

    pub(crate) fn set(&mut self, name: &str, value: Expanded) {
        if value.sure {
            self.unsure.remove(name);
        } else {
            self.unsure.insert(name.to_owned());
        }
        self.values.insert(name.to_owned(), value.value);
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Returns the word with its variables replaced, without its quotes and escapes.
    pub(crate) fn expand(&self, word: &str) -> Result<Expanded> {
        let found = self.run(word)?;
        Ok(Expanded { value: found.text, sure: found.sure })
    }

    /// Does the same and splits at blanks, also at those that come out of variables.
    pub(crate) fn expand_words(&self, text: &str) -> Result<Expanded<Vec<String>>> {
        let found = self.run(text)?;
        Ok(Expanded { value: found.words, sure: found.sure })
    }

    /// Returns the text of a here-document with its variables replaced: quotes mean nothing there, and
    /// the escape is `\`.
    pub(crate) fn expand_heredoc(&self, text: &str) -> Result<String> {
        Ok(self.lex(text, '\\', false)?.text)
    }

    fn run(&self, text: &str) -> Result<Lexed> {
        self.lex(text, self.escape, true)
    }

    fn lex(&self, text: &str, escape: char, quotes: bool) -> Result<Lexed> {
        let rest = text.chars().peekable();
        let mut lexer = Lexer { variables: self, escape, quotes, raw: false, rest, depth: 0, sure: true };
        let mut lexed = lexer.until(None).map_err(|what| {
            Error::config(format!("`{}` {what}", shorten(text)))
                .hint("close each quote and each `${`, and write `\\$` for a `$` of its own")
        })?;
        lexed.sure = lexer.sure;
        Ok(lexed)
    }
}

#[derive(Default)]
struct Lexed {
    text: String,
    words: Vec<String>,
    word: String,
    in_word: bool,
    sure: bool,
}

impl Lexed {
    fn push(&mut self, c: char) {
        self.text.push(c);
        if !c.is_whitespace() {
            self.word.push(c);
            self.in_word = true;
        } else if self.in_word && !self.word.is_empty() {
            self.words.push(std::mem::take(&mut self.word));
            self.in_word = false;
        }
    }

    /// Takes a text in which blanks separate nothing.
    fn push_whole(&mut self, text: &str) {
        self.text.push_str(text);
        self.word.push_str(text);
        self.in_word = true;
    }
}

type Problem = String;

fn wrong<T>(what: impl Into<String>) -> Result<T, Problem> {
    Err(what.into())
}

/// Returns the beginning of a text that may be a whole file.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

struct Lexer<'a> {
    variables: &'a Variables,
    escape: char,
    /// Whether quotes are special.
    quotes: bool,
    /// Whether escapes stay, because a pattern is read.
    raw: bool,
    rest: Peekable<Chars<'a>>,
    depth: usize,
    sure: bool,
}

impl Lexer<'_> {
    fn until(&mut self, stop: Option<char>) -> Result<Lexed, Problem> {
        let mut lexed = Lexed::default();
        loop {
            if lexed.text.len() > MAX_LENGTH {
                return wrong("becomes too long");
            }
            let Some(c) = self.rest.next() else { break };
            if Some(c) == stop {
                return Ok(lexed);
            }
            match c {
                '\'' if self.quotes => {
                    let text = self.single_quoted()?;
                    lexed.push_whole(&text);
                }
                '"' if self.quotes => {
                    let text = self.double_quoted()?;
                    lexed.push_whole(&text);
                }
                '$' => self.dollar()?.chars().for_each(|c| lexed.push(c)),
                // An escape at the end is dropped.
                c if c == self.escape => {
                    if self.raw {
                        lexed.push_whole(c.encode_utf8(&mut [0; 4]));
                    }
                    if let Some(escaped) = self.rest.next() {
                        lexed.push_whole(escaped.encode_utf8(&mut [0; 4]));
                    }
                }
                c => lexed.push(c),
            }
        }
        if let Some(stop) = stop {
            return wrong(format!("has a `${{` without its `{stop}`"));
        }
        if !lexed.word.is_empty() {
            let last = std::mem::take(&mut lexed.word);
            lexed.words.push(last);
        }
        Ok(lexed)
    }

    fn single_quoted(&mut self) -> Result<String, Problem> {
        let mut text = String::new();
        loop {
            match self.rest.next() {
                None => return wrong("has a `'` without its end"),
                Some('\'') => return Ok(text),
                Some(c) => text.push(c),
            }
        }
    }

    fn double_quoted(&mut self) -> Result<String, Problem> {
        let mut text = String::new();
        let escape = self.escape;
        loop {
            if text.len() > MAX_LENGTH {
                return wrong("becomes too long");
            }
            match self.rest.next() {
                None => return wrong("has a `\"` without its end"),
                Some('"') => return Ok(text),
                Some('$') => text.push_str(&self.dollar()?),
                Some(c) if c == escape => {
                    if self.raw {
                        text.push(c);
                    }
                    match self.rest.peek() {
                        None => {}
                        Some(&next) if next == '"' || next == '$' || next == escape => {
                            text.push(next);
                            self.rest.next();
                        }
                        Some(_) => text.push(c),
                    }
                }
                Some(c) => text.push(c),
            }
        }
    }

    /// Reads what follows a `$`.
    fn dollar(&mut self) -> Result<String, Problem> {
        if self.rest.next_if_eq(&'{').is_none() {
            let name = self.name();
            return Ok(if name.is_empty() { "$".to_owned() } else { self.value(&name).unwrap_or_default() });
        }
        if matches!(self.rest.peek(), Some('{' | '}' | ':')) {
            return wrong("has a `${` without a name");
        }
        let name = self.name();
        let (null_is_unset, modifier) = match self.rest.next() {
            None => return wrong("has a `${` without its `}`"),
            Some('}') => return Ok(self.value(&name).unwrap_or_default()),
            Some(':') => (true, self.rest.next()),
            other => (false, other),
        };
        match modifier {
            Some(modifier @ ('-' | '+' | '?')) => {
                let word = self.inner('}', false)?;
                self.choose(&name, null_is_unset, modifier, word)
            }
            Some(modifier @ ('#' | '%')) if !null_is_unset => {
                let word = self.inner('}', true)?;
                let (longest, word) = match word.strip_prefix(modifier) {
                    Some(rest) => (true, rest),
                    None => (false, word.as_str()),
                };
                let pattern = pattern(word)?;
                let value = self.value(&name).unwrap_or_default();
                Ok(match modifier {
                    '#' => pattern.without_prefix(&value, longest),
                    _ => pattern.without_suffix(&value, longest),
                })
            }
            Some('/') if !null_is_unset => {
                let all = self.rest.next_if_eq(&'/').is_some();
                let word = self.inner('/', true)?;
                let replacement = self.inner('}', true)?;
                let value = self.value(&name).unwrap_or_default();
                let replaced = pattern(&word)?.replace(&value, &replacement, all, MAX_LENGTH);
                replaced.map_or_else(|| wrong("becomes too long"), Ok)
            }
            modifier => {
                let colon = if null_is_unset { ":" } else { "" };
                let modifier = modifier.map(String::from).unwrap_or_default();
                wrong(format!("has the modifier `{colon}{modifier}`, which there is not"))
            }
        }
    }

    /// Reads a word inside of `${…}`.
    fn inner(&mut self, stop: char, raw: bool) -> Result<String, Problem> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return wrong(format!("nests `${{` more than {MAX_DEPTH} deep"));
        }
        let outer = std::mem::replace(&mut self.raw, raw);
        let word = self.until(Some(stop))?.text;
        self.raw = outer;
        self.depth -= 1;
        Ok(word)
    }

    fn choose(
        &mut self,
        name: &str,
        null_is_unset: bool,
        modifier: char,
        word: String,
    ) -> Result<String, Problem> {
        let value = self.value(name).filter(|value| !(null_is_unset && value.is_empty()));
        match (modifier, value) {
            ('-', value) => Ok(value.unwrap_or(word)),
            ('+', value) => Ok(value.map(|_| word).unwrap_or_default()),
            (_, Some(value)) => Ok(value),
            (_, None) if !self.sure => Ok(String::new()),
            (_, None) if word.is_empty() => wrong(format!("needs a value for `{name}`")),
            (_, None) => wrong(format!("needs a value for `{name}`: {word}")),
        }
    }

    fn value(&mut self, name: &str) -> Option<String> {
        let value = self.variables.get(name);
        let known = match value {
            Some(_) => !self.variables.unsure.contains(name),
            None => self.variables.complete,
        };
        self.sure &= known;
        value.map(str::to_owned)
    }

    /// Reads a name: letters, digits and `_`; or digits alone, or one special sign.
    fn name(&mut self) -> String {
        let mut name = String::new();
        match self.rest.peek().copied() {
            Some(first) if first.is_numeric() => {
                while let Some(c) = self.rest.next_if(|c| c.is_numeric()) {
                    name.push(c);
                }
            }
            Some(special @ ('@' | '*' | '#' | '?' | '-' | '$' | '!')) => {
                self.rest.next();
                name.push(special);
            }
            _ => {
                while let Some(c) = self.rest.next_if(|c| c.is_alphanumeric() || *c == '_') {
                    name.push(c);
                }
            }
        }
        name
    }
}

fn pattern(word: &str) -> Result<Pattern, Problem> {
    Pattern::new(word).or_else(|escape| wrong(format!("has `{escape}` in a pattern, which escapes nothing")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(complete: bool) -> Variables {
        let mut variables = Variables::new('\\', complete);
        for (name, value) in [
            ("X", "x"),
            ("EMPTY", ""),
            ("TWO", "a b"),
            ("PATH", "/bin"),
            ("P", "a/b/c.tar.gz"),
            ("STAR", "*b"),
        ] {
            variables.set(name, Expanded { value: value.to_owned(), sure: true });
        }
        variables
    }

    #[test]
    fn variables_quotes_and_escapes_are_as_buildkit_says() {
        let table = [
            ("", ""),
            ("plain", "plain"),
            ("$X", "x"),
            ("${X}", "x"),
            ("a$X/b", "ax/b"),
            ("$XY", ""),
            ("${X}Y", "xY"),
            ("$NONE", ""),
            ("${NONE:-d}", "d"),
            ("${NONE-d}", "d"),
            ("${EMPTY:-d}", "d"),
            ("${EMPTY-d}", ""),
            ("${X:-d}", "x"),
            ("${X:+d}", "d"),
            ("${EMPTY:+d}", ""),
            ("${EMPTY+d}", "d"),
            ("${NONE:+d}", ""),
            ("${NONE:-}", ""),
            ("${NONE:-$X}", "x"),
            ("${NONE:-${OTHER:-$X}}", "x"),
            ("${NONE:-'a}b'}", "a}b"),
            ("${X:?no}", "x"),
            ("$PATH:/sbin", "/bin:/sbin"),
            ("'$X'", "$X"),
            ("\"$X\"", "x"),
            ("\"a'$X'\"", "a'x'"),
            ("'a\"b'", "a\"b"),
            ("\\$X", "$X"),
            ("\"\\$X\"", "$X"),
            ("\"\\a\"", "\\a"),
            ("\\a", "a"),
            ("a\\ b", "a b"),
            ("a\\", "a"),
            ("$", "$"),
            ("$ a", "$ a"),
            ("$1a", "a"),
            ("${1}a", "a"),
            ("$@", ""),
            ("$$X", "X"),
            ("é$X", "éx"),
            ("a  b", "a  b"),
            ("${P#*/}", "b/c.tar.gz"),
            ("${P##*/}", "c.tar.gz"),
            ("${P%.*}", "a/b/c.tar"),
            ("${P%%.*}", "a/b/c"),
            ("${P%.?z}", "a/b/c.tar"),
            ("${P#x}", "a/b/c.tar.gz"),
            ("${NONE#x}", ""),
            ("${P/b/x}", "a/x/c.tar.gz"),
            ("${P/\\//-}", "a-b/c.tar.gz"),
            ("${P//\\//-}", "a-b-c.tar.gz"),
            ("${P//[ab]/-}", "a/b/c.tar.gz"),
            ("${P/.*/}", "a/b/c"),
            ("${P//$X/$X}", "a/b/c.tar.gz"),
            ("${P%${X:-.gz}}", "a/b/c.tar.gz"),
            ("${P%${NONE:-\\.gz}}", "a/b/c.tar"),
            ("${STAR#\\*}", "b"),
            ("${STAR#\\*}${X#?}", "b"),
            ("${X:-a\\}b}", "x"),
        ];
        for (word, expected) in table {
            assert_eq!(variables(true).expand(word).expect(word).value, expected, "{word}");
        }
        assert_eq!(
            variables(true).expand_words("$TWO '$TWO' \"c  d\"e  f\\ g").expect("fine").value,
            ["a", "b", "$TWO", "c  de", "f g"]
        );
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let deep = format!("{}x{}", "${A:-".repeat(100), "}".repeat(100));
        for bad in [
            "${X",
            "${",
            "${}",
            "${:-x}",
            "${{X}}",
            "'a",
            "\"a",
            "${NONE:-a",
            "${X#\\a}",
            "${X:#a}",
            "${X/a}",
            "${X/a/b",
            "${X:x}",
            "${NONE:?no}",
            &deep,
        ] {
            let error = variables(true).expand(bad).expect_err(bad);
            assert!(error.report().hint.is_some(), "{bad}");
        }
    }

    #[test]
    fn patterns_of_long_values_take_neither_long_nor_much() {
        let mut variables = variables(true);
        variables.set("LONG", Expanded { value: "xy".repeat(MAX_LENGTH / 2), sure: true });
        for (word, length) in
            [("${LONG//x*z/}", MAX_LENGTH), ("${LONG/*z*/}", MAX_LENGTH), ("${LONG//x?/z}", MAX_LENGTH / 2)]
        {
            assert_eq!(variables.expand(word).expect(word).value.len(), length, "{word}");
        }
        assert!(variables.expand("${LONG//x/$LONG}").is_err());
    }

    #[test]
    fn a_text_that_hangs_on_the_base_is_not_sure() {
        let mut variables = variables(false);
        assert!(variables.expand("$X/${X:-$X}").expect("fine").sure);
        assert!(!variables.expand("${NONE:-d}").expect("fine").sure);
        variables.set("Y", Expanded { value: String::new(), sure: false });
        assert!(!variables.expand("$Y").expect("fine").sure);
        variables.set("Y", Expanded { value: String::new(), sure: true });
        assert!(variables.expand("$Y").expect("fine").sure);
    }
}
