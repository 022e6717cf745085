//! First stage: text to trees, with merge keys and what only holds anchors gone.

use std::path::Path;

use shipway_core::{Error, Result};
use shipway_yaml::{Document, Node, Rules, Span, parse};

use super::version::Version;

/// One configuration of a file, with its version.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) version: Version,
    pub(super) document: Document,
}

/// Returns the configurations of a file, in its order.
pub(super) fn sources(file: &Path, text: &str) -> Result<Vec<Source>> {
    let documents = parse(file, text)?;
    // What lies between two `---` may be empty.
    let documents = documents.into_iter().filter(|document| !document.root.is_null());
    let sources: Vec<Source> = documents.map(source).collect::<Result<_>>()?;
    if sources.is_empty() {
        return Err(Error::config(format!("`{}` holds no configuration", file.display()))
            .hint(format!("begin with `apiVersion: {}`", Version::NEWEST)));
    }
    Ok(sources)
}

fn source(document: Document) -> Result<Source> {
    let mut document = document.merged(Rules::Config)?;
    let start = document.root.span;
    let Some(entries) = document.root.entries_mut() else {
        return Err(document.error(start, format!("expected a mapping, found {}", document.root.kind())));
    };
    // Such a key is a place for anchors (skaffold: schema/versions.go, `removeYamlAnchors`).
    entries.retain(|(key, _)| !key.text().is_some_and(|key| key.starts_with('.')));
    let text = |key: &str| document.root.get(key).map(|node| (node.text(), node.span));
    let at = |error: Error, span: Span| error.at(document.location(span));
    let version = match text("apiVersion") {
        Some((Some(text), span)) => Version::of_file(text).map_err(|error| at(error, span))?,
        Some((None, span)) => return Err(document.error(span, "`apiVersion` is a text")),
        None => {
            let error = document.error(start, "`apiVersion` is missing");
            return Err(error.hint(format!("add `apiVersion: {}`", Version::NEWEST)));
        }
    };
    match text("kind") {
        Some((Some("Config"), _)) => {}
        Some((_, span)) => return Err(document.error(span, "`kind` is always `Config`")),
        None => return Err(document.error(start, "`kind` is missing").hint("add `kind: Config`")),
    }
    Ok(Source { version, document })
}

/// Returns a part of a document, as a document that has the same places.
pub(super) fn part(document: &Document, node: &Node) -> Document {
    Document::new(document.file.as_path(), node.clone())
}
