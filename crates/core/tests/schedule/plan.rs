//! Plans of large pipelines: in order, and in a time that grows as they do.

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "this measures and says what")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use shipway_core::{
    Artifact, Build, BuildRequest, Builder, Capabilities, ChangeSet, Context, Deploy, Deployer, Deployment,
    Desired, Driver, Error, Feature, Health, Image, Inputs, Manifests, Need, Observed, ObservedBuild,
    Pipeline, Plan, Release, Result, Snapshot, Step, Store, StoreKind, Subject, Tag, TagRequest, Tagger,
    TaskId, TestReport, Tester,
};

/// Does nothing: it is only planned with.
#[derive(Debug)]
struct Idle;

fn idle<T>() -> Result<T> {
    Err(Error::internal("nothing was to be done"))
}

#[async_trait]
impl Builder for Idle {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
            .writes([StoreKind::Registry])
            .reads([StoreKind::Registry])
            .limits([("builder".to_owned(), 4)])
    }

    async fn inputs(&self, _cx: &Context, _artifact: &Artifact) -> Result<Inputs> {
        idle()
    }

    async fn build(&self, _cx: &Context, _request: &BuildRequest) -> Result<Image> {
        idle()
    }
}

#[async_trait]
impl Tagger for Idle {
    fn needs_fingerprint(&self) -> bool {
        true
    }

    async fn tag(&self, _cx: &Context, _request: &TagRequest) -> Result<Tag> {
        idle()
    }
}

#[async_trait]
impl Tester for Idle {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default().reads([StoreKind::Registry, StoreKind::Layout])
    }

    async fn inputs(&self, _cx: &Context) -> Result<Inputs> {
        idle()
    }

    async fn test(&self, _cx: &Context, _subject: &Subject) -> Result<TestReport> {
        idle()
    }
}

#[async_trait]
impl Deployer for Idle {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default().reads([StoreKind::Registry]).features([Feature::Settle, Feature::Restore])
    }

    async fn inputs(&self, _cx: &Context) -> Result<Inputs> {
        idle()
    }

    async fn render(&self, _cx: &Context, _release: &Release) -> Result<Manifests> {
        idle()
    }

    async fn history(&self, _cx: &Context, _release: &str) -> Result<Vec<Deployment>> {
        idle()
    }

    async fn diff(&self, _cx: &Context, _desired: &Desired) -> Result<ChangeSet> {
        idle()
    }

    async fn apply(&self, _cx: &Context, _changes: &ChangeSet) -> Result<Deployment> {
        idle()
    }

    async fn health(&self, _cx: &Context, _deployment: &Deployment) -> Result<Health> {
        idle()
    }
}

/// Returns a pipeline of so many artifacts with a tag and a test each; one release has all of them, and each tenth
/// has a release of its own, which comes after the one before.
fn pipeline(count: usize, requires: impl Fn(usize) -> BTreeSet<usize>) -> Pipeline {
    let name = |index: usize| format!("artifact-{index}");
    let mut pipeline = Pipeline::new("large");
    for index in 0..count {
        let required =
            requires(index).into_iter().map(|required| (format!("BASE_{required}"), name(required)));
        let artifact = Artifact::new(name(index), ".").requires(required.collect::<BTreeMap<_, _>>());
        let build = Build::new(artifact, format!("reg/{index}"), Arc::new(Idle))
            .stores([Store::Layout("out".into()), Store::Registry])
            .tagger(Arc::new(Idle))
            .tester("unit", Arc::new(Idle));
        pipeline = pipeline.build(build);
        if index % 10 == 0 {
            let after = index.checked_sub(10).map(|before| Need::release(name(before)));
            let deploy =
                Deploy::new(Release::new(name(index)), Arc::new(Idle)).artifacts([name(index)]).after(after);
            pipeline = pipeline.deploy(deploy);
        }
    }
    let told = Step::wait("told", Duration::ZERO).finally();
    pipeline.deploy(Deploy::new(Release::new("all"), Arc::new(Idle))).step(told)
}

fn plan(shape: &str, count: usize, requires: impl Fn(usize) -> BTreeSet<usize>) -> Plan {
    let pipeline = pipeline(count, requires);
    let fingerprint = Snapshot::default().fingerprint();
    let seen = ObservedBuild::new(Inputs::default(), Snapshot::default()).fingerprint(fingerprint);
    let seen = pipeline.builds.iter().map(|build| (build.artifact.name.clone(), seen.clone()));
    let observed = Observed::default().builds(seen.collect::<BTreeMap<_, _>>());
    let start = Instant::now();
    let plan = Driver::plan(&pipeline, &observed).unwrap();
    let took = start.elapsed();
    println!("{shape}: {count} artifacts are {} tasks, planned in {took:?}", plan.tasks.len());
    let removal = Driver::plan_removal(&pipeline).unwrap();
    assert_eq!(removal.tasks.len(), 2 * pipeline.deploys.len());
    assert!(took < Duration::from_secs(10), "{shape}: {took:?} for {count} artifacts");
    plan
}

#[test]
fn a_large_pipeline_is_planned_in_order_and_in_no_time() {
    let random = |index: usize| {
        // A fixed sequence that looks random, so that each run measures the same.
        let hash = |salt: usize| index.wrapping_add(salt).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
        (1..=index.min(3)).map(|salt| hash(salt) % index).collect()
    };
    for count in [1_000, 5_000] {
        for plan in [
            plan("a chain", count, |index| index.checked_sub(1).into_iter().collect()),
            plan("a fan", count, |index| if index == 0 { BTreeSet::new() } else { [0].into() }),
            plan("a random graph", count, random),
        ] {
            let mut before: BTreeSet<&TaskId> = BTreeSet::new();
            for task in &plan.tasks {
                assert!(task.needs.iter().all(|need| before.contains(need)), "{} comes too early", task.id);
                before.insert(&task.id);
            }
        }
    }
}
