//! The tester `container` with a runner that is asked and answers.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use shipway_core::{
    Cancel, Capabilities, CaseOutcome, Context, Deployment, Digest, Error, ErrorKind, Exit, Image, Manifests,
    Release, Result, RunContext, RunRequest, Runner, Store, StoreKind, Subject, Tester, Timestamp, Volume,
    World,
};
use shipway_testers::ContainerTest;

#[derive(Debug, Default)]
struct Asked {
    requests: Mutex<Vec<RunRequest>>,
    code: i32,
    hangs: bool,
}

#[async_trait]
impl Runner for Asked {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new().limits([("docker-daemon".to_owned(), 4)]).reads([StoreKind::Daemon])
    }

    async fn open(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
        Ok(())
    }

    async fn run(&self, cx: &Context, request: &RunRequest) -> Result<Exit> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        if self.hangs {
            return Err(cx.stopped().await);
        }
        Ok(Exit::new(self.code).stderr("no such page".to_owned()))
    }

    async fn close(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
        Ok(())
    }
}

impl Asked {
    fn last(&self) -> RunRequest {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.last().cloned().unwrap_or_else(|| panic!("it was asked for nothing"))
    }
}

fn image(name: &str) -> Image {
    let digest = format!("sha256:{}", "0".repeat(64));
    let digest = Digest::parse(digest).unwrap_or_else(|error| panic!("{error:?}"));
    Image::new(name, Store::Registry, format!("reg/{name}"), digest)
}

fn release() -> Subject {
    let release = Release::new("shop").images([image("web"), image("smoke")]);
    Subject::Deployment(Deployment::new(Manifests::new(release), "1", Timestamp(0)))
}

fn context() -> Context {
    RunContext::new(World::host("/"), "1").context(None, None, Cancel::new())
}

fn asked(tester: impl Fn(Arc<Asked>) -> ContainerTest) -> (Arc<Asked>, ContainerTest) {
    let runner = Arc::new(Asked::default());
    (Arc::clone(&runner), tester(runner))
}

#[tokio::test]
async fn it_runs_in_the_image_of_an_artifact_of_the_release() {
    let (runner, tester) = asked(|runner| ContainerTest::new(runner).image("smoke").args(["--fast"]));
    let report = tester.test(&context(), &release()).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(report.cases[0].outcome, CaseOutcome::Passed);
    let request = runner.last();
    assert_eq!(request.image, Some(image("smoke")));
    // The entrypoint gets the arguments.
    assert_eq!(
        (request.command.program.as_str(), request.command.args.as_slice()),
        ("", ["--fast".to_owned()].as_slice())
    );
}

#[tokio::test]
async fn an_image_is_judged_in_a_container_of_its_own() {
    let env = BTreeMap::from([("URL".to_owned(), "http://web".to_owned())]);
    let (runner, tester) =
        asked(|runner| ContainerTest::new(runner).command(["sh", "-c"]).args(["curl $URL"]).env(env.clone()));
    tester.test(&context(), &Subject::Image(image("web"))).await.unwrap_or_else(|error| panic!("{error:?}"));
    let request = runner.last();
    assert_eq!((request.image, request.command.env), (Some(image("web")), env));
    assert_eq!(request.command.program, "sh");
    assert_eq!(request.command.args, ["-c", "curl $URL"]);
    let capabilities = tester.capabilities();
    assert_eq!(
        capabilities,
        Capabilities::new().limits([("docker-daemon".to_owned(), 4)]).reads([StoreKind::Daemon])
    );
}

#[tokio::test]
async fn a_code_and_a_time_that_is_up_are_failed_cases() {
    let failing = Arc::new(Asked { code: 7, ..Asked::default() });
    let report = ContainerTest::new(failing).command(["probe"]).test(&context(), &release()).await;
    let CaseOutcome::Failed(why) = &report.unwrap_or_else(|error| panic!("{error:?}")).cases[0].outcome
    else {
        panic!("it passed")
    };
    assert_eq!(why, "`probe` failed with exit code 7\n  note: no such page");

    let hanging = Arc::new(Asked { hangs: true, ..Asked::default() });
    let tester = ContainerTest::new(hanging).timeout(Duration::from_millis(20));
    let report = tester.test(&context(), &release()).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(report.cases[0].outcome, CaseOutcome::Failed("it took longer than 0 s".to_owned()));
}

#[tokio::test]
async fn an_artifact_that_is_not_there_is_told_with_the_nearest_one() {
    let (_, tester) = asked(|runner| ContainerTest::new(runner).name("e2e").image("smok"));
    let error: Error = match tester.test(&context(), &release()).await {
        Err(error) => error,
        Ok(report) => panic!("{report:?}"),
    };
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(
        error.report().to_string(),
        "test `e2e` runs in the image of `smok`, which is not there\n  hint: did you mean `smoke`?"
    );
}
