//! The tester `structure`: what an image holds and says, by container-structure-test's files.

mod command;
mod content;
mod existence;
mod expand;
mod files;
mod metadata;
mod pattern;
mod read;
mod schema;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use shipway_core::{
    Capabilities, Case, CaseOutcome, Catalog, Context, Error, Feature, Image, Inputs, Location, Part,
    Platform, PluginConfig, Result, Runner, Store, StoreKind, Subject, Tag, Target, TestReport, Tester,
};
use shipway_oci::{ImageFiles, InspectedImage, Layout, Limits, read_image};

use self::{content::Searches, files::Loaded};

/// Judges an image by files for container-structure-test, of schema 2.0.0, in YAML or JSON.
///
/// Files, contents, licences and metadata are judged on the image's layers, without a container engine;
/// commands go through a runner that runs them in images. A file that a container engine adds to each
/// container, such as `/etc/hosts`, is not there unless a layer has it. A JSON file means what the same
/// YAML would.
///
/// Of what the real tool does, this is done in another way: the commands of `setup` run in the test's own
/// container, by its `/bin/sh`, and `containerRunOptions` that no runner can be asked for (`user`,
/// `privileged`, `capabilities`, `allocateTty`) are refused. `teardown` is not run, as there.
///
/// ```
/// use shipway_testers::Structure;
///
/// let tester = Structure::new(["tests/image/*.yaml"]);
/// # let _ = tester;
/// ```
#[derive(Clone, Debug)]
pub struct Structure {
    files: Vec<String>,
    platform: Option<Platform>,
    runner: Option<Arc<dyn Runner>>,
}

impl Structure {
    /// Returns the tester of these files, each a path or a pattern with `*`, `?`, `[…]` and `**`, below
    /// the context's root or absolute. A folder that a pattern matches is looked through.
    pub fn new<S: Into<String>>(files: impl IntoIterator<Item = S>) -> Self {
        Self { files: files.into_iter().map(Into::into).collect(), platform: None, runner: None }
    }

    /// Sets the platform that is looked at in an image of several; Linux on this machine by default.
    #[must_use]
    pub fn platform(mut self, platform: Platform) -> Self {
        self.platform = Some(platform);
        self
    }

    /// Sets where command tests run.
    ///
    /// # Errors
    /// `Config` when the runner does not run commands in images.
    pub fn runner(mut self, runner: Arc<dyn Runner>) -> Result<Self> {
        if !runner.capabilities().claims(Feature::Images) {
            return Err(Error::config("the runner of a structure test does not run commands in images")
                .hint("use one that does, such as `docker`"));
        }
        self.runner = Some(runner);
        Ok(self)
    }

    /// Checks that what the files want can be done.
    fn check(&self, files: &[Loaded]) -> Result<()> {
        let with_commands = files.iter().filter(|file| !file.tests.command_tests.is_empty());
        for file in with_commands {
            let here = || Location::new(&file.path, 0, 0);
            let Some(runner) = &self.runner else {
                return Err(Error::config("`commandTests` need a runner, and the tester has none")
                    .at(here())
                    .hint("add one that runs commands in images, such as `runner: {kind: docker}`"));
            };
            let mounts = !file.tests.container_run_options.bind_mounts.is_empty();
            if mounts && !runner.capabilities().claims(Feature::Mounts) {
                return Err(Error::config("the runner cannot be asked for `bindMounts`").at(here()));
            }
        }
        if files.iter().all(|file| file.tests.is_empty()) {
            let paths: Vec<String> = files.iter().map(|file| format!("`{}`", file.path)).collect();
            return Err(
                Error::config(format!("there is no test in {}", paths.join(", "))).hint("write at least one")
            );
        }
        Ok(())
    }
}

impl schema::TestFile {
    fn is_empty(&self) -> bool {
        let files = self.file_content_tests.len() + self.file_existence_tests.len();
        self.command_tests.len() + files + self.license_tests.len() == 0 && self.metadata_test.is_empty()
    }
}

