//! Kustomizations, built by the real program.

use std::{collections::BTreeSet, fs, thread::available_parallelism};

use shipway_core::{Deployer, ErrorKind, Release};
use shipway_deployers::Kubectl;

use crate::stage::{Stage, map, names, objects, report};

fn overlays(count: usize) -> (Vec<(String, String)>, Vec<String>) {
    let mut files = vec![
        ("base/kustomization.yaml".to_owned(), "resources: [map.yaml]\n".to_owned()),
        ("base/map.yaml".to_owned(), map("settings")),
    ];
    let mut paths = Vec::new();
    for number in 0..count {
        let path = format!("overlays/o{number:03}");
        files.push((
            format!("{path}/kustomization.yaml"),
            format!("resources: [../../base]\nnamePrefix: o{number:03}-\n"),
        ));
        paths.push(path);
    }
    (files, paths)
}

fn pairs(files: &[(String, String)]) -> Vec<(&str, &str)> {
    files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
}

#[tokio::test]
async fn each_overlay_is_one_process_and_all_cores_are_busy_and_what_is_the_same_is_none() {
    let (files, paths) = overlays(100);
    let Some(stage) = Stage::with_kustomize("each_overlay_is_one_process", &pairs(&files)) else { return };
    let kubectl = Kubectl::new("none").kustomize(paths.clone());
    let first = stage.render(&kubectl).await.unwrap();
    let expected: Vec<String> = (0..100).map(|number| format!("o{number:03}-settings")).collect();
    assert_eq!(names(&first), expected);
    let took = stage.took();
    assert_eq!(took.iter().filter(|line| *line == "start version").count(), 1, "asked once");
    assert_eq!(took.iter().filter(|line| *line == "start build").count(), 100);
    let (mut now, mut most) = (0usize, 0usize);
    for line in took.iter().filter(|line| line.ends_with("build")) {
        now = if line.starts_with("start") { now + 1 } else { now - 1 };
        most = most.max(now);
    }
    assert_eq!(most, available_parallelism().unwrap().get());
    // Nothing changed.
    assert_eq!(stage.render(&kubectl).await.unwrap().objects, first.objects);
    assert_eq!(stage.took(), [""; 0]);
    // One overlay changed.
    stage.write(&[("overlays/o007/kustomization.yaml", "resources: [../../base]\nnamePrefix: seven-\n")]);
    assert_eq!(names(&stage.render(&kubectl).await.unwrap())[7], "seven-settings");
    assert_eq!(stage.took().iter().filter(|line| *line == "start build").count(), 1);
    // So did what all of them reach; and then the program.
    stage.write(&[("base/map.yaml", &map("other"))]);
    stage.render(&kubectl).await.unwrap();
    assert_eq!(stage.took().iter().filter(|line| *line == "start build").count(), 100);
    let few = Kubectl::new("none").kustomize([paths[0].as_str()]);
    fs::write(
        stage.tools.path().join("bin/other"),
        fs::read(stage.tools.path().join("bin/kustomize")).unwrap(),
    )
    .unwrap();
    stage.program("kustomize", &format!("exec {} \"$@\"", std::env::var("SHIPWAY_KUSTOMIZE").unwrap()));
    assert_eq!(names(&stage.render(&few).await.unwrap()), ["o000-other"]);
    stage.program("kustomize", &format!("echo \"start $1\" >> {}; exit 3", stage.log().display()));
    assert_eq!(stage.refused(&few).await.kind(), ErrorKind::ToolFailed);
    assert!(!stage.took().is_empty());
}

