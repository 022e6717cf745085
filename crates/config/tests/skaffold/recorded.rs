//! A catalog whose plug-ins only know what they were made of, so that a pipeline can be shown as text.

use std::fmt::Write as _;

use async_trait::async_trait;
use serde::Deserialize;
use shipway_config::{Loaded, Options, Skaffold, Trust};
use shipway_core::*;

/// The options of a kind, whatever they are.
macro_rules! kinds {
    ($($name:ident $kind:literal)*) => {$(
        #[derive(Debug, Deserialize)]
        #[serde(transparent)]
        struct $name(serde_json::Value);

        impl PluginConfig for $name {
            const KIND: &'static str = $kind;
            type Plugin = Recorded;

            fn into_plugin(self, _catalog: &Catalog) -> Result<Recorded> {
                Ok(Recorded(format!("{} {}", $kind, self.0)))
            }
        }
    )*};
}

kinds! {
    Docker "docker" Native "native" Custom "custom" Pages "pages" Kaniko "kaniko"
    GitCommit "gitCommit" Sha256 "sha256" DateTime "dateTime" EnvTemplate "envTemplate"
    CustomTemplate "customTemplate" InputDigest "inputDigest" Fixed "fixed" Counter "counter"
    Structure "structure" CommandTest "command"
    Kubectl "kubectl" Gitops "gitops" Helm "helm"
    KubernetesJob "kubernetes_job" KubernetesExec "kubernetes_exec"
}

/// A catalog with the kinds that Skaffold's words become, and some of our own.
pub(crate) fn catalog() -> Catalog {
    without_deployers().with_deployer::<Kubectl>().with_deployer::<Gitops>().with_deployer::<Helm>()
}

pub(crate) fn without_deployers() -> Catalog {
    Catalog::new()
        .with_builder::<Docker>()
        .with_builder::<Native>()
        .with_builder::<Custom>()
        .with_builder::<Pages>()
        .with_builder::<Kaniko>()
        .with_tagger::<GitCommit>()
        .with_tagger::<Sha256>()
        .with_tagger::<DateTime>()
        .with_tagger::<EnvTemplate>()
        .with_tagger::<CustomTemplate>()
        .with_tagger::<InputDigest>()
        .with_tagger::<Fixed>()
        .with_tagger::<Counter>()
        .with_tester::<Structure>()
        .with_tester::<CommandTest>()
        .with_runner::<Docker>()
        .with_runner::<KubernetesJob>()
        .with_runner::<KubernetesExec>()
}

/// Reads a file that is trusted, and shows the pipeline and what is said about it.
pub(crate) fn read(text: &str, options: &Options) -> Result<String> {
    read_as_said(text, &options.clone().trust(Trust::Full))
}

/// Reads a file that is trusted as far as the options say.
pub(crate) fn read_as_said(text: &str, options: &Options) -> Result<String> {
    let skaffold = Skaffold::read("skaffold.yaml", text, options.clone(), &catalog())?;
    Ok(show(&skaffold.pipeline(&catalog())?))
}

/// Reads a body of the newest version.
pub(crate) fn newest(body: &str) -> Result<String> {
    newest_with(body, &Options::default())
}

pub(crate) fn newest_with(body: &str, options: &Options) -> Result<String> {
    read(&format!("apiVersion: skaffold/v4beta14\nkind: Config\n{body}"), options)
}

/// The error of a file, as a person sees it.
pub(crate) fn error(result: Result<String>) -> String {
    result.expect_err("the file is refused").report().to_string()
}

