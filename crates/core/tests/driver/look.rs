//! Parts of a run, images that are there already, and looks at what is deployed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use shipway_core::{
    Action, Artifact, Build, Context, Deployment, Driver, ErrorKind, EventKind, LogReader, LogRequest,
    Outcome, Phase, Pipeline, Preview, Record, Result, RunOutcome, Stream,
};

use crate::{
    failure,
    fakes::{Bench, FakeDeployer, FakeTester, Quirk, bench, build, deploy, requiring},
};

fn shop(bench: &Bench, deployer: &FakeDeployer) -> Pipeline {
    Pipeline::new("shop").build(build("web", bench.builder(Quirk::None))).deploy(deploy(deployer))
}

#[tokio::test]
async fn a_run_up_to_its_rendering_applies_nothing() {
    let (bench, deployer) = (bench(), FakeDeployer::default());
    let pipeline = shop(&bench, &deployer);
    let render = |task: &shipway_core::Task| task.action == Action::Render;
    let report = bench.driver.run_up_to(&pipeline, render, &bench.cancel).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Succeeded, "{report}");
    let ids: Vec<&str> = report.state.tasks.keys().map(|id| id.as_str()).collect();
    assert_eq!(ids, ["build:web", "push:web", "render:shop", "tag:web"]);
    let manifests = report.manifests("shop").expect("rendered");
    assert_eq!(manifests.release.images[0].reference(), report.image("web").unwrap().reference());
    assert!(deployer.history.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_image_that_is_there_is_tested_and_released_and_not_built() {
    let (bench, deployer) = (bench(), FakeDeployer::default());
    let report = bench.run(&shop(&bench, &deployer)).await;
    let image = report.image("web").unwrap().clone();

    bench.write("web", "other sources");
    let web = Build::built(Artifact::new("web", "web"), "reg/web", image.reference());
    let web = web.tester("shell", Arc::new(FakeTester { passes: true }));
    let pipeline = Pipeline::new("shop").build(web).deploy(deploy(&deployer));
    let tags = bench.shelf.0.lock().unwrap().len();
    // Observed first and carried out later, as by who approves a plan in between.
    let plan =
        Driver::plan(&pipeline, &bench.driver.observe(&pipeline, &bench.cancel).await.unwrap()).unwrap();
    let report = bench.driver.execute(&pipeline, &plan, &bench.cancel).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Succeeded, "{report}");
    assert_eq!(report.task("build:web"), Some(&Outcome::Reused));
    assert!(matches!(report.task("test:web/shell"), Some(Outcome::Succeeded)));
    assert_eq!(bench.shelf.0.lock().unwrap().len(), tags, "no tag moves");
    let released = &report.deployment("shop").unwrap().manifests.release.images[0];
    assert_eq!((released.name.as_str(), &released.digest), ("web", &image.digest));

    let missing = Build::built(Artifact::new("web", "web"), "reg/web", "reg/web:gone");
    let error = bench
        .driver
        .run(&Pipeline::new("shop").build(missing), &bench.cancel)
        .await
        .expect_err("there is none");
    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::NotFound, "there is no image `reg/web:gone`".into())
    );
}

#[tokio::test]
async fn a_tag_that_moved_after_the_plan_is_a_conflict() {
    let bench = bench();
    let image = bench.run(&Pipeline::new("shop").build(build("web", bench.builder(Quirk::None)))).await;
    let first = image.image("web").unwrap().digest.clone();
    bench.shelf.0.lock().unwrap().insert("reg/web:stable".into(), first);
    let pipeline =
        Pipeline::new("shop").build(Build::built(Artifact::new("web", "web"), "reg/web", "reg/web:stable"));
    let plan =
        Driver::plan(&pipeline, &bench.driver.observe(&pipeline, &bench.cancel).await.unwrap()).unwrap();
    let other = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
    bench.shelf.0.lock().unwrap().insert("reg/web:stable".into(), other);
    let report = bench.driver.execute(&pipeline, &plan, &bench.cancel).await.unwrap();
    assert_eq!(failure(&report, "build:web").kind, ErrorKind::Conflict);
}

#[test]
fn only_what_is_wanted_and_what_it_requires_is_left() {
    let (bench, deployer) = (bench(), FakeDeployer::default());
    let builder = || bench.builder(Quirk::None);
    let pipeline = Pipeline::new("shop")
        .build(build("base", builder()))
        .build(requiring("web", "base", builder()))
        .build(build("api", builder()))
        .deploy(deploy(&deployer));
    let names = |pipeline: Pipeline| {
        assert!(pipeline.deploys.is_empty());
        pipeline.builds.into_iter().map(|build| build.artifact.name).collect::<Vec<_>>()
    };
    assert_eq!(names(pipeline.clone().only(|artifact| artifact.name == "web")), ["base", "web"]);
    assert_eq!(names(pipeline.only(|_| false)), [""; 0]);
}

#[tokio::test]
async fn what_a_release_would_change_is_told_before_its_images_are_built() {
    let (bench, deployer) = (bench(), FakeDeployer::default());
    let pipeline = shop(&bench, &deployer);
    let look = async || {
        let observed = bench.driver.observe(&pipeline, &bench.cancel).await.unwrap();
        let mut previews = bench.driver.preview(&pipeline, &observed, &bench.cancel).await.unwrap();
        let (release, preview) = previews.remove(0);
        assert_eq!(release, "shop");
        let preview: Preview = preview.unwrap();
        let shipway_core::Desired::Released { manifests, .. } = &preview.changes.desired else {
            panic!("not a release")
        };
        (manifests.release.images[0].clone(), preview.to_string())
    };
    let (image, text) = look().await;
    assert_eq!((image.digest.as_str(), text.as_str()), (Preview::UNBUILT, "update Thing shop-0\n"));
    assert!(image.tag.is_some(), "the tag of its inputs is known");
    assert!(deployer.history.lock().unwrap().is_empty(), "nothing is applied");
    assert!(bench.shelf.0.lock().unwrap().is_empty(), "nothing is built");

    let report = bench.run(&pipeline).await;
    assert_eq!(look().await.0.reference(), report.image("web").unwrap().reference());
}

