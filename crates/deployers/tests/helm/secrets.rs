//! Secrets among the values are nowhere but in helm's own record and the cluster.

use serde_json::json;
use shipway_core::{Deployer, Desired};

use crate::stage::Stage;

const SECRETS: [&str; 3] = ["correct-horse-battery", "innocent-name-of-a-secret", "hunter22hunter22"];

async fn nowhere(major: u32) {
    let Some(mut stage) = Stage::up("secrets_are_nowhere", major).await else { return };
    stage.write(
        "templates/secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\n  a: {{ .Values.db.password }}\n  \
            b: {{ .Values.plain }}\n  c: {{ .Values.dsn }}\n",
    );
    stage
        .write("templates/NOTES.txt", "your password is {{ .Values.db.password }} and {{ .Values.plain }}\n");
    stage.set("setValues", json!({"db": {"password": SECRETS[0]}, "plain": SECRETS[1]}));
    stage.set("overrides", json!({"colour": "blue", "dsn": format!("postgres://me:{}@db/x", SECRETS[2])}));
    let manifests = stage.render(1).await.unwrap();
    let changes = stage.diff(&Desired::Released { manifests, share: 100 }).await.unwrap();
    let starts = stage.folder.path().join("starts");
    stage.helm().apply(&stage.cx, &changes).await.unwrap();
    let secret = stage.get("Secret", "s").await.unwrap();
    assert!(secret["data"]["a"].is_string());
    // The objects of `Secret`s are what the change set brings, and core keeps their texts out of its journal.
    let mut shown = serde_json::to_value(&changes).unwrap();
    for object in shown["desired"]["released"]["manifests"]["objects"].as_array_mut().unwrap() {
        if object["object"]["kind"] == "Secret" {
            object["text"] = "".into();
        }
    }
    // Another failure, of a chart that tells what it was given.
    stage.write("templates/fails.yaml", "{{ fail (printf \"%s is wrong\" .Values.db.password) }}");
    let error = stage.render(2).await.expect_err("it fails");
    stage.cx.message(shipway_core::Level::Warning, error.report().to_string());
    let command_lines = std::fs::read_to_string(starts).unwrap();
    for (place, text) in [
        ("the events", stage.told.all()),
        ("the change set", shown.to_string()),
        ("a command line", command_lines),
    ] {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} is in {place}: {text}");
        }
    }
    // Nothing of it is left on the disk.
    assert!(stage.told.all().contains("is wrong"), "{}", stage.told.all());
    stage.down().await;
}

#[tokio::test]
async fn secrets_are_nowhere_with_helm_3() {
    nowhere(3).await;
}

#[tokio::test]
async fn secrets_are_nowhere_with_helm_4() {
    nowhere(4).await;
}
