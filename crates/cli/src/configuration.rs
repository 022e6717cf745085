//! What a configuration says: `diagnose`, `explain`, `fix` and `schema`.

use std::path::{Path, PathBuf};

use clap::Args;
use shipway::{
    Catalog, Context, Error, Result, RunOutcome,
    config::{Skaffold, Version, fix_skaffold, skaffold_schema},
};

use crate::{arguments, say, words, work::Asked, world};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  shipway diagnose -p production\n  shipway diagnose --yaml-only")]
pub(crate) struct Diagnose {
    #[command(flatten)]
    options: arguments::Options,
    /// Say nothing but the configuration.
    #[arg(long)]
    yaml_only: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  shipway explain\n  shipway explain build.artifacts[0].image -p production"
)]
pub(crate) struct Explain {
    /// The path of a value, or of a section with all that is in it; everything when absent.
    #[arg(value_name = "PATH", default_value = "", hide_default_value = true)]
    path: String,
    #[command(flatten)]
    options: arguments::Options,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  shipway fix\n  shipway fix -f deploy/skaffold.yaml --overwrite\n  shipway fix -o new.yaml"
)]
pub(crate) struct Fix {
    /// The configuration.
    #[arg(short, long, value_name = "FILE", default_value = "skaffold.yaml")]
    #[arg(env = "SKAFFOLD_FILENAME", hide_env_values = true)]
    filename: PathBuf,
    /// Write it in the place of the old one.
    #[arg(long, conflicts_with = "output")]
    overwrite: bool,
    /// Where it goes; standard output when absent.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  shipway schema\n  shipway schema skaffold/v2beta29")]
pub(crate) struct Schema {
    /// The version; the newest when absent.
    #[arg(value_name = "VERSION")]
    version: Option<String>,
}

/// Reads the configuration for a command of Skaffold's, with what it requires.
pub(crate) async fn read(
    options: &arguments::Options,
    asked: &Asked,
    cx: &Context,
    catalog: &Catalog,
) -> Result<Skaffold> {
    let mut read = world::options(options, asked.command)?.now(cx.clock().now());
    read = read.manifests(&asked.manifests);
    read = read.container_env(asked.containers.env.clone());
    if let Some(action) = &asked.containers.action {
        read = read.action(action);
    }
    if let Some(network) = &asked.containers.network {
        read = read.docker_network(network);
    }
    for (name, reference) in &asked.images {
        read = read.image(name, reference);
    }
    let file = &options.filename;
    let stream = world::stream(file)?;
    words::named(file, stream.as_deref());
    match stream {
        Some(text) => Skaffold::read(file, &text, read, catalog),
        None => Skaffold::load(cx, file, read, catalog).await,
    }
}

/// Writes all that the configuration means.
pub(crate) async fn diagnose(asked: &Diagnose, cx: &Context) -> Result<RunOutcome> {
    let skaffold = read(&asked.options, &Asked::to("diagnose"), cx, &shipway::catalog()).await?;
    if !asked.yaml_only {
        words::tell_warnings(skaffold.notices());
    }
    say(&skaffold.effective(cx.root())?)?;
    Ok(RunOutcome::Succeeded)
}

/// Says where values come from.
pub(crate) async fn explain(asked: &Explain, cx: &Context) -> Result<RunOutcome> {
    let skaffold = read(&asked.options, &Asked::to("diagnose"), cx, &shipway::catalog()).await?;
    let all = skaffold.explain(&asked.path, cx.root())?;
    say(&all.iter().map(|value| format!("{value}\n")).collect::<String>())?;
    Ok(RunOutcome::Succeeded)
}

/// Writes the configuration in the newest version.
pub(crate) fn fix(asked: &Fix) -> Result<RunOutcome> {
    let file = &asked.filename;
    let stream = world::stream(file)?;
    words::named(file, stream.as_deref());
    let text = match stream {
        Some(_) if asked.overwrite => {
            return Err(Error::config(format!("`{}` is no file that can be overwritten", file.display()))
                .hint("name where it goes with `--output`"));
        }
        Some(text) => text,
        None => world::text(file, "--filename")?,
    };
    let fixed = fix_skaffold(file, &text)?;
    words::tell_warnings(&fixed.notices);
    let to: Option<&Path> = if asked.overwrite { Some(&asked.filename) } else { asked.output.as_deref() };
    match to {
        Some(file) => world::write(file, fixed.text.as_bytes())?,
        None => say(&fixed.text)?,
    }
    Ok(RunOutcome::Succeeded)
}

/// Writes the JSON Schema of a version.
pub(crate) fn schema(asked: &Schema) -> Result<RunOutcome> {
    let version = asked.version.as_deref().map_or(Ok(Version::NEWEST), Version::of_file)?;
    let schema = skaffold_schema(version, &shipway::catalog());
    let text = serde_json::to_string_pretty(&schema)
        .map_err(|error| Error::internal("the schema cannot be written").source(error))?;
    say(&format!("{text}\n"))?;
    Ok(RunOutcome::Succeeded)
}
