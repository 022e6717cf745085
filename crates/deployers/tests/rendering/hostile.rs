//! Kustomizations that somebody hostile wrote: no program is run over them.

use std::{fs, os::unix::fs::symlink, time::Instant};

use shipway_core::ErrorKind;
use shipway_deployers::Kubectl;

use crate::stage::{Stage, map, names, report};

/// Returns a stage whose program must not be run.
fn stage(files: &[(&str, &str)]) -> Stage {
    let stage = Stage::new(files);
    stage.program("kustomize", &format!("echo \"ran $1\" >> {}", stage.log().display()));
    stage
}

async fn refused(stage: &Stage, path: &str) -> String {
    let error = stage.refused(&Kubectl::new("none").kustomize([path])).await;
    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
    assert_eq!(stage.took(), [""; 0], "no program is run: {error:?}");
    report(&error)
}

#[tokio::test]
async fn what_is_elsewhere_is_refused_wherever_it_is_named() {
    for (text, place) in [
        ("resources: [https://me:canary@h.example/base?ref=1]\n", "app/kustomization.yaml:1:13"),
        ("RESOURCES:\n- github.com/org/repo\n", "app/kustomization.yaml:2:3"),
        ("bases: ['git@h.example:org/repo']\n", "app/kustomization.yaml:1:9"),
        ("components: [file:///etc]\n", "app/kustomization.yaml:1:14"),
        ("patches:\n- path: http://169.254.169.254/latest\n", "app/kustomization.yaml:2:9"),
        (
            "configMapGenerator: [{name: a, files: ['k=https://h.example/x']}]\n",
            "app/kustomization.yaml:1:40",
        ),
        ("crds: [https://h.example/x]\n", "app/kustomization.yaml:1:8"),
        ("openapi: {path: https://h.example/x}\n", "app/kustomization.yaml:1:17"),
        ("helmCharts: [{name: c, repo: oci://h.example/x}]\n", "app/kustomization.yaml:1:30"),
        ("x: &a {resources: [https://h.example/x]}\n<<: *a\n", "app/kustomization.yaml:1:20"),
        ("generators:\n- 'https://h.example/x: y'\n", "app/kustomization.yaml:2:3"),
        (
            "transformers:\n- |\n  apiVersion: builtin\n  kind: PatchTransformer\n  metadata: {name: p}\n  path: https://h.example/x\n",
            "app/kustomization.yaml:3:3",
        ),
    ] {
        let stage = stage(&[("app/kustomization.yaml", text)]);
        let told = refused(&stage, "app").await;
        assert!(told.starts_with(place) && told.contains("is elsewhere"), "{text}: {told}");
        assert!(told.contains("allowRemoteBases") && !told.contains("canary"), "{told}");
        let declared = stage.inputs(&Kubectl::new("none").kustomize(["app"])).await;
        assert!(declared.is_err(), "{text}");
    }
    let stage = stage(&[("kustomization.yaml", "resources: [https://h.example/base]\n")]);
    stage.program(
        "kustomize",
        &format!("[ $1 = version ] && echo v5.0.0 && exit\ncat <<'END'\n{}END", map("far")),
    );
    let told =
        report(&stage.refused(&Kubectl::new("none").kustomize(["https://h.example/base?ref=canary"])).await);
    assert!(told.contains("is elsewhere") && !told.contains("canary"), "{told}");
    let allowed = Kubectl::new("none").kustomize(["."]).allow_remote_bases(true);
    assert_eq!(names(&stage.render(&allowed).await.unwrap()), ["far"]);
}

#[tokio::test]
async fn what_leads_out_is_refused() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("x.yaml"), map("outside")).unwrap();
    let away = outside.path().join("x.yaml").display().to_string();
    for text in [
        "resources: [../../../../etc]\n".to_owned(),
        "configMapGenerator: [{name: a, files: [../../../../../../etc/passwd]}]\n".to_owned(),
        format!("resources: [{away}]\n"),
        "helmCharts: [{name: ../../../../x}]\n".to_owned(),
    ] {
        let stage = stage(&[("app/kustomization.yaml", &text)]);
        let told = refused(&stage, "app").await;
        assert!(
            told.contains("leads out of the sources") && told.contains("kustomization.yaml:1:"),
            "{told}"
        );
    }
    // Who says so may.
    let stage = stage(&[("app/kustomization.yaml", &format!("resources: [{away}]\n"))]);
    stage.program("kustomize", "[ $1 = version ] && echo v5.0.0 && exit\nprintf 'apiVersion: v1\\nkind: ConfigMap\\nmetadata: {name: a}\\n'");
    for args in
        [vec!["--load-restrictor LoadRestrictionsNone"], vec!["--load-restrictor=LoadRestrictionsNone"]]
    {
        let kubectl = Kubectl::new("none").kustomize(["app"]).kustomize_args(args);
        stage.render(&kubectl).await.unwrap();
        assert!(stage.inputs(&kubectl).await.unwrap().contains(&away));
    }
}