#[async_trait]
impl Tester for Structure {
    fn capabilities(&self) -> Capabilities {
        let all = BTreeSet::from([StoreKind::Registry, StoreKind::Daemon, StoreKind::Layout]);
        match self.runner.as_ref().map(|runner| runner.capabilities()) {
            // The image must be where the runner takes it from.
            Some(runner) if !runner.reads.is_empty() => {
                Capabilities::new().reads(runner.reads).limits(runner.limits)
            }
            _ => Capabilities::new().reads(all),
        }
    }

    async fn inputs(&self, cx: &Context) -> Result<Inputs> {
        let words = self.files.clone();
        let mut inputs = cx.blocking(move |cx| files::declare(cx, &words)).await?;
        let platform = self.platform.clone().unwrap_or_else(Platform::linux_here);
        inputs.facts.insert("tester".to_owned(), format!("structure {}", env!("CARGO_PKG_VERSION")));
        inputs.facts.insert("platform".to_owned(), platform.to_string());
        Ok(inputs)
    }

    async fn test(&self, cx: &Context, subject: &Subject) -> Result<TestReport> {
        let Subject::Image(image) = subject else {
            return Err(Error::unsupported("a structure test looks at an image, not at a deployment")
                .hint("add it to the artifact rather than to the release"));
        };
        let words = self.files.clone();
        let files = cx.blocking(move |cx| files::load(cx, &words)).await?;
        self.check(&files)?;
        let mut looked = tokio::select! {
            biased;
            stopped = cx.stopped() => return Err(stopped),
            looked = self.look(cx, image, &files) => looked?,
        };
        self.run_commands(cx, image, &files, &mut looked).await?;
        Ok(TestReport::new().cases(named(looked.cases)))
    }
}

/// What the layers and the configuration came to.
struct Looked {
    inspected: InspectedImage,
    files: ImageFiles,
    cases: Vec<Judged>,
    /// Which of the cases are command tests, in the order of the files.
    commands: Vec<usize>,
}

/// A case before it has a name that no other has.
struct Judged {
    name: String,
    problems: Vec<String>,
    duration: Duration,
}

impl Judged {
    fn new(file: &Loaded, name: impl std::fmt::Display, problems: Vec<String>) -> Self {
        Self { name: format!("{}: {name}", file.path), problems, duration: Duration::ZERO }
    }
}

impl Structure {
    /// Judges everything but commands, whose cases pass for now.
    async fn look(&self, cx: &Context, image: &Image, files: &[Loaded]) -> Result<Looked> {
        let (layout, digest) = match &image.store {
            Store::Layout(path) => (Layout::new(Arc::clone(cx.disk()), cx.path(path)), image.digest.clone()),
            // Through the embedder's own door, which knows its daemon, credentials and certificates, and
            // because layers are read twice where contents are looked into.
            _ => {
                let folder = cx.scratch()?.join("structure");
                let target = Target::new(Store::Layout(folder.clone()), "subject", Tag::parse("subject")?);
                let copy = cx.images().copy(cx, image, &target).await?;
                (Layout::new(Arc::clone(cx.disk()), folder), copy.digest)
            }
        };
        let inspected = read_image(&layout, &digest, self.platform.as_ref()).await?;
        let layers = &inspected.manifest.layers;
        let found = ImageFiles::read(&layout, layers, Limits::default()).await?;
        let (mut cases, mut commands, mut searches) = (Vec::new(), Vec::new(), Searches::default());
        for file in files {
            commands.extend(cases.len()..cases.len() + file.tests.command_tests.len());
            judge(file, &inspected, &found, &mut cases, &mut searches);
        }
        for (case, problems) in searches.run(&layout, layers).await? {
            cases[case].problems.extend(problems);
        }
        Ok(Looked { inspected, files: found, cases, commands })
    }

