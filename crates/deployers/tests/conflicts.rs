//! What is somebody else's is taken by force alone, and the plan says from whom.

mod support;

use serde_json::{Value, json};
use shipway_core::{ErrorKind, Verb};
use support::{Bed, config_map, fixture, released};

use shipway_cluster::Apply;

fn shared(bed: &Bed) -> Value {
    bed.cluster.get(&config_map("shared")).expect("read").expect("there")
}

fn theirs(edition: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"edition": edition, "own": "kept"},
        "metadata": {"name": "shared", "namespace": "default"}})
}

#[tokio::test]
async fn a_field_of_somebody_elses_is_taken_where_that_is_said() {
    let bed = Bed::new();
    bed.release(1).await;
    bed.cluster.apply("scaler", &theirs("7"), Apply { force: true, dry_run: false }).expect("applied");
    let error = bed.diff(&released(fixture(2))).await.expect_err("a conflict");
    assert!(error.kind() == ErrorKind::Conflict && format!("{error:?}").contains("scaler"), "{error:?}");

    let mut bed = bed;
    bed.memory = bed.memory.force_conflicts(true);
    let changes = bed.diff(&released(fixture(2))).await.expect("seen");
    let change = changes.changes.iter().find(|change| change.object.name == "shared").expect("shown");
    assert_eq!(
        change.diff.lines().next(),
        Some("# `.data.edition` is taken from `scaler`"),
        "{}",
        change.diff
    );
    // Nothing was changed by looking.
    assert_eq!(shared(&bed)["data"]["edition"], "7");
    bed.apply(&changes).await.expect("applied");
    assert_eq!(shared(&bed)["data"], json!({"edition": "2", "own": "kept"}));
    assert!(bed.diff(&released(fixture(2))).await.expect("seen").changes.is_empty());
}

#[tokio::test]
async fn an_object_of_somebody_elses_is_taken_where_that_is_said() {
    let mut bed = Bed::new();
    bed.cluster.apply("scaler", &theirs("7"), Apply::default()).expect("applied");
    let error = bed.diff(&released(fixture(1))).await.expect_err("a conflict");
    assert!(error.kind() == ErrorKind::Conflict && format!("{error:?}").contains("`scaler`"), "{error:?}");
    bed.memory = bed.memory.force_conflicts(true);
    let changes = bed.diff(&released(fixture(1))).await.expect("seen");
    let change = changes.changes.iter().find(|change| change.object.name == "shared").expect("shown");
    assert!(change.verb == Verb::Update && change.diff.contains("taken from `scaler`"), "{}", change.diff);
    bed.apply(&changes).await.expect("applied");
    assert_eq!(shared(&bed)["data"], json!({"edition": "1", "own": "kept"}));
    assert!(bed.diff(&released(fixture(1))).await.expect("seen").changes.is_empty());
}

#[tokio::test]
async fn somebody_who_takes_it_between_the_look_and_the_write_is_in_the_way_also_of_force() {
    let mut bed = Bed::new();
    bed.memory = bed.memory.force_conflicts(true);
    bed.release(1).await;
    let changes = bed.diff(&released(fixture(2))).await.expect("seen");
    bed.cluster.apply("scaler", &theirs("7"), Apply { force: true, dry_run: false }).expect("applied");
    assert_eq!(bed.apply(&changes).await.expect_err("it moved").kind(), ErrorKind::Conflict);
    assert_eq!(shared(&bed)["data"]["edition"], "7");
}
