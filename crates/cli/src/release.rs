//! What is done with releases: `test`, `render`, `deploy`, `apply`, `rerun`, `status`, `rollback` and `logs`.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::json;
use shipway::{
    Action, DiskJournal, Driver, Error, Journal as _, LogRequest, Output, Phase, Plain, ReleaseStatus,
    Report, Result, RunOutcome, Timestamp, report::PastRun, template::whole_seconds,
};
use tempfile::TempDir;

use crate::{
    arguments::{Asking, Course, Options},
    built::{self, Given},
    containers::Junit,
    report::journal,
    say,
    work::{Asked, Work},
    world,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  shipway run -p production -d registry.example/team\n  shipway run --tail\n  shipway run --confirm --suspend"
)]
pub(crate) struct Run {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    course: Course,
    #[command(flatten)]
    asking: Asking,
    #[command(flatten)]
    tail: Tail,
}

/// Whether logs are followed once something is deployed.
#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// Follow the logs of what was deployed, until Ctrl-C.
    #[arg(long)]
    tail: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  shipway test\n  shipway test -a builds.json --junit tested.xml")]
pub(crate) struct Test {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    course: Course,
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    junit: Junit,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  shipway render -o rendered.yaml\n  shipway render -a builds.json -n staging\n  shipway render -i web=registry.example/team/web:v1.2"
)]
pub(crate) struct Render {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    course: Course,
    #[command(flatten)]
    given: Given,
    /// Where the manifests go; standard output when absent.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  shipway deploy -a builds.json --kube-context staging\n  shipway deploy -i web=registry.example/team/web:v1.2 --tail"
)]
pub(crate) struct Deploy {
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    course: Course,
    #[command(flatten)]
    asking: Asking,
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    tail: Tail,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  shipway apply rendered.yaml --kube-context staging\n  shipway apply - -n staging"
)]
pub(crate) struct Apply {
    /// Manifests, as `shipway render` writes them: files, folders and patterns; `-` is standard input.
    #[arg(value_name = "MANIFEST", required = true)]
    manifests: Vec<String>,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    course: Course,
    #[command(flatten)]
    asking: Asking,
    #[command(flatten)]
    tail: Tail,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  shipway rerun\n  shipway rerun 19aa7f3c2e1-4d2-0 --kube-context staging"
)]
pub(crate) struct Rerun {
    /// The run, as `shipway history` names it; the newest that built something when absent.
    #[arg(value_name = "RUN")]
    run: Option<String>,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    course: Course,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  shipway status --kube-context staging\n  shipway status --json")]
pub(crate) struct Status {
    #[command(flatten)]
    options: Options,
    /// Tell it as JSON: a line for each release.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  shipway rollback --kube-context staging\n  shipway rollback 3 --release shop"
)]
pub(crate) struct Rollback {
    /// The revision, as `shipway status` names it; the one before the live one when absent.
    #[arg(value_name = "REVISION")]
    revision: Option<String>,
    /// The release; all of the configuration when absent; may be repeated.
    #[arg(long, value_name = "NAME")]
    release: Vec<String>,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    course: Course,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  shipway logs --kube-context staging\n  shipway logs --follow --since 10m"
)]
pub(crate) struct Logs {
    #[command(flatten)]
    options: Options,
    /// Go on with what comes, until Ctrl-C.
    #[arg(long)]
    follow: bool,
    /// Only lines that are not older than this, such as `90s`, `10m` or `1h30m`.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    since: Option<u64>,
    /// Of what is there already, only so many lines of each container.
    #[arg(long, value_name = "COUNT")]
    lines: Option<u64>,
}

/// Builds, tests and deploys.
pub(crate) async fn run(asked: &Run) -> Result<RunOutcome> {
    let work =
        Work::open(&asked.options, Asked::to("run").course(&asked.course).asking(&asked.asking)).await?;
    asked.tail.run(&work).await
}

impl Tail {
    /// Runs all of it, and then follows the logs where that is asked for.
    async fn run(&self, work: &Work) -> Result<RunOutcome> {
        let began = work.now();
        let outcome = work.run().await?;
        if self.tail && outcome == RunOutcome::Succeeded {
            work.logs(&LogRequest::new().follow(true).since(began)).await?;
        }
        Ok(outcome)
    }
}