#[tokio::test]
async fn a_release_goes_back_to_the_deployment_before_or_to_a_revision() {
    let (bench, deployer) = (bench(), FakeDeployer::default());
    let pipeline = shop(&bench, &deployer);
    for source in ["1", "2", "3"] {
        bench.write("web", source);
        bench.run(&pipeline).await.into_result().unwrap();
    }
    let image = |at: usize| deployer.history.lock().unwrap()[at].manifests.release.images[0].digest.clone();
    let back = async |to: Option<&str>| {
        let to = BTreeMap::from([("shop".to_owned(), to.map(str::to_owned))]);
        let plan = Driver::plan_rollback(&pipeline, &to).unwrap();
        bench.driver.execute(&pipeline, &plan, &bench.cancel).await.unwrap()
    };
    let report = back(None).await;
    assert_eq!(report.outcome, RunOutcome::Succeeded, "{report}");
    let ids: Vec<&str> = report.state.tasks.keys().map(|id| id.as_str()).collect();
    assert_eq!(ids, ["apply:shop/rollback", "diff:shop/rollback", "health:shop/rollback"]);
    assert_eq!(report.deployment("shop").unwrap().revision, "4");
    assert_eq!(image(3), image(1), "the second runs again");
    back(Some("1")).await.into_result().unwrap();
    assert_eq!(image(4), image(0));

    let error = failure(&back(Some("7")).await, "diff:shop/rollback");
    assert_eq!(
        (error.kind, error.message.as_str()),
        (ErrorKind::NotFound, "release `shop` has no revision `7`")
    );
    assert_eq!(error.hint.unwrap(), "the target remembers `5`, `4`, `3`, `2`, `1`");
    deployer.history.lock().unwrap().truncate(1);
    let error = failure(&back(None).await, "diff:shop/rollback");
    assert_eq!(error.message, "release `shop` has no earlier deployment to go back to");

    let unknown = BTreeMap::from([("shpo".to_owned(), None)]);
    let error = Driver::plan_rollback(&pipeline, &unknown).expect_err("no such release").report().to_string();
    assert!(error.contains("did you mean `shop`?"), "{error}");
}

#[tokio::test]
async fn the_status_is_what_the_target_remembers_and_how_the_live_one_fares() {
    let (bench, deployer) = (bench(), FakeDeployer::default());
    let pipeline = shop(&bench, &deployer);
    let status = async || bench.driver.status(&pipeline, &bench.cancel).await.unwrap().remove(0);
    let none = status().await;
    assert_eq!((none.release.as_str(), none.history.len(), none.health), ("shop", 0, None));
    for source in ["1", "2"] {
        bench.write("web", source);
        bench.run(&pipeline).await.into_result().unwrap();
    }
    let two = status().await;
    let revisions: Vec<&str> = two.history.iter().map(|known| known.revision.as_str()).collect();
    assert_eq!((revisions, two.health.unwrap().phase), (vec!["2", "1"], Phase::Healthy));
}

/// Prints the live revision, and goes on until it is cancelled where it is to follow.
#[derive(Debug, Default)]
struct FakeLogs(Mutex<Vec<LogRequest>>);

#[async_trait]
impl LogReader for FakeLogs {
    async fn read(&self, cx: &Context, deployment: &Deployment, request: &LogRequest) -> Result<()> {
        self.0.lock().unwrap().push(request.clone());
        cx.output(Stream::Stdout, &format!("[web] revision {}", deployment.revision));
        if request.follow {
            cx.cancel().requested().await;
        }
        Ok(())
    }
}

#[tokio::test]
async fn logs_are_output_of_what_is_live() {
    let (bench, deployer, logs) = (bench(), FakeDeployer::default(), Arc::new(FakeLogs::default()));
    let reader: Arc<dyn LogReader> = Arc::<FakeLogs>::clone(&logs);
    let pipeline = Pipeline::new("shop")
        .build(build("web", bench.builder(Quirk::None)))
        .deploy(deploy(&deployer).logs(reader));
    let record = Arc::new(Record::new());
    let driver = Driver::new(bench.world().sink(Arc::<Record>::clone(&record)));
    let error = driver.logs(&pipeline, &LogRequest::new(), &bench.cancel).await.expect_err("nothing is live");
    assert_eq!(error.kind(), ErrorKind::NotFound);

    driver.run(&pipeline, &bench.cancel).await.unwrap().into_result().unwrap();
    let before = record.events().len();
    driver.logs(&pipeline, &LogRequest::new().lines(5), &bench.cancel).await.unwrap();
    let [event] = &record.events()[before..] else { panic!("not one line") };
    let line = EventKind::Output { stream: Stream::Stdout, line: "[web] revision 1".to_owned() };
    assert_eq!((event.task.clone(), event.kind.clone()), (None, line));
    assert_eq!(logs.0.lock().unwrap().last().unwrap().lines, Some(5));

    let following = bench.cancel.child();
    let request = LogRequest::new().follow(true);
    let (read, ()) = tokio::join!(driver.logs(&pipeline, &request, &following), async {
        while logs.0.lock().unwrap().len() < 2 {
            tokio::task::yield_now().await;
        }
        following.escalate(shipway_core::Stage::Requested, shipway_core::CancelReason::Asked);
    });
    read.unwrap();
}
