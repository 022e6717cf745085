//! A first configuration: what is found in folders, what is written, and that it means that.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::{ffi::OsStringExt as _, fs::symlink, net::UnixListener},
    path::Path,
};

use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};
use shipway_config::{
    Loaded, Options, Skaffold,
    init::{Choices, Found, Pair, look, write},
};
use shipway_core::{Cancel, Context, Result, RunContext, World};
use tempfile::TempDir;

use crate::recorded::catalog;

fn context(root: &Path) -> Context {
    RunContext::new(World::host(root), "init").context(None, None, Cancel::new())
}

fn found_in(root: &Path) -> Result<Found> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(look(&context(root)))
}

/// Makes a folder `Shop 2` with these files.
fn folder<P: AsRef<Path>>(files: &[(P, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("Shop 2");
    fs::create_dir(&root).unwrap();
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn found(files: &[(&str, &str)]) -> Found {
    found_in(&folder(files).path().join("Shop 2")).unwrap()
}

/// Shows the text and what is said of what is not in it.
fn shown(found: &Found, choices: &Choices) -> String {
    let initial = match write(found, choices) {
        Ok(initial) => initial,
        Err(error) => return error.report().to_string(),
    };
    read(&initial.text);
    initial.notices.iter().fold(initial.text, |text, notice| format!("{text}{notice}\n"))
}

fn written(files: &[(&str, &str)]) -> String {
    shown(&found(files), &Choices::default())
}

fn read(text: &str) -> Loaded {
    let skaffold = Skaffold::read("skaffold.yaml", text, Options::default(), &catalog()).unwrap();
    skaffold.pipeline(&catalog()).unwrap()
}

/// Returns the options that a recorded plug-in was made of.
fn options(plug_in: &dyn std::fmt::Debug) -> Value {
    let shown = format!("{plug_in:?}");
    serde_json::from_str(shown.split_once(' ').unwrap().1).unwrap()
}

const FROM: &str = "FROM scratch\n";

fn pod(image: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {{containers: [{{name: a, image: '{image}'}}]}}\n"
    )
}

#[test]
fn images_and_dockerfiles_are_paired_and_the_others_are_told() {
    assert_snapshot!(written(&[
        ("api/Dockerfile", FROM),
        ("web/Dockerfile.dev", FROM),
        ("web/Dockerfile", "# no\nnode_modules\n"),
        ("worker.Dockerfile", FROM),
        ("unused/Dockerfile", FROM),
        ("k8s/api.yaml", &pod("registry.example:5000/Team/api:v1")),
        ("k8s/redis.yml", &pod("redis:7")),
        ("k8s/pinned.yaml", &pod("pinned@sha256:00")),
        ("k8s/web.json", r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "image": "web"}"#),
        ("k8s/worker.yaml", &pod("worker")),
        ("k8s/odd.yaml", &pod("$(IMAGE)")),
    ]), @r"
    apiVersion: skaffold/v4beta14
    kind: Config
    metadata:
      name: shop-2
    build:
      artifacts:
        - image: worker
          docker:
            dockerfile: worker.Dockerfile
        - image: registry.example:5000/team/api
          context: api
        - image: web
          context: web
          docker:
            dockerfile: Dockerfile.dev
    manifests:
      rawYaml:
        - k8s/api.yaml
        - k8s/odd.yaml
        - k8s/pinned.yaml
        - k8s/redis.yml
        - k8s/web.json
        - k8s/worker.yaml
    deploy:
      kubectl: {}
    k8s/odd.yaml:4:38: `$(IMAGE)` is no name of an image
    unused/Dockerfile: it is not built: no image that a manifest names fits it; one that nothing here builds is `redis`
    ");
}

#[test]
fn without_images_dockerfiles_have_names_of_their_own() {
    assert_snapshot!(written(&[
        ("Dockerfile", FROM),
        ("a b/Dockerfile", FROM),
        ("a_b/Dockerfile", FROM),
        ("a b/Dockerfile.dev", FROM),
    ]), @r"
    apiVersion: skaffold/v4beta14
    kind: Config
    metadata:
      name: shop-2
    build:
      artifacts:
        - image: shop-2
        - image: a-b
          context: a b
        - image: a-b-dev
          context: a b
          docker:
            dockerfile: Dockerfile.dev
        - image: a-b-2
          context: a_b
    .: nothing is deployed, and the file is for building alone: no manifest for `kubectl` is found
    ");
    assert_snapshot!(written(&[("a.yaml", &pod("redis"))]), @r"
    apiVersion: skaffold/v4beta14
    kind: Config
    metadata:
      name: shop-2
    manifests:
      rawYaml:
        - a.yaml
    deploy:
      kubectl: {}
    ");
}

#[test]
fn what_nothing_here_builds_or_deploys_is_named() {
    assert_snapshot!(written(&[
        ("Dockerfile", FROM),
        ("package.json", "{}"),
        ("pom.xml", "jib-maven-plugin"),
        ("tool/go.mod", "module tool"),
        ("tool/main.go", "package main"),
        ("lib/go.mod", "module lib"),
        ("lib/lib.go", "package lib"),
        ("chart/Chart.yaml", "apiVersion: v2\nname: a"),
        ("chart/values.yaml", "image: a"),
        ("chart/templates/a.yaml", &pod("templated")),
        ("chart/charts/sub/Chart.yaml", "apiVersion: v2\nname: b"),
        ("chart/crds/a.yaml", &pod("defined")),
        ("k8s/base/kustomization.yaml", "resources: [web.yaml]"),
        ("k8s/base/web.yaml", &pod("shop/web")),
        ("k8s/dev/kustomization.yml", "bases: [../base]\npatchesStrategicMerge: [patch.yaml]"),
        ("k8s/dev/patch.yaml", &pod("")),
        ("own.yaml", &pod("")),
        ("half.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\na: b\n"),
        ("broken.yaml", "apiVersion: v1\nkind: Pod\nmetadata: [\n"),
        ("ko.yaml", &pod("ko://example.com/cmd")),
    ]), @r"
    apiVersion: skaffold/v4beta14
    kind: Config
    metadata:
      name: shop-2
    build:
      artifacts:
        - image: shop/web
    manifests:
      rawYaml:
        - ko.yaml
        - own.yaml
    deploy:
      kubectl: {}
    broken.yaml:3:11: the file is left out: this is no YAML: unclosed bracket '['
    half.yaml:5:1: the file is left out: this is no object of Kubernetes, as the others are
    ko.yaml:4:38: `ko` builds `ko://example.com/cmd`, for which there is no builder yet
    pom.xml: `jib` could build this, for which there is no builder yet
    tool/go.mod: `ko` or `buildpacks` could build this, for which there is no builder yet
    chart/Chart.yaml: `helm` would deploy this, for which there is no deployer yet
    k8s/base/kustomization.yaml: `kustomize` would deploy this, for which there is no deployer yet
    k8s/dev/kustomization.yml: `kustomize` would deploy this, for which there is no deployer yet
    ");
}

#[test]
fn nothing_at_all_is_an_error_that_says_what_was_seen() {
    assert_snapshot!(written(&[("package.json", "{}"), ("README.md", "# Shop")]), @r"
    there is nothing here to build or to deploy
      note: package.json: `buildpacks` could build this, for which there is no builder yet
      hint: begin with a Dockerfile, or with a manifest of Kubernetes
    ");
    let error = found_in(Path::new("/nowhere")).unwrap_err();
    assert_eq!(error.kind(), shipway_core::ErrorKind::NotFound);
}

#[test]
fn what_is_hidden_ignored_or_others_work_is_not_looked_at() {
    let text = pod("x");
    let found = found(&[
        (".gitignore", "/out/\n*.gen.yaml\n"),
        ("sub/.gitignore", "!kept.gen.yaml\nDockerfile\n"),
        ("sub/kept.gen.yaml", &text),
        ("sub/Dockerfile", FROM),
        ("sub/a.gen.yaml", &text),
        ("out/a.yaml", &text),
        ("sub/out/a.yaml", &text),
        (".hidden/Dockerfile", FROM),
        (".hidden.yaml", &text),
        ("node_modules/a/Dockerfile", FROM),
        ("sub/vendor/Dockerfile", FROM),
        ("target/Dockerfile", FROM),
        (".dockerignore", "sub\nDockerfile\n"),
        ("Dockerfile", FROM),
    ]);
    assert_eq!(found.dockerfiles, ["Dockerfile"]);
    assert_eq!(found.manifests, ["sub/kept.gen.yaml", "sub/out/a.yaml"]);
    assert!(found.notices.is_empty(), "{:?}", found.notices);
}

#[test]
fn a_folder_is_looked_at_to_a_bound_and_without_links() {
    let deep = format!("{}Dockerfile", "d/".repeat(17));
    let files = [
        (deep.as_str(), FROM),
        (&deep[2..], FROM),
        ("big.yaml", &format!("{}#{}", pod("a"), "x".repeat(4 << 20))),
    ];
    let folder = folder(&files);
    let root = folder.path().join("Shop 2");
    symlink("d", root.join("link")).unwrap();
    symlink("d/d", root.join("Dockerfile")).unwrap();
    let _socket = UnixListener::bind(root.join("socket.yaml")).unwrap();
    let odd = std::ffi::OsString::from_vec(b"odd/\xff".to_vec());
    fs::create_dir(root.join("odd")).unwrap();
    fs::write(root.join(odd), "").unwrap();
    let found = found_in(&root).unwrap();
    assert_eq!(found.dockerfiles, [&deep[2..]]);
    let notices: String = found.notices.iter().map(|notice| format!("{notice}\n")).collect();
    assert_snapshot!(notices.replace(&root.display().to_string(), "ROOT"), @r"
    d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d: folders more than 16 deep are not looked at
    odd: it is not looked at: cannot read `ROOT/odd/�`: a file's name is not UTF-8
    big.yaml: the file is left out: it has more than 4194304 bytes
    ");
}

#[test]
fn what_somebody_chose_goes_in() {
    let found = found(&[("web/Dockerfile", FROM), ("a.yaml", &pod("web"))]);
    let choices = Choices::default().manifests(["k8s/*.yaml", "a {{\"b\"}}.yaml"]);
    let pairs = [
        Pair::new("Registry.Example/web:v1", "./web/../web/Dockerfile").context("."),
        Pair::new("api", "api/build/Api.Dockerfile").context("api"),
        Pair::new("root", "Containerfile"),
    ];
    assert_snapshot!(shown(&found, &choices.artifacts(pairs)), @r#"
    apiVersion: skaffold/v4beta14
    kind: Config
    metadata:
      name: shop-2
    build:
      artifacts:
        - image: registry.example/web
          docker:
            dockerfile: web/Dockerfile
        - image: api
          context: api
          docker:
            dockerfile: build/Api.Dockerfile
        - image: root
          docker:
            dockerfile: Containerfile
    manifests:
      rawYaml:
        - k8s/*.yaml
        - a {{"b"}}.yaml
    deploy:
      kubectl: {}
    "#);
    let refused = |pairs: &[Pair]| shown(&found, &Choices::default().artifacts(pairs.to_vec()));
    assert_snapshot!(refused(&[Pair::new("a b", "Dockerfile")]), @r"
    `a b` is no name of an image
      hint: use letters, digits and single `.`, `_`, `-` between them, parts with `/`
    ");
    assert_snapshot!(refused(&[Pair::new("a", "Dockerfile"), Pair::new("A:v1", "b/Dockerfile")]), @r"
    both `Dockerfile` and `b/Dockerfile` would build `a`
      hint: give one another image, or leave it out
    ");
    assert_snapshot!(refused(&[Pair::new("a", "../Dockerfile")]), @r"
    `../Dockerfile` is not in this folder
      hint: name a path below it
    ");
    assert_snapshot!(refused(&[Pair::new("a", "/Dockerfile")]), @r"
    `/Dockerfile` is not in this folder
      hint: name a path below it
    ");
    assert_snapshot!(refused(&[Pair::new("a", "web/Dockerfile").context("we")]), @r"
    `web/Dockerfile` is not in its context `we`
      hint: name a folder that it is in
    ");
    assert_snapshot!(refused(&[Pair::new("a", "web").context("web")]), @r"
    `web` is not in its context `web`
      hint: name a folder that it is in
    ");
    let none = Choices::default().artifacts([]).manifests([""; 0]);
    assert_snapshot!(shown(&found, &none), @r"
    there is nothing here to build or to deploy
      hint: begin with a Dockerfile, or with a manifest of Kubernetes
    ");
}

#[test]
fn programs_are_told_what_was_found() {
    let found = found(&[
        ("api/Dockerfile", FROM),
        ("web/Dockerfile", FROM),
        ("web/package.json", ""),
        ("web.yaml", &pod("web")),
        ("redis.yaml", &pod("redis")),
    ]);
    let docker = |path: &str| json!({"name": "Docker", "payload": {"path": path}});
    assert_eq!(
        found.analysis(),
        json!({
            "builders": [
                docker("web/Dockerfile"),
                docker("api/Dockerfile"),
                {"name": "Buildpacks", "payload": {"path": "web/package.json"}},
            ],
            "images": [{"name": "web", "foundMatch": true}, {"name": "redis", "foundMatch": false}],
        })
    );
    assert_eq!(Found::default().analysis(), json!({}));
}

/// Names that a person, a tool or an attacker gives: of anything but `/`.
fn name() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        "a",
        "web",
        " ",
        "  b",
        "c ",
        "'",
        "\"",
        "-x",
        "- y",
        "x: y",
        "#z",
        " #",
        "{{",
        "}}",
        "{{.A}}",
        "{{{",
        "\n",
        "a\nb\n",
        "\t",
        "\r",
        "\u{1b}[2J",
        "ü",
        "日本",
        "\u{202e}",
        "\u{feff}",
        "\u{2028}",
        "*",
        "?",
        "[a]",
        "\\",
        "!t",
        "&a",
        "*a",
        "|",
        ">",
        "%",
        "@",
        "`",
        "~",
        "null",
        "true",
        "0x1",
        "1e3",
        "1:30",
        "---",
        "...",
        "=",
        "<<",
        ",",
        ":",
        "$HOME",
        "\u{85}",
        "\u{fffe}",
        "\u{10ffff}",
    ]);
    prop::collection::vec(prop_oneof![4 => odd.prop_map(str::to_owned), 1 => "[^/\0]{1,3}"], 1..4)
        .prop_map(|parts| parts.concat())
        .prop_filter("hidden, or too long for a file system", |name| {
            !name.starts_with('.')
                && name.len() < 100
                && !["node_modules", "target", "vendor"].contains(&name.as_str())
        })
}

/// Where a file is, what it is, and an image.
fn file() -> impl Strategy<Value = (Vec<String>, bool, String, String)> {
    let image = prop_oneof![Just(String::new()), "[a-c]{1,2}(/[a-c]{1,2})?", name()];
    (prop::collection::vec(name(), 0..3), any::<bool>(), prop_oneof![Just(String::new()), name()], image)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The file that is written is read, and means what was found; and what is not in it is named.
    #[test]
    fn what_is_written_means_what_was_found(files in prop::collection::vec(file(), 1..7)) {
        let (mut dockerfiles, mut manifests, mut all) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        for (mut path, is_dockerfile, name, image) in files {
            let text = if is_dockerfile {
                path.push(if name.is_empty() { "Dockerfile".to_owned() } else { format!("Dockerfile.{name}") });
                FROM.to_owned()
            } else {
                path.push(format!("{name}k.yaml"));
                let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "image": image});
                pod.to_string()
            };
            let path = path.join("/");
            // A file may not be where another one needs a folder.
            let clash = |other: &String| {
                other == &path || other.starts_with(&format!("{path}/")) || path.starts_with(&format!("{other}/"))
            };
            if !all.iter().any(|(other, _)| clash(other)) {
                if is_dockerfile { &mut dockerfiles } else { &mut manifests }.insert(path.clone());
                all.push((path, text));
            }
        }
        let files: Vec<(&str, &str)> = all.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let found = found(&files);
        prop_assert_eq!(&found.dockerfiles.iter().cloned().collect::<BTreeSet<_>>(), &dockerfiles);
        let manifests: BTreeSet<String> = manifests.into_iter().filter(|path| {
            // A character that YAML does not allow.
            found.manifests.contains(path) || !found.notices.iter().any(|notice| notice.location.file == Path::new(path))
        }).collect();
        prop_assert_eq!(&found.manifests.iter().cloned().collect::<BTreeSet<_>>(), &manifests);
        let initial = match write(&found, &Choices::default()) {
            Err(error) if dockerfiles.is_empty() && manifests.is_empty() => {
                prop_assert!(!error.report().notes.is_empty());
                return Ok(());
            }
            initial => initial.unwrap(),
        };
        let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
        prop_assert!(!initial.text.contains(steers), "{:?}", initial.text);
        let pipeline = read(&initial.text).pipeline;
        let mut built = BTreeSet::new();
        for build in &pipeline.builds {
            let dockerfile = options(&build.builder)["dockerfile"].as_str().unwrap_or("Dockerfile").to_owned();
            let context = build.artifact.context.to_str().unwrap();
            built.insert(if context == "." { dockerfile } else { format!("{context}/{dockerfile}") });
        }
        prop_assert!(built.is_subset(&dockerfiles), "{built:?} {dockerfiles:?}");
        for left in dockerfiles.difference(&built) {
            let named = initial.notices.iter().any(|notice| notice.location.file == Path::new(left));
            prop_assert!(named, "{left:?} is neither built nor named");
        }
        let raw = options(&pipeline.deploys[0].deployer)["manifests"]["rawYaml"].clone();
        if manifests.is_empty() {
            prop_assert!(!initial.text.contains("rawYaml"));
        } else {
            prop_assert_eq!(raw, json!(found.manifests));
        }
    }
}
