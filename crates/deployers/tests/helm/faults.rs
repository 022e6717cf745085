//! What goes wrong: killed, at once, moved, missing, old, and charts that cannot be rendered.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use serde_json::json;
use shipway_core::{CancelReason, Deployer, Desired, ErrorKind, Stage as Cancelled};

use crate::{
    cluster::kubeconfig,
    stage::{Stage, lines, told},
};

/// A hook whose pod no scheduler takes, so that helm waits for it.
const WAITS: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: waits\n  annotations: {helm.sh/hook: \"pre-install,pre-upgrade\", \
    helm.sh/hook-delete-policy: \"before-hook-creation\"}\nspec:\n  schedulerName: nobody\n  terminationGracePeriodSeconds: 0\n  \
    containers: [{name: a, image: none}]\n";

async fn until_pending(stage: &Stage) -> String {
    for _ in 0..200 {
        if let Some(pending) = stage.records().await.into_iter().find(|record| record.contains("pending")) {
            return pending;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it never began: {:?}", stage.records().await);
}

async fn killed(major: u32) {
    let Some(mut stage) = Stage::up("a_killed_release_is_gone_on_with", major).await else { return };
    // In the middle of the first installation, and of an upgrade.
    for (edition, records) in [
        (1, &["1 superseded", "2 deployed"][..]),
        (2, &["1 superseded", "2 superseded", "3 failed", "4 deployed"]),
    ] {
        stage.write("templates/waits.yaml", WAITS);
        let plan = stage.plan(edition).await.unwrap();
        let (helm, cx) = (stage.helm(), stage.cx.clone());
        let work = tokio::spawn(async move { helm.apply(&cx, &plan).await });
        assert!(until_pending(&stage).await.contains("pending"));
        // All of its processes are ended at once, and it does nothing more.
        work.abort();
        assert!(work.await.is_err());
        fs::remove_file(stage.folder.path().join("chart/templates/waits.yaml")).unwrap();
        stage.again();
        let plan = stage.plan(edition).await.unwrap();
        assert!(!plan.changes.is_empty());
        let done = stage.helm().apply(&stage.cx, &plan).await.unwrap();
        assert_eq!(stage.records().await, records, "{}", done.revision);
        assert!(stage.told.all().contains("a run of Shipway that was ended"), "{}", stage.told.all());
        assert!(stage.changes(edition).await.is_empty());
    }
    // helm calls superseded what failed before it; nobody goes back to that.
    let history = stage.helm().history(&stage.cx, "shop").await.unwrap();
    let revisions: Vec<&str> = history.iter().map(|one| one.revision.as_str()).collect();
    assert_eq!(revisions, ["4", "2"]);
    stage.down().await;
}

#[tokio::test]
async fn a_killed_release_is_gone_on_with_by_helm_3() {
    killed(3).await;
}

#[tokio::test]
async fn a_killed_release_is_gone_on_with_by_helm_4() {
    killed(4).await;
}

#[tokio::test]
async fn what_somebody_else_left_unfinished_is_theirs() {
    let Some(stage) = Stage::up("what_somebody_else_left", 3).await else { return };
    stage.write("templates/waits.yaml", WAITS);
    let (text, name) = kubeconfig().unwrap();
    let file = stage.folder.path().join("kubeconfig");
    fs::write(&file, text).unwrap();
    let mut helm = tokio::process::Command::new(std::env::var_os("SHIPWAY_HELM3").unwrap())
        .args([
            "install",
            "shop",
            "chart",
            "--kube-context",
            &name,
            "--namespace",
            &stage.bed.namespace,
            "--kubeconfig",
        ])
        .arg(&file)
        .current_dir(stage.folder.path())
        .spawn()
        .unwrap();
    until_pending(&stage).await;
    helm.kill().await.unwrap();
    let error = stage.release(1).await.expect_err("somebody's");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(told(&error).contains("somebody else works on `shop`"), "{error:?}");
    assert_eq!(stage.records().await, ["1 pending-install"]);
    stage.down().await;
}

async fn two(major: u32) {
    let Some(mut stage) = Stage::up("two_at_once", major).await else { return };
    let plan = stage.plan(1).await.unwrap();
    let first = (stage.helm(), stage.cx.clone());
    stage.run("other", &[]);
    // The same changes are made once.
    let (one, other) =
        tokio::join!(first.0.apply(&first.1, &plan), async { stage.helm().apply(&stage.cx, &plan).await });
    assert_eq!((one.unwrap().revision, other.unwrap().revision), ("1".to_owned(), "1".to_owned()));
    assert_eq!(stage.records().await, ["1 deployed"]);
    // Of different ones, the second finds that the world moved.
    let (second, third) = (stage.plan(2).await.unwrap(), stage.plan(3).await.unwrap());
    let (one, other) =
        tokio::join!(first.0.apply(&first.1, &second), async { stage.helm().apply(&stage.cx, &third).await });
    let failed: Vec<ErrorKind> =
        [one, other].into_iter().filter_map(|made| Some(made.err()?.kind())).collect();
    assert_eq!(failed, [ErrorKind::Conflict]);
    assert_eq!(stage.records().await, ["1 superseded", "2 deployed"]);
    stage.down().await;
}

#[tokio::test]
async fn two_at_once_are_one_after_the_other_with_helm_3() {
    two(3).await;
}

#[tokio::test]
async fn two_at_once_are_one_after_the_other_with_helm_4() {
    two(4).await;
}

#[tokio::test]
async fn what_moved_or_changed_since_is_a_conflict() {
    let Some(mut stage) = Stage::up("what_moved_since", 3).await else { return };
    stage.release(1).await.unwrap();
    let plan = stage.plan(2).await.unwrap();
    stage.release(3).await.unwrap();
    let error = stage.helm().apply(&stage.cx, &plan).await.expect_err("moved");
    assert!(error.kind() == ErrorKind::Conflict && told(&error).contains("revision 2"), "{error:?}");
    // The chart that was shown is not the one that is there, for another process.
    let manifests = stage.render(4).await.unwrap();
    let plan = stage.diff(&Desired::Released { manifests, share: 100 }).await.unwrap();
    stage.write("templates/more.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\n");
    stage.again();
    let error = stage.helm().apply(&stage.cx, &plan).await.expect_err("another chart");
    assert!(
        error.kind() == ErrorKind::Conflict && told(&error).contains("not those that were shown"),
        "{error:?}"
    );
    assert!(stage.get("ConfigMap", "more").await.is_none());
    stage.down().await;
}

#[tokio::test]
async fn what_is_somebody_elses_stays() {
    for major in [3, 4] {
        let Some(mut stage) = Stage::up("what_is_somebody_elses", major).await else { return };
        let theirs = stage.bed.settings("shop-settings", json!({"colour": "theirs"}));
        shipway_cluster::Api::create(&stage.bed.cluster, &stage.bed.cx, "somebody", &theirs).await.unwrap();
        let error = stage.plan(1).await.expect_err("theirs");
        assert!(
            error.kind() == ErrorKind::Conflict && told(&error).contains("not this release's"),
            "{error:?}"
        );
        stage.set("forceConflicts", json!(true));
        stage.release(1).await.unwrap();
        assert_eq!(stage.get("ConfigMap", "shop-settings").await.unwrap()["data"]["colour"], "blue");
        stage.down().await;
    }
}

#[tokio::test]
async fn a_chart_that_cannot_be_rendered_says_why() {
    for major in [3, 4] {
        let Some(mut stage) = Stage::up("a_chart_that_cannot_be_rendered", major).await else { return };
        stage.write("templates/asks.yaml", "a: {{ required \"who are you?\" .Values.who }}");
        let error = stage.render(1).await.expect_err("a value is needed");
        assert!(error.kind() == ErrorKind::Config && told(&error).contains("who are you?"), "{error:?}");
        stage.write("templates/asks.yaml", "{{ nonsense }}");
        let error = stage.render(1).await.expect_err("no template");
        assert!(error.kind() == ErrorKind::Config && told(&error).contains("nonsense"), "{error:?}");
        fs::remove_file(stage.folder.path().join("chart/templates/asks.yaml")).unwrap();
        stage.set("valuesFiles", json!(["none.yaml"]));
        let error = stage.render(1).await.expect_err("no file");
        assert!(error.kind() == ErrorKind::NotFound && told(&error).contains("none.yaml"), "{error:?}");
        stage.down().await;
    }
}

#[tokio::test]
async fn helm_may_be_missing_or_old() {
    let Some(mut stage) = Stage::up("helm_may_be_missing", 3).await else { return };
    stage.set("program", json!("/nowhere/helm"));
    let error = stage.render(1).await.expect_err("missing");
    assert!(error.kind() == ErrorKind::MissingTool && told(&error).contains("chart"), "{error:?}");
    let old = stage.folder.path().join("old");
    let real = std::env::var("SHIPWAY_HELM3").unwrap();
    fs::write(
        &old,
        format!("#!/bin/sh\nif [ $1 = version ]; then echo v3.9.4; else exec {real} \"$@\"; fi\n"),
    )
    .unwrap();
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
    stage.set("program", json!(old));
    let error = stage.release(1).await.expect_err("old");
    assert!(error.kind() == ErrorKind::MissingTool && told(&error).contains("v3.9.4"), "{error:?}");
    assert!(stage.records().await.is_empty());
    stage.down().await;
}

#[tokio::test]
async fn an_installed_release_may_be_left_alone() {
    let Some(mut stage) = Stage::up("an_installed_release_is_left", 3).await else { return };
    stage.set("upgradeOnChange", json!(false));
    stage.release(1).await.unwrap();
    stage.starts();
    let plan = stage.plan(2).await.unwrap();
    assert_eq!((lines(&plan), stage.starts()), (Vec::new(), Vec::new()));
    assert_eq!(stage.helm().apply(&stage.cx, &plan).await.unwrap().revision, "1");
    stage.down().await;
}

#[tokio::test]
async fn what_is_cancelled_ends_and_is_gone_on_with() {
    let Some(mut stage) = Stage::up("what_is_cancelled", 3).await else { return };
    stage.write("templates/waits.yaml", WAITS);
    let plan = stage.plan(1).await.unwrap();
    let (helm, cx) = (stage.helm(), stage.cx.clone());
    let work = tokio::spawn(async move { helm.apply(&cx, &plan).await });
    until_pending(&stage).await;
    stage.cx.cancel().escalate(Cancelled::Forced, CancelReason::Asked);
    let error = work.await.unwrap().expect_err("cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled, "{error:?}");
    fs::remove_file(stage.folder.path().join("chart/templates/waits.yaml")).unwrap();
    stage.again();
    assert_eq!(stage.release(1).await.unwrap().revision, "2");
    stage.down().await;
}
