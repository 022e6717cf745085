//! The objects of a chart: in one order and one spelling, whether they come from `helm template` or from a record, and as
//! helm puts them into the cluster.

use serde_json::{Map, Value, json};
use shipway_cluster::{Api, group, object_id};
use shipway_core::{Context, Error, Manifest, Manifests, ObjectId, Result};
use shipway_oci::digest_of;
use shipway_yaml::Rules;

use crate::manifests::bind;

/// Whose fields are helm's.
pub(super) const MANAGER: &str = "helm";

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const RELEASE_NAME: &str = "meta.helm.sh/release-name";
const RELEASE_NAMESPACE: &str = "meta.helm.sh/release-namespace";
const HOOK: &str = "helm.sh/hook";
const POLICY: &str = "helm.sh/resource-policy";

/// The order in which helm applies kinds (helm: `releaseutil/kind_sorter.go`); others come after them.
const ORDER: [&str; 36] = [
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
];

/// A chart's templates, rendered.
#[derive(Clone, Debug, Default)]
pub(super) struct Rendered {
    pub(super) objects: Vec<Manifest>,
    /// What runs at certain moments, and is no part of what is deployed.
    pub(super) hooks: Vec<Manifest>,
}

/// Returns the objects of a text, hooks apart, each in the spelling that is kept: helm 4 writes all that goes through
/// it anew, so that comments and quotes are not the same the next time.
///
/// # Errors
/// `Config` with the place of what is no YAML or no object.
pub(super) fn rendered(file: &str, text: &str) -> Result<Rendered> {
    let mut rendered = Rendered::default();
    for manifest in bind(file, text, &[])?.manifests {
        let (manifest, object) = spelled(&manifest)?;
        match object["metadata"]["annotations"][HOOK].is_null() {
            true => rendered.objects.push(manifest),
            false => rendered.hooks.push(manifest),
        }
    }
    rendered.objects.sort_by_key(place);
    Ok(rendered)
}

/// Returns objects whose texts were changed in the spelling that is kept.
pub(super) fn respelled(objects: &[Manifest]) -> Result<Vec<Manifest>> {
    objects.iter().map(|object| Ok(spelled(object)?.0)).collect()
}

fn spelled(manifest: &Manifest) -> Result<(Manifest, Value)> {
    let documents = shipway_yaml::parse(manifest.object.to_string(), &manifest.text)?;
    let [document] = documents.as_slice() else {
        return Err(Error::config(format!("the manifest of {} is not one object", manifest.object)));
    };
    let object = document.to_json(Rules::Manifest)?;
    Ok((Manifest::new(manifest.object.clone(), document.root.to_yaml()?), object))
}

fn place(manifest: &Manifest) -> (usize, ObjectId) {
    let kind = ORDER.iter().position(|kind| *kind == manifest.object.kind);
    (kind.unwrap_or(ORDER.len()), manifest.object.clone())
}

/// Returns the digest of what objects say, however they are written and ordered.
pub(super) fn digest(objects: &[Manifest]) -> Result<String> {
    let mut texts =
        objects.iter().map(|object| Ok(spelled(object)?.1.to_string())).collect::<Result<Vec<_>>>()?;
    texts.sort();
    Ok(digest_of(texts.join("\n").as_bytes()).to_string())
}

/// Where a release of helm's is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) name: String,
    pub(super) namespace: String,
}

