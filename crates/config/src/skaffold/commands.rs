//! Commands that templates ask for (`{{cmd "git" "describe"}}`): reading says which, and runs none.

use shipway_core::{Command, Context, Error, ErrorKind, Location, Result};

use super::{Options, Skaffold};

/// How many different commands a file may ask for.
const MOST: usize = 100;

/// What a template may take of a command's output.
const LONGEST: usize = 1024 * 1024;

/// Commands that are asked for and whose output is not known yet, each with where.
#[derive(Debug, Default)]
pub(super) struct Needed(Vec<(Vec<String>, Location)>);

impl Needed {
    pub(super) fn push(&mut self, words: Vec<String>, location: &Location) {
        if !self.0.iter().any(|(known, _)| *known == words) {
            self.0.push((words, location.clone()));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses a file whose commands are still to be run.
    pub(super) fn check(&self) -> Result<()> {
        let Some((_, location)) = self.0.first() else { return Ok(()) };
        Err(Error::config("a template asks for a command, and reading a text runs none")
            .at(location.clone())
            .hint("give its output by `Options::command_output`, or run it with `Skaffold::run_commands`"))
    }

    /// Runs the commands, and puts down what each gave.
    pub(super) async fn run(self, cx: &Context, options: &mut Options) -> Result<()> {
        for (words, location) in self.0 {
            if options.command_outputs.len() >= MOST {
                let error = Error::config(format!("templates ask for more than {MOST} commands"));
                return Err(error.at(location).hint("have one command print what several templates share"));
            }
            let output = run(cx, &words).await.map_err(|error| match error.kind() {
                ErrorKind::Cancelled => error,
                _ => error.at(location),
            })?;
            options.command_outputs.insert(words, output);
        }
        Ok(())
    }
}

/// Runs a command as Skaffold does (util/env_template.go, `runCmdFunc`): the first word is a program and no line of
/// a shell, and white space around what it prints is no part of it.
async fn run(cx: &Context, words: &[String]) -> Result<String> {
    let failed = |what: &str| Error::new(ErrorKind::ToolFailed, format!("a command of a template {what}"));
    // Neither the words nor what was printed is told: both may hold secrets of the environment.
    let exit = match cx.run(Command::from_argv(words)?.capture(true)).await {
        Ok(exit) => exit,
        Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
        Err(error) => {
            return Err(Error::new(error.kind(), "a command of a template could not be run")
                .hint("run it yourself in the run's folder, and see what it says"));
        }
    };
    if exit.code != 0 {
        return Err(failed(&format!("ended with exit code {}", exit.code))
            .hint("run it yourself in the run's folder, and see what it says"));
    }
    if exit.stdout.len() > LONGEST {
        return Err(failed(&format!("printed more than {LONGEST} bytes")));
    }
    Ok(exit.stdout.trim().to_owned())
}

impl Skaffold {
    /// Runs the commands that templates ask for, so that [`Skaffold::pipeline`] has what each gave.
    ///
    /// Commands run one after the other in the root of the context's world, each once, with its environment; what one
    /// gave may be a word of the next. Nothing runs unless the options say [`Trust::Full`](super::Trust::Full).
    ///
    /// ```no_run
    /// use shipway_config::{Options, Skaffold, Trust};
    /// use shipway_core::{Cancel, Catalog, RunContext, World};
    ///
    /// # async fn load(text: &str, catalog: &Catalog) -> shipway_core::Result<()> {
    /// let cx = RunContext::new(World::host("/sources"), "load").context(None, None, Cancel::new());
    /// let options = Options::default().trust(Trust::Full);
    /// let mut skaffold = Skaffold::read("skaffold.yaml", text, options, catalog)?;
    /// skaffold.run_commands(&cx).await?;
    /// let loaded = skaffold.pipeline(catalog)?;
    /// # let _ = loaded;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of `pipeline` for what the file may not say and for its templates; `ToolFailed` at a template whose command does not end with 0, `MissingTool` where there is no
    /// such program, `Cancelled`.
    pub async fn run_commands(&mut self, cx: &Context) -> Result<()> {
        loop {
            let mut needed = Needed::default();
            let rendered = self.rendered(&mut needed, &mut Vec::new());
            if needed.is_empty() {
                return rendered.map(drop);
            }
            needed.run(cx, &mut self.options).await?;
        }
    }
}
