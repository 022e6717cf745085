//! Pipelines, plans and policies at their edges.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use shipway_core::{
    Allow, Artifact, Build, BuildRequest, Builder, Cancel, Capabilities, Context, Deploy, Digest, Driver,
    ErrorKind, Event, EventKind, Image, Images, Inputs, Need, Outcome, Pipeline, Platform, Policy, Record,
    Release, Result, RunOutcome, Store, StoreKind, Target, World,
};

use crate::{
    failure,
    fakes::{FakeBuilder, FakeDeployer, FakeTester, Quirk, Shelf, bench, build, deploy, requiring},
};

#[tokio::test]
async fn a_tester_whose_name_is_no_name_is_a_config_error() {
    let bench = bench();
    let tester = || Arc::new(FakeTester { passes: true });
    let build = build("web", bench.builder(Quirk::None));
    let deployer = FakeDeployer::default();
    for pipeline in [
        Pipeline::new("shop").build(build.clone().tester("my tester", tester())),
        Pipeline::new("shop").build(build).deploy(deploy(&deployer).tester("", tester())),
    ] {
        let error = bench.driver.run(&pipeline, &bench.cancel).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
    }
}

#[tokio::test]
async fn what_needs_an_image_whose_build_was_allowed_to_fail_is_skipped() {
    let bench = bench();
    let deployer = FakeDeployer::default();
    let allowed = Policy::default().allow(Allow::Failure);
    let pipeline = Pipeline::new("shop")
        .build(build("web", bench.builder(Quirk::Fails)).policy(allowed))
        .build(build("api", bench.builder(Quirk::None)))
        .deploy(deploy(&deployer).artifacts(["web"]));
    let report = bench.run(&pipeline).await;
    assert_eq!(report.outcome, RunOutcome::Succeeded, "{report}");
    assert!(matches!(report.task("build:web"), Some(Outcome::FailureAllowed { .. })));
    assert_eq!(report.task("tag:web"), Some(&Outcome::Skipped { because: "build:web".parse().ok() }));
    assert_eq!(report.task("push:api"), Some(&Outcome::Succeeded));
    assert!(deployer.history.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_release_after_another_waits_for_its_testers_too() {
    let bench = bench();
    let plain = FakeDeployer { plain: true, ..FakeDeployer::default() };
    let second = Deploy::new(Release::new("second"), Arc::new(plain.clone())).after([Need::release("shop")]);
    let pipeline = Pipeline::new("shop")
        .build(build("web", bench.builder(Quirk::None)))
        .deploy(deploy(&plain).tester("smoke", Arc::new(FakeTester { passes: false })))
        .deploy(second);
    let report = Driver::new(bench.world()).keep_going(true).run(&pipeline, &bench.cancel).await.unwrap();
    assert_eq!(
        report.task("diff:second"),
        Some(&Outcome::Skipped { because: "verify:shop/smoke".parse().ok() })
    );
}

#[tokio::test]
async fn a_timeout_beyond_all_moments_is_none() {
    let bench = bench();
    let policy = Policy::default().timeout(Duration::MAX);
    let pipeline = Pipeline::new("shop").build(build("web", bench.builder(Quirk::None)).policy(policy));
    assert_eq!(bench.run(&pipeline).await.outcome, RunOutcome::Succeeded);
}

#[tokio::test]
async fn a_plan_of_another_pipeline_is_refused_before_anything_happens() {
    let bench = bench();
    let tester = || Arc::new(FakeTester { passes: true });
    let web = || build("web", bench.builder(Quirk::None));
    let deployer = FakeDeployer::default();
    let whole = Pipeline::new("shop")
        .build(web().tester("shape", tester()))
        .deploy(deploy(&deployer).tester("smoke", tester()));
    let observed = bench.driver.observe(&whole, &bench.cancel).await.unwrap();
    let plan = Driver::plan(&whole, &observed).unwrap();
    let mut untagged = whole.clone();
    untagged.builds[0].tagger = None;
    let others = [
        Pipeline::new("shop"),
        Pipeline::new("shop").build(web().tester("shape", tester())),
        Pipeline::new("shop").build(web()).deploy(deploy(&deployer).tester("smoke", tester())),
        Pipeline::new("shop").build(web().tester("shape", tester())).deploy(deploy(&deployer)),
        untagged,
    ];
    for other in others {
        let error = bench.driver.execute(&other, &plan, &bench.cancel).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal, "{error:?}");
    }
    assert!(bench.shelf.0.lock().unwrap().is_empty());
    assert_eq!(
        bench.driver.execute(&whole, &plan, &bench.cancel).await.unwrap().outcome,
        RunOutcome::Succeeded
    );
}

#[tokio::test]
async fn a_task_that_is_tried_again_begins_once() {
    let bench = bench();
    let record = Arc::new(Record::new());
    let world = bench.world().sink(Arc::<Record>::clone(&record));
    let policy = Policy::default().retries(1_u32);
    let pipeline =
        Pipeline::new("shop").build(build("web", bench.builder(Quirk::FailsAtFirst(1))).policy(policy));
    Driver::new(world).run(&pipeline, &bench.cancel).await.unwrap().into_result().unwrap();
    let begun = record.events().into_iter().filter(|event| {
        event.task == "build:web".parse().ok() && matches!(event.kind, EventKind::TaskStarted { .. })
    });
    assert_eq!(begun.count(), 1);
}

#[tokio::test]
async fn a_task_that_is_late_between_two_tries_says_why_it_was_tried_again() {
    let bench = bench();
    let policy = Policy::default().retries(9_u32).timeout(Duration::from_millis(50));
    let pipeline =
        Pipeline::new("shop").build(build("web", bench.builder(Quirk::FailsAtFirst(9))).policy(policy));
    let error = failure(&bench.run(&pipeline).await, "build:web");
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert_eq!(error.notes, ["the last try failed: the registry is away"]);
}

#[tokio::test]
async fn a_result_whose_inputs_cannot_be_looked_at_again_is_used_but_not_recorded() {
    let bench = bench();
    let record = Arc::new(Record::new());
    let pipeline = Pipeline::new("shop").build(build("web", bench.builder(Quirk::RemovesSources)));
    let driver = Driver::new(bench.world().sink(Arc::<Record>::clone(&record)));
    let report = driver.run(&pipeline, &bench.cancel).await.unwrap();
    assert_eq!(report.task("build:web"), Some(&Outcome::Succeeded), "{report}");
    let warned = |event: Event| match event.kind {
        EventKind::Message { text, .. } => {
            text.starts_with("the result is used but not recorded: cannot open")
        }
        _ => false,
    };
    assert!(record.events().into_iter().any(warned));
}

#[tokio::test]
async fn no_two_runs_have_one_id() {
    let mut seen = BTreeSet::new();
    for _ in 0..100 {
        let driver = Driver::new(World::host("/"));
        assert!(seen.insert(driver.run(&Pipeline::new("shop"), &Cancel::new()).await.unwrap().state.run));
    }
}

/// Declares slowly, and therefore by a list.
#[derive(Debug)]
struct Listing {
    inner: Arc<FakeBuilder>,
    asked: Mutex<u32>,
}

#[async_trait]
impl Builder for Listing {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn inputs(&self, cx: &Context, artifact: &Artifact) -> Result<Inputs> {
        *self.asked.lock().unwrap() += 1;
        let listed_by = Inputs::default().files(["list".into()]);
        Ok(self.inner.inputs(cx, artifact).await?.listed_by(Box::new(listed_by)))
    }

    async fn build(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        self.inner.build(cx, request).await
    }
}

#[tokio::test]
async fn a_kept_declaration_is_of_the_artifact_as_it_is_declared() {
    let bench = bench();
    bench.write("api", "other sources");
    let builder = Arc::new(Listing { inner: bench.builder(Quirk::None), asked: Mutex::new(0) });
    let of = |context: &str| {
        let artifact = Artifact::new("web", context);
        Pipeline::new("shop").build(Build::new(artifact, "reg/web", Arc::<Listing>::clone(&builder) as _))
    };
    let first = bench.run(&of("web")).await.image("web").unwrap().digest.clone();
    let asked = *builder.asked.lock().unwrap();
    bench.run(&of("web")).await;
    assert_eq!(*builder.asked.lock().unwrap(), asked, "the list is the same");
    let report = bench.run(&of("api")).await;
    assert_eq!(report.task("build:web"), Some(&Outcome::Succeeded));
    assert_ne!(report.image("web").unwrap().digest, first);
}

/// A shelf for daemons and one for registries, which know an image by another digest.
#[derive(Clone, Debug)]
struct DaemonAndRegistry {
    daemon: Shelf,
    registry: Shelf,
}

#[async_trait]
impl Images for DaemonAndRegistry {
    async fn find(&self, cx: &Context, store: &Store, reference: &str) -> Result<Option<Image>> {
        match (store.kind(), reference.rsplit_once(':')) {
            (StoreKind::Registry, _) => self.registry.find(cx, store, reference).await,
            // `repository:<hex id>`
            (_, Some((repository, id))) => {
                self.daemon.find(cx, store, &format!("{repository}@sha256:{id}")).await
            }
            _ => Ok(None),
        }
    }

    async fn copy(&self, cx: &Context, image: &Image, to: &Target) -> Result<Image> {
        assert_eq!(to.store.kind(), StoreKind::Registry);
        let mut image = image.clone();
        if image.store.kind() == StoreKind::Daemon {
            let turned: String = image.digest.hex().chars().rev().collect();
            image.digest = Digest::parse(format!("sha256:{turned}"))?;
        }
        self.registry.copy(cx, &image, to).await
    }

    async fn join(&self, cx: &Context, images: &[Image], to: &Target) -> Result<Image> {
        self.registry.join(cx, images, to).await
    }
}

#[tokio::test]
async fn a_required_image_from_a_daemon_counts_with_the_digest_of_its_copy() {
    let bench = bench();
    let daemon = Shelf::default();
    let images = DaemonAndRegistry { daemon: daemon.clone(), registry: bench.shelf.clone() };
    let driver = Driver::new(bench.world().images(images));
    let base = FakeBuilder {
        shelf: daemon,
        quirk: Quirk::None,
        writes: vec![StoreKind::Daemon],
        reads: [StoreKind::Daemon].into(),
        built: Mutex::default(),
    };
    let stores = [Store::Daemon("unix:///x".to_owned()), Store::Registry];
    let pipeline = Pipeline::new("shop")
        .build(build("base", Arc::new(base)).stores(stores))
        .build(requiring("web", "base", bench.builder(Quirk::None)));
    for expected in [Outcome::Succeeded, Outcome::Reused] {
        let report = driver.run(&pipeline, &bench.cancel).await.unwrap();
        assert_eq!(report.task("build:web"), Some(&expected), "{report}");
    }
}

#[tokio::test]
async fn platforms_are_built_alone_and_joined_where_a_builder_does_one_at_a_time() {
    let bench = bench();
    let platforms: Vec<Platform> =
        ["linux/amd64", "linux/arm/v7"].map(|platform| platform.parse().unwrap()).into();
    let artifact = Artifact::new("web", "web").platforms(platforms.clone());
    // An engine could not hold what is joined, however much the builder likes it.
    let builder = Arc::new(FakeBuilder {
        shelf: bench.shelf.clone(),
        quirk: Quirk::None,
        writes: vec![StoreKind::Daemon, StoreKind::Registry],
        reads: [StoreKind::Registry].into(),
        built: Mutex::default(),
    });
    let build = Build::new(artifact, "reg/web", Arc::<FakeBuilder>::clone(&builder))
        .stores([Store::Daemon("unix:///engine".to_owned()), Store::Registry]);
    let pipeline = Pipeline::new("shop").build(build);
    let report = bench.run(&pipeline).await.into_result().unwrap();
    let image = report.image("web").unwrap();
    assert_eq!((&image.name[..], &image.store, &image.platforms), ("web", &Store::Registry, &platforms));
    let tag = image.tag.as_ref().unwrap();
    let shelf = bench.shelf.0.lock().unwrap().clone();
    for suffix in ["", "_linux_amd64", "_linux_arm_v7"] {
        assert!(shelf.contains_key(&format!("reg/web:{tag}{suffix}")), "{suffix}: {shelf:?}");
    }
    assert_eq!(*builder.built.lock().unwrap(), ["web", "web"]);
    assert_eq!(bench.run(&pipeline).await.task("build:web"), Some(&Outcome::Reused));
}
