//! A release as Kubernetes objects: one `Deployment` an image.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use shipway_core::{Error, Image, Manifest, Manifests, ObjectId, Release, Result};

use super::MANAGER;

/// The label that says which release an object belongs to ("Recommended Labels").
pub(super) const INSTANCE: &str = "app.kubernetes.io/instance";
pub(super) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const NAME: &str = "app.kubernetes.io/name";

pub(super) fn manifests(release: &Release, namespace: &str) -> Result<Manifests> {
    check_name("release", &release.name)?;
    let namespace = release.namespace.as_deref().unwrap_or(namespace);
    check_name("namespace", namespace)?;
    let mut names = BTreeSet::new();
    let mut objects = Vec::new();
    for image in &release.images {
        let name = object_name(&image.name)?;
        if !names.insert(name.clone()) {
            return Err(Error::config(format!("two images of release `{}` become `{name}`", release.name))
                .hint("give the artifacts names that differ in their last part"));
        }
        objects.push(deployment(release, image, &name, namespace)?);
    }
    Ok(Manifests::new(release.clone()).objects(objects))
}

fn deployment(release: &Release, image: &Image, name: &str, namespace: &str) -> Result<Manifest> {
    let selector = BTreeMap::from([(NAME, name), (INSTANCE, release.name.as_str())]);
    let mut labels: BTreeMap<&str, &str> =
        release.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    labels.extend(&selector);
    labels.insert(MANAGED_BY, MANAGER);
    let object = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": selector},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": name, "image": image.reference()}]},
            },
        },
    });
    let mut text = serde_json::to_string_pretty(&object)
        .map_err(|error| Error::internal("a manifest cannot be written as JSON").source(error))?;
    text.push('\n');
    let id = ObjectId::new("apps/v1", "Deployment", name).namespace(namespace.to_owned());
    Ok(Manifest::new(id, text))
}

/// Returns the name as RFC 1123 allows it: `team/Web_App` becomes `web-app`.
fn object_name(image: &str) -> Result<String> {
    let last = image.rsplit('/').next().unwrap_or_default().to_lowercase();
    let name: String = last.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let name = name.trim_matches('-');
    check_name("image", name)?;
    Ok(name.to_owned())
}

/// Checks a name that becomes a part of objects' names and the value of a label.
pub(super) fn check_name(what: &str, name: &str) -> Result<()> {
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

/// Returns the manifests as objects, each with its identity.
///
/// # Errors
/// `Config` when a text is not JSON, is another object than it says, or an object is there twice.
pub(super) fn parse(manifests: &Manifests) -> Result<Vec<(ObjectId, Value)>> {
    check_name("release", &manifests.release.name)?;
    let mut seen = BTreeSet::new();
    let mut objects = Vec::new();
    for manifest in &manifests.objects {
        let object: Value = serde_json::from_str(&manifest.text).map_err(|error| {
            Error::config(format!("the manifest of {} is not JSON: {error}", manifest.object))
                .hint("the deployer `memory` reads JSON alone")
        })?;
        let id = shipway_cluster::object_id(&object)?;
        if id != manifest.object {
            return Err(Error::config(format!("the manifest of {} is one of {id}", manifest.object)));
        }
        if !seen.insert(id.clone()) {
            return Err(Error::config(format!("{id} is there twice")));
        }
        objects.push((id, object));
    }
    Ok(objects)
}
