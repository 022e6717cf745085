//! What a release makes of manifests, by the rules.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{Just, Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};
use serde_json::{Value, json};
use shipway_core::{Image, Manifest, Store};
use shipway_yaml::Rules;

use super::image;
use crate::manifests::{
    ResourceSelector, bind,
    change::{Change, bound},
    rules::FieldRules,
    unused::unused,
};

const PINNED: &str = "r.example/web@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn web() -> Image {
    image("web", "r.example/web")
}

fn run(
    text: &str,
    images: &[Image],
    labels: &[(&str, &str)],
    selector: Value,
) -> (Vec<Manifest>, BTreeSet<String>) {
    let selector: ResourceSelector = serde_json::from_value(selector).expect("a selector");
    let labels: BTreeMap<String, String> =
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let change = Change { images, labels: &labels, rules: &FieldRules::new(&selector) };
    let mut used = BTreeSet::new();
    let read = bind("k.yaml", text, &[]).expect("read").manifests;
    let manifests = read.iter().map(|one| bound(one, &change, &mut used).expect("changed")).collect();
    (manifests, used)
}

fn texts(manifests: &[Manifest]) -> String {
    manifests.iter().map(|one| one.text.as_ref()).collect::<Vec<_>>().join("---\n")
}

fn json_of(manifest: &Manifest) -> Value {
    shipway_yaml::parse("k.yaml", &manifest.text).expect("YAML")[0].to_json(Rules::Manifest).expect("JSON")
}

/// Returns the paths of fields `image: web` that the rules take, of an object that has them at all of these.
fn taken(api_version: &str, kind: &str, paths: &[&str], selector: Value) -> Vec<String> {
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}});
    for path in paths {
        let mut at = &mut object;
        for step in path[1..].split('.') {
            at = &mut at[step];
        }
        *at = "web".into();
    }
    let (manifests, _) = run(&object.to_string(), &[web()], &[], selector);
    let object = json_of(&manifests[0]);
    let is_pinned =
        |path: &&&str| object.pointer(&path.replace('.', "/")).is_some_and(|value| value == PINNED);
    paths.iter().filter(is_pinned).map(|path| (*path).to_owned()).collect()
}

#[test]
fn images_are_where_the_rules_say() {
    let any = ".spec.anywhere.image";
    for (version, kind, takes) in [
        ("v1", "Pod", true),
        ("v1", "Service", true),
        ("v1", "ConfigMap", false),
        ("v1", "Deployment", false),
        ("apps/v1", "Deployment", true),
        ("apps/v1beta1", "StatefulSet", true),
        ("extensions/v1beta1", "DaemonSet", true),
        ("batch/v1", "CronJob", true),
        ("serving.knative.dev/v1", "Service", true),
        ("argoproj.io/v1alpha1", "Rollout", true),
        ("argoproj.io/v1alpha1", "Application", false),
        ("agones.dev/v1", "Fleet", true),
        ("run.googleapis.com/v1", "Job", true),
        ("storage.cnrm.cloud.google.com/v1beta1", "StorageBucket", true),
        ("cnrm.cloud.google.com/v1", "StorageBucket", false),
        ("platform.confluent.io/v1", "Kafka", false),
        ("example.org/v1", "Widget", false),
    ] {
        let expected: &[&str] = if takes { &[any] } else { &[] };
        assert_eq!(taken(version, kind, &[any, ".spec.imageName"], json!({})), expected, "{version} {kind}");
    }
    let confluent = [".spec.image.application", ".spec.image.init", ".spec.image.other"];
    assert_eq!(taken("platform.confluent.io/v1", "Kafka", &confluent, json!({})), confluent[..2]);
    let strimzi = [
        ".spec.kafka.image",
        ".spec.entityOperator.userOperator.image",
        ".spec.kafkaExporter.image",
        ".spec.image",
    ];
    assert_eq!(taken("kafka.strimzi.io/v1", "Kafka", &strimzi, json!({})), strimzi[..3]);
}

