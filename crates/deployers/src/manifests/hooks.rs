//! Commands before and after a rendering, which a user wrote.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use shipway_core::{Command, Context, Error, ErrorKind, Level, Result};

use super::{
    joined_texts,
    piece::{Piece, again},
};
use crate::releases::hide_secrets;

/// Commands before and after manifests are rendered; `manifests.hooks` of a `skaffold.yaml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ManifestHooks {
    /// What runs before, one after the other.
    pub before: Vec<ManifestHook>,
    /// What runs after, one after the other, each with the manifests on its standard input.
    pub after: Vec<ManifestHook>,
}

/// A command before or after a rendering.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ManifestHook {
    /// A command on this machine.
    pub host: HostHook,
}

/// A command on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct HostHook {
    /// The program and its arguments; never a line for a shell.
    pub command: Vec<String>,
    /// The operating systems on which it runs, in Go's words (`linux`, `darwin`); all where there are none.
    pub os: Vec<String>,
    /// The folder that it runs in.
    pub dir: PathBuf,
    /// Whether what it prints are the manifests from then on; only after a rendering.
    pub with_change: bool,
}

impl From<HostHook> for ManifestHook {
    fn from(host: HostHook) -> Self {
        Self { host }
    }
}

impl HostHook {
    /// Returns the hook that runs a program with its arguments on every operating system.
    pub fn new<W: Into<String>>(command: impl IntoIterator<Item = W>) -> Self {
        Self { command: command.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Sets the operating systems on which it runs.
    #[must_use]
    pub fn os<W: Into<String>>(mut self, systems: impl IntoIterator<Item = W>) -> Self {
        self.os = systems.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the folder that it runs in; that of the manifests by default.
    #[must_use]
    pub fn dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.dir = folder.into();
        self
    }

    /// Sets whether what it prints are the manifests from then on.
    #[must_use]
    pub fn with_change(mut self, change: bool) -> Self {
        self.with_change = change;
        self
    }
}

/// What hooks are told.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) folder: PathBuf,
    pub(crate) context: String,
    pub(crate) namespaces: String,
}

impl ManifestHooks {
    /// Adds a command before.
    #[must_use]
    pub fn before(mut self, hook: HostHook) -> Self {
        self.before.push(hook.into());
        self
    }

    /// Adds a command after.
    #[must_use]
    pub fn after(mut self, hook: HostHook) -> Self {
        self.after.push(hook.into());
        self
    }

    /// Returns an error for a hook that cannot be run as it is written.
    pub(crate) fn check(&self) -> Result<()> {
        let mut hooks = self.before.iter().chain(&self.after);
        if hooks.any(|hook| hook.host.command.is_empty()) {
            return Err(Error::config("a hook of the manifests has no command")
                .hint("write `host: {command: [program, argument]}`"));
        }
        if self.before.iter().any(|hook| hook.host.with_change) {
            return Err(Error::config("a hook before a rendering has no manifests to change")
                .hint("take `withChange` out, or run it after"));
        }
        Ok(())
    }

    /// Runs what is before a rendering.
    pub(super) async fn run_before(&self, cx: &Context, around: &Surroundings) -> Result<()> {
        for hook in &self.before {
            hook.host.run(cx, around, None, "before").await?;
        }
        Ok(())
    }

    /// Runs what is after a rendering, and returns the manifests; absent where no hook changed them.
    pub(super) async fn run_after(
        &self,
        cx: &Context,
        around: &Surroundings,
        rendered: &[Piece],
    ) -> Result<Option<Vec<Piece>>> {
        let mut changed = None;
        for hook in &self.after {
            let now = changed.as_deref().unwrap_or(rendered);
            // A hook may print what it reads.
            let objects = now.iter().map(|piece| Ok((piece.id(), piece.object()?)));
            let objects = objects.collect::<Result<Vec<_>>>()?;
            hide_secrets(cx, objects.iter().map(|(id, object)| (*id, object)));
            let text = joined_texts(now.iter().map(|piece| &*piece.manifest.text));
            if let Some(text) = hook.host.run(cx, around, Some(text), "after").await? {
                changed = Some(hook.host.read(&text, now)?);
            }
        }
        Ok(changed)
    }
}

impl HostHook {
    /// Runs the command and returns what it printed, where that is what the manifests are from now on.
    async fn run(
        &self,
        cx: &Context,
        around: &Surroundings,
        input: Option<String>,
        when: &str,
    ) -> Result<Option<String>> {
        let shown = self.command.join(" ");
        let here = match std::env::consts::OS {
            "macos" => "darwin",
            other => other,
        };
        if !(self.os.is_empty() || self.os.iter().any(|os| os == here)) {
            let systems = self.os.join(", ");
            cx.message(
                Level::Info,
                format!("the hook `{shown}` is not run: it is for {systems}, and this is {here}"),
            );
            return Ok(None);
        }
        let mut command = Command::from_argv(&self.command)?
            .dir(around.folder.join(&self.dir))
            .capture(self.with_change)
            // Skaffold: hooks/env.go.
            .env([
                ("SKAFFOLD_KUBE_CONTEXT".to_owned(), around.context.clone()),
                ("SKAFFOLD_NAMESPACES".to_owned(), around.namespaces.clone()),
                ("SKAFFOLD_WORK_DIR".to_owned(), cx.root().display().to_string()),
            ]);
        if let Some(input) = input {
            command = command.stdin(input);
        }
        let told = |error: Error| match error.kind() {
            ErrorKind::MissingTool | ErrorKind::ToolFailed => {
                error.note(format!("it is a hook {when} the manifests are rendered"))
            }
            _ => error,
        };
        let exit = cx.run(command).await.and_then(|exit| exit.success(&shown)).map_err(told)?;
        Ok(self.with_change.then_some(exit.stdout))
    }

    /// Reads what the command printed.
    fn read(&self, text: &str, before: &[Piece]) -> Result<Vec<Piece>> {
        let shown = self.command.join(" ");
        let printed = again(&shown, text, before)?;
        if printed.is_empty() {
            return Err(Error::bad_output(format!("the hook `{shown}` prints no manifests"))
                .hint("print what is read on standard input, or take `withChange` out"));
        }
        Ok(printed)
    }
}
