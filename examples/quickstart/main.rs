//! From sources to a released, healthy image, all in one process: no daemon, no cluster, no network but
//! loopback.
//!
//! ```text
//! cargo run --example quickstart            # three releases: a first, a changed and a broken one
//! cargo run --example quickstart -- --keep  # the same, and what was made stays for a look
//! ```

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for people, which makes the project that it releases"
)]

mod project;

use std::{io, path::Path, sync::Arc, time::Duration};

use shipway::{
    Artifact, Build, Cancel, Deploy, Driver, Error, HostDisk, Outcome, Pipeline, Release, Report, Result,
    RunOutcome, Watch,
    builders::{FileCopy, ImageSettings, Native, NativeConfig, Prepare},
    cluster::MemoryCluster,
    deployers::Memory,
    oci::Registry,
    taggers::InputDigest,
};

#[tokio::main]
async fn main() -> Result<()> {
    let keep = std::env::args().any(|argument| argument == "--keep");
    let folder = tempfile::Builder::new()
        .prefix("shipway-quickstart-")
        .disable_cleanup(keep)
        .tempdir()
        .map_err(|error| Error::io("make", &std::env::temp_dir(), error))?;
    let sources = folder.path().join("project");
    std::fs::create_dir(&sources).and_then(|()| project::write(&sources)).map_err(failed(&sources))?;

    let registry = Registry::start(folder.path().join("registry"), Arc::new(HostDisk)).await?;
    let pipeline = pipeline(&registry.host())?;
    // A command sees the environment that is handed over here, and nothing else.
    let driver = Driver::new(shipway::host(&sources).env(std::env::vars()));

    println!("1. The first release: two services and a base image, built, pushed by digest and deployed.\n");
    let first = run(&driver, &pipeline).await?.into_result()?;

    println!("2. One file of the site changes: one artifact is built again, and the reason is said.\n");
    project::edit(&sources).map_err(failed(&sources))?;
    let second = run(&driver, &pipeline).await?.into_result()?;

    println!("3. A broken site: its health fails, and the earlier deployment is restored.\n");
    project::break_it(&sources).map_err(failed(&sources))?;
    let third = run(&driver, &pipeline).await?;

    check(&first, &second, &third)?;
    println!("The site that runs is that of the second release:");
    for image in third.deployment("shop").map(|live| &live.manifests.release.images).into_iter().flatten() {
        println!("  {:<6}{}", image.name, image.reference());
    }
    registry.shutdown().await;
    if keep {
        let look = folder.path().display();
        println!(
            "\nLook at the sources in {look}/project and at the blobs of the images in {look}/registry."
        );
    } else {
        println!("\nRun it with `-- --keep` to keep the sources and the registry for a look.");
    }
    Ok(())
}

/// Where `rustc` may be told by the environment to find itself; a command inherits only what is named.
const RUSTUP: [&str; 3] = ["RUSTUP_HOME", "CARGO_HOME", "RUSTUP_TOOLCHAIN"];

/// Says what to build and what to deploy.
fn pipeline(registry: &str) -> Result<Pipeline> {
    // A program without a C library to look for runs on an image that has nothing else.
    let program = |name: &str| {
        let output = format!("{{output}}/{name}");
        let compile =
            ["rustc", "--edition=2024", "-Copt-level=2", "-Ctarget-feature=+crt-static", "-o", &output];
        NativeConfig::default()
            .base("scratch")
            .prepare(
                Prepare::new(compile.into_iter().chain(["main.rs"]))
                    .dependencies(["main.rs"])
                    .inherit(RUSTUP),
            )
            .file(FileCopy::new(&output, format!("/{name}")))
            .config(ImageSettings::default().entrypoint([format!("/{name}")]))
    };
    let build = |artifact: Artifact, config: NativeConfig| -> Result<Build> {
        let repository = format!("{registry}/shop/{}", artifact.name);
        Ok(Build::new(artifact, repository, Arc::new(Native::new(config)?)).tagger(Arc::new(InputDigest)))
    };
    let on_httpd = [("httpd".to_owned(), "httpd".to_owned())];
    let cluster = MemoryCluster::new();
    let deploy = Deploy::new(Release::new("shop"), Arc::new(Memory::new(cluster)))
        .artifacts(["api", "site"])
        .watch(Watch::new(Duration::from_millis(100), Duration::from_secs(30)));
    Ok(Pipeline::new("shop")
        .build(build(Artifact::new("api", "api"), program("api"))?)
        .build(build(Artifact::new("httpd", "httpd"), program("httpd"))?)
        .build(build(
            Artifact::new("site", "site").requires(on_httpd),
            NativeConfig::default().dockerfile("Dockerfile"),
        )?)
        .deploy(deploy))
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

fn failed(path: &Path) -> impl Fn(io::Error) -> Error + '_ {
    move |error| Error::io("write", path, error)
}
