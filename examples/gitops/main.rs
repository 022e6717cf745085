//! Continuous delivery with two repositories: what the two pipelines of the field's best-known GitOps tutorial
//! do on Cloud Build, as one pipeline. The unit tests run, the image is built and pushed, its manifest is
//! committed to the branch `candidate` of the environment's repository and applied, and once it is healthy, it is
//! committed to `production`.
//!
//! ```text
//! cargo run --example gitops            # five commits to the application, two of them bad
//! cargo run --example gitops -- --keep  # the same, and both repositories stay for a look
//! ```
//!
//! It needs `git` and `rustc`, for the application's side.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for people, which makes the repositories that it works on"
)]

mod project;

use std::{path::Path, sync::Arc, time::Duration};

use shipway::{
    Artifact, Build, Cancel, Command, Deploy, Driver, Error, HostDisk, Need, Pipeline, Release, Report,
    Result, RunOutcome, RunRequest, Runner, Step, Watch,
    builders::{Native, NativeConfig},
    cluster::MemoryCluster,
    deployers::{Environment, Gitops, ImagePart, Memory, Substitute},
    git::Author,
    oci::Registry,
    runners::Host,
    taggers::{GitCommit, Variant},
};

#[tokio::main]
async fn main() -> Result<()> {
    let keep = std::env::args().any(|argument| argument == "--keep");
    let folder = tempfile::Builder::new().prefix("shipway-gitops-").disable_cleanup(keep).tempdir();
    let folder = folder.map_err(|error| Error::io("make", &std::env::temp_dir(), error))?;
    let (app, environment) = (folder.path().join("app"), folder.path().join("environment.git"));
    project::make(folder.path())?;
    let registry = Registry::start(folder.path().join("registry"), Arc::new(HostDisk)).await?;
    let pipeline = pipeline(&registry.host())?;
    let driver = Driver::new(shipway::host(&app).env(std::env::vars()));
    let run = async |what: &str| -> Result<Report> {
        println!("{what}\n");
        let report = driver.run(&pipeline, &Cancel::new()).await?;
        println!("{report}");
        Ok(report)
    };

    run("1. The first version.").await?.into_result()?;
    project::greet(&app, "Cloud Build", true)?;
    run("2. Another greeting, and its test.").await?.into_result()?;
    project::greet(&app, "nobody", false)?;
    let untested = run("3. A greeting that its test does not expect: nothing is built.").await?;
    project::revert(&app)?;
    project::break_it(&app)?;
    let broken = run("4. A program that does not start: it is tried, and taken back.").await?;
    project::revert(&app)?;
    project::greet(&app, "production", true)?;
    run("5. A better one.").await?.into_result()?;
    registry.shutdown().await;

    for branch in ["candidate", "production"] {
        println!("The branch `{branch}`, the newest commit first:");
        for message in project::history(&environment, branch)? {
            println!("  {}", message.lines().collect::<Vec<_>>().join("\n    "));
        }
    }
    check(&environment, &untested, &broken)?;
    if keep {
        println!("\nLook at both repositories in {}.", folder.path().display());
    }
    Ok(())
}

/// Says what becomes of a commit to the application.
fn pipeline(registry: &str) -> Result<Pipeline> {
    let host: Arc<dyn Runner> = Arc::new(Host::new());
    let command = |line: &str| {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Command::from_argv(&words).map(RunRequest::new)
    };
    // A program without a C library to look for runs on an image that has nothing else.
    let compile = "rustc --edition=2024 -Ctarget-feature=+crt-static -o target/app main.rs";
    let repository = format!("{registry}/my-repository/hello-cloudbuild");
    let build = Build::new(
        Artifact::new("hello-cloudbuild", ""),
        repository,
        Arc::new(Native::new(NativeConfig::default().dockerfile("Dockerfile"))?),
    )
    .tagger(Arc::new(GitCommit::new(Variant::AbbrevCommitSha)))
    .after([Need::step("compile")]);
    let environment = Environment::folder("../environment.git");
    let deployer = Gitops::new(Arc::new(Memory::new(MemoryCluster::new())), environment)
        .templates(["kubernetes.yaml.tpl"])
        .substitutes([
            ("REGISTRY", Substitute::Text(registry.to_owned())),
            ("COMMIT_SHA", Substitute::Of(ImagePart::Tag("hello-cloudbuild".to_owned()))),
        ])
        .author(Author::new("ci", "ci@example.com"))
        .repository("hello-cloudbuild-app");
    let deploy = Deploy::new(Release::new("hello-cloudbuild"), Arc::new(deployer))
        .watch(Watch::new(Duration::from_millis(100), Duration::from_secs(30)));
    let step =
        |name: &str, line: &str| -> Result<Step> { Ok(Step::run(name, Arc::clone(&host), command(line)?)) };
    Ok(Pipeline::new("hello-cloudbuild")
        .step(step("compile-test", "rustc --edition=2024 --test -o target/test main.rs")?)
        .step(step("test", "target/test")?.after([Need::step("compile-test")]))
        .step(step("compile", compile)?.after([Need::step("test")]))
        .build(build)
        .deploy(deploy))
}

/// An example that says one thing and does another helps nobody.
fn check(environment: &Path, untested: &Report, broken: &Report) -> Result<()> {
    let (candidate, production) =
        (project::history(environment, "candidate")?, project::history(environment, "production")?);
    let begins = |messages: &[String], beginnings: &[&str]| {
        messages.len() == beginnings.len()
            && messages.iter().zip(beginnings).all(|(message, beginning)| message.starts_with(beginning))
    };
    // What was tried: a first, another, a broken one, the way back, and a better one. What was proved: three.
    let tried = ["Deploying image ", "Restoring the manifest ", "Deploying ", "Deploying ", "Deploying "];
    let as_said = [
        ("the untested version stops", untested.outcome == RunOutcome::Failed),
        ("the broken version fails", broken.outcome == RunOutcome::Failed),
        ("`candidate` is what was tried", begins(&candidate, &tried)),
        ("`production` is what was proved", begins(&production, &["Manifest from commit "; 3])),
        ("production has each proved candidate", {
            let proved = [&candidate[0], &candidate[3], &candidate[4]];
            production.iter().zip(proved).all(|(message, of)| message.ends_with(of.as_str()))
        }),
        (
            "both end with what runs",
            project::manifests(environment, "candidate")? == project::manifests(environment, "production")?,
        ),
    ];
    match as_said.iter().find(|(_, holds)| !holds) {
        None => Ok(()),
        Some((what, _)) => Err(Error::internal(format!("it is not so that {what}"))),
    }
}
