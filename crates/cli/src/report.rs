//! `report`: a past run as a page, and where past runs are.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use shipway::{DiskJournal, Error, Journal, Result, RunOutcome, report::PastRun};

use crate::{plain::plain, say, world};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  shipway report\n  shipway report 19aa7f3c2e1-4d2-0 -o report.html\n  shipway report -o -"
)]
pub(crate) struct Options {
    /// The run, as `shipway history` names it; the newest when absent.
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// Where the page goes; `-` is standard output.
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    output: PathBuf,
}

/// Writes the page of a run.
pub(crate) async fn write(options: &Options) -> Result<RunOutcome> {
    let journal = journal()?;
    let run = match &options.run {
        Some(run) => run.clone(),
        None => newest(journal.as_ref()).await?,
    };
    let entries = journal.read(&run).await?;
    if entries.is_empty() {
        return Err(Error::config(format!("there is no run `{run}`"))
            .hint("`shipway history` names those that there are"));
    }
    let page = PastRun::of(&run, &entries).page();
    if options.output.as_os_str() == "-" {
        say(&page)?;
    } else {
        world::write(&options.output, page.as_bytes())?;
        say(&plain(&format!("{run} -> {}\n", options.output.display())))?;
    }
    Ok(RunOutcome::Succeeded)
}

/// Returns where the runs of this folder are written down.
///
/// # Errors
/// `Config` where this user has no home.
pub(crate) fn journal() -> Result<Arc<DiskJournal>> {
    world::journal().ok_or_else(|| {
        Error::config("there is no home for what is written down of runs")
            .hint("set `HOME` or `XDG_STATE_HOME`")
    })
}

/// Returns the newest run.
///
/// # Errors
/// `Config` when there is none.
pub(crate) async fn newest(journal: &DiskJournal) -> Result<String> {
    // The ids of runs begin with the moment at which they began.
    let newest = journal.runs().await?.pop();
    newest.ok_or_else(|| Error::config("no run is written down").hint("begin one with `shipway run`"))
}
