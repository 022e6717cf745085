//! The options of the builder `custom`, in Skaffold's words (`artifacts[].custom`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shipway_core::{Catalog, Error, PluginConfig, Result};

use super::Custom;

/// Options of [`Custom`].
///
/// ```
/// use shipway_builders::{CustomConfig, CustomDependencies};
///
/// let dependencies = CustomDependencies::default().paths(["go.mod", "cmd"]).ignore(["**/*_test.go"]);
/// let config = CustomConfig::new("./build.sh").dependencies(dependencies);
/// # let _ = config;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct CustomConfig {
    /// The command, which `sh -c` runs in the artifact's context.
    pub build_command: String,
    /// The files that the image depends on; the whole context when absent.
    #[serde(default)]
    pub dependencies: CustomDependencies,
}

/// The files that an image depends on: by paths, by what a command prints, or by what a Dockerfile
/// reaches. At most one of the three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct CustomDependencies {
    /// Files, folders and patterns of Go's `filepath.Match`, below the artifact's context; all of it
    /// when empty.
    pub paths: Vec<String>,
    /// What of `paths` does not count, in the form of a `.dockerignore`.
    pub ignore: Vec<String>,
    /// A command that `sh -c` runs in the artifact's context and that prints the files as a JSON array.
    pub command: Option<String>,
    /// A Dockerfile: what it reaches counts.
    pub dockerfile: Option<CustomDockerfile>,
}

/// A Dockerfile that says what an image depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct CustomDockerfile {
    /// Its path below the artifact's context.
    pub path: String,
    /// The values of its `ARG`s; one without a value has that of the environment's variable.
    #[serde(default)]
    pub build_args: BTreeMap<String, Option<String>>,
}

impl CustomConfig {
    /// Returns the options of a command whose image depends on the whole context.
    pub fn new(build_command: impl Into<String>) -> Self {
        Self { build_command: build_command.into(), dependencies: CustomDependencies::default() }
    }

    /// Sets the files that the image depends on.
    #[must_use]
    pub fn dependencies(mut self, dependencies: CustomDependencies) -> Self {
        self.dependencies = dependencies;
        self
    }

    /// Says what is wrong with the options.
    pub(super) fn check(&self) -> Result<()> {
        if self.build_command.trim().is_empty() {
            return Err(Error::config("builder `custom` has no command").hint("set `buildCommand`"));
        }
        let given = &self.dependencies;
        let ways = [
            ("paths", !given.paths.is_empty()),
            ("command", given.command.is_some()),
            ("dockerfile", given.dockerfile.is_some()),
        ];
        let ways: Vec<&str> = ways.into_iter().filter(|(_, set)| *set).map(|(name, _)| name).collect();
        match ways.as_slice() {
            [first, second, ..] => Err(Error::config(format!(
                "the dependencies of builder `custom` are given by `{first}` and by `{second}`"
            ))
            .hint("keep one of them")),
            [one] if *one != "paths" && !given.ignore.is_empty() => Err(Error::config(format!(
                "`ignore` is for dependencies by `paths`, and they are given by `{one}`"
            ))
            .hint("take `ignore` out")),
            _ => Ok(()),
        }
    }
}

impl CustomDependencies {
    /// Sets the files, folders and patterns.
    #[must_use]
    pub fn paths(mut self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.paths = paths.into_iter().map(Into::into).collect();
        self
    }

    /// Sets what of the paths does not count.
    #[must_use]
    pub fn ignore(mut self, patterns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.ignore = patterns.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the command that prints the files.
    #[must_use]
    pub fn command(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }

    /// Sets the Dockerfile.
    #[must_use]
    pub fn dockerfile(mut self, dockerfile: CustomDockerfile) -> Self {
        self.dockerfile = Some(dockerfile);
        self
    }
}

impl CustomDockerfile {
    /// Returns the Dockerfile with this path.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), build_args: BTreeMap::new() }
    }

    /// Sets the value of an `ARG`.
    #[must_use]
    pub fn build_arg(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.build_args.insert(name.into(), Some(value.into()));
        self
    }
}

impl PluginConfig for CustomConfig {
    const KIND: &'static str = "custom";
    type Plugin = Custom;

    fn into_plugin(self, _catalog: &Catalog) -> Result<Custom> {
        Custom::new(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_in_skaffolds_words_and_checked() {
        let read = |text: &str| serde_json::from_str::<CustomConfig>(text).map_err(|error| error.to_string());
        let read = |text: &str| read(text).map(|config| config.check().map_err(|error| error.to_string()));
        for text in [
            r#"{"buildCommand": "./build.sh"}"#,
            r#"{"buildCommand": "x", "dependencies": {"paths": ["a"], "ignore": ["b"]}}"#,
            r#"{"buildCommand": "x", "dependencies": {"dockerfile": {"path": "D", "buildArgs": {"A": "1", "B": null}}}}"#,
        ] {
            assert_eq!(read(text), Ok(Ok(())), "{text}");
        }
        for (text, problem) in [
            (r#"{"buildCommand": " "}"#, "builder `custom` has no command"),
            (
                r#"{"buildCommand": "x", "dependencies": {"paths": ["a"], "command": "b"}}"#,
                "the dependencies of builder `custom` are given by `paths` and by `command`",
            ),
            (
                r#"{"buildCommand": "x", "dependencies": {"ignore": ["a"], "command": "b"}}"#,
                "`ignore` is for dependencies by `paths`, and they are given by `command`",
            ),
        ] {
            assert_eq!(read(text), Ok(Err(problem.to_owned())), "{text}");
        }
        assert!(read(r#"{"buildComand": "x"}"#).is_err());
    }
}
