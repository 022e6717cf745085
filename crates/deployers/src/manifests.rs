//! Manifests as people keep them: files of several documents, each an object, whose images are bound to
//! those of a release where they stand, with every other byte as it was.

use std::collections::{BTreeMap, BTreeSet};

use shipway_core::{Error, Image, Manifest, Manifests, Result};
use shipway_oci::Reference;
use shipway_yaml::{Document, Edit, Node, Rules, Value, parts};

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

/// What the images of a release are called.
struct Names<'a>(BTreeMap<String, &'a Image>);

impl<'a> Names<'a> {
    fn new(images: &'a [Image]) -> Self {
        let mut names = BTreeMap::new();
        for image in images {
            names.entry(whole(&image.repository)).or_insert(image);
            names.entry(whole(&image.name)).or_insert(image);
        }
        Self(names)
    }

    /// Returns the nodes that name an image of the release.
    fn uses<'n>(&self, root: &'n Node) -> Vec<(&'n Node, &'a Image)> {
        let (mut found, mut open) = (Vec::new(), vec![root]);
        while let Some(node) = open.pop() {
            match &node.value {
                Value::Mapping(entries) => {
                    for (key, value) in entries {
                        // What an alias stands for is edited at its anchor.
                        if key.text() == Some("image")
                            && !value.alias
                            && let Some(image) = value.text().and_then(|text| self.find(text))
                        {
                            found.push((value, image));
                        }
                        open.push(value);
                    }
                }
                Value::Sequence(items) => open.extend(items),
                Value::Scalar(_) => {}
            }
        }
        found
    }

    /// Returns the image of this name or repository. What names a digest was pinned by somebody.
    fn find(&self, text: &str) -> Option<&'a Image> {
        if text.contains('@') {
            return None;
        }
        let name = match text.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => name,
            _ => text,
        };
        self.0.get(&whole(name)).copied()
    }
}

/// Returns a name as all spell it that mean the same: `nginx` is `docker.io/library/nginx`.
fn whole(name: &str) -> String {
    name.parse::<Reference>().map_or_else(|_| name.to_owned(), |reference| reference.repository())
}

#[cfg(test)]
mod tests {
    use shipway_core::{Digest, Store};

    use super::*;

    fn image(name: &str, repository: &str) -> Image {
        let digest = Digest::parse(format!("sha256:{}", "a".repeat(64))).expect("a digest");
        Image::new(name, Store::Registry, repository, digest)
    }

    #[test]
    fn images_are_bound_where_they_stand_and_all_else_stays() {
        let text = "# the shop\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web} # here\nspec:\n  \
                    template:\n    spec:\n      containers:\n      - image: \"registry.example/web:1\" # moves\n      \
                    - image: nginx\n--- # next\napiVersion: v1\nkind: Pod\nmetadata:\n  name: p\nspec:\n  \
                    containers: [{image: web}, {image: 'registry.example/web@sha256:b'}, {image: registry.example/webber:1}]\n";
        let web = image("web", "registry.example/web");
        let read = bind("k.yaml", text, &[web.clone(), image("api", "registry.example/api")]).expect("read");
        let ids: Vec<String> = read.manifests.iter().map(|one| one.object.to_string()).collect();
        assert_eq!(ids, ["Deployment web", "Pod p"]);
        assert_eq!(read.images, BTreeSet::from(["web".to_owned()]));
        let pinned = web.reference();
        let expected = text
            .replace("registry.example/web:1\"", &format!("{pinned}\""))
            .replace("{image: web}", &format!("{{image: {pinned}}}"));
        let (first, second) = expected.split_once("---").expect("two");
        assert_eq!(&*read.manifests[0].text, first);
        assert_eq!(&*read.manifests[1].text, second);
    }

    #[test]
    fn what_was_joined_is_read_as_it_was() {
        let text = "a: 1\n";
        for (text, count) in [
            ("apiVersion: v1\nkind: A\nmetadata: {name: a}\ntext: |\n  ---\n  x\n", 1),
            (
                "---\napiVersion: v1\nkind: A\nmetadata: {name: a}\n---\n# nothing\n---\napiVersion: v1\nkind: A\nmetadata: {name: b}",
                2,
            ),
            (r#"{"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}}"#, 1),
            (
                "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: A, metadata: {name: a}}\n- {apiVersion: v1, kind: A, metadata: {name: b}}\n",
                2,
            ),
            ("", 0),
        ] {
            let read = bind("k.yaml", text, &[]).expect("read").manifests;
            assert_eq!(read.len(), count, "{text}");
            let manifests = Manifests::new(shipway_core::Release::new("r")).objects(read.clone());
            let again = bind("k.yaml", &joined(&manifests), &[]).expect("read again").manifests;
            let ids = |read: &[Manifest]| read.iter().map(|one| one.object.clone()).collect::<Vec<_>>();
            assert_eq!(ids(&again), ids(&read));
            assert_eq!(
                joined(&Manifests::new(shipway_core::Release::new("r")).objects(again)),
                joined(&manifests)
            );
        }
        for text in
            ["{apiVersion: v1, kind: A, metadata: {name: a}}\n...\nb: 1\n", "# x\n%YAML 1.2\n---\na: 1\n"]
        {
            let error = bind("k.yaml", text, &[]).expect_err("cannot be cut");
            assert!(error.report().to_string().contains("no line `---`"), "{error}");
        }
        let marked = "\u{feff}apiVersion: v1\nkind: A\nmetadata: {name: a}\n";
        assert!(bind("k.yaml", marked, &[]).expect("read").manifests[0].text.starts_with("apiVersion"));
        let error = bind("k.yaml", "apiVersion: v1\nkind: A\nmetadata: {name: a}\n---\nkind: B\n", &[]);
        let report = error.expect_err("no object").report().to_string();
        assert!(report.contains("k.yaml:5:1"), "{report}");
        assert!(bind("k.yaml", text, &[]).is_err());
    }
}
