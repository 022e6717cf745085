//! A command that is killed or stopped, and another one that goes on.

use crate::{
    bench::{Bench, CONFIGURATION, text},
    stopping::{run, tested},
};

const LINE: &str = "--builder native -d REGISTRY/team";

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_is_gone_on_with() {
    let bench = tested("echo waits; echo once >> asked; until [ -e go ]; do sleep 0.05; done").await;
    tokio::task::block_in_place(|| run(&bench).kill());
    bench.write("go", "");
    let resumed = bench.run(&format!("resume {LINE}")).await;
    let (out, err) = (text(&resumed.stdout), text(&resumed.stderr));
    assert_eq!(resumed.status.code(), Some(0), "{out}{err}");
    // What had been built was not built again, and what was under way was begun again.
    let built = out.lines().find(|line| line.starts_with("done      build:web")).expect("it is told");
    assert!(!built.contains("s |") && out.contains("done      apply:shop"), "{out}{err}");
    assert_eq!(std::fs::read_to_string(bench.project().join("asked")).unwrap(), "once\nonce\n");
    let again = bench.run(&format!("resume {LINE}")).await;
    assert_eq!(again.status.code(), Some(0), "a run that has ended is told once more");
    assert_eq!(std::fs::read_to_string(bench.project().join("asked")).unwrap(), "once\nonce\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_stopped_says_how_to_go_on() {
    let bench = tested("echo waits; until [ -e go ]; do sleep 0.05; done").await;
    let out = tokio::task::block_in_place(|| {
        let waiting = run(&bench);
        waiting.interrupt();
        bench.write("go", "");
        waiting.end().1
    });
    let how = out.lines().find_map(|line| line.strip_prefix("go on with: shipway ")).expect("it says how");
    let resumed = bench.run(&format!("{how} {LINE}")).await;
    assert_eq!(resumed.status.code(), Some(0), "{}", text(&resumed.stderr));
    assert!(text(&resumed.stdout).contains("done      apply:shop"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_built_before_is_reused_unless_told_otherwise() {
    let bench = Bench::new(CONFIGURATION).await;
    for (line, word) in [("build", "done"), ("build", "reused"), ("build --cache-artifacts=false", "done")] {
        let built = bench.run(&format!("{line} {LINE}")).await;
        let out = text(&built.stdout);
        assert!(
            out.lines().any(|line| line.starts_with(word) && line.contains("build:web")),
            "{word}: {out}"
        );
    }
    let nothing = Bench::new(CONFIGURATION).await.run(&format!("resume {LINE}")).await;
    assert_eq!(nothing.status.code(), Some(2));
    assert!(text(&nothing.stderr).contains("there is no run to go on with"), "{}", text(&nothing.stderr));
}
