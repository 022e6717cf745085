//! Fourth stage: the configuration as types, in the newest version alone, without what is not read yet.
//!
//! What is for a plug-in is either typed here, where Skaffold says its form, and handed over as JSON, or
//! a key that a kind of the catalog has the name of.

mod container;
mod hooks;
mod open;
mod plug_in;

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};
use shipway_core::{Platform, Result};
use shipway_yaml::{Document, Node, Spanned, Value};

pub(super) use self::{
    container::{Container, CustomAction, ExecutionMode, VerifyTest},
    hooks::{ContainerHook, DeployHook, Hooks, HostHook},
    open::{Choice, Open},
    plug_in::{
        Custom, CustomTemplate, CustomTest, DateTime, Docker, EnvTemplate, GitCommit, HelmFlags, HelmRelease,
        Kubectl, Manifests, Nothing,
    },
};

use super::parse::part;

/// A configuration.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) name: Option<String>,
    pub(super) build: Build,
    pub(super) tests: Vec<TestCase>,
    /// What is rendered, where the file says it.
    pub(super) manifests: Option<Manifests>,
    /// As the deployers that bind images have it.
    pub(super) resource_selector: Option<serde_json::Value>,
    pub(super) deploy: Open<Deploy>,
    pub(super) verify: Vec<VerifyTest>,
    pub(super) custom_actions: Vec<CustomAction>,
}

#[derive(Debug)]
pub(super) struct Build {
    pub(super) common: BuildFields,
    pub(super) tag_policy: Open<Nothing>,
    /// `cluster`, which says where and how the pods are that build.
    pub(super) cluster: Option<Choice>,
    pub(super) artifacts: Vec<Open<Artifact>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Top {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    test: Vec<TestCase>,
    manifests: Option<Manifests>,
    resource_selector: Option<serde_json::Value>,
    #[serde(default)]
    verify: Vec<VerifyTest>,
    #[serde(default)]
    custom_actions: Vec<CustomAction>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Metadata {
    name: Option<String>,
    #[serde(rename = "labels")]
    _labels: BTreeMap<String, String>,
    #[serde(rename = "annotations")]
    _annotations: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct BuildFields {
    pub(super) insecure_registries: Vec<String>,
    pub(super) platforms: Vec<Platform>,
    pub(super) local: Local,
    pub(super) hooks: Hooks<HostHook>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Local {
    pub(super) push: Option<bool>,
    pub(super) use_buildkit: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Artifact {
    pub(super) image: Spanned<String>,
    pub(super) context: Option<String>,
    #[serde(default)]
    pub(super) platforms: Vec<Platform>,
    #[serde(default)]
    pub(super) requires: Vec<Required>,
    #[serde(default)]
    pub(super) hooks: Hooks<HostHook>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Required {
    pub(super) image: Spanned<String>,
    pub(super) alias: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TestCase {
    pub(super) image: Spanned<String>,
    pub(super) context: Option<String>,
    #[serde(default)]
    pub(super) structure_tests: Vec<String>,
    #[serde(default)]
    pub(super) custom: Vec<CustomTest>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Deploy {
    pub(super) kube_context: Option<String>,
    pub(super) status_check: Option<Spanned<bool>>,
    pub(super) status_check_deadline_seconds: u64,
    pub(super) tolerate_failures_until_deadline: bool,
}

/// What a mapping is made of besides what is read apart and what plug-ins claim.
const TOP_FIELDS: [&str; 6] =
    ["metadata", "test", "manifests", "resourceSelector", "verify", "customActions"];
const BUILD_FIELDS: [&str; 4] = ["insecureRegistries", "platforms", "local", "hooks"];
const ARTIFACT_FIELDS: [&str; 5] = ["image", "context", "platforms", "requires", "hooks"];
const DEPLOY_FIELDS: [&str; 4] =
    ["kubeContext", "statusCheck", "statusCheckDeadlineSeconds", "tolerateFailuresUntilDeadline"];

/// A profile, apart from its sections.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Profile {
    pub(super) name: Spanned<String>,
    #[serde(default)]
    pub(super) activation: Vec<Activation>,
    #[serde(default)]
    pub(super) requires_all_activations: bool,
    #[serde(default)]
    pub(super) patches: Vec<Patch>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Activation {
    pub(super) env: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) kube_context: String,
    #[serde(default)]
    pub(super) command: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Patch {
    pub(super) op: Option<Spanned<String>>,
    pub(super) path: Spanned<String>,
    pub(super) from: Option<Spanned<String>>,
    #[serde(rename = "value")]
    _value: Option<IgnoredAny>,
}

impl Config {
    /// Reads a configuration of the newest version, without profiles.
    pub(super) fn read(document: &Document) -> Result<Self> {
        let open: Open<Top> = Open::read(document, &TOP_FIELDS)?;
        let Top { metadata, test, manifests, resource_selector, verify, custom_actions } = open.known;
        let section = |name: &str| match document.root.get(name) {
            Some(node) if !node.is_null() => part(document, node),
            _ => part(document, &Node::mapping(Vec::new())),
        };
        Ok(Self {
            name: metadata.name.filter(|name| !name.is_empty()),
            build: Build::read(section("build"))?,
            tests: test,
            manifests,
            resource_selector,
            deploy: Open::read(&section("deploy"), &DEPLOY_FIELDS)?,
            verify,
            custom_actions,
        })
    }
}

impl Build {
    fn read(mut document: Document) -> Result<Self> {
        let mut apart = |name| {
            let taken = crate::path::take(&mut document.root, &[name]);
            taken.map(|(_, node)| node).filter(|node| !node.is_null())
        };
        let (artifacts, tag_policy) = (apart("artifacts"), apart("tagPolicy"));
        let open: Open<BuildFields> = Open::read(&document, &BUILD_FIELDS)?;
        // What else is there was checked before.
        let cluster = open.choices.into_iter().find(|choice| choice.name == "cluster");
        let tag_policy = tag_policy.unwrap_or_else(|| Node::mapping(Vec::new()));
        let tag_policy = Open::read(&part(&document, &tag_policy), &[])?;
        let list = artifacts.map(|node| match node.value {
            Value::Sequence(items) => Ok(items),
            _ => Err(document.error(node.span, format!("expected a list, found {}", node.kind()))),
        });
        let items = list.transpose()?.unwrap_or_default();
        let artifacts = items.iter().map(|item| Open::read(&part(&document, item), &ARTIFACT_FIELDS));
        Ok(Self { common: open.known, tag_policy, cluster, artifacts: artifacts.collect::<Result<_>>()? })
    }
}
