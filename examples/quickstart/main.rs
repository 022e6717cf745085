//! From sources and a `skaffold.yaml` to a released, healthy image and a history of what was released, all in one
//! process: no daemon, no cluster, no network but loopback.
//!
//! ```text
//! cargo run --example quickstart            # three releases: a first, a changed and a broken one
//! cargo run --example quickstart -- --keep  # the same, and what was made stays for a look
//!
//! # The same to a namespace of a cluster, where the site answers. Its nodes must reach the registry: one of
//! # this process on loopback, or another one.
//! cargo run --example quickstart -- --kube-context kind-kind --registry localhost:5001
//! ```

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for people, which makes the project that it releases"
)]

mod project;
mod target;

use std::{io, path::Path, sync::Arc, time::Duration};

use shipway::{
    Cancel, Driver, Error, HostDisk, Outcome, Pipeline, Report, Result, RunContext, RunOutcome, Watch, World,
    config::{Options, Skaffold},
    git::Repository,
    oci::Registry,
};
use target::Target;

#[tokio::main]
async fn main() -> Result<()> {
    let keep = std::env::args().any(|argument| argument == "--keep");
    let cluster = match argument("--kube-context") {
        Some(context) => Some(Target::make(&context).await?),
        None => None,
    };
    let released = release(keep, cluster.as_ref()).await;
    if let Some(cluster) = cluster.filter(|_| !keep) {
        cluster.remove().await?;
    }
    released
}

/// Returns what stands after a word of the command line.
fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != name).nth(1)
}

async fn release(keep: bool, cluster: Option<&Target>) -> Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("shipway-quickstart-")
        .disable_cleanup(keep)
        .tempdir()
        .map_err(|error| Error::io("make", &std::env::temp_dir(), error))?;
    let sources = folder.path().join("project");
    std::fs::create_dir(&sources).and_then(|()| project::write(&sources)).map_err(failed(&sources))?;
    if let Some(cluster) = cluster {
        project::for_cluster(&sources, &cluster.context, &cluster.namespace).map_err(failed(&sources))?;
    }

    let cx = RunContext::new(World::host(&sources), "quickstart").context(None, None, Cancel::new());
    let environment = Repository::open_or_create(&cx, Path::new("../environment.git"))?;
    let registry = Registry::start(folder.path().join("registry"), Arc::new(HostDisk)).await?;
    let pipeline = pipeline(&sources, &argument("--registry").unwrap_or_else(|| registry.host()))?;
    // A command sees the environment that is handed over here, and nothing else.
    let world = shipway::host(&sources).env(std::env::vars()).credentials(target::kubeconfig());
    let driver = Driver::new(world);

    println!("1. The first release: two services and a base image, built, pushed by digest and deployed.\n");
    let first = run(&driver, &pipeline).await?.into_result()?;
    answers(cluster, "<h1>Hello</h1>").await?;

    println!("2. One file of the site changes: one artifact is built again, and the reason is said.\n");
    project::edit(&sources).map_err(failed(&sources))?;
    let second = run(&driver, &pipeline).await?.into_result()?;
    answers(cluster, "<h1>Hello, harbour</h1>").await?;

    println!("3. A broken site: its health fails, and the earlier deployment is restored.\n");
    project::break_it(&sources).map_err(failed(&sources))?;
    let third = run(&driver, &pipeline).await?;
    answers(cluster, "<h1>Hello, harbour</h1>").await?;

    let candidate = history(&environment, "candidate")?;
    let production = history(&environment, "production")?;
    check(&first, &second, &third)?;
    check_history(&candidate, &production)?;
    println!("The site that runs is that of the second release:");
    for image in third.deployment("shop").map(|live| &live.manifests.release.images).into_iter().flatten() {
        println!("  {:<6}{}", image.name, image.reference());
    }
    for (branch, messages) in [("candidate", candidate), ("production", production)] {
        println!("\nThe branch `{branch}` of the environment's repository, the newest commit first:");
        for message in messages {
            println!("  {}", message.replace('\n', "\n    "));
        }
    }
    registry.shutdown().await;
    if keep {
        let look = folder.path().display();
        println!(
            "\nLook at {look}/project, {look}/environment.git and, for the blobs of the images, {look}/registry."
        );
    } else {
        println!(
            "\nRun it with `-- --keep` to keep the sources, the repository and the registry for a look."
        );
    }
    Ok(())
}

