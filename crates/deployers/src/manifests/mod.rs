//! Manifests as people keep them: files of several documents, each an object, whose images are bound to
//! those of a release where they stand, with every other byte as it was.

#[cfg(feature = "kubernetes")]
mod change;
#[cfg(feature = "kubernetes")]
mod fetch;
mod images;
#[cfg(feature = "kubernetes")]
mod place;
#[cfg(feature = "kubernetes")]
mod rules;
#[cfg(feature = "kubernetes")]
mod sources;
#[cfg(all(test, feature = "kubernetes"))]
mod tests;
#[cfg(feature = "kubernetes")]
mod unused;

use std::collections::BTreeSet;

use shipway_core::{Error, Image, Manifest, Manifests, Result};
use shipway_yaml::{Document, Edit, Node, Rules, parts};

use self::images::Names;
#[cfg(feature = "kubernetes")]
pub use self::rules::{ResourceFilter, ResourceSelector};
#[cfg(feature = "kubernetes")]
pub(crate) use self::{
    change::{Change, changed},
    fetch::{authority, client, shown, unreachable},
    rules::FieldRules,
    sources::Sources,
    unused::unused,
};

/// What a file holds.
#[derive(Debug)]
pub(crate) struct Bound {
    /// The objects, in the order of the file.
    pub(crate) manifests: Vec<Manifest>,
    /// The names of the images that some object uses.
    pub(crate) images: BTreeSet<String>,
}

/// Returns the objects of a file, with each image of a release by its digest: every `image:` that names the
/// artifact, or the repository that its image is in, whatever its tag. What names a digest stays as it is.
///
/// # Errors
/// `Config` with the place of what is no YAML, no object, or an image in a block of text.
pub(crate) fn bind(file: &str, text: &str, images: &[Image]) -> Result<Bound> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let documents = shipway_yaml::parse(file, text)?;
    let (mut edit, mut bound, names) = (Edit::new(file, text), BTreeSet::new(), Names::new(images));
    for document in &documents {
        for (node, image) in names.uses(&document.root) {
            edit = edit.replace(node, image.reference());
            bound.insert(image.name.clone());
        }
    }
    let edited = if bound.is_empty() { text.to_owned() } else { edit.apply()? };
    // Texts of scalars alone are others now, so there are as many parts as before.
    let (before, after) = (parts(text), parts(&edited));
    let directives = text.lines().any(|line| line.starts_with('%'));
    let (mut manifests, mut last) = (Vec::new(), None);
    for document in documents.iter().filter(|document| !document.root.is_null()) {
        let start = document.root.span.start.offset as usize;
        let number = before.partition_point(|part| part.start <= start).saturating_sub(1);
        if last.replace(number) == Some(number) || directives {
            return Err(document
                .error(document.root.span, "it has no line `---` of its own before it")
                .hint("part objects by `---` alone, without `...` and without directives (`%`)"));
        }
        let Some(part) = after.get(number).and_then(|part| edited.get(part.clone())) else {
            return Err(Error::internal(format!("`{file}` cannot be cut into its documents")));
        };
        objects(document, part, &mut manifests)?;
    }
    Ok(Bound { manifests, images: bound })
}

/// Returns the manifests as one text, which [`bind`] reads again.
pub(crate) fn joined(manifests: &Manifests) -> String {
    let mut text = String::new();
    for manifest in &manifests.objects {
        if !text.is_empty() {
            text.push_str("---\n");
        }
        text.push_str(&manifest.text);
        if !text.ends_with('\n') {
            text.push('\n');
        }
    }
    text
}

/// Adds the object of a document, or those of a list.
fn objects(document: &Document, text: &str, manifests: &mut Vec<Manifest>) -> Result<()> {
    let at = |error: Error| document.error(document.root.span, error.to_string());
    let list = document.root.get("kind").and_then(Node::text) == Some("List");
    if !list {
        let head = Document::new(document.file.as_path(), head(&document.root)).to_json(Rules::Manifest)?;
        let id = shipway_cluster::object_id(&head).map_err(at)?;
        manifests.push(Manifest::new(id, text));
        return Ok(());
    }
    for document in shipway_yaml::parse(document.file.as_path(), text)? {
        let object = document.to_json(Rules::Manifest)?;
        let Some(items) = object["items"].as_array() else {
            return Err(at(Error::config("a `List` has no `items`")));
        };
        for item in items {
            let id = shipway_cluster::object_id(item).map_err(at)?;
            manifests.push(Manifest::new(id, format!("{item:#}\n")));
        }
    }
    Ok(())
}

/// Returns an object's head alone, by which it is known: the rest may be large.
fn head(root: &Node) -> Node {
    let Some(entries) = root.entries() else { return root.clone() };
    let known =
        |key: &Node| ["apiVersion", "kind", "metadata", "<<"].contains(&key.text().unwrap_or_default());
    Node::mapping(entries.iter().filter(|(key, _)| known(key)).cloned().collect())
}
