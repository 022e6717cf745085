//! A release's life: installed, upgraded, left alone, restored, removed.

use std::fs;

use serde_json::json;
use shipway_cluster::{Api, Apply};
use shipway_core::{Deployer, Desired, ErrorKind, Phase};

use crate::stage::{Stage, image, lines, told};

async fn life(major: u32) {
    let Some(mut stage) = Stage::up("a_release_lives", major).await else { return };
    let plan = stage.plan(1).await.unwrap();
    assert_eq!(
        lines(&plan),
        ["create shop-settings", "create shop-web", "create sh.helm.release.v1.shop.v1"]
    );
    let first = stage.helm().apply(&stage.cx, &plan).await.unwrap();
    assert_eq!((first.revision.as_str(), stage.image().await), ("1", image(1).reference()));
    // One to render, one to know which helm it is, one to apply.
    assert_eq!(stage.starts(), ["template", "version", "upgrade"]);

    // The same again, also in another run: nothing is started.
    assert!(stage.changes(1).await.is_empty());
    stage.again();
    let same = stage.plan(1).await.unwrap();
    assert!(same.changes.is_empty(), "{:?}", lines(&same));
    let again = stage.helm().apply(&stage.cx, &same).await.unwrap();
    assert_eq!(again.revision, "1");
    assert_eq!(stage.starts(), Vec::<String>::new());

    // Another image, and other values.
    stage.set("overrides", json!({"colour": "red"}));
    let plan = stage.plan(2).await.unwrap();
    assert_eq!(
        lines(&plan),
        ["update shop-settings", "update shop-web", "create sh.helm.release.v1.shop.v2"]
    );
    let diff = &plan.changes[0].diff;
    assert!(
        diff.contains("-     \"colour\": \"blue\"") && diff.contains("+     \"colour\": \"red\""),
        "{diff}"
    );
    assert!(plan.changes[1].diff.contains(&image(2).reference()), "{}", plan.changes[1].diff);
    stage.down().await;
}

#[tokio::test]
async fn a_release_lives_with_helm_3() {
    life(3).await;
}

#[tokio::test]
async fn a_release_lives_with_helm_4() {
    life(4).await;
}

/// A chart whose objects can be changed in place.
async fn changing(stage: &Stage) {
    stage.write("templates/web.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: shop-web\nspec:\n  replicas: 0\n  \
        selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n      containers:\n        \
        - name: web\n          image: web\n          resources: {limits: {cpu: 1000m}}\n{{ if .Values.env }}          env: [{name: A, value: b}]\n{{ end }}");
    stage.release(1).await.unwrap();
}

async fn restored(major: u32) {
    let Some(mut stage) = Stage::up("a_revision_is_restored", major).await else { return };
    stage.set("overrides", json!({"colour": "blue", "env": true}));
    changing(&stage).await;
    let cx = stage.bed.cx.clone();
    let id = stage.bed.id("apps/v1", "Deployment", "shop-web");
    let was = stage.bed.cluster.get(&cx, &id).await.unwrap().unwrap()["spec"].clone();
    stage.write("templates/new.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new}\n");
    stage.set("overrides", json!({"colour": "red", "env": false}));
    let plan = stage.plan(2).await.unwrap();
    assert_eq!(
        lines(&plan),
        ["create new", "update shop-settings", "update shop-web", "create sh.helm.release.v1.shop.v2"]
    );
    let second = stage.helm().apply(&stage.cx, &plan).await.unwrap();
    let is = stage.bed.cluster.get(&cx, &id).await.unwrap().unwrap()["spec"].clone();
    assert!(is["template"]["spec"]["containers"][0]["env"].is_null(), "{is}");
    assert!(stage.changes(2).await.is_empty());
    let health = stage.helm().health(&stage.cx, &second).await.unwrap();
    assert_eq!(health.phase, Phase::Healthy, "{health:?}");

    let history = stage.helm().history(&stage.cx, "shop").await.unwrap();
    let revisions: Vec<&str> = history.iter().map(|one| one.revision.as_str()).collect();
    assert_eq!(revisions, ["2", "1"]);
    assert_eq!(history[1].manifests.release.images, [image(1)]);
    assert_eq!(history[0].manifests.objects, second.manifests.objects);

    stage.starts();
    let desired = Desired::Restored(history[1].clone());
    let plan = stage.diff(&desired).await.unwrap();
    assert_eq!(
        lines(&plan),
        ["update shop-settings", "update shop-web", "delete new", "create sh.helm.release.v1.shop.v3"]
    );
    assert!(stage.starts().is_empty());
    let back = stage.helm().apply(&stage.cx, &plan).await.unwrap();
    assert_eq!((back.revision.as_str(), stage.starts()), ("3", vec!["rollback".to_owned()]));
    assert_eq!(stage.bed.cluster.get(&cx, &id).await.unwrap().unwrap()["spec"], was);
    // Made again, it is made already; and there is nothing more to do.
    assert_eq!(stage.helm().apply(&stage.cx, &plan).await.unwrap().revision, "3");
    assert!(stage.diff(&desired).await.unwrap().changes.is_empty());
    assert_eq!(
        stage.helm().history(&stage.cx, "shop").await.unwrap()[0].manifests.release.images,
        [image(1)]
    );
    stage.starts();

    let desired = Desired::Absent(back);
    let plan = stage.diff(&desired).await.unwrap();
    assert_eq!(lines(&plan).len(), 5, "{:?}", lines(&plan));
    stage.helm().apply(&stage.cx, &plan).await.unwrap();
    assert_eq!((stage.records().await, stage.starts()), (Vec::new(), vec!["uninstall".to_owned()]));
    assert!(stage.get("ConfigMap", "shop-settings").await.is_none());
    stage.down().await;
}

