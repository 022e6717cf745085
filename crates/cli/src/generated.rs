//! What is made of the command line's own description, for those who package the command: completion for shells, and
//! man pages.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, ValueEnum};
use clap_complete::aot;
use clap_mangen::Man;
use shipway::{Error, Result, RunOutcome};

use crate::{arguments::Arguments, say, world};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shipway completion bash
  shipway completion zsh
  shipway completion fish

For this shell alone:
  bash  source <(shipway completion bash)
  zsh   source <(shipway completion zsh)
  fish  shipway completion fish | source")]
pub(crate) struct Completion {
    /// The shell: `bash`, `zsh` or `fish`.
    #[arg(value_name = "SHELL", hide_possible_values = true)]
    shell: Shell,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  shipway man\n  shipway man -o /usr/local/share/man/man1")]
pub(crate) struct ManPages {
    /// The folder of all pages, one for each command; that of `shipway` goes to standard output when absent.
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

/// Writes what a shell completes the command line by.
pub(crate) fn completion(asked: &Completion) -> Result<RunOutcome> {
    let shell = match asked.shell {
        Shell::Bash => aot::Shell::Bash,
        Shell::Zsh => aot::Shell::Zsh,
        Shell::Fish => aot::Shell::Fish,
    };
    let mut script = Vec::new();
    aot::generate(shell, &mut Arguments::command(), "shipway", &mut script);
    say(&String::from_utf8_lossy(&script))?;
    Ok(RunOutcome::Succeeded)
}

/// Writes the man pages.
pub(crate) fn man(asked: &ManPages) -> Result<RunOutcome> {
    let mut all = Arguments::command();
    // Gives each command the name that it has with those above it: `shipway-run`.
    all.build();
    let Some(folder) = &asked.output else {
        say(&String::from_utf8_lossy(&page(&Man::new(all))?))?;
        return Ok(RunOutcome::Succeeded);
    };
    let mut left = vec![all];
    while let Some(command) = left.pop() {
        left.extend(command.get_subcommands().filter(|command| !command.is_hide_set()).cloned());
        let man = Man::new(command);
        world::write(&folder.join(man.get_filename()), &page(&man)?)?;
    }
    Ok(RunOutcome::Succeeded)
}

/// Returns a page as troff's input.
fn page(man: &Man) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    man.render(&mut page).map_err(|error| Error::internal("the man page cannot be written").source(error))?;
    Ok(page)
}