    async fn run_commands(
        &self,
        cx: &Context,
        image: &Image,
        files: &[Loaded],
        looked: &mut Looked,
    ) -> Result<()> {
        let Some(runner) = &self.runner else { return Ok(()) };
        let mut image = image.clone();
        if self.platform.is_some() && !matches!(image.store, Store::Daemon(_)) {
            // Of an index, the runner is to take the image that was looked at.
            image.digest = looked.inspected.digest.clone();
        }
        let environment = metadata::environment(&looked.inspected.config);
        let subject = command::Subject { image: &image, environment: &environment, files: &looked.files };
        let mut commands = looked.commands.iter();
        for file in files {
            for (test, &case) in file.tests.command_tests.iter().zip(&mut commands) {
                let (problems, duration) = command::run(cx, runner.as_ref(), &subject, file, test).await?;
                (looked.cases[case].problems, looked.cases[case].duration) = (problems, duration);
            }
        }
        Ok(())
    }
}

/// Adds the cases of a file, in the order of the real tool and under its names.
fn judge(
    file: &Loaded,
    image: &InspectedImage,
    files: &ImageFiles,
    cases: &mut Vec<Judged>,
    searches: &mut Searches,
) {
    let tests = &file.tests;
    for test in &tests.command_tests {
        cases.push(Judged::new(file, format!("Command Test: {}", test.name), Vec::new()));
    }
    for test in &tests.file_content_tests {
        let problems = searches.content(cases.len(), test, files);
        cases.push(Judged::new(file, format!("File Content Test: {}", test.name), problems));
    }
    // Paths may hold the image's variables and those that are set for all tests.
    let mut environment = metadata::environment(&image.config);
    let global = tests.global_env_vars.iter();
    let global: Vec<(String, String)> =
        global.map(|one| (one.key.clone(), expand::expand(&one.value, &environment))).collect();
    environment.extend(global);
    for test in &tests.file_existence_tests {
        let problems = existence::problems(test, files, &environment);
        cases.push(Judged::new(file, format!("File Existence Test: {}", test.name), problems));
    }
    for test in &tests.license_tests {
        let problems = searches.licenses(cases.len(), test, files);
        cases.push(Judged::new(file, "License Test", problems));
    }
    if !tests.metadata_test.is_empty() {
        let problems = metadata::problems(&tests.metadata_test, &image.config);
        cases.push(Judged::new(file, "Metadata Test", problems));
    }
}

/// Returns the cases under names that no two have: a second of one name is ` (2)`.
fn named(cases: Vec<Judged>) -> Vec<Case> {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    let mut names = BTreeSet::new();
    let unlike = |case: Judged| {
        let mut name = case.name.clone();
        while !names.insert(name.clone()) {
            let count = taken.entry(case.name.clone()).or_insert(1);
            *count += 1;
            name = format!("{} ({count})", case.name);
        }
        let outcome = if case.problems.is_empty() {
            CaseOutcome::Passed
        } else {
            CaseOutcome::Failed(case.problems.join("\n"))
        };
        Case::new(name, outcome).duration(case.duration)
    };
    cases.into_iter().map(unlike).collect()
}

/// The options of the tester `structure`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct StructureConfig {
    /// The test files, each a path or a pattern; see [`Structure::new`].
    pub files: Vec<String>,
    /// The platform that is looked at; see [`Structure::platform`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The runner of command tests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<Part>,
}

impl PluginConfig for StructureConfig {
    const KIND: &'static str = "structure";
    type Plugin = Structure;

    fn into_plugin(self, catalog: &Catalog) -> Result<Structure> {
        if self.files.is_empty() {
            return Err(Error::config("the tester `structure` names no `files`")
                .hint("name at least one, such as `tests/image/*.yaml`"));
        }
        let tester = Structure { files: self.files, platform: self.platform, runner: None };
        match &self.runner {
            Some(part) => tester.runner(catalog.runner(part)?),
            None => Ok(tester),
        }
    }
}
