//! `plan`: what a run would do and why, and what it would change.

use clap::Args;
use shipway::{Driver, ErrorKind, Result, RunOutcome};

use crate::{
    arguments::Options,
    graph::Form,
    say, words,
    work::{Asked, Work},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  shipway plan -f deploy/skaffold.yaml --kube-context staging\n  shipway plan --graph\n  shipway plan --graph=svg"
)]
pub(crate) struct Plan {
    #[command(flatten)]
    options: Options,
    /// Show who needs whom: as `text`, in Graphviz' language with `dot`, or as a picture with `svg`.
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "text")]
    #[arg(hide_possible_values = true)]
    graph: Option<Form>,
}

/// Says what a run would do and what it would change, and does nothing.
pub(crate) async fn tell(asked: &Plan) -> Result<RunOutcome> {
    let work = Work::open(&asked.options, Asked::to("run")).await?;
    let observed = work.driver.observe(&work.pipeline, &work.cancel).await?;
    let plan = Driver::plan(&work.pipeline, &observed)?;
    if let Some(form) = &asked.graph {
        say(&form.write(&plan))?;
        return Ok(RunOutcome::Succeeded);
    }
    say(&plan.to_string())?;
    for (release, preview) in work.driver.preview(&work.pipeline, &observed, &work.cancel).await? {
        match preview {
            Ok(preview) => {
                let count = match preview.changes.changes.len() {
                    0 => "nothing changes".to_owned(),
                    1 => "1 object changes".to_owned(),
                    count => format!("{count} objects change"),
                };
                say(&format!("\n{release}: {count}\n{preview}"))?;
            }
            Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
            Err(error) => {
                words::tell_error(&format!("what `{release}` changes cannot be told"), &error);
            }
        }
    }
    Ok(RunOutcome::Succeeded)
}
