//! The life of a release: history, going back, settling, going away, and being cut anywhere (clauses D1 to
//! D6 and D8 to D13).

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::json;
use shipway_cluster::{Apply, Fault, Operation, managers};
use shipway_core::{
    Cancel, CancelReason, Catalog, Deployer as _, Deployment, Desired, Error, ErrorKind, Feature, Image,
    Part, PluginConfig as _, Release, Stage, Store, Verb,
};
use shipway_deployers::{Memory, MemoryConfig};
use support::{Bed, config_map, context, cut_after, fixture, no_digest, released};

#[tokio::test]
async fn render_is_deterministic_pinned_and_offline() {
    let bed = Bed::new();
    let images = ["team/Web_App", "worker"].map(|name| Image::new(name, Store::Registry, "h/x", no_digest()));
    let release = Release::new("shop").images(images.to_vec()).labels([("team".to_owned(), "a".to_owned())]);
    bed.cluster.set_faults(cut_after(0, false));
    let manifests = bed.render(&release).await;
    assert_eq!(manifests, bed.render(&release).await);
    let texts: Vec<&str> = manifests.objects.iter().map(|manifest| manifest.text.as_ref()).collect();
    assert!(texts[0].contains("\"name\": \"web-app\"") && texts[0].contains(&format!("h/x@{}", no_digest())));
    assert!(
        texts[0].contains("\"app.kubernetes.io/instance\": \"shop\"") && texts[0].contains("\"team\": \"a\"")
    );
    assert_eq!(manifests.objects[1].object.to_string(), "Deployment default/worker");
    for wrong in ["", "Shop", "a/b", "-a", &"a".repeat(41)] {
        let error = bed.memory.render(&bed.cx, &Release::new(wrong)).await.expect_err(wrong);
        assert_eq!(error.kind(), ErrorKind::Config, "{wrong}");
    }
    let twins = ["a/web", "b/web"].map(|name| Image::new(name, Store::Registry, "h/x", no_digest()));
    let error = bed.memory.render(&bed.cx, &Release::new("shop").images(twins.to_vec())).await;
    assert_eq!(error.expect_err("two of one name").kind(), ErrorKind::Config);
}

#[tokio::test]
async fn another_process_goes_on_from_json_and_from_history() {
    let bed = Bed::new();
    let first = bed.release(1).await;
    let text = serde_json::to_string(&first).expect("JSON");
    assert_eq!(serde_json::from_str::<Deployment>(&text).expect("JSON"), first);
    assert_eq!(bed.revisions().await, ["1"]);
    let other = Memory::new(bed.cluster.clone());
    let history = other.history(&bed.cx, "shop").await.expect("known");
    assert_eq!(history, [first]);
    let changes = other.diff(&bed.cx, &Desired::Absent(history[0].clone())).await.expect("seen");
    other.apply(&bed.cx, &changes).await.expect("removed");
    assert_eq!(bed.names(), [""; 0]);
    assert_eq!(bed.revisions().await, [""; 0]);
}

