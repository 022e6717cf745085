//! Changes of manifests for a release: images by the rules, the pull policy that a local image needs, and
//! labels. What changes is decided on the object's values; the text then follows in place, and is written anew
//! only where that cannot be, as with labels that an anchor shares with a selector.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use shipway_core::{Error, Image, Manifest, Result, Store};
use shipway_yaml::Rules;

use super::{
    images::Names,
    place::{self, Path, Step},
    rules::{FieldRules, KindRules},
};

/// What a release makes of manifests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'a> {
    /// The images of the release.
    pub(crate) images: &'a [Image],
    /// Labels for objects and the pods that they make; one that is there stays.
    pub(crate) labels: &'a BTreeMap<String, String>,
    /// Which fields are images and labels.
    pub(crate) rules: &'a FieldRules,
}

/// A change at one place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// The text at the path becomes this one.
    Replace(Path, String),
    /// The mapping at the path gets an entry that it has not: a text, or texts by name.
    Add(Path, String, Value),
}

/// Returns a manifest as the release has it, and adds the names of the images that it uses.
///
/// # Errors
/// `Config` when its text is no YAML.
pub(crate) fn bound(
    manifest: &Manifest,
    change: &Change<'_>,
    images: &mut BTreeSet<String>,
) -> Result<Manifest> {
    let Some(rules) = change.rules.of(&manifest.object.api_version, &manifest.object.kind) else {
        return Ok(manifest.clone());
    };
    let names = Names::new(change.images);
    edited(manifest, |object| {
        let labels = change.labels;
        let mut visit = Visit { names: &names, rules, labels, edits: Vec::new(), used: BTreeSet::new() };
        visit.fields(&mut Vec::new(), "", object);
        images.append(&mut visit.used);
        visit.edits
    })
}

/// Returns the manifest with the edits that are wanted for its object.
fn edited(manifest: &Manifest, wanted: impl FnOnce(&Value) -> Vec<Edit>) -> Result<Manifest> {
    let documents = shipway_yaml::parse(manifest.object.to_string(), &manifest.text)?;
    let [document] = documents.as_slice() else {
        return Err(Error::config(format!("the manifest of {} is not one object", manifest.object)));
    };
    let mut object = document.to_json(Rules::Manifest)?;
    let edits = wanted(&object);
    if edits.is_empty() {
        return Ok(manifest.clone());
    }
    edits.iter().for_each(|edit| edit.make(&mut object));
    let text = place::in_place(&manifest.text, &document.root, &edits)
        .filter(|text| place::reads_as(text, &object))
        .unwrap_or_else(|| format!("{object:#}\n"));
    Ok(Manifest::new(manifest.object.clone(), text))
}

impl Edit {
    fn make(&self, object: &mut Value) {
        match self {
            Self::Replace(path, text) => {
                if let Some(value) = place::at(object, path) {
                    *value = text.as_str().into();
                }
            }
            Self::Add(path, name, value) => {
                if let Some(Value::Object(map)) = place::at(object, path) {
                    map.insert(name.clone(), value.clone());
                }
            }
        }
    }
}

/// A walk through an object (skaffold: `visitFields`).
struct Visit<'a> {
    names: &'a Names<'a>,
    rules: KindRules<'a>,
    labels: &'a BTreeMap<String, String>,
    edits: Vec<Edit>,
    used: BTreeSet<String>,
}

impl Visit<'_> {
    /// Visits what is at a path, whose items of lists have no part in `plain`.
    fn fields(&mut self, path: &mut Path, plain: &str, value: &Value) {
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.push(Step::Item(index));
                    self.fields(path, plain, item);
                    path.pop();
                }
            }
            Value::Object(map) => {
                for (name, value) in map {
                    let plain = format!("{plain}.{name}");
                    path.push(Step::Key(name.clone()));
                    self.image(path, &plain, name, value, map);
                    self.label(path, &plain, name, value);
                    self.fields(path, &plain, value);
                    path.pop();
                }
            }
            _ => {}
        }
    }

    fn image(&mut self, path: &Path, plain: &str, name: &str, value: &Value, around: &Map<String, Value>) {
        // A label called `image` is no image, and a selector must stay as the labels are.
        const MAPS: [&str; 5] = ["annotations", "labels", "matchLabels", "nodeSelector", "selector"];
        let in_map =
            matches!(path.as_slice(), [.., Step::Key(map), Step::Key(_)] if MAPS.contains(&map.as_str()));
        if in_map || !self.rules.is_image(plain, name) {
            return;
        }
        let Some(image) = value.as_str().and_then(|text| self.names.find(text)) else { return };
        self.used.insert(image.name.clone());
        self.edits.push(Edit::Replace(path.clone(), image.reference()));
        if let [.., Step::Key(list), Step::Item(_), Step::Key(_)] = path.as_slice()
            && list.to_ascii_lowercase().ends_with("containers")
            && matches!(image.store, Store::Daemon(_))
        {
            let mut container = path.clone();
            container.pop();
            self.pull_policy(container, around.get("imagePullPolicy"));
        }
    }

    /// An image of an engine is in no registry: asked to pull it, a node would get nothing, or a stranger's.
    fn pull_policy(&mut self, mut container: Path, policy: Option<&Value>) {
        const FIELD: &str = "imagePullPolicy";
        match policy {
            None | Some(Value::Null) => {
                self.edits.push(Edit::Add(container, FIELD.to_owned(), "Never".into()));
            }
            Some(policy) if policy == "Never" || policy == "IfNotPresent" => {}
            Some(_) => {
                container.push(Step::Key(FIELD.to_owned()));
                self.edits.push(Edit::Replace(container, "Never".to_owned()));
            }
        }
    }

    fn label(&mut self, path: &Path, plain: &str, name: &str, value: &Value) {
        let Some(field) = self.rules.labels(plain, name) else { return };
        let Value::Object(metadata) = value else { return };
        match metadata.get(&field) {
            None | Some(Value::Null) if !self.labels.is_empty() => {
                let labels = self.labels.iter().map(|(name, label)| (name.clone(), label.as_str().into()));
                self.edits.push(Edit::Add(path.clone(), field, Value::Object(labels.collect())));
            }
            Some(Value::Object(there)) => {
                let mut path = path.clone();
                path.push(Step::Key(field));
                for (name, label) in self.labels.iter().filter(|(name, _)| !there.contains_key(*name)) {
                    self.edits.push(Edit::Add(path.clone(), name.clone(), label.as_str().into()));
                }
            }
            _ => {}
        }
    }
}
