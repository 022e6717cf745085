//! The tester `container`: a program in a container judges an image, or what is deployed, by its exit code.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shipway_core::{
    Capabilities, Case, CaseOutcome, Catalog, Command, Context, Deployment, Error, ErrorKind, Image, Inputs,
    Part, PluginConfig, Result, RunRequest, Runner, Subject, TestReport, Tester, did_you_mean,
};
use shipway_oci::digest_of;

/// Options of [`ContainerTest`]; `command` and `args` as a container of Kubernetes has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct ContainerTestConfig {
    /// Who runs it: a kind of runner, and its options.
    pub runner: Part,
    /// The name of its case; `container` by default.
    #[serde(default)]
    pub name: Option<String>,
    /// The artifact in whose image it runs, one of the release that is judged; otherwise the image that is judged, or, for a
    /// release, the runner's own.
    #[serde(default)]
    pub image: Option<String>,
    /// The program and what comes first of its arguments; the image's entrypoint by default.
    #[serde(default)]
    pub command: Vec<String>,
    /// Further arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Variables.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// How long it may take; for ever when absent or 0.
    #[serde(default)]
    pub timeout_seconds: Option<u64>,
}

impl PluginConfig for ContainerTestConfig {
    const KIND: &'static str = "container";
    type Plugin = ContainerTest;

    fn into_plugin(self, catalog: &Catalog) -> Result<ContainerTest> {
        let test = ContainerTest::new(catalog.runner(&self.runner)?)
            .command(self.command)
            .args(self.args)
            .env(self.env)
            .timeout(self.timeout_seconds.filter(|&seconds| seconds > 0).map(Duration::from_secs));
        let test = self.name.into_iter().fold(test, ContainerTest::name);
        Ok(self.image.into_iter().fold(test, ContainerTest::image))
    }
}

/// Judges an image or a deployment by a command that a runner runs: code 0 is good, any other is not.
///
/// Beside a release it is what proves the release: it runs when the release is healthy, and a failure brings the earlier
/// one back.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use shipway_core::{Deploy, Runner};
/// use shipway_testers::ContainerTest;
///
/// # fn tested(deploy: Deploy, runner: Arc<dyn Runner>) -> Deploy {
/// // In the image of the artifact `smoke`.
/// let smoke = ContainerTest::new(runner).image("smoke").args(["--url=http://web.shop"]);
/// deploy.tester("smoke", Arc::new(smoke))
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ContainerTest {
    runner: Arc<dyn Runner>,
    name: String,
    image: Option<String>,
    command: Vec<String>,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    timeout: Option<Duration>,
}

impl ContainerTest {
    /// Returns the tester that runs the entrypoint of the image that is judged.
    pub fn new(runner: Arc<dyn Runner>) -> Self {
        Self {
            runner,
            name: "container".to_owned(),
            image: None,
            command: Vec::new(),
            args: Vec::new(),
            env: BTreeMap::new(),
            timeout: None,
        }
    }

    /// Sets the name of its case.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the artifact in whose image it runs, one of the release that is judged.
    #[must_use]
    pub fn image(mut self, artifact: impl Into<String>) -> Self {
        self.image = Some(artifact.into());
        self
    }

    /// Sets the program and what comes first of its arguments, in the place of the image's entrypoint.
    #[must_use]
    pub fn command<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.command = words.into_iter().map(Into::into).collect();
        self
    }

    /// Sets further arguments.
    #[must_use]
    pub fn args<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.args = words.into_iter().map(Into::into).collect();
        self
    }

    /// Sets variables.
    #[must_use]
    pub fn env(mut self, variables: BTreeMap<String, String>) -> Self {
        self.env = variables;
        self
    }

    /// Sets how long it may take; for ever by default.
    #[must_use]
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    fn request(&self) -> RunRequest {
        let mut words = self.command.iter().chain(&self.args).cloned();
        // Without a program of its own it is the image's entrypoint that gets the arguments.
        let program = if self.command.is_empty() { None } else { words.next() };
        let command = Command::new(program.unwrap_or_default()).args(words.collect::<Vec<_>>());
        RunRequest::new(command.env(self.env.clone()))
    }

    fn called(&self) -> &str {
        self.command.first().map_or("the image's entrypoint", String::as_str)
    }

    fn image_of(&self, subject: &Subject) -> Result<Option<Image>> {
        match (subject, &self.image) {
            (Subject::Image(image), None) => Ok(Some(image.clone())),
            (Subject::Image(image), Some(name)) if *name == image.name => Ok(Some(image.clone())),
            (Subject::Image(image), Some(name)) => Err(self.lacks(name, std::slice::from_ref(image))),
            (Subject::Deployment(_), None) => Ok(None),
            (Subject::Deployment(deployment), Some(name)) => {
                let images = images(deployment);
                match images.iter().find(|image| image.name == *name) {
                    Some(image) => Ok(Some(image.clone())),
                    None => Err(self.lacks(name, images)),
                }
            }
            _ => Err(Error::unsupported("tester `container` judges images and deployments")),
        }
    }

    fn lacks(&self, name: &str, images: &[Image]) -> Error {
        let error =
            Error::config(format!("test `{}` runs in the image of `{name}`, which is not there", self.name));
        match did_you_mean(name, images.iter().map(|image| image.name.as_str())) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint("name an artifact of what is judged, or let the runner name an image"),
        }
    }
}

fn images(deployment: &Deployment) -> &[Image] {
    &deployment.manifests.release.images
}

#[async_trait]
impl Tester for ContainerTest {
    fn capabilities(&self) -> Capabilities {
        let runner = self.runner.capabilities();
        Capabilities::new().limits(runner.limits).reads(runner.reads)
    }

    async fn inputs(&self, _cx: &Context) -> Result<Inputs> {
        let words = format!("{:?} {:?}", self.command, self.args);
        // A variable may be a secret, which is none of a fact's.
        let variables = digest_of(format!("{:?}", self.env).as_bytes());
        Ok(Inputs::default().facts(BTreeMap::from([
            ("tester".to_owned(), format!("container {}", env!("CARGO_PKG_VERSION"))),
            ("command".to_owned(), words),
            ("variables".to_owned(), variables.to_string()),
            ("in the image of".to_owned(), self.image.clone().unwrap_or_default()),
        ])))
    }

    async fn test(&self, cx: &Context, subject: &Subject) -> Result<TestReport> {
        let request = self.request().image(self.image_of(subject)?);
        let began = cx.clock().elapsed();
        let within = cx.within(self.timeout);
        let outcome = match self.runner.run(&within, &request).await {
            // Its own time is up, and not the task's.
            Err(error) if error.kind() == ErrorKind::Timeout && cx.check_stopped().is_ok() => {
                let limit = self.timeout.unwrap_or_default();
                CaseOutcome::Failed(format!("it took longer than {} s", limit.as_secs()))
            }
            exit => match exit?.success(self.called()) {
                Ok(_) => CaseOutcome::Passed,
                Err(error) => CaseOutcome::Failed(error.report().to_string()),
            },
        };
        let took = cx.clock().elapsed().saturating_sub(began);
        Ok(TestReport::default().cases([Case::new(self.name.as_str(), outcome).duration(took)]))
    }
}