/// Says what to build and what to deploy, as the project's `skaffold.yaml` has it.
fn pipeline(sources: &Path, registry: &str) -> Result<Pipeline> {
    let file = sources.join("skaffold.yaml");
    let text = std::fs::read_to_string(&file).map_err(|error| Error::io("read", &file, error))?;
    let options = Options::default().default_repo(format!("{registry}/shop"));
    let catalog = shipway::catalog();
    let loaded = Skaffold::read("skaffold.yaml", &text, options, &catalog)?.pipeline(&catalog)?;
    // What Skaffold has no word for is set on the pipeline: a base image is not deployed by itself.
    let mut pipeline = loaded.pipeline;
    for deploy in &mut pipeline.deploys {
        deploy.artifacts = ["api", "site"].map(str::to_owned).into();
        deploy.watch = Watch::new(Duration::from_millis(100), Duration::from_secs(30));
    }
    Ok(pipeline)
}

/// Asks the site of a cluster, if there is one.
async fn answers(cluster: Option<&Target>, expected: &str) -> Result<()> {
    let Some(cluster) = cluster else { return Ok(()) };
    let answer = cluster.answer().await?;
    println!("The site answers: {answer}\n");
    if answer == expected {
        return Ok(());
    }
    Err(Error::internal(format!("the site answers `{answer}`")))
}

async fn run(driver: &Driver, pipeline: &Pipeline) -> Result<Report> {
    let report = driver.run(pipeline, &Cancel::new()).await?;
    println!("{report}");
    Ok(report)
}

/// An example that says one thing and does another helps nobody.
fn check(first: &Report, second: &Report, third: &Report) -> Result<()> {
    let built = |report: &Report, name: &str| report.task(&format!("build:{name}")).cloned();
    let all_built =
        ["api", "httpd", "site"].iter().all(|name| built(first, name) == Some(Outcome::Succeeded));
    let one_built = built(second, "site") == Some(Outcome::Succeeded)
        && ["api", "httpd"].iter().all(|name| built(second, name) == Some(Outcome::Reused));
    let images =
        |report: &Report| report.deployment("shop").map(|live| live.manifests.release.images.clone());
    let restored = third.outcome == RunOutcome::Failed && images(third) == images(second);
    if all_built && one_built && restored {
        return Ok(());
    }
    Err(Error::internal(format!("built {all_built}, built one {one_built}, restored {restored}")))
}

/// Returns what the commits of a branch say, the newest first.
fn history(environment: &Repository, branch: &str) -> Result<Vec<String>> {
    let mut next = environment.branch_commit(branch)?;
    let mut messages = Vec::new();
    while let Some(commit) = next {
        let read = environment.read_commit(commit)?;
        messages.push(read.message);
        next = read.parent;
    }
    Ok(messages)
}

/// What was tried is four commits, with the broken one and the way back; what was proved is two.
fn check_history(candidate: &[String], production: &[String]) -> Result<()> {
    let words = |messages: &[String]| -> Vec<String> {
        messages.iter().map(|message| message.split(' ').next().unwrap_or_default().to_owned()).collect()
    };
    let expected = (["Restoring", "Deploying", "Deploying", "Deploying"], ["Manifest", "Manifest"]);
    if words(candidate) == expected.0 && words(production) == expected.1 {
        return Ok(());
    }
    Err(Error::internal(format!("candidate {candidate:?}, production {production:?}")))
}

fn failed(path: &Path) -> impl Fn(io::Error) -> Error + '_ {
    move |error| Error::io("write", path, error)
}
