//! Paths of a configuration that another file requires: they are relative to its own folder, those of the first
//! file to the current one.

use std::path::Path;

use shipway_yaml::{Document, Node, Style};

use crate::path::{each, placed, put, steps};

/// The fields that are paths.
const PATHS: [&str; 2] = ["/manifests/rawYaml/*", "/manifests/kustomize/paths/*"];

/// The lists of what has a `context`, which is the configuration's folder where it says none.
const CONTEXTS: [&str; 2] = ["/build/artifacts/*", "/test/*"];

/// Puts a folder before the relative paths of a configuration.
pub(super) fn rebase(document: &mut Document, folder: &Path) {
    if folder.as_os_str().is_empty() {
        return;
    }
    let below = |node: &Node| {
        let text = node.text().unwrap_or_default();
        let path = if text == "." { folder.to_owned() } else { folder.join(text) };
        placed(Node::scalar(path.to_string_lossy().into_owned(), Style::DoubleQuoted), node)
    };
    let known = |text: &str| text.contains("://") || text.starts_with("{{");
    let mut walk = |path: &str, act: &mut dyn FnMut(&mut Node)| {
        let walked: Result<(), std::convert::Infallible> =
            each(&mut document.root, &steps(path), &mut |node| {
                act(node);
                Ok(())
            });
        match walked {
            Ok(()) => {}
        }
    };
    for path in PATHS {
        walk(path, &mut |node| {
            if node.text().is_some_and(|text| !known(text)) && !node.is_null() {
                *node = below(node);
            }
        });
    }
    for path in CONTEXTS {
        walk(path, &mut |item| {
            let context = item.get("context").filter(|context| context.text() != Some("")).cloned();
            let context = context.unwrap_or_else(|| placed(Node::scalar(".", Style::Plain), item));
            if item.entries().is_some() && context.text().is_some() {
                let context = below(&context);
                put(item, &["context"], &context.clone(), context);
            }
        });
    }
}
