//! Which fields of which kinds are images, and where labels go: Skaffold's lists
//! (`kubernetes/manifest/visitor.go`), and the user's own.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::{Deserialize, Serialize};

/// The user's own rules, which go before the built-in ones; `resourceSelector` of a `skaffold.yaml`.
///
/// ```
/// let selector: shipway_deployers::ResourceSelector = serde_json::from_str(
///     r#"{"allow": [{"groupKind": "Widget.example.org", "image": [".spec.image"], "labels": [".metadata.labels"]}]}"#,
/// )?;
/// assert_eq!(selector.allow[0].image, [".spec.image"]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ResourceSelector {
    /// What may be changed; replaces what is built in for the kind.
    pub allow: Vec<ResourceFilter>,
    /// What may not be changed, whatever is allowed.
    pub deny: Vec<ResourceFilter>,
}

/// Fields of a kind, by their paths: `.spec.template.spec.containers.image`, where items of lists have no part of their
/// own. `.*` is every field with the usual name: `image`, or the `labels` of each `metadata`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ResourceFilter {
    /// The kind and its group: `Deployment.apps`, or `Pod`.
    pub group_kind: String,
    /// Fields that hold the name of an image.
    pub image: Vec<String>,
    /// Fields that hold labels.
    pub labels: Vec<String>,
    /// Fields that hold the specification of a pod.
    pub pod_spec: Vec<String>,
}

const ALL: &str = ".*";

/// Kinds of which every image and all labels are meant.
const WHOLE: [&str; 22] = [
    "ClusterWorkflowTemplate.argoproj.io",
    "CronJob.batch",
    "CronWorkflow.argoproj.io",
    "DaemonSet.apps",
    "DaemonSet.extensions",
    "Deployment.apps",
    "Deployment.extensions",
    "Fleet.agones.dev",
    "GameServer.agones.dev",
    "Job.batch",
    "Job.run.googleapis.com",
    "Pod",
    "ReplicaSet.apps",
    "ReplicaSet.extensions",
    "Rollout.argoproj.io",
    "Service",
    "Service.serving.knative.dev",
    "StatefulSet.apps",
    "WorkerPool.run.googleapis.com",
    "Workflow.argoproj.io",
    "WorkflowTemplate.argoproj.io",
    // Not Skaffold's: a controller's pods, as old as the others.
    "ReplicationController",
];

/// Kinds that have images at certain places, and labels everywhere.
const PLACES: [(&str, &[&str]); 8] = [
    ("Connect.platform.confluent.io", &CONFLUENT),
    ("ControlCenter.platform.confluent.io", &CONFLUENT),
    ("Kafka.platform.confluent.io", &CONFLUENT),
    ("KsqlDB.platform.confluent.io", &CONFLUENT),
    ("SchemaRegistry.platform.confluent.io", &CONFLUENT),
    ("Zookeeper.platform.confluent.io", &CONFLUENT),
    ("KafkaConnect.kafka.strimzi.io", &[".spec.image"]),
    (
        "Kafka.kafka.strimzi.io",
        &[
            ".spec.kafka.image",
            ".spec.zookeeper.image",
            ".spec.entityOperator.topicOperator.image",
            ".spec.entityOperator.userOperator.image",
            // With a dot at its end in Skaffold, so that it never matches there.
            ".spec.kafkaExporter.image",
        ],
    ),
];

const CONFLUENT: [&str; 2] = [".spec.image.application", ".spec.image.init"];

/// Labels that must not change: the API server refuses to update these fields.
const FIXED: [(&str, &str); 2] = [
    ("StatefulSet.apps", ".spec.volumeClaimTemplates.metadata.labels"),
    ("Job.batch", ".spec.template.metadata.labels"),
];

/// Rules for the fields of manifests.
#[derive(Clone, Debug)]
pub(crate) struct FieldRules {
    allow: BTreeMap<String, ResourceFilter>,
    deny: BTreeMap<String, ResourceFilter>,
}

/// The rules for one kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct KindRules<'a> {
    allow: &'a ResourceFilter,
    deny: Option<&'a ResourceFilter>,
}