#[tokio::test]
async fn history_has_the_live_one_and_earlier_settled_ones() {
    let bed = Bed::new();
    let first = bed.release(1).await;
    bed.reach(Desired::Settled(first.clone())).await.expect("settled");
    bed.release(2).await;
    bed.release(3).await;
    assert_eq!(bed.revisions().await, ["3", "1"], "the second was never settled");
    // The objects of those that were replaced stay until a revision is settled.
    let own = |bed: &Bed| bed.names().into_iter().filter(|name| name.starts_with("own")).collect::<Vec<_>>();
    assert_eq!(own(&bed), ["own-1", "own-2", "own-3"]);
    let back = bed.reach(Desired::Restored(first.clone())).await.expect("restored");
    assert_eq!((back.revision.as_str(), &back.manifests), ("4", &first.manifests));
    assert_eq!(own(&bed), ["own-1"], "on the way back, what was added goes at once");
    assert_eq!(bed.revisions().await, ["4", "1"]);
    let stale = bed.diff(&Desired::Settled(first)).await.expect_err("not live");
    assert_eq!(stale.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn settling_prunes_what_went_and_happens_once() {
    let bed = Bed::new();
    bed.release(1).await;
    let second = bed.release(2).await;
    let desired = Desired::Settled(second.clone());
    let changes = bed.diff(&desired).await.expect("seen");
    let shown: Vec<(Verb, &str)> =
        changes.changes.iter().map(|change| (change.verb, change.object.name.as_str())).collect();
    assert_eq!(shown, [(Verb::Delete, "own-1"), (Verb::Update, "shipway.shop.v2")]);
    assert_eq!(bed.apply(&changes).await.expect("settled"), second);
    assert_eq!(bed.apply(&changes).await.expect("settled again"), second);
    assert!(bed.diff(&desired).await.expect("seen").changes.is_empty());
}

#[tokio::test]
async fn what_a_run_saw_as_it_should_be_is_not_listed_again_to_settle_it() {
    let bed = Bed::new();
    let first = bed.release(1).await;
    bed.reach(Desired::Settled(first.clone())).await.expect("settled");
    let lists = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lists);
    bed.cluster.set_faults(move |call| {
        if call.operation == Operation::List {
            counted.fetch_add(1, Ordering::Relaxed);
        }
        Fault::None
    });
    // Each context is a run.
    let settle = async |seen: bool| {
        let cx = context(&bed.folder, &Cancel::new());
        if seen {
            let changes = bed.memory.diff(&cx, &released(fixture(1))).await.expect("seen");
            assert!(changes.changes.is_empty());
        }
        lists.store(0, Ordering::Relaxed);
        let changes = bed.memory.diff(&cx, &Desired::Settled(first.clone())).await.expect("seen");
        (lists.load(Ordering::Relaxed), changes.changes.len())
    };
    let (without, with) = (settle(false).await, settle(true).await);
    assert!(with.0 < without.0, "{with:?} {without:?}");
    assert_eq!((with.1, without.1), (0, 0));
    // What somebody left behind goes, in a run that saw it as in one that did not.
    let mut left: serde_json::Value = serde_json::from_str(&fixture(1).objects[0].text).expect("JSON");
    let there = bed.objects();
    let shared = there.iter().find(|object| object.contains("\"shared\"")).expect("there");
    let shared: serde_json::Value = serde_json::from_str(shared).expect("JSON");
    left["metadata"]["labels"] = shared["metadata"]["labels"].clone();
    left["metadata"]["name"] = "left".into();
    bed.cluster.apply("shipway", &left, Apply::default()).expect("made");
    let gone = settle(false).await.1;
    assert!(gone > 0 && settle(true).await.1 == gone, "{gone}");
}

#[tokio::test]
async fn the_last_ten_revisions_are_remembered_and_the_one_to_go_back_to() {
    let bed = Bed::new();
    let first = bed.release(1).await;
    bed.reach(Desired::Settled(first)).await.expect("settled");
    for edition in 2..=14 {
        bed.release(edition).await;
    }
    let records = bed.names().into_iter().filter(|name| name.starts_with("shipway.shop.v")).count();
    assert_eq!(records, 11);
    assert_eq!(bed.revisions().await, ["14", "1"]);
    // Nothing of the forgotten revisions is left behind for it.
    let live = bed.memory.history(&bed.cx, "shop").await.expect("known").remove(0);
    bed.reach(Desired::Settled(live)).await.expect("settled");
    let own = bed.names().into_iter().filter(|name| name.starts_with("own")).collect::<Vec<_>>();
    assert_eq!(own, ["own-14"]);
}

#[tokio::test]
async fn what_was_begun_and_is_the_same_is_gone_on_with() {
    let bed = Bed::new();
    bed.release(1).await;
    let begin = async |edition| {
        bed.cluster.set_faults(cut_after(1, false));
        bed.reach(released(fixture(edition))).await.expect_err("cut after the record was written");
        bed.cluster.clear_faults();
    };
    begin(2).await;
    let changes = bed.diff(&released(fixture(2))).await.expect("seen");
    let last = changes.changes.last().expect("a record");
    assert_eq!((last.verb, last.object.name.as_str()), (Verb::Update, "shipway.shop.v2"));
    assert_eq!(bed.apply(&changes).await.expect("gone on with").revision, "2");
    // What was begun and is another one is given up.
    begin(3).await;
    assert_eq!(bed.release(4).await.revision, "4");
    assert_eq!(bed.release(3).await.revision, "5");
}

#[tokio::test]
async fn nothing_to_do_writes_nothing() {
    let bed = Bed::new();
    let first = bed.release(1).await;
    let changes = bed.diff(&released(fixture(1))).await.expect("seen");
    assert!(changes.changes.is_empty());
    bed.cluster.set_faults(|call| {
        assert_eq!(call.write, None, "{call:?}");
        Fault::None
    });
    assert_eq!(bed.apply(&changes).await.expect("applied"), first);
    bed.cluster.clear_faults();
    bed.release(2).await;
    assert_eq!(bed.apply(&changes).await.expect_err("stale").kind(), ErrorKind::Conflict);
}

/// After how many editions what is desired.
type Course = (u8, fn(Vec<Deployment>) -> Desired);

fn courses() -> Vec<Course> {
    vec![
        (0, |_| released(fixture(1))),
        (2, |_| released(fixture(3))),
        (2, |mut all| Desired::Restored(all.swap_remove(0))),
        (2, |mut all| Desired::Settled(all.swap_remove(1))),
        (2, |mut all| Desired::Absent(all.swap_remove(1))),
    ]
}

async fn prepared(editions: u8) -> (Bed, Vec<Deployment>) {
    let bed = Bed::new();
    let mut all = Vec::new();
    for edition in 1..=editions {
        let deployment = bed.release(edition).await;
        if edition == 1 {
            bed.reach(Desired::Settled(deployment.clone())).await.expect("settled");
        }
        all.push(deployment);
    }
    (bed, all)
}

#[tokio::test]
async fn every_course_may_be_cut_at_every_write_and_repeated() {
    for (number, (editions, course)) in courses().into_iter().enumerate() {
        let (uncut, all) = prepared(editions).await;
        let right = uncut.reach(course(all)).await.expect("applied");
        for lose in [false, true] {
            for writes in 0.. {
                let place = format!("course {number}, cut after {writes} writes, the next lost: {lose}");
                let (bed, all) = prepared(editions).await;
                let changes = bed.diff(&course(all)).await.expect("seen");
                bed.cluster.set_faults(cut_after(writes, lose));
                let whole = bed.apply(&changes).await.is_ok();
                bed.cluster.clear_faults();
                // The one before is live until all is there.
                assert!(number > 3 || editions == 0 || !bed.revisions().await.is_empty(), "{place}");
                assert_eq!(bed.apply(&changes).await.expect(&place), right, "{place}");
                assert_eq!(bed.objects(), uncut.objects(), "{place}");
                if whole {
                    assert!(writes > 0, "{place}");
                    break;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_release_that_was_cut_for_good_is_given_up_by_the_next() {
    let (bed, mut all) = prepared(2).await;
    let changes = bed.diff(&released(fixture(3))).await.expect("seen");
    bed.cluster.set_faults(cut_after(2, false));
    assert!(bed.apply(&changes).await.is_err());
    bed.cluster.clear_faults();
    let settling =
        bed.diff(&Desired::Settled(all[1].clone())).await.expect_err("half of a newer one is there");
    assert_eq!(settling.kind(), ErrorKind::Conflict);
    let back = bed.reach(Desired::Restored(all.swap_remove(1))).await.expect("restored");
    assert_eq!(back.revision, "4");
    let data = bed.cluster.get(&config_map("shared")).expect("read").expect("there")["data"].clone();
    assert_eq!(data, json!({"edition": "2"}));
    assert!(!bed.names().contains(&"own-3".to_owned()), "what the cut one made is gone");
    assert_eq!(bed.apply(&changes).await.expect_err("given up").kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn only_a_moved_field_that_would_change_is_a_conflict() {
    type Move = fn(&Bed);
    let moves: [(&str, bool, Move); 5] = [
        ("the field has another value", true, |bed| {
            let mut object = bed.cluster.get(&config_map("shared")).expect("read").expect("there");
            object["data"]["edition"] = "theirs".into();
            bed.cluster.update("somebody", &object).expect("written");
        }),
        ("the field has another owner", true, |bed| {
            let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"edition": "1"},
                "metadata": {"name": "shared", "namespace": "default"}});
            bed.cluster.apply("somebody", &object, Apply::default()).expect("shared");
        }),
        ("the object is gone", true, |bed| {
            bed.cluster.delete(&config_map("shared"), None).expect("deleted");
        }),
        ("somebody made what we would make", true, |bed| {
            let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"theirs": "1"},
                "metadata": {"name": "own-2", "namespace": "default"}});
            bed.cluster.create("somebody", &object).expect("made");
        }),
        ("another field, the status and the version", false, |bed| {
            let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"theirs": "1"},
                "metadata": {"name": "shared", "namespace": "default"}, "status": {"seen": true}});
            bed.cluster.apply("somebody", &object, Apply::default()).expect("written");
            bed.cluster.update_status("kubelet", &object).expect("written");
        }),
    ];
    for (what, conflicts, world_moves) in moves {
        let bed = Bed::new();
        bed.release(1).await;
        let changes = bed.diff(&released(fixture(2))).await.expect("seen");
        world_moves(&bed);
        let before = bed.objects();
        match bed.apply(&changes).await {
            Err(error) if conflicts => {
                assert_eq!(error.kind(), ErrorKind::Conflict, "{what}: {error:?}");
                assert_eq!(bed.objects(), before, "{what}: a stale change set changes nothing at all");
            }
            answer => assert_eq!(answer.expect(what).revision, "2", "{what}"),
        }
    }
}

