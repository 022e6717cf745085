//! Skaffold's global configuration, which a user has beside all projects (`~/.skaffold/config`): read where a
//! caller hands its text over, and never looked for.

mod edit;
mod key;

use std::path::Path;

use serde::{Deserialize, de::IgnoredAny};
use shipway_core::Result;
use shipway_yaml::{Rules, parse};

pub use self::{edit::GlobalScope, key::GlobalKey};
use super::{Options, profile::matches};

/// What a user says once for all projects, for all Kubernetes contexts and for some.
///
/// ```
/// use shipway_config::{GlobalConfig, Options};
///
/// let text = "
/// global: {default-repo: registry.example/team}
/// kubeContexts:
/// - {kube-context: kind-.*, default-repo: localhost:5000, insecure-registries: ['localhost:5000']}
/// ";
/// let global = GlobalConfig::read("config", text)?;
/// assert_eq!(global.for_context(Some("kind-shop")).default_repo.as_deref(), Some("localhost:5000"));
/// let options = Options::default().kube_context("production").global(&global);
/// assert_eq!(options.default_repo.as_deref(), Some("registry.example/team"));
/// # Ok::<(), shipway_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GlobalConfig {
    /// What is said of all contexts.
    pub global: ContextConfig,
    /// What is said of some contexts, each with their name or a regular expression that it has a match of.
    pub contexts: Vec<(String, ContextConfig)>,
}

/// What a user says of a Kubernetes context.
///
/// Known, and without a meaning here, are `update-check`, `update`, `collect-metrics` and `survey`: nothing asks for
/// updates, measures its users or asks them for anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContextConfig {
    /// The repository below which all images go (`default-repo`).
    pub default_repo: Option<String>,
    /// Whether that repository may have folders (`multi-level-repo`).
    pub multi_level_repo: Option<bool>,
    /// Whether the cluster is on this machine (`local-cluster`).
    pub local_cluster: Option<bool>,
    /// The registries that are reached over plain HTTP (`insecure-registries`).
    pub insecure_registries: Vec<String>,
    /// The registry of the images that help to debug (`debug-helpers-registry`).
    pub debug_helpers_registry: Option<String>,
    /// Whether images for a cluster of kind go to a registry (`kind-disable-load`).
    pub kind_disable_load: Option<bool>,
    /// Whether images for a cluster of k3d go to a registry (`k3d-disable-load`).
    pub k3d_disable_load: Option<bool>,
}

