//! Images between commands: what `build` says of those that it made, and how others are told of them. The form is
//! Skaffold's (`--build-artifacts`).

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shipway::{Error, Image, Report, Result, RunOutcome, Store, template::Template};

use crate::{
    arguments::{Course, Options},
    say,
    work::{Asked, Work},
    world,
};

/// Images that are there already.
#[derive(Debug, Default, Args)]
pub(crate) struct Given {
    /// A file of images that were built elsewhere, as `shipway build --file-output` writes it; `-` is standard input.
    #[arg(short = 'a', long, value_name = "FILE", env = "SKAFFOLD_BUILD_ARTIFACTS", hide_env_values = true)]
    build_artifacts: Option<PathBuf>,
    /// An image that is there already, `NAME=REFERENCE` or a reference whose repository is the name; may be repeated.
    #[arg(
        short,
        long,
        value_name = "IMAGE",
        value_delimiter = ',',
        env = "SKAFFOLD_IMAGES",
        hide_env_values = true
    )]
    images: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Builds {
    builds: Vec<Built>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Built {
    image_name: String,
    tag: String,
}

impl Given {
    /// Returns the references by the artifacts' names; what is named on the command line goes before the file.
    ///
    /// # Errors
    /// `Config` for a file that has not the form.
    pub(crate) fn read(&self) -> Result<Vec<(String, String)>> {
        let mut images: BTreeMap<String, String> = BTreeMap::new();
        if let Some(file) = self.build_artifacts.as_ref().filter(|file| !file.as_os_str().is_empty()) {
            let text = match world::stream(file)? {
                Some(text) => text,
                None => world::text(file, "--build-artifacts")?,
            };
            let builds: Builds = serde_json::from_str(&text).map_err(|error| {
                Error::config(format!("`{}` is no file of built images", file.display())).source(error).hint(
                    r#"the form is {"builds":[{"imageName":"web","tag":"registry.example/web:1@sha256:…"}]}"#,
                )
            })?;
            images.extend(builds.builds.into_iter().map(|built| (built.image_name, built.tag)));
        }
        for image in self.images.iter().filter(|image| !image.is_empty()) {
            let (name, reference) = match image.split_once('=') {
                Some((name, reference)) => (name, reference),
                None => (without_tag(image), image.as_str()),
            };
            images.insert(name.to_owned(), reference.to_owned());
        }
        Ok(images.into_iter().collect())
    }
}

/// Returns what comes before a reference's tag and digest.
fn without_tag(reference: &str) -> &str {
    let name = reference.split('@').next().unwrap_or(reference);
    match name.rsplit_once(':') {
        // A colon before the last part is a port's.
        Some((before, tag)) if !tag.contains('/') => before,
        _ => name,
    }
}

/// Returns the reference by which an image is handed on: never another one, and with its tag for people.
pub(crate) fn reference(image: &Image) -> String {
    match (&image.store, &image.tag) {
        (Store::Registry, Some(tag)) => format!("{}:{tag}@{}", image.repository, image.digest),
        _ => image.reference(),
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  shipway build -t v1.2 --builder native\n  shipway build -b web --file-output builds.json\n  shipway build -q"
)]
pub(crate) struct Build {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    course: Course,
    /// Build only artifacts whose image's name contains this, with those that they require; may be repeated.
    #[arg(
        short,
        long,
        value_name = "PART",
        value_delimiter = ',',
        env = "SKAFFOLD_BUILD_IMAGE",
        hide_env_values = true
    )]
    build_image: Vec<String>,
    /// Say nothing but which images came out, by the template.
    #[arg(short, long, env = "SKAFFOLD_QUIET", hide_env_values = true)]
    quiet: bool,
    /// The template of what is said with `--quiet`: a Go template over `.Builds`, each with `.ImageName` and `.Tag`.
    #[arg(short, long, value_name = "TEMPLATE", default_value = "{{json .}}")]
    output: String,
    /// Write which images came out into a file, for `--build-artifacts`.
    #[arg(long, value_name = "FILE", env = "SKAFFOLD_FILE_OUTPUT", hide_env_values = true)]
    file_output: Option<PathBuf>,
    /// Build nothing: say what would be built and why, or, with `--quiet` or `--file-output`, under which tags.
    #[arg(long)]
    dry_run: bool,
}

