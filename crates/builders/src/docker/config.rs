//! The options of the builder `docker`, in Skaffold's words (`artifacts[].docker`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shipway_core::{Catalog, Error, PluginConfig, Result, SecretId};

use super::Docker;

/// Options of [`Docker`].
///
/// ```
/// use shipway_builders::DockerConfig;
///
/// let config = DockerConfig::default().endpoint("unix:///run/docker.sock").build_arg("VERSION", "1.2");
/// # let _ = config;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct DockerConfig {
    /// Where the engine listens; `unix:///var/run/docker.sock` by default.
    pub endpoint: String,
    /// Whether BuildKit builds, or the classic builder; the engine's own choice when absent.
    pub buildkit: Option<bool>,
    /// The Dockerfile, below the artifact's context; `Dockerfile` by default.
    pub dockerfile: String,
    /// The stage to build; the last one when absent.
    pub target: Option<String>,
    /// The values of `ARG`s; one without a value has that of the environment's variable.
    pub build_args: BTreeMap<String, Option<String>>,
    /// Images whose layers may be taken in the place of a step.
    pub cache_from: Vec<String>,
    /// Whether every step is run.
    pub no_cache: bool,
    /// Whether bases are asked for in their registries even when the engine has them.
    pub pull_parent: bool,
    /// The network of `RUN`: `host`, `bridge`, `none` or a name.
    pub network: Option<String>,
    /// Hosts that `RUN` knows, each as `name:address`.
    pub add_host: Vec<String>,
    /// Whether the layers are made into one; an experimental feature of engines.
    pub squash: bool,
    /// Secrets for `RUN --mount=type=secret`; needs BuildKit.
    pub secrets: Vec<BuildSecret>,
    /// An agent for `RUN --mount=type=ssh`: `default`, or `id=/path/of/socket`; needs BuildKit.
    pub ssh: Option<String>,
    /// Flags of Docker's command line. There is none here, so that each is refused, with what to use
    /// in its place.
    pub cli_flags: Vec<String>,
    /// Who pushes what is built for a registry.
    pub push: Push,
    /// Whether the whole context is sent and counts, and not only what the Dockerfile names: for a base
    /// with `ONBUILD` triggers that copy.
    pub whole_context: bool,
    /// Whether the Dockerfile may come from somebody who is not trusted: then a `# syntax=` line must
    /// pin its frontend by digest, since a frontend runs before anything of the file does.
    pub untrusted: bool,
}

/// A secret of a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BuildSecret {
    /// The id that `RUN --mount=type=secret,id=…` names.
    pub id: String,
    /// A file below the context's root or absolute, with the secret.
    #[serde(default)]
    pub src: Option<String>,
    /// A variable of the context's environment, with the secret.
    #[serde(default)]
    pub env: Option<String>,
}

impl BuildSecret {
    /// Returns the secret that the context's credentials know by this id.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), src: None, env: None }
    }

    /// Sets the file that holds it.
    #[must_use]
    pub fn src(mut self, file: impl Into<String>) -> Self {
        self.src = Some(file.into());
        self
    }

    /// Sets the variable that holds it.
    #[must_use]
    pub fn env(mut self, variable: impl Into<String>) -> Self {
        self.env = Some(variable.into());
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.src.is_some() && self.env.is_some() {
            return Err(Error::config(format!("the secret `{}` has both `src` and `env`", self.id))
                .hint("give one of them, or neither for a secret of the credentials"));
        }
        self.credential().map(drop)
    }

    /// Returns the id by which the context's credentials know it, if it is neither a file nor a variable.
    pub(super) fn credential(&self) -> Result<Option<SecretId>> {
        match (&self.src, &self.env) {
            (None, None) => SecretId::parse(self.id.as_str()).map(Some),
            _ => Ok(None),
        }
    }
}

/// Who pushes what is built for a registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Push {
    /// The engine, with the context's login for the registry.
    #[default]
    Daemon,
    /// This program, which reads the image from the engine: for a registry that the engine does not
    /// reach or trust.
    Copy,
}

impl Default for DockerConfig {
    fn default() -> Self {
        Self {
            endpoint: "unix:///var/run/docker.sock".to_owned(),
            buildkit: None,
            dockerfile: "Dockerfile".to_owned(),
            target: None,
            build_args: BTreeMap::new(),
            cache_from: Vec::new(),
            no_cache: false,
            pull_parent: false,
            network: None,
            add_host: Vec::new(),
            squash: false,
            secrets: Vec::new(),
            ssh: None,
            cli_flags: Vec::new(),
            push: Push::default(),
            whole_context: false,
            untrusted: false,
        }
    }
}

