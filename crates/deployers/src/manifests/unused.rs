//! Images of a release that no manifest uses, and where they are named all the same.

use std::{collections::BTreeSet, fmt};

use serde_json::Value;
use shipway_core::{Image, Manifest, Result};
use shipway_yaml::Rules;

use super::images::Names;

/// The most places that are told of one image.
const MOST: usize = 3;

/// An image of a release that is in no field for images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unused {
    /// The name of the image.
    pub(crate) image: String,
    /// Where a text is its name: the object and the path.
    pub(crate) named_at: Vec<String>,
}

/// Returns the images that no manifest uses.
///
/// # Errors
/// `Config` when a manifest's text is no YAML.
pub(crate) fn unused(
    manifests: &[Manifest],
    images: &[Image],
    used: &BTreeSet<String>,
) -> Result<Vec<Unused>> {
    let left: Vec<Image> = images.iter().filter(|image| !used.contains(&image.name)).cloned().collect();
    let mut unused: Vec<Unused> =
        left.iter().map(|image| Unused { image: image.name.clone(), named_at: Vec::new() }).collect();
    if left.is_empty() {
        return Ok(unused);
    }
    let names = Names::new(&left);
    for manifest in manifests {
        // What a secret holds is not looked at.
        if manifest.object.kind == "Secret" {
            continue;
        }
        for document in shipway_yaml::parse(manifest.object.to_string(), &manifest.text)? {
            let object = document.to_json(Rules::Manifest)?;
            texts(&object, &mut String::new(), &mut |path, text| {
                // An object may be called as the image is.
                if path.starts_with(".metadata") || path.ends_with(".name") {
                    return;
                }
                let found =
                    names.named(text).and_then(|image| unused.iter_mut().find(|one| one.image == image.name));
                if let Some(one) = found.filter(|one| one.named_at.len() < MOST) {
                    one.named_at.push(format!("`{path}` of {}", manifest.object));
                }
            });
        }
    }
    Ok(unused)
}

fn texts(value: &Value, path: &mut String, tell: &mut impl FnMut(&str, &str)) {
    let before = path.len();
    match value {
        Value::String(text) => tell(path, text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, path, tell)),
        Value::Object(map) => {
            for (name, value) in map {
                path.push('.');
                path.push_str(name);
                texts(value, path, tell);
                path.truncate(before);
            }
        }
        _ => {}
    }
}

impl fmt::Display for Unused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no manifest uses the image of `{}`", self.image)?;
        if !self.named_at.is_empty() {
            let places = self.named_at.join(", ");
            write!(
                f,
                "; it is named at {places}, which is pinned or no field for images: allow it in `resourceSelector`"
            )?;
        }
        Ok(())
    }
}