#[tokio::test]
async fn the_world_may_move_between_the_look_and_the_write() {
    let bed = Bed::new();
    bed.release(1).await;
    let changes = bed.diff(&released(fixture(2))).await.expect("seen");
    let mover = bed.cluster.clone();
    bed.cluster.set_faults(move |call| {
        if call.write.is_some() && call.object.as_ref().is_some_and(|object| object.name == "shared") {
            let mut object = mover.get(&config_map("shared")).expect("read").expect("there");
            object["data"]["edition"] = "theirs".into();
            mover.update("somebody", &object).expect("written");
        }
        Fault::None
    });
    assert_eq!(bed.apply(&changes).await.expect_err("moved").kind(), ErrorKind::Conflict);
    bed.cluster.clear_faults();
    let object = bed.cluster.get(&config_map("shared")).expect("read").expect("there");
    assert_eq!(object["data"]["edition"], "theirs");
    assert_eq!(bed.revisions().await, ["1"]);
}

#[tokio::test]
async fn what_is_removed_is_not_looked_for_one_by_one_and_may_take_its_kind_along() {
    let bed = Bed::new();
    let first = bed.release(1).await;
    let changes = bed.diff(&Desired::Absent(first)).await.expect("seen");
    let (seen, mut removed) = (Arc::new(AtomicUsize::new(0)), 0);
    let count = Arc::clone(&seen);
    bed.cluster.set_faults(move |call| {
        let own = ["shared", "own-1"];
        let is_own = call.object.as_ref().is_some_and(|object| own.contains(&object.name.as_str()));
        match call.operation {
            Operation::Delete if is_own => removed += 1,
            Operation::Get if is_own => _ = count.fetch_add(1, Ordering::Relaxed),
            Operation::List if removed == own.len() => {
                return Fault::Refuse(Error::not_found("the cluster has no such kind"));
            }
            _ => {}
        }
        Fault::None
    });
    bed.apply(&changes).await.expect("removed");
    bed.cluster.clear_faults();
    assert_eq!((bed.names(), seen.load(Ordering::Relaxed)), (Vec::new(), 0));
}

