//! What Kubernetes' page "Server-Side Apply" says, one row a sentence, and properties.

use proptest::prelude::*;
use serde_json::{Value, json};
use shipway_cluster::{Apply, Effect, MemoryCluster, adopt, is_applied, managers, object_id, preview};
use shipway_core::ErrorKind;

const FORCE: Apply = Apply { force: true, dry_run: false };

fn config(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"}, "data": data})
}

fn apply(cluster: &MemoryCluster, manager: &str, data: Value) -> Result<Value, (ErrorKind, String)> {
    let answer = cluster.apply(manager, &config(data), Apply::default());
    answer
        .map(|applied| applied.object["data"].clone())
        .map_err(|error| (error.kind(), error.report().to_string()))
}

#[test]
fn a_change_to_a_field_of_somebody_else_is_a_conflict_that_names_both() {
    let cluster = MemoryCluster::new();
    apply(&cluster, "one", json!({"x": "1"})).expect("new");
    let (kind, text) = apply(&cluster, "two", json!({"x": "2"})).expect_err("refused");
    assert_eq!(kind, ErrorKind::Conflict);
    assert!(text.contains("`.data.x` of ConfigMap b/a belongs to `one`"), "{text}");
    // "Overwrite value, become sole manager".
    let forced = cluster.apply("two", &config(json!({"x": "2"})), FORCE).expect("forced");
    let owners: Vec<String> =
        managers(&forced.object).expect("owners").into_iter().map(|owner| owner.manager).collect();
    assert_eq!((forced.object["data"]["x"].as_str(), owners), (Some("2"), vec!["two".to_owned()]));
}

#[test]
fn the_same_value_is_shared_and_leaving_it_out_gives_up_the_share() {
    let cluster = MemoryCluster::new();
    apply(&cluster, "one", json!({"x": "1"})).expect("new");
    apply(&cluster, "two", json!({"x": "1"})).expect("shared");
    // "Don't overwrite value, give up management claim".
    assert_eq!(apply(&cluster, "one", json!({"y": "1"})), Ok(json!({"x": "1", "y": "1"})));
    assert_eq!(
        apply(&cluster, "two", json!({"z": "1"})),
        Ok(json!({"y": "1", "z": "1"})),
        "x had no other owner"
    );
}

#[test]
fn an_update_takes_fields_without_asking() {
    let cluster = MemoryCluster::new();
    apply(&cluster, "one", json!({"x": "1"})).expect("new");
    cluster.update("kubectl-edit", &config(json!({"x": "2"}))).expect("updated");
    let (_, text) = apply(&cluster, "one", json!({"x": "1"})).expect_err("refused");
    assert!(text.contains("`kubectl-edit`"), "{text}");
    // A field that was given up to an updater is not pruned.
    assert_eq!(apply(&cluster, "one", json!({"y": "1"})), Ok(json!({"x": "2", "y": "1"})));
}

#[test]
fn a_dry_run_answers_as_if_and_changes_nothing() {
    let cluster = MemoryCluster::new();
    let dry = Apply { dry_run: true, ..Apply::default() };
    let answer = cluster.apply("one", &config(json!({"x": "1"})), dry).expect("fine");
    assert_eq!(answer.effect, Effect::Created);
    assert_eq!(cluster.get(&object_id(&answer.object).expect("an id")).expect("read"), None);
    apply(&cluster, "one", json!({"x": "1"})).expect("new");
    let before = cluster.get(&object_id(&answer.object).expect("an id")).expect("read");
    assert!(cluster.apply("two", &config(json!({"x": "2"})), dry).is_err(), "conflicts are told");
    assert_eq!(cluster.apply("one", &config(json!({"x": "2"})), dry).expect("fine").effect, Effect::Changed);
    assert_eq!(cluster.get(&object_id(&answer.object).expect("an id")).expect("read"), before);
}

#[test]
fn what_does_not_fit_is_refused() {
    let cluster = MemoryCluster::new();
    let made = cluster.apply("one", &config(json!({})), Apply::default()).expect("new");
    let mut object = config(json!({}));
    object["metadata"]["resourceVersion"] = "7".into();
    let stale = cluster.apply("one", &object, Apply::default()).expect_err("not that version");
    assert_eq!(stale.kind(), ErrorKind::Conflict);
    let owned = cluster.apply("one", &made.object, Apply::default()).expect_err("managedFields");
    assert_eq!(owned.kind(), ErrorKind::Config);
    let twice = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "b"},
        "spec": {"containers": [{"name": "a"}, {"name": "a"}]}});
    assert_eq!(cluster.apply("one", &twice, Apply::default()).expect_err("twice").kind(), ErrorKind::Config);
}

#[test]
fn generation_counts_the_spec_and_status_is_a_subresource() {
    let cluster = MemoryCluster::new();
    let object = |replicas: u32, status: u32| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "b"},
            "spec": {"replicas": replicas}, "status": {"readyReplicas": status}})
    };
    let made = cluster.apply("one", &object(1, 9), Apply::default()).expect("new").object;
    assert_eq!((made["metadata"]["generation"].as_u64(), made.get("status")), (Some(1), None));
    let watched = cluster.update_status("kubelet", &object(5, 1)).expect("status").object;
    assert_eq!(watched["status"]["readyReplicas"], 1);
    assert_eq!((&watched["spec"]["replicas"], &watched["metadata"]["generation"]), (&json!(1), &json!(1)));
    let scaled = cluster.apply("one", &object(2, 9), Apply::default()).expect("applied").object;
    assert_eq!(
        (&scaled["status"]["readyReplicas"], &scaled["metadata"]["generation"]),
        (&json!(1), &json!(2))
    );
}

