//! The options of the native builder: a Dockerfile, or a base and files to put upon it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shipway_core::{Catalog, Error, PluginConfig, Result};
use shipway_oci::Compression;

use super::{LayerCompression, Mode, Native, Owner};

/// Options of [`Native`].
///
/// Either a Dockerfile is read (`dockerfile`, `target`, `args`), or the image is described here (`base`, `files`,
/// `config`, `prepare`). With no options at all it is the Dockerfile `Dockerfile`.
///
/// ```
/// use shipway_builders::{FileCopy, ImageSettings, NativeConfig, Prepare};
///
/// let config = NativeConfig::default()
///     .base("scratch")
///     .prepare(Prepare::new(["go", "build", "-o", "{output}/web", "."]).dependencies(["go.mod", "cmd"]))
///     .file(FileCopy::new("{output}/web", "/web"))
///     .config(ImageSettings::default().entrypoint(["/web"]));
/// # let _ = config;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct NativeConfig {
    /// The Dockerfile, below the artifact's context.
    pub dockerfile: Option<String>,
    /// The stage of the Dockerfile to build, by name or number; the last by default.
    pub target: Option<String>,
    /// Values for the Dockerfile's `ARG`s.
    pub args: BTreeMap<String, String>,
    /// The files and folders below the context that triggers (`ONBUILD`) of base images may read besides
    /// what the Dockerfile itself reads: which triggers a base has is not known before it is read.
    pub triggers: Vec<String>,
    /// Images by the name that `FROM`, `COPY --from` or `base` uses: the path of an OCI image layout, below the
    /// context's root or absolute, with `:tag` or `@digest` after it; the tag is `latest` if there is
    /// neither. `oci-layout://` may come before it.
    pub contexts: BTreeMap<String, String>,
    /// The base: `scratch`, a reference, a name in `contexts`, or the alias of a required artifact.
    pub base: Option<String>,
    /// The files to put upon the base, each of these as one layer.
    pub files: Vec<FileCopy>,
    /// How the image runs.
    pub config: ImageSettings,
    /// Commands that make files first.
    pub prepare: Vec<Prepare>,
    /// Registries that are reached over plain HTTP, `host` or `host:port`: those of bases, and the target's.
    pub insecure_registry: Vec<String>,
    /// How the layers that are made are compressed; with gzip at level 6 by default.
    pub compression: Option<LayerCompression>,
}

/// Files to copy into the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FileCopy {
    /// A file, a folder (its content is copied) or a pattern of Go's `filepath.Match`, below the
    /// artifact's context; below what the commands made after `{output}/`.
    pub from: String,
    /// The path in the image; a folder when it ends with `/`, or is one.
    pub to: String,
    /// The mode; by default it stays as it is, and of what a command made it is 0755 or 0644.
    #[serde(default)]
    pub chmod: Option<Mode>,
    /// The owner; by default `0:0`.
    #[serde(default)]
    pub chown: Option<Owner>,
}

/// How an image runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ImageSettings {
    /// The command that always runs; the base's if absent.
    pub entrypoint: Option<Vec<String>>,
    /// The arguments that may be replaced, or the command; the base's if absent.
    pub cmd: Option<Vec<String>>,
    /// Variables of the environment, added to the base's.
    pub env: BTreeMap<String, String>,
    /// The user that it runs as.
    pub user: Option<String>,
    /// The working directory, which is made if it is missing.
    pub workdir: Option<String>,
    /// Labels, added to the base's.
    pub labels: BTreeMap<String, String>,
    /// Ports that it listens on, such as `8080` or `53/udp`.
    pub expose: Vec<String>,
}

/// A command that makes files for the image.
///
/// It runs in the artifact's context, once for each platform of a build, which `TARGETPLATFORM`,
/// `TARGETOS`, `TARGETARCH` and `TARGETVARIANT` in its environment tell of. What it makes goes below the folder that
/// `{output}` in its arguments and `SHIPWAY_OUTPUT` in its environment name. Of the world's environment
/// it sees `PATH`, `HOME` and `TMPDIR`, which do not count as inputs, and what `inherit` names, which does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Prepare {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The files and folders below the context that the outcome depends on; the whole context when
    /// empty.
    #[serde(default)]
    pub dependencies: Vec<String>,
    /// The variables of the world's environment that the outcome depends on.
    #[serde(default)]
    pub inherit: Vec<String>,
    /// Variables added to its environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