#[test]
fn a_users_rules_go_before_the_built_in_ones_and_what_is_denied_stays() {
    let paths = [".spec.image", ".spec.runner.container", ".spec.other.image"];
    let widget = |image: &[&str]| json!({"allow": [{"groupKind": "Widget.example.org", "image": image}]});
    let of = |selector| taken("example.org/v1", "Widget", &paths, selector);
    assert_eq!(of(widget(&[".spec.runner.container"])), [".spec.runner.container"]);
    assert_eq!(of(widget(&[".*"])), [".spec.image", ".spec.other.image"]);
    assert_eq!(of(widget(&[".*", ".spec.runner.container"])), paths);
    let mut denied = widget(&[".*", ".spec.runner.container"]);
    denied["deny"] = json!([{"groupKind": "Widget.example.org", "image": [".spec.image"]}]);
    assert_eq!(of(denied.clone()), paths[1..]);
    denied["deny"][0]["image"] = json!([".*"]);
    assert!(of(denied).is_empty());
    // An item of a list may be written `.*`; a kind of the built-in list is replaced.
    let text = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: x}, spec: {containers: [{image: web, tool: web}]}}";
    let tools = json!({"allow": [{"groupKind": "Deployment.apps", "image": [".spec.containers.*.tool"]}]});
    let object = json_of(&run(text, &[web()], &[], tools).0[0]);
    assert_eq!(object["spec"]["containers"][0], json!({"image": "web", "tool": PINNED}));
    let wrong = serde_json::from_value::<ResourceSelector>(json!({"allow": [{"images": []}]}));
    assert!(wrong.is_err());
}

#[test]
fn names_are_matched_whatever_their_tag_but_never_a_digest() {
    let images =
        [web(), image("github.com/Team/cmd/Tool", "r.example/tool"), image("nginx", "r.example/nginx")];
    for (text, name) in [
        ("web", Some("web")),
        ("web:v1", Some("web")),
        ("r.example/web:latest", Some("web")),
        ("docker.io/library/nginx", Some("nginx")),
        ("ko://github.com/Team/cmd/Tool", Some("github.com/Team/cmd/Tool")),
        ("web@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", None),
        ("other.example/web", None),
        ("webber", None),
        ("not valid", None),
    ] {
        let pod = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec: {{containers: [{{image: '{text}'}}]}}\n"
        );
        let used = run(&pod, &images, &[], json!({})).1;
        assert_eq!(used.into_iter().collect::<Vec<_>>(), name.into_iter().collect::<Vec<_>>(), "{text}");
    }
}