impl FieldRules {
    /// Returns the built-in rules with the user's before them.
    pub(crate) fn new(selector: &ResourceSelector) -> Self {
        let all = || vec![ALL.to_owned()];
        let filter = |kind: &str, image, labels| ResourceFilter {
            group_kind: kind.to_owned(),
            image,
            labels,
            pod_spec: Vec::new(),
        };
        let of = |filter: ResourceFilter| (filter.group_kind.clone(), filter);
        let whole = WHOLE.iter().map(|kind| of(filter(kind, all(), all())));
        let places = PLACES.iter().map(|(kind, places)| {
            of(filter(kind, places.iter().map(|place| (*place).to_owned()).collect(), all()))
        });
        let fixed = FIXED.iter().map(|(kind, place)| of(filter(kind, Vec::new(), vec![(*place).to_owned()])));
        let (mut allow, mut deny): (BTreeMap<_, _>, BTreeMap<_, _>) =
            (whole.chain(places).collect(), fixed.collect());
        for filter in selector.allow.iter().map(plain) {
            deny.remove(&filter.group_kind);
            allow.insert(filter.group_kind.clone(), filter);
        }
        deny.extend(selector.deny.iter().map(plain).map(of));
        Self { allow, deny }
    }

    /// Returns the rules for a kind; `None` when nothing of it may be changed.
    pub(super) fn of(&self, api_version: &str, kind: &str) -> Option<KindRules<'_>> {
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        let name = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let (allow, deny) = (self.allow.get(&name), self.deny.get(&name));
        let allow = allow.or_else(|| is_config_connector(group).then(|| &*CONNECTOR))?;
        Some(KindRules { allow, deny })
    }
}

/// What is changed of Google's Config Connector, whose kinds are too many for a list.
static CONNECTOR: LazyLock<ResourceFilter> = LazyLock::new(|| ResourceFilter {
    image: vec![ALL.to_owned()],
    labels: vec![ALL.to_owned()],
    ..ResourceFilter::default()
});

/// Skaffold: `([[:alpha:]]+\.)+cnrm\.cloud\.google\.com`.
fn is_config_connector(group: &str) -> bool {
    let product = group.strip_suffix(".cnrm.cloud.google.com");
    product.is_some_and(|product| product.ends_with(|last: char| last.is_ascii_alphabetic()))
}

/// Returns a filter with its paths as they are compared: an item of a list may be written `.*`
/// (skaffold: `ConvertJSONPathIndex`).
fn plain(filter: &ResourceFilter) -> ResourceFilter {
    let plain = |paths: &[String]| {
        let one = |path: &String| if path == ALL { path.clone() } else { path.replace(ALL, "") };
        paths.iter().map(one).collect()
    };
    ResourceFilter {
        group_kind: filter.group_kind.clone(),
        image: plain(&filter.image),
        labels: plain(&filter.labels),
        pod_spec: plain(&filter.pod_spec),
    }
}

fn has(paths: &[String], path: &str) -> bool {
    paths.iter().any(|one| one == path)
}

impl KindRules<'_> {
    /// Whether the field at a path, of this name, is the name of an image.
    pub(super) fn is_image(&self, path: &str, name: &str) -> bool {
        let denies = |paths: &[String]| has(paths, ALL) || has(paths, path);
        let allows = |paths: &[String]| has(paths, ALL) && name == "image" || has(paths, path);
        !self.deny.is_some_and(|deny| denies(&deny.image)) && allows(&self.allow.image)
    }

    /// Returns the name of the field with labels in the mapping at a path, if that has one.
    pub(super) fn labels(&self, path: &str, name: &str) -> Option<String> {
        let here = |paths: &[String]| {
            paths
                .iter()
                .filter_map(|one| one.rsplit_once('.'))
                .find(|(before, _)| *before == path)
                .map(|(_, last)| last.to_owned())
        };
        let (allow, denies) = (self.allow, self.deny.map_or(&[][..], |deny| &deny.labels));
        if has(denies, ALL) || here(denies).is_some() {
            return None;
        }
        if has(&allow.labels, ALL) {
            return (name == "metadata").then(|| "labels".to_owned());
        }
        here(&allow.labels)
    }
}