#[tokio::test]
async fn foreign_objects_are_never_touched() {
    let bed = Bed::new();
    let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"theirs": "1"},
        "metadata": {"name": "own-2", "namespace": "default"}});
    bed.cluster.create("somebody", &theirs).expect("made");
    let first = bed.release(1).await;
    let error = bed.diff(&released(fixture(2))).await.expect_err("one of that name is there");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.report().to_string().contains("`somebody`"), "{error:?}");
    // One that took the name of ours since is theirs too.
    bed.cluster.delete(&config_map("own-1"), None).expect("deleted");
    let mut taken = theirs.clone();
    taken["metadata"]["name"] = "own-1".into();
    bed.cluster.create("somebody", &taken).expect("made");
    bed.reach(Desired::Absent(first)).await.expect("removed");
    assert_eq!(bed.names(), ["own-1", "own-2"]);
    let owners = managers(&bed.cluster.get(&config_map("own-1")).expect("read").expect("there"));
    assert_eq!(owners.expect("owners").len(), 1);
}

#[tokio::test]
async fn a_forced_cancel_stops_between_writes_and_can_be_gone_on_from() {
    let bed = Bed::new();
    let changes = bed.diff(&released(fixture(1))).await.expect("seen");
    let cancel = Cancel::new();
    let cx = context(&bed.folder, &cancel);
    cancel.escalate(Stage::Forced, CancelReason::Asked);
    let error = bed.memory.apply(&cx, &changes).await.expect_err("stopped");
    assert_eq!((error.kind(), bed.names().len()), (ErrorKind::Cancelled, 0));
    let requested = Cancel::new();
    requested.escalate(Stage::Requested, CancelReason::Asked);
    let deployment = bed.memory.apply(&context(&bed.folder, &requested), &changes).await;
    assert_eq!(deployment.expect("an apply that is asked to stop ends").revision, "1");
}

#[tokio::test]
async fn what_is_not_claimed_is_unsupported() {
    let bed = Bed::new();
    assert!(!bed.memory.capabilities().claims(Feature::Share));
    let half = Desired::Released { manifests: fixture(1), share: 50 };
    assert_eq!(bed.diff(&half).await.expect_err("no shares").kind(), ErrorKind::Unsupported);
    let catalog = Catalog::new().with_deployer::<MemoryConfig>();
    let options = json!({"platform": "linux/arm64", "namespace": "prod"});
    let part = Part::new(MemoryConfig::KIND).options(options.as_object().expect("a map").clone());
    let deployer = catalog.deployer(&part).expect("made");
    assert_eq!(deployer.capabilities().platforms[0].to_string(), "linux/arm64");
    let wrong =
        Part::new(MemoryConfig::KIND).options(json!({"plattform": 1}).as_object().expect("a map").clone());
    assert_eq!(catalog.deployer(&wrong).expect_err("no such option").kind(), ErrorKind::Config);
}