#[test]
fn all_else_of_a_text_stays_as_it_is() {
    let text = r#"# The shop.
apiVersion: apps/v1
kind: Deployment
metadata:   # of it
  name: web
spec:
  selector:
    matchLabels: {app: web, image: web}
  template:
    metadata:
      labels:
        app: web    # selected by
        image: web
    spec:
      containers:
      - name: app
        image: "web:1" # moves
        args: [ "--image", web ]
      - {name: side, image: nginx}
      initContainers:
      -   image: 'web'
          imagePullPolicy: Always
"#;
    let (manifests, used) =
        run(text, &[web()], &[("app", "other"), ("team", "shop"), ("on", "1.0")], json!({}));
    assert_eq!(used, BTreeSet::from(["web".to_owned()]));
    insta::assert_snapshot!(texts(&manifests), @r#"
    # The shop.
    apiVersion: apps/v1
    kind: Deployment
    metadata:   # of it
      labels:
        app: other
        "on": "1.0"
        team: shop
      name: web
    spec:
      selector:
        matchLabels: {app: web, image: web}
      template:
        metadata:
          labels:
            "on": "1.0"
            team: shop
            app: web    # selected by
            image: web
        spec:
          containers:
          - name: app
            image: "r.example/web@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" # moves
            args: [ "--image", web ]
          - {name: side, image: nginx}
          initContainers:
          -   image: 'r.example/web@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
              imagePullPolicy: Always
    "#);
    // A second time there is nothing to do.
    let labels = [("app", "other"), ("team", "shop"), ("on", "1.0")];
    assert_eq!(texts(&run(&texts(&manifests), &[web()], &labels, json!({})).0), texts(&manifests));
}

#[test]
fn an_image_of_an_engine_is_named_by_its_id_and_never_pulled() {
    let mut local = web();
    local.store = Store::Daemon("unix:///var/run/docker.sock".to_owned());
    local.repository = "web".to_owned();
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: a\n    image: web\n  - image: web\n    imagePullPolicy: Always\n  - {image: web, imagePullPolicy: IfNotPresent}\n  - {image: web}\n  - {image: nginx, imagePullPolicy: Always}\n";
    insta::assert_snapshot!(texts(&run(text, &[local.clone()], &[], json!({})).0), @r#"
    apiVersion: v1
    kind: Pod
    metadata: {name: p}
    spec:
      containers:
      - imagePullPolicy: Never
        name: a
        image: web:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
      - image: web:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        imagePullPolicy: Never
      - {image: web:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, imagePullPolicy: IfNotPresent}
      - {"imagePullPolicy": "Never", image: web:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}
      - {image: nginx, imagePullPolicy: Always}
    "#);
    let elsewhere = json!({"allow": [{"groupKind": "Widget.example.org", "image": [".spec.image"]}]});
    let text = "{apiVersion: example.org/v1, kind: Widget, metadata: {name: w}, spec: {image: web}}\n";
    assert!(!texts(&run(text, &[local], &[], elsewhere).0).contains("imagePullPolicy"));
}

#[test]
fn labels_go_to_objects_and_their_pods_and_nowhere_else() {
    let labelled = |version: &str, kind: &str, spec: Value| {
        let object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}, "spec": spec});
        let object = json_of(&run(&object.to_string(), &[], &[("a", "b")], json!({})).0[0]);
        let mut found = Vec::new();
        fn walk(value: &Value, path: &str, found: &mut Vec<String>) {
            match value {
                Value::Object(map) => {
                    map.iter().for_each(|(name, value)| walk(value, &format!("{path}.{name}"), found));
                }
                Value::Array(items) => items.iter().for_each(|item| walk(item, path, found)),
                Value::String(text) if text == "b" => found.push(path.to_owned()),
                _ => {}
            }
        }
        walk(&object, "", &mut found);
        found
    };
    let template = json!({"metadata": {"labels": {"app": "x"}}, "spec": {}});
    let spec = json!({"selector": {"matchLabels": {"app": "x"}}, "template": template});
    assert_eq!(
        labelled("apps/v1", "Deployment", spec.clone()),
        [".metadata.labels.a", ".spec.template.metadata.labels.a"]
    );
    let mut set = spec.clone();
    set["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}}]);
    assert_eq!(
        labelled("apps/v1", "StatefulSet", set),
        [".metadata.labels.a", ".spec.template.metadata.labels.a"]
    );
    assert_eq!(labelled("batch/v1", "Job", json!({"template": template})), [".metadata.labels.a"]);
    let cron = json!({"jobTemplate": {"spec": {"template": template}}});
    assert_eq!(
        labelled("batch/v1", "CronJob", cron),
        [".metadata.labels.a", ".spec.jobTemplate.spec.template.metadata.labels.a"]
    );
    assert_eq!(labelled("v1", "Service", json!({"selector": {"app": "x"}})), [".metadata.labels.a"]);
    assert!(labelled("v1", "ConfigMap", json!({})).is_empty());
    // What is no mapping stays (skaffold: TestSetNoLabelWhenTypeUnexpected).
    let text = "{apiVersion: v1, kind: Pod, metadata: {name: p, labels: 3}}";
    assert_eq!(texts(&run(text, &[], &[("a", "b")], json!({})).0), text);
    let crd = json!({"allow": [{"groupKind": "CustomResourceDefinition.apiextensions.k8s.io", "labels": [".metadata.labels"]}]});
    let text = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: w\nspec: {schema: {properties: {metadata: {type: object}}}}\n";
    let object = json_of(&run(text, &[], &[("a", "b")], crd).0[0]);
    assert_eq!(object["metadata"]["labels"], json!({"a": "b"}));
    assert_eq!(object["spec"]["schema"]["properties"]["metadata"], json!({"type": "object"}));
}

#[test]
fn labels_that_an_anchor_shares_with_a_selector_leave_it_alone() {
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  labels: &labels {app: web}\nspec:\n  selector: {matchLabels: *labels}\n  template:\n    metadata: {labels: *labels}\n    spec: {containers: [{image: &image web}, {image: *image}]}\n";
    let object = json_of(&run(text, &[web()], &[("a", "b")], json!({})).0[0]);
    assert_eq!(object["spec"]["selector"]["matchLabels"], json!({"app": "web"}));
    for place in ["/metadata/labels", "/spec/template/metadata/labels"] {
        assert_eq!(object.pointer(place), Some(&json!({"a": "b", "app": "web"})));
    }
    assert_eq!(
        object["spec"]["template"]["spec"]["containers"],
        json!([{"image": PINNED}, {"image": PINNED}])
    );
}

