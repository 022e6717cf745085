//! A run that asks, and people who answer.

use crate::bench::{Bench, CONFIGURATION, text};

/// Begins a run that ends at its question, and returns its id.
async fn asking(bench: &Bench) -> String {
    let output = bench.run("run --builder native -d REGISTRY/team --confirm --suspend").await;
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(4), "{out}{err}");
    assert!(err.contains("gate:shop: asks: make these changes to `shop`?"), "{err}");
    let line = out.lines().find_map(|line| line.strip_prefix("answer with: shipway approve "));
    line.unwrap_or_else(|| panic!("{out}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_after_a_yes_from_another_process() {
    let bench = Bench::new(CONFIGURATION).await;
    let run = asking(&bench).await;
    let output = bench.run(&format!("approve {run} --why tested")).await;
    let out = text(&output.stdout);
    assert!(output.status.success(), "{out}{}", text(&output.stderr));
    assert!(out.starts_with("create "), "what is approved is shown: {out}");
    assert!(out.contains("gate:shop: make these changes to `shop`?\napproved\n"), "{out}");
    let output = bench.run("approve").await;
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("nothing is asked"), "{}", text(&output.stderr));

    let output = bench.run(&format!("resume {run} --builder native -d REGISTRY/team")).await;
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}{}", text(&output.stderr));
    assert!(out.contains("approved by somebody at ") && out.contains(": tested"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_fails_after_a_no() {
    let bench = Bench::new(CONFIGURATION).await;
    let run = asking(&bench).await;
    let other = asking(&bench).await;
    let output = bench.run("reject").await;
    assert_eq!(output.status.code(), Some(2));
    let err = text(&output.stderr);
    assert!(err.contains("several runs ask") && err.contains(&run) && err.contains(&other), "{err}");
    assert!(bench.run(&format!("reject {run} --why late")).await.status.success());
    let output = bench.run(&format!("resume {run} --builder native -d REGISTRY/team")).await;
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{out}");
    assert!(out.contains("late"), "{out}");
}