#[tokio::test]
async fn a_revision_is_restored_with_helm_3() {
    restored(3).await;
}

#[tokio::test]
async fn a_revision_is_restored_with_helm_4() {
    restored(4).await;
}

async fn drift(major: u32) {
    let Some(mut stage) = Stage::up("what_others_did_is_seen", major).await else { return };
    stage.write("templates/kept.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kept, annotations: {helm.sh/resource-policy: keep}}\n");
    changing(&stage).await;
    let (cluster, cx) = (stage.bed.cluster.clone(), stage.bed.cx.clone());
    // What is gone is made again, though the revision is the same.
    cluster.delete(&cx, &stage.id("ConfigMap", "shop-settings"), None).await.unwrap();
    assert_eq!(stage.changes(1).await, ["create shop-settings", "create sh.helm.release.v1.shop.v2"]);
    assert_eq!(stage.release(1).await.unwrap().revision, "2");
    // What somebody else made of a field is theirs.
    let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shop-settings",
        "namespace": stage.bed.namespace}, "data": {"colour": "green"}});
    cluster.apply(&cx, "somebody", &theirs, Apply { force: true, dry_run: false }).await.unwrap();
    let error = stage.plan(1).await.expect_err("theirs");
    assert!(error.kind() == ErrorKind::Conflict && told(&error).contains("`somebody`"), "{error:?}");
    stage.set("forceConflicts", json!(true));
    stage.release(1).await.unwrap();
    let settings = stage.get("ConfigMap", "shop-settings").await.unwrap();
    assert_eq!(settings["data"]["colour"], "blue");
    // What the chart has no more goes, but for what it wants kept.
    fs::remove_file(stage.folder.path().join("chart/templates/kept.yaml")).unwrap();
    fs::remove_file(stage.folder.path().join("chart/templates/settings.yaml")).unwrap();
    assert_eq!(stage.changes(1).await, ["delete shop-settings", "create sh.helm.release.v1.shop.v4"]);
    stage.release(1).await.unwrap();
    assert!(stage.get("ConfigMap", "kept").await.is_some());
    assert!(stage.get("ConfigMap", "shop-settings").await.is_none());
    stage.down().await;
}

#[tokio::test]
async fn what_others_did_is_seen_with_helm_3() {
    drift(3).await;
}

#[tokio::test]
async fn what_others_did_is_seen_with_helm_4() {
    drift(4).await;
}

async fn namespace(major: u32) {
    let Some(mut stage) = Stage::up("a_namespace_is_made", major).await else { return };
    let namespace = format!("{}-own", stage.bed.namespace);
    stage.set("namespace", json!(namespace));
    let error = stage.release(1).await.expect_err("no namespace");
    assert!(told(&error).contains("createNamespace"), "{error:?}");
    stage.set("createNamespace", json!(true));
    assert_eq!(stage.release(1).await.unwrap().revision, "1");
    assert!(stage.changes(1).await.is_empty());
    let id = shipway_core::ObjectId::new("v1", "Namespace", namespace);
    stage.bed.cluster.delete(&stage.bed.cx, &id, None).await.unwrap();
    stage.down().await;
}

