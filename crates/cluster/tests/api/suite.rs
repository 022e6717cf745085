//! What every implementation of [`Api`] answers, as the API server does: one suite, run against the cluster
//! in memory and against a real one.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shipway_cluster::{Api, Apply, Selector, Served, managers, object_id};
use shipway_core::{Context, ErrorKind, ObjectId};

const DRY: Apply = Apply { force: false, dry_run: true };
const FORCE: Apply = Apply { force: true, dry_run: false };
const PLAIN: Apply = Apply { force: false, dry_run: false };

/// One implementation, and a namespace of it that is the test's own.
pub(crate) struct Bench<'a> {
    pub(crate) cx: &'a Context,
    pub(crate) api: &'a dyn Api,
    pub(crate) namespace: &'a str,
}

/// Runs the whole suite.
pub(crate) async fn run(bench: &Bench<'_>) {
    bench.apply_makes_merges_and_takes_back().await;
    bench.conflicts_name_field_and_owner().await;
    bench.a_dry_run_changes_nothing().await;
    bench.lists_merge_by_their_keys().await;
    bench.create_and_update_have_preconditions().await;
    bench.delete_is_of_one_object().await;
    bench.lists_select().await;
    bench.kinds_say_where_they_are().await;
    bench.objects_that_are_not_valid_are_refused().await;
}