#[tokio::test]
async fn links_and_circles_are_refused() {
    let stage = stage(&[
        ("a/kustomization.yaml", "resources: [../b]\n"),
        ("b/kustomization.yaml", "resources: [../c]\n"),
        ("c/kustomization.yaml", "resources:\n- ../a\n"),
        ("d/kustomization.yaml", "resources: [passwd, inner/x.yaml]\n"),
        ("e/kustomization.yaml", "resources: [folder/x.yaml]\n"),
        ("twice/kustomization.yaml", ""),
        ("twice/kustomization.yml", ""),
    ]);
    let told = refused(&stage, "a").await;
    assert!(
        told.starts_with("c/kustomization.yaml:2:3") && told.contains("`a` names `b` names `c` names `a`"),
        "{told}"
    );
    symlink("/etc/passwd", stage.folder.path().join("d/passwd")).unwrap();
    let told = refused(&stage, "d").await;
    assert!(told.starts_with("d/kustomization.yaml:1:13") && told.contains("not a regular file"), "{told}");
    symlink("/etc", stage.folder.path().join("e/folder")).unwrap();
    assert!(refused(&stage, "e").await.contains("links to folders are not followed"));
    let whole = stage.folder.path().join("a").display().to_string();
    assert!(refused(&stage, &whole).await.contains("`a` names `b` names `c` names `a`"));
    assert!(refused(&stage, "twice").await.contains("more than one kustomization"));
    assert!(refused(&stage, "nothing").await.contains("no kustomization"));
    // What is missing is a fact, until it is rendered.
    stage.write(&[("f/kustomization.yaml", "resources:\n- gone.yaml\n")]);
    assert!(refused(&stage, "f").await.starts_with("f/kustomization.yaml:2:3: `gone.yaml` is not there"));
    let declared = stage.inputs(&Kubectl::new("none").kustomize(["f"])).await.unwrap();
    assert!(declared.contains("f/gone.yaml"), "{declared:?}");
}

#[tokio::test]
async fn what_would_take_for_ever_is_refused_at_once() {
    let begun = Instant::now();
    // Two that name the next two, thirty times: kustomize would read a thousand million.
    let mut files = Vec::new();
    for level in 0..30 {
        for side in ["a", "b"] {
            let next = format!("resources: [../{}a, ../{}b]\n", level + 1, level + 1);
            files.push((
                format!("{level}{side}/kustomization.yaml"),
                if level == 29 { String::new() } else { next },
            ));
        }
    }
    // Seventy in a row.
    for level in 0..70 {
        files.push((format!("row{level}/kustomization.yaml"), format!("resources: [../row{}]\n", level + 1)));
    }
    let pairs: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let stage = stage(&pairs);
    assert!(refused(&stage, "0a").await.contains("would read more than 10000 kustomizations"));
    assert!(refused(&stage, "row0").await.contains("name one after the other"));
    // A file of 100 MB, and a kustomization of 20.
    fs::create_dir(stage.folder.path().join("large")).unwrap();
    let file = fs::File::create(stage.folder.path().join("large/x.yaml")).unwrap();
    file.set_len(100 << 20).unwrap();
    stage.write(&[("large/kustomization.yaml", "resources: [x.yaml]\n")]);
    assert!(refused(&stage, "large").await.contains("`large/x.yaml` has more than"));
    stage.write(&[("long/kustomization.yaml", &format!("# {}\n", "x".repeat(20 << 20)))]);
    assert!(refused(&stage, "long").await.contains("has more than"));
    stage.write(&[("deep/kustomization.yaml", &"[".repeat(100_000))]);
    refused(&stage, "deep").await;
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn ten_thousand_resources_are_rendered() {
    // Not by the program itself, which takes minutes: it compares each with each.
    let stage = Stage::new(&[]);
    stage.program(
        "kustomize",
        "[ $1 = version ] && echo v5.0.0 && exit\nfor f in $2/m*.yaml; do cat $f; echo ---; done",
    );
    let list: String = (0..10_000).map(|number| format!("- m{number}.yaml\n")).collect();
    stage.write(&[("kustomization.yaml", &format!("resources:\n{list}"))]);
    for number in 0..10_000 {
        fs::write(stage.folder.path().join(format!("m{number}.yaml")), map(&format!("m{number}"))).unwrap();
    }
    let kubectl = Kubectl::new("none").kustomize(["."]);
    let begun = Instant::now();
    assert_eq!(stage.inputs(&kubectl).await.unwrap().len(), 10_001);
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    assert_eq!(stage.render(&kubectl).await.unwrap().objects.len(), 10_000);
}
