//! One look at a deployment.

use std::time::Duration;

use serde_json::{Value, json};
use shipway_core::{Context, Deployment, Error, ErrorKind, Health, ObjectId, Phase, Result};

use super::{
    Memory,
    kubelet::{Verdict, judge},
};
use crate::workload::{containers, other_image};

/// Who reports the status of objects.
const KUBELET: &str = "kubelet";

/// When it is worth looking again after the node did something.
const SOON: Duration = Duration::from_millis(10);

/// How one object fares.
enum Look {
    Healthy,
    Progressing(String),
    Failed(String),
}

pub(super) async fn health(memory: &Memory, cx: &Context, deployment: &Deployment) -> Result<Health> {
    let (mut waits, mut failures) = (Vec::new(), Vec::new());
    for (id, desired) in memory.releases().objects(cx, &deployment.manifests).await? {
        match look(memory, cx, deployment, &id, &desired).await? {
            Look::Healthy => {}
            Look::Progressing(reason) => waits.push(format!("{id}: {reason}")),
            Look::Failed(reason) => failures.push(format!("{id}: {reason}")),
        }
    }
    Ok(match (failures.is_empty(), waits.is_empty()) {
        (false, _) => Health::new(Phase::Failed).waiting_for(failures),
        (true, false) => Health::new(Phase::Progressing).waiting_for(waits).again(SOON),
        (true, true) => Health::new(Phase::Healthy),
    })
}

async fn look(
    memory: &Memory,
    cx: &Context,
    deployment: &Deployment,
    id: &ObjectId,
    desired: &Value,
) -> Result<Look> {
    let Some(now) = memory.cluster.get(id)? else {
        return Ok(Look::Failed("it is not there any more".to_owned()));
    };
    if (id.api_version.as_str(), id.kind.as_str()) != ("apps/v1", "Deployment") {
        return Ok(Look::Healthy);
    }
    if let Some(other) = other_image(desired, &now) {
        return Ok(Look::Failed(other));
    }
    // kubectl's `rollout status` (k8s.io/kubectl, polymorphichelpers/rollout_status.go).
    let status = &now["status"];
    let replicas = now["spec"]["replicas"].as_u64().unwrap_or(1);
    let ready = status["readyReplicas"].as_u64().unwrap_or(0);
    if status["observedGeneration"] == now["metadata"]["generation"] {
        let conditions = status["conditions"].as_array().into_iter().flatten();
        let mut stuck = conditions.filter(|one| one["type"] == "Progressing" && one["status"] == "False");
        if let Some(stuck) = stuck.next() {
            let text = |name: &str| stuck[name].as_str().filter(|text| !text.is_empty());
            let reason = text("message").or(text("reason")).unwrap_or("it does not progress any more");
            return Ok(Look::Failed(reason.to_owned()));
        }
        if ready >= replicas {
            return Ok(Look::Healthy);
        }
    }
    start(memory, cx, deployment, &now, replicas).await
}

/// The node tries to start the containers and reports.
async fn start(
    memory: &Memory,
    cx: &Context,
    deployment: &Deployment,
    now: &Value,
    replicas: u64,
) -> Result<Look> {
    let mut verdict = Verdict::Starts;
    for container in containers(now) {
        verdict = judge(cx, &memory.client, &memory.platform, deployment, container).await?;
        if verdict != Verdict::Starts {
            break;
        }
    }
    let (ready, reason, message) = match &verdict {
        Verdict::Starts => (replicas, "MinimumReplicasAvailable", ""),
        Verdict::Waits(message) => (0, "ImagePullBackOff", message.as_str()),
        Verdict::Fails(message) => (0, "ContainerCannotRun", message.as_str()),
    };
    report(memory, now, replicas, ready, reason, message)?;
    Ok(match verdict {
        Verdict::Starts => Look::Progressing(format!("0 of {replicas} replicas are ready")),
        Verdict::Waits(reason) => Look::Progressing(reason),
        Verdict::Fails(reason) => Look::Failed(reason),
    })
}

/// Writes the status, as the deployment controller does after its pods' nodes reported.
fn report(
    memory: &Memory,
    now: &Value,
    replicas: u64,
    ready: u64,
    reason: &str,
    message: &str,
) -> Result<()> {
    let mut object = now.clone();
    object["status"] = json!({
        "observedGeneration": now["metadata"]["generation"],
        "replicas": replicas,
        "updatedReplicas": replicas,
        "readyReplicas": ready,
        "availableReplicas": ready,
        "unavailableReplicas": replicas - ready,
        "conditions": [{
            "type": "Available",
            "status": if ready == replicas { "True" } else { "False" },
            "reason": reason,
            "message": message,
        }],
    });
    match memory.cluster.update_status(KUBELET, &object) {
        // The object moved meanwhile; the next look sees it as it is then.
        Err(error) if moved(&error) => Ok(()),
        written => written.map(|_| ()),
    }
}

fn moved(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound)
}
