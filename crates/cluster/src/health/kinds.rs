//! The rules for the kinds that Kubernetes brings (`core.go` of kstatus).

use serde_json::Value;
use shipway_core::Timestamp;

use super::{
    fields::{Wrong, conditions, integer, integer_or, text_or},
    status::Status,
};

/// What the controller of deployments takes for "no deadline".
const NO_DEADLINE: i64 = i32::MAX as i64;

/// How long a pod may stay unscheduled, in milliseconds (`ScheduleWindow`).
const SCHEDULE_WINDOW: u64 = 15_000;

/// Returns the status of an object whose kind has a rule (`legacyTypes`).
pub(super) fn status(object: &Value, now: Timestamp) -> Result<Option<Status>, Wrong> {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let group = version.rsplit_once('/').map_or("", |(group, _)| group);
    Ok(Some(match (group, object["kind"].as_str().unwrap_or_default()) {
        ("apps" | "extensions", "Deployment") => deployment(object)?,
        ("apps", "StatefulSet") => stateful_set(object),
        ("apps" | "extensions", "DaemonSet") => daemon_set(object)?,
        ("apps" | "extensions", "ReplicaSet") => replica_set(object)?,
        ("", "Pod") => pod(object, now)?,
        ("batch", "Job") => job(object)?,
        ("", "Service") => service(object),
        ("", "PersistentVolumeClaim") => claim(object),
        ("policy", "PodDisruptionBudget") => Status::current("AllowedDisruptions has been computed."),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object)?,
        ("batch", "CronJob") | ("", "Secret" | "ConfigMap") => Status::current("Resource is always ready"),
        _ => return Ok(None),
    }))
}

/// Returns a number of the status.
fn number(object: &Value, name: &str) -> i64 {
    integer_or(object, &["status", name], 0)
}

/// Returns how many replicas are wanted; the controllers take one where nothing is said.
fn wanted(object: &Value) -> i64 {
    integer_or(object, &["spec", "replicas"], 1)
}

/// Returns the status of the first count that is less than it should be.
fn less(counts: &[(&str, i64, i64)]) -> Option<Status> {
    let (name, is, wanted) = counts.iter().find(|(_, is, wanted)| is < wanted)?;
    Some(Status::in_progress(format!("{name}: {is}/{wanted}")))
}

fn more(is: i64, wanted: i64) -> Option<Status> {
    (is > wanted).then(|| Status::in_progress(format!("Pending termination: {}", is - wanted)))
}

fn deployment(object: &Value) -> Result<Status, Wrong> {
    // Without a deadline the controller does not say that it progresses.
    let mut progressing =
        integer_or(object, &["spec", "progressDeadlineSeconds"], NO_DEADLINE) == NO_DEADLINE;
    let mut available = false;
    for condition in conditions(object)? {
        match condition.kind {
            "Progressing" if condition.reason == "ProgressDeadlineExceeded" => {
                return Ok(Status::failed("Progress deadline exceeded"));
            }
            "Progressing" => {
                progressing |= condition.status == "True" && condition.reason == "NewReplicaSetAvailable";
            }
            "Available" => available |= condition.status == "True",
            _ => {}
        }
    }
    let (wanted, replicas, updated) =
        (wanted(object), number(object, "replicas"), number(object, "updatedReplicas"));
    Ok(less(&[("Replicas", replicas, wanted), ("Updated", updated, wanted)])
        .or_else(|| more(replicas, wanted))
        .or_else(|| {
            let available = number(object, "availableReplicas");
            less(&[("Available", available, updated), ("Ready", number(object, "readyReplicas"), wanted)])
        })
        .or_else(|| (!progressing).then(|| Status::in_progress("ReplicaSet not Available")))
        .or_else(|| (!available).then(|| Status::in_progress("Deployment not Available")))
        .unwrap_or_else(|| Status::current(format!("Deployment is available. Replicas: {replicas}"))))
}

fn stateful_set(object: &Value) -> Status {
    if text_or(object, &["spec", "updateStrategy", "type"], "") == "OnDelete" {
        return Status::current("StatefulSet is using the ondelete update strategy");
    }
    let (wanted, replicas) = (wanted(object), number(object, "replicas"));
    let counts = [("Replicas", replicas, wanted), ("Ready", number(object, "readyReplicas"), wanted)];
    if let Some(status) = less(&counts).or_else(|| more(replicas, wanted)) {
        return status;
    }
    let partition = integer_or(object, &["spec", "updateStrategy", "rollingUpdate", "partition"], -1);
    if partition != -1 {
        let updated = number(object, "updatedReplicas");
        return less(&[("updated", updated, wanted.saturating_sub(partition))])
            .unwrap_or_else(|| Status::current(format!("Partition rollout complete. updated: {updated}")));
    }
    if let Some(status) = less(&[("current", number(object, "currentReplicas"), wanted)]) {
        return status;
    }
    let revision = |name| text_or(object, &["status", name], "");
    if revision("currentRevision") != revision("updateRevision") {
        return Status::in_progress("Waiting for updated revision to match current");
    }
    Status::current(format!("All replicas scheduled as expected. Replicas: {replicas}"))
}

fn daemon_set(object: &Value) -> Result<Status, Wrong> {
    // `checkGenerationSet`: a set that its controller has seen has both.
    for path in [["metadata", "generation"], ["status", "observedGeneration"]] {
        if integer(object, &path)?.is_none() {
            return Ok(Status::in_progress(format!("DaemonSet {} not found", path.join("."))));
        }
    }
    let wanted = integer_or(object, &["status", "desiredNumberScheduled"], -1);
    if wanted == -1 {
        return Ok(Status::in_progress("Missing .status.desiredNumberScheduled"));
    }
    Ok(less(&[
        ("Current", number(object, "currentNumberScheduled"), wanted),
        ("Updated", number(object, "updatedNumberScheduled"), wanted),
        ("Available", number(object, "numberAvailable"), wanted),
        ("Ready", number(object, "numberReady"), wanted),
    ])
    .unwrap_or_else(|| Status::current(format!("All replicas scheduled as expected. Replicas: {wanted}"))))
}

