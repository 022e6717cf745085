//! What holds for all projects: `config`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use shipway::{
    Disk as _, Error, HostDisk, Result, RunOutcome,
    config::{GlobalConfig, GlobalKey, GlobalScope},
};

use crate::{plain::plain, say, warn, world};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shipway config set default-repo registry.example/team
  shipway config set local-cluster true --kube-context kind-shop
  shipway config get default-repo
  shipway config unset default-repo
  shipway config list --all

Without --kube-context it is about all contexts: which of them is the current one is not looked up.")]
pub(crate) struct Options {
    #[command(subcommand)]
    does: Does,
}

#[derive(Debug, Subcommand)]
enum Does {
    /// Set a value; of a list it is one more.
    Set {
        /// What is set, such as `default-repo`.
        key: String,
        /// What it is set to.
        value: String,
        #[command(flatten)]
        at: At,
    },
    /// Take a value out, a list as a whole.
    Unset {
        /// What is meant, such as `default-repo`.
        key: String,
        #[command(flatten)]
        at: At,
    },
    /// Say which value counts, each of a list in a line.
    Get {
        /// What is meant, such as `default-repo`.
        key: String,
        #[command(flatten)]
        at: At,
    },
    /// Say all that is set.
    List {
        /// All that the file says, also of single contexts.
        #[arg(short, long, conflicts_with_all = ["kube_context", "global"])]
        all: bool,
        #[command(flatten)]
        at: At,
    },
}

/// Of what, and where.
#[derive(Debug, Args)]
struct At {
    /// The file; `~/.skaffold/config` when absent.
    #[arg(short, long, value_name = "FILE", env = "SKAFFOLD_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    /// The Kubernetes context that it is about: by the section whose name or pattern it has.
    #[arg(short, long, value_name = "NAME")]
    kube_context: Option<String>,
    /// It is about all contexts, as it is without `--kube-context`.
    #[arg(short, long, conflicts_with = "kube_context")]
    global: bool,
}

impl At {
    fn scope(&self) -> GlobalScope<'_> {
        match self.kube_context.as_deref().filter(|name| !name.is_empty()) {
            Some(name) => GlobalScope::Context(name),
            None => GlobalScope::All,
        }
    }

    fn file(&self) -> Result<PathBuf> {
        let named = self.config.clone().filter(|path| !path.as_os_str().is_empty());
        named.or_else(world::global_file).ok_or_else(|| {
            Error::config("there is no home for what holds for all projects")
                .hint("set `HOME`, or name a file with `--config`")
        })
    }

    /// Returns the text of the file; nothing where there is none yet.
    fn text(&self, file: &Path) -> Result<String> {
        if file.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
            return Ok(String::new());
        }
        world::text(file, "--config")
    }
}

/// Says or sets what holds for all projects.
pub(crate) fn perform(asked: &Options) -> Result<RunOutcome> {
    match &asked.does {
        Does::Set { key, value, at } => set(key, value, at)?,
        Does::Unset { key, at } => set(key, "", at)?,
        Does::Get { key, at } => {
            let (key, file) = (key.parse::<GlobalKey>()?, at.file()?);
            let values = GlobalConfig::get(&file, &at.text(&file)?, at.scope(), key)?;
            if values.is_empty() {
                return Err(Error::not_found(format!("`{key}` is not set")));
            }
            say(&plain(&values.iter().map(|value| format!("{value}\n")).collect::<String>()))?;
        }
        Does::List { all, at } => {
            let file = at.file()?;
            let text = at.text(&file)?;
            let said = match all {
                true => {
                    GlobalConfig::read(&file, &text)?;
                    Some(text.clone()).filter(|text| !text.is_empty())
                }
                false => GlobalConfig::section(&file, &text, at.scope())?,
            };
            match said {
                Some(said) => say(&plain(&said))?,
                None => warn(&format!("`{}` says nothing of {}", file.display(), whom(&text, at)?)),
            }
        }
    }
    Ok(RunOutcome::Succeeded)
}

/// Sets a value, or takes it out where it is nothing.
fn set(key: &str, value: &str, at: &At) -> Result<()> {
    let (key, file) = (key.parse::<GlobalKey>()?, at.file()?);
    let text = at.text(&file)?;
    let changed = GlobalConfig::set(&file, &text, at.scope(), key, value)?;
    if changed != text {
        if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            HostDisk.create_dir(folder).map_err(|error| {
                Error::io("make", folder, error).hint("name a file elsewhere with `--config`")
            })?;
        }
        world::write(&file, changed.as_bytes())?;
    }
    if !key.has_effect() {
        warn(&format!("warning: `{key}` has no effect here: it is for Skaffold, which reads the same file"));
    }
    let whom = whom(&changed, at)?;
    // A flag is written in one of its forms.
    let values = GlobalConfig::get(&file, &changed, at.scope(), key)?;
    let done = match values.iter().find(|said| *said == value).or(values.first()) {
        Some(said) if !value.is_empty() => format!("`{key}` is `{said}`"),
        _ => format!("`{key}` is not set"),
    };
    say(&plain(&format!("{done} for {whom}\n")))
}

/// Returns what a text's section is about.
fn whom(text: &str, at: &At) -> Result<String> {
    let GlobalScope::Context(context) = at.scope() else { return Ok("all contexts".to_owned()) };
    let global = GlobalConfig::read(at.file()?, text)?;
    Ok(match global.name_for(context) {
        Some(pattern) if pattern != context => format!("contexts like `{pattern}`, as `{context}` is one"),
        _ => format!("context `{context}`"),
    })
}
