//! What charts depend on: beside them, in their `charts/`, and elsewhere.

use std::collections::BTreeMap;

use bytes::Bytes;
use shipway_core::ErrorKind;

use super::stage::{Shelf, Stage, packed, paths};
use crate::helm::chart::{
    Chart, LoadOptions,
    content::Content,
    lock::{digest, old_digest},
    metadata::{Metadata, document},
};

const REPOSITORY: &str = "https://charts.example.com/a";

/// Returns a `Chart.yaml` that depends on these: a name, a range and a repository each.
fn chart(name: &str, dependencies: &[[&str; 3]]) -> String {
    let mut text = format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\ndependencies:\n");
    text.extend(dependencies.iter().map(|[name, version, repository]| {
        format!("- name: {name}\n  version: \"{version}\"\n  repository: \"{repository}\"\n")
    }));
    text
}

/// Returns the lock that helm makes for a `Chart.yaml`.
fn lock(chart: &str, dependencies: &[[&str; 3]]) -> String {
    let mut content = Content::new("web");
    content.files.insert("Chart.yaml".to_owned(), Bytes::from(chart.to_owned()));
    let metadata = Metadata::read(&content).expect("read");
    let chosen = self::chart("lock", dependencies);
    let chosen: Metadata = document("lock", &chosen).expect("YAML").read().expect("read");
    let digest = digest(&metadata.dependencies, &chosen.dependencies);
    let (_, list) = self::chart("", dependencies)
        .split_once("dependencies:")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .expect("a list");
    format!("dependencies:{list}digest: {digest}\ngenerated: \"2024-01-01T00:00:00Z\"\n")
}

/// Returns the paths that are in a chart's `charts/`, but for what is within each.
fn parts(chart: &Chart) -> Vec<String> {
    paths(&chart.archive)
        .into_iter()
        .filter(|path| path.starts_with("charts/") && !path.contains('!'))
        .collect()
}

