//! Commands before and after a rendering, and what is written at its end.

use std::{fs, os::unix::fs::symlink};

use serde_json::{Value, json};
use shipway_core::{Catalog, Digest, ErrorKind, Image, PluginConfig, Release, Store};
use shipway_core::{Deployer, Manifests};
use shipway_deployers::{HostHook, Kubectl, KubectlConfig, ManifestHooks};

use crate::stage::{Stage, exists, map, names, report};

/// Returns the deployer of options as a `skaffold.yaml` has them.
pub(crate) fn kubectl(manifests: Value) -> shipway_core::Result<Kubectl> {
    kubectl_to("none", manifests)
}

pub(crate) fn kubectl_to(context: &str, manifests: Value) -> shipway_core::Result<Kubectl> {
    let config: KubectlConfig = serde_json::from_value(
        json!({"kubeContext": context, "defaultNamespace": "shop", "manifests": manifests}),
    )
    .unwrap();
    config.into_plugin(&Catalog::new())
}

fn shell(script: &str, change: bool) -> Value {
    json!({"host": {"command": ["sh", "-c", script], "withChange": change}})
}

#[tokio::test]
async fn hooks_run_around_a_rendering_with_what_skaffold_tells_them() {
    let stage = Stage::new(&[("k8s/a.yaml", &map("a")), ("sub/x", "")]);
    let log = stage.log();
    let log = log.display();
    let deployer = kubectl(json!({"rawYaml": ["k8s/*.yaml"], "hooks": {
        "before": [
            {"host": {"command": ["sh", "-c", format!("echo before $SKAFFOLD_KUBE_CONTEXT $SKAFFOLD_NAMESPACES $SKAFFOLD_WORK_DIR $PWD >> {log}; printf '%s' '{}' > ../k8s/b.yaml", map("made"))], "dir": "sub"}},
            {"host": {"command": ["false"], "os": ["plan9", "windows"]}},
        ],
        "after": [
            shell(&format!("grep -c 'name:' >> {log}"), false),
            shell("sed 's/colour: blue/colour: red/'", true),
            shell(&format!("grep -c red >> {log}"), false),
        ],
    }}))
    .unwrap();
    let rendered = stage.render(&deployer).await.unwrap();
    assert_eq!(names(&rendered), ["a", "made"]);
    assert!(
        rendered.objects.iter().all(|one| one.text.contains("colour: red") && one.text.contains("# here"))
    );
    let root = stage.folder.path().display().to_string();
    assert_eq!(stage.took(), [format!("before none shop {root} {root}/sub"), "2".to_owned(), "2".to_owned()]);
    assert!(stage.told().contains("it is for plan9, windows"));
}

#[tokio::test]
async fn what_a_hook_adds_is_of_the_release_too() {
    let stage = Stage::new(&[("k8s/a.yaml", &map("a"))]);
    let add = "cat; echo ---; printf 'apiVersion: v1\\nkind: Pod\\nmetadata: {name: p}\\nspec: {containers: [{name: c, image: web}]}\\n'";
    let deployer =
        kubectl(json!({"rawYaml": ["k8s/*.yaml"], "hooks": {"after": [shell(add, true)]}})).unwrap();
    let digest = Digest::parse(format!("sha256:{}", "a".repeat(64))).unwrap();
    let release = Release::new("shop").images([Image::new("web", Store::Registry, "r.example/web", digest)]);
    let rendered: Manifests = deployer.render(&stage.cx(), &release).await.unwrap();
    let pod = &rendered.objects[1].text;
    assert!(
        pod.contains("r.example/web@sha256:aaa") && pod.contains("app.kubernetes.io/managed-by"),
        "{pod}"
    );
}

#[tokio::test]
async fn a_hook_that_fails_fails_the_rendering() {
    let stage = Stage::new(&[("k8s/a.yaml", &map("a"))]);
    for (hooks, kind, words) in [
        (
            json!({"before": [shell("echo the reason >&2; exit 7", false)]}),
            ErrorKind::ToolFailed,
            "the reason",
        ),
        (
            json!({"after": [shell("echo why >&2; exit 1", true)]}),
            ErrorKind::ToolFailed,
            "after the manifests are rendered",
        ),
        (json!({"after": [shell("true", true)]}), ErrorKind::BadOutput, "prints no manifests"),
        (json!({"after": [shell("echo 'no: manifest'", true)]}), ErrorKind::BadOutput, "is no manifest"),
        (
            json!({"after": [{"host": {"command": ["no-such-program"]}}]}),
            ErrorKind::MissingTool,
            "a hook after",
        ),
    ] {
        let deployer = kubectl(json!({"rawYaml": ["k8s"], "hooks": hooks})).unwrap();
        let error = stage.refused(&deployer).await;
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(report(&error).contains(words), "{error:?}");
    }
    for hooks in [json!({"before": [{"host": {}}]}), json!({"before": [shell("cat", true)]})] {
        assert!(kubectl(json!({"hooks": hooks})).is_err());
    }
    let hooks = ManifestHooks::default().after(HostHook::new(["cat"]).with_change(true));
    let deployer = Kubectl::new("none").manifests(["k8s"]).hooks(hooks).unwrap();
    assert_eq!(names(&stage.render(&deployer).await.unwrap()), ["a"]);
}

#[tokio::test]
async fn what_a_hook_prints_of_a_secret_is_hidden() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {token: canary-4711}\ndata: {other: Y2FuYXJ5LTA4MTU=}\n";
    let stage = Stage::new(&[("k8s/a.yaml", secret)]);
    let deployer =
        kubectl(json!({"rawYaml": ["k8s"], "hooks": {"after": [shell("cat; echo canary-0815 >&2", false)]}}))
            .unwrap();
    stage.render(&deployer).await.unwrap();
    let told = stage.told();
    assert!(
        told.contains("kind: Secret") && !told.contains("canary") && !told.contains("Y2FuYXJ5"),
        "{told}"
    );
}

#[tokio::test]
async fn manifests_are_written_where_that_is_said_and_nowhere_else() {
    let stage = Stage::new(&[("k8s/a.yaml", &map("a")), ("k8s/b.yaml", &map("b"))]);
    let deployer = |output: &str| kubectl(json!({"rawYaml": ["k8s"], "output": output})).unwrap();
    let rendered = stage.render(&deployer("out/put")).await.unwrap();
    let written = fs::read_to_string(stage.folder.path().join("out/put/manifests.yaml")).unwrap();
    let texts: Vec<&str> = rendered.objects.iter().map(|one| &*one.text).collect();
    assert_eq!(written, texts.join("---\n"));
    stage.render(&deployer("out/put")).await.unwrap();
    assert_eq!(fs::read_dir(stage.folder.path().join("out/put")).unwrap().count(), 1);
    let away = stage.tools.path().join("away").display().to_string();
    symlink(stage.tools.path(), stage.folder.path().join("link")).unwrap();
    for output in ["../away", away.as_str(), "link/away", "link"] {
        let error = stage.refused(&deployer(output)).await;
        assert_eq!(error.kind(), ErrorKind::Config, "{output}: {error:?}");
        assert!(
            !exists(&stage.tools.path().join("away")) && !exists(&stage.tools.path().join("manifests.yaml"))
        );
    }
}