impl DockerConfig {
    /// Sets where the engine listens.
    #[must_use]
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = endpoint.into();
        self
    }

    /// Sets whether BuildKit builds, or the classic builder.
    #[must_use]
    pub fn buildkit(mut self, buildkit: bool) -> Self {
        self.buildkit = Some(buildkit);
        self
    }

    /// Sets the Dockerfile.
    #[must_use]
    pub fn dockerfile(mut self, path: impl Into<String>) -> Self {
        self.dockerfile = path.into();
        self
    }

    /// Sets the stage to build.
    #[must_use]
    pub fn target(mut self, stage: impl Into<String>) -> Self {
        self.target = Some(stage.into());
        self
    }

    /// Adds the value of an `ARG`.
    #[must_use]
    pub fn build_arg(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.build_args.insert(name.into(), Some(value.into()));
        self
    }

    /// Adds a secret.
    #[must_use]
    pub fn secret(mut self, secret: BuildSecret) -> Self {
        self.secrets.push(secret);
        self
    }

    /// Sets the agent.
    #[must_use]
    pub fn ssh(mut self, ssh: impl Into<String>) -> Self {
        self.ssh = Some(ssh.into());
        self
    }

    /// Sets who pushes.
    #[must_use]
    pub fn push(mut self, push: Push) -> Self {
        self.push = push;
        self
    }

    /// Sets whether the whole context is sent and counts.
    #[must_use]
    pub fn whole_context(mut self, whole: bool) -> Self {
        self.whole_context = whole;
        self
    }

    /// Sets whether the Dockerfile may come from somebody who is not trusted.
    #[must_use]
    pub fn untrusted(mut self, untrusted: bool) -> Self {
        self.untrusted = untrusted;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        if let Some(flag) = self.cli_flags.first() {
            return Err(Error::config(format!("`cliFlags` has `{flag}`, and no command line is run"))
                .note("the engine is asked over its API, which takes options one by one")
                .hint(instead_of(flag)));
        }
        if self.dockerfile.is_empty() {
            return Err(Error::config("`dockerfile` is empty").hint("leave it out to mean `Dockerfile`"));
        }
        if self.buildkit == Some(false) && (!self.secrets.is_empty() || self.ssh.is_some()) {
            return Err(Error::config("`secrets` and `ssh` need BuildKit, and `buildkit` is `false`")
                .hint("set `buildkit` to `true`, or leave it out"));
        }
        self.secrets.iter().try_for_each(BuildSecret::check)
    }

    /// Returns whether only BuildKit can do what the options ask for.
    pub(super) fn needs_buildkit(&self) -> bool {
        !self.secrets.is_empty() || self.ssh.is_some()
    }
}

/// Says what to use in the place of a flag.
fn instead_of(flag: &str) -> String {
    let name = flag.split('=').next().unwrap_or(flag);
    let option = match name {
        "--build-arg" => "buildArgs",
        "--target" => "target",
        "--network" => "network",
        "--add-host" => "addHost",
        "--no-cache" => "noCache",
        "--pull" => "pullParent",
        "--cache-from" => "cacheFrom",
        "--secret" => "secrets",
        "--ssh" => "ssh",
        "--squash" => "squash",
        "--file" | "-f" => "dockerfile",
        "--platform" => return "ask for it in the artifact's `platforms`".to_owned(),
        _ => return "leave it out; builder `custom` runs any command line".to_owned(),
    };
    format!("use the option `{option}`")
}

impl PluginConfig for DockerConfig {
    const KIND: &'static str = "docker";

    type Plugin = Docker;

    fn into_plugin(self, _catalog: &Catalog) -> Result<Docker> {
        Docker::new(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<DockerConfig> {
        let config: DockerConfig =
            serde_json::from_str(text).map_err(|error| Error::config(error.to_string()))?;
        config.check().map(|()| config)
    }

    #[test]
    fn options_are_in_skaffolds_words() {
        let config = read(
            r#"{"dockerfile": "build/Dockerfile", "buildArgs": {"A": "1", "B": null}, "noCache": true,
                "pullParent": true, "addHost": ["a:1.2.3.4"], "cacheFrom": ["x"], "network": "none",
                "secrets": [{"id": "a", "src": "f"}, {"id": "b", "env": "E"}], "ssh": "default",
                "push": "copy"}"#,
        )
        .unwrap();
        assert_eq!((config.push, config.needs_buildkit()), (Push::Copy, true));
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_way_out() {
        for (text, says) in [
            (r#"{"cliFlags": ["--build-arg=A=1"]}"#, "`buildArgs`"),
            (r#"{"cliFlags": ["--shm-size=1g"]}"#, "builder `custom`"),
            (r#"{"buildkit": false, "ssh": "default"}"#, "BuildKit"),
            (r#"{"secrets": [{"id": "a", "src": "f", "env": "E"}]}"#, "both"),
            (r#"{"dockerFile": "x"}"#, "dockerFile"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.report().to_string().contains(says), "{text}: {error:?}");
        }
    }
}
