//! The `shipway` command: a few calls of the library for each task.

mod arguments;
mod built;
mod configuration;
mod containers;
mod gates;
mod generated;
mod global;
mod graph;
#[cfg(test)]
mod help;
mod history;
mod init;
mod live;
mod plain;
mod plan;
mod release;
mod report;
mod words;
mod work;
mod world;

use std::{
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use clap::Parser;
use shipway::{Answer, Cancel, Driver, Error, ErrorKind, Result, RunOutcome};
use tokio::runtime::Runtime;

use self::{
    arguments::{Arguments, Task},
    plain::plain,
    work::{Asked, Work, cancel_on_signals},
};

fn main() -> ExitCode {
    words::tell_defects();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return words::tell_usage(&error),
    };
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
        Ok(RunOutcome::Waiting) => ExitCode::from(4),
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            let (word, code) = match error.kind() {
                ErrorKind::Config | ErrorKind::NotFound | ErrorKind::Unsupported => ("error", 2),
                ErrorKind::Cancelled => ("stopped", 3),
                _ => ("error", 1),
            };
            words::tell_error(word, &error);
            ExitCode::from(code)
        }
    }
}

async fn perform(task: Task) -> Result<RunOutcome> {
    match task {
        Task::Run(asked) => release::run(&asked).await,
        Task::Build(asked) => built::build(&asked).await,
        Task::Test(asked) => release::test(&asked).await,
        Task::Verify(asked) => containers::verify(&asked).await,
        Task::Exec(asked) => containers::exec(&asked).await,
        Task::Render(asked) => release::render(&asked).await,
        Task::Deploy(asked) => release::deploy(&asked).await,
        Task::Apply(asked) => release::apply(&asked).await,
        Task::Plan(asked) => plan::tell(&asked).await,
        Task::Status(asked) => release::status(&asked).await,
        Task::Logs(asked) => release::logs(&asked).await,
        Task::Rollback(asked) => release::rollback(&asked).await,
        Task::Delete { options, course } => {
            let work = Work::open(&options, Asked::to("delete").course(&course)).await?;
            work.execute(&Driver::plan_removal(&work.pipeline)?).await
        }
        Task::Resume { run, options, course, asking } => {
            let work = Work::open(&options, Asked::to("run").course(&course).asking(&asking)).await?;
            work.resume(run).await
        }
        Task::Rerun(asked) => release::rerun(&asked).await,
        Task::Approve(asked) => gates::answer(&asked, Answer::Approved),
        Task::Reject(asked) => gates::answer(&asked, Answer::Rejected),
        Task::History(options) => history::tell(&options).await,
        Task::Report(options) => report::write(&options).await,
        // Nothing is under way while it asks, so that a signal may end it as it is.
        Task::Init(asked) => init::begin(&asked, &world::reading(&Cancel::new())?).await,
        Task::Config(asked) => global::perform(&asked),
        Task::Diagnose(asked) => {
            configuration::diagnose(&asked, &world::reading(&cancel_on_signals()?)?).await
        }
        Task::Explain(asked) => configuration::explain(&asked, &world::reading(&cancel_on_signals()?)?).await,
        Task::Fix(asked) => configuration::fix(&asked),
        Task::Schema(asked) => configuration::schema(&asked),
        Task::Completion(asked) => generated::completion(&asked),
        Task::Man(asked) => generated::man(&asked),
    }
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

/// Writes a line to standard error, in one piece and nothing that steers a terminal; where that cannot be written, nobody
/// is left to tell.
fn warn(line: &str) {
    let _ = io::stderr().write_all(plain(&format!("{line}\n")).as_bytes());
}