/// The file (skaffold: config/global_config.go).
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    global: Option<Section>,
    #[serde(rename = "kubeContexts")]
    contexts: Option<Vec<Section>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Section {
    kube_context: Option<String>,
    default_repo: Option<String>,
    multi_level_repo: Option<bool>,
    local_cluster: Option<bool>,
    insecure_registries: Option<Vec<String>>,
    debug_helpers_registry: Option<String>,
    kind_disable_load: Option<bool>,
    k3d_disable_load: Option<bool>,
    // Known, and without a meaning here.
    #[serde(rename = "update-check")]
    _update_check: Option<bool>,
    #[serde(rename = "collect-metrics")]
    _collect_metrics: Option<bool>,
    #[serde(rename = "survey")]
    _survey: Option<Survey>,
    #[serde(rename = "update")]
    _update: Option<Update>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Survey {
    #[serde(rename = "disable-prompt")]
    _disable_prompt: Option<bool>,
    #[serde(rename = "last-taken")]
    _last_taken: Option<IgnoredAny>,
    #[serde(rename = "last-prompted")]
    _last_prompted: Option<IgnoredAny>,
    #[serde(rename = "user-surveys")]
    _user_surveys: Option<Vec<UserSurvey>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct UserSurvey {
    #[serde(rename = "id")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "taken")]
    _taken: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Update {
    #[serde(rename = "last-prompted")]
    _last_prompted: Option<IgnoredAny>,
}

impl GlobalConfig {
    /// Reads a global configuration; `file` is its name, for messages. An empty text says nothing.
    ///
    /// # Errors
    /// `Config` with file, line and column, also for a key that there is not.
    pub fn read(file: impl AsRef<Path>, text: &str) -> Result<Self> {
        let mut documents = parse(file.as_ref(), text)?.into_iter().filter(|part| !part.root.is_null());
        let Some(document) = documents.next() else { return Ok(Self::default()) };
        if let Some(second) = documents.next() {
            return Err(second.error(second.root.span, "a global configuration is one document"));
        }
        let document = document.merged(Rules::Config)?;
        let File { global, contexts } = document.read()?;
        let sections = contexts.unwrap_or_default().into_iter();
        Ok(Self {
            global: global.map(|section| section.named().1).unwrap_or_default(),
            contexts: sections.map(Section::named).collect(),
        })
    }

    /// Returns the name or the pattern of the section that counts for a context.
    #[must_use]
    pub fn name_for(&self, context: &str) -> Option<&str> {
        self.section_for(context).map(|(name, _)| name.as_str())
    }

    fn section_for(&self, context: &str) -> Option<&(String, ContextConfig)> {
        self.contexts.iter().rev().find(|(name, _)| matches(name, context))
    }

    /// Returns what is said of a context: the last section whose `kube-context` is its name or has a match in it,
    /// with what is said of all where that says nothing (skaffold: config/util.go). Without a context it is what is
    /// said of all.
    ///
    /// Registries are those of both. A `false` of the section counts; Skaffold takes it for nothing said (a
    /// mistake of the library that it merges with).
    #[must_use]
    pub fn for_context(&self, context: Option<&str>) -> ContextConfig {
        let all = self.global.clone();
        let Some(context) = context.filter(|context| !context.is_empty()) else { return all };
        let Some((_, section)) = self.section_for(context) else { return all };
        let ContextConfig { default_repo, multi_level_repo, local_cluster, .. } = section.clone();
        let ContextConfig { debug_helpers_registry, kind_disable_load, k3d_disable_load, .. } =
            section.clone();
        ContextConfig {
            default_repo: default_repo.or(all.default_repo),
            multi_level_repo: multi_level_repo.or(all.multi_level_repo),
            local_cluster: local_cluster.or(all.local_cluster),
            insecure_registries: [&section.insecure_registries[..], &all.insecure_registries].concat(),
            debug_helpers_registry: debug_helpers_registry.or(all.debug_helpers_registry),
            kind_disable_load: kind_disable_load.or(all.kind_disable_load),
            k3d_disable_load: k3d_disable_load.or(all.k3d_disable_load),
        }
    }
}

impl Section {
    fn named(self) -> (String, ContextConfig) {
        // Go cannot tell an empty text from none.
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        let config = ContextConfig {
            default_repo: said(self.default_repo),
            multi_level_repo: self.multi_level_repo,
            local_cluster: self.local_cluster,
            insecure_registries: self.insecure_registries.unwrap_or_default(),
            debug_helpers_registry: said(self.debug_helpers_registry),
            kind_disable_load: self.kind_disable_load,
            k3d_disable_load: self.k3d_disable_load,
        };
        (self.kube_context.unwrap_or_default(), config)
    }
}

impl Options {
    /// Takes what a global configuration says of [`Self::kube_context`], where the options say nothing yet: call it
    /// after all else is set. Registries that are reached over plain HTTP are those of both.
    #[must_use]
    pub fn global(mut self, global: &GlobalConfig) -> Self {
        let said = global.for_context(self.kube_context.as_deref());
        self.default_repo = self.default_repo.or(said.default_repo);
        self.multi_level_repo = self.multi_level_repo.or(said.multi_level_repo);
        self.local_cluster = self.local_cluster.or(said.local_cluster);
        self.debug_helpers_registry = self.debug_helpers_registry.or(said.debug_helpers_registry);
        self.kind_disable_load = self.kind_disable_load.or(said.kind_disable_load);
        self.k3d_disable_load = self.k3d_disable_load.or(said.k3d_disable_load);
        self.insecure_registries.extend(said.insecure_registries);
        self
    }
}
