//! Hooks and tests of charts.

use serde_json::json;
use shipway_core::{Deployer, ErrorKind};

use crate::stage::{Stage, image, told};

const TOLD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: told\n  annotations: {helm.sh/hook: \"post-install,post-upgrade\", \
    helm.sh/hook-delete-policy: before-hook-creation}\ndata:\n  revision: \"{{ .Release.Revision }}\"\n---\napiVersion: v1\nkind: Pod\n\
    metadata:\n  name: checks\n  annotations: {helm.sh/hook: test}\nspec:\n  containers: [{name: a, image: web}]\n";

async fn hooks(major: u32) {
    let Some(stage) = Stage::up("hooks_run", major).await else { return };
    stage.write("templates/told.yaml", TOLD);
    stage.release(1).await.unwrap();
    let told = stage.get("ConfigMap", "told").await.unwrap();
    assert_eq!(told["data"]["revision"], "1");
    assert!(stage.changes(1).await.is_empty());
    // With helm 4 what was shown is what is applied, hooks too; helm 3 renders them itself.
    let warned = stage.told.all().contains("helm 3 renders hooks itself");
    assert_eq!(warned, major == 3);
    let record = stage.get("Secret", "sh.helm.release.v1.shop.v1").await.unwrap();
    let held = unpacked(&record);
    let hooks = held["hooks"].to_string();
    assert_eq!(hooks.contains(&image(1).reference()), major == 4, "{hooks}");
    // A hook that fails.
    stage.write("templates/fails.yaml", "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: fails\n  annotations: {helm.sh/hook: pre-upgrade}\n\
        spec:\n  activeDeadlineSeconds: 1\n  backoffLimit: 0\n  template:\n    spec:\n      schedulerName: nobody\n      \
        restartPolicy: Never\n      containers: [{name: a, image: none}]\n");
    let error = stage.release(2).await.expect_err("the hook fails");
    assert_eq!(error.kind(), ErrorKind::ToolFailed, "{error:?}");
    assert!(crate::stage::told(&error).contains("hooks failed"), "{error:?}");
    assert_eq!(stage.records().await, ["1 deployed", "2 failed"]);
    let history = stage.helm().history(&stage.cx, "shop").await.unwrap();
    assert_eq!(history.len(), 1);
    // The way back from there.
    std::fs::remove_file(stage.folder.path().join("chart/templates/fails.yaml")).unwrap();
    assert_eq!(stage.release(2).await.unwrap().revision, "3");
    assert_eq!(stage.image().await, image(2).reference());
    stage.down().await;
}

/// Returns what helm's record holds.
fn unpacked(record: &serde_json::Value) -> serde_json::Value {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use std::io::Read;
    let packed =
        STANDARD.decode(STANDARD.decode(record["data"]["release"].as_str().unwrap()).unwrap()).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn hooks_run_with_helm_3() {
    hooks(3).await;
}

#[tokio::test]
async fn hooks_run_with_helm_4() {
    hooks(4).await;
}

async fn tests(major: u32) {
    let Some(mut stage) = Stage::up("tests_of_a_chart_run", major).await else { return };
    let Ok(registry) = std::env::var("SHIPWAY_KUBE_REGISTRY") else {
        crate::skip::skip("tests_of_a_chart_run", "a registry: SHIPWAY_KUBE_REGISTRY");
        return stage.down().await;
    };
    std::fs::remove_file(stage.folder.path().join("chart/templates/web.yaml")).unwrap();
    let checks = |code: u8| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: checks\n  annotations: {{helm.sh/hook: test, \
            helm.sh/hook-delete-policy: before-hook-creation}}\nspec:\n  restartPolicy: Never\n  \
            terminationGracePeriodSeconds: 0\n  automountServiceAccountToken: false\n  containers:\n    - name: a\n      \
            image: {registry}/bases/busybox:local\n      command: [sh, -c, \"echo this was checked; exit {code}\"]\n"
        )
    };
    stage.write("templates/checks.yaml", &checks(3));
    stage.set("runTests", json!(true));
    let error = stage.release(1).await.expect_err("the test fails");
    assert_eq!(error.kind(), ErrorKind::Unhealthy, "{error:?}");
    assert!(told(&error).contains("a test of `shop` failed"), "{error:?}");
    // It is deployed, and has not passed yet.
    assert_eq!(stage.changes(1).await, ["create sh.helm.release.v1.shop.v2"]);
    stage.write("templates/checks.yaml", &checks(0));
    stage.release(1).await.unwrap();
    assert!(stage.told.all().contains("this was checked"));
    assert!(stage.changes(1).await.is_empty());
    stage.down().await;
}

#[tokio::test]
async fn tests_of_a_chart_run_with_helm_3() {
    tests(3).await;
}

#[tokio::test]
async fn tests_of_a_chart_run_with_helm_4() {
    tests(4).await;
}
