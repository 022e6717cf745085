//! `search-replace`: values and comments for the fields that a value, an expression or a path finds.

use regex::Regex;
use shipway_core::{Error, Result, Text};
use shipway_yaml::{Node, Style, Value};

use super::{super::piece::Piece, comments, known, setters::implied};

const NAME: &str = "search-replace";

#[derive(Clone, Debug)]
pub(in crate::manifests) struct Search {
    value: Option<String>,
    expression: Option<Regex>,
    path: Option<String>,
    put_value: Option<String>,
    put_comment: Option<String>,
}

impl Search {
    pub(super) fn new(settings: &[(&str, &str)]) -> Result<Self> {
        if settings.iter().any(|(key, _)| *key == "by-file-path") {
            return Err(Error::unsupported(format!("`{NAME}` has no files to find by `by-file-path`")).hint(
                "manifests are one stream when functions see them; find fields by `by-path` and `by-value`",
            ));
        }
        let keys = ["by-value", "by-value-regex", "by-path", "put-value", "put-comment"];
        let known = known(NAME, settings, &keys)?;
        let get =
            |key: &str| known.get(key).filter(|value| !value.is_empty()).map(|value| (*value).to_owned());
        let expression = get("by-value-regex").map(|text| {
            Regex::new(&text).map_err(|error| {
                Error::config(format!("`by-value-regex` of `{NAME}` is no expression"))
                    .note(error.to_string())
            })
        });
        let search = Self {
            value: get("by-value"),
            expression: expression.transpose()?,
            path: get("by-path"),
            put_value: get("put-value"),
            put_comment: get("put-comment"),
        };
        if search.value.is_some() && search.expression.is_some() {
            return Err(Error::config(format!("`{NAME}` has both `by-value` and `by-value-regex`"))
                .hint("leave one of them"));
        }
        if search.put_value.is_none() && search.put_comment.is_none() {
            return Err(
                Error::config(format!("`{NAME}` puts nothing")).hint("set `put-value` or `put-comment`")
            );
        }
        Ok(search)
    }

    pub(super) fn apply(&self, pieces: &mut [Piece]) -> Result<()> {
        for piece in pieces {
            // Comments first: they go by the places of the text.
            if let Some(comment) = &self.put_comment {
                self.comment(piece, comment)?;
            }
            let Some(put) = &self.put_value else { continue };
            if let Some(steps) = self.whole_path() {
                piece.edit(|root| put_at(root, &steps, put))?;
                continue;
            }
            piece.edit(|root| {
                let mut changed = false;
                comments::visit(root, &mut |_, node, path| {
                    if matches!(node.value, Value::Scalar(_)) && self.finds(node, path) {
                        *node = implied(node, &self.resolved(put, node, path)?);
                        changed = true;
                    }
                    Ok(())
                })?;
                Ok(changed)
            })?;
        }
        Ok(())
    }

    fn comment(&self, piece: &mut Piece, comment: &str) -> Result<()> {
        let text = Text::clone(&piece.manifest.text);
        let (mut document, mut written) = (piece.document()?, Vec::new());
        comments::visit(&mut document.root, &mut |key, node, path| {
            match (&node.value, key) {
                (Value::Sequence(_), Some(key)) => {
                    let named = self.path.as_ref().is_some_and(|pattern| path_matches(pattern, path));
                    let place = match comments::is_flow(&text, node) {
                        true => comments::behind(&text, node),
                        false => comments::behind_key(&text, key),
                    };
                    written.extend(place.filter(|_| named).map(|place| (place, comment.to_owned())));
                }
                (Value::Scalar(_), _) if self.finds(node, path) => {
                    let comment = self.resolved(comment, node, path)?;
                    written.extend(comments::behind(&text, node).map(|place| (place, comment)));
                }
                _ => {}
            }
            Ok(())
        })
        .map_err(|error| piece.located(error))?;
        comments::write(piece, written)
    }

    /// Returns the steps of a path that a value is put at, whether there is something or not.
    fn whole_path(&self) -> Option<Vec<&str>> {
        let path = self.path.as_deref().filter(|_| self.value.is_none() && self.expression.is_none())?;
        let steps: Vec<&str> = path.split('.').collect();
        let plain = |step: &&str| !step.is_empty() && !step.contains(['*', '[']);
        steps.iter().all(plain).then_some(steps)
    }

