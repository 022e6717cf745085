//! What keeps a pod from being ready.

use serde_json::Value;

use super::{
    container::Container,
    event::Event,
    said,
    trouble::{Found, Outlook},
};

/// What the taints mean that Kubernetes puts onto nodes ("Well-Known Labels, Annotations and Taints").
const TAINTS: [(&str, &str); 7] = [
    ("node.kubernetes.io/memory-pressure", "a node is short of memory"),
    ("node.kubernetes.io/disk-pressure", "a node is short of disk"),
    ("node.kubernetes.io/pid-pressure", "a node is short of process ids"),
    ("node.kubernetes.io/not-ready", "a node is not ready"),
    ("node.kubernetes.io/unreachable", "a node is unreachable"),
    ("node.kubernetes.io/unschedulable", "a node is cordoned"),
    ("node.kubernetes.io/network-unavailable", "a node has no network"),
];

/// Events about what a pod needs before its containers are made.
const PREPARES: [&str; 7] = [
    "FailedMount",
    "FailedAttachVolume",
    "FailedMapVolume",
    "FailedCreatePodSandBox",
    "FailedCreatePodContainer",
    "FailedPrepareDynamicResources",
    "NetworkNotReady",
];

/// Events about the node of a pod.
const NODE: [&str; 4] = ["NodeNotReady", "TaintManagerEviction", "Preempted", "Evicted"];

/// Returns what keeps a pod from being ready; `events` are those of the pod and of its volume claims, the last first.
pub(super) fn troubles(pod: &Value, events: &[Event<'_>]) -> Vec<Found> {
    let status = &pod["status"];
    let phase = status["phase"].as_str().unwrap_or_default();
    let is_ready = condition(pod, "Ready").is_some_and(|one| one["status"] == "True");
    if is_ready || phase == "Succeeded" || !pod["metadata"]["deletionTimestamp"].is_null() {
        return Vec::new();
    }
    if phase == "Failed" {
        return vec![failed(pod)];
    }
    let (own, claims): (Vec<_>, Vec<_>) = events.iter().copied().partition(|event| event.kind() == "Pod");
    let mut found = Vec::new();
    if let Some(waits) = condition(pod, "PodScheduled").filter(|one| one["status"] == "False") {
        found.push(unscheduled(waits, &own));
    }
    found.extend(Container::all(pod).into_iter().filter_map(|container| container.trouble(&own)));
    let first = |reasons: &[&str]| own.iter().copied().find(|event| reasons.contains(&event.reason()));
    if found.is_empty()
        && let Some(event) = first(&PREPARES)
    {
        // One says what failed, the other that it did so for long.
        let cause = own
            .iter()
            .copied()
            .find(|one| PREPARES.contains(&one.reason()) && one.message().contains("failed for"));
        found.push(Found::new(Outlook::Waiting, prepares(cause.unwrap_or(event))));
    }
    if let Some(event) = first(&NODE) {
        found.push(Found::new(Outlook::Waiting, format!("its node: {}", said::line(event.message()))));
    }
    if let Some(gate) = condition(pod, "Ready").filter(|one| one["reason"] == "ReadinessGatesNotReady") {
        let message = said::line(gate["message"].as_str().unwrap_or_default());
        found.push(Found::new(Outlook::Waiting, format!("a readiness gate is closed: {message}")));
    }
    // Claims are bound before the pod gets a node, or with it.
    if condition(pod, "PodScheduled").is_none_or(|one| one["status"] != "True") {
        let claims = claims.iter().filter(|event| event.is_warning() || event.reason() == "FailedBinding");
        found.extend(claims.take(1).map(|event| {
            let message = said::line(event.message());
            Found::new(Outlook::Waiting, format!("volume claim `{}` is not bound: {message}", event.name()))
        }));
    }
    found
}

fn condition<'a>(pod: &'a Value, kind: &str) -> Option<&'a Value> {
    pod["status"]["conditions"].as_array()?.iter().find(|one| one["type"] == kind)
}

/// Says how a pod ended that is not started again.
fn failed(pod: &Value) -> Found {
    let text = |name: &str| pod["status"][name].as_str().filter(|text| !text.is_empty());
    // Whoever owns it makes another one, or reports that it gives up.
    let owned = pod["metadata"]["ownerReferences"].as_array().is_some_and(|owners| !owners.is_empty());
    let outlook = if owned { Outlook::Waiting } else { Outlook::Fatal };
    let crashed = Container::all(pod).into_iter().find_map(|container| {
        container.crash(&container.status["state"]["terminated"]).map(|how| (container, how))
    });
    match (text("reason"), crashed) {
        (Some(reason), _) => {
            let message =
                text("message").map_or_else(String::new, |message| format!(": {}", said::line(message)));
            Found::new(outlook, format!("it failed: {reason}{message}"))
        }
        (None, Some((container, how))) => {
            let name = container.status["name"].as_str().unwrap_or_default();
            Found::new(outlook, format!("container `{name}` failed: {how}")).logs(pod, name, false)
        }
        (None, None) => Found::new(outlook, "it failed"),
    }
}

fn unscheduled(waits: &Value, events: &[Event<'_>]) -> Found {
    if waits["reason"] == "SchedulingGated" {
        return Found::new(Outlook::Waiting, "waits until its scheduling gates are removed");
    }
    let message = waits["message"].as_str().filter(|message| !message.is_empty());
    let message = message.or_else(|| {
        events.iter().find(|event| event.reason() == "FailedScheduling").map(|event| event.message())
    });
    let message = said::line(message.unwrap_or("the scheduler says not why"));
    let means: Vec<&str> =
        TAINTS.iter().filter(|(taint, _)| message.contains(taint)).map(|(_, means)| *means).collect();
    let means = if means.is_empty() { String::new() } else { format!(" ({})", means.join(", ")) };
    Found::new(Outlook::Waiting, format!("no node takes it: {message}{means}"))
}

fn prepares(event: Event<'_>) -> String {
    let message = said::line(event.message());
    match event.reason() {
        "FailedMount" | "FailedAttachVolume" | "FailedMapVolume" => {
            format!("a volume does not come: {message}")
        }
        "FailedCreatePodSandBox" | "NetworkNotReady" => format!("its network does not come up: {message}"),
        _ => format!("its containers cannot be made: {message}"),
    }
}
