//! `set-labels` and `set-annotations`: on objects, on what they make, and in selectors.

use shipway_core::Result;

use super::{
    super::piece::Piece,
    fields::{CORE, Field},
    set_text,
};

const fn field(group: &'static str, kind: &'static str, path: &'static str, make: bool) -> Field {
    Field::new(group, kind, path, make)
}

/// Where labels are (kustomize: `builtinpluginconsts/commonlabels.go`, `metadatalabels.go`).
pub(super) const LABELS: [Field; 32] = [
    field(CORE, "Service", "spec/selector", true),
    field(CORE, "ReplicationController", "spec/selector", true),
    field("", "Deployment", "spec/selector/matchLabels", true),
    field("", "ReplicaSet", "spec/selector/matchLabels", true),
    field("", "DaemonSet", "spec/selector/matchLabels", true),
    field("apps", "StatefulSet", "spec/selector/matchLabels", true),
    field("apps", "Deployment", PREFERRED, false),
    field("apps", "Deployment", REQUIRED, false),
    field("apps", "Deployment", ANTI_PREFERRED, false),
    field("apps", "Deployment", ANTI_REQUIRED, false),
    field("apps", "Deployment", SPREAD, false),
    field("apps", "StatefulSet", PREFERRED, false),
    field("apps", "StatefulSet", REQUIRED, false),
    field("apps", "StatefulSet", ANTI_PREFERRED, false),
    field("apps", "StatefulSet", ANTI_REQUIRED, false),
    field("apps", "StatefulSet", SPREAD, false),
    field("batch", "Job", "spec/selector/matchLabels", false),
    field("batch", "CronJob", "spec/jobTemplate/spec/selector/matchLabels", false),
    field("policy", "PodDisruptionBudget", "spec/selector/matchLabels", false),
    field("networking.k8s.io", "NetworkPolicy", "spec/podSelector/matchLabels", false),
    field("networking.k8s.io", "NetworkPolicy", "spec/ingress/from/podSelector/matchLabels", false),
    field("networking.k8s.io", "NetworkPolicy", "spec/egress/to/podSelector/matchLabels", false),
    field("", "", "metadata/labels", true),
    field(CORE, "ReplicationController", "spec/template/metadata/labels", true),
    field("", "Deployment", "spec/template/metadata/labels", true),
    field("", "ReplicaSet", "spec/template/metadata/labels", true),
    field("", "DaemonSet", "spec/template/metadata/labels", true),
    field("apps", "StatefulSet", "spec/template/metadata/labels", true),
    field("apps", "StatefulSet", "spec/volumeClaimTemplates/metadata/labels", true),
    field("batch", "Job", "spec/template/metadata/labels", true),
    field("batch", "CronJob", "spec/jobTemplate/metadata/labels", true),
    field("batch", "CronJob", "spec/jobTemplate/spec/template/metadata/labels", true),
];

const PREFERRED: &str = "spec/template/spec/affinity/podAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels";
const REQUIRED: &str = "spec/template/spec/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels";
const ANTI_PREFERRED: &str = "spec/template/spec/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels";
const ANTI_REQUIRED: &str = "spec/template/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels";
const SPREAD: &str = "spec/template/spec/topologySpreadConstraints/labelSelector/matchLabels";

/// Where annotations are (kustomize: `builtinpluginconsts/commonannotations.go`).
pub(super) const ANNOTATIONS: [Field; 9] = [
    field("", "", "metadata/annotations", true),
    field(CORE, "ReplicationController", "spec/template/metadata/annotations", true),
    field("", "Deployment", "spec/template/metadata/annotations", true),
    field("", "ReplicaSet", "spec/template/metadata/annotations", true),
    field("", "DaemonSet", "spec/template/metadata/annotations", true),
    field("", "StatefulSet", "spec/template/metadata/annotations", true),
    field("batch", "Job", "spec/template/metadata/annotations", true),
    field("batch", "CronJob", "spec/jobTemplate/metadata/annotations", true),
    field("batch", "CronJob", "spec/jobTemplate/spec/template/metadata/annotations", true),
];

/// Texts by their names.
#[derive(Clone, Debug)]
pub(in crate::manifests) struct Labels(Vec<(String, String)>);

impl Labels {
    pub(super) fn new(settings: &[(&str, &str)]) -> Self {
        let mut labels: Vec<_> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        labels.sort();
        Self(labels)
    }

    pub(super) fn apply(&self, fields: &[Field], pieces: &mut [Piece]) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        for piece in pieces {
            let id = piece.id().clone();
            piece.edit(|root| {
                let mut changed = false;
                for field in fields.iter().filter(|field| field.is_of(&id)) {
                    changed |= field.each(root, &mut |map| {
                        self.0
                            .iter()
                            .fold(false, |changed, (name, value)| set_text(map, name, value) | changed)
                    });
                }
                Ok(changed)
            })?;
        }
        Ok(())
    }
}