fn texts(words: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    words.into_iter().map(Into::into).collect()
}

impl NativeConfig {
    /// Sets the Dockerfile.
    #[must_use]
    pub fn dockerfile(mut self, path: impl Into<String>) -> Self {
        self.dockerfile = Some(path.into());
        self
    }

    /// Sets the stage to build.
    #[must_use]
    pub fn target(mut self, stage: impl Into<String>) -> Self {
        self.target = Some(stage.into());
        self
    }

    /// Sets what triggers of base images may read of the context.
    #[must_use]
    pub fn triggers(mut self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.triggers = texts(paths);
        self
    }

    /// Sets the value of an `ARG`.
    #[must_use]
    pub fn arg(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.args.insert(name.into(), value.into());
        self
    }

    /// Gives an image in an OCI image layout a name.
    #[must_use]
    pub fn context(mut self, name: impl Into<String>, layout: impl Into<String>) -> Self {
        self.contexts.insert(name.into(), layout.into());
        self
    }

    /// Sets the base.
    #[must_use]
    pub fn base(mut self, base: impl Into<String>) -> Self {
        self.base = Some(base.into());
        self
    }

    /// Adds files, as one more layer.
    #[must_use]
    pub fn file(mut self, file: FileCopy) -> Self {
        self.files.push(file);
        self
    }

    /// Sets how the image runs.
    #[must_use]
    pub fn config(mut self, config: ImageSettings) -> Self {
        self.config = config;
        self
    }

    /// Adds a command that makes files.
    #[must_use]
    pub fn prepare(mut self, prepare: Prepare) -> Self {
        self.prepare.push(prepare);
        self
    }

    /// Sets how the layers that are made are compressed.
    #[must_use]
    pub fn compression(mut self, compression: LayerCompression) -> Self {
        self.compression = Some(compression);
        self
    }

    /// Returns the Dockerfile's path, or `None` when the image is described here.
    pub(super) fn dockerfile_path(&self) -> Option<&str> {
        match (&self.dockerfile, &self.base) {
            (Some(path), _) => Some(path),
            (None, Some(_)) => None,
            (None, None) => Some("Dockerfile"),
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let described =
            !self.files.is_empty() || !self.prepare.is_empty() || self.config != Default::default();
        let problem = match (self.dockerfile_path(), self.base.is_some()) {
            (Some(_), true) => Some(("`dockerfile` and `base` exclude each other", "leave one of them out")),
            (Some(_), false) if described => Some((
                "`files`, `config` and `prepare` need `base`",
                "add `base`, such as `scratch`, or write them into the Dockerfile",
            )),
            (None, _) if !self.args.is_empty() || self.target.is_some() || !self.triggers.is_empty() => {
                Some((
                    "`args`, `target` and `triggers` are for a Dockerfile",
                    "leave them out, or name a `dockerfile`",
                ))
            }
            _ => None,
        };
        if let Some((problem, hint)) = problem {
            return Err(
                Error::config(format!("the options of builder `native` are wrong: {problem}")).hint(hint)
            );
        }
        if self.prepare.iter().any(|prepare| prepare.command.first().is_none_or(String::is_empty)) {
            return Err(Error::config(
                "the options of builder `native` are wrong: a `prepare` has no command",
            )
            .hint("give `command` at least one word"));
        }
        self.compression.map_or(Ok(()), |compression| Compression::from(compression).check())
    }
}

impl FileCopy {
    /// Returns the copy of `from` to `to`.
    pub fn new(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self { from: from.into(), to: to.into(), chmod: None, chown: None }
    }

    /// Sets the mode.
    #[must_use]
    pub fn chmod(mut self, mode: Mode) -> Self {
        self.chmod = Some(mode);
        self
    }

