//! What a run would do and why, before anything happens: a plan is data, with a verdict for each task and the
//! reasons for it. Shown before the first run, after it, and after each of two changes.
//!
//! ```text
//! cargo run --example dry_run
//! ```

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for people, which makes the project that it plans"
)]

use std::{fs, path::Path, sync::Arc};

use shipway::{
    Artifact, Build, Cancel, Deploy, Driver, Error, HostDisk, Pipeline, Plan, Reason, Release, Result,
    Verdict, builders::Native, cluster::MemoryCluster, deployers::Memory, oci::Registry,
    taggers::InputDigest,
};

#[tokio::main]
async fn main() -> Result<()> {
    let folder = tempfile::tempdir().map_err(|error| Error::io("make", &std::env::temp_dir(), error))?;
    let sources = folder.path().join("project");
    write(&sources, "base/Dockerfile", "FROM scratch\nCOPY --chmod=755 serve /serve\n")?;
    write(&sources, "base/serve", "#!/bin/serve\n")?;
    write(&sources, "site/Dockerfile", "FROM base\nCOPY *.html /www/\nENTRYPOINT [\"/serve\"]\n")?;
    write(&sources, "site/index.html", "<h1>Hello</h1>\n")?;
    let registry = Registry::start(folder.path().join("registry"), Arc::new(HostDisk)).await?;
    let pipeline = pipeline(&registry.host())?;
    let driver = Driver::new(shipway::host(&sources));

    let plan = show("Nothing was ever built:", &driver, &pipeline).await?;
    check(&plan, "build:base", |verdict| *verdict == Verdict::Run(vec![Reason::First]))?;
    check(&plan, "build:site", |verdict| matches!(verdict, Verdict::Open(_)))?;

    // Until here nothing has happened. What was shown is what is carried out.
    let report = driver.execute(&pipeline, &plan, &Cancel::new()).await?;
    println!("Carried out:\n\n{}", report.into_result()?);

    let plan = show("All is built, and nothing has changed:", &driver, &pipeline).await?;
    check(&plan, "build:base", |verdict| matches!(verdict, Verdict::Reuse(_)))?;
    check(&plan, "build:site", |verdict| matches!(verdict, Verdict::Reuse(_)))?;

    write(&sources, "site/index.html", "<h1>Hello, harbour</h1>\n")?;
    let plan = show("One file of the site has changed:", &driver, &pipeline).await?;
    check(&plan, "build:base", |verdict| matches!(verdict, Verdict::Reuse(_)))?;
    check(&plan, "build:site", |verdict| *verdict == changed("file site/index.html"))?;

    write(&sources, "base/serve", "#!/bin/serve --quietly\n")?;
    let plan =
        show("And one of the base, so that what becomes of the site is open:", &driver, &pipeline).await?;
    check(&plan, "build:base", |verdict| *verdict == changed("file base/serve"))?;
    check(&plan, "build:site", |verdict| matches!(verdict, Verdict::Open(_)))?;
    registry.shutdown().await;
    Ok(())
}

/// Says what to build and what to deploy: a site, and the base image that it stands on.
fn pipeline(registry: &str) -> Result<Pipeline> {
    // Without options, `native` builds the artifact's Dockerfile.
    let native = Arc::new(Native::new(Default::default())?);
    let build = |artifact: Artifact| {
        let repository = format!("{registry}/{}", artifact.name);
        Build::new(artifact, repository, Arc::<Native>::clone(&native)).tagger(Arc::new(InputDigest))
    };
    let on_base = [("base".to_owned(), "base".to_owned())];
    let memory = Arc::new(Memory::new(MemoryCluster::new()));
    Ok(Pipeline::new("site")
        .build(build(Artifact::new("base", "base")))
        .build(build(Artifact::new("site", "site").requires(on_base)))
        .deploy(Deploy::new(Release::new("site"), memory).artifacts(["site"])))
}

/// Looks at the world, which reads only, and makes a plan of what was seen, which is pure.
async fn show(when: &str, driver: &Driver, pipeline: &Pipeline) -> Result<Plan> {
    let observed = driver.observe(pipeline, &Cancel::new()).await?;
    let plan = Driver::plan(pipeline, &observed)?;
    println!("{when}\n\n{plan}");
    Ok(plan)
}

fn changed(key: &str) -> Verdict {
    Verdict::Run(vec![Reason::Changed(key.to_owned())])
}

/// An example that says one thing and does another helps nobody.
fn check(plan: &Plan, id: &str, expected: impl Fn(&Verdict) -> bool) -> Result<()> {
    match plan.tasks.iter().find(|task| task.id.as_str() == id) {
        Some(task) if expected(&task.verdict) => Ok(()),
        other => Err(Error::internal(format!("`{id}` is not as it should be: {other:?}"))),
    }
}

fn write(sources: &Path, path: &str, text: &str) -> Result<()> {
    let path = sources.join(path);
    path.parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(&path, text))
        .map_err(|error| Error::io("write", &path, error))
}