/// Judges images.
pub(crate) async fn test(asked: &Test) -> Result<RunOutcome> {
    let images = asked.given.read()?;
    let work = Work::open(&asked.options, Asked::to("test").course(&asked.course).images(images)).await?;
    if work.pipeline.builds.iter().all(|build| build.testers.is_empty()) {
        return Err(Error::config("the configuration has no tests").hint("add them to `test`"));
    }
    let report = work.run_up_to(|task| matches!(task.action, Action::Test { .. })).await?;
    asked.junit.write(&report)?;
    work.tell(&report)
}

/// Renders the manifests with their images, and applies nothing.
pub(crate) async fn render(asked: &Render) -> Result<RunOutcome> {
    let images = asked.given.read()?;
    let work = Work::open(&asked.options, Asked::to("render").course(&asked.course).images(images)).await?;
    let report = work.run_up_to(|task| task.action == Action::Render).await?;
    if report.outcome != RunOutcome::Succeeded {
        work.tell_failure(&report);
        return Ok(report.outcome);
    }
    let text = manifests(&work, &report);
    match &asked.output {
        Some(file) => world::write(file, text.as_bytes())?,
        None => say(&text)?,
    }
    Ok(RunOutcome::Succeeded)
}

/// Returns all that was rendered, in the order in which it is applied.
fn manifests(work: &Work, report: &Report) -> String {
    let mut text = String::new();
    for deploy in &work.pipeline.deploys {
        let Some(manifests) = report.manifests(&deploy.release.name) else { continue };
        for manifest in &manifests.objects {
            if !text.is_empty() {
                text.push_str("---\n");
            }
            text.push_str(manifest.text.trim_end());
            text.push('\n');
        }
    }
    text
}

/// Deploys images that are there already.
pub(crate) async fn deploy(asked: &Deploy) -> Result<RunOutcome> {
    let images = asked.given.read()?;
    let work = Work::open(
        &asked.options,
        Asked::to("deploy").course(&asked.course).asking(&asked.asking).images(images),
    )
    .await?;
    asked.tail.run(&work).await
}

/// Deploys manifests as they are.
pub(crate) async fn apply(asked: &Apply) -> Result<RunOutcome> {
    let mut manifests = asked.manifests.clone();
    // Kept until all is applied.
    let given = manifests.iter().position(|manifest| manifest == "-").map(piped).transpose()?;
    if let Some((place, file)) = &given {
        manifests[*place] = file.path().display().to_string();
    }
    let work = Work::open(
        &asked.options,
        Asked::to("apply").course(&asked.course).asking(&asked.asking).manifests(manifests),
    )
    .await?;
    asked.tail.run(&work).await
}

/// Puts what comes on standard input into a file of its own.
fn piped(place: usize) -> Result<(usize, TempDir)> {
    let text = world::stream(Path::new("-"))?.unwrap_or_default();
    let failed = |error| Error::io("keep the manifests of", Path::new("/dev/stdin"), error);
    let folder = tempfile::tempdir().map_err(failed)?;
    world::write(&folder.path().join("stdin.yaml"), text.as_bytes())?;
    Ok((place, folder))
}

/// Deploys once more what a past run built.
pub(crate) async fn rerun(asked: &Rerun) -> Result<RunOutcome> {
    let journal = journal()?;
    let images = match &asked.run {
        Some(run) => images_of(journal.as_ref(), run).await?,
        None => newest_images(journal.as_ref()).await?,
    };
    if images.is_empty() {
        let error = Error::config(match &asked.run {
            Some(run) => format!("there are no images of a run `{run}`"),
            None => "no run built anything".to_owned(),
        });
        return Err(error.hint("`shipway history` says what each run built"));
    }
    let work = Work::open(
        &asked.options,
        Asked::to("deploy").course(&asked.course).asking(&asked.asking).images(images),
    )
    .await?;
    work.run().await
}

/// Returns the references of a run's images by the artifacts' names.
async fn images_of(journal: &DiskJournal, run: &str) -> Result<Vec<(String, String)>> {
    let past = PastRun::of(run, &journal.read(run).await?);
    Ok(past.images().into_iter().map(|image| (image.name.clone(), built::reference(image))).collect())
}