#[tokio::test]
async fn a_secret_goes_to_no_disk_and_its_kustomization_is_built_each_time() {
    let files = [
        ("kustomization.yaml", "secretGenerator: [{name: token, literals: [token=canary-4711]}]\n"),
        ("plain/kustomization.yaml", "resources: [map.yaml]\n"),
        ("plain/map.yaml", &map("settings")),
        // A variable without a value is the environment's.
        ("env/kustomization.yaml", "configMapGenerator: [{name: e, envs: [e.env]}]\n"),
        ("env/e.env", "HOME=x\nPATH\n"),
    ];
    let Some(stage) = Stage::with_kustomize("a_secret_goes_to_no_disk", &files) else { return };
    for (path, builds) in [(".", 1), ("plain", 0)] {
        let kubectl = Kubectl::new("none").kustomize([path]);
        stage.render(&kubectl).await.unwrap();
        stage.took();
        stage.render(&kubectl).await.unwrap();
        assert_eq!(stage.took().iter().filter(|line| *line == "start build").count(), builds, "{path}");
    }
    let mut kept = Vec::new();
    let mut open = vec![stage.tools.path().join("cache")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { kept.push(fs::read_to_string(path).unwrap()) }
        }
    }
    assert!(kept.iter().any(|text| text.contains("settings")));
    assert!(!kept.iter().any(|text| text.contains("canary") || text.contains("Y2FuYXJ5")), "{kept:?}");
}

#[tokio::test]
async fn all_that_is_reached_is_declared_and_changes_what_is_built() {
    let files = [
        (
            "app/kustomization.yaml",
            "resources: [../base, own.yaml]\ncomponents: [../component]\npatches: [{path: patch.yaml}]\n\
             patchesStrategicMerge:\n- merge.yaml\n- |\n  apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: own}\n  data: {inline: 'yes'}\n\
             configMapGenerator: [{name: g, files: [key=g.txt], envs: [g.env]}]\n\
             replacements: [{path: replacement.yaml}]\nconfigurations: [names.yaml]\ncrds: [crd.json]\nopenapi: {path: schema.json}\n\
             transformers: [labels.yaml, ../transformers]\n",
        ),
        ("app/own.yaml", &map("own")),
        ("app/patch.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\ndata: {patched: a}\n"),
        ("app/merge.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\ndata: {merged: a}\n"),
        ("app/g.txt", "text"),
        ("app/g.env", "a=b\n"),
        (
            "app/replacement.yaml",
            "source: {kind: ConfigMap, name: own, fieldPath: data.colour}\ntargets: [{select: {kind: ConfigMap, name: base}, fieldPaths: [data.colour]}]\n",
        ),
        ("app/names.yaml", "nameReference: []\n"),
        ("app/crd.json", "{}\n"),
        ("app/schema.json", "{}\n"),
        (
            "app/labels.yaml",
            "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: p}\npath: inner.yaml\ntarget: {kind: ConfigMap, name: own}\n",
        ),
        ("app/inner.yaml", "- {op: add, path: /data/transformed, value: a}\n"),
        ("transformers/kustomization.yml", "resources: [prefix.yaml]\n"),
        (
            "transformers/prefix.yaml",
            "apiVersion: builtin\nkind: PrefixTransformer\nmetadata: {name: p}\nprefix: x-\nfieldSpecs: [{path: metadata/name}]\n",
        ),
        ("base/Kustomization", "resources: [base.yaml]\n"),
        ("base/base.yaml", &map("base")),
        (
            "component/kustomization.yaml",
            "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\ncommonAnnotations: {c: d}\n",
        ),
    ];
    let Some(stage) = Stage::with_kustomize("all_that_is_reached_is_declared", &files) else { return };
    let kubectl = Kubectl::new("none").kustomize(["app/kustomization.yaml"]);
    let declared = stage.inputs(&kubectl).await.unwrap();
    let written: BTreeSet<String> = files.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(declared, written);
    let rendered = stage.render(&kubectl).await.unwrap();
    let own = &objects(&rendered)["ConfigMap x-own"];
    for name in ["patched", "merged", "inline", "transformed"] {
        assert!(own["data"].get(name).is_some(), "{name} of {own}");
    }
    stage.took();
    // A change of each is seen; comments change a file, and nothing else.
    for name in &written {
        let path = stage.folder.path().join(name);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}\n")).unwrap();
        let _ = stage.render(&kubectl).await;
        assert_eq!(stage.took().iter().filter(|line| *line == "start build").count(), 1, "{name}");
    }
}

