//! Edits in place: a scalar's text is replaced where it stands, and every other byte stays.

use shipway_core::{Error, Result};

use crate::{
    Rules,
    document::Document,
    node::{Node, Scalar, Style, Value},
    parse,
    scalar::Resolved,
};

/// Scalars of one text to be replaced by texts.
///
/// ```
/// use shipway_yaml::{Edit, parse};
///
/// let text = "images:\n- name: web # the shop\n  newTag: '1.9'\n";
/// let document = parse("kustomization.yaml", text)?.remove(0);
/// let tag = document.root.get("images").and_then(|images| images.items()?[0].get("newTag")).unwrap();
/// let edited = Edit::new("kustomization.yaml", text).replace(tag, "1.10").apply()?;
/// assert_eq!(edited, "images:\n- name: web # the shop\n  newTag: '1.10'\n");
/// # Ok::<(), shipway_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Edit<'a> {
    file: &'a str,
    text: &'a str,
    changes: Vec<Change>,
}

#[derive(Debug)]
struct Change {
    node: Node,
    text: String,
}

impl<'a> Edit<'a> {
    /// Returns the edit of a text that changes nothing yet.
    #[must_use]
    pub fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, changes: Vec::new() }
    }

    /// Replaces a scalar of this very text by a text. It is written in the style that the scalar has
    /// where that can hold it, and otherwise in quotes.
    #[must_use]
    pub fn replace(mut self, node: &Node, text: impl Into<String>) -> Self {
        self.changes.push(Change { node: node.clone(), text: text.into() });
        self
    }

    /// Returns the edited text, which was read again: these scalars differ and nothing else.
    ///
    /// # Errors
    /// `Config` with the place of a node that cannot be replaced: what is no scalar, what stands for an
    /// alias, a block (`|`, `>`), or one that two changes name.
    pub fn apply(mut self) -> Result<String> {
        self.changes.sort_by_key(|change| change.node.span.start);
        let mut edited = String::with_capacity(self.text.len() + 64);
        let mut at = 0;
        for Change { node, text } in &self.changes {
            let range = node.span.range();
            let written = self.check(node, at)?;
            edited.push_str(&self.text[at..range.start]);
            edited.push_str(&write(text, written));
            at = range.end;
        }
        edited.push_str(&self.text[at..]);
        self.compare(&edited)?;
        Ok(edited)
    }

    fn check<'n>(&self, node: &'n Node, at: usize) -> Result<&'n Scalar> {
        let wrong = |why: &str| Err(self.error(node, why));
        let range = node.span.range();
        match &node.value {
            _ if node.alias => wrong("what stands for an alias cannot be edited here"),
            Value::Scalar(scalar) if matches!(scalar.style, Style::Literal | Style::Folded) => {
                wrong("a block of text cannot be edited in place")
            }
            Value::Scalar(scalar) => {
                if range.start < at || self.text.get(range).is_none() {
                    return wrong("two changes name one place, or it is of another text");
                }
                Ok(scalar)
            }
            _ => wrong("only a single value can be edited in place"),
        }
    }

    fn error(&self, node: &Node, why: &str) -> Error {
        Document::new(self.file, node.clone()).error(node.span, why)
    }

    /// Reads both texts and compares the trees.
    fn compare(&self, edited: &str) -> Result<()> {
        let (before, after) = (parse(self.file, self.text)?, parse(self.file, edited)?);
        let mut changes = self.changes.iter();
        let same = before.len() == after.len()
            && before.iter().zip(&after).all(|(a, b)| same(&a.root, &b.root, &mut changes));
        if same && changes.next().is_none() {
            return Ok(());
        }
        Err(Error::internal(format!("an edit of `{}` would change more than it should", self.file)))
    }
}

/// Whether two trees are the same but for the changes, which come in the order of the text.
fn same<'c>(before: &Node, after: &Node, changes: &mut (impl Iterator<Item = &'c Change> + Clone)) -> bool {
    match (&before.value, &after.value) {
        // What an alias stands for follows what the anchor names.
        _ if before.alias => after.alias,
        (Value::Scalar(a), Value::Scalar(b)) => {
            let next = changes.clone().next();
            match next.filter(|change| change.node.span == before.span) {
                Some(change) => {
                    changes.next();
                    b.resolve(Rules::Config) == Resolved::Text(change.text.clone()) && !after.alias
                }
                None => before.tag == after.tag && a == b,
            }
        }
        (Value::Sequence(a), Value::Sequence(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b, changes))
        }
        (Value::Mapping(a), Value::Mapping(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|(a, b)| same(&a.0, &b.0, changes) && same(&a.1, &b.1, changes))
        }
        _ => false,
    }
}

/// Writes a text in a scalar's style if that holds it.
fn write(text: &str, scalar: &Scalar) -> String {
    match scalar.style {
        Style::Plain if is_plain(text) => text.to_owned(),
        Style::DoubleQuoted => double_quoted(text),
        _ if text.chars().any(|c| {
            c.is_control() || c == '\u{feff}' || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}')
        }) =>
        {
            double_quoted(text)
        }
        _ => format!("'{}'", text.replace('\'', "''")),
    }
}

/// Whether a text can stand without quotes anywhere, as a text for every reader.
fn is_plain(text: &str) -> bool {
    let scalar = Scalar { text: text.into(), style: Style::Plain };
    let is_text = |rules| matches!(scalar.resolve(rules), Resolved::Text(_));
    // What begins with a digit is a number for some reader (`0o7`, `1e3`, `1:30`), but for versions.
    let start = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_')
        || text.starts_with(|c: char| c.is_ascii_digit())
            && text.split('.').count() > 2
            && !text.contains(':');
    start
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:@+".contains(c))
        && !text.ends_with(':')
        && is_text(Rules::Config)
        && is_text(Rules::Manifest)
}

const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];

fn double_quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}') => {
                quoted.push_str("\\u");
                quoted.extend([12, 8, 4, 0].map(|shift| HEX[(u32::from(c) >> shift & 15) as usize]));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
