//! The status of objects against the reference implementation: random states, with the answers of
//! `sigs.k8s.io/cli-utils`, made by `kstatus/main.go`.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;
use shipway_cluster::health::{Phase, status};
use shipway_core::Timestamp;

#[derive(Debug, Deserialize)]
struct Case {
    object: Value,
    phase: String,
    message: String,
}

/// 2026-11-21: between the moments of creation in the cases.
const NOW: Timestamp = Timestamp(1_795_229_036_120);

#[test]
fn answers_are_the_reference_implementations() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("kstatus/cases.json")).expect("cases");
    assert!(cases.len() >= 120);
    let mut seen = BTreeSet::new();
    for case in &cases {
        let found = status(&case.object, NOW);
        assert_eq!(format!("{:?}", found.phase), case.phase, "{}\n{found:?}", case.object);
        if found.phase != Phase::Unknown {
            // What is wrong with a field we say in our own words.
            assert_eq!(found.message, case.message, "{}", case.object);
        }
        seen.insert((case.object["kind"].to_string(), found.message));
    }
    assert!(seen.len() >= 120, "{} different answers", seen.len());
}

#[test]
fn a_pod_may_stay_unscheduled_for_fifteen_seconds() {
    let pod = serde_json::json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"creationTimestamp": "2026-11-21T02:43:41Z"},
        "status": {"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}});
    let at = |millis: u64| status(&pod, Timestamp(1_795_229_021_000 + millis)).phase;
    assert_eq!([at(0), at(14_999)], [Phase::InProgress; 2]);
    assert_eq!([at(15_000), at(60_000)], [Phase::Failed; 2]);
    assert_eq!(status(&Value::Null, NOW).phase, Phase::NotFound);
}

#[test]
fn a_suspended_job_is_current() {
    let job = |suspend: bool| {
        let job = serde_json::json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"suspend": suspend},
            "status": {"conditions": [{"type": "Suspended", "status": "True"}]}});
        status(&job, NOW).message
    };
    assert_eq!([job(true), job(false)], ["Job is suspended", "Job not started"]);
}