#[test]
fn what_client_side_apply_owned_can_be_taken_over_and_then_goes_with_the_configuration() {
    let cluster = MemoryCluster::new();
    cluster.create("kubectl-client-side-apply", &config(json!({"x": "1", "y": "1"}))).expect("made");
    let mut taken =
        cluster.get(&object_id(&config(json!({}))).expect("an id")).expect("read").expect("there");
    assert_eq!(adopt(&mut taken, &["another"], "one").expect("read"), None);
    let owner = adopt(&mut taken, &["kubectl-client-side-apply"], "one").expect("read");
    assert_eq!(owner.as_deref(), Some("kubectl-client-side-apply"));
    cluster.update("one", &taken).expect("written");
    assert_eq!(apply(&cluster, "one", json!({"x": "2"})), Ok(json!({"x": "2"})), "y went with it");
}

/// A workload of containers with environments and ports, in some order.
fn workload() -> impl Strategy<Value = Value> {
    let names = |most| proptest::sample::subsequence(vec!["a", "b", "c"], 1..=most).prop_shuffle();
    let container = (names(3), "[01]", proptest::option::of(80..82_u16));
    (names(2), container).prop_map(|(containers, (environment, value, port))| {
        let environment: Vec<Value> =
            environment.iter().map(|name| json!({"name": name, "value": value})).collect();
        // An empty list is none to the cluster.
        let ports = port.map_or(Value::Null, |port| json!([{"containerPort": port}]));
        let containers: Vec<Value> = containers
            .iter()
            .map(|name| json!({"name": name, "env": environment, "ports": ports, "args": [value]}))
            .collect();
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "b"},
            "spec": {"template": {"spec": {"containers": containers}}}})
    })
}

fn data() -> impl Strategy<Value = Value> {
    proptest::collection::btree_map("[a-d]", "[0-2]", 0..4).prop_map(|map| json!(map))
}

proptest! {
    #[test]
    fn what_is_applied_already_is_seen_without_asking(steps in proptest::collection::vec(
        (prop_oneof![workload(), data().prop_map(config)], 0..3_u8), 1..6))
    {
        let cluster = MemoryCluster::new();
        for (config, who) in steps {
            let manager = ["one", "two", "three"][usize::from(who)];
            let id = object_id(&config).expect("an id");
            if let Some(live) = cluster.get(&id).expect("read")
                && is_applied(manager, &config, &live).expect("objects")
            {
                let again = cluster.apply(manager, &config, Apply::default()).expect("ours");
                prop_assert_eq!(again.effect, Effect::Unchanged);
            }
            if let Ok(applied) = cluster.apply(manager, &config, Apply::default()) {
                prop_assert!(is_applied(manager, &config, &applied.object).expect("objects"));
            }
        }
    }

    #[test]
    fn a_preview_is_what_apply_does(first in workload(), second in workload()) {
        let cluster = MemoryCluster::new();
        let live = cluster.apply("one", &first, Apply::default()).expect("new").object;
        let seen = preview("one", &second, &live).expect("ours");
        let bare = |mut object: Value| {
            for name in ["resourceVersion", "generation"] {
                object["metadata"].as_object_mut().expect("a map").remove(name);
            }
            object
        };
        prop_assert_eq!(bare(seen), bare(cluster.apply("one", &second, Apply::default()).expect("ours").object));
    }

    #[test]
    fn apply_twice_is_apply_once(first in data(), second in data()) {
        let cluster = MemoryCluster::new();
        for data in [first, second] {
            let once = cluster.apply("one", &config(data.clone()), Apply::default()).expect("alone");
            let twice = cluster.apply("one", &config(data.clone()), Apply::default()).expect("alone");
            prop_assert_eq!(twice.effect, Effect::Unchanged);
            prop_assert_eq!(once.object, twice.object);
        }
    }

    #[test]
    fn managers_of_other_fields_never_meet(ours in data(), steps in proptest::collection::vec(data(), 0..4)) {
        let cluster = MemoryCluster::new();
        for theirs in steps {
            let theirs: serde_json::Map<String, Value> = theirs.as_object().expect("a map").iter()
                .map(|(name, value)| (format!("their-{name}"), value.clone())).collect();
            prop_assert!(apply(&cluster, "theirs", theirs.clone().into()).is_ok());
            let all = apply(&cluster, "ours", ours.clone());
            let mut expected = theirs;
            expected.extend(ours.as_object().expect("a map").clone());
            prop_assert_eq!(all, Ok(Value::Object(expected)));
        }
    }

    #[test]
    fn the_order_of_keys_decides_nothing(data in proptest::collection::vec(("[a-f]", "[0-2]"), 1..6)) {
        let text = |pairs: &mut dyn Iterator<Item = &(String, String)>| -> Value {
            let mut seen = std::collections::BTreeSet::new();
            let pairs: Vec<String> = pairs.filter(|(name, _)| seen.insert(name.clone()))
                .map(|(name, value)| format!("{name:?}:{value:?}")).collect();
            serde_json::from_str(&format!("{{{}}}", pairs.join(","))).expect("JSON")
        };
        let mut unique = data.clone();
        unique.sort();
        unique.dedup_by(|a, b| a.0 == b.0);
        let cluster = MemoryCluster::new();
        apply(&cluster, "one", text(&mut unique.iter())).expect("new");
        let again = cluster.apply("one", &config(text(&mut unique.iter().rev())), Apply::default());
        prop_assert_eq!(again.expect("the same").effect, Effect::Unchanged);
    }
}
