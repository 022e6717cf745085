//! What was applied from a client before becomes the release's, and nothing of anybody else.

mod support;

use serde_json::{Value, json};
use shipway_cluster::managers;
use shipway_core::{Desired, ErrorKind, Verb};
use support::{Bed, config_map, cut_after, fixture, released};

const CLIENT: &str = "kubectl-client-side-apply";

/// What kubectl left: a field that the release changes, one that it has not, and all of it in an annotation.
fn theirs() -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"edition": "0", "old": "1"},
        "metadata": {"name": "shared", "namespace": "default", "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": "{}"}}})
}

fn shared(bed: &Bed) -> Value {
    bed.cluster.get(&config_map("shared")).expect("read").expect("there")
}

#[tokio::test]
async fn what_kubectl_applied_from_a_client_is_adopted_and_the_plan_says_so() {
    let bed = Bed::new();
    bed.cluster.create(CLIENT, &theirs()).expect("made");
    let changes = bed.diff(&released(fixture(1))).await.expect("seen");
    let change = changes.changes.iter().find(|change| change.object.name == "shared").expect("shown");
    assert_eq!(change.verb, Verb::Update);
    let lines: Vec<&str> = change.diff.lines().collect();
    assert_eq!(lines[0], "# what `kubectl-client-side-apply` owns of it becomes `shipway`'s");
    for line in ["-     \"edition\": \"0\"", "+     \"edition\": \"1\"", "-     \"old\": \"1\""] {
        assert!(lines.contains(&line), "{line} in\n{}", change.diff);
    }
    bed.apply(&changes).await.expect("applied");
    let object = shared(&bed);
    assert_eq!(object["data"], json!({"edition": "1"}));
    assert_eq!(object["metadata"].get("annotations"), None);
    assert!(managers(&object).expect("owners").iter().all(|owner| owner.manager == "shipway"));
    // From now on it is as any other of the release.
    assert!(bed.diff(&released(fixture(1))).await.expect("seen").changes.is_empty());
}

#[tokio::test]
async fn adopting_may_be_cut_at_every_write_and_repeated_or_seen_anew() {
    for anew in [false, true] {
        for writes in 0.. {
            let bed = Bed::new();
            bed.cluster.create(CLIENT, &theirs()).expect("made");
            let changes = bed.diff(&released(fixture(1))).await.expect("seen");
            bed.cluster.set_faults(cut_after(writes, false));
            let whole = bed.apply(&changes).await.is_ok();
            bed.cluster.clear_faults();
            if anew {
                bed.reach(released(fixture(1))).await.expect("released");
            } else {
                bed.apply(&changes).await.expect("gone on with");
            }
            assert_eq!(shared(&bed)["data"], json!({"edition": "1"}), "after {writes} writes");
            if whole {
                break;
            }
        }
    }
}

#[tokio::test]
async fn what_somebody_else_owns_beside_kubectl_stays_theirs() {
    let bed = Bed::new();
    bed.cluster.create(CLIENT, &theirs()).expect("made");
    let mut edited = shared(&bed);
    edited["data"]["edition"] = "7".into();
    bed.cluster.update("kubectl-edit", &edited).expect("edited");
    let error = bed.diff(&released(fixture(1))).await.expect_err("the field is another's");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(
        error
            .report()
            .to_string()
            .contains("`.data.edition` of ConfigMap default/shared belongs to `kubectl-edit`")
    );
    assert_eq!(shared(&bed)["data"]["edition"], "7");
}

#[tokio::test]
async fn what_kubectl_changed_of_ours_since_is_ours_again() {
    let bed = Bed::new();
    let first = bed.release(1).await;
    let mut object = shared(&bed);
    object["data"]["edition"] = "theirs".into();
    bed.cluster.update(CLIENT, &object).expect("written");
    bed.reach(Desired::Restored(first)).await.expect("restored");
    assert_eq!(shared(&bed)["data"], json!({"edition": "1"}));
}