impl Bench<'_> {
    fn settings(&self, name: &str, data: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": self.namespace}, "data": data})
    }

    fn id(&self, name: &str) -> ObjectId {
        ObjectId::new("v1", "ConfigMap", name).namespace(self.namespace.to_owned())
    }

    async fn apply(&self, manager: &str, config: &Value, how: Apply) -> Value {
        self.api.apply(self.cx, manager, config, how).await.expect("applied")
    }

    async fn get(&self, name: &str) -> Option<Value> {
        self.api.get(self.cx, &self.id(name)).await.expect("read")
    }

    async fn apply_makes_merges_and_takes_back(&self) {
        assert_eq!(self.get("merged").await, None);
        let made = self.apply("one", &self.settings("merged", json!({"a": "1", "b": "2"})), PLAIN).await;
        assert_eq!(made["data"], json!({"a": "1", "b": "2"}));
        assert_eq!(self.get("merged").await.as_ref(), Some(&made));

        // The same again moves nothing, not even the version.
        let same = self.apply("one", &self.settings("merged", json!({"a": "1", "b": "2"})), PLAIN).await;
        assert_eq!(same["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);

        // Another's fields are beside ours; what we leave out goes, unless another owns it too.
        self.apply("two", &self.settings("merged", json!({"b": "2", "c": "3"})), PLAIN).await;
        let less = self.apply("one", &self.settings("merged", json!({"a": "1"})), PLAIN).await;
        assert_eq!(less["data"], json!({"a": "1", "b": "2", "c": "3"}));
        let less = self.apply("two", &self.settings("merged", json!({"c": "3"})), PLAIN).await;
        assert_eq!(less["data"], json!({"a": "1", "c": "3"}));
        let owned: Vec<(String, Vec<String>)> = managers(&less)
            .expect("owners")
            .into_iter()
            .map(|owner| (owner.manager, owner.fields.iter().map(ToString::to_string).collect()))
            .collect();
        let owner = |name: &str, field: &str| (name.to_owned(), vec![field.to_owned()]);
        assert_eq!(owned, [owner("one", ".data.a"), owner("two", ".data.c")]);
    }

    async fn conflicts_name_field_and_owner(&self) {
        self.apply("owner", &self.settings("contested", json!({"a": "1", "b": "1"})), PLAIN).await;
        let taken = self.settings("contested", json!({"a": "2", "b": "2"}));
        for dry_run in [true, false] {
            let how = Apply { force: false, dry_run };
            let error = self.api.apply(self.cx, "taker", &taken, how).await.expect_err("a conflict");
            let expected = format!("`.data.a` of ConfigMap {}/contested belongs to `owner`", self.namespace);
            assert_eq!((error.kind(), error.to_string()), (ErrorKind::Conflict, expected));
            assert_eq!(error.report().notes, ["`.data.b` belongs to `owner`"]);
        }
        assert_eq!(self.get("contested").await.expect("there")["data"]["a"], "1");
        // An equal value is no conflict: both own it then.
        self.apply("sharer", &self.settings("contested", json!({"a": "1"})), PLAIN).await;
        let forced = self.apply("taker", &taken, FORCE).await;
        assert_eq!(forced["data"], json!({"a": "2", "b": "2"}));
        let names: Vec<String> =
            managers(&forced).expect("owners").into_iter().map(|owner| owner.manager).collect();
        assert_eq!(names, ["taker"]);
    }

    async fn a_dry_run_changes_nothing(&self) {
        let config = self.settings("dry", json!({"a": "1"}));
        let answer = self.apply("one", &config, DRY).await;
        assert_eq!(answer["data"], json!({"a": "1"}));
        assert_eq!(self.get("dry").await, None);
        let made = self.apply("one", &config, PLAIN).await;
        let answer = self.apply("one", &self.settings("dry", json!({"b": "2"})), DRY).await;
        assert_eq!(answer["data"], json!({"b": "2"}));
        assert_eq!(self.get("dry").await, Some(made));
    }

    async fn lists_merge_by_their_keys(&self) {
        let service = |ports: Value| {
            json!({"apiVersion": "v1", "kind": "Service",
                "metadata": {"name": "web", "namespace": self.namespace},
                "spec": {"selector": {"app": "web"}, "ports": ports}})
        };
        let port = |name: &str, port: u16| json!({"name": name, "port": port, "protocol": "TCP", "targetPort": 8080});
        self.apply("one", &service(json!([port("http", 80)])), PLAIN).await;
        let both = self.apply("two", &service(json!([port("metrics", 9090)])), PLAIN).await;
        let ports = |service: &Value| -> BTreeSet<String> {
            let ports = service["spec"]["ports"].as_array().expect("ports").iter();
            ports.map(|port| port["name"].as_str().expect("a name").to_owned()).collect()
        };
        assert_eq!(ports(&both), BTreeSet::from(["http".to_owned(), "metrics".to_owned()]));
        let error = self
            .api
            .apply(self.cx, "three", &service(json!([port("other", 80)])), PLAIN)
            .await
            .expect_err("a conflict");
        let text = error.to_string();
        assert!(text.starts_with("`.spec.ports[port=80,protocol=\"TCP\"].name` of Service"), "{text}");
        let left = self.apply("one", &service(json!([])), PLAIN).await;
        assert_eq!(ports(&left), BTreeSet::from(["metrics".to_owned()]));
    }

    async fn create_and_update_have_preconditions(&self) {
        let object = self.settings("made", json!({"a": "1"}));
        let made = self.api.create(self.cx, "maker", &object).await.expect("made");
        let error = self.api.create(self.cx, "maker", &object).await.expect_err("it is there");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains("exists already"), "{error}");

        let mut next = made.clone();
        next["data"]["a"] = "2".into();
        let updated = self.api.update(self.cx, "maker", &next).await.expect("updated");
        assert_ne!(updated["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
        assert_eq!(updated["metadata"]["uid"], made["metadata"]["uid"]);
        // The version that was read is no more.
        let error = self.api.update(self.cx, "maker", &next).await.expect_err("another version");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains("was changed by somebody else"), "{error}");
        // An apply with a version that is no more is refused too; what does not say one is not.
        let mut config = self.settings("made", json!({"b": "1"}));
        config["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"].clone();
        let error = self.api.apply(self.cx, "one", &config, PLAIN).await.expect_err("another version");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        config["metadata"]["resourceVersion"] = updated["metadata"]["resourceVersion"].clone();
        assert_eq!(self.apply("one", &config, PLAIN).await["data"], json!({"a": "2", "b": "1"}));
        let plain = self.settings("made", json!({"a": "3"}));
        let replaced = self.api.update(self.cx, "maker", &plain).await.expect("replaced");
        assert_eq!(replaced["data"], json!({"a": "3"}));

        let error = self.api.update(self.cx, "maker", &self.settings("gone", json!({}))).await;
        assert_eq!(error.expect_err("not there").kind(), ErrorKind::NotFound);
        let mut config = self.settings("gone", json!({}));
        config["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"].clone();
        // A version alone does not keep an apply from making what is gone; a `uid` does.
        config["metadata"]["uid"] = made["metadata"]["uid"].clone();
        let error = self.api.apply(self.cx, "one", &config, PLAIN).await.expect_err("not there");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(self.get("gone").await, None);
        config["metadata"].as_object_mut().expect("metadata").remove("uid");
        assert_eq!(self.apply("one", &config, PLAIN).await["metadata"]["name"], "gone");
    }

    async fn delete_is_of_one_object(&self) {
        let made = self.apply("one", &self.settings("removed", json!({"a": "1"})), PLAIN).await;
        let uid = made["metadata"]["uid"].as_str().expect("a uid");
        let id = self.id("removed");
        let other = "12345678-0000-4000-8000-000000000000";
        let error = self.api.delete(self.cx, &id, Some(other)).await.expect_err("another object");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains("another object of the same name"), "{error}");
        assert!(self.get("removed").await.is_some());
        self.api.delete(self.cx, &id, Some(uid)).await.expect("removed");
        assert_eq!(self.get("removed").await, None);
        // Gone is gone.
        self.api.delete(self.cx, &id, Some(uid)).await.expect("not there");
        self.api.delete(self.cx, &id, None).await.expect("not there");
    }

    async fn lists_select(&self) {
        for (name, app) in [("list-a", "x"), ("list-b", "x"), ("list-c", "y")] {
            let mut config = self.settings(name, json!({}));
            config["metadata"]["labels"] = json!({"suite/app": app, "tier": "front"});
            self.apply("one", &config, PLAIN).await;
        }
        let all = Selector::new().kind("v1", "ConfigMap").namespace(self.namespace).label("tier", "front");
        let names = async |selector: Selector| -> Vec<String> {
            let list = self.api.list(self.cx, &selector).await.expect("a list");
            assert!(!list.resource_version.is_empty());
            list.items.iter().map(|item| object_id(item).expect("an object").to_string()).collect()
        };
        let named = |names: &[&str]| -> Vec<String> {
            names.iter().map(|name| format!("ConfigMap {}/{name}", self.namespace)).collect()
        };
        assert_eq!(names(all.clone().label("suite/app", "x")).await, named(&["list-a", "list-b"]));
        assert_eq!(names(all.clone()).await, named(&["list-a", "list-b", "list-c"]));
        assert_eq!(names(all.label("suite/app", "z")).await, named(&[]));
        let other = Selector::new().kind("v1", "Secret").namespace(self.namespace).label("tier", "front");
        assert_eq!(names(other).await, named(&[]));
    }

    async fn kinds_say_where_they_are(&self) {
        for (group, version, kind, namespaced) in [
            ("", "v1", "ConfigMap", true),
            ("apps", "v1", "Deployment", true),
            ("", "v1", "Namespace", false),
            ("rbac.authorization.k8s.io", "v1", "ClusterRole", false),
        ] {
            let api_version =
                if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
            // The version that is asked for, and that which the cluster prefers.
            for version in [Some(version), None] {
                let found = self.api.served(self.cx, group, version, kind).await.expect("an answer");
                assert_eq!(found, Some(Served::new(api_version.as_str(), namespaced)), "{group} {kind}");
            }
            let may = self.api.may(self.cx, "patch", &api_version, kind, Some(self.namespace)).await;
            assert!(may.expect("an answer"), "{group} {kind}");
        }
    }

    async fn objects_that_are_not_valid_are_refused(&self) {
        let mut managed = self.settings("wrong", json!({}));
        managed["metadata"]["managedFields"] = json!([{"manager": "x"}]);
        let mut label = self.settings("wrong", json!({}));
        label["metadata"]["labels"] = json!({"a": "no label!"});
        let mut name = self.settings("wrong", json!({}));
        name["metadata"]["name"] = "No_Name".into();
        for wrong in [managed, label, name, json!({"kind": "ConfigMap"}), json!(1)] {
            let error = self.api.apply(self.cx, "one", &wrong, PLAIN).await.expect_err("not valid");
            assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
        }
        let no_manager = self.api.apply(self.cx, "", &self.settings("wrong", json!({})), PLAIN).await;
        assert_eq!(no_manager.expect_err("no manager").kind(), ErrorKind::Config);
        assert_eq!(self.get("wrong").await, None);
    }
}