/// Builds, and says which images came out.
pub(crate) async fn build(asked: &Build) -> Result<RunOutcome> {
    // What is wrong with the template is said before anything is built.
    let template = Output::parse(&asked.output)?;
    let mut work =
        Work::open(&asked.options, Asked::to("build").course(&asked.course).quiet(asked.quiet)).await?;
    if !asked.build_image.is_empty() {
        let parts = &asked.build_image;
        work.pipeline = work.pipeline.only(|artifact| parts.iter().any(|part| artifact.name.contains(part)));
        if work.pipeline.builds.is_empty() {
            return Err(Error::config(format!("no artifact's image contains `{}`", parts.join("` or `")))
                .hint("`shipway diagnose` says which there are"));
        }
    }
    if asked.dry_run {
        return dry_run(asked, &template, &work).await;
    }
    let report = work.driver.run(&work.pipeline, &work.cancel).await?;
    if report.outcome != RunOutcome::Succeeded && asked.quiet {
        work.tell_failure(&report);
        return Ok(report.outcome);
    }
    let outcome = work.tell(&report)?;
    if outcome == RunOutcome::Succeeded {
        asked.hand_on(&template, &of(&work, &report))?;
    }
    Ok(outcome)
}

async fn dry_run(asked: &Build, template: &Output, work: &Work) -> Result<RunOutcome> {
    let observed = work.driver.observe(&work.pipeline, &work.cancel).await?;
    if !asked.quiet && asked.file_output.is_none() {
        say(&shipway::Driver::plan(&work.pipeline, &observed)?.to_string())?;
        return Ok(RunOutcome::Succeeded);
    }
    let images = work.driver.expected_images(&work.pipeline, &observed, &work.cancel).await?;
    let built = |image: &Image| {
        let tag = match &image.tag {
            Some(tag) => format!("{}:{tag}", image.repository),
            None => image.repository.clone(),
        };
        Built { image_name: image.name.clone(), tag }
    };
    asked.hand_on(template, &Builds { builds: images.iter().map(built).collect() })?;
    Ok(RunOutcome::Succeeded)
}

impl Build {
    fn hand_on(&self, template: &Output, builds: &Builds) -> Result<()> {
        if let Some(file) = &self.file_output {
            world::write(file, Output::Json.render(builds)?.as_bytes())?;
        }
        if self.quiet {
            say(&template.render(builds)?)?;
        }
        Ok(())
    }
}

/// Returns the images of a run.
fn of(work: &Work, report: &Report) -> Builds {
    let images = work.pipeline.builds.iter().filter_map(|build| {
        let name = &build.artifact.name;
        let image = report.image(name)?;
        Some(Built { image_name: name.clone(), tag: reference(image) })
    });
    Builds { builds: images.collect() }
}

/// How images are told.
enum Output {
    /// In the form that `--build-artifacts` reads, which Skaffold writes as `{{json .}}`.
    Json,
    Template(Box<Template>),
}

impl Output {
    fn parse(text: &str) -> Result<Self> {
        if text.split_whitespace().collect::<String>() == "{{json.}}" {
            return Ok(Self::Json);
        }
        Template::parse(text).map(Box::new).map(Self::Template)
    }

    fn render(&self, builds: &Builds) -> Result<String> {
        match self {
            Self::Json => serde_json::to_string(builds)
                .map(|text| format!("{text}\n"))
                .map_err(|error| Error::internal("images cannot be told as JSON").source(error)),
            Self::Template(template) => {
                let each = |built: &Built| json!({"ImageName": built.image_name, "Tag": built.tag});
                let builds: Vec<_> = builds.builds.iter().map(each).collect();
                template.render_data(&json!({ "Builds": builds }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_its_image_without_tag_and_digest() {
        for (reference, name) in [
            ("web", "web"),
            ("web:1", "web"),
            ("host:5000/a/web", "host:5000/a/web"),
            ("host:5000/a/web:1@sha256:ab", "host:5000/a/web"),
        ] {
            assert_eq!(without_tag(reference), name);
        }
        let given = Given { images: vec!["web:1".into(), "a/b=c:2".into()], ..Given::default() };
        let images = given.read().expect("images");
        assert_eq!(images, [("a/b".into(), "c:2".into()), ("web".into(), "web:1".into())]);
    }

    #[test]
    fn images_are_told_as_json_or_by_a_template_with_skaffolds_names() {
        let builds =
            Builds { builds: vec![Built { image_name: "web".into(), tag: "reg/web:1@sha256:ab".into() }] };
        let told = |text: &str| Output::parse(text).and_then(|output| output.render(&builds));
        assert_eq!(
            told("{{json .}}").expect("JSON"),
            "{\"builds\":[{\"imageName\":\"web\",\"tag\":\"reg/web:1@sha256:ab\"}]}\n"
        );
        let lines =
            told("{{range .Builds}}{{.ImageName}} -> {{.Tag}}{{println}}{{end}}").expect("a template");
        assert_eq!(lines, "web -> reg/web:1@sha256:ab\n");
        assert!(told("{{range .Builds}}{{.Name}}{{end}}").is_err());
    }
}