#[tokio::test]
async fn what_comes_of_several_sources_is_in_skaffolds_order() {
    let files = [
        ("k8s/raw.yaml", &*map("raw")),
        ("one/kustomization.yaml", "resources: [a.yaml]\n"),
        ("one/a.yaml", &map("one")),
        ("two/kustomization.yaml", "resources: [b.yaml]\n"),
        ("two/b.yaml", &map("two")),
    ];
    let Some(stage) = Stage::with_kustomize("what_comes_of_several_sources", &files) else { return };
    stage.program("kpt", &format!("cat <<'END'\n{}END", map("package")));
    stage.write(&[("pkg/Kptfile", "apiVersion: kpt.dev/v1\nkind: Kptfile\nmetadata: {name: pkg}\n")]);
    let kubectl = Kubectl::new("none").manifests(["k8s"]).kustomize(["two", "one"]).kpt(["pkg"]);
    assert_eq!(names(&stage.render(&kubectl).await.unwrap()), ["package", "raw", "two", "one"]);
    // Without a word about manifests as they are there are none.
    let kubectl = Kubectl::new("none").kustomize(["two"]);
    assert_eq!(names(&stage.render(&kubectl).await.unwrap()), ["two"]);
}

#[tokio::test]
async fn a_program_that_is_missing_or_too_old_is_told_by_what_needs_it() {
    let stage = Stage::new(&[("app/kustomization.yaml", "resources: [a.yaml]\n"), ("app/a.yaml", &map("a"))]);
    let kubectl = Kubectl::new("none").kustomize(["app"]);
    let empty = stage.tools.path().join("bin").display().to_string();
    let world = stage.world().env([("PATH".to_owned(), empty)]);
    let error =
        kubectl.render(&crate::stage::context(world), &Release::new("shop")).await.expect_err("missing");
    assert_eq!(error.kind(), ErrorKind::MissingTool);
    assert!(report(&error).contains("`app` needs `kustomize` or `kubectl`"), "{error:?}");
    stage.program("kustomize", "echo '{Version:kustomize/v3.9.4 GitCommit:x}'");
    let error = stage.refused(&kubectl).await;
    assert_eq!(error.kind(), ErrorKind::MissingTool);
    assert!(
        report(&error).contains("needs `kustomize` 4.0 or newer") && report(&error).contains("3.9"),
        "{error:?}"
    );
    // Where there is no `kustomize`, `kubectl` has it.
    fs::remove_file(stage.tools.path().join("bin/kustomize")).unwrap();
    stage.program(
        "kubectl",
        &format!("echo \"$@\" >> {}\n[ $1 = version ] && echo 'Client Version: v1.34.0' && exit\n[ $1 = kustomize ] && cat $3/a.yaml", stage.log().display()),
    );
    let kubectl = kubectl.kustomize_args(["--reorder=none"]);
    assert_eq!(names(&stage.render(&kubectl).await.unwrap()), ["a"]);
    let folder = stage.folder.path().join("app").display().to_string();
    assert_eq!(stage.took(), ["version --client".to_owned(), format!("kustomize --reorder=none {folder}")]);
}

#[tokio::test]
async fn a_build_that_fails_says_what_the_program_said() {
    let stage = Stage::new(&[("kustomization.yaml", "resources: [a.yaml]\n"), ("a.yaml", "x")]);
    stage.program(
        "kustomize",
        "[ $1 = version ] && echo v5.0.0 && exit\necho 'Error: the reason' >&2; exit 1",
    );
    let error = stage.refused(&Kubectl::new("none").kustomize(["."])).await;
    assert_eq!(error.kind(), ErrorKind::ToolFailed);
    assert!(report(&error).contains("the reason"), "{error:?}");
    for printed in ["", "x: 1"] {
        stage.program("kustomize", &format!("[ $1 = version ] && echo v5.0.0 && exit\necho '{printed}'"));
        let error = stage.refused(&Kubectl::new("none").kustomize(["."])).await;
        assert_eq!(error.kind(), ErrorKind::BadOutput, "{error:?}");
    }
}
