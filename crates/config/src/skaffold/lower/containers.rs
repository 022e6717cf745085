//! Containers that are run: `verify`, and the one of the `customActions` that is asked for.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::{Map, Value};
use shipway_core::{
    Capabilities, Command, Context, Error, ErrorKind, Exit, Part, Policy, Result, RunRequest, Runner, Step,
    Store, Volume, did_you_mean,
};
use shipway_yaml::Document;

use super::{Lower, located};
use crate::skaffold::model::{Container, CustomAction, ExecutionMode, VerifyTest};

/// Containers that are to be run, and where they are told.
#[derive(Debug)]
pub(super) struct Containers {
    /// The name before those of the containers' steps.
    prefix: String,
    containers: Vec<(String, Container)>,
    mode: ExecutionMode,
    timeout: Option<Duration>,
    /// Without content, for places alone.
    document: Document,
    kube_context: Option<String>,
}

impl Lower<'_> {
    /// Notes the containers of `verify`, or of the action that is asked for.
    pub(super) fn containers(
        &mut self,
        tests: Vec<VerifyTest>,
        actions: Vec<CustomAction>,
        kube_context: Option<&str>,
        document: &Document,
    ) {
        let document = Document::new(document.file.as_path(), shipway_yaml::Node::mapping(Vec::new()));
        let seconds = |timeout: Option<u64>| timeout.filter(|&seconds| seconds > 0).map(Duration::from_secs);
        if self.options.command == "verify" {
            // All of them run and are told, as with Skaffold.
            self.keep_going = true;
            for test in tests {
                self.asked.push(Containers {
                    prefix: String::new(),
                    containers: vec![(test.name.value, test.container)],
                    mode: test.execution_mode,
                    timeout: seconds(test.timeout),
                    document: document.clone(),
                    kube_context: kube_context.map(str::to_owned),
                });
            }
            return;
        }
        for action in actions {
            self.actions.push(action.name.value.clone());
            if self.options.action.as_deref() != Some(&*action.name.value) {
                continue;
            }
            self.keep_going = action.fail_fast == Some(false);
            let named = |container: Container| (container.name.value.clone(), container);
            self.asked.push(Containers {
                prefix: format!("{}/", action.name.value),
                containers: action.containers.into_iter().map(named).collect(),
                mode: action.execution_mode,
                timeout: seconds(action.timeout),
                document: document.clone(),
                kube_context: kube_context.map(str::to_owned),
            });
        }
    }

    /// Adds a step for each container, and leaves only the builds of images that they run in.
    pub(super) fn run_containers(&mut self) -> Result<()> {
        match (self.options.command.as_str(), &self.options.action) {
            ("verify", _) if self.asked.is_empty() => {
                return Err(Error::config("the configuration has no tests of `verify`")
                    .hint("say in `verify` which containers prove what is deployed"));
            }
            ("exec", Some(action)) if self.asked.is_empty() => {
                let error = Error::config(format!("the configuration has no action `{action}`"));
                return Err(match did_you_mean(action, self.actions.iter().map(String::as_str)) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None if self.actions.is_empty() => error.hint("say in `customActions` what it is"),
                    None => error.hint(format!("it has these: {}", self.actions.join(", "))),
                });
            }
            ("verify" | "exec", _) => {}
            _ => return Ok(()),
        }
        let mut used = Vec::new();
        for asked in std::mem::take(&mut self.asked) {
            for (name, container) in &asked.containers {
                let location = asked.document.location(container.image.span);
                let step = self.container_step(name, container, &asked);
                let step = step.map_err(|error| located(error, location.clone()))?;
                if self.pipeline.steps.iter().any(|other| other.name == step.name) {
                    return Err(Error::config(format!("two containers are called `{name}`"))
                        .at(asked.document.location(container.name.span))
                        .hint("give one another name"));
                }
                used.extend(step.image_of.clone());
                self.pipeline.steps.push(step);
            }
        }
        let steps = std::mem::take(&mut self.pipeline.steps);
        let pipeline = std::mem::replace(&mut self.pipeline, shipway_core::Pipeline::new(""));
        self.pipeline = pipeline.only(|artifact| used.contains(&artifact.name));
        self.pipeline.steps = steps;
        Ok(())
    }

    fn container_step(&self, name: &str, container: &Container, asked: &Containers) -> Result<Step> {
        // A step's name has no blanks.
        let name: String =
            name.chars().map(|c| if c.is_whitespace() || c.is_control() { '-' } else { c }).collect();
        let image = &container.image.value;
        let built = self.pipeline.builds.iter().any(|build| build.artifact.name == *image);
        let runner = self.runner(asked, (!built).then_some(image))?;
        let mut words = container.command.iter().chain(&container.args).cloned();
        // Without a program of its own it is the image's entrypoint that gets the arguments.
        let program = if container.command.is_empty() { None } else { words.next() };
        let mut env = self.options.container_env.clone();
        for variable in &container.env {
            env.entry(variable.name.clone()).or_insert_with(|| variable.value.clone());
        }
        let command = Command::new(program.unwrap_or_default()).args(words.collect::<Vec<_>>()).env(env);
        let step = Step::run(format!("{}{name}", asked.prefix), runner, RunRequest::new(command))
            .policy(Policy::default().timeout(asked.timeout));
        Ok(if built { step.in_image_of(image) } else { step })
    }

    /// Returns who runs a container, in this image where it is none of an artifact's.
    fn runner(&self, asked: &Containers, image: Option<&String>) -> Result<Arc<dyn Runner>> {
        let mut options = Map::new();
        let Some(cluster) = &asked.mode.kubernetes_cluster else {
            let endpoint = self.options.docker_endpoint.clone();
            let said = [("endpoint", endpoint), ("network", self.options.docker_network.clone())];
            options
                .extend(said.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))));
            let runner = self.catalog.runner(&Part::new("docker").options(options))?;
            let Some(image) = image else { return Ok(runner) };
            let engine = Store::Daemon(
                self.options
                    .docker_endpoint
                    .clone()
                    .unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned()),
            );
            let mut stores = vec![Store::Registry, engine];
            if asked.mode.local.as_ref().is_some_and(|local| local.use_local_images) {
                stores.reverse();
            }
            return Ok(Arc::new(InImage { runner, image: image.clone(), stores }));
        };
        for (field, said) in
            [("overrides", &cluster.overrides), ("jobManifestPath", &cluster.job_manifest_path)]
        {
            if let Some(said) = said {
                return Err(Error::unsupported(format!("`{field}` is not supported yet"))
                    .at(asked.document.location(said.span))
                    .hint("take it out"));
            }
        }
        let context = self.options.kube_context.as_ref().or(asked.kube_context.as_ref());
        let context = context.ok_or_else(|| {
            Error::config("a container is to run in a cluster, and none is named")
                .hint("name a context of the kubeconfig, with `--kube-context` or in `deploy.kubeContext`")
        })?;
        options.insert("context".to_owned(), Value::from(context.as_str()));
        for (name, value) in [("namespace", self.options.namespace.as_ref()), ("image", image)] {
            options.extend(value.map(|value| (name.to_owned(), Value::from(value.as_str()))));
        }
        self.catalog.runner(&Part::new("kubernetes_job").options(options))
    }
}

/// Runs commands in an image that is no artifact's: the first of these stores that has it says which one it is.
#[derive(Debug)]
struct InImage {
    runner: Arc<dyn Runner>,
    image: String,
    stores: Vec<Store>,
}

#[async_trait]
impl Runner for InImage {
    fn capabilities(&self) -> Capabilities {
        self.runner.capabilities()
    }

    async fn open(&self, cx: &Context, volume: &Volume) -> Result<()> {
        self.runner.open(cx, volume).await
    }

    async fn run(&self, cx: &Context, request: &RunRequest) -> Result<Exit> {
        let mut away = None;
        for store in &self.stores {
            match cx.images().find(cx, store, &self.image).await {
                Ok(Some(image)) => return self.runner.run(cx, &request.clone().image(image)).await,
                Ok(None) => {}
                // The other one may have it all the same.
                Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Auth) => {
                    away.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(away.unwrap_or_else(|| {
            Error::not_found(format!("there is no image `{}`", self.image))
                .hint("name one of a registry, of the container engine, or of an artifact")
        }))
    }

    async fn close(&self, cx: &Context, volume: &Volume) -> Result<()> {
        self.runner.close(cx, volume).await
    }
}
