//! The options of the deployer `kubectl`, as `skaffold.yaml` has them.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shipway_core::{Catalog, Error, PluginConfig, Result};

use super::Kubectl;
use crate::{
    helm::{HelmConfig, HelmFlags},
    manifests::{ManifestFunction, ManifestHooks, Rendering, ResourceSelector},
    releases::check_name,
};

/// The options of the deployer `kubectl`: those of Skaffold's `deploy.kubectl` and `manifests`, and more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct KubectlConfig {
    /// The context of the kubeconfig. Without one, nothing can be deployed.
    pub kube_context: Option<String>,
    /// See [`Kubectl::namespace`].
    pub default_namespace: Option<String>,
    /// The manifests.
    pub manifests: KubectlManifests,
    /// See [`Kubectl::folder`].
    pub folder: PathBuf,
    /// See [`Kubectl::allow_http`].
    pub allow_http: bool,
    /// See [`Kubectl::allow_remote_bases`].
    pub allow_remote_bases: bool,
    /// See [`Kubectl::labels`].
    pub labels: BTreeMap<String, String>,
    /// See [`Kubectl::resource_selector`].
    pub resource_selector: ResourceSelector,
    /// See [`Kubectl::tolerate_failures`].
    pub tolerate_failures_until_deadline: bool,
    /// See [`Kubectl::credential_programs`].
    pub credential_programs: bool,
    /// See [`Kubectl::image_loader`].
    pub image_loader: Option<Vec<String>>,
    /// See [`Kubectl::force_conflicts`].
    pub force_conflicts: bool,
    /// Flags of the program `kubectl`, as far as they have a meaning without it.
    pub flags: KubectlFlags,
    /// What else Skaffold has, and this deployer has not yet.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What is deployed, as Skaffold's `manifests` says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct KubectlManifests {
    /// See [`Kubectl::manifests`].
    pub raw_yaml: Vec<String>,
    /// Kustomizations.
    pub kustomize: Option<KubectlKustomize>,
    /// Charts whose templates are deployed like other manifests, without helm's own records.
    pub helm: Option<KubectlCharts>,
    /// See [`Kubectl::kpt`].
    pub kpt: Vec<String>,
    /// See [`Kubectl::hooks`].
    pub hooks: ManifestHooks,
    /// See [`Kubectl::function`].
    pub transform: Vec<ManifestFunction>,
    /// Checks: `kubeval` ([`Kubectl::check_schemas`]), and `cel`, whose settings are policies, `name=expression`
    /// ([`Kubectl::policy`]).
    pub validate: Vec<ManifestFunction>,
    /// See [`Kubectl::output`].
    pub output: Option<PathBuf>,
    /// What else Skaffold has, and this deployer has not yet.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Charts, as Skaffold's `manifests.helm` says them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct KubectlCharts {
    /// The charts, each with its values.
    pub releases: Vec<HelmConfig>,
    /// Flags for helm.
    pub flags: HelmFlags,
}

/// Kustomizations, as Skaffold's `manifests.kustomize` says them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct KubectlKustomize {
    /// See [`Kubectl::kustomize`]; the folder of the configuration by default.
    pub paths: Vec<String>,
    /// See [`Kubectl::kustomize_args`].
    pub build_args: Vec<String>,
}

impl Default for KubectlKustomize {
    fn default() -> Self {
        // Skaffold: schema/defaults, `setDefaultKustomizePath`.
        Self { paths: vec![".".to_owned()], build_args: Vec::new() }
    }
}

/// Flags of the program `kubectl`, as Skaffold's `flags` has them. The program is not run: a flag that says what is
/// done anyway, or what has an option here, is read, and any other is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct KubectlFlags {
    /// Those of every command.
    pub global: Vec<String>,
    /// Those of `kubectl apply`.
    pub apply: Vec<String>,
    /// Those of `kubectl delete`.
    pub delete: Vec<String>,
    /// Whether the program's own check is left out, which there is none of; the API server checks all that is applied.
    pub disable_validation: bool,
}

