//! Policies, and checks and changes by the embedder's code.

use serde_json::json;
use shipway_core::{Capabilities, Deployer, Error, ErrorKind, Feature, Manifest};
use shipway_deployers::Kubectl;

use crate::{
    hooks::kubectl,
    stage::{Stage, map, names, report},
};

const DEPLOYMENT: &str = "# the shop\n---\n# comment\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 9\n  template: {spec: {containers: [{name: a, image: x}, {name: b, image: 'y:latest'}]}}\n";

#[tokio::test]
async fn a_policy_refuses_what_is_against_it_at_its_place() {
    let stage = Stage::new(&[("k8s/a.yaml", DEPLOYMENT), ("k8s/b.yaml", &map("b"))]);
    let deployment = "object.kind != 'Deployment' || ";
    for (expression, passes) in [
        ("true".to_owned(), true),
        (format!("{deployment}object.spec.replicas <= 9"), true),
        (format!("{deployment}object.spec.replicas <= 5"), false),
        (
            format!("{deployment}object.spec.template.spec.containers.all(c, !c.image.endsWith(':latest'))"),
            false,
        ),
        (format!("{deployment}object.spec.template.spec.containers.exists(c, c.name == 'a')"), true),
        (format!("{deployment}object.metadata.name.matches('^[a-z]+$')"), true),
        ("!has(object.spec) || has(object.spec.template)".to_owned(), true),
        ("object.metadata.name in ['web', 'b']".to_owned(), true),
        ("size(object.metadata.name) > 1".to_owned(), false),
        ("object.data.colour == 'blue'".to_owned(), false),
        ("'text'".to_owned(), false),
    ] {
        let config = json!({"rawYaml": ["k8s"], "validate": [{"name": "cel", "configMap": [format!("mine={expression}")]}]});
        let rendered = stage.render(&kubectl(config).unwrap()).await;
        assert_eq!(rendered.is_ok(), passes, "{expression}: {rendered:?}");
        if let Err(error) = rendered {
            let told = report(&error);
            assert!(error.kind() == ErrorKind::Config && told.contains("policy `mine`"), "{told}");
        }
    }
    let kubectl = Kubectl::new("none").manifests(["k8s"]);
    let kubectl = kubectl
        .policy("few", "object.kind != 'Deployment' || object.spec.replicas <= 5", "five fit")
        .unwrap();
    let told = report(&stage.refused(&kubectl).await);
    assert!(told.starts_with("k8s/a.yaml:4:1: Deployment web: five fit"), "{told}");
}

#[test]
fn a_policy_that_is_none_is_told_before_anything_is_rendered() {
    let nested = (0..200).fold("true".to_owned(), |inner, _| format!("({inner})"));
    for (expression, words) in [
        ("object.spec.", "is no expression in CEL, at line 1, column"),
        ("objct.kind == 'A'", "knows no `objct`"),
        ("object.items.all(x, y > 1)", "knows no `y`"),
        (nested.as_str(), "is no expression"),
        (&format!("{}true", "f(".repeat(1000)), "is no expression"),
        (&format!("{}1 == 1", "1 + ".repeat(1000)), "more than 200 parts within one another"),
        (&"a.".repeat(3000), "has more than 4096 bytes"),
        (&format!("object{}", ".a".repeat(2000)), "more than 200 parts within one another"),
        (&"true ? true : ".repeat(290), "is no expression"),
    ] {
        let refused = Kubectl::new("none").policy("mine", expression, "no");
        let told = report(&refused.map(drop).expect_err(expression));
        assert!(told.contains(words), "{told}");
    }
    for validate in [
        json!([{"name": "cel"}]),
        json!([{"name": "gatekeeper"}]),
        json!([{"name": "kubevall"}]),
        json!([{"name": "kubeval", "configMap": ["schema_location:https://h.example"]}]),
    ] {
        assert!(kubectl(json!({ "validate": validate })).is_err(), "{validate}");
    }
}

#[tokio::test]
async fn a_policy_ends_whatever_the_object_is() {
    let items: Vec<String> = (0..3000).map(|number| format!("k{number}: v")).collect();
    let text =
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{{}}}\n", items.join(", "));
    let stage = Stage::new(&[
        ("k8s/a.yaml", &text),
        ("k8s/b.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: canary-4711}\n"),
    ]);
    let kubectl =
        |expression: &str| Kubectl::new("none").manifests(["k8s"]).policy("mine", expression, "no").unwrap();
    let begun = std::time::Instant::now();
    stage.render(&kubectl("!has(object.data) || object.data.all(k, k != '')")).await.unwrap();
    let deep =
        "!has(object.data) || object.data.all(a, object.data.all(b, object.data.all(c, a + b + c != '')))";
    let told = report(&stage.refused(&kubectl(deep)).await);
    assert!(told.contains("takes too long for it"), "{told}");
    assert!(begun.elapsed().as_secs() < 20);
    // What a secret holds is in no message.
    let told =
        report(&stage.refused(&kubectl("!has(object.stringData) || object.stringData.a + 1 == 2")).await);
    assert!(told.contains("cannot be decided of it") && !told.contains("canary"), "{told}");
}

#[tokio::test]
async fn code_changes_and_refuses_manifests() {
    let stage = Stage::new(&[("k8s/a.yaml", &map("a")), ("k8s/b.yaml", &map("b"))]);
    let base = Kubectl::new("none").manifests(["k8s"]);
    let other = base.clone().transform(|manifests| {
        let renamed = manifests
            .iter()
            .map(|one| Manifest::new(one.object.clone(), one.text.replace("name: a", "name: c")));
        Ok(renamed.rev().collect())
    });
    assert_eq!(names(&stage.render(&other).await.unwrap()), ["b", "c"]);
    let seen =
        other.clone().validate(|manifests| match manifests.iter().find(|one| one.object.name == "c") {
            Some(one) if one.text.contains("# here") => Err(Error::config("no `c` here")),
            _ => Ok(()),
        });
    assert_eq!(stage.refused(&seen).await.to_string(), "no `c` here");
    let broken = base.transform(|manifests| Ok(vec![Manifest::new(manifests[0].object.clone(), "x: 1\n")]));
    assert_eq!(stage.refused(&broken).await.kind(), ErrorKind::BadOutput);
}

#[test]
fn who_asks_a_cluster_does_not_render_without_one() {
    let offline = |kubectl: &Kubectl| {
        let Capabilities { features, .. } = kubectl.capabilities();
        features.contains(&Feature::OfflineRender)
    };
    assert!(offline(&Kubectl::new("none")));
    assert!(!offline(&Kubectl::new("none").check_schemas()));
    assert!(!offline(&kubectl(json!({"validate": [{"name": "kubeval"}]})).unwrap()));
}
