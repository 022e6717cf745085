//! Containers that are run because somebody asks for it: `verify` and `exec`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::Args;
use shipway::{Error, Report, Result, RunOutcome, testers::junit_of_run};

use crate::{
    arguments::{Course, Options},
    built::Given,
    work::{Asked, Work},
    world,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  shipway verify -a builds.json --kube-context staging\n  shipway verify --junit verified.xml"
)]
pub(crate) struct Verify {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    course: Course,
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    around: Around,
    #[command(flatten)]
    junit: Junit,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  shipway exec update-infra\n  shipway exec migrate -a builds.json --env-file staging.env"
)]
pub(crate) struct Exec {
    /// The action, as `customActions` names it.
    #[arg(value_name = "ACTION")]
    action: String,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    course: Course,
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    around: Around,
    #[command(flatten)]
    junit: Junit,
}

/// What containers get besides what the configuration says.
#[derive(Debug, Default, Args)]
pub(crate) struct Around {
    /// A file of variables for all containers, `NAME=VALUE` on each line; they go before those of the configuration.
    #[arg(long, value_name = "FILE", env = "SKAFFOLD_ENV_FILE", hide_env_values = true)]
    env_file: Option<PathBuf>,
    /// The network of the container engine that containers on this machine are in.
    #[arg(long, value_name = "NETWORK", env = "SKAFFOLD_DOCKER_NETWORK", hide_env_values = true)]
    docker_network: Option<String>,
}

/// Whether a file tells CI systems what was found.
#[derive(Debug, Default, Args)]
pub(crate) struct Junit {
    /// Write what was found to this file too, in the XML of JUnit, which CI systems show.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

impl Junit {
    /// Writes the file, whatever came of the run.
    pub(crate) fn write(&self, report: &Report) -> Result<()> {
        match &self.junit {
            Some(file) => world::write(file, junit_of_run(report).as_bytes()),
            None => Ok(()),
        }
    }
}

/// What of containers is asked for.
#[derive(Debug, Default)]
pub(crate) struct Containers {
    /// The action that is to be done.
    pub(crate) action: Option<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) network: Option<String>,
}

impl Around {
    fn read(&self) -> Result<Containers> {
        let env = match &self.env_file {
            Some(file) => variables(file, &world::text(file, "--env-file")?)?,
            None => BTreeMap::new(),
        };
        Ok(Containers { action: None, env, network: self.docker_network.clone() })
    }
}

/// Reads lines `NAME=VALUE`, as Docker's `--env-file` has them: blank lines and those that begin with `#` say nothing.
fn variables(file: &Path, text: &str) -> Result<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.split_once('=') {
            Some((name, value)) if !name.is_empty() && !name.contains(char::is_whitespace) => {
                variables.insert(name.to_owned(), value.trim_end_matches('\r').to_owned());
            }
            _ => {
                return Err(Error::config(format!("`{}`: line {number} is no variable", file.display()))
                    .hint("write `NAME=VALUE` on each line"));
            }
        }
    }
    Ok(variables)
}

/// Runs the containers that prove what is deployed.
pub(crate) async fn verify(asked: &Verify) -> Result<RunOutcome> {
    let images = asked.given.read()?;
    let course = Asked::to("verify").course(&asked.course).images(images).containers(asked.around.read()?);
    run(&Work::open(&asked.options, course).await?, &asked.junit).await
}

/// Runs the containers of an action.
pub(crate) async fn exec(asked: &Exec) -> Result<RunOutcome> {
    let images = asked.given.read()?;
    let containers = Containers { action: Some(asked.action.clone()), ..asked.around.read()? };
    let course = Asked::to("exec").course(&asked.course).images(images).containers(containers);
    run(&Work::open(&asked.options, course).await?, &asked.junit).await
}

async fn run(work: &Work, junit: &Junit) -> Result<RunOutcome> {
    let report = work.run_up_to(|_| true).await?;
    junit.write(&report)?;
    work.tell(&report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_lines_of_names_and_values() {
        let text = "# for staging\nURL=http://web/?a=b\n\n  EMPTY=\r\nLAST = spaced";
        let error = variables(Path::new("a.env"), text).unwrap_err();
        assert_eq!(error.to_string(), "`a.env`: line 5 is no variable");
        let read = variables(Path::new("a.env"), &text.replace("LAST = spaced", "LAST= spaced")).unwrap();
        let expected = [("EMPTY", ""), ("LAST", " spaced"), ("URL", "http://web/?a=b")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }
}