pub(crate) fn show(loaded: &Loaded) -> String {
    let mut text = format!("pipeline {}\n", loaded.pipeline.name);
    for build in &loaded.pipeline.builds {
        let Artifact { name, context, requires, platforms, .. } = &build.artifact;
        writeln!(text, "build {name} in {} into {:?} {}", context.display(), build.stores, build.repository)
            .unwrap();
        writeln!(text, "  by {:?}", build.builder).unwrap();
        if let Some(tagger) = &build.tagger {
            writeln!(text, "  named by {tagger:?}").unwrap();
        }
        if !platforms.is_empty() {
            let platforms: Vec<String> = platforms.iter().map(ToString::to_string).collect();
            writeln!(text, "  for {}", platforms.join(", ")).unwrap();
        }
        for (alias, name) in requires {
            writeln!(text, "  with {name} as {alias}").unwrap();
        }
        for after in &build.after {
            writeln!(text, "  after {after}").unwrap();
        }
        for (name, tester) in &build.testers {
            writeln!(text, "  tested as {name} by {tester:?}").unwrap();
        }
    }
    for deploy in &loaded.pipeline.deploys {
        writeln!(text, "deploy {} by {:?}", deploy.release.name, deploy.deployer).unwrap();
        if deploy.watch != Watch::default() {
            writeln!(text, "  watched for {:?}", deploy.watch.timeout).unwrap();
        }
        for after in &deploy.after {
            writeln!(text, "  after {after}").unwrap();
        }
        if let Some(namespace) = &deploy.release.namespace {
            writeln!(text, "  in namespace {namespace}").unwrap();
        }
    }
    for step in &loaded.pipeline.steps {
        let StepWork::Run { runner, request } = &step.work else { panic!("{step:?}") };
        writeln!(text, "step {} by {runner:?}", step.name).unwrap();
        let Command { program, args, env, dir, .. } = &request.command;
        writeln!(text, "  {program:?} {args:?}").unwrap();
        for (name, value) in env {
            writeln!(text, "  {name}={value}").unwrap();
        }
        if let Some(dir) = dir {
            writeln!(text, "  in {}", dir.display()).unwrap();
        }
        if let Some(artifact) = &step.image_of {
            writeln!(text, "  in the image of {artifact}").unwrap();
        }
        for after in &step.after {
            writeln!(text, "  after {after}").unwrap();
        }
        if let Some(timeout) = step.policy.timeout {
            writeln!(text, "  for {timeout:?} at most").unwrap();
        }
    }
    if loaded.keep_going {
        writeln!(text, "all is done, whatever fails").unwrap();
    }
    if !loaded.profiles.is_empty() {
        writeln!(text, "profiles {}", loaded.profiles.join(", ")).unwrap();
    }
    if !loaded.insecure_registries.is_empty() {
        writeln!(text, "insecure {}", loaded.insecure_registries.join(", ")).unwrap();
    }
    for notice in &loaded.notices {
        writeln!(text, "notice {notice}").unwrap();
    }
    text
}

/// A plug-in that does nothing.
pub(crate) struct Recorded(String);

impl std::fmt::Debug for Recorded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn nothing<T>() -> Result<T> {
    Err(Error::unsupported("a recorded plug-in does nothing"))
}

#[async_trait]
impl Builder for Recorded {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
    }

    async fn inputs(&self, _cx: &Context, _artifact: &Artifact) -> Result<Inputs> {
        nothing()
    }

    async fn build(&self, _cx: &Context, _request: &BuildRequest) -> Result<Image> {
        nothing()
    }
}

#[async_trait]
impl Runner for Recorded {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
    }

    async fn open(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
        nothing()
    }

    async fn run(&self, _cx: &Context, _request: &RunRequest) -> Result<Exit> {
        nothing()
    }

    async fn close(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
        nothing()
    }
}

#[async_trait]
impl Tagger for Recorded {
    fn needs_fingerprint(&self) -> bool {
        false
    }

    async fn tag(&self, _cx: &Context, _request: &TagRequest) -> Result<Tag> {
        nothing()
    }
}

#[async_trait]
impl Tester for Recorded {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
    }

    async fn inputs(&self, _cx: &Context) -> Result<Inputs> {
        nothing()
    }

    async fn test(&self, _cx: &Context, _subject: &Subject) -> Result<TestReport> {
        nothing()
    }
}

#[async_trait]
impl Deployer for Recorded {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
    }

    async fn inputs(&self, _cx: &Context) -> Result<Inputs> {
        nothing()
    }

    async fn render(&self, _cx: &Context, _release: &Release) -> Result<Manifests> {
        nothing()
    }

    async fn history(&self, _cx: &Context, _release: &str) -> Result<Vec<Deployment>> {
        nothing()
    }

    async fn diff(&self, _cx: &Context, _desired: &Desired) -> Result<ChangeSet> {
        nothing()
    }

    async fn apply(&self, _cx: &Context, _changes: &ChangeSet) -> Result<Deployment> {
        nothing()
    }

    async fn health(&self, _cx: &Context, _deployment: &Deployment) -> Result<Health> {
        nothing()
    }
}
