//! Which lists and maps of Kubernetes' own types merge, and which are replaced as a whole.
//!
//! The source is `x-kubernetes-list-type`, `x-kubernetes-list-map-keys` and `x-kubernetes-map-type` in
//! Kubernetes' OpenAPI document (`api/openapi-spec/swagger.json`), in the form that client-go 0.37
//! publishes as `applyconfigurations/internal/internal.go`. A type is found by the names on the way to
//! it; `tests/reference.rs` compares with the reference implementation.

use std::collections::BTreeMap;

use serde_json::Value;
use shipway_core::{Error, Result};

use crate::path::Element;

/// The rules for one kind of object.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    kind: String,
    // Without its definition, a custom resource's maps merge and its lists are replaced ("Server-Side
    // Apply", "Merge strategy"); only its metadata is known.
    built_in: bool,
}

/// How two lists become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListType {
    /// The new one replaces the old one.
    Atomic,
    /// Items are known by these fields; whether items are replaced as a whole.
    Map { keys: &'static [&'static str], atomic_items: bool },
    /// Items are scalars, each there once.
    Set,
}

/// The last names of the path, the kinds that it holds for (any, if empty), the keys, and whether an
/// item is replaced as a whole.
type Row = (&'static [&'static str], &'static [&'static str], &'static [&'static str], bool);

const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// Lists of a container.
const CONTAINER_LISTS: &[Row] = &[
    (&["ports"], &[], &["containerPort", "protocol"], false),
    (&["env"], &[], &["name"], false),
    (&["volumeMounts"], &[], &["mountPath"], false),
    (&["volumeDevices"], &[], &["devicePath"], false),
    (&["resources", "claims"], &[], &["name"], false),
];

const LISTS: &[Row] = &[
    (&["spec", "containers"], &[], &["name"], false),
    (&["spec", "initContainers"], &[], &["name"], false),
    (&["spec", "ephemeralContainers"], &[], &["name"], false),
    (&["spec", "volumes"], &[], &["name"], false),
    (&["spec", "imagePullSecrets"], &[], &["name"], true),
    (&["spec", "hostAliases"], &[], &["ip"], false),
    (&["spec", "topologySpreadConstraints"], &[], &["topologyKey", "whenUnsatisfiable"], false),
    (&["spec", "resourceClaims"], &[], &["name"], false),
    (&["spec", "schedulingGates"], &[], &["name"], false),
    (&["spec", "ports"], &["Service"], &["port", "protocol"], false),
    (&["secrets"], &["ServiceAccount"], &["name"], true),
    (&["webhooks"], &[], &["name"], false),
    (&["webhooks", "matchConditions"], &[], &["name"], false),
    (&["status", "podIPs"], &["Pod"], &["ip"], false),
];

/// Maps that are replaced as a whole: the types `LabelSelector`, `ObjectReference`,
/// `SecretKeySelector` and their like, by the names of the fields that hold them.
const ATOMIC_MAPS: &[&str] = &[
    "claimRef",
    "configMapKeyRef",
    "dataSource",
    "fieldRef",
    "fileKeyRef",
    "involvedObject",
    "labelSelector",
    "matchConstraints",
    "matchResources",
    "namespaceSelector",
    "nodeSelector",
    "objectSelector",
    "paramKind",
    "paramRef",
    "podSelector",
    "regarding",
    "related",
    "requiredDuringSchedulingIgnoredDuringExecution",
    "resourceFieldRef",
    "scopeSelector",
    "secretKeyRef",
    "secretRef",
    "selector",
    "targetRef",
];

impl Schema {
    pub(crate) fn of(api_version: &str, kind: &str) -> Self {
        // Kubernetes' own groups have no dot (`apps`) or end in `k8s.io` (`networking.k8s.io`).
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        Self { kind: kind.to_owned(), built_in: !group.contains('.') || group.ends_with(".k8s.io") }
    }

    /// Returns how the list merges that the names (of fields alone) lead to.
    pub(crate) fn list(&self, at: &[&str]) -> ListType {
        match at {
            // ObjectMeta, which every kind has.
            ["metadata", "finalizers"] => return ListType::Set,
            ["metadata", "ownerReferences"] => return ListType::Map { keys: &["uid"], atomic_items: true },
            _ if !self.built_in => return ListType::Atomic,
            // JobStatus is the one exception.
            ["status", "conditions"] if self.kind != "Job" => {
                return ListType::Map { keys: &["type"], atomic_items: false };
            }
            _ => {}
        }
        let in_container = CONTAINER_LISTS.iter().filter(|row| {
            let above = at.len().checked_sub(row.0.len() + 1).map(|index| at[index]);
            above.is_some_and(|above| CONTAINERS.contains(&above))
        });
        in_container
            .chain(LISTS)
            .find(|(names, kinds, ..)| {
                at.ends_with(names) && (kinds.is_empty() || kinds.contains(&self.kind.as_str()))
            })
            .map_or(ListType::Atomic, |&(_, _, keys, atomic_items)| ListType::Map { keys, atomic_items })
    }

    /// Returns whether the map that the names lead to is replaced as a whole.
    pub(crate) fn is_atomic_map(&self, at: &[&str]) -> bool {
        self.built_in && at.last().is_some_and(|name| ATOMIC_MAPS.contains(name))
    }
}

impl ListType {
    /// Returns the element that an item of the list is known by.
    pub(crate) fn element(self, item: &Value) -> Result<Element> {
        let default = Value::from("TCP");
        match self {
            Self::Map { keys, .. } => {
                let fields =
                    item.as_object().ok_or_else(|| Error::config(format!("`{item}` is not an object")))?;
                let mut found = BTreeMap::new();
                for &key in keys {
                    match fields.get(key) {
                        Some(value) if !value.is_null() => found.insert(key, value),
                        // The one default that a key has in the OpenAPI document.
                        _ if key == "protocol" => found.insert(key, &default),
                        _ => {
                            return Err(Error::config(format!(
                                "an item has no `{key}`, by which the items of its list are known"
                            )));
                        }
                    };
                }
                Ok(Element::key(&found))
            }
            Self::Set | Self::Atomic => Ok(Element::Value(item.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_maps_are_found_by_the_names_on_the_way() {
        let deployment = Schema::of("apps/v1", "Deployment");
        let pod = ["spec", "template", "spec"];
        let at = |more: &[&'static str]| [&pod, more].concat();
        let keys = |schema: &Schema, at: &[&str]| match schema.list(at) {
            ListType::Map { keys, .. } => keys,
            _ => &[],
        };
        assert_eq!(keys(&deployment, &at(&["containers"])), ["name"]);
        assert_eq!(keys(&deployment, &at(&["initContainers", "ports"])), ["containerPort", "protocol"]);
        assert_eq!(keys(&deployment, &at(&["containers", "resources", "claims"])), ["name"]);
        assert_eq!(deployment.list(&at(&["containers", "args"])), ListType::Atomic);
        assert_eq!(deployment.list(&at(&["tolerations"])), ListType::Atomic);
        assert_eq!(deployment.list(&["spec", "ports"]), ListType::Atomic);
        assert_eq!(keys(&Schema::of("v1", "Service"), &["spec", "ports"]), ["port", "protocol"]);
        assert_eq!(deployment.list(&["metadata", "finalizers"]), ListType::Set);
        assert!(deployment.is_atomic_map(&["spec", "selector"]));
        let custom = Schema::of("example.com/v1", "Web");
        assert_eq!(custom.list(&["spec", "containers"]), ListType::Atomic);
        assert!(!custom.is_atomic_map(&["spec", "selector"]));
    }
}
