//! What the images of a release are called in manifests.

use std::collections::BTreeMap;

use shipway_core::Image;
use shipway_oci::Reference;
use shipway_yaml::{Node, Value};

/// The images of a release by the names that manifests may give them.
#[derive(Debug)]
pub(super) struct Names<'a>(BTreeMap<String, &'a Image>);

impl<'a> Names<'a> {
    pub(super) fn new(images: &'a [Image]) -> Self {
        let mut names = BTreeMap::new();
        for image in images {
            names.entry(whole(&image.repository)).or_insert(image);
            names.entry(whole(&image.name)).or_insert(image);
        }
        Self(names)
    }

    /// Returns the nodes that name an image of the release, under a key `image` anywhere.
    pub(super) fn uses<'n>(&self, root: &'n Node) -> Vec<(&'n Node, &'a Image)> {
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
    pub(super) fn find(&self, text: &str) -> Option<&'a Image> {
        if text.contains('@') { None } else { self.named(text) }
    }

    /// Returns the image of this name or repository, whatever its tag and digest.
    pub(super) fn named(&self, text: &str) -> Option<&'a Image> {
        let text = text.split_once('@').map_or(text, |(name, _)| name);
        let name = match text.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => name,
            _ => text,
        };
        self.0.get(&whole(name)).copied()
    }
}

/// Returns a name as all spell it that mean the same: `nginx` is `docker.io/library/nginx`, and the path of a Go
/// package, as ko writes it, is a name in lower case (skaffold: docker/reference.go, `SanitizeImageName`).
fn whole(name: &str) -> String {
    let parsed = |name: &str| name.parse::<Reference>().map(|reference| reference.repository());
    let name = name.strip_prefix("ko://").unwrap_or(name);
    parsed(name).or_else(|_| parsed(&name.to_lowercase())).unwrap_or_else(|_| name.to_owned())
}
