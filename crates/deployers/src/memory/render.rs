//! A release as Kubernetes objects: one `Deployment` an image.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use shipway_core::{Error, Image, Manifest, Manifests, ObjectId, Release, Result};
use shipway_yaml::Rules;

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

/// Kinds whose objects are in no namespace ("Not all objects are in a namespace"), of those that manifests
/// usually have.
const CLUSTER_WIDE: [&str; 12] = [
    "APIService",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "IngressClass",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "StorageClass",
    "ValidatingWebhookConfiguration",
];

/// Returns the manifests as objects, each with its identity in the cluster: what has no namespace and needs
/// one is in the release's.
///
/// # Errors
/// `Config` when a text is no object, is another one than it says, or an object is there twice.
pub(super) fn parse(manifests: &Manifests, namespace: &str) -> Result<Vec<(ObjectId, Value)>> {
    check_name("release", &manifests.release.name)?;
    let namespace = manifests.release.namespace.as_deref().unwrap_or(namespace);
    let mut seen = BTreeSet::new();
    let mut objects = Vec::new();
    for manifest in &manifests.objects {
        let documents = shipway_yaml::parse(manifest.object.to_string(), &manifest.text)?;
        let [document] = documents.as_slice() else {
            return Err(Error::config(format!("the manifest of {} is not one object", manifest.object)));
        };
        let mut object = document.to_json(Rules::Manifest)?;
        let mut id = shipway_cluster::object_id(&object)?;
        if id != manifest.object {
            return Err(Error::config(format!("the manifest of {} is one of {id}", manifest.object)));
        }
        if id.namespace.is_none() && !CLUSTER_WIDE.contains(&id.kind.as_str()) {
            object["metadata"]["namespace"] = namespace.into();
            id.namespace = Some(namespace.to_owned());
        }
        if !seen.insert(id.clone()) {
            return Err(Error::config(format!("{id} is there twice")));
        }
        objects.push((id, object));
    }
    Ok(objects)
}

/// Returns the identities alone, in the order of the manifests.
pub(super) fn ids(manifests: &Manifests, namespace: &str) -> Result<Vec<ObjectId>> {
    Ok(parse(manifests, namespace)?.into_iter().map(|(id, _)| id).collect())
}
