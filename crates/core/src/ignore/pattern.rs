//! One pattern, compiled as moby's `Pattern.compile` does: compared as text where that is the same,
//! else as an expression.

use super::{expression::Expression, glob_matches, index::Literal};
use crate::{Error, Result};

#[derive(Clone, Debug)]
pub(super) struct Pattern {
    text: String,
    form: Form,
    head: String,
    literals: Vec<Literal>,
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
        let literal =
            |text: &str, at_start, at_end| vec![Literal { text: text.to_owned(), at_start, at_end }];
        let (form, literals) = match form {
            Kind::Exact => (Form::Exact, literal(&text, true, true)),
            Kind::Prefix => (Form::Prefix, literal(&text[..text.len() - 2], true, false)),
            Kind::Suffix => {
                // In the middle of a byte order mark no text begins, and the rule is tried on every path.
                let suffix = text.get(2..).map(|suffix| suffix.strip_prefix('/').unwrap_or(suffix));
                (Form::Suffix, suffix.map_or_else(Vec::new, |suffix| literal(suffix, false, true)))
            }
            Kind::Expression => {
                let compiled = Expression::new(&expression).map_err(|why| {
                    Error::config(format!("ignore pattern `{text}` is malformed: {why}"))
                        .hint("write a special character that is meant as itself as a class, such as `[*]`")
                })?;
                let literals = compiled.literals();
                (Form::Expression(compiled), literals)
            }
        };
        let head = literals.first().filter(|literal| literal.at_start);
        let head = head.map_or_else(String::new, |literal| literal.text.clone());
        Ok(Self { text, form, head, literals })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Returns what it costs, in items of an expression.
    pub(super) fn size(&self) -> usize {
        match &self.form {
            Form::Expression(expression) => expression.size(),
            Form::Exact | Form::Prefix | Form::Suffix => 1,
        }
    }

    /// Returns the literal texts that whatever matches has in it.
    pub(super) fn literals(&self) -> &[Literal] {
        &self.literals
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        match &self.form {
            Form::Exact => path == self.text,
            Form::Prefix => path.starts_with(&self.head),
            // `**/foo` matches `foo` too. By bytes, as moby does: a byte order mark may come before the stars.
            Form::Suffix => {
                let (path, suffix) = (path.as_bytes(), &self.text.as_bytes()[2..]);
                path.ends_with(suffix) || suffix.strip_prefix(b"/") == Some(path)
            }
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
