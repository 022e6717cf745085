//! One pattern, compiled as moby's `Pattern.compile` does: compared as text where that is the same,
//! else as an expression.

use super::{expression::Expression, glob_matches};
use crate::{Error, Result};

#[derive(Clone, Debug)]
pub(super) struct Pattern {
    text: String,
    form: Form,
    head: String,
    tail: String,
}

/// moby's `matchType`.
#[derive(Clone, Debug)]
enum Form {
    Exact,
    Prefix,
    Suffix,
    Expression(Expression),
}

impl Pattern {
    /// Compiles a pattern that is cleaned and without its `!`.
    pub(super) fn new(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(
                Error::config("`!` alone is not an ignore pattern").hint("name what to keep after it")
            );
        }
        glob_matches(text, ".")?;
        let (form, expression) = translate(text);
        let text = text.to_owned();
        let (form, head, tail) = match form {
            Kind::Exact => (Form::Exact, text.clone(), text.clone()),
            Kind::Prefix => (Form::Prefix, text[..text.len() - 2].to_owned(), String::new()),
            Kind::Suffix => {
                let suffix = &text[2..];
                let tail = suffix.strip_prefix('/').unwrap_or(suffix).to_owned();
                (Form::Suffix, String::new(), tail)
            }
            Kind::Expression => {
                let compiled = Expression::new(&expression).map_err(|why| {
                    Error::config(format!("ignore pattern `{text}` is malformed: {why}"))
                        .hint("write a special character that is meant as itself as a class, such as `[*]`")
                })?;
                let (head, tail) = (compiled.head(), compiled.tail());
                (Form::Expression(compiled), head, tail)
            }
        };
        Ok(Self { text, form, head, tail })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the literal text that whatever matches begins with.
    pub(super) fn head(&self) -> &str {
        &self.head
    }

    /// Returns the literal text that whatever matches ends with.
    pub(super) fn tail(&self) -> &str {
        &self.tail
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        match &self.form {
            Form::Exact => path == self.text,
            Form::Prefix => path.starts_with(&self.head),
            // `**/foo` matches `foo` too.
            Form::Suffix => path.ends_with(&self.text[2..]) || self.text[2..].strip_prefix('/') == Some(path),
            Form::Expression(expression) => expression.matches(path),
        }
    }

    /// Returns whether something below the folder, which ends with `/`, may match; true in doubt.
    pub(super) fn may_match_below(&self, folder: &str) -> bool {
        match &self.form {
            Form::Exact => self.text.starts_with(folder),
            _ => self.head.starts_with(folder) || folder.starts_with(&self.head),
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Exact,
    Prefix,
    Suffix,
    Expression,
}

/// Translates a pattern to a regular expression, letter by letter as moby does: it does not look
/// whether it is inside a class.
fn translate(pattern: &str) -> (Kind, String) {
    // Go's text/scanner drops a byte order mark.
    let mut rest = pattern.strip_prefix('\u{feff}').unwrap_or(pattern).chars().peekable();
    let mut expression = String::new();
    let mut kind = Kind::Exact;
    let mut first = true;
    while let Some(c) = rest.next() {
        match c {
            '*' if rest.next_if_eq(&'*').is_some() => {
                // `**/` is `**`.
                rest.next_if_eq(&'/');
                if rest.peek().is_some() {
                    expression.push_str("(.*/)?");
                    kind = Kind::Expression;
                } else if kind == Kind::Exact {
                    kind = Kind::Prefix;
                } else {
                    expression.push_str(".*");
                    kind = Kind::Expression;
                }
                if first {
                    kind = Kind::Suffix;
                }
            }
            '*' => {
                expression.push_str("[^/]*");
                kind = Kind::Expression;
            }
            '?' => {
                expression.push_str("[^/]");
                kind = Kind::Expression;
            }
            // moby means to escape `|`, `{` and `}` too, but its table of eight bytes ends before them.
            '.' | '+' | '(' | ')' | '$' => expression.extend(['\\', c]),
            '\\' => {
                expression.push('\\');
                if let Some(escaped) = rest.next() {
                    expression.push(escaped);
                    kind = Kind::Expression;
                }
            }
            '[' | ']' => {
                expression.push(c);
                kind = Kind::Expression;
            }
            c => expression.push(c),
        }
        first = false;
    }
    (kind, expression)
}
