//! What we pack is what helm packs, and helm takes it.

use std::{collections::BTreeMap, fs, path::Path};

use shipway_deployers::HelmChart;

use crate::{
    helm::Helm,
    stage::{MAP, Stage, chart, files},
};

/// Odd folders, each a name and its files.
fn odd() -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    let text = |files: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        files.iter().map(|(path, text)| (*path, (*text).to_owned())).collect()
    };
    let with = |files: &[(&'static str, &str)]| {
        let mut all = text(files);
        all.push(("Chart.yaml", chart("web", "1.0.0")));
        all.push(("templates/map.yaml", MAP.to_owned()));
        all
    };
    let lib = chart("lib", "0.1.0");
    let depending = chart("web", "1.0.0") + "dependencies:\n- {name: lib, version: ^0.1, repository: ''}\n";
    let twice = format!("{depending}- {{name: lib, version: '*', repository: ''}}\n");
    vec![
        (
            "plain",
            with(&[
                ("values.yaml", "a: b\n"),
                ("values.schema.json", "{}"),
                ("README.md", "x"),
                ("LICENSE", "x"),
            ]),
        ),
        (
            "hidden",
            with(&[
                (".hidden", "x"),
                (".git/config", "x"),
                ("templates/.hidden", "x"),
                ("templates/sub/.hidden", "x"),
                ("templates/._x", "x"),
            ]),
        ),
        (
            "ignored",
            with(&[
                (".helmignore", "*.tmp\nci/\n/root.txt\ntemplates/*.md\na?c\n[xy]\n"),
                ("a.tmp", "x"),
                ("sub/b.tmp", "x"),
                ("ci/x", "x"),
                ("sub/ci/x", "x"),
                ("root.txt", "x"),
                ("sub/root.txt", "x"),
                ("templates/x.md", "x"),
                ("templates/sub/x.md", "x"),
                ("abc", "x"),
                ("x", "x"),
                ("z", "x"),
            ]),
        ),
        ("negated", with(&[(".helmignore", "!*.yaml\n"), ("x.txt", "x"), ("values.yaml", "{}")])),
        ("all but one", with(&[(".helmignore", "*.txt\n!keep\n"), ("keep", "x")])),
        (
            "marked",
            with(&[
                (".helmignore", "\u{feff}*.txt\r\n\r\n# x\r\n  spaced  \r\n"),
                ("x.txt", "x"),
                ("spaced", "x"),
                ("values.yaml", "\u{feff}a: b\n"),
            ]),
        ),
        (
            "named",
            with(&[
                ("files/é ü.txt", "x"),
                ("files/a b", "x"),
                ("files/$(id)", "x"),
                ("files/-x", "x"),
                ("files/...", "x"),
            ]),
        ),
        (
            "linked",
            with(&[
                ("files/x", "x"),
                ("files/y", "-> x"),
                ("more", "-> files"),
                ("templates/b.yaml", "-> map.yaml"),
            ]),
        ),
        (
            "subcharts",
            with(&[
                ("charts/lib/Chart.yaml", &lib),
                ("charts/lib/templates/_x.tpl", "x"),
                ("charts/lib/.helmignore", "*\n"),
                ("charts/_off/x", "x"),
                ("charts/.off/x", "x"),
                ("charts/lib/charts/deep/Chart.yaml", "name: deep\nversion: 0.0.1\n"),
            ]),
        ),
        ("signed", with(&[("charts/lib/Chart.yaml", &lib), ("charts/lib-0.1.0.tgz.prov", "x")])),
        ("crds", with(&[("crds/a.yaml", "kind: x\n"), ("tests/x", "x")])),
        ("empty files", with(&[("empty", ""), ("values.yaml", "")])),
        (
            "first version",
            text(&[
                ("Chart.yaml", "name: web\nversion: 1.0.0\n"),
                ("requirements.yaml", "dependencies:\n- {name: lib, version: '*', repository: ''}\n"),
                ("charts/lib/Chart.yaml", &lib),
                ("templates/x.yaml", "{}\n"),
            ]),
        ),
        (
            "depending",
            text(&[("Chart.yaml", &depending), ("charts/lib/Chart.yaml", &lib), ("values.yaml", "{}")]),
        ),
        ("a dependency that is not there", text(&[("Chart.yaml", &depending)])),
        ("a file in charts", with(&[("charts/README.md", "x")])),
        ("no chart in charts", with(&[("charts/x/values.yaml", "x")])),
        ("no version", text(&[("Chart.yaml", "apiVersion: v2\nname: web\n")])),
        ("a path as its name", text(&[("Chart.yaml", &chart("a/web", "1.0.0"))])),
        ("another type", text(&[("Chart.yaml", &(chart("web", "1.0.0") + "type: x\n"))])),
        ("two of a name", text(&[("Chart.yaml", &twice), ("charts/lib/Chart.yaml", &lib)])),
        ("a pattern of git's", with(&[(".helmignore", "**/x\n")])),
        ("a pattern of none", with(&[(".helmignore", "[\n")])),
        ("a link to nowhere", with(&[("files/x", "-> gone")])),
        (
            "long",
            with(&[(
                "files/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb/cccccccc",
                "x",
            )]),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_are_those_that_helm_packs() {
    for helm in Helm::both("the_files_are_those_that_helm_packs") {
        let mut refused = 0;
        for (name, files) in odd() {
            let files: Vec<(String, String)> =
                files.into_iter().map(|(path, text)| (format!("{name}/{path}"), text)).collect();
            let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (&**path, &**text)).collect();
            let stage = Stage::new(&files);
            let out = helm.path(&format!("out {name}"));
            let folder = stage.path(name);
            let (folder, out_text) = (folder.to_str().unwrap(), out.to_str().unwrap());
            let packed = helm.succeeds(&["package", folder, "--destination", out_text]).await;
            let ours = stage.pack(name).await;
            assert_eq!(ours.is_ok(), packed, "{name}: {ours:?}");
            let Ok(ours) = ours else {
                refused += 1;
                continue;
            };
            let ours = contents(ours.archive());
            let theirs = contents(&fs::read(out.join("web-1.0.0.tgz")).unwrap());
            assert_eq!(ours, theirs, "{name}");
            assert!(ours.len() > 1, "{name}: {ours:?}");
        }
        assert_eq!(refused, 11);
    }
}

/// Returns what is to be compared: helm writes what charts say of themselves anew.
fn contents(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut files = files(archive);
    for (path, data) in &mut files {
        if path.ends_with("/Chart.yaml") || path.ends_with("/Chart.lock") {
            data.clear();
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_takes_what_we_pack() {
    for helm in Helm::both("helm_takes_what_we_pack") {
        let stage = Stage::new(&[
            (
                "web/Chart.yaml",
                &(chart("web", "0.1.0")
                    + "dependencies:\n- {name: lib, version: ^1.0.0, repository: 'file://../lib', alias: other}\n- {name: lib, version: ^1.0.0, repository: 'file://../lib', condition: lib.enabled}\n"),
            ),
            ("web/values.yaml", "lib:\n  enabled: false\nother:\n  greeting: hello\n"),
            ("web/templates/map.yaml", MAP),
            ("lib/Chart.yaml", &chart("lib", "1.2.0")),
            ("lib/values.yaml", "greeting: none\n"),
            ("lib/templates/map.yaml", &MAP.replace(".Chart.Version | quote", ".Values.greeting")),
        ]);
        let chart =
            HelmChart::pack(&stage.cx, Path::new("web"), Some("1.2.3+build.7"), Some("1.10")).await.unwrap();
        let archive = helm.path(&chart.file_name());
        fs::write(&archive, chart.archive()).unwrap();
        let archive = archive.to_str().unwrap();
        let linted = helm.run(&["lint", "--strict", archive]).await;
        assert!(linted.contains("0 chart(s) failed"), "{linted}");
        let shown = helm.run(&["show", "chart", archive]).await;
        for line in ["version: 1.2.3+build.7", "appVersion: \"1.10\"", "name: web"] {
            assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
        }
        let rendered = helm.run(&["template", "shop", archive]).await;
        for line in [
            "  name: web",
            "  version: \"1.2.3+build.7\"",
            "  app: \"1.10\"",
            "  name: other",
            "  version: hello",
        ] {
            assert!(rendered.lines().any(|rendered| rendered == line), "{line}: {rendered}");
        }
        // The one without another name is switched off.
        assert!(!rendered.contains("version: none"), "{rendered}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_and_charts_that_helm_made_are_taken_as_they_are() {
    for helm in Helm::both("locks_and_charts_that_helm_made_are_taken_as_they_are") {
        let dependencies = "dependencies:\n- {name: lib, version: '>=1.0.0 <2.0.0-0', repository: 'file://../lib', tags: [a, b], import-values: [data, {child: a, parent: b}]}\n\
            - {name: base, version: 0.x, repository: 'file://../base', condition: 'a.b,c'}\n";
        let stage = Stage::new(&[
            ("web/Chart.yaml", &(chart("web", "0.1.0") + dependencies)),
            ("lib/Chart.yaml", &chart("lib", "1.2.0")),
            ("base/Chart.yaml", &chart("base", "0.9.0")),
            ("old/Chart.yaml", "name: old\nversion: 1.0.0\n"),
            ("old/requirements.yaml", dependencies),
        ]);
        for (name, lock) in [("web", "Chart.lock"), ("old", "requirements.lock")] {
            let before = stage.pack(name).await.unwrap();
            let folder = stage.path(name);
            helm.run(&["dependency", "update", folder.to_str().unwrap()]).await;
            assert!(stage.read(&format!("{name}/{lock}")).contains("digest: sha256:"));
            let after = stage.pack(name).await.unwrap();
            let names = |chart: &HelmChart| {
                let lock = format!("{name}/{lock}");
                files(chart.archive()).into_keys().filter(|path| *path != lock).collect::<Vec<_>>()
            };
            assert_eq!(names(&after), names(&before), "{name}");
            let requirements = stage.path(&format!("{name}/requirements.yaml"));
            let file =
                if requirements.exists() { requirements } else { stage.path(&format!("{name}/Chart.yaml")) };
            let changed = fs::read_to_string(&file).unwrap().replace("0.x", "0.9.x");
            fs::write(&file, changed).unwrap();
            let ours = stage.pack(name).await.expect_err("out of sync").to_string();
            assert!(ours.contains("out of sync"), "{ours}");
            assert!(!helm.succeeds(&["dependency", "build", folder.to_str().unwrap()]).await);
        }
    }
}