    /// Sets the owner.
    #[must_use]
    pub fn chown(mut self, owner: Owner) -> Self {
        self.chown = Some(owner);
        self
    }
}

impl ImageSettings {
    /// Sets the command that always runs.
    #[must_use]
    pub fn entrypoint(mut self, argv: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.entrypoint = Some(texts(argv));
        self
    }

    /// Sets the arguments that may be replaced, or the command.
    #[must_use]
    pub fn cmd(mut self, argv: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.cmd = Some(texts(argv));
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Sets the user.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn workdir(mut self, path: impl Into<String>) -> Self {
        self.workdir = Some(path.into());
        self
    }

    /// Sets a label.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// Adds a port.
    #[must_use]
    pub fn expose(mut self, port: impl Into<String>) -> Self {
        self.expose.push(port.into());
        self
    }
}

impl Prepare {
    /// Returns the command.
    pub fn new(command: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { command: texts(command), dependencies: Vec::new(), inherit: Vec::new(), env: BTreeMap::new() }
    }

    /// Sets what the outcome depends on.
    #[must_use]
    pub fn dependencies(mut self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.dependencies = texts(paths);
        self
    }

    /// Sets the variables of the world's environment that the outcome depends on.
    #[must_use]
    pub fn inherit(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.inherit = texts(names);
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }
}

impl PluginConfig for NativeConfig {
    const KIND: &'static str = "native";
    type Plugin = Native;

    fn into_plugin(self, _catalog: &Catalog) -> Result<Native> {
        Native::new(self)
    }
}

#[cfg(test)]
mod tests {
    use shipway_core::ErrorKind;

    use super::*;

    fn read(text: &str) -> Result<NativeConfig, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn options_are_read_and_unknown_ones_refused() {
        let config = read(
            r#"{"base": "scratch", "files": [{"from": "a", "to": "/a", "chmod": "0755", "chown": "1"}],
                "config": {"entrypoint": ["/a"], "env": {"A": "b"}}, "prepare": [{"command": ["make"]}]}"#,
        );
        let expected = NativeConfig::default()
            .base("scratch")
            .file(FileCopy::new("a", "/a").chmod(Mode::new(0o755).unwrap()).chown(Owner::new(1, 1)))
            .config(ImageSettings::default().entrypoint(["/a"]).env("A", "b"))
            .prepare(Prepare::new(["make"]));
        assert_eq!(config.unwrap(), expected);
        assert!(expected.clone().into_plugin(&Catalog::new()).is_ok());
        let again = serde_json::to_string(&expected).unwrap();
        assert_eq!(read(&again).unwrap(), expected);
        for bad in [
            r#"{"dockerFile": "x"}"#,
            r#"{"config": {"volumes": []}}"#,
            r#"{"files": [{"from": "a"}]}"#,
            r#"{"files": [{"from": "a", "to": "b", "mode": "1"}]}"#,
            r#"{"files": [{"from": "a", "to": "b", "chmod": "u+x"}]}"#,
            r#"{"prepare": [{"command": "make"}]}"#,
            r#"{"compression": {"format": "xz"}}"#,
            r#"{"compression": {"threads": 2}}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn options_that_do_not_fit_together_are_refused() {
        let none = NativeConfig::default;
        assert_eq!(none().dockerfile_path(), Some("Dockerfile"));
        for bad in [
            none().dockerfile("x").base("scratch"),
            none().dockerfile("x").file(FileCopy::new("a", "b")),
            none().file(FileCopy::new("a", "b")),
            none().base("scratch").arg("A", "b"),
            none().base("scratch").target("a"),
            none().base("scratch").prepare(Prepare::new([""])),
            none().compression(LayerCompression::gzip().level(13)),
            none().compression(LayerCompression::zstd().level(0)),
        ] {
            let error = bad.clone().into_plugin(&Catalog::new()).expect_err("wrong");
            assert_eq!(error.kind(), ErrorKind::Config, "{bad:?}");
            assert!(error.report().hint.is_some(), "{bad:?}");
        }
    }
}
