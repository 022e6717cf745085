//! A pipeline out of a configuration, and who carries it out in this machine's world.

use std::{fmt::Write as _, io, sync::Arc};

use shipway::{
    Cancel, CancelReason, DiskGates, DiskJournal, Driver, Error, Gate, HostDisk, Journal, LogRequest,
    Pipeline, Plain, Plan, Report, Result, RunOutcome, Stage, Task, TextLines, Timestamp, World,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    arguments::{Asking, Course, Events, Options},
    configuration,
    containers::Containers,
    gates, report, say, warn, words, world,
};

/// What of the configuration is done, and what people hear of it.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// The command, as Skaffold has it: profiles may ask for it.
    pub(crate) command: &'static str,
    /// Images that are there already, by the artifacts' names.
    pub(crate) images: Vec<(String, String)>,
    /// Manifests that are applied as they are.
    pub(crate) manifests: Vec<String>,
    pub(crate) containers: Containers,
    told: Told,
    keep_going: bool,
    confirm: bool,
    suspend: bool,
}

/// How a run is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Told {
    /// Drawn on a terminal, and in lines elsewhere.
    #[default]
    Drawn,
    /// In lines, between which somebody answers.
    Lines,
    /// As events for machines.
    Json,
    /// Not at all.
    Nothing,
}

impl Asked {
    pub(crate) fn to(command: &'static str) -> Self {
        Self { command, ..Self::default() }
    }

    /// Takes images that are there already.
    pub(crate) fn images(mut self, images: Vec<(String, String)>) -> Self {
        self.images = images;
        self
    }

    /// Applies these manifests as they are.
    pub(crate) fn manifests(mut self, manifests: Vec<String>) -> Self {
        self.manifests = manifests;
        self
    }

    /// Runs containers like this.
    pub(crate) fn containers(mut self, containers: Containers) -> Self {
        self.containers = containers;
        self
    }

    /// Does it, and tells it, in this way.
    pub(crate) fn course(mut self, course: &Course) -> Self {
        self.keep_going = course.keep_going;
        if course.events == Events::Json {
            self.told = Told::Json;
        }
        self
    }

    /// Asks people.
    pub(crate) fn asking(mut self, asking: &Asking) -> Self {
        (self.confirm, self.suspend) = (asking.confirm, asking.suspend);
        if asking.confirm && self.told == Told::Drawn {
            self.told = Told::Lines;
        }
        self
    }

    /// Tells nothing but what fails.
    pub(crate) fn quiet(mut self, quiet: bool) -> Self {
        if quiet {
            self.told = Told::Nothing;
        }
        self
    }
}

/// A pipeline and its driver.
pub(crate) struct Work {
    pub(crate) pipeline: Pipeline,
    pub(crate) driver: Driver,
    pub(crate) cancel: Cancel,
    /// Where runs are written down.
    pub(crate) journal: Option<Arc<DiskJournal>>,
    told: Told,
    world: World,
}

impl Work {
    /// Reads the configuration.
    pub(crate) async fn open(options: &Options, asked: Asked) -> Result<Self> {
        let (catalog, cancel) = (shipway::catalog(), cancel_on_signals()?);
        let cx = world::reading(&cancel)?;
        let mut skaffold = configuration::read(options, &asked, &cx, &catalog).await?;
        skaffold.run_commands(&cx).await?;
        let loaded = skaffold.pipeline(&catalog)?;
        if asked.told != Told::Nothing {
            words::tell_warnings(&loaded.notices);
        }
        let world = world::world(&loaded, asked.told, options.cache_artifacts)?;
        let mut driver = Driver::new(world.clone())
            .keep_going(asked.keep_going || loaded.keep_going)
            .suspend(asked.suspend);
        let journal = world::journal();
        if let Some(journal) = &journal {
            driver = driver.journal(Arc::<DiskJournal>::clone(journal));
        }
        if let Some(questions) = world::questions() {
            let questions = DiskGates::new(Arc::new(HostDisk), questions);
            driver = match gates::Terminal::over(&questions, asked.told) {
                Some(terminal) => driver.gates(terminal),
                None => driver.gates(questions),
            };
        }
        let mut pipeline = loaded.pipeline;
        for deploy in pipeline.deploys.iter_mut().filter(|_| asked.confirm) {
            let text = format!("make these changes to `{}`?", deploy.release.name);
            deploy.gate.get_or_insert_with(|| Gate::new(text));
        }
        Ok(Self { pipeline, driver, cancel, journal, told: asked.told, world })
    }

