//! What past runs did, and what a plan will do, to look at.

use std::fs;

use crate::bench::{Bench, CONFIGURATION, ended, text};

const PLAN: &str = "plan --builder native -d REGISTRY/team -t v1";

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_a_graph_in_three_forms() {
    let bench = Bench::new(CONFIGURATION).await;
    let graph = bench.run(&format!("{PLAN} --graph")).await;
    assert!(graph.status.success(), "{}", text(&graph.stderr));
    insta::assert_snapshot!(text(&graph.stdout), @r"
    ○ tag:web               runs
    ○ build:web             runs: never built before
    ↓ push:web              runs (also after tag:web)
    ↓ render:shop           runs
    ↓ diff:shop             runs
    ↓ apply:shop            runs
    ↓ health:shop           runs
    ├─ diff:shop/settle     runs
    │  ↓ apply:shop/settle  runs
    ╰─ diff:shop/undo       only after a failure
       ↓ apply:shop/undo    only after a failure
       ↓ health:shop/undo   only after a failure
    12 tasks: 9 run, 3 only after a failure
    ");
    let mut narrow = bench.command(&format!("{PLAN} --graph=text"));
    narrow.env("COLUMNS", "24");
    let narrow = text(&ended(narrow).await.stdout);
    assert!(narrow.lines().all(|line| line.chars().count() <= 24), "{narrow}");

    let dot = text(&bench.run(&format!("{PLAN} --graph=dot")).await.stdout);
    assert!(dot.starts_with("digraph \"shop\" {") && dot.contains("\"build:web\" -> \"push:web\";"), "{dot}");
    let svg = text(&bench.run(&format!("{PLAN} --graph=svg")).await.stdout);
    assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"), "{svg}");
    let wrong = bench.run("plan --graph=png").await;
    assert_eq!(wrong.status.code(), Some(2), "{}", text(&wrong.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn past_runs_are_listed_and_made_into_pages() {
    let bench = Bench::new(CONFIGURATION).await;
    let nothing = bench.run("history").await;
    assert_eq!(
        (nothing.status.code(), text(&nothing.stdout).as_str()),
        (Some(0), "no run is written down\n")
    );
    let nothing = bench.run("report").await;
    assert_eq!(nothing.status.code(), Some(2));
    insta::assert_snapshot!(text(&nothing.stderr), @r"
    error: no run is written down
      hint: begin one with `shipway run`
    ");

    assert!(bench.run("run --builder native -d REGISTRY/team").await.status.success());
    bench.write("web/Dockerfile", "FROM scratch\nCOPY run /run\nENTRYPOINT [\"/missing\"]\n");
    assert_eq!(bench.run("run --builder native -d REGISTRY/team").await.status.code(), Some(1));

    let listed = text(&bench.run("history").await.stdout);
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 3, "{listed}");
    assert!(
        lines[1].contains("failed") && lines[1].contains("health:shop: release `shop` is not healthy"),
        "{listed}"
    );
    assert!(
        lines[2].contains("succeeded") && lines[2].contains("shop: built web; released shop"),
        "{listed}"
    );
    let json = text(&bench.run("history --json --last 1").await.stdout);
    let newest: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&newest["outcome"], json.lines().count()), (&serde_json::json!("failed"), 1), "{json}");

    let page = text(&bench.run("report -o -").await.stdout);
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("What failed first"), "{page}");
    let first = lines[2].split(' ').next().unwrap();
    let written = bench.run(&format!("report {first} -o first.html")).await;
    assert_eq!(text(&written.stdout), format!("{first} -> first.html\n"));
    let page = fs::read_to_string(bench.project().join("first.html")).unwrap();
    assert!(page.contains(first) && !page.contains("What failed first"));

    let unknown = bench.run("report nightly-7").await;
    assert_eq!(unknown.status.code(), Some(2));
    insta::assert_snapshot!(text(&unknown.stderr), @r"
    error: there is no run `nightly-7`
      hint: `shipway history` names those that there are
    ");
    let nowhere = bench.run("report -o nowhere/report.html").await;
    assert!(
        text(&nowhere.stderr).contains("cannot write `nowhere/report.html`"),
        "{}",
        text(&nowhere.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_journal_hides_no_other() {
    let bench = Bench::new(CONFIGURATION).await;
    assert!(bench.run("build --builder native -d REGISTRY/team").await.status.success());
    let state = bench.project().parent().unwrap().join(".local/state/shipway/runs");
    let folder = state.join(bench.project().strip_prefix("/").unwrap());
    fs::write(folder.join("torn.journal"), "shipway journal 9 torn\n").unwrap();
    let listed = text(&bench.run("history").await.stdout);
    assert!(listed.contains("succeeded") && listed.contains("cannot be read"), "{listed}");
}
