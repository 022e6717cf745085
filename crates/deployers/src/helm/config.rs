//! The options of the deployer `helm`: a release as `skaffold.yaml` has it, and what holds for all of them.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shipway_core::{Catalog, Error, PluginConfig, Result, did_you_mean};

use super::Helm;
use crate::{manifests::ResourceSelector, releases::check_name};

/// The options of the deployer `helm`: those of one of Skaffold's `deploy.helm.releases`, and what holds for all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct HelmConfig {
    /// The release's name for helm, which may be a template over the environment; that of the pipeline's release by default.
    pub name: String,
    /// The chart's folder or archive.
    pub chart_path: Option<String>,
    /// The chart's name in a repository, or its address (`oci://…`).
    pub remote_chart: Option<String>,
    /// The address of the repository of the remote chart.
    pub repo: Option<String>,
    /// The version of the remote chart.
    pub version: Option<String>,
    /// Where the chart is in a git repository.
    pub git: Option<HelmGit>,
    /// The namespace that it is installed into.
    pub namespace: Option<String>,
    /// Whether the namespace is made if it is not there.
    pub create_namespace: bool,
    /// Files of values, whose names may be templates; the later ones count.
    pub values_files: Vec<String>,
    /// Values by their names, as for `--set`.
    pub set_values: Map<String, Value>,
    /// Values that are templates over the environment and the images: `{{.IMAGE_REPO}}:{{.IMAGE_TAG}}`.
    pub set_value_templates: Map<String, Value>,
    /// Values that are files' texts.
    pub set_files: BTreeMap<String, String>,
    /// Values before those of all files.
    pub overrides: Map<String, Value>,
    /// See [`Helm::wait`].
    pub wait: bool,
    /// Whether pods are made anew at each upgrade, which helm 3 can alone.
    pub recreate_pods: bool,
    /// Whether the chart's dependencies are there already.
    pub skip_build_dependencies: bool,
    /// Whether the chart's tests are left out, where helm lets them be (4).
    pub skip_tests: bool,
    /// See [`Helm::run_tests`].
    pub run_tests: bool,
    /// Whether helm's plug-in `secrets` decrypts the files of values.
    pub use_helm_secrets: bool,
    /// Whether an installed release is upgraded; yes by default for a local chart, and no for a remote one, as in Skaffold.
    pub upgrade_on_change: Option<bool>,
    /// Other versions for the chart as it is packed.
    pub packaged: Option<HelmPackaged>,
    /// The releases to come before it, which the pipeline's edges say.
    pub depends_on: Vec<String>,
    /// Flags for the program.
    pub flags: HelmFlags,
    /// The context of the kubeconfig. Without one, nothing can be deployed.
    pub kube_context: Option<String>,
    /// The namespace where the release says none; the context's own by default.
    pub default_namespace: Option<String>,
    /// See [`Helm::labels`].
    pub labels: BTreeMap<String, String>,
    /// See [`Helm::folder`].
    pub folder: PathBuf,
    /// See [`Helm::credential_programs`].
    pub credential_programs: bool,
    /// See [`Helm::image_loader`].
    pub image_loader: Option<Vec<String>>,
    /// See [`Helm::program`].
    pub program: Option<String>,
    /// See [`Helm::force_conflicts`].
    pub force_conflicts: bool,
    /// See [`Helm::resource_selector`].
    pub resource_selector: ResourceSelector,
    /// See [`Helm::tolerate_failures`].
    pub tolerate_failures_until_deadline: bool,
    /// What there is no option for, and is refused.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Where a chart is in a git repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HelmGit {
    /// The address of the repository.
    pub url: String,
    /// The branch, tag or commit; the repository's own branch by default.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// The folder of the chart in it.
    pub path: PathBuf,
}

/// Other versions for a chart as it is packed; they may be templates over the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HelmPackaged {
    /// The version of the chart.
    pub version: Option<String>,
    /// The version of what it installs.
    pub app_version: Option<String>,
}

/// Flags for the program, as Skaffold has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[non_exhaustive]
pub struct HelmFlags {
    /// Those of every command.
    pub global: Vec<String>,
    /// Those of the first upgrade, which installs.
    pub install: Vec<String>,
    /// Those of later upgrades.
    pub upgrade: Vec<String>,
    /// Those of `helm template`.
    pub template: Vec<String>,
    /// Those of getting charts from repositories.
    pub dep_build: Vec<String>,
}

