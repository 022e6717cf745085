//! A run whose process is killed in the middle of a release, and another process that goes on with it: what was built is
//! not built again, the one commit that had been made is not made twice, and what is left is done.
//!
//! ```text
//! cargo run --example resume_after_kill
//! ```

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program for people, which makes the project that it releases, and starts itself again"
)]

mod shop;

use std::{
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use shipway::{
    Cancel, DiskJournal, Driver, Error, HostDisk, Journal, JsonLines, Outcome, Result, oci::Registry,
};

use self::shop::Shop;

#[tokio::main]
async fn main() -> Result<()> {
    if let [_, folder, registry] = env::args().collect::<Vec<_>>().as_slice() {
        return release(&Shop::new(folder, registry)).await;
    }
    let folder = tempfile::tempdir().map_err(|error| Error::io("make", &env::temp_dir(), error))?;
    let registry = Registry::start(folder.path().join("registry"), Arc::new(HostDisk)).await?;
    let shop = Shop::new(folder.path(), &registry.host());
    shop.make()?;
    println!(
        "A process releases the shop, and is killed once the commit is made and half of the rest is applied.\n"
    );
    let (path, host) = (folder.path().to_owned(), registry.host());
    let killed = tokio::task::spawn_blocking(move || kill_in_the_middle(&path, &host));
    killed.await.map_err(|error| Error::internal("nobody was there to kill").source(error))??;

    let journal = journal(&shop);
    let runs = journal.runs().await?;
    let [run] = runs.as_slice() else { return Err(Error::internal("one run was begun")) };
    println!("This one goes on with run {run}:\n");
    let driver = Driver::new(shop.world()).journal(Arc::new(journal));
    let report = driver.resume(&shop.pipeline()?, run, &Cancel::new()).await?.into_result()?;
    println!("{report}");
    for (branch, count) in [("candidate", 1), ("production", 1)] {
        let commits = shop.commits(branch)?;
        println!("{branch}: {}", commits.join("; "));
        // An example that says one thing and does another helps nobody.
        if commits.len() != count {
            return Err(Error::internal(format!("`{branch}` has {} commits", commits.len())));
        }
    }
    if report.task("build:web") != Some(&Outcome::Succeeded) || shop.applied()? != 2 {
        return Err(Error::internal("something was done twice"));
    }
    registry.shutdown().await;
    Ok(())
}

fn journal(shop: &Shop) -> DiskJournal {
    DiskJournal::new(Arc::new(HostDisk), shop.folder.join("runs"))
}

/// What the first process does.
async fn release(shop: &Shop) -> Result<()> {
    let world = shop.world().sink(Arc::new(JsonLines::new(std::io::stdout())));
    let driver = Driver::new(world).journal(Arc::new(journal(shop)));
    driver.run(&shop.pipeline()?, &Cancel::new()).await?.into_result().map(drop)
}

/// Starts this program again, and kills it as soon as it has applied the first of two objects.
fn kill_in_the_middle(folder: &Path, registry: &str) -> Result<()> {
    let failed = |error| Error::io("start", folder, error);
    let mut child = Command::new(env::current_exe().map_err(failed)?)
        .arg(folder)
        .arg(registry)
        .env("SHOP_IS_SLOW", "1")
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let events = child.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines);
    for event in events.map_while(std::result::Result::ok) {
        if event.contains("applied Deployment web") {
            break;
        }
    }
    // SIGKILL, which nobody can catch.
    child.kill().and_then(|()| child.wait()).map_err(failed)?;
    Ok(())
}
