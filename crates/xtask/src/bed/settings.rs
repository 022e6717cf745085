//! What tests and people need to know of a bed that is up.

use std::{fs, path::Path, process::Command};

use super::{
    Bed, PASSWORD, USER,
    parts::{GIT, REGISTRY, REGISTRY_AUTH, REGISTRY_TLS, socket},
};
use crate::Result;

/// Variables, as `cargo xtask test` sets them for the tests.
#[derive(Debug)]
pub(crate) struct Settings {
    bed: Bed,
    variables: Vec<(String, String)>,
}

impl Settings {
    /// Writes down what is only known when a bed is brought up.
    pub(super) fn write(bed: &Bed, buildctl: &Path, bases: &Path) -> Result<Self> {
        let shown = |path: &Path| path.display().to_string();
        let variables = [
            ("DOCKER", format!("unix://{}", socket(bed, "docker"))),
            ("CONTAINERD", socket(bed, "containerd")),
            ("BUILDKIT", format!("unix://{}", socket(bed, "buildkitd"))),
            ("BUILDCTL", shown(buildctl)),
            ("REGISTRY", REGISTRY.to_owned()),
            ("REGISTRY_AUTH", REGISTRY_AUTH.to_owned()),
            ("REGISTRY_TLS", REGISTRY_TLS.to_owned()),
            ("CA", shown(&bed.path("tls/ca.pem"))),
            ("GIT", format!("http://{GIT}")),
            ("GIT_ROOT", shown(&bed.path("git"))),
            ("BASES", shown(bases)),
        ];
        let mut variables: Vec<(String, String)> =
            variables.map(|(name, value)| (format!("SHIPWAY_BED_{name}"), value)).into();
        // containerd's own variable. The cgroups of its containers are below one of this name.
        variables.push(("CONTAINERD_NAMESPACE".to_owned(), bed.id()));
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

    /// Returns a command as it runs without a bed: also without the variables of another one.
    pub(crate) fn outside(mut command: Command) -> Command {
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"SHIPWAY_BED_") {
                command.env_remove(name);
            }
        }
        command
    }
}
