//! The check by a real cluster's schemas.

use serde_json::json;
use shipway_core::{Deployer, ErrorKind, FixedCredentials, Release, World};
use shipway_deployers::{Kubectl, ManifestFunction};

use crate::{
    cluster::kubeconfig,
    hooks,
    stage::{Stage, report},
};

const DEFINITION: &str = r"apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.rendering.example}
spec:
  group: rendering.example
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [size]
            properties:
              size: {type: integer, maximum: 9}
              port: {x-kubernetes-int-or-string: true}
";

fn deployment(more: &str) -> String {
    format!(
        "# the shop\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  selector: {{matchLabels: {{a: b}}}}\n  template:\n    metadata: {{labels: {{a: b}}}}\n    spec:\n      containers:\n      - name: web\n        image: x\n        ports: [{{containerPort: 80}}]\n        resources: {{limits: {{cpu: 1, memory: 1Gi}}}}\n        livenessProbe: {{httpGet: {{path: /, port: http}}}}\n{more}"
    )
}

#[tokio::test]
async fn manifests_are_checked_by_the_clusters_own_schemas() {
    let Some((text, context)) = kubeconfig() else {
        crate::skip::skip(
            "manifests_are_checked_by_the_clusters_own_schemas",
            "a cluster: SHIPWAY_KUBECONFIG",
        );
        return;
    };
    let cx = |stage: &Stage| {
        let credentials = FixedCredentials::new().cluster(context.as_str(), text.as_str());
        crate::stage::context(World::host(stage.folder.path()).credentials(credentials))
    };
    let good = deployment("");
    let wrong = deployment("        imagePullPolcy: Always\n  replicas: many\n  paused: 1\n");
    let widget = |spec: &str| {
        format!("apiVersion: rendering.example/v1\nkind: Widget\nmetadata: {{name: w}}\nspec: {spec}\n")
    };
    let (fits, large) = (widget("{size: 3, port: http}"), widget("{size: 12, sise: 1}"));
    for (files, mistakes) in [
        (vec![("a.yaml", good.as_str()), ("crd.yaml", DEFINITION), ("w.yaml", &fits)], vec![]),
        (
            vec![("a.yaml", wrong.as_str())],
            vec![
                "k8s/a.yaml:18:11: Deployment web: `.spec.paused` is a number and not `true` or `false`",
                "k8s/a.yaml:17:13: Deployment web: `.spec.replicas` is a text and not a whole number",
                "k8s/a.yaml:16:25: Deployment web: `.spec.template.spec.containers[0].imagePullPolcy` is no field here; did you mean `imagePullPolicy`?",
            ],
        ),
        (
            vec![("crd.yaml", DEFINITION), ("w.yaml", &large)],
            vec![
                "k8s/w.yaml:4:24: Widget w: `.spec.sise` is no field here; did you mean `size`?",
                "k8s/w.yaml:4:14: Widget w: `.spec.size` is more than it may be: 9",
            ],
        ),
        (
            vec![("w.yaml", &fits)],
            vec!["k8s/w.yaml:2:7: Widget w: `.kind` is no kind of `rendering.example/v1` in the cluster"],
        ),
        (
            vec![("a.yaml", "apiVersion: apps/v1\nkind: Deploymnt\nmetadata: {name: a}\n")],
            vec!["`.kind` is no kind of `apps/v1` in the cluster; did you mean `Deployment`?"],
        ),
        (
            vec![(
                "a.yaml",
                "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{targetPort: http}]}\n",
            )],
            vec!["`.spec.ports[0]` has no `port`, which is required"],
        ),
    ] {
        let stage = Stage::new(&[]);
        for (name, text) in &files {
            stage.write(&[(&format!("k8s/{name}"), text)]);
        }
        let kubectl = Kubectl::new(context.as_str()).manifests(["k8s"]).check_schemas();
        let rendered = kubectl.render(&cx(&stage), &Release::new("shop")).await;
        let told = rendered.as_ref().map_or_else(report, |_| String::new());
        assert_eq!(rendered.is_ok(), mistakes.is_empty(), "{told}");
        for mistake in mistakes {
            assert!(told.contains(mistake), "{mistake}\n{told}");
        }
    }
    // What may be missing is said, as kubeval has it.
    let stage = Stage::new(&[("k8s/w.yaml", &fits), ("k8s/a.yaml", &wrong)]);
    let settings = ["ignore_missing_schemas:true", "skip_kinds:Deployment"];
    let function = ManifestFunction::new("kubeval", settings);
    let config = json!({"rawYaml": ["k8s"], "validate": [function]});
    let kubectl = hooks::kubectl_to(&context, config).unwrap();
    kubectl.render(&cx(&stage), &Release::new("shop")).await.unwrap();
    let strange =
        hooks::kubectl_to("nowhere", json!({"rawYaml": ["k8s"], "validate": [{"name": "kubeval"}]})).unwrap();
    let error = strange.render(&cx(&stage), &Release::new("shop")).await.expect_err("no cluster");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
