//! The version of a chart and of its application, changed in its `Chart.yaml` where they stand.

use bytes::Bytes;
use shipway_core::{Error, Result};
use shipway_yaml::{Document, Node, Style, rewrite};

use super::{
    content::Content,
    metadata::{FILE, Metadata, document},
    version::Version,
};

/// Sets what is given, and returns what the chart then says of itself.
///
/// # Errors
/// `Config` when the version is none.
pub(super) fn edit(
    content: &mut Content,
    version: Option<&str>,
    app_version: Option<&str>,
) -> Result<Metadata> {
    if let Some(version) = version.filter(|version| Version::parse(version).is_none()) {
        return Err(Error::config(format!("`{}` is not a version of a chart", version.escape_debug()))
            .hint("write it as `1.2.3`"));
    }
    if let Some(text) = content.text(FILE)? {
        let mut document = document(&content.shown(FILE), text)?;
        let before = document.clone();
        for (key, value) in [("version", version), ("appVersion", app_version)] {
            if let Some(value) = value {
                set(&mut document, key, value);
            }
        }
        if document != before {
            let edited = rewrite(&document.file, text, std::slice::from_ref(&document))?;
            content.files.insert(FILE.to_owned(), Bytes::from(edited));
        }
    }
    Metadata::read(content)
}

fn set(document: &mut Document, key: &str, value: &str) {
    let new = Node::scalar(value, Style::DoubleQuoted);
    match document.root.get_mut(key) {
        Some(node) if node.text() == Some(value) && is_text(node) => {}
        Some(node) => *node = new,
        None => {
            if let Some(entries) = document.root.entries_mut() {
                entries.push((Node::scalar(key, Style::Plain), new));
            }
        }
    }
}

/// Whether every reader takes it for a text, and not `1.10` for `1.1`.
fn is_text(node: &Node) -> bool {
    use shipway_yaml::{Resolved, Rules};
    [Rules::Config, Rules::Manifest]
        .into_iter()
        .all(|rules| matches!(node.resolved(rules), Some(Resolved::Text(_))))
}