    pub(crate) async fn run(&self) -> Result<RunOutcome> {
        self.tell(&self.driver.run(&self.pipeline, &self.cancel).await?)
    }

    /// Does only what leads to these tasks.
    pub(crate) async fn run_up_to(&self, last: impl Fn(&Task) -> bool) -> Result<Report> {
        self.driver.run_up_to(&self.pipeline, last, &self.cancel).await
    }

    pub(crate) async fn execute(&self, plan: &Plan) -> Result<RunOutcome> {
        self.tell(&self.driver.execute(&self.pipeline, plan, &self.cancel).await?)
    }

    pub(crate) async fn resume(&self, run: Option<String>) -> Result<RunOutcome> {
        let run = match run {
            Some(run) => run,
            // The ids of runs begin with the moment at which they began.
            None => report::journal()?.runs().await?.pop().ok_or_else(|| {
                Error::config("there is no run to go on with").hint("begin one with `shipway run`")
            })?,
        };
        self.tell(&self.driver.resume(&self.pipeline, &run, &self.cancel).await?)
    }

    /// Follows the logs of what was deployed, or tells those that there are.
    pub(crate) async fn logs(&self, request: &LogRequest) -> Result<()> {
        let sink = Arc::new(TextLines::new(io::stdout()));
        let driver = Driver::new(self.world.clone().sink(sink));
        driver.logs(&self.pipeline, request, &self.cancel).await
    }

    /// Returns the moment now.
    pub(crate) fn now(&self) -> Timestamp {
        self.world.clock.now()
    }

    /// Tells a report, where lines are what is told.
    pub(crate) fn tell(&self, report: &Report) -> Result<RunOutcome> {
        if matches!(self.told, Told::Drawn | Told::Lines) {
            let mut text = report.to_string();
            for build in &self.pipeline.builds {
                if let Some(image) = report.image(&build.artifact.name) {
                    let tag = image.tag.as_ref().map(|tag| format!(" (tag {tag})")).unwrap_or_default();
                    let _ =
                        writeln!(Plain(&mut text), "{} -> {}{tag}", build.artifact.name, image.reference());
                }
            }
            text.push_str(&self.next(report));
            say(&text)?;
        }
        Ok(report.outcome)
    }

    /// Tells on standard error how a run failed whose result is what standard output is for.
    pub(crate) fn tell_failure(&self, report: &Report) {
        if self.told != Told::Json {
            warn(format!("{report}{}", self.next(report)).trim_end());
        }
    }

    /// Returns what a person may do about a run that did not end.
    fn next(&self, report: &Report) -> String {
        let run = &report.state.run;
        match report.outcome {
            RunOutcome::Cancelled if self.journal.is_some() => format!("go on with: shipway resume {run}\n"),
            RunOutcome::Waiting => {
                format!("answer with: shipway approve {run}\nand then go on with: shipway resume {run}\n")
            }
            _ => String::new(),
        }
    }
}

/// Returns what the first signal lets end well, and the second at once.
pub(crate) fn cancel_on_signals() -> Result<Cancel> {
    let cancel = Cancel::new();
    let ours = cancel.clone();
    let listen =
        |kind| signal(kind).map_err(|error| Error::internal("cannot listen to signals").source(error));
    let (mut interrupts, mut terms) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tokio::spawn(async move {
        for stage in [Stage::Requested, Stage::Forced] {
            tokio::select! {
                _ = interrupts.recv() => {}
                _ = terms.recv() => {}
            }
            ours.escalate(stage, CancelReason::Asked);
        }
    });
    Ok(cancel)
}