impl KubectlFlags {
    /// Returns whether they force conflicts.
    fn force_conflicts(&self) -> Result<bool> {
        let mut force = false;
        let flags = [("global", &self.global), ("apply", &self.apply), ("delete", &self.delete)];
        for (list, flag) in
            flags.into_iter().flat_map(|(list, flags)| flags.iter().map(move |flag| (list, flag)))
        {
            let (name, value) = flag.split_once('=').unwrap_or((flag, "true"));
            match (list, name, value) {
                ("apply", "--server-side", "true")
                | ("apply", "--validate", _)
                | ("delete", "--ignore-not-found" | "--wait", "true") => {}
                ("apply", "--force-conflicts", "true" | "false") => force = value == "true",
                _ => {
                    let error = Error::unsupported(format!(
                        "the deployer `kubectl` has nothing for `{flag}` in `flags.{list}`"
                    ));
                    return Err(error.note("it does through the API what the program does").hint(
                        match name {
                            "--context" | "--cluster" | "--kubeconfig" => "name a context with `kubeContext`",
                            "--namespace" | "-n" => "use `defaultNamespace`",
                            "--prune" | "--applyset" => {
                                "leave it out: what a release has lost goes when it is settled"
                            }
                            "--force" => "leave it out, and remove what cannot be changed by hand",
                            _ => "leave it out",
                        },
                    ));
                }
            }
        }
        Ok(force)
    }
}

impl PluginConfig for KubectlConfig {
    const KIND: &'static str = "kubectl";
    type Plugin = Kubectl;

    fn into_plugin(self, catalog: &Catalog) -> Result<Kubectl> {
        for (place, other) in [("", &self.other), ("manifests.", &self.manifests.other)] {
            if let Some(name) = other.keys().next() {
                return Err(Error::unsupported(format!(
                    "`{place}{name}` is not supported by the deployer `kubectl` yet"
                ))
                .hint(
                    "it applies `rawYaml`, `kustomize`, `helm` and `kpt` of `manifests` through the API, without the \
                     program",
                ));
            }
        }
        let force = self.flags.force_conflicts()?;
        if let Some(namespace) = &self.default_namespace {
            check_name("namespace", namespace)?;
        }
        let manifests = self.manifests;
        manifests.hooks.check()?;
        let mut charts = Vec::new();
        if let Some(KubectlCharts { releases, flags }) = manifests.helm {
            for release in releases {
                let folder = self.folder.join(&release.folder);
                let release = HelmConfig { flags: flags.clone(), folder, ..release };
                charts.push(release.into_plugin(catalog)?);
            }
        }
        let mut rendering = Rendering::below(self.folder);
        rendering.charts = charts;
        rendering.raw = manifests.raw_yaml;
        rendering.plain_http = self.allow_http;
        rendering.remote_bases = self.allow_remote_bases;
        rendering.packages = manifests.kpt;
        rendering.hooks = manifests.hooks;
        rendering.output = manifests.output.filter(|output| !output.as_os_str().is_empty());
        if let Some(kustomize) = manifests.kustomize {
            rendering.kustomizations = kustomize.paths;
            rendering.build_args = kustomize.build_args;
        }
        manifests.transform.iter().try_for_each(|function| rendering.transform(function))?;
        manifests.validate.iter().try_for_each(|function| rendering.validate(function))?;
        Ok(Kubectl {
            context: self.kube_context,
            namespace: self.default_namespace,
            rendering,
            labels: self.labels,
            selector: self.resource_selector,
            tolerate_failures: self.tolerate_failures_until_deadline,
            credential_programs: self.credential_programs,
            image_loader: self.image_loader,
            force_conflicts: self.force_conflicts || force,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn force(flags: Value) -> Result<bool> {
        serde_json::from_value::<KubectlFlags>(flags).expect("flags").force_conflicts()
    }

    #[test]
    fn a_flag_is_read_where_it_means_something_and_refused_where_not() {
        assert!(!force(json!({"disableValidation": true})).expect("known"));
        let flags = json!({"apply": ["--server-side", "--force-conflicts", "--validate=false"],
            "delete": ["--ignore-not-found=true"]});
        assert!(force(flags).expect("known"));
        for (list, flag, hint) in [
            ("global", "--context=prod", "kubeContext"),
            ("apply", "-n", "defaultNamespace"),
            ("apply", "--prune", "settled"),
            ("apply", "--force", "by hand"),
            ("delete", "--grace-period=0", "leave it out"),
        ] {
            let error = force(json!({ list: [flag] })).expect_err(flag).report().to_string();
            assert!(error.contains(flag) && error.contains(hint) && error.contains(list), "{error}");
        }
    }
}
