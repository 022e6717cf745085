//! Images in a `kustomization.yaml`, set where they stand, as flows that commit them need it.

use shipway_core::{Error, Image, Result};
use shipway_yaml::{Document, Node, Resolved, Rules, Style, parse, rewrite};

/// The fields of an image that a kustomization sets (kustomize: `types/image.go`).
const FIELDS: [&str; 3] = ["newName", "newTag", "digest"];

/// An image that a kustomization puts in the place of another one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KustomizationImage {
    /// What it is called in the manifests.
    pub name: String,
    /// The repository that takes the place of the name; the name itself when absent.
    pub new_name: Option<String>,
    /// The tag.
    pub new_tag: Option<String>,
    /// The digest.
    pub digest: Option<String>,
}

impl KustomizationImage {
    /// Returns the image of this name, as it is.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Sets the repository.
    #[must_use]
    pub fn new_name(mut self, name: impl Into<String>) -> Self {
        self.new_name = Some(name.into());
        self
    }

    /// Sets the tag.
    #[must_use]
    pub fn new_tag(mut self, tag: impl Into<String>) -> Self {
        self.new_tag = Some(tag.into());
        self
    }

    /// Sets the digest.
    #[must_use]
    pub fn digest(mut self, digest: impl Into<String>) -> Self {
        self.digest = Some(digest.into());
        self
    }
}

/// What was built, by its digest.
impl From<&Image> for KustomizationImage {
    fn from(image: &Image) -> Self {
        let made = Self::new(image.name.as_str()).digest(image.digest.as_str());
        if image.repository == image.name { made } else { made.new_name(image.repository.as_str()) }
    }
}

/// The text of a `kustomization.yaml`.
///
/// ```
/// use shipway_deployers::{Kustomization, KustomizationImage};
///
/// let text = "resources: [web.yaml]\nimages:\n- name: web # the shop\n  newTag: '1.9'\n";
/// let text = Kustomization::new("kustomization.yaml", text)
///     .set_images(&[KustomizationImage::new("web").new_tag("1.10")])?;
/// assert_eq!(text, "resources: [web.yaml]\nimages:\n- name: web # the shop\n  newTag: '1.10'\n");
/// # Ok::<(), shipway_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Kustomization<'a> {
    file: &'a str,
    text: &'a str,
}

impl<'a> Kustomization<'a> {
    /// Returns the text of a file, whose name is for messages.
    #[must_use]
    pub fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text }
    }

    /// Returns the text with the images set, as `kustomize edit set image` sets them: one that is there becomes exactly what
    /// is said of it, and one that is not is added. The order, comments and all else stay.
    ///
    /// # Errors
    /// `Config`, with its place, for what is no kustomization; `Unsupported` for one of the form before `images`.
    pub fn set_images(&self, images: &[KustomizationImage]) -> Result<String> {
        let mut documents = parse(self.file, self.text)?;
        if documents.is_empty() {
            documents.push(Document::new(self.file, Node::mapping(Vec::new())));
        }
        let [document] = documents.as_mut_slice() else {
            return Err(Error::config(format!("`{}` has more than one document", self.file)));
        };
        let shown = Document::new(self.file, Node::mapping(Vec::new()));
        let span = document.root.span;
        if document.root.is_null() {
            document.root = Node::mapping(Vec::new());
        }
        let Some(entries) = document.root.entries_mut() else {
            return Err(shown.error(span, "a kustomization is a mapping"));
        };
        if let Some((old, _)) = entries.iter().find(|(key, _)| is_key(key, "imageTags")) {
            return Err(Error::unsupported("`imageTags` is the form before `images`")
                .at(shown.location(old.span))
                .hint("run `kustomize edit fix`"));
        }
        if !entries.iter().any(|(key, _)| is_key(key, "images")) {
            entries.push((Node::scalar("images", Style::Plain), Node::sequence(Vec::new())));
        }
        let Some((_, list)) = entries.iter_mut().find(|(key, _)| is_key(key, "images")) else {
            return Ok(self.text.to_owned());
        };
        if list.is_null() {
            *list = Node::sequence(Vec::new());
        }
        let span = list.span;
        let Some(items) = list.items_mut() else { return Err(shown.error(span, "`images` is a list")) };
        for image in images {
            let mut seen = false;
            // The first of several with one name is the one that stays.
            items.retain(|item| {
                item.get("name").and_then(Node::text) != Some(&image.name)
                    || !std::mem::replace(&mut seen, true)
            });
            match items.iter_mut().find(|item| item.get("name").and_then(Node::text) == Some(&image.name)) {
                Some(item) => set(item, image),
                None => {
                    let mut item = Node::mapping(vec![(key("name"), text(&image.name, None))]);
                    set(&mut item, image);
                    items.push(item);
                }
            }
        }
        // What is nothing yet has no document to be written over.
        if self.text.trim().is_empty() {
            return document.root.to_yaml();
        }
        rewrite(self.file, self.text, &documents)
    }
}

/// Makes an entry what is said of its image, and nothing else.
fn set(item: &mut Node, image: &KustomizationImage) {
    let Some(entries) = item.entries_mut() else { return };
    let values = [&image.new_name, &image.new_tag, &image.digest];
    entries.retain(|(key, _)| {
        is_key(key, "name")
            || FIELDS.iter().zip(values).any(|(field, value)| is_key(key, field) && value.is_some())
    });
    for (field, value) in FIELDS.iter().zip(values) {
        let Some(value) = value else { continue };
        match entries.iter_mut().find(|(key, _)| is_key(key, field)) {
            Some((_, now)) if now.text() == Some(value) => *now = text(value, Some(now)),
            Some((_, now)) => *now = text(value, Some(now)),
            None => entries.push((key(field), text(value, None))),
        }
    }
}

/// Keys are compared as Go's JSON does it.
fn is_key(key: &Node, name: &str) -> bool {
    key.text().is_some_and(|text| text.eq_ignore_ascii_case(name))
}

fn key(name: &str) -> Node {
    Node::scalar(name, Style::Plain)
}

/// Returns a text in the quotes that it had, or in those that it needs.
fn text(text: &str, now: Option<&Node>) -> Node {
    let plain = Node::scalar(text, Style::Plain);
    let is_text = |rules| plain.resolved(rules) == Some(Resolved::Text(text.to_owned()));
    let quoted = now.and_then(|node| match &node.value {
        shipway_yaml::Value::Scalar(scalar) if scalar.style != Style::Plain => Some(scalar.style),
        _ => None,
    });
    match (now, quoted) {
        // What is the same stays where it is.
        (Some(now), _) if now.resolved(Rules::Manifest) == Some(Resolved::Text(text.to_owned())) => {
            now.clone()
        }
        (_, Some(style)) => Node::scalar(text, style),
        _ if is_text(Rules::Config) && is_text(Rules::Manifest) => plain,
        _ => Node::scalar(text, Style::DoubleQuoted),
    }
}
