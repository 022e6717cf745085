//! A release as Kubernetes objects: one `Deployment` an image.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use shipway_core::{Error, Image, Manifest, Manifests, ObjectId, Release, Result};

use crate::releases::{MANAGED_BY, MANAGER, check_name};

/// The label that says which release an object belongs to ("Recommended Labels").
const INSTANCE: &str = "app.kubernetes.io/instance";
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
