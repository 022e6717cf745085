//! Manifests as the objects that are applied.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shipway_cluster::{Served, group};
use shipway_core::{Context, Error, Manifests, ObjectId, Result};
use shipway_yaml::Rules;

use super::{Releases, apply_set::PART_OF, waves};

/// Checks a name that becomes a part of objects' names and the value of a label.
pub(crate) fn check_name(what: &str, name: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    // A release is a part of the names of its records, which have at most 63 characters.
    let most = if what == "release" { 40 } else { 63 };
    if (1..=most).contains(&name.len())
        && name.bytes().all(fits)
        && !name.starts_with('-')
        && !name.ends_with('-')
    {
        return Ok(());
    }
    Err(Error::config(format!("`{name}` is not a name for a {what} in a cluster"))
        .hint(format!("such a name has at most {most} lower-case letters, digits and `-`, and begins and ends with one of the first two")))
}

/// How a kind is served, or how a manifest beside it says that it will be.
#[derive(Debug, Default)]
struct Kinds(BTreeMap<(String, String), Option<Served>>);

impl Kinds {
    /// Takes note of the kinds that these objects define.
    fn defined(objects: &[(ObjectId, Value)]) -> Self {
        let mut kinds = BTreeMap::new();
        for (_, object) in objects.iter().filter(|(id, _)| id.kind == "CustomResourceDefinition") {
            let spec = &object["spec"];
            let (group, kind) = (spec["group"].as_str(), spec["names"]["kind"].as_str());
            for version in spec["versions"].as_array().into_iter().flatten() {
                if let (Some(group), Some(kind), Some(version)) = (group, kind, version["name"].as_str()) {
                    let api_version = format!("{group}/{version}");
                    let served = Served::new(api_version.as_str(), spec["scope"] == "Namespaced");
                    kinds.insert((api_version, kind.to_owned()), Some(served));
                }
            }
        }
        Self(kinds)
    }

    async fn namespaced(&mut self, releases: &Releases, cx: &Context, id: &ObjectId) -> Result<bool> {
        let key = (id.api_version.clone(), id.kind.clone());
        if !self.0.contains_key(&key) {
            let version = id.api_version.rsplit('/').next();
            let served = releases.api.served(cx, group(&id.api_version), version, &id.kind).await?;
            self.0.insert(key.clone(), served);
        }
        match self.0.get(&key) {
            Some(Some(served)) => Ok(served.namespaced),
            _ => Err(Error::config(format!("the cluster has no kind `{}` in `{}`", id.kind, id.api_version))
                .note(format!("{id} is of that kind"))
                .hint("install what defines the kind first, or write `apiVersion` as `kubectl api-resources` does")),
        }
    }
}

/// Returns the manifests as objects, each with its identity in the cluster: what has no namespace and needs one is
/// in the release's, and each is labelled as a member of the release's set.
pub(super) async fn read(
    releases: &Releases,
    cx: &Context,
    manifests: &Manifests,
) -> Result<Vec<(ObjectId, Value)>> {
    let release = &manifests.release;
    check_name("release", &release.name)?;
    let namespace = release.namespace.as_deref().unwrap_or(&releases.namespace);
    let part_of = releases.apply_set(&release.name).id();
    let mut objects = parse(manifests)?;
    let (mut kinds, mut seen) = (Kinds::defined(&objects), BTreeSet::new());
    for (id, object) in &mut objects {
        let metadata = &mut object["metadata"];
        match (kinds.namespaced(releases, cx, id).await?, &id.namespace) {
            (true, None) => {
                metadata["namespace"] = namespace.into();
                id.namespace = Some(namespace.to_owned());
            }
            // As kubectl does.
            (false, Some(_)) => {
                metadata["namespace"] = Value::Null;
                id.namespace = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
        label(&mut metadata["labels"], &part_of).ok_or_else(|| {
            Error::config(format!("{id} is labelled as a part of something else")).hint(format!(
                "take the label `{PART_OF}` out of its manifest: it says which release an object is of"
            ))
        })?;
        waves::wave(id, object)?;
        if !seen.insert(Key::of(id)) {
            return Err(Error::config(format!("{id} is there twice")));
        }
    }
    Ok(objects)
}

/// Labels a member of the set, unless it is another's.
fn label(labels: &mut Value, part_of: &str) -> Option<()> {
    if labels.is_null() {
        *labels = Value::Object(serde_json::Map::new());
    }
    let before = labels.as_object_mut()?.insert(PART_OF.to_owned(), part_of.into());
    before.is_none_or(|before| before == part_of).then_some(())
}

fn parse(manifests: &Manifests) -> Result<Vec<(ObjectId, Value)>> {
    let mut objects = Vec::with_capacity(manifests.objects.len());
    for manifest in &manifests.objects {
        let documents = shipway_yaml::parse(manifest.object.to_string(), &manifest.text)?;
        let [document] = documents.as_slice() else {
            return Err(Error::config(format!("the manifest of {} is not one object", manifest.object)));
        };
        let object = document.to_json(Rules::Manifest)?;
        let id = shipway_cluster::object_id(&object)?;
        if id != manifest.object {
            return Err(Error::config(format!("the manifest of {} is one of {id}", manifest.object)));
        }
        objects.push((id, object));
    }
    Ok(objects)
}

/// Returns what has to be there before others: namespaces, then definitions, then all else.
pub(super) fn rank(id: &ObjectId) -> u8 {
    match (group(&id.api_version), id.kind.as_str()) {
        ("", "Namespace") => 0,
        ("apiextensions.k8s.io", "CustomResourceDefinition") => 1,
        _ => 2,
    }
}

/// What an object is the same by, in whichever version it is written. What differs most often comes first, as a release
/// of a thousand objects compares a hundred thousand of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    name: String,
    kind: String,
    namespace: Option<String>,
    group: String,
}

impl Key {
    pub(super) fn of(id: &ObjectId) -> Self {
        Self {
            name: id.name.clone(),
            kind: id.kind.clone(),
            namespace: id.namespace.clone(),
            group: group(&id.api_version).to_owned(),
        }
    }
}
