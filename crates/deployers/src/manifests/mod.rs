//! Manifests as people keep them: files of several documents, each an object, whose images are bound to
//! those of a release where they stand, with every other byte as it was.

#[cfg(feature = "kubernetes")]
mod change;
#[cfg(feature = "kubernetes")]
mod fetch;
#[cfg(feature = "kubernetes")]
mod functions;
#[cfg(feature = "kubernetes")]
mod hooks;
mod images;
#[cfg(feature = "kubernetes")]
mod kpt;
mod kustomization;
#[cfg(feature = "kubernetes")]
mod kustomize;
#[cfg(feature = "kubernetes")]
mod output;
#[cfg(feature = "kubernetes")]
mod piece;
#[cfg(feature = "kubernetes")]
mod place;
#[cfg(feature = "kubernetes")]
mod rendering;
#[cfg(feature = "kubernetes")]
mod rules;
#[cfg(feature = "kubernetes")]
mod sources;
#[cfg(all(test, feature = "kubernetes"))]
mod tests;
#[cfg(feature = "kubernetes")]
mod unused;
#[cfg(feature = "kubernetes")]
mod validate;

use std::collections::BTreeSet;

use shipway_core::{Error, Image, Manifest, Manifests, Result};
use shipway_yaml::{Document, Edit, Node, Rules, parts};

use self::images::Names;
pub use self::kustomization::{Kustomization, KustomizationImage};
#[cfg(feature = "kubernetes")]
pub(crate) use self::{
    change::{Change, bound},
    fetch::{authority, client, shown, unreachable},
    hooks::Surroundings,
    rendering::Rendering,
    rules::FieldRules,
    unused::unused,
};
#[cfg(feature = "kubernetes")]
pub use self::{
    functions::ManifestFunction,
    hooks::{HostHook, ManifestHook, ManifestHooks},
    rules::{ResourceFilter, ResourceSelector},
};

/// What a file holds.
#[derive(Debug)]
pub(crate) struct Bound {
    /// The objects, in the order of the file.
    pub(crate) manifests: Vec<Manifest>,
    /// The names of the images that some object uses.
    pub(crate) images: BTreeSet<String>,
    /// The line of the file on which each object's text begins; absent where that text is not the file's own, as of
    /// the items of a list.
    #[cfg_attr(not(feature = "kubernetes"), expect(dead_code, reason = "for who checks manifests"))]
    pub(crate) lines: Vec<Option<u32>>,
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
    let (mut manifests, mut lines, mut last) = (Vec::new(), Vec::new(), None);
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
        let above = text.get(before[number].start..start).unwrap_or_default().matches('\n').count();
        let line =
            u32::try_from(above).ok().and_then(|above| document.root.span.start.line.checked_sub(above));
        lines.resize(manifests.len(), line.filter(|_| !is_list(&document.root)));
    }
    Ok(Bound { manifests, images: bound, lines })
}

/// Returns the manifests as one text, which [`bind`] reads again.
pub(crate) fn joined(manifests: &Manifests) -> String {
    joined_texts(manifests.objects.iter().map(|manifest| &*manifest.text))
}

fn joined_texts<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut joined = String::new();
    for text in texts {
        if !joined.is_empty() {
            joined.push_str("---\n");
        }
        joined.push_str(text);
        if !joined.ends_with('\n') {
            joined.push('\n');
        }
    }
    joined
}

/// Adds the object of a document, or those of a list.
fn objects(document: &Document, text: &str, manifests: &mut Vec<Manifest>) -> Result<()> {
    let at = |error: Error| document.error(document.root.span, error.to_string());
    if !is_list(&document.root) {
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

fn is_list(root: &Node) -> bool {
    root.get("kind").and_then(Node::text) == Some("List")
}

/// Returns an object's head alone, by which it is known: the rest may be large.
fn head(root: &Node) -> Node {
    let Some(entries) = root.entries() else { return root.clone() };
    let known =
        |key: &Node| ["apiVersion", "kind", "metadata", "<<"].contains(&key.text().unwrap_or_default());
    Node::mapping(entries.iter().filter(|(key, _)| known(key)).cloned().collect())
}
