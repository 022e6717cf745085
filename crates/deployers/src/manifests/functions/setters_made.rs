//! `create-setters`: comments (`# kpt-set: ${tag}`) at the fields that hold what setters are to set.

use shipway_core::{Error, Result, Text};
use shipway_yaml::{Node, Value};

use super::{super::piece::Piece, comments};

#[derive(Clone, Debug)]
pub(in crate::manifests) struct MadeSetters {
    /// Names and their texts, the longest first.
    scalars: Vec<(String, String)>,
    /// Names and their sorted items.
    lists: Vec<(String, Vec<String>)>,
}

impl MadeSetters {
    pub(super) fn new(settings: &[(&str, &str)]) -> Result<Self> {
        let mut made = Self { scalars: Vec::new(), lists: Vec::new() };
        for (name, value) in settings {
            let read = shipway_yaml::parse("setter", value)?.pop();
            match read.as_ref().map(|document| &document.root.value) {
                Some(Value::Sequence(_)) => {
                    made.lists
                        .push(((*name).to_owned(), texts(&read.into_iter().next().map(|read| read.root))));
                }
                Some(Value::Scalar(_)) if !value.is_empty() => {
                    made.scalars.push(((*name).to_owned(), (*value).to_owned()));
                }
                _ => {
                    return Err(Error::config(format!("the setter `{name}` is no single value and no list")));
                }
            }
        }
        if made.scalars.is_empty() && made.lists.is_empty() {
            return Err(Error::config("`create-setters` has no setters")
                .hint("give it the names and present values of what is to be set"));
        }
        // So that a text within another one is not taken for itself.
        made.scalars.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        Ok(made)
    }

    pub(super) fn apply(&self, pieces: &mut [Piece]) -> Result<()> {
        let mut found = false;
        for piece in pieces {
            let text = Text::clone(&piece.manifest.text);
            let (mut document, mut written) = (piece.document()?, Vec::new());
            comments::visit(&mut document.root, &mut |key, node, _| {
                let (place, pattern) = match (&node.value, key) {
                    (Value::Sequence(_), Some(key)) => {
                        let items = texts(&Some(node.clone()));
                        let Some((name, _)) = self.lists.iter().find(|(_, list)| *list == items) else {
                            return Ok(());
                        };
                        let place = match comments::is_flow(&text, node) {
                            true => comments::behind(&text, node),
                            false => comments::behind_key(&text, key),
                        };
                        (place, format!("${{{name}}}"))
                    }
                    _ => {
                        let value = node.text().unwrap_or_default();
                        let pattern = self.pattern(value);
                        if pattern == value || value.contains('\n') {
                            return Ok(());
                        }
                        (comments::behind(&text, node), pattern)
                    }
                };
                found = true;
                written.extend(place.map(|place| (place, format!("kpt-set: {pattern}"))));
                Ok(())
            })?;
            comments::write(piece, written)?;
        }
        if found {
            return Ok(());
        }
        // As the function says it (krm-functions-catalog, `create-setters/main.go`).
        Err(Error::config("no field holds what the setters of `create-setters` set")
            .hint("give the values that the manifests have now"))
    }

    /// Returns a value with the setters in the place of what they set, as Go's `strings.Replacer` does it.
    fn pattern(&self, value: &str) -> String {
        let (mut pattern, mut rest) = (String::new(), value);
        while let Some(first) = rest.chars().next() {
            match self.scalars.iter().find(|(_, text)| rest.starts_with(text.as_str())) {
                Some((name, text)) => {
                    pattern.extend(["${", name, "}"]);
                    rest = &rest[text.len()..];
                }
                None => {
                    pattern.push(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        pattern
    }
}

/// Returns the sorted texts of a list.
fn texts(list: &Option<Node>) -> Vec<String> {
    let items = list.as_ref().and_then(Node::items).unwrap_or_default();
    let mut texts: Vec<String> =
        items.iter().map(|item| item.text().unwrap_or_default().to_owned()).collect();
    texts.sort();
    texts
}