    fn finds(&self, node: &Node, path: &str) -> bool {
        let text = node.text().unwrap_or_default();
        let by_path = self.path.as_ref().map(|pattern| path_matches(pattern, path));
        let by_value = match (&self.value, &self.expression) {
            (Some(value), _) => Some(value == text),
            (None, Some(expression)) => Some(expression.is_match(text)),
            (None, None) => None,
        };
        match (by_path, by_value) {
            (None, None) => false,
            (path, value) => path.unwrap_or(true) && value.unwrap_or(true),
        }
    }

    /// Returns a pattern with what the expression's groups found (`${1}`).
    fn resolved(&self, pattern: &str, node: &Node, path: &str) -> Result<String> {
        let Some(expression) = &self.expression else { return Ok(pattern.to_owned()) };
        let mut text = pattern.to_owned();
        if let Some(found) = expression.captures(node.text().unwrap_or_default()) {
            for (number, part) in found.iter().enumerate().skip(1) {
                text = text.replace(&format!("${{{number}}}"), part.map_or("", |part| part.as_str()));
            }
        }
        let left = text.match_indices("${").any(|(at, _)| {
            let number = text[at + 2..].split('}').next().unwrap_or_default();
            text[at + 2..].contains('}')
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
        });
        if left {
            return Err(Error::config(format!(
                "`{pattern}` names a group that `by-value-regex` has not, at `{path}`"
            )));
        }
        Ok(text)
    }
}

/// Puts a value at a path, with the mappings on the way.
fn put_at(root: &mut Node, steps: &[&str], put: &str) -> Result<bool> {
    let mut node = root;
    let Some((last, above)) = steps.split_last() else { return Ok(false) };
    for step in above {
        if node.get(step).is_none_or(Node::is_null) {
            set(node, step, Node::mapping(Vec::new()))?;
        }
        let kind = node.kind();
        node = node.get_mut(step).ok_or_else(|| Error::config(format!("`{step}` is in {kind}")))?;
    }
    let value = match node.get(last) {
        Some(now) if now.text() == Some(put) => return Ok(false),
        Some(now) => implied(now, put),
        None => Node::scalar(put, Style::Plain),
    };
    set(node, last, value)?;
    Ok(true)
}

fn set(node: &mut Node, field: &str, value: Node) -> Result<()> {
    if let Some(now) = node.get_mut(field) {
        *now = value;
        return Ok(());
    }
    let kind = node.kind();
    let entries = node.entries_mut();
    let entries = entries.ok_or_else(|| Error::config(format!("`{field}` cannot be put into {kind}")))?;
    entries.push((Node::scalar(field, Style::Plain), value));
    Ok(())
}

/// Whether a path is what a pattern says: `*` is any one field, `**` any number of them, and `[*]` any item (krm-functions-catalog,
/// `search-replace/searchreplace/pathparser.go`).
fn path_matches(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('.').collect(), path.split('.').collect());
    // Which beginnings of the path the pattern's steps so far are.
    let mut fits = vec![false; path.len() + 1];
    fits[0] = true;
    for step in pattern {
        let mut next = vec![false; path.len() + 1];
        for at in 0..=path.len() {
            next[at] = match (step, at) {
                ("**", 0) => fits[0],
                ("**", at) => fits[at] || next[at - 1],
                (_, 0) => false,
                (step, at) => fits[at - 1] && (step == "*" || step_matches(step, path[at - 1])),
            };
        }
        fits = next;
    }
    fits[path.len()]
}

fn step_matches(pattern: &str, step: &str) -> bool {
    if pattern == step {
        return true;
    }
    let (Some((name, item)), Some((wanted, index))) = (step.split_once('['), pattern.split_once('[')) else {
        return false;
    };
    (wanted == "*" || wanted == name) && (index == "*]" || index == item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_matched_as_kpt_matches_them() {
        for (pattern, path, expected) in [
            ("a.b.c", "a.b.c", true),
            ("a.b.c", "a.b", false),
            ("a.*.c", "a.b.c", true),
            ("a.*.c", "a.b.b.c", false),
            ("a.**.c", "a.c", true),
            ("a.**.c", "a.b[0].g.c", true),
            ("**.c", "c", true),
            ("a.b[1].c", "a.b[1].c", true),
            ("a.b[1].c", "a.b[0].c", false),
            ("a.b[*].c", "a.b[7].c", true),
            ("a.*[*].c", "a.b[7].c", true),
            ("a.b.c", "a.b[7].c", false),
            ("a.*.b.**.b", "a.a.b.c.e.b", true),
        ] {
            assert_eq!(path_matches(pattern, path), expected, "{pattern} {path}");
        }
    }
}
