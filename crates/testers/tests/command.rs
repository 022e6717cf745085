//! The tester `command`: what it says of commands that fail, take long or are none.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may panic and see its environment"
)]

use shipway_core::{
    Cancel, CaseOutcome, Context, Digest, ErrorKind, Image, RunContext, Store, Subject, Tester, World,
};
use shipway_testers::{CommandTest, CommandTestConfig, TestDependencies};
use tempfile::TempDir;

fn context(folder: &TempDir) -> Context {
    let world = World::host(folder.path()).env([("PATH".to_owned(), std::env::var("PATH").unwrap())]);
    RunContext::new(world, "run").context("test:web/own".parse().ok(), None, Cancel::new())
}

fn image() -> Subject {
    let digest = Digest::parse(format!("sha256:{}", "a".repeat(64))).unwrap();
    Subject::Image(Image::new("web", Store::Registry, "registry.example/web", digest))
}

async fn outcome(options: CommandTestConfig) -> CaseOutcome {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("web")).unwrap();
    let tester = CommandTest::new(options).unwrap();
    let report = tester.test(&context(&folder), &image()).await.unwrap();
    let [case] = report.cases.as_slice() else { panic!("{report:?}") };
    case.outcome.clone()
}

#[tokio::test]
async fn the_code_is_the_verdict_and_the_end_of_the_output_says_why() {
    let failed = |why: &str| CaseOutcome::Failed(why.to_owned());
    let reference = format!("registry.example/web@sha256:{}", "a".repeat(64));
    let same = format!("test \"$IMAGE\" = {reference}");
    assert_eq!(outcome(CommandTestConfig::new(same)).await, CaseOutcome::Passed);
    assert_eq!(
        outcome(CommandTestConfig::new("echo no >&2; exit 3")).await,
        failed("`echo no >&2; exit 3` failed with exit code 3\n  note: no")
    );
    let where_it_runs = CommandTestConfig::new("test $(basename $PWD) = web").context("web");
    assert_eq!(outcome(where_it_runs).await, CaseOutcome::Passed);
    let slow = CommandTestConfig::new("sleep 100").timeout_seconds(1);
    assert_eq!(outcome(slow).await, failed("it took longer than 1 s"));
}

#[tokio::test]
async fn the_tasks_own_deadline_is_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let cx = context(&folder).within(Some(std::time::Duration::from_millis(200)));
    let tester = CommandTest::new(CommandTestConfig::new("sleep 100").timeout_seconds(100)).unwrap();
    assert_eq!(tester.test(&cx, &image()).await.unwrap_err().kind(), ErrorKind::Timeout);
}

#[test]
fn options_that_do_not_fit_together_are_refused() {
    let dependencies = TestDependencies::default().paths(["a"]).command("b");
    for (options, text) in [
        (CommandTestConfig::new(" "), "tester `command` has no command"),
        (
            CommandTestConfig::new("true").dependencies(dependencies),
            "the dependencies of tester `command` are given by paths and by a command",
        ),
    ] {
        assert_eq!(CommandTest::new(options).unwrap_err().to_string(), text);
    }
}