fn replica_set(object: &Value) -> Result<Status, Wrong> {
    if conditions(object)?.iter().any(|one| one.kind == "ReplicaFailure" && one.status == "True") {
        return Ok(Status::in_progress("Replica Failure condition. Check Pods"));
    }
    let (wanted, replicas) = (wanted(object), number(object, "replicas"));
    Ok(less(&[
        ("Labelled", number(object, "fullyLabeledReplicas"), wanted),
        ("Available", number(object, "availableReplicas"), wanted),
        ("Ready", number(object, "readyReplicas"), wanted),
    ])
    .or_else(|| more(replicas, wanted))
    .unwrap_or_else(|| Status::current(format!("ReplicaSet is available. Replicas: {replicas}"))))
}

fn pod(object: &Value, now: Timestamp) -> Result<Status, Wrong> {
    let conditions = conditions(object)?;
    Ok(match text_or(object, &["status", "phase"], "") {
        "Succeeded" => Status::current("Pod has completed successfully"),
        "Failed" => Status::current("Pod has completed, but not successfully"),
        "Running" => {
            if conditions.iter().any(|one| one.kind == "Ready" && one.status == "True") {
                return Ok(Status::current("Pod is Ready"));
            }
            let crashing = crash_looping(object);
            if !crashing.is_empty() {
                let names = crashing.join(",");
                return Ok(Status::failed(format!("Containers in CrashLoop state: {names}")));
            }
            Status::in_progress("Pod is running but is not Ready")
        }
        "Pending" => {
            let mut waits =
                conditions.iter().filter(|one| one.kind == "PodScheduled" && one.status == "False");
            match waits.next() {
                Some(one) if one.reason == "Unschedulable" => {
                    if created_after(object, now.0.saturating_sub(SCHEDULE_WINDOW)) {
                        Status::in_progress("Pod has not been scheduled")
                    } else {
                        Status::failed("Pod could not be scheduled")
                    }
                }
                _ => Status::in_progress("Pod is in the Pending phase"),
            }
        }
        // No kubelet has seen it.
        "" => Status::in_progress("Pod phase not available"),
        other => return Err(Wrong(format!("unknown phase {other}"))),
    })
}

fn crash_looping(object: &Value) -> Vec<&str> {
    let statuses = object["status"]["containerStatuses"].as_array().into_iter().flatten();
    statuses
        .filter(|one| one["state"]["waiting"]["reason"] == "CrashLoopBackOff")
        .filter_map(|one| one["name"].as_str())
        .collect()
}

/// Whether an object was created after a moment in milliseconds. The API server writes whole seconds of UTC, whose
/// texts are in the order of time.
fn created_after(object: &Value, moment: u64) -> bool {
    let created = text_or(object, &["metadata", "creationTimestamp"], "");
    let seconds = created.strip_suffix('Z').filter(|seconds| seconds.len() == 19);
    seconds
        .is_some_and(|seconds| Timestamp(moment).to_string().get(..19).is_some_and(|moment| moment < seconds))
}

/// A job that runs is current; see [`super::Phase::Current`].
fn job(object: &Value) -> Result<Status, Wrong> {
    let completions =
        integer_or(object, &["spec", "completions"], integer_or(object, &["spec", "parallelism"], 1));
    let (succeeded, active, failed) =
        (number(object, "succeeded"), number(object, "active"), number(object, "failed"));
    let suspended = object["spec"]["suspend"] == true;
    for condition in conditions(object)?.iter().filter(|one| one.status == "True") {
        match condition.kind {
            "Complete" => {
                return Ok(Status::current(format!("Job Completed. succeeded: {succeeded}/{completions}")));
            }
            "Failed" => return Ok(Status::failed(format!("Job Failed. failed: {failed}/{completions}"))),
            "Suspended" if suspended => return Ok(Status::current("Job is suspended")),
            _ => {}
        }
    }
    if text_or(object, &["status", "startTime"], "").is_empty() {
        return Ok(Status::in_progress("Job not started"));
    }
    Ok(Status::current(format!("Job in progress. success:{succeeded}, active: {active}, failed: {failed}")))
}

fn service(object: &Value) -> Status {
    let balanced = text_or(object, &["spec", "type"], "") == "LoadBalancer";
    if balanced && text_or(object, &["spec", "clusterIP"], "").is_empty() {
        return Status::in_progress("ClusterIP not set. Service type: LoadBalancer");
    }
    Status::current("Service is ready")
}

fn claim(object: &Value) -> Status {
    match text_or(object, &["status", "phase"], "unknown") {
        "Bound" => Status::current("PVC is Bound"),
        phase => Status::in_progress(format!("PVC is not Bound. phase: {phase}")),
    }
}

fn definition(object: &Value) -> Result<Status, Wrong> {
    for one in conditions(object)? {
        match (one.kind, one.status) {
            ("NamesAccepted", "False") => return Ok(Status::failed(one.message)),
            ("Established", "False") if one.reason != "Installing" => return Ok(Status::failed(one.message)),
            ("Established", "True") => return Ok(Status::current("CRD is established")),
            _ => {}
        }
    }
    Ok(Status::in_progress("Install in progress"))
}