#[tokio::test]
async fn a_namespace_is_made_with_helm_3() {
    namespace(3).await;
}

#[tokio::test]
async fn a_namespace_is_made_with_helm_4() {
    namespace(4).await;
}

#[tokio::test]
async fn a_chart_that_asks_the_cluster_is_answered() {
    let Some(stage) = Stage::up("a_chart_that_asks", 3).await else { return };
    stage.write("templates/asks.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: asks}\ndata:\n  \
        version: {{ .Capabilities.KubeVersion.Version }}\n  kinds: {{ .Capabilities.APIVersions.Has \"apps/v1/Deployment\" | quote }}\n  \
        none: {{ .Capabilities.APIVersions.Has \"example.org/v1\" | quote }}\n  \
        there: {{ (lookup \"v1\" \"Namespace\" \"\" \"kube-system\").metadata.name | quote }}\n");
    stage.release(1).await.unwrap();
    let asks = stage.get("ConfigMap", "asks").await.unwrap();
    assert!(asks["data"]["version"].as_str().unwrap().starts_with("v1.34."), "{asks}");
    assert_eq!((&asks["data"]["kinds"], &asks["data"]["none"]), (&json!("true"), &json!("false")));
    assert_eq!(asks["data"]["there"], "kube-system");
    stage.down().await;
}

/// What is laid over the chart's values here is what helm itself makes of the same options.
#[tokio::test]
async fn values_are_as_helm_makes_them() {
    for major in [3, 4] {
        let Some(mut stage) = Stage::up("values_are_as_helm_makes_them", major).await else { return };
        stage.write(
            "values.yaml",
            "colour: none\nimage: web\nlist: [{a: 1}, {b: 2}]\ndeep: {x: {y2: 1, z: 2}}\ndrop: {me: 1}\n",
        );
        stage.write("templates/all.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: all}\ndata:\n  all: {{ toJson .Values | quote }}\n");
        let folder = stage.folder.path().to_owned();
        fs::write(folder.join("one.yaml"), "list: [{a: 5}, {c: 6}]\ndeep: {x: {z: 3}}\nnumbers: [1.5, 1e3, 010, 0x10, 1_000, 12345678901]\ndates: [2020-01-01]\n").unwrap();
        fs::write(folder.join("two.yaml"), "drop: null\ntexts: [yes, 'no', ~, \"1.10\", 1.10]\n").unwrap();
        fs::write(folder.join("text"), "a,b={c}\nd\n").unwrap();
        let lines = [
            ("list[1].c", "x"),
            ("deep.x.y2", "null"),
            ("new.list", "{1,two,true}"),
            ("e", ""),
            ("f.g[2]", "1"),
            (r"a\.b", r"1\,2"),
            ("zero", "0123"),
            ("big", "9223372036854775808"),
        ];
        let set: serde_json::Map<_, _> =
            lines.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        stage.set("setValues", set.clone().into());
        stage.set("valuesFiles", json!(["one.yaml", "two.yaml"]));
        stage.set("setFiles", json!({"file.text": "text"}));
        stage.set("setValueTemplates", json!({}));
        stage.set("overrides", json!({"colour": "blue", "numbers": "overridden"}));
        fs::write(folder.join("over.yaml"), "colour: blue\nnumbers: overridden\n").unwrap();
        let mut helm = std::process::Command::new(std::env::var_os(format!("SHIPWAY_HELM{major}")).unwrap());
        helm.args(["template", "shop", "chart", "-f", "over.yaml", "-f", "one.yaml", "-f", "two.yaml"]);
        for (name, value) in &set {
            helm.args(["--set", &format!("{name}={}", value.as_str().unwrap())]);
        }
        let ended = helm
            .args(["--set-file", "file.text=text", "--show-only", "templates/all.yaml"])
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        let all = |text: &str| -> serde_json::Value {
            let document = shipway_yaml::parse("all", text)
                .unwrap()
                .remove(0)
                .to_json(shipway_yaml::Rules::Manifest)
                .unwrap();
            serde_json::from_str(document["data"]["all"].as_str().unwrap()).unwrap()
        };
        let expected = all(&String::from_utf8(ended.stdout).unwrap());
        let rendered = stage.render(1).await.unwrap();
        let object = rendered.objects.iter().find(|object| object.object.name == "all").unwrap();
        assert_eq!(all(&object.text), expected);
        stage.down().await;
    }
}
