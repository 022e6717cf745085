//! Charts' folders: what is read of them, and what they are packed to.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt};

use bytes::Bytes;
use proptest::prelude::*;
use shipway_core::ErrorKind;

use super::stage::{Shelf, Stage, packed, paths};
use crate::helm::chart::{LoadOptions, archive, content::Content, pack::pack};

const CHART: (&str, &str) = ("web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n");

#[tokio::test]
async fn a_folder_is_packed_without_what_it_leaves_out_and_stays_as_it_was() {
    let stage = Stage::new(&[
        CHART,
        ("web/.helmignore", "*.tmp\nsecret/\n/ci/*\n"),
        ("web/values.yaml", "\u{feff}a: b\n"),
        ("web/templates/a.yaml", "a: b\n"),
        ("web/templates/.hidden", "no"),
        ("web/x.tmp", "no"),
        ("web/secret/key", "no"),
        ("web/ci/values.yaml", "no"),
        ("web/charts/lib/Chart.yaml", "name: lib\nversion: 0.1.0\n"),
        ("web/charts/_off/x", "no"),
        ("web/crds/a.yaml", "a: b\n"),
    ]);
    stage.write("web/charts/old-1.0.0.tgz", packed("old", "1.0.0"));
    let before = stage.everything();
    let chart = stage.load("web", &Shelf::default()).await.expect("loaded");
    assert_eq!((&*chart.name, &*chart.version, &chart.app_version), ("web", "1.0.0", &None));
    insta::assert_snapshot!(paths(&chart.archive).join("\n"), @r"
    .helmignore
    Chart.yaml
    charts/lib/Chart.yaml
    charts/old-1.0.0.tgz
    charts/old-1.0.0.tgz!Chart.yaml
    charts/old-1.0.0.tgz!templates/a.yaml
    crds/a.yaml
    templates/a.yaml
    values.yaml
    ");
    assert_eq!(stage.everything(), before);
    let (_, content) = archive::read("web", &chart.archive).expect("read");
    assert_eq!(content.files["values.yaml"], "a: b\n");
}

#[tokio::test]
async fn the_bytes_are_of_the_files_alone() {
    let files =
        [CHART, ("web/templates/a.yaml", "a: b\n"), ("web/templates/b.yaml", "b: c\n"), ("web/é/ü.txt", "x")];
    let stage = Stage::new(&files);
    let first = stage.load("web", &Shelf::default()).await.expect("loaded");
    let mut reversed = files;
    reversed.reverse();
    let stage = Stage::new(&reversed);
    fs::set_permissions(stage.path("web/templates/a.yaml"), fs::Permissions::from_mode(0o700)).expect("set");
    let second = stage.load("./web/", &Shelf::default()).await.expect("loaded");
    assert_eq!(first, second);
    // A digest that changes breaks who compares archives of two releases of this library; then say so.
    insta::assert_snapshot!(first.digest, @"sha256:54b394feeb28cf709b4c0707cf4c5cd06f6fd1a65f9728410e27aa1a6d5f82e6");
}

#[tokio::test]
async fn links_within_are_followed_and_no_other() {
    let linked = |path: &'static str, text: &'static str| {
        let stage = Stage::new(&[
            CHART,
            ("web/templates/a.yaml", "a: b\n"),
            ("web/files/x", "x"),
            ("other/Chart.yaml", "name: other\nversion: 1.0.0\n"),
            ("other/secret", "secret"),
            ("web/.helmignore", "ignored*\n"),
            (path, text),
        ]);
        async move { stage.load("web", &Shelf::default()).await.map(|chart| paths(&chart.archive)) }
    };
    for (path, text, found) in [
        ("web/templates/b.yaml", "-> a.yaml", "templates/b.yaml"),
        ("web/more", "-> files", "more/x"),
        ("web/templates/c.yaml", "-> ../templates/../templates/./a.yaml", "templates/c.yaml"),
    ] {
        assert!(linked(path, text).await.expect(path).contains(&found.to_owned()), "{path}");
    }
    for (path, text) in [
        ("web/templates/b.yaml", "-> ../../other/secret"),
        ("web/templates/b.yaml", "-> /etc/hostname"),
        ("web/templates/b.yaml", "-> gone"),
        ("web/templates/b.yaml", "-> b.yaml"),
        ("web/more", "-> ../other"),
        ("web/more", "-> ."),
        ("web/files/up", "-> .."),
        ("web/files/around", "-> ../files"),
        ("web/more", "-> ../web/files"),
    ] {
        let error = linked(path, text).await.expect_err(text);
        assert_eq!(error.kind(), ErrorKind::Config, "{text}: {error:?}");
        assert!(error.to_string().contains(&path[4..]), "{text}: {error:?}");
    }
    assert!(linked("web/ignored-link", "-> ../../other/secret").await.is_ok());
    // The file of the rules itself, and the one without which there is no chart.
    let stage = Stage::new(&[
        ("web/real/Chart.yaml", CHART.1),
        ("web/real/rules", "real/secret\n"),
        ("web/real/secret", "secret"),
        ("web/Chart.yaml", "-> real/Chart.yaml"),
        ("web/.helmignore", "-> real/rules"),
    ]);
    let chart = stage.load("web", &Shelf::default()).await.expect("loaded");
    assert_eq!(paths(&chart.archive), [".helmignore", "Chart.yaml", "real/Chart.yaml", "real/rules"]);
}

#[tokio::test]
async fn what_is_no_file_is_refused_and_never_opened() {
    let stage = Stage::new(&[CHART]);
    let fifo = stage.path("web/fifo");
    make_fifo(&fifo);
    let error = stage.load("web", &Shelf::default()).await.expect_err("a FIFO");
    insta::assert_snapshot!(error.report(), @r"
    `web/fifo` is neither a file nor a folder
      hint: take it out of the chart, or leave it out with `.helmignore`
    ");
}

fn make_fifo(path: &std::path::Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status().expect("mkfifo runs");
    assert!(made.success());
}

#[tokio::test]
async fn larger_than_helm_reads_is_refused_here() {
    let stage = Stage::new(&[CHART]);
    stage.write("web/large", vec![b'x'; 5 * 1024 * 1024 + 1]);
    let error = stage.load("web", &Shelf::default()).await.expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
    stage.write("web/.helmignore", "large\n");
    stage.load("web", &Shelf::default()).await.expect("left out");
}

#[tokio::test]
async fn versions_are_changed_where_they_stand() {
    let stage = Stage::new(&[(
        "web/Chart.yaml",
        "# the shop\napiVersion: v2 # helm 3\nname: web\nversion: 0.1.0 # moved by the release\n\ndescription: >-\n  a shop\n",
    )]);
    let text = |chart: &crate::helm::chart::Chart| {
        let (_, content) = archive::read("web", &chart.archive).expect("read");
        String::from_utf8(content.files["Chart.yaml"].to_vec()).expect("UTF-8")
    };
    let options = LoadOptions {
        version: Some("1.2.3-rc.1+abc".to_owned()),
        app_version: Some("1.10".to_owned()),
        build_dependencies: true,
    };
    let chart = stage.load_with("web", &Shelf::default(), &options).await.expect("loaded");
    assert_eq!((&*chart.version, chart.app_version.as_deref()), ("1.2.3-rc.1+abc", Some("1.10")));
    insta::assert_snapshot!(text(&chart), @r#"
    # the shop
    apiVersion: v2 # helm 3
    name: web
    version: 1.2.3-rc.1+abc # moved by the release

    description: >-
      a shop
    appVersion: "1.10"
    "#);
    // An archive too, which else stays as it is.
    stage.write("web.tgz", &chart.archive);
    let same = stage.load("web.tgz", &Shelf::default()).await.expect("loaded");
    assert_eq!(same, chart);
    let options = LoadOptions { version: Some("2.0.0".to_owned()), ..LoadOptions::default() };
    let other = stage.load_with("web.tgz", &Shelf::default(), &options).await.expect("loaded");
    assert_eq!((&*other.version, other.app_version.as_deref()), ("2.0.0", Some("1.10")));
    let options = LoadOptions { version: Some("new".to_owned()), ..LoadOptions::default() };
    let error = stage.load_with("web", &Shelf::default(), &options).await.expect_err("no version");
    assert_eq!(error.kind(), ErrorKind::Config);
}

#[tokio::test]
async fn what_is_no_chart_is_said_to_be_none() {
    let stage = Stage::new(&[
        ("web/values.yaml", "a: b\n"),
        ("bad/Chart.yaml", "name: bad\nversion: x\n"),
        ("text.tgz", "x"),
        ("stray/Chart.yaml", "name: stray\nversion: 1.0.0\n"),
        ("stray/charts/README.md", "x"),
    ]);
    let mut found = Vec::new();
    for path in ["gone", "gone.tgz", "web", "bad", "text.tgz", "stray", "."] {
        let error = stage.load(path, &Shelf::default()).await.expect_err(path);
        found.push(format!("{}: {:?}", error.kind(), error));
    }
    insta::assert_snapshot!(found.join("\n"), @r"
    not found: there is no chart `gone`
      hint: name a folder with a `Chart.yaml`, or an archive that ends in `.tgz`
    not found: there is no chart `gone.tgz`
      hint: name a folder with a `Chart.yaml`, or an archive that ends in `.tgz`
    config: `web` is no chart, as it has no `Chart.yaml`
      hint: name the folder that `Chart.yaml` is in, or an archive made by `helm package`
    config: bad/Chart.yaml:2:10: `x` is not a version
      hint: write it as `1.2.3`
    bad output: the chart archive `text.tgz` is not taken: it is not compressed with gzip
      hint: make it with `helm package`, or name the chart's folder
    config: `stray/charts/README.md` is no chart
      hint: helm takes all in `charts/` for charts, but what begins with `_` or `.`
    config: `.` is no chart, as it has no `Chart.yaml`
      hint: name the folder that `Chart.yaml` is in, or an archive made by `helm package`
    ");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn what_is_packed_is_read_again(
        files in proptest::collection::btree_map("[a-zé ]{1,60}(/[a-z.]{1,60}[a-z]){0,3}", proptest::collection::vec(any::<u8>(), 0..2000), 0..12),
    ) {
        let mut content = Content::new("web");
        content.files.insert("Chart.yaml".to_owned(), Bytes::from(CHART.1));
        let whole = |path: &String| !path.starts_with("charts") && path != "requirements.yaml";
        let marked = |data: &Vec<u8>| data.starts_with(b"\xef\xbb\xbf");
        let files: BTreeMap<String, Bytes> = files.into_iter().filter(|(path, data)| whole(path) && !marked(data))
            .map(|(path, data)| (path, data.into())).collect();
        content.files.extend(files);
        let packed = pack(&content, "web").expect("packed");
        prop_assert_eq!(&pack(&content, "web").expect("packed"), &packed);
        let (_, read) = archive::read("web", &packed).expect("read");
        prop_assert_eq!(read.files, content.files);
    }
}