#[tokio::test]
async fn a_chart_beside_is_packed_with_what_it_depends_on() {
    let stage = Stage::new(&[
        ("charts/web/Chart.yaml", &chart("web", &[["lib", "^1.0.0", "file://../lib"]])),
        ("charts/lib/Chart.yaml", &chart("lib", &[["base", "1.x", "file://../../base"]])),
        ("charts/lib/.helmignore", "*.md\n"),
        ("charts/lib/README.md", "no"),
        ("base/Chart.yaml", "name: base\nversion: 1.5.0\n"),
        ("base/templates/b.yaml", "a: b\n"),
    ]);
    // An older one was packed by helm before, and is not taken.
    stage.write("charts/web/charts/lib-0.9.0.tgz", packed("lib", "0.9.0"));
    stage.write("charts/web/charts/lib-1.0.0.tgz", packed("lib", "1.0.0"));
    let before = stage.everything();
    let helm = Shelf::default();
    let chart = stage.load("charts/web", &helm).await.expect("loaded");
    insta::assert_snapshot!(paths(&chart.archive).join("\n"), @r"
    Chart.yaml
    charts/lib-1.0.0.tgz
    charts/lib-1.0.0.tgz!.helmignore
    charts/lib-1.0.0.tgz!Chart.yaml
    charts/lib-1.0.0.tgz!charts/base-1.5.0.tgz
    charts/lib-1.0.0.tgz!charts/base-1.5.0.tgz!Chart.yaml
    charts/lib-1.0.0.tgz!charts/base-1.5.0.tgz!templates/b.yaml
    ");
    assert_eq!((stage.everything(), helm.asked()), (before, vec![]));
}

#[tokio::test]
async fn what_is_elsewhere_is_pulled_once_and_what_is_exact_is_kept() {
    let text = chart(
        "web",
        &[
            ["a", "1.2.3", REPOSITORY],
            ["b", "^2", REPOSITORY],
            ["c", "~1.0.0", "oci://r.example.com/charts/"],
            ["d", "1.0.0", "@mine"],
        ],
    );
    let stage = Stage::new(&[
        ("web/Chart.yaml", &text),
        ("other/Chart.yaml", &text.replace("name: web", "name: other")),
    ]);
    let helm = Shelf::new([
        (&*format!("{REPOSITORY} a 1.2.3"), packed("a", "1.2.3")),
        (&*format!("{REPOSITORY} b ^2"), packed("b", "2.4.0")),
        ("oci://r.example.com/charts/c ~1.0.0", packed("c", "1.0.9")),
        ("@mine d 1.0.0", packed("d", "1.0.0")),
    ]);
    let cx = stage.cx();
    let options = LoadOptions { build_dependencies: true, ..LoadOptions::default() };
    let mut archives = BTreeMap::new();
    for path in ["web", "other", "web"] {
        let source = crate::helm::chart::Source::Path(path.into());
        let chart = source.load(&cx, &helm, &options).await.expect("loaded");
        archives.insert(chart.digest, chart.name);
    }
    assert_eq!(archives.len(), 2);
    let mut asked = helm.asked();
    asked.sort();
    insta::assert_snapshot!(asked.join("\n"), @r"
    @mine d 1.0.0
    https://charts.example.com/a a 1.2.3
    https://charts.example.com/a b ^2
    oci://r.example.com/charts/c ~1.0.0
    ");
    // Another run asks for what may be another by now.
    stage.load("web", &helm).await.expect("loaded");
    let mut asked = helm.asked();
    asked.sort();
    insta::assert_snapshot!(asked.join("\n"), @r"
    @mine d 1.0.0
    https://charts.example.com/a b ^2
    oci://r.example.com/charts/c ~1.0.0
    ");
}

#[tokio::test]
async fn with_a_lock_nothing_is_asked_for_twice() {
    let dependencies = [["a", "^1", REPOSITORY], ["b", ">=0.1 <2", "@mine"]];
    let text = chart("web", &dependencies);
    let chosen = lock(
        // As helm hashes what `@mine` stands for.
        &text.replace("@mine", REPOSITORY),
        &[["a", "1.4.0", REPOSITORY], ["b", "1.0.0", REPOSITORY]],
    );
    let stage = Stage::new(&[("web/Chart.yaml", &text), ("web/Chart.lock", &chosen)]);
    let helm = Shelf::new([
        (&*format!("{REPOSITORY} a 1.4.0"), packed("a", "1.4.0")),
        (&*format!("{REPOSITORY} b 1.0.0"), packed("b", "1.0.0")),
    ]);
    let chart = stage.load("web", &helm).await.expect("loaded");
    assert_eq!(parts(&chart), ["charts/a-1.4.0.tgz", "charts/b-1.0.0.tgz"]);
    assert_eq!(helm.asked().len(), 2);
    assert_eq!(stage.load("web", &helm).await.expect("loaded"), chart);
    assert_eq!(helm.asked(), Vec::<String>::new());
    // What is in the folder is as good.
    stage.write("web/charts/a-1.4.0.tgz", packed("a", "1.4.0"));
    stage.write("web/charts/a-1.3.0.tgz", packed("a", "1.3.0"));
    stage.write("web/charts/gone-1.3.0.tgz", packed("gone", "1.3.0"));
    stage.write("web/charts/own/Chart.yaml", "name: own\nversion: 1.0.0\n");
    let chart = stage.load("web", &Shelf::default()).await.expect("loaded");
    assert_eq!(parts(&chart), ["charts/a-1.4.0.tgz", "charts/b-1.0.0.tgz", "charts/own/Chart.yaml"]);
}

#[tokio::test]
async fn a_lock_of_others_is_refused() {
    let text = chart("web", &[["a", "^2", REPOSITORY]]);
    let old = chart("web", &[["a", "^1", REPOSITORY]]);
    let stage = Stage::new(&[
        ("web/Chart.yaml", &text),
        ("web/Chart.lock", &lock(&old, &[["a", "1.4.0", REPOSITORY]])),
        ("local/Chart.yaml", &chart("local", &[["lib", "^1", "file://../lib"]])),
        (
            "local/Chart.lock",
            &lock(&chart("x", &[["lib", "^1", "file://../lib"]]), &[["lib", "1.0.0", "file://../lib"]]),
        ),
        ("lib/Chart.yaml", "name: lib\nversion: 1.1.0\n"),
    ]);
    let error = stage.load("web", &Shelf::default()).await.expect_err("out of sync");
    insta::assert_snapshot!(error.report(), @r"
    web/Chart.lock: the lock is out of sync with the dependencies in `Chart.yaml`
      hint: run `helm dependency update` in the chart's folder, and commit the lock
    ");
    let error = stage.load("local", &Shelf::default()).await.expect_err("out of sync");
    insta::assert_snapshot!(error.report(), @r"
    the dependency `lib 1.0.0` is not `lib 1.1.0`
      note: it is in `lib`
      hint: change the range of versions, or run `helm dependency update` where there is a lock
    ");
}

#[tokio::test]
async fn charts_of_the_first_version_have_files_of_their_own() {
    let requirements = format!("dependencies:\n- name: a\n  version: 1.x\n  repository: {REPOSITORY}\n");
    let stage = Stage::new(&[
        ("web/Chart.yaml", "name: web\nversion: 1.0.0\n"),
        ("web/requirements.yaml", &requirements),
    ]);
    let helm = Shelf::new([
        (&*format!("{REPOSITORY} a 1.x"), packed("a", "1.9.0")),
        (&*format!("{REPOSITORY} a 1.2.0"), packed("a", "1.2.0")),
    ]);
    let chart = stage.load("web", &helm).await.expect("loaded");
    assert_eq!(parts(&chart), ["charts/a-1.9.0.tgz"]);
    // As helm 2 made locks.
    let wanted: Metadata = document("r", &requirements).expect("YAML").read().expect("read");
    let digest = old_digest(&wanted.dependencies);
    stage.write("web/requirements.lock", requirements.replace("1.x", "1.2.0") + "digest: " + &digest + "\n");
    let chart = stage.load("web", &helm).await.expect("loaded");
    assert_eq!(parts(&chart), ["charts/a-1.2.0.tgz"]);
    stage.write("web/requirements.yaml", requirements.replace("1.x", "2.x"));
    let error = stage.load("web", &helm).await.expect_err("out of sync");
    assert!(error.to_string().contains("requirements.yaml"), "{error:?}");
}

#[tokio::test]
async fn without_building_all_of_it_must_be_there() {
    let stage = Stage::new(&[(
        "web/Chart.yaml",
        &chart("web", &[["a", "^1", REPOSITORY], ["lib", "^1", "file://../lib"]]),
    )]);
    let options = LoadOptions::default();
    let helm = Shelf::default();
    let error = stage.load_with("web", &helm, &options).await.expect_err("missing");
    insta::assert_snapshot!(error.report(), @r"
    `web` depends on `a`, `lib`, which is not in its `charts/`
      hint: run `helm dependency build` in the chart's folder, or let it be done here
    ");
    stage.write("web/charts/a-1.0.0.tgz", packed("a", "1.0.0"));
    stage.write("web/charts/lib/Chart.yaml", "name: lib\nversion: 1.0.0\n");
    let chart = stage.load_with("web", &helm, &options).await.expect("loaded");
    assert_eq!(parts(&chart), ["charts/a-1.0.0.tgz", "charts/lib/Chart.yaml"]);
}

#[tokio::test]
async fn what_cannot_be_had_is_said() {
    let stage = Stage::new(&[
        ("lib/Chart.yaml", "name: lib\nversion: 1.0.0\n"),
        ("web/charts/near/Chart.yaml", "name: near\nversion: 0.1.0\n"),
    ]);
    let helm = Shelf::new([
        (&*format!("{REPOSITORY} other 1.0.0"), packed("evil", "1.0.0")),
        (&*format!("{REPOSITORY} older ^2"), packed("older", "1.0.0")),
        (&*format!("{REPOSITORY} broken 1.0.0"), Bytes::from_static(b"<html>")),
    ]);
    let mut found = Vec::new();
    for dependency in [
        ["lib", "2.x", "file://../lib"],
        ["liib", "1.x", "file://../lib"],
        ["lib", "1.x", "file://../gone"],
        ["lib", "1.x", "file://../../../etc"],
        ["lib", "1.x", "file:///etc"],
        ["web", "1.x", "file://../web"],
        ["web", "1.x", "file://."],
        ["near", "^1", ""],
        ["far", "^1", ""],
        ["gone", "1.0.0", REPOSITORY],
        ["other", "1.0.0", REPOSITORY],
        ["older", "^2", REPOSITORY],
        ["broken", "1.0.0", REPOSITORY],
        ["a", "1.0.0", "stable"],
        ["a", "1.0.0", "ftp://example.com/a"],
        ["a", "1.0.0", "https://u:hunter2@example.com/a"],
        ["a", "1.0.0", "https://example.com/a --post-renderer=x"],
        ["a", "1.0.0", "--repo"],
        ["a", "1.0.0", "@--x"],
        ["--post-renderer", "1.0.0", REPOSITORY],
    ] {
        stage.write("web/Chart.yaml", chart("web", &[dependency]));
        let error = stage.load("web", &helm).await.expect_err(dependency[2]);
        let shown = error
            .report()
            .to_string()
            .replace(stage.path("").display().to_string().trim_end_matches('/'), "SRC");
        assert!(!shown.contains("hunter2"), "{shown}");
        found.push(format!("{}: {shown}", error.kind()));
    }
    insta::assert_snapshot!(found.join("\n"), @r"
    config: the dependency `lib 2.x` is not `lib 1.0.0`
      note: it is in `lib`
      hint: change the range of versions, or run `helm dependency update` where there is a lock
    config: the dependency `liib 1.x` is not `lib 1.0.0`
      note: it is in `lib`
      hint: change the range of versions, or run `helm dependency update` where there is a lock
    not found: cannot read `SRC/gone`
      because: No such file or directory (os error 2)
      note: it is the dependency `lib`
    config: the dependency `lib` of `web` is out of the sources
      note: it is in `../../etc`
      hint: put it below `SRC`
    config: the dependency `lib` of `web` is out of the sources
      note: it is in `/etc`
      hint: put it below `SRC`
    config: the dependency `web` leads in a circle, or too deep
      note: it is in `web`
    config: the dependency `web` leads in a circle, or too deep
      note: it is in `web`
    config: `web` depends on `near ^1`, and in its `charts/` it is `0.1.0`
      hint: put it there, or say with `repository` where it is
    config: `web` depends on `far`, which is not in its `charts/`
      hint: put it there, or say with `repository` where it is
    not found: there is no `https://charts.example.com/a gone 1.0.0`
    bad output: chart `other 1.0.0` was asked for, and `evil 1.0.0` came
      note: it is from `https://charts.example.com/a`
      hint: look at the repository's `index.yaml` or tags
    bad output: chart `older ^2` was asked for, and `older 1.0.0` came
      note: it is from `https://charts.example.com/a`
      hint: look at the repository's `index.yaml` or tags
    bad output: the chart archive `broken` is not taken: it is not compressed with gzip
      note: it is from `https://charts.example.com/a`
      hint: make it with `helm package`, or name the chart's folder
    config: the place of a chart is not a URL
      note: it is the dependency `a`
      hint: a repository is `https://…`, `oci://…` or, as `helm repo add` called it, `@name`; a folder is a path
    unsupported: `ftp://example.com/a` is no repository of charts
      note: it is the dependency `a`
      hint: it is `https://…`, `oci://…`, or for a dependency `file://…`
    config: the address `https://example.com/a` has a login in it
      note: it is the dependency `a`
      hint: hand over a login for this host to the credentials instead
    config: the place of a chart is not a URL
      note: it is the dependency `a`
      hint: a repository is `https://…`, `oci://…` or, as `helm repo add` called it, `@name`; a folder is a path
    config: the place of a chart is not a URL
      note: it is the dependency `a`
      hint: a repository is `https://…`, `oci://…` or, as `helm repo add` called it, `@name`; a folder is a path
    config: `@--x` is not the name of a repository
      note: it is the dependency `a`
    config: web/Chart.yaml:5:3: `--post-renderer` is not the name of a chart
      hint: a name has letters, digits, `.`, `_` and `-`, and begins with a letter or a digit
    ");
}

#[tokio::test]
async fn a_circle_ends() {
    let stage = Stage::new(&[
        ("a/Chart.yaml", &chart("a", &[["b", "*", "file://../b"]])),
        ("b/Chart.yaml", &chart("b", &[["a", "*", "file://../a"]])),
    ]);
    let error = stage.load("a", &Shelf::default()).await.expect_err("a circle");
    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
    let files: Vec<(String, String)> = (0..30)
        .map(|at| {
            (
                format!("{at}/Chart.yaml"),
                chart(
                    &format!("c{at}"),
                    &[[&*format!("c{}", at + 1), "*", &*format!("file://../{}", at + 1)]],
                ),
            )
        })
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (&**path, &**text)).collect();
    let stage = Stage::new(&files);
    let error = stage.load("0", &Shelf::default()).await.expect_err("too deep");
    assert!(error.to_string().contains("too deep"), "{error:?}");
    // What is within the bounds is not.
    stage.write("9/Chart.yaml", "name: c9\nversion: 1.0.0\n");
    stage.load("0", &Shelf::default()).await.expect("loaded");
}

#[tokio::test]
async fn what_was_kept_is_not_believed_blindly() {
    let stage = Stage::new(&[("web/Chart.yaml", &chart("web", &[["a", "1.2.3", REPOSITORY]]))]);
    let helm = Shelf::new([(&*format!("{REPOSITORY} a 1.2.3"), packed("a", "1.2.3"))]);
    let key = format!("helm chart 1\n{REPOSITORY}\na\n1.2.3");
    let cx = stage.cx();
    let cache = cx.cache().expect("a cache");
    cache.store(&key, &packed("a", "6.6.6")).expect("stored");
    let chart = stage.load("web", &helm).await.expect("loaded");
    assert_eq!((parts(&chart), helm.asked().len()), (vec!["charts/a-1.2.3.tgz".to_owned()], 1));
    stage.load("web", &helm).await.expect("loaded");
    assert_eq!(helm.asked().len(), 0);
}
