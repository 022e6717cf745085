//! `history`: what past runs did.

use clap::Args;
use shipway::{
    Error, Journal, Result, RunOutcome,
    report::{History, HistoryLine, PastRun},
};

use crate::{report::journal, say};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  shipway history\n  shipway history --last 100 --json")]
pub(crate) struct Options {
    /// How many runs to tell of.
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    last: usize,
    /// Tell it as JSON: a line for each run.
    #[arg(long)]
    json: bool,
}

/// Tells of the newest runs.
pub(crate) async fn tell(options: &Options) -> Result<RunOutcome> {
    let journal = journal()?;
    let mut lines = Vec::new();
    // The ids of runs begin with the moment at which they began.
    for id in journal.runs().await?.into_iter().rev().take(options.last) {
        // One that is damaged does not hide the others.
        lines.push(match journal.read(&id).await {
            Ok(entries) => HistoryLine::of(&PastRun::of(&id, &entries)),
            Err(error) => HistoryLine::unreadable(&id, &error),
        });
    }
    if !options.json {
        say(&if lines.is_empty() {
            "no run is written down\n".to_owned()
        } else {
            History(&lines).to_string()
        })?;
        return Ok(RunOutcome::Succeeded);
    }
    for line in &lines {
        let json = serde_json::to_string(line)
            .map_err(|error| Error::internal("a run cannot be told as JSON").source(error))?;
        say(&format!("{json}\n"))?;
    }
    Ok(RunOutcome::Succeeded)
}
