//! Why a workload is not there yet.

use serde_json::Value;
use shipway_core::Timestamp;

use super::{
    event::{Event, latest_first},
    fields::{Condition, conditions},
    pods, said,
    status::{Phase, status},
    trouble::{Found, Outlook, Trouble, Troubles},
};

/// Says what keeps a workload from working, each distinct trouble once, those that cannot pass first; nothing where
/// nothing is known to be wrong. Which workload it is about is the caller's to say.
///
/// `pods` are the workload's, and `events` those of its namespace: what is about others is passed over, and so are
/// pods of another revision where that can be told. A pod that is not owned by anything is a workload too; its own
/// failure is told here, since kstatus calls a failed pod current.
#[must_use]
pub fn explain(workload: &Value, pods: &[Value], events: &[Value]) -> Vec<Trouble> {
    let events = latest_first(events);
    let mut troubles = Troubles::default();
    if workload["kind"] == "Pod" {
        of_pod(workload, &events).into_iter().for_each(|found| troubles.add(None, found));
        return troubles.into_list();
    }
    let is_current = status(workload, Timestamp::default()).phase == Phase::Current;
    if !is_current {
        of_workload(workload, &events).into_iter().for_each(|found| troubles.add(None, found));
    }
    for pod in of_revision(workload, pods) {
        let name = pod["metadata"]["name"].as_str();
        of_pod(pod, &events).into_iter().for_each(|found| troubles.add(name, found));
    }
    if troubles.is_empty() && !is_current {
        let own = events.iter().filter(|event| event.is_warning() && event.is_about(workload));
        own.take(1).for_each(|event| {
            let text = format!("{}: {}", event.reason(), said::line(event.message()));
            troubles.add(None, Found::new(Outlook::Waiting, text));
        });
    }
    troubles.into_list()
}

fn of_pod(pod: &Value, events: &[Event<'_>]) -> Vec<Found> {
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    let claims: Vec<&str> =
        volumes.filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str()).collect();
    let is_claim =
        |event: Event<'_>| event.kind() == "PersistentVolumeClaim" && claims.contains(&event.name());
    let own: Vec<_> =
        events.iter().copied().filter(|event| event.is_about(pod) || is_claim(*event)).collect();
    pods::troubles(pod, &own)
}

/// Returns the pods of the workload's present revision; all of them where that cannot be told.
fn of_revision<'a>(workload: &Value, pods: &'a [Value]) -> Vec<&'a Value> {
    let revision = workload["status"]["updateRevision"].as_str();
    let images = |spec: &Value| -> Vec<(Value, Value)> {
        let containers = spec["containers"].as_array().into_iter().flatten();
        containers.map(|one| (one["name"].clone(), one["image"].clone())).collect()
    };
    let wanted = images(&workload["spec"]["template"]["spec"]);
    let fits = |pod: &&Value| {
        let hash = &pod["metadata"]["labels"]["controller-revision-hash"];
        // A webhook may add containers.
        let has = images(&pod["spec"]);
        revision.is_none_or(|revision| hash == revision) && wanted.iter().all(|one| has.contains(one))
    };
    let own: Vec<&Value> = pods.iter().filter(fits).collect();
    if own.is_empty() { pods.iter().collect() } else { own }
}

/// Returns what the workload itself says, and what the controllers say that make pods for it.
fn of_workload(workload: &Value, events: &[Event<'_>]) -> Vec<Found> {
    let conditions = conditions(workload).unwrap_or_default();
    let mut found: Vec<Found> = conditions.iter().filter_map(|one| of_condition(workload, one)).collect();
    if !conditions.iter().any(|one| one.kind == "ReplicaFailure" && one.status == "True") {
        found.extend(not_created(workload, events));
    }
    found
}

fn of_condition(workload: &Value, condition: &Condition<'_>) -> Option<Found> {
    let said = if condition.message.is_empty() { condition.reason } else { condition.message };
    let said = said::line(said);
    let kind = workload["kind"].as_str().unwrap_or_default();
    Some(match (kind, condition.kind, condition.status) {
        ("Deployment", "Progressing", _) if condition.reason == "ProgressDeadlineExceeded" => {
            let seconds = workload["spec"]["progressDeadlineSeconds"].as_i64().unwrap_or(600);
            Found::new(
                Outlook::Fatal,
                format!("no progress within {seconds} s (`progressDeadlineSeconds`): {said}"),
            )
        }
        ("Job", "Failed", "True") => Found::new(Outlook::Fatal, format!("the job failed: {said}")),
        ("CustomResourceDefinition", "NamesAccepted", "False") => {
            Found::new(Outlook::Fatal, format!("its names are taken: {said}"))
        }
        (_, "ReplicaFailure", "True") => refused(condition.message),
        (_, "Stalled", "True") => Found::new(Outlook::Failing, format!("its controller gave up: {said}")),
        ("Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job", ..) => return None,
        (_, "Ready", "False") => Found::new(Outlook::Waiting, format!("it is not ready: {said}")),
        _ => return None,
    })
}

/// Returns why no pod is made for the workload, unless one was made since.
fn not_created(workload: &Value, events: &[Event<'_>]) -> Option<Found> {
    let makes = match workload["kind"].as_str() {
        Some("Deployment") => "ReplicaSet",
        Some("CronJob") => "Job",
        _ => "",
    };
    let prefix = format!("{}-", workload["metadata"]["name"].as_str().unwrap_or_default());
    let is_own = |event: &Event<'_>| {
        event.is_about(workload) || event.kind() == makes && event.name().starts_with(&prefix)
    };
    let failed = events.iter().find(|event| event.reason() == "FailedCreate" && is_own(event))?;
    let is_later = |event: &&Event<'_>| {
        event.reason() == "SuccessfulCreate" && event.name() == failed.name() && event.at() > failed.at()
    };
    if events.iter().any(|event| is_later(&event)) { None } else { Some(refused(failed.message())) }
}

/// Says why the API server does not take a pod; it names the pod, which is another one at each attempt.
fn refused(message: &str) -> Found {
    let message = message.split_once("Error creating: ").map_or(message, |(_, rest)| rest);
    let message = message.split_once("failed error: ").map_or(message, |(_, rest)| rest);
    let why = ["pods \"", "Pod \""].iter().find_map(|start| {
        let (_, why) = message.strip_prefix(start)?.split_once("\" is ")?;
        Some(why.strip_prefix("forbidden: ").unwrap_or(why))
    });
    let why = said::line(why.unwrap_or(message));
    let (outlook, hint) = if why.contains("exceeded quota") {
        (Outlook::Waiting, "; raise the quota, or remove something")
    } else if why.contains("violates PodSecurity") {
        (Outlook::Fatal, "; change the pod's security context, or the namespace's level")
    } else if why.contains("denied the request") || why.starts_with("invalid: ") {
        (Outlook::Fatal, "")
    } else {
        (Outlook::Waiting, "")
    };
    Found::new(outlook, format!("no pod can be made: {why}{hint}"))
}
