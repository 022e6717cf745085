//! The `shipway` command: a few calls of the library for each task.

mod arguments;
mod configuration;
mod graph;
mod history;
mod live;
mod report;
mod world;

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::Parser;
use shipway::{
    Cancel, CancelReason, DiskJournal, Driver, Error, ErrorKind, Journal, Pipeline, Plan, Report, Result,
    RunOutcome, Stage,
};
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};

use self::arguments::{Arguments, Course, Events, Options, Task};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match Runtime::new() {
        Ok(runtime) => {
            let done = runtime.block_on(perform(arguments.task));
            live::end();
            // What was dropped ends what it had started; a thread that still reads for it is not waited for.
            runtime.shutdown_timeout(Duration::from_secs(1));
            done
        }
        Err(error) => Err(Error::internal("cannot start threads").source(error)),
    };
    match done {
        Ok(RunOutcome::Succeeded) => ExitCode::SUCCESS,
        Ok(RunOutcome::Cancelled) => ExitCode::from(3),
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            let (word, code) = match error.kind() {
                ErrorKind::Config | ErrorKind::Unsupported => ("error", 2),
                ErrorKind::Cancelled => ("stopped", 3),
                _ => ("error", 1),
            };
            warn(&format!("{word}: {}", error.report()));
            ExitCode::from(code)
        }
    }
}

async fn perform(task: Task) -> Result<RunOutcome> {
    match task {
        Task::Run { options, course } => {
            let work = Work::open(&options, Some(&course), "run").await?;
            work.run(&course).await
        }
        Task::Build { options, course } => {
            let work = Work::open(&options, Some(&course), "build").await?;
            work.run(&course).await
        }
        Task::Resume { run, options, course } => {
            let work = Work::open(&options, Some(&course), "run").await?;
            work.resume(run, &course).await
        }
        Task::Plan { options, graph } => {
            let work = Work::open(&options, None, "run").await?;
            let plan = work.plan().await?;
            say(&graph.map_or_else(|| plan.to_string(), |form| form.write(&plan)))?;
            Ok(RunOutcome::Succeeded)
        }
        Task::History(options) => history::tell(&options).await,
        Task::Diagnose(asked) => {
            configuration::diagnose(&asked, &world::reading(&cancel_on_signals()?)?).await
        }
        Task::Explain(asked) => configuration::explain(&asked, &world::reading(&cancel_on_signals()?)?).await,
        Task::Fix(asked) => configuration::fix(&asked),
        Task::Schema(asked) => configuration::schema(&asked),
        Task::Report(options) => report::write(&options).await,
        Task::Delete { options, course } => {
            let work = Work::open(&options, Some(&course), "delete").await?;
            work.execute(&Driver::plan_removal(&work.pipeline)?, &course).await
        }
    }
}

/// A pipeline out of a configuration, and who carries it out in this machine's world.
struct Work {
    pipeline: Pipeline,
    driver: Driver,
    journal: Option<Arc<DiskJournal>>,
    cancel: Cancel,
}

impl Work {
    /// Reads the configuration for a command of Skaffold's.
    async fn open(options: &Options, course: Option<&Course>, command: &str) -> Result<Self> {
        let (catalog, cancel) = (shipway::catalog(), cancel_on_signals()?);
        let cx = world::reading(&cancel)?;
        let mut skaffold = configuration::read(options, command, &cx, &catalog).await?;
        skaffold.run_commands(&cx).await?;
        let loaded = skaffold.pipeline(&catalog)?;
        for notice in &loaded.notices {
            warn(&format!("warning: {notice}"));
        }
        let events = course.map_or(Events::Lines, |course| course.events);
        let world = world::world(&loaded, events, options.cache_artifacts)?;
        let mut driver = Driver::new(world).keep_going(course.is_some_and(|course| course.keep_going));
        let journal = world::journal();
        if let Some(journal) = &journal {
            driver = driver.journal(Arc::<DiskJournal>::clone(journal));
        }
        Ok(Self { pipeline: loaded.pipeline, driver, journal, cancel })
    }

    async fn plan(&self) -> Result<Plan> {
        Driver::plan(&self.pipeline, &self.driver.observe(&self.pipeline, &self.cancel).await?)
    }

    async fn run(&self, course: &Course) -> Result<RunOutcome> {
        self.tell(&self.driver.run(&self.pipeline, &self.cancel).await?, course)
    }

    async fn execute(&self, plan: &Plan, course: &Course) -> Result<RunOutcome> {
        self.tell(&self.driver.execute(&self.pipeline, plan, &self.cancel).await?, course)
    }

    async fn resume(&self, run: Option<String>, course: &Course) -> Result<RunOutcome> {
        let run = match (run, &self.journal) {
            (Some(run), _) => run,
            // The ids of runs begin with the moment at which they began.
            (None, Some(journal)) => journal.runs().await?.pop().ok_or_else(|| {
                Error::config("there is no run to go on with").hint("begin one with `shipway run`")
            })?,
            (None, None) => {
                return Err(Error::config("there is no home for what is written down of runs")
                    .hint("set `HOME` or `XDG_STATE_HOME`"));
            }
        };
        self.tell(&self.driver.resume(&self.pipeline, &run, &self.cancel).await?, course)
    }

    fn tell(&self, report: &Report, course: &Course) -> Result<RunOutcome> {
        if course.events == Events::Lines {
            let mut text = report.to_string();
            for build in &self.pipeline.builds {
                if let Some(image) = report.image(&build.artifact.name) {
                    let tag = image.tag.as_ref().map(|tag| format!(" (tag {tag})")).unwrap_or_default();
                    let _ = writeln!(text, "{} -> {}{tag}", build.artifact.name, image.reference());
                }
            }
            if report.outcome == RunOutcome::Cancelled && self.journal.is_some() {
                let _ = writeln!(text, "go on with: shipway resume {}", report.state.run);
            }
            say(&text)?;
        }
        Ok(report.outcome)
    }
}

/// Returns what the first signal lets end well, and the second at once.
fn cancel_on_signals() -> Result<Cancel> {
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

/// Writes to standard output; that its reader has gone is no failure.
fn say(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::io("write to", Path::new("/dev/stdout"), error))
        }
        _ => Ok(()),
    }
}

/// Writes a line to standard error; where that cannot be written, nobody is left to tell.
fn warn(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
