//! What tests and people need to know of a bed that is up.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    Bed, PASSWORD, USER,
    parts::{
        GIT, NODE_REGISTRY, NODE_REGISTRY_AUTH, NODE_REGISTRY_TLS, REGISTRY, REGISTRY_AUTH, REGISTRY_TLS,
        socket,
    },
    up::Made,
};
use crate::Result;

/// The variables about Kubernetes, in the order of their values below.
const KUBERNETES: [&str; 7] = [
    "SHIPWAY_KUBECONFIG",
    "SHIPWAY_KUBECTL",
    "SHIPWAY_KUBE_REGISTRY",
    "SHIPWAY_KUBE_REGISTRY_AUTH",
    "SHIPWAY_KUBE_REGISTRY_TLS",
    "SHIPWAY_KANIKO_IMAGE",
    "SHIPWAY_BUILDKIT_IMAGE",
];

/// Variables, as `cargo xtask test` sets them for the tests.
#[derive(Debug)]
pub(crate) struct Settings {
    bed: Bed,
    variables: Vec<(String, String)>,
}

impl Settings {
    /// Writes down what is only known when a bed is brought up.
    pub(super) fn write(bed: &Bed, made: &Made, program: &Path) -> Result<Self> {
        let shown = |path: &Path| path.display().to_string();
        let variables = [
            ("DOCKER", format!("unix://{}", socket(bed, "docker"))),
            ("CONTAINERD", socket(bed, "containerd")),
            ("BUILDKIT", format!("unix://{}", socket(bed, "buildkitd"))),
            ("BUILDCTL", shown(&made.buildkitd.with_file_name("buildctl"))),
            ("REGISTRY", REGISTRY.to_owned()),
            ("REGISTRY_AUTH", REGISTRY_AUTH.to_owned()),
            ("REGISTRY_TLS", REGISTRY_TLS.to_owned()),
            ("CA", shown(&bed.path("tls/ca.pem"))),
            ("GIT", format!("http://{GIT}")),
            ("GIT_ROOT", shown(&bed.path("git"))),
            ("BASES", shown(&made.bases)),
            ("FOLDER", shown(&bed.folder())),
            ("PROGRAM", shown(program)),
        ];
        let mut variables: Vec<(String, String)> =
            variables.map(|(name, value)| (format!("SHIPWAY_BED_{name}"), value)).into();
        // containerd's own variable. The cgroups of its containers are below one of this name.
        variables.push(("CONTAINERD_NAMESPACE".to_owned(), bed.id()));
        // What `SHIPWAY_BED_PROGRAM` is told is about this bed.
        variables.push(("SHIPWAY_BED".to_owned(), bed.name.clone()));
        if let Some(kubernetes) = &made.kubernetes {
            let values = [
                shown(&bed.path("kubeconfig")),
                kubernetes.programs.kubernetes("kubectl"),
                NODE_REGISTRY.to_owned(),
                NODE_REGISTRY_AUTH.to_owned(),
                NODE_REGISTRY_TLS.to_owned(),
                format!("{NODE_REGISTRY}/builders/kaniko:local"),
                format!("{NODE_REGISTRY}/builders/buildkit:local"),
            ];
            variables.extend(KUBERNETES.map(str::to_owned).into_iter().zip(values));
        }
        let text: String = variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        let path = bed.path("settings");
        fs::write(&path, text).map_err(|error| format!("`{}`: {error}", path.display()))?;
        Ok(Self { bed: bed.clone(), variables })
    }

    /// Reads them again.
    pub(super) fn read(bed: &Bed) -> Result<Self> {
        let text = fs::read_to_string(bed.path("settings"))
            .map_err(|_| format!("bed `{}` is down: `cargo xtask bed up` brings it up", bed.name))?;
        let variables = text.lines().filter_map(|line| line.split_once('='));
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Self { bed: bed.clone(), variables })
    }

    /// Returns the variable of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns what a shell takes, and how to get in.
    pub(super) fn shown(&self) -> String {
        let exports = self.variables.iter().map(|(name, value)| format!("export {name}='{value}'\n"));
        format!(
            "{}# The registry that wants a login: {USER}, `{PASSWORD}`.\n# To run something in the bed: nsenter --net={} COMMAND\n# Its daemons have their own /run: ctr run --fifo-dir /tmp/NAME …",
            exports.collect::<String>(),
            self.bed.namespace().display(),
        )
    }

    /// Returns a command as it runs in the bed, with its variables.
    pub(crate) fn inside(&self, command: &Command) -> Command {
        let mut inside = self.bed.inside(&command.get_program().to_string_lossy(), &[]);
        inside.args(command.get_args());
        if let Some(folder) = command.get_current_dir() {
            inside.current_dir(folder);
        }
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside.envs(self.variables.iter().map(|(name, value)| (name, value)));
        // Nothing can be fetched in there, and nothing needs to be.
        inside.env("CARGO_NET_OFFLINE", "true");
        inside
    }

    /// Returns kubectl with these words, for the bed's cluster; it is still to be run [inside](Self::inside).
    ///
    /// # Errors
    /// When the bed has no cluster.
    pub(crate) fn kubectl(&self, words: &[&str]) -> Result<Command> {
        let get = |name| self.get(name).ok_or_else(|| format!("the bed has no `{name}`"));
        let mut command = Command::new(get("SHIPWAY_KUBECTL")?);
        command.args(["--kubeconfig", get("SHIPWAY_KUBECONFIG")?]).args(words);
        Ok(command)
    }

    /// Returns a command as it runs without a bed: also without the variables of another one, unless the cluster
    /// is one that somebody named.
    pub(crate) fn outside(mut command: Command) -> Command {
        let named = Self::names_a_cluster();
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy();
            if is_of_a_bed(&name, named) {
                command.env_remove(&*name);
            }
        }
        if named && env::var_os("SHIPWAY_KUBECONFIG").is_none() {
            let listed = env::var_os("KUBECONFIG").and_then(|files| env::split_paths(&files).next());
            let usual = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".kube/config"));
            if let Some(file) = listed.or_else(usual) {
                command.env("SHIPWAY_KUBECONFIG", file);
            }
        }
        command
    }

    /// Returns whether the tests are to run against a cluster of somebody's own.
    pub(crate) fn names_a_cluster() -> bool {
        env::var_os("SHIPWAY_KUBE_CONTEXT").is_some_and(|context| !context.is_empty())
    }
}

/// Returns whether a variable is one that beds set; those of the cluster are not where somebody named theirs.
fn is_of_a_bed(variable: &str, names_a_cluster: bool) -> bool {
    let of_cluster = KUBERNETES.contains(&variable) && !names_a_cluster;
    of_cluster || variable == "SHIPWAY_BED" || variable.starts_with("SHIPWAY_BED_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_that_somebody_named_is_kept_where_there_is_no_bed() {
        for (variable, without, with_a_name) in [
            ("SHIPWAY_BED_DOCKER", true, true),
            ("SHIPWAY_BED", true, true),
            ("SHIPWAY_KUBECONFIG", true, false),
            ("SHIPWAY_KUBE_REGISTRY", true, false),
            ("SHIPWAY_KUBE_CONTEXT", false, false),
            ("SHIPWAY_CORPUS", false, false),
        ] {
            let found = (is_of_a_bed(variable, false), is_of_a_bed(variable, true));
            assert_eq!(found, (without, with_a_name), "{variable}");
        }
    }
}
