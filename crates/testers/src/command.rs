//! The tester `command`: a program of yours judges the image (`test[].custom[]` in Skaffold).

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shipway_core::{
    Capabilities, Case, CaseOutcome, Catalog, Command, Context, Error, ErrorKind, Inputs, PluginConfig,
    Result, StoreKind, Subject, TestReport, Tester, inputs_of_command, inputs_of_paths,
};

/// Options of [`CommandTest`], in Skaffold's words.
///
/// ```
/// use shipway_testers::CommandTestConfig;
///
/// let config = CommandTestConfig::new("go test ./...").context("web").timeout_seconds(600);
/// # let _ = config;
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct CommandTestConfig {
    /// The command, which `sh -c` runs.
    pub command: String,
    /// Where it runs, below the context's root; the root itself by default.
    #[serde(default)]
    pub context: PathBuf,
    /// How long it may take; for ever when absent or 0.
    #[serde(default)]
    pub timeout_seconds: Option<u64>,
    /// The files that its verdict depends on besides the image; none by default.
    #[serde(default)]
    pub dependencies: TestDependencies,
}

/// The files that a verdict depends on: by paths, or by what a command prints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct TestDependencies {
    /// Files, folders and patterns of Go's `filepath.Match`, below where the command runs.
    pub paths: Vec<String>,
    /// What of `paths` does not count, in the form of a `.dockerignore`.
    pub ignore: Vec<String>,
    /// A command that `sh -c` runs there and that prints the files as a JSON array.
    pub command: Option<String>,
}

impl CommandTestConfig {
    /// Returns the options of a command that runs in the root.
    pub fn new(command: impl Into<String>) -> Self {
        Self {
            command: command.into(),
            context: PathBuf::new(),
            timeout_seconds: None,
            dependencies: TestDependencies::default(),
        }
    }

    /// Sets where it runs.
    #[must_use]
    pub fn context(mut self, context: impl Into<PathBuf>) -> Self {
        self.context = context.into();
        self
    }

    /// Sets how long it may take.
    #[must_use]
    pub fn timeout_seconds(mut self, seconds: impl Into<Option<u64>>) -> Self {
        self.timeout_seconds = seconds.into();
        self
    }

    /// Sets the files that its verdict depends on.
    #[must_use]
    pub fn dependencies(mut self, dependencies: TestDependencies) -> Self {
        self.dependencies = dependencies;
        self
    }
}

impl TestDependencies {
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
}

impl PluginConfig for CommandTestConfig {
    const KIND: &'static str = "command";
    type Plugin = CommandTest;

    fn into_plugin(self, _catalog: &Catalog) -> Result<CommandTest> {
        CommandTest::new(self)
    }
}

/// Judges an image by a command: code 0 is good, any other is not.
///
/// The command runs by `sh -c`. It sees the world's environment, which does not count as an input, and `IMAGE`, the reference of the
/// image by its digest. The report has one case, whose name is the command.
#[derive(Clone, Debug)]
pub struct CommandTest {
    options: CommandTestConfig,
}

impl CommandTest {
    /// Returns the tester with these options.
    ///
    /// # Errors
    /// `Config` when there is no command, or the dependencies are given in two ways.
    pub fn new(options: CommandTestConfig) -> Result<Self> {
        if options.command.trim().is_empty() {
            return Err(Error::config("tester `command` has no command").hint("set `command`"));
        }
        let given = &options.dependencies;
        if given.command.is_some() && !(given.paths.is_empty() && given.ignore.is_empty()) {
            return Err(Error::config(
                "the dependencies of tester `command` are given by paths and by a command",
            )
            .hint("keep one of them"));
        }
        Ok(Self { options })
    }
}

#[async_trait]
impl Tester for CommandTest {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new().reads([StoreKind::Registry, StoreKind::Daemon])
    }

    async fn inputs(&self, cx: &Context) -> Result<Inputs> {
        let (options, given) = (&self.options, &self.options.dependencies);
        let mut inputs = match &given.command {
            Some(command) => inputs_of_command(cx, &options.context, command).await?,
            None if given.paths.is_empty() => Inputs::default(),
            None => inputs_of_paths(cx, &options.context, &given.paths, &given.ignore).await?,
        };
        inputs.facts.insert("tester".to_owned(), format!("command {}", env!("CARGO_PKG_VERSION")));
        inputs.facts.insert("command".to_owned(), options.command.clone());
        Ok(inputs)
    }

    async fn test(&self, cx: &Context, subject: &Subject) -> Result<TestReport> {
        let Subject::Image(image) = subject else {
            return Err(Error::unsupported("tester `command` judges an image, not a deployment")
                .hint("add it to the artifact rather than to the release"));
        };
        let options = &self.options;
        let command = Command::shell(&options.command)
            .dir(options.context.clone())
            .env([("IMAGE".to_owned(), image.reference())]);
        let limit = options.timeout_seconds.filter(|&seconds| seconds > 0).map(Duration::from_secs);
        let exit = match cx.within(limit).run(command).await {
            Err(error) if error.kind() == ErrorKind::Timeout && cx.check_stopped().is_ok() => {
                let seconds = limit.unwrap_or_default().as_secs();
                let why = format!("it took longer than {seconds} s");
                return Ok(TestReport::default()
                    .cases([Case::new(options.command.as_str(), CaseOutcome::Failed(why))]));
            }
            exit => exit?,
        };
        let outcome = match exit.success(&options.command) {
            Ok(_) => CaseOutcome::Passed,
            Err(error) => CaseOutcome::Failed(error.report().to_string()),
        };
        Ok(TestReport::default().cases([Case::new(options.command.as_str(), outcome)]))
    }
}