impl Home {
    /// Returns the objects as helm applies them: what needs a namespace and has none is in the release's, and each says
    /// whose it is.
    ///
    /// # Errors
    /// `Config` when a text is no object, is another one than it says, or an object is there twice.
    pub(super) async fn placed(
        &self,
        cx: &Context,
        api: &dyn Api,
        objects: &[Manifest],
    ) -> Result<Vec<(ObjectId, Value)>> {
        let mut placed: Vec<(ObjectId, Value)> = Vec::with_capacity(objects.len());
        for manifest in objects {
            let (_, mut object) = spelled(manifest)?;
            let mut id = object_id(&object)?;
            if id != manifest.object {
                return Err(Error::config(format!("the manifest of {} is one of {id}", manifest.object)));
            }
            let version = id.api_version.rsplit('/').next();
            let served = api.served(cx, group(&id.api_version), version, &id.kind).await?;
            // What is not served yet may be defined by the chart itself, for which helm looks.
            let namespaced = served.is_none_or(|served| served.namespaced);
            id.namespace = match (namespaced, id.namespace.take()) {
                (true, None) => Some(self.namespace.clone()),
                (true, namespace) => namespace,
                (false, _) => None,
            };
            let metadata = &mut object["metadata"];
            metadata["namespace"] = id.namespace.clone().map_or(Value::Null, Value::from);
            put(&mut metadata["labels"], MANAGED_BY, "Helm");
            put(&mut metadata["annotations"], RELEASE_NAME, &self.name);
            put(&mut metadata["annotations"], RELEASE_NAMESPACE, &self.namespace);
            if placed.iter().any(|(other, _)| *other == id) {
                return Err(Error::config(format!("{id} is there twice")));
            }
            placed.push((id, object));
        }
        Ok(placed)
    }

    /// Returns whether an object in the cluster is the release's (helm: `action/validate.go`).
    pub(super) fn owns(&self, object: &Value) -> bool {
        let metadata = &object["metadata"];
        metadata["labels"][MANAGED_BY] == "Helm"
            && metadata["annotations"][RELEASE_NAME] == self.name.as_str()
            && metadata["annotations"][RELEASE_NAMESPACE] == self.namespace.as_str()
    }
}

fn put(map: &mut Value, name: &str, value: &str) {
    if !map.is_object() {
        *map = Value::Object(Map::new());
    }
    map[name] = value.into();
}

/// Returns whether an object stays when its release has it no more.
pub(super) fn is_kept(object: &Value) -> bool {
    object["metadata"]["annotations"][POLICY] == "keep"
}

/// Returns the namespace as helm makes it (`--create-namespace`).
pub(super) fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"name": name}}})
}

/// Returns the texts of manifests for one file.
pub(super) fn joined(manifests: &Manifests, hooks: &[Manifest]) -> String {
    let all = manifests.objects.iter().chain(hooks);
    all.map(|manifest| format!("---\n{}\n", manifest.text.trim_end_matches('\n'))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_is_the_same_however_helm_writes_it() {
        let by_template = "---\n# Source: c/a.yaml\n# said\napiVersion: v1\nkind: Service\nmetadata:\n  name: a\nspec:\n  \
            ports:\n    - port: 80\n      name: 'http'\n---\n# Source: c/h.yaml\napiVersion: v1\nkind: Pod\nmetadata:\n  \
            name: h\n  annotations:\n    \"helm.sh/hook\": test\n---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n\
            stringData:\n  text: |\n    one\n     two\n  long: >-\n    a\n    b\n";
        let in_record = "---\n# Source: generated-by-postrender-1.yaml\napiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n\
            stringData:\n  text: |\n    one\n     two\n  long: >-\n    a b\n\n---\napiVersion: v1\nkind: Service\n\
            metadata:\n  name: a\nspec:\n  ports:\n  - port: 80\n    name: 'http'\n";
        let (one, other) = (rendered("a", by_template).unwrap(), rendered("b", in_record).unwrap());
        assert_eq!(one.objects, other.objects);
        assert_eq!(one.hooks.len(), 1);
        let names: Vec<&str> = one.objects.iter().map(|object| object.object.name.as_str()).collect();
        assert_eq!(names, ["s", "a"]);
        assert_eq!(digest(&one.objects).unwrap(), digest(&other.objects).unwrap());
        assert_ne!(digest(&one.objects).unwrap(), digest(&one.hooks).unwrap());
    }
}