#[test]
fn what_aliases_share_and_all_change_alike_is_changed_at_the_anchor() {
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  labels: &labels # of all\n    app: web\nspec:\n  template:\n    metadata: {labels: *labels}\n    spec: {containers: [{image: &image web}, {image: *image}]}\n";
    let changed = texts(&run(text, &[web()], &[("a", "b")], json!({})).0);
    let expected = text
        .replace("    app: web", "    a: b\n    app: web")
        .replace("&image web", &format!("&image {PINNED}"));
    assert_eq!(changed, expected);
}

#[test]
fn objects_in_a_list_are_changed_too() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{image: web}]}}\n- {apiVersion: v1, kind: Secret, metadata: {name: b}, data: {image: web}}\n";
    let (manifests, used) = run(text, &[web()], &[], json!({}));
    assert_eq!(manifests.len(), 2);
    assert_eq!(json_of(&manifests[0])["spec"]["containers"][0]["image"], PINNED);
    assert_eq!(json_of(&manifests[1])["data"]["image"], "web");
    assert_eq!(used.len(), 1);
}

#[test]
fn images_that_nothing_uses_are_told_with_the_places_that_name_them() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, labels: {app: api}}\ndata: {IMAGE: 'api:1'}\n---\napiVersion: example.org/v1\nkind: Widget\nmetadata: {name: web}\nspec: {image: api, name: api}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: api}\n";
    let images = [web(), image("api", "r.example/api")];
    let (manifests, used) = run(text, &images, &[], json!({}));
    let told = unused(&manifests, &images, &used).expect("told");
    insta::assert_snapshot!(told.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), @r"
    no manifest uses the image of `web`
    no manifest uses the image of `api`; it is named at `.data.IMAGE` of ConfigMap c, `.spec.image` of Widget web, which is pinned or no field for images: allow it in `resourceSelector`
    ");
    assert!(
        unused(&manifests, &images, &["web".to_owned(), "api".to_owned()].into()).expect("told").is_empty()
    );
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!("web")),
        Just(json!("web:1")),
        Just(json!("on")),
        Just(json!(1)),
        Just(json!(null)),
        Just(json!("a: b #c"))
    ]
}

fn tree() -> impl Strategy<Value = Value> {
    let key = prop_oneof![Just("image"), Just("metadata"), Just("labels"), Just("containers"), Just("x")];
    scalar().prop_recursive(5, 40, 4, move |inner| {
        prop_oneof![
            proptest::collection::btree_map(key.clone().prop_map(str::to_owned), inner.clone(), 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
            proptest::collection::vec(inner, 0..3).prop_map(Value::Array),
        ]
    })
}

/// Writes an object as a person does: blocks, with lists at the column of their key.
fn block(value: &Value, indent: usize) -> String {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(map) if !map.is_empty() => {
            map.iter().map(|(name, value)| format!("\n{pad}{name}:{}", block(value, indent + 2))).collect()
        }
        Value::Array(items) if !items.is_empty() => {
            let item = |item: &Value| format!("\n{pad}- {}", block(item, indent + 2).trim_start());
            items.iter().map(item).collect()
        }
        other => format!(" {other}"),
    }
}

proptest! {
    #[test]
    fn a_change_in_place_is_the_change_of_the_values(spec in tree(), as_block in proptest::bool::ANY) {
        let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec});
        let text = if as_block { format!("{}\n", block(&object, 0).trim_start()) } else { object.to_string() };
        let labels = [("a", "b"), ("yes", "1e3")];
        let (manifests, _) = run(&text, &[web()], &labels, json!({}));
        // Of JSON in a flow, where nothing is in place, the same comes out.
        let (plain, _) = run(&format!("{object:#}"), &[web()], &labels, json!({}));
        prop_assert_eq!(json_of(&manifests[0]), json_of(&plain[0]));
        prop_assert!(json_of(&manifests[0])["metadata"]["labels"]["a"] == "b");
        let again = run(&texts(&manifests), &[web()], &labels, json!({})).0;
        prop_assert_eq!(texts(&again), texts(&manifests));
    }
}
