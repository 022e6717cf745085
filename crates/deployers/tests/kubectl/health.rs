//! How releases fare in a real cluster, and what a person is told.

use std::{
    env,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use shipway_core::{Deployer, Deployment, Health, Phase};

use crate::{
    skip::skip,
    stage::{Stage, workload},
};

/// Returns the name of an image of the bed's registry, as its nodes pull it.
fn image(test: &str, name: &str) -> Option<String> {
    let Ok(registry) = env::var("SHIPWAY_KUBE_REGISTRY") else {
        skip(test, "a registry of the cluster: SHIPWAY_KUBE_REGISTRY");
        return None;
    };
    Some(format!("{registry}/{name}"))
}

/// Looks until the release is in this phase and says this.
async fn until(stage: &Stage, deployment: &Deployment, phase: Phase, says: &str) -> Health {
    let begun = Instant::now();
    loop {
        let health = stage.kubectl.health(&stage.cx, deployment).await.unwrap();
        if health.phase == phase
            && (says.is_empty() || health.waiting_for.iter().any(|line| line.contains(says)))
        {
            return health;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{phase:?} `{says}`: {health:#?}");
        tokio::time::sleep(health.again.unwrap_or(Duration::from_millis(100))).await;
    }
}

#[tokio::test]
async fn a_workload_gets_healthy_and_says_what_it_waits_for() {
    let test = "a_workload_gets_healthy_and_says_what_it_waits_for";
    let Some(image) = image(test, "bases/busybox:local") else { return };
    let Some(stage) = Stage::up(test).await else { return };
    stage.write(&[workload("web", &image, &json!({"command": ["sleep", "1000"]}))]);
    let deployment = stage.release().await.unwrap();
    let first = stage.kubectl.health(&stage.cx, &deployment).await.unwrap();
    if first.phase == Phase::Progressing {
        assert!(first.again.is_some() && !first.waiting_for.is_empty(), "{first:?}");
    }
    until(&stage, &deployment, Phase::Healthy, "").await;
    stage.down().await;
}

/// A workload that does not get there, how it ends, and what is said of it.
async fn ends(test: &str, name: &str, more: Value, says: &[&str]) {
    let Some(image) = image(test, name) else { return };
    let Some(stage) = Stage::up(test).await else { return };
    stage.write(&[workload("web", &image, &more)]);
    let deployment = stage.release().await.unwrap();
    let health = until(&stage, &deployment, Phase::Failed, says[0]).await;
    let all = health.waiting_for.join("\n");
    for part in says {
        assert!(all.contains(part), "`{part}` in\n{all}");
    }
    stage.down().await;
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_is_told_with_what_the_registry_said() {
    let test = "an_image_that_cannot_be_pulled_is_told_with_what_the_registry_said";
    ends(test, "no/such:image", json!({}), &["no/such:image", "not found"]).await;
}

#[tokio::test]
async fn a_container_that_crashes_is_told_with_its_last_lines() {
    let test = "a_container_that_crashes_is_told_with_its_last_lines";
    let command = json!({"command": ["sh", "-c", "echo the cause; exit 7"]});
    ends(test, "bases/busybox:local", command, &["exit code 7", "main> the cause"]).await;
}

#[tokio::test]
async fn what_no_node_can_hold_waits_and_says_why() {
    let test = "what_no_node_can_hold_waits_and_says_why";
    let Some(image) = image(test, "bases/busybox:local") else { return };
    let Some(stage) = Stage::up(test).await else { return };
    let much = json!({"resources": {"requests": {"cpu": "1000"}}});
    stage.write(&[workload("web", &image, &much)]);
    let deployment = stage.release().await.unwrap();
    until(&stage, &deployment, Phase::Progressing, "Insufficient cpu").await;
    stage.down().await;
}
