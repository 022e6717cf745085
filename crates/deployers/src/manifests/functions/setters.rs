//! `apply-setters`: values for the fields that a comment (`# kpt-set: ${image}:${tag}`) gives to setters.

use regex::Regex;
use shipway_core::{Error, Result, Text};
use shipway_yaml::{Node, Style, Value};

use super::{super::piece::Piece, comments};

/// How the comment begins: kpt's, and Skaffold's own (render/applysetters).
const MARKS: [&str; 2] = ["kpt-set:", "from-param:"];

#[derive(Clone, Debug)]
pub(in crate::manifests) struct Setters(Vec<(String, String)>);

impl Setters {
    pub(super) fn new(settings: &[(&str, &str)]) -> Self {
        Self(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    pub(super) fn apply(&self, pieces: &mut [Piece]) -> Result<()> {
        for piece in pieces {
            let text = Text::clone(&piece.manifest.text);
            if !MARKS.iter().any(|mark| text.contains(mark)) {
                continue;
            }
            piece.edit(|root| {
                let mut changed = false;
                comments::visit(root, &mut |key, node, path| {
                    if let Some(pattern) = pattern(&text, key, node)
                        && self.is_meant(&pattern)
                    {
                        let new = match &node.value {
                            Value::Sequence(_) => self.list(&pattern, path)?,
                            _ => self.scalar(&pattern, node, path)?,
                        };
                        *node = new;
                        changed = true;
                    }
                    Ok(())
                })?;
                Ok(changed)
            })?;
        }
        Ok(())
    }

    /// Whether a pattern names one of the setters that have a value.
    fn is_meant(&self, pattern: &str) -> bool {
        self.0.iter().any(|(name, _)| pattern.contains(&format!("${{{name}}}")))
    }

    /// Returns the list that the one setter of a pattern is.
    fn list(&self, pattern: &str, path: &str) -> Result<Node> {
        let names = names(pattern);
        let [name] = names.as_slice() else { return Err(no_list(pattern, path)) };
        if *pattern != format!("${{{name}}}") {
            return Err(no_list(pattern, path));
        }
        let value = self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
        if value.is_empty() {
            return Ok(Node::sequence(Vec::new()));
        }
        let read = shipway_yaml::parse("setter", value).ok().and_then(|mut read| read.pop());
        match read {
            Some(document) if document.root.items().is_some() => Ok(placeless(&document.root)),
            _ => Err(Error::config(format!("the setter `{name}` of the list `{path}` is no list"))
                .hint("write it as `[a, b]`")),
        }
    }

    /// Returns the value of a pattern: parts whose setter has no value stay as they are in the field.
    fn scalar(&self, pattern: &str, node: &Node, path: &str) -> Result<Node> {
        let mut text = pattern.to_owned();
        for (name, value) in &self.0 {
            text = text.replace(&format!("${{{name}}}"), value);
        }
        for (name, value) in current(pattern, node.text().unwrap_or_default()) {
            text = text.replace(&format!("${{{name}}}"), &value);
        }
        let left = names(&text);
        if !left.is_empty() {
            return Err(Error::config(format!(
                "the setters `{}` of `{path}` have no value",
                left.join("`, `")
            ))
            .hint("give them one in `configMap`"));
        }
        Ok(implied(node, &text))
    }
}

fn no_list(pattern: &str, path: &str) -> Error {
    Error::config(format!("`{pattern}` is no setter for the list `{path}`"))
        .hint("a list is one setter alone: `${name}`")
}

/// Returns the pattern that the comment of a node gives it.
fn pattern(text: &str, key: Option<&Node>, node: &Node) -> Option<String> {
    let place = match (&node.value, key) {
        (Value::Sequence(_), Some(key)) if !comments::is_flow(text, node) => comments::behind_key(text, key),
        _ => comments::behind(text, node),
    }?;
    let comment = comments::comment(text, &place)?;
    MARKS.iter().find_map(|mark| Some(comment.strip_prefix(mark)?.trim().to_owned()))
}

/// Returns the names of the setters in a pattern.
fn names(pattern: &str) -> Vec<&str> {
    let (mut names, mut rest) = (Vec::new(), pattern);
    while let Some((_, after)) = rest.split_once("${") {
        let Some((name, more)) = after.split_once('}') else { break };
        names.push(name);
        rest = more;
    }
    names
}

/// Returns what the setters of a pattern are in a field now; nothing where that cannot be told.
fn current(pattern: &str, value: &str) -> Vec<(String, String)> {
    let names = names(pattern);
    let mut expression = regex::escape(pattern);
    for name in &names {
        expression = expression.replacen(&regex::escape(&format!("${{{name}}}")), "(.*)", 1);
    }
    let Some(found) = Regex::new(&expression).ok().and_then(|expression| {
        let found = expression.captures(value)?;
        Some(
            found
                .iter()
                .skip(1)
                .map(|part| part.map_or("", |part| part.as_str()).to_owned())
                .collect::<Vec<_>>(),
        )
    }) else {
        return Vec::new();
    };
    if found.len() != names.len() || found.iter().any(String::is_empty) {
        return Vec::new();
    }
    names.into_iter().map(str::to_owned).zip(found).collect()
}

/// Returns a scalar of a text in a node's quotes: without them it is what it reads as.
pub(super) fn implied(node: &Node, text: &str) -> Node {
    match &node.value {
        Value::Scalar(scalar) if scalar.style != Style::Plain => Node::scalar(text, scalar.style),
        _ if text.is_empty() => Node::scalar(text, Style::DoubleQuoted),
        _ => Node::scalar(text, Style::Plain),
    }
}

/// Returns a tree without its places, which are those of another text.
fn placeless(node: &Node) -> Node {
    match &node.value {
        Value::Scalar(scalar) => Node::scalar(scalar.text.clone(), scalar.style),
        Value::Sequence(items) => without_place(Node::sequence(items.iter().map(placeless).collect())),
        Value::Mapping(entries) => without_place(Node::mapping(
            entries.iter().map(|(key, value)| (placeless(key), placeless(value))).collect(),
        )),
    }
}

fn without_place(mut node: Node) -> Node {
    node.span = shipway_yaml::Span::default();
    node
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_value_is_taken_from_the_field() {
        let of = |pattern: &str, value: &str| {
            current(pattern, value)
                .into_iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(of("${image}:${tag}", "nginx:1.7"), ["image=nginx", "tag=1.7"]);
        assert_eq!(of("app.${stage}.${tld}", "app.dev.com"), ["stage=dev", "tld=com"]);
        assert!(of("${image}:${tag}", "nginx").is_empty());
        assert!(of("${image}:${tag}", ":1").is_empty());
        assert_eq!(of("a", "a"), [""; 0]);
    }
}
