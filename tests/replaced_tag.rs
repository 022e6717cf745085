//! F10 of the reliability standard: whoever may write to the registry moves every tag between any two stages. Tests and
//! deployments see what was built all the same, because nothing after the build goes by a tag.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the test prepares real sources and prints its figures"
)]

use std::{collections::BTreeSet, fs, sync::Arc, time::Duration};

use shipway::{
    Artifact, Build, Cancel, Deploy, Driver, HostDisk, Outcome, Pipeline, Release, RunOutcome, Watch,
    builders::{Native, NativeConfig},
    cluster::MemoryCluster,
    deployers::Memory,
    oci::{Client, Registry},
};

use self::intruder::Intruder;

#[path = "support/intruder.rs"]
mod intruder;

#[tokio::test(flavor = "multi_thread")]
async fn tests_and_deployments_see_what_was_built_whatever_happens_to_tags() {
    const RUNS: usize = 5;
    let folder = tempfile::tempdir().unwrap();
    for (name, page) in [("web", "good"), ("evil", "evil")] {
        fs::create_dir(folder.path().join(name)).unwrap();
        let dockerfile = "FROM scratch\nCOPY --chmod=755 page /page\nENTRYPOINT [\"/page\"]\n";
        fs::write(folder.path().join(name).join("Dockerfile"), dockerfile).unwrap();
        fs::write(folder.path().join(name).join("page"), page).unwrap();
    }
    let registry = Registry::start(folder.path().join("registry"), Arc::new(HostDisk)).await.unwrap();
    let intruder = Intruder::new(
        format!("{}/web", registry.host()),
        Client::new(),
        Native::new(NativeConfig::default()).unwrap(),
        Memory::new(MemoryCluster::new()),
    );
    let world = shipway::host(folder.path()).images(Intruder::clone(&intruder));
    let driver = Driver::new(world.clone());
    let build = |name: &str| {
        Build::new(Artifact::new(name, name), intruder.repository.as_str(), Arc::<Intruder>::clone(&intruder))
    };
    let evil = driver.run(&Pipeline::new("evil").build(build("evil")), &Cancel::new()).await.unwrap();
    let evil = evil.into_result().unwrap().image("evil").unwrap().clone();
    let cx = shipway::RunContext::new(world, "test").context(None, None, Cancel::new());
    intruder.move_to(&cx, &evil.digest).await;

    let pipeline = Pipeline::new("shop")
        .build(
            build("web")
                .tagger(Arc::<Intruder>::clone(&intruder))
                .tester("image", Arc::<Intruder>::clone(&intruder)),
        )
        .deploy(
            Deploy::new(Release::new("shop"), Arc::<Intruder>::clone(&intruder))
                .tester("live", Arc::<Intruder>::clone(&intruder))
                .watch(Watch::new(Duration::from_millis(1), Duration::from_secs(60))),
        );
    let (mut right, mut wrong, mut moved, mut built) = (0, 0, 0, BTreeSet::new());
    for run in 0..RUNS {
        fs::write(folder.path().join("web/page"), format!("good {}", run / 2)).unwrap();
        let report = driver.run(&pipeline, &Cancel::new()).await.unwrap();
        assert_eq!(report.outcome, RunOutcome::Succeeded, "{report}");
        // Also a result that is recorded is found by its digest.
        let expected = if run % 2 == 0 { Outcome::Succeeded } else { Outcome::Reused };
        assert_eq!(report.task("build:web"), Some(&expected));
        let image = report.image("web").unwrap();
        let live = &report.deployment("shop").unwrap().manifests.release.images[0];
        let mut seen = intruder.seen();
        seen.looked_at.extend([image.digest.clone(), live.digest.clone()]);
        for digest in seen.looked_at.drain(..) {
            assert_ne!(digest, evil.digest);
            built.insert(digest.clone());
            if digest == image.digest { right += 1 } else { wrong += 1 }
        }
        moved += std::mem::take(&mut seen.moved);
    }
    // The tags really are elsewhere.
    assert_eq!(intruder.tagged(&cx).await, evil.digest);
    println!(
        "F10: {RUNS} runs, {moved} times a tag was moved; tests and deployments saw the built digest {right} of {} times",
        right + wrong
    );
    assert_eq!(built.len(), RUNS.div_ceil(2), "each content once");
    assert!(wrong == 0 && right >= RUNS * 6 && moved > RUNS * 8, "{right} {wrong} {moved}");
}
