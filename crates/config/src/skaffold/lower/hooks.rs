//! Commands around the phases: of an artifact's build around its builder, of all builds and of a release as steps.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use async_trait::async_trait;
use shipway_core::{
    Artifact, BuildRequest, Builder, Capabilities, Command, Context, Error, Exit, Image, Inputs, Level, Need,
    Part, Result, RunRequest, Runner, Step, StoreKind, Volume,
};

use super::Lower;
use crate::skaffold::model::{ContainerHook, DeployHook, Hooks, HostHook};

/// What every hook is told, as Skaffold documents it; what a hook's phase knows besides is added.
#[derive(Clone, Debug, Default)]
pub(super) struct Told(BTreeMap<String, String>);

impl Told {
    fn with(&self, more: impl IntoIterator<Item = (&'static str, String)>) -> BTreeMap<String, String> {
        let mut all = self.0.clone();
        all.extend(more.into_iter().map(|(name, value)| (format!("SKAFFOLD_{name}"), value)));
        all
    }
}

/// A builder with commands before and after each build that is really made.
#[derive(Debug)]
pub(super) struct Hooked {
    pub(super) builder: Arc<dyn Builder>,
    pub(super) hooks: Hooks<HostHook>,
    pub(super) told: Told,
}

#[async_trait]
impl Builder for Hooked {
    fn capabilities(&self) -> Capabilities {
        self.builder.capabilities()
    }

    async fn inputs(&self, cx: &Context, artifact: &Artifact) -> Result<Inputs> {
        let mut inputs = self.builder.inputs(cx, artifact).await?;
        // What runs before a build may decide what is built.
        inputs.facts.insert("hooks".to_owned(), format!("{:?}", self.hooks));
        Ok(inputs)
    }

    async fn build(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        let target = &request.target;
        let env = self.told.with([
            ("IMAGE", target.reference()),
            ("PUSH_IMAGE", (target.store.kind() == StoreKind::Registry).to_string()),
            ("IMAGE_REPO", target.repository.clone()),
            ("IMAGE_TAG", target.tag.to_string()),
            ("BUILD_CONTEXT", cx.path(&request.artifact.context).display().to_string()),
            ("WORK_DIR", cx.root().display().to_string()),
        ]);
        for hook in &self.hooks.before {
            hook.run(cx, &env).await?;
        }
        let image = self.builder.build(cx, request).await?;
        for hook in &self.hooks.after {
            hook.run(cx, &env).await?;
        }
        Ok(image)
    }
}

impl HostHook {
    fn fits(&self) -> bool {
        // As Go calls it.
        let system = if cfg!(target_os = "macos") { "darwin" } else { std::env::consts::OS };
        self.os.is_empty() || self.os.iter().any(|wanted| wanted == system)
    }

    fn command(&self) -> Result<Command> {
        let dir = self.dir.as_ref().filter(|dir| !dir.is_empty()).map(PathBuf::from);
        Ok(Command::from_argv(&self.command)?.dir(dir))
    }

    async fn run(&self, cx: &Context, env: &BTreeMap<String, String>) -> Result<()> {
        if !self.fits() {
            cx.message(Level::Info, format!("`{}` is for {}", self.command.join(" "), self.os.join(", ")));
            return Ok(());
        }
        let exit = cx.run(self.command()?.env(env.clone())).await?;
        exit.success(&self.command[0]).map(drop)
    }
}

/// Runs a hook of the host as a step.
#[derive(Debug)]
struct Here {
    hook: HostHook,
    told: Told,
}

#[async_trait]
impl Runner for Here {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
    }

    async fn open(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
        Err(Error::unsupported("a hook has no volumes"))
    }

    async fn run(&self, cx: &Context, _request: &RunRequest) -> Result<Exit> {
        let env = self
            .told
            .with([("RUN_ID", cx.run_id().to_owned()), ("WORK_DIR", cx.root().display().to_string())]);
        self.hook.run(cx, &env).await.map(|()| Exit::new(0))
    }

    async fn close(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
        Err(Error::unsupported("a hook has no volumes"))
    }
}

impl Lower<'_> {
    /// Returns what hooks are told: the settings that Skaffold tells them, and the cluster's where it is known.
    pub(super) fn told(&self, kube_context: Option<&str>, namespaces: &[String]) -> Told {
        let options = self.options;
        let mut told = Told::default();
        if let Some(repository) = &options.default_repo {
            told.0 = told.with([("DEFAULT_REPO", repository.clone())]);
        }
        if let Some(multi_level) = options.multi_level_repo {
            told.0 = told.with([("MULTI_LEVEL_REPO", multi_level.to_string())]);
        }
        if let Some(context) = kube_context {
            told.0 = told.with([("KUBE_CONTEXT", context.to_owned()), ("NAMESPACES", namespaces.join(","))]);
        }
        told
    }

    /// Adds hooks of the host as steps, each after the one before it; returns what is after the last one.
    pub(super) fn host_steps(
        &mut self,
        name: &str,
        hooks: Vec<HostHook>,
        told: &Told,
        after: BTreeSet<Need>,
    ) -> Result<BTreeSet<Need>> {
        let mut last = after;
        for (number, hook) in (1..).zip(hooks) {
            let command = hook.command()?;
            let runner = Arc::new(Here { hook, told: told.clone() });
            last = self.step(Step::run(format!("{name}-{number}"), runner, RunRequest::new(command)), last);
        }
        Ok(last)
    }

    /// Adds the hooks of a release as steps, each after the one before it; returns what is after the last one.
    pub(super) fn deploy_steps(
        &mut self,
        name: &str,
        hooks: Vec<DeployHook>,
        at: &Cluster<'_>,
        after: BTreeSet<Need>,
    ) -> Result<BTreeSet<Need>> {
        let mut last = after;
        let told = self.told(at.context, at.namespaces);
        for (number, hook) in (1..).zip(hooks) {
            let name = format!("{name}-{number}");
            let step = match (hook.host, hook.container) {
                (Some(hook), None) => {
                    let command = hook.command()?;
                    Step::run(name, Arc::new(Here { hook, told: told.clone() }), RunRequest::new(command))
                }
                (None, Some(hook)) => {
                    let command = Command::from_argv(&hook.command)?;
                    Step::run(name, self.in_containers(&hook, at)?, RunRequest::new(command))
                }
                _ => {
                    return Err(Error::config("a hook is either of the `host` or of a `container`")
                        .hint("write one of them in each item"));
                }
            };
            last = self.step(step, last);
        }
        Ok(last)
    }

    fn in_containers(&self, hook: &ContainerHook, at: &Cluster<'_>) -> Result<Arc<dyn Runner>> {
        let options = serde_json::json!({
            "context": at.context,
            "namespaces": at.namespaces,
            "pod": hook.pod_name,
            "container": hook.container_name,
        });
        self.catalog.runner(&Part::with_options("kubernetes_exec", &options)?)
    }

    fn step(&mut self, step: Step, after: BTreeSet<Need>) -> BTreeSet<Need> {
        let need = Need::step(step.name.as_str());
        self.pipeline.steps.push(step.after(after));
        BTreeSet::from([need])
    }
}

/// Where hooks of a release run.
pub(super) struct Cluster<'a> {
    pub(super) context: Option<&'a str>,
    pub(super) namespaces: &'a [String],
}