impl HelmFlags {
    /// Checks that no flag says what has an option, so that the program and what is looked at here speak of one release.
    fn check(&self) -> Result<()> {
        const OPTIONS: [(&[&str], &str); 8] = [
            (&["--kube-context", "--kubeconfig"], "name a context with `kubeContext`"),
            (&["--namespace", "-n"], "use `namespace`"),
            (
                &["--set", "--set-string", "--set-json", "--set-literal", "--values", "-f"],
                "use `setValues` or `valuesFiles`: values do not belong on a command line",
            ),
            (&["--set-file"], "use `setFiles`"),
            (&["--post-renderer", "--post-renderer-args"], "leave it out: what is shown is what is applied"),
            (
                &[
                    "--reuse-values",
                    "--reset-then-reuse-values",
                    "--dry-run",
                    "--output",
                    "-o",
                    "--labels",
                    "-l",
                    "--description",
                ],
                "leave it out: the deployer says it itself",
            ),
            (
                &["--atomic", "--rollback-on-failure", "--cleanup-on-fail"],
                "leave it out: the run goes back itself after a failure",
            ),
            (&["--debug"], "leave it out: it prints values"),
        ];
        let lists = [
            ("global", &self.global),
            ("install", &self.install),
            ("upgrade", &self.upgrade),
            ("template", &self.template),
            ("depBuild", &self.dep_build),
        ];
        for (list, flag) in
            lists.into_iter().flat_map(|(list, flags)| flags.iter().map(move |flag| (list, flag)))
        {
            let name = flag.split('=').next().unwrap_or(flag);
            if let Some((_, hint)) = OPTIONS.iter().find(|(names, _)| names.contains(&name)) {
                return Err(Error::unsupported(format!("`{name}` in `flags.{list}` of the deployer `helm`"))
                    .hint(*hint));
            }
        }
        Ok(())
    }
}

/// The names of the options, for a word on what was meant.
fn names() -> Vec<String> {
    let known = serde_json::to_value(HelmConfig::default()).unwrap_or_default();
    known.as_object().map(|known| known.keys().cloned().collect()).unwrap_or_default()
}

impl PluginConfig for HelmConfig {
    const KIND: &'static str = "helm";
    type Plugin = Helm;

    fn into_plugin(self, _catalog: &Catalog) -> Result<Helm> {
        if let Some(name) = self.other.keys().next() {
            let error = Error::config(format!("the deployer `helm` has no option `{name}`"));
            let names = names();
            return Err(match did_you_mean(name, names.iter().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint("its options are those of one of Skaffold's `deploy.helm.releases`"),
            });
        }
        self.flags.check()?;
        let charts = [self.chart_path.is_some(), self.remote_chart.is_some(), self.git.is_some()];
        if charts.into_iter().filter(|said| *said).count() != 1 {
            return Err(Error::config("a release of helm has one chart")
                .hint("name it by one of `chartPath`, `remoteChart` and `git`"));
        }
        if let Some(namespace) = &self.default_namespace {
            check_name("namespace", namespace)?;
        }
        Ok(Helm { options: self })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(options: Value) -> Result<Helm> {
        serde_json::from_value::<HelmConfig>(options).expect("options").into_plugin(&Catalog::default())
    }

    #[test]
    fn what_is_not_known_is_refused_with_what_was_meant() {
        for (options, message) in [
            (json!({"chartPath": "c", "valueFiles": []}), "did you mean `valuesFiles`?"),
            (json!({"chartPath": "c", "zzzzzz": 1}), "deploy.helm.releases"),
            (json!({}), "`chartPath`"),
            (json!({"chartPath": "c", "remoteChart": "d"}), "one chart"),
            (json!({"chartPath": "c", "flags": {"upgrade": ["--set=a=b"]}}), "setValues"),
            (json!({"chartPath": "c", "flags": {"global": ["--debug"]}}), "prints values"),
            (json!({"chartPath": "c", "defaultNamespace": "No"}), "namespace"),
        ] {
            let error = made(options).expect_err(message).report().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn a_release_of_skaffold_is_read() {
        let helm = made(
            json!({"name": "web", "chartPath": "charts/web", "valuesFiles": ["v.yaml"], "namespace": "shop",
            "setValueTemplates": {"image": "{{.IMAGE_FULLY_QUALIFIED}}"}, "createNamespace": true, "wait": true,
            "packaged": {"version": "1", "appVersion": "2"}, "overrides": {"a": {"b": 1}}, "dependsOn": ["db"],
            "upgradeOnChange": false, "skipTests": true, "useHelmSecrets": true, "recreatePods": true}),
        );
        assert_eq!(helm.expect("a release").options.depends_on, ["db"]);
    }
}
