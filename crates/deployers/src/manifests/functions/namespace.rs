//! `set-namespace`: of what is in a namespace, of namespaces themselves, and where a namespace is named besides.

use std::collections::BTreeSet;

use shipway_core::{Error, ObjectId, Result};
use shipway_yaml::Node;

use super::{
    super::piece::Piece,
    fields::{Field, group},
    known, set_text,
};

const NAME: &str = "set-namespace";

/// kpt's order of what has to be there before (`config.kubernetes.io/depends-on`).
pub(super) const DEPENDS_ON: &str = "config.kubernetes.io/depends-on";

/// Kubernetes' own kinds that are the whole cluster's, of the groups that have any ("API Overview"); all of a group
/// where there are none.
const WHOLE_CLUSTER: [(&str, &[&str]); 15] = [
    ("", &["Namespace", "Node", "PersistentVolume", "ComponentStatus"]),
    ("admissionregistration.k8s.io", &[]),
    ("apiextensions.k8s.io", &[]),
    ("apiregistration.k8s.io", &[]),
    ("authentication.k8s.io", &[]),
    ("certificates.k8s.io", &["CertificateSigningRequest", "ClusterTrustBundle"]),
    ("flowcontrol.apiserver.k8s.io", &[]),
    ("internal.apiserver.k8s.io", &[]),
    ("networking.k8s.io", &["IngressClass", "IPAddress", "ServiceCIDR"]),
    ("node.k8s.io", &[]),
    ("policy", &["PodSecurityPolicy"]),
    ("rbac.authorization.k8s.io", &["ClusterRole", "ClusterRoleBinding"]),
    ("resource.k8s.io", &["DeviceClass", "ResourceSlice", "DeviceTaintRule"]),
    ("scheduling.k8s.io", &["PriorityClass"]),
    (
        "storage.k8s.io",
        &["StorageClass", "CSIDriver", "CSINode", "VolumeAttachment", "VolumeAttributesClass"],
    ),
];

#[derive(Clone, Debug)]
pub(in crate::manifests) struct SetNamespace {
    namespace: String,
    /// The one that is replaced; all where absent.
    matcher: Option<String>,
}

impl SetNamespace {
    pub(super) fn new(settings: &[(&str, &str)]) -> Result<Self> {
        let known = known(NAME, settings, &["namespace", "namespaceMatcher"])?;
        let Some(namespace) = known.get("namespace").filter(|name| !name.is_empty()) else {
            return Err(Error::config(format!("`{NAME}` has no `namespace`")));
        };
        crate::releases::check_name("namespace", namespace)?;
        let matcher = known.get("namespaceMatcher").map(|matcher| (*matcher).to_owned());
        Ok(Self { namespace: (*namespace).to_owned(), matcher })
    }

    pub(super) fn apply(&self, pieces: &mut [Piece]) -> Result<()> {
        let before: BTreeSet<ObjectId> = pieces.iter().map(|piece| piece.id().clone()).collect();
        for piece in pieces {
            let id = piece.id().clone();
            piece.edit(|root| Ok(self.object(&id, root) | self.depends_on(&before, root)))?;
        }
        Ok(())
    }

    fn object(&self, id: &ObjectId, root: &mut Node) -> bool {
        let set = |path: &'static str, field: &'static str, make: bool, root: &mut Node| {
            Field::new("", "", path, make).each(root, &mut |node| self.set(node, field, make))
        };
        let mut changed = false;
        match (group(id), id.kind.as_str()) {
            ("", "Namespace") => return set("metadata", "name", false, root),
            ("apiextensions.k8s.io", "CustomResourceDefinition") => {
                changed |= set("spec/conversion/webhook/clientConfig/service", "namespace", false, root);
            }
            ("apiregistration.k8s.io", "APIService") => {
                changed |= set("spec/service", "namespace", false, root);
            }
            (_, "RoleBinding" | "ClusterRoleBinding") => {
                let subjects = root.get_mut("subjects").and_then(Node::items_mut);
                for subject in subjects.into_iter().flatten() {
                    if subject.get("kind").and_then(Node::text) == Some("ServiceAccount") {
                        changed |= self.set(subject, "namespace", false);
                    }
                }
            }
            _ => {}
        }
        if is_namespaced(id) {
            changed |= set("metadata", "namespace", true, root);
        }
        changed
    }

    /// Sets a namespace where that is meant: also where there is none, if it may be made.
    fn set(&self, node: &mut Node, field: &str, make: bool) -> bool {
        let now = node.get(field).and_then(Node::text).map(str::to_owned);
        let is_meant = match (&now, &self.matcher) {
            (None, _) if !make => false,
            (_, None) => true,
            // What names none is in `default`.
            (now, Some(matcher)) => now.as_deref().unwrap_or("default") == matcher,
        };
        is_meant && set_text(node, field, &self.namespace)
    }

    /// Follows in the annotation what objects of this release are called from now on.
    fn depends_on(&self, before: &BTreeSet<ObjectId>, root: &mut Node) -> bool {
        let annotations = root.get_mut("metadata").and_then(|metadata| metadata.get_mut("annotations"));
        let Some(annotations) = annotations else { return false };
        let Some(text) = annotations.get(DEPENDS_ON).and_then(Node::text) else { return false };
        let renamed: Vec<String> = text.split(',').map(|one| self.depended(before, one)).collect();
        set_text(annotations, DEPENDS_ON, &renamed.join(","))
    }

    fn depended(&self, before: &BTreeSet<ObjectId>, text: &str) -> String {
        let steps: Vec<&str> = text.trim().split('/').collect();
        let [of_group, "namespaces", namespace, kind, name] = steps.as_slice() else {
            return text.to_owned();
        };
        let is_meant = self.matcher.as_deref().is_none_or(|matcher| matcher == *namespace);
        let is_ours = before.iter().any(|id| {
            let own = id.namespace.as_deref().unwrap_or("default");
            (group(id), id.kind.as_str(), id.name.as_str(), own) == (*of_group, *kind, *name, *namespace)
        });
        match is_meant && is_ours {
            true => text
                .replace(&format!("/namespaces/{namespace}/"), &format!("/namespaces/{}/", self.namespace)),
            false => text.to_owned(),
        }
    }
}

/// Whether an object is in a namespace; one of a kind that is not Kubernetes' own is where it says so.
pub(super) fn is_namespaced(id: &ObjectId) -> bool {
    let group = group(id);
    let own = !group.contains('.') || group.ends_with(".k8s.io");
    match WHOLE_CLUSTER.iter().find(|(of, _)| *of == group) {
        Some((_, [])) => false,
        Some((_, kinds)) => !kinds.contains(&id.kind.as_str()),
        None => own || id.namespace.is_some(),
    }
}