/// Returns those of the newest run that has images.
async fn newest_images(journal: &DiskJournal) -> Result<Vec<(String, String)>> {
    // The ids of runs begin with the moment at which they began.
    for run in journal.runs().await?.iter().rev() {
        let images = images_of(journal, run).await?;
        if !images.is_empty() {
            return Ok(images);
        }
    }
    Ok(Vec::new())
}

/// Tells what is deployed and how it fares.
pub(crate) async fn status(asked: &Status) -> Result<RunOutcome> {
    let work = Work::open(&asked.options, Asked::to("run").quiet(true)).await?;
    let all = work.driver.status(&work.pipeline, &work.cancel).await?;
    let healthy =
        |status: &ReleaseStatus| status.health.as_ref().is_some_and(|health| health.phase == Phase::Healthy);
    let told: String = if asked.json {
        all.iter().map(as_json).collect()
    } else {
        all.iter().map(told).collect::<Vec<_>>().join("\n")
    };
    say(&told)?;
    Ok(if all.iter().all(healthy) { RunOutcome::Succeeded } else { RunOutcome::Failed })
}

fn as_json(status: &ReleaseStatus) -> String {
    let history: Vec<_> = status
        .history
        .iter()
        .map(|known| {
            let images = &known.manifests.release.images;
            let images: Vec<String> = images.iter().map(built::reference).collect();
            json!({"revision": known.revision, "at": known.at.to_string(), "images": images})
        })
        .collect();
    let line = json!({"release": status.release, "health": status.health, "history": history});
    format!("{line}\n")
}

/// Returns a release for people: how it fares, and its revisions, the live one first.
fn told(status: &ReleaseStatus) -> String {
    let mut text = String::new();
    // Writing to a text cannot fail.
    let mut out = Plain(&mut text);
    let fares = match &status.health {
        None => "not deployed",
        Some(health) => match health.phase {
            Phase::Healthy => "healthy",
            Phase::Failed => "FAILED",
            _ => "progressing",
        },
    };
    let _ = writeln!(out, "{}  {fares}", status.release);
    for line in status.health.iter().flat_map(|health| &health.waiting_for) {
        let _ = writeln!(out, "  {line}");
    }
    let width = status.history.iter().map(|known| known.revision.chars().count()).max().unwrap_or(0);
    for (place, known) in status.history.iter().enumerate() {
        let word = if place == 0 { "live   " } else { "earlier" };
        let images = &known.manifests.release.images;
        let images: Vec<String> = images.iter().map(|image| Output::Image(image.clone()).summary()).collect();
        let _ = writeln!(
            out,
            "  {word}  revision {:<width$}  {}  {}",
            known.revision,
            known.at,
            images.join(", ")
        );
    }
    text
}

/// Brings earlier deployments back.
pub(crate) async fn rollback(asked: &Rollback) -> Result<RunOutcome> {
    let work = Work::open(&asked.options, Asked::to("run").course(&asked.course)).await?;
    let all = || work.pipeline.deploys.iter().map(|deploy| deploy.release.name.clone());
    let releases: Vec<String> =
        if asked.release.is_empty() { all().collect() } else { asked.release.clone() };
    if let (Some(revision), true) = (&asked.revision, releases.len() > 1) {
        let error =
            Error::config(format!("`{revision}` is a revision of one release, and there are several"));
        return Err(error.hint(format!("name it with `--release`: {}", releases.join(", "))));
    }
    let to: BTreeMap<String, Option<String>> =
        releases.into_iter().map(|release| (release, asked.revision.clone())).collect();
    work.execute(&Driver::plan_rollback(&work.pipeline, &to)?).await
}

/// Tells what the programs of what is deployed print.
pub(crate) async fn logs(asked: &Logs) -> Result<RunOutcome> {
    let work = Work::open(&asked.options, Asked::to("run").quiet(true)).await?;
    let since = asked.since.map(|seconds| {
        let millis = seconds.saturating_mul(1000);
        Timestamp(work.now().0.saturating_sub(millis))
    });
    work.logs(&LogRequest::new().follow(asked.follow).since(since).lines(asked.lines)).await?;
    Ok(RunOutcome::Succeeded)
}

/// Reads a time as Go writes it, in seconds.
fn duration(text: &str) -> std::result::Result<u64, String> {
    whole_seconds(text).ok_or_else(|| "write numbers with `h`, `m` or `s`, such as `10m`".to_owned())
}
