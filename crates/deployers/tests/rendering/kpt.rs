//! Packages of kpt, rendered by a script in the place of the program.

use std::{fs, os::unix::fs::symlink};

use shipway_core::{Deployer, ErrorKind, Release};
use shipway_deployers::Kubectl;

use crate::stage::{Stage, map, names, objects, report};

#[tokio::test]
async fn a_package_is_rendered_in_a_copy_without_what_is_for_tools() {
    let local = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: local\n  annotations: {config.kubernetes.io/local-config: 'true'}\n";
    let noted = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: noted\n  annotations: {internal.config.kubernetes.io/path: a.yaml}\n";
    let stage = Stage::new(&[
        ("pkg/Kptfile", "apiVersion: kpt.dev/v1\nkind: Kptfile\nmetadata: {name: pkg}\n"),
        ("pkg/deep/a.yaml", &map("a")),
    ]);
    let log = stage.log();
    stage.program(
        "kpt",
        &format!(
            "echo \"$1 $2 $4 $5\" >> {}\ncat $3/Kptfile; echo ---; cat $3/deep/a.yaml; printf -- '---\\n%s---\\n%s' \"{local}\" \"{noted}\"; echo x > $3/deep/a.yaml",
            log.display()
        ),
    );
    let kubectl = Kubectl::new("none").kpt(["pkg"]);
    let rendered = stage.render(&kubectl).await.unwrap();
    assert_eq!(names(&rendered), ["a", "noted"]);
    assert!(objects(&rendered)["ConfigMap noted"]["metadata"].get("annotations").is_none());
    assert_eq!(stage.took(), ["fn render -o unwrap"]);
    assert_eq!(fs::read_to_string(stage.folder.path().join("pkg/deep/a.yaml")).unwrap(), map("a"));
    // Rendered again by the same task, it is the same.
    let cx = stage.cx();
    for _ in 0..2 {
        assert_eq!(kubectl.render(&cx, &Release::new("shop")).await.unwrap().objects, rendered.objects);
    }
    let inputs = kubectl.inputs(&stage.cx()).await.unwrap();
    assert_eq!(inputs.trees.first().unwrap().root, std::path::Path::new("pkg"));
}

#[tokio::test]
async fn what_cannot_be_rendered_says_why() {
    let stage = Stage::new(&[("pkg/Kptfile", "x"), ("link/Kptfile", "x")]);
    let empty = stage.tools.path().join("bin").display().to_string();
    let cx = crate::stage::context(stage.world().env([("PATH".to_owned(), empty)]));
    let kubectl = Kubectl::new("none").kpt(["pkg"]);
    let error = kubectl.render(&cx, &Release::new("shop")).await.expect_err("missing");
    assert_eq!(error.kind(), ErrorKind::MissingTool);
    assert!(report(&error).contains("`pkg` needs `kpt`"), "{error:?}");
    stage.program("kpt", "echo 'function failed' >&2; exit 1");
    let error = stage.refused(&kubectl).await;
    assert!(error.kind() == ErrorKind::ToolFailed && report(&error).contains("function failed"), "{error:?}");
    symlink("/etc/passwd", stage.folder.path().join("link/passwd")).unwrap();
    let error = stage.refused(&Kubectl::new("none").kpt(["link"])).await;
    assert!(error.kind() == ErrorKind::Config && report(&error).contains("not a regular file"), "{error:?}");
}

#[tokio::test]
async fn the_real_program_renders_packages_and_those_in_them() {
    let Some(program) = std::env::var_os("SHIPWAY_KPT") else {
        return crate::skip::skip("the_real_program_renders_packages_and_those_in_them", "kpt: SHIPWAY_KPT");
    };
    let kptfile = |name: &str| format!("apiVersion: kpt.dev/v1\nkind: Kptfile\nmetadata: {{name: {name}}}\n");
    let annotation = "annotations: {config.kubernetes.io/local-config: 'true'}";
    let local = map("local").replace(" # here", &format!("\n  {annotation}"));
    let stage = Stage::new(&[
        ("pkg/Kptfile", &kptfile("pkg")),
        ("pkg/a.yaml", &format!("{}---\n{local}", map("a"))),
        ("pkg/inner/Kptfile", &kptfile("inner")),
        ("pkg/inner/b.yaml", &map("b")),
    ]);
    stage.program("kpt", &format!("exec {} \"$@\"", program.display()));
    let rendered = stage.render(&Kubectl::new("none").kpt(["pkg"])).await.unwrap();
    assert_eq!(names(&rendered), ["a", "b"]);
    for object in objects(&rendered).values() {
        assert!(object["metadata"].get("annotations").is_none(), "{object}");
    }
    stage.write(&[("pkg/inner/b.yaml", "kind: [\n")]);
    let error = stage.refused(&Kubectl::new("none").kpt(["pkg"])).await;
    assert!(error.kind() == ErrorKind::ToolFailed && report(&error).contains("b.yaml"), "{error:?}");
}
