//! What each step makes of a file, and of the patches of its profiles.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use shipway_yaml::Rules;

use super::*;
use crate::skaffold::{parse::sources, version::Version};

/// Every version, in order.
fn versions() -> Vec<Version> {
    let mut all: Vec<Version> = (1..=4)
        .flat_map(|major| {
            let stages = ["alpha", "beta"].into_iter();
            let numbered = stages.flat_map(|stage| (1..=40).map(move |minor| format!("{stage}{minor}")));
            numbered.chain([String::new()]).map(move |stage| format!("skaffold/v{major}{stage}"))
        })
        .filter_map(|text| Version::of_file(&text).ok())
        .collect();
    all.sort();
    all
}

#[test]
fn the_versions_are_those_that_were_published() {
    assert_eq!(versions().len(), 72);
}

/// The pipelines of two versions of each file of `tests/skaffold/upgrades`.
fn pairs() -> Vec<(PathBuf, Source, Source)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/skaffold/upgrades");
    #[expect(clippy::disallowed_methods, reason = "the test reads its data")]
    let read = |file: &Path| std::fs::read_to_string(file).expect("the file is read");
    #[expect(clippy::disallowed_methods, reason = "the test reads its data")]
    let files =
        std::fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = files.filter(|file| file.extension() == Some("yaml".as_ref())).collect();
    files.sort();
    let pair = |file: PathBuf| {
        let mut both = sources(&file, &read(&file)).expect("both are read");
        let (new, old) = (both.pop().expect("the new one"), both.pop().expect("the old one"));
        (file, old, new)
    };
    files.into_iter().map(pair).collect()
}

fn copy(source: &Source) -> Source {
    Source { version: source.version, document: source.document.clone() }
}

/// Upgrades a configuration to a version, as far as there are steps until it.
fn up_to(source: &mut Source, version: Version) -> Result<Vec<Notice>> {
    let mut notices = Vec::new();
    let shown = Document::new("skaffold.yaml", Node::mapping(Vec::new()));
    let mut upgrade = Upgrade { shown: &shown, notices: &mut notices, whole: true, left: &Cell::new(MOST) };
    for step in STEPS.iter().filter(|step| source.version < step.into && step.into <= version) {
        apply(step, &mut source.document.root, &mut upgrade)?;
    }
    source.version = version;
    Ok(notices)
}

/// What Go can tell apart.
fn meaning(value: Json) -> Json {
    match value {
        Json::Object(map) => {
            let nothing = |value: &Json| value.is_null() || *value == json!("") || *value == json!([]);
            map.into_iter()
                .filter(|(_, value)| !nothing(value))
                .map(|(key, value)| (key, meaning(value)))
                .collect()
        }
        Json::Array(items) => items.into_iter().map(meaning).collect(),
        value => value,
    }
}

fn tree(source: &Source) -> Json {
    let mut tree = source.document.to_json(Rules::Config).expect("a tree");
    tree["apiVersion"] = json!("");
    meaning(tree)
}

#[test]
fn each_step_does_what_it_should() {
    let mut done = BTreeSet::new();
    for (file, old, new) in PAIRS.iter() {
        let (mut old, from) = (copy(old), old.version);
        up_to(&mut old, new.version).unwrap_or_else(|error| panic!("{}: {}", file.display(), error.report()));
        assert_eq!(tree(&old), tree(new), "{}", file.display());
        done.extend(STEPS.iter().map(|step| step.into).filter(|into| from < *into && *into <= new.version));
    }
    let missing: Vec<String> =
        STEPS.iter().filter(|step| !done.contains(&step.into)).map(|step| step.into.to_string()).collect();
    assert_eq!(missing, [""; 0], "these steps have no file");
}

static PAIRS: LazyLock<Vec<(PathBuf, Source, Source)>> = LazyLock::new(pairs);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// A file that is upgraded in parts, and written out between them, is the same in the end.
    #[test]
    fn stepwise_is_at_once(which in any::<prop::sample::Index>(), stops in prop::collection::vec(0_usize..72, 0..8)) {
        let (_, old, _) = &PAIRS[which.index(PAIRS.len())];
        let (mut old, mut stepwise) = (copy(old), copy(old));
        let (from, all) = (old.version, versions());
        let stops: BTreeSet<Version> = stops.into_iter().map(|stop| all[stop]).filter(|stop| *stop > from).collect();
        for version in stops.into_iter().chain([Version::NEWEST]) {
            up_to(&mut stepwise, version).expect("a part of the way");
            let mut written = stepwise.document.to_json(Rules::Config).expect("a tree");
            written["apiVersion"] = json!(version.to_string());
            let read = sources(Path::new("skaffold.yaml"), &written.to_string()).expect("it is read again");
            stepwise = read.into_iter().next().expect("the same configuration");
        }
        up_to(&mut old, Version::NEWEST).expect("all the way");
        prop_assert_eq!(tree(&stepwise), tree(&old));
    }
}

#[test]
fn one_version_after_the_other_is_at_once() {
    for (file, old, _) in PAIRS.iter() {
        let (mut old, mut stepwise) = (copy(old), copy(old));
        for version in versions().into_iter().filter(|version| *version > old.version) {
            up_to(&mut stepwise, version).expect("one step");
        }
        up_to(&mut old, Version::NEWEST).expect("all the way");
        assert_eq!(tree(&stepwise), tree(&old), "{}", file.display());
    }
}

/// Shows what the patches of a profile become.
fn patches(version: &str, pipeline: &str, patches: &str) -> String {
    let text = format!(
        "apiVersion: skaffold/{version}\nkind: Config\n{pipeline}\nprofiles: [{{name: p, patches: [{patches}]}}]\n"
    );
    let mut source = sources(Path::new("skaffold.yaml"), &text).expect("it is read").remove(0);
    let notices = match up_to(&mut source, Version::NEWEST) {
        Ok(notices) => notices,
        Err(error) => return error.report().to_string(),
    };
    let tree = source.document.to_json(Rules::Config).expect("a tree");
    let patches = tree["profiles"][0]["patches"].as_array().expect("patches").iter();
    let show = |patch: &Json| {
        let mut text = format!(
            "{} {}",
            patch["op"].as_str().unwrap_or("replace"),
            patch["path"].as_str().unwrap_or("?")
        );
        if let Some(from) = patch.get("from") {
            text = format!("{text} from {from}");
        }
        if let Some(value) = patch.get("value") {
            text = format!("{text} {value}");
        }
        text
    };
    let notices = notices.iter().map(|notice| format!("notice {notice}"));
    let mut lines: Vec<String> = patches.map(show).chain(notices).collect();
    if tree.get("manifests") == Some(&json!({})) {
        lines.push("with room in /manifests".to_owned());
    }
    lines.join("\n")
}

#[test]
fn a_patch_follows_what_is_renamed() {
    let helm = "deploy: {helm: {releases: [{name: a, values: {image: x}}]}}";
    assert_snapshot!(patches("v2beta3", helm, "{path: /deploy/helm/releases/0/values/image, value: y-z}"), @r#"
    add /manifests/helm/releases/0/setValueTemplates/image "{{.IMAGE_FULLY_QUALIFIED_y_z}}"
    replace /deploy/helm/releases/0/setValueTemplates/image "{{.IMAGE_FULLY_QUALIFIED_y_z}}"
    "#);
    assert_snapshot!(patches("v2beta4", "build: {artifacts: [{image: a, buildpack: {builder: b}}]}", "
        {path: /build/artifacts/0/buildpack/builder, value: c},
        {op: add, path: /build/artifacts/image=a/buildpack, value: {builder: d}},
        {op: add, path: /build/artifacts/-, value: {image: b, buildpack: {builder: e}}},
        {op: copy, from: /build/artifacts/0/buildpack, path: /build/artifacts/1/buildpack},
        {op: add, path: /build, value: {cluster: {pullSecret: s}}}"), @r#"
    replace /build/artifacts/0/buildpacks/builder "c"
    add /build/artifacts/image=a/buildpacks {"builder":"d"}
    add /build/artifacts/- {"buildpacks":{"builder":"e"},"image":"b"}
    copy /build/artifacts/1/buildpacks from "/build/artifacts/0/buildpacks"
    add /build {"cluster":{"pullSecretPath":"s"}}
    "#);
    assert_snapshot!(patches("v2beta22", "build: {artifacts: [{image: a, docker: {secret: {id: b}}}]}", "
        {path: /build/artifacts/0/docker/secret/id, value: c},
        {op: add, path: /build/artifacts/0/docker/secret, value: {id: d}},
        {op: remove, path: /build/artifacts/0/docker/secret}"), @r#"
    replace /build/artifacts/0/docker/secrets/0/id "c"
    add /build/artifacts/0/docker/secrets [{"id":"d"}]
    remove /build/artifacts/0/docker/secrets
    "#);
    assert_snapshot!(patches("v4beta7", "deploy: {kpt: {dir: a}}", "{op: add, path: /deploy/kpt/false, value: true}"), @"add /deploy/kpt/force true");
}

#[test]
fn a_patch_follows_what_is_rendered_apart() {
    let both = "deploy: {kubectl: {manifests: [a]}, kustomize: {paths: [b]}}";
    assert_snapshot!(patches("v2beta29", both, "
        {op: add, path: /deploy/kubectl/manifests/-, value: c},
        {op: add, path: /deploy/kubectl/flags, value: {apply: [-a]}},
        {op: remove, path: /deploy/kubectl},
        {op: add, path: /deploy/kubectl, value: {flags: {}}},
        {op: add, path: /deploy/kubectl, value: {manifests: [d]}},
        {path: /deploy/kustomize/paths/0, value: e},
        {op: add, path: /deploy/kustomize/flags/apply/-, value: -f},
        {op: remove, path: /deploy/kustomize},
        {op: add, path: /deploy/kustomize, value: {buildArgs: [-g]}},
        {path: /deploy, value: {kubectl: {manifests: [h]}}}"), @r#"
    add /manifests/rawYaml/- "c"
    add /deploy/kubectl/flags {"apply":["-a"]}
    remove /manifests/rawYaml
    remove /deploy/kubectl
    add /deploy/kubectl {"flags":{}}
    add /manifests/rawYaml ["d"]
    add /deploy/kubectl {}
    replace /manifests/kustomize/paths/0 "e"
    add /deploy/kubectl/flags/apply/- "-f"
    remove /manifests/kustomize
    add /manifests/kustomize {"buildArgs":["-g"],"paths":["."]}
    add /manifests/rawYaml ["h"]
    replace /deploy {"kubectl":{}}
    "#);
    assert_snapshot!(patches("v2beta29", "deploy: {kubectl: {manifests: [a]}}", "
        {op: remove, path: /deploy/kubectl},
        {op: add, path: /deploy/kubectl, value: {flags: {apply: [-a]}}},
        {op: add, path: /deploy/kustomize, value: {}}"), @r#"
    remove /manifests/rawYaml
    remove /deploy/kubectl
    add /deploy/kubectl {"flags":{"apply":["-a"]}}
    add /manifests/kustomize {"paths":["."]}
    "#);
    assert_snapshot!(patches("v2beta29", "deploy: {kubectl: {manifests: [a]}}", "
        {op: remove, path: /deploy/kubectl}, {op: add, path: /deploy/kustomize, value: {}}"), @r#"
    remove /manifests/rawYaml
    remove /deploy/kubectl
    add /deploy/kubectl {}
    add /manifests/kustomize {"paths":["."]}
    "#);
    assert_snapshot!(patches("v2beta29", "deploy: {kustomize: {}}", "{op: remove, path: /deploy/kustomize}"), @r"
    remove /deploy/kubectl
    remove /manifests/kustomize
    ");
    assert_snapshot!(patches("v2alpha2", "deploy: {}", "{op: add, path: /deploy/kustomize, value: {path: over}}"), @r#"
    add /deploy/kubectl {}
    add /manifests/kustomize {"paths":["over"]}
    with room in /manifests
    "#);
    assert_snapshot!(patches("v2beta16", "deploy: {kubeContext: c, kubectl: {remoteManifests: [a]}}", "
        {path: /deploy/kubectl/remoteManifests/0, value: b},
        {op: remove, path: /deploy/kubectl/remoteManifests}"), @r#"
    replace /manifests/remoteManifests/0 {"kubeContext":"c","manifest":"b"}
    remove /manifests/remoteManifests
    "#);
}

#[test]
fn a_patch_of_helm_is_for_what_is_rendered_and_what_is_deployed() {
    let helm = "deploy: {helm: {releases: [
        {name: a, artifactOverrides: {image: x}, setValueTemplates: {k: v}},
        {name: b, artifactOverrides: {image: x}, imageStrategy: {helm: {explicitRegistry: true}}}]}}";
    assert_snapshot!(patches("v2beta29", helm, "
        {path: /deploy/helm/releases/0/name, value: c},
        {path: /deploy/helm/releases/0, value: {name: d, artifactOverrides: {image: i}}},
        {op: add, path: /deploy/helm/hooks, value: {before: []}},
        {path: /deploy/helm/releases/0/artifactOverrides/image, value: d-e},
        {path: /deploy/helm/releases/0/artifactOverrides, value: {image: f}},
        {op: remove, path: /deploy/helm/releases/0/artifactOverrides/image},
        {path: /deploy/helm/releases/name=b/artifactOverrides/image, value: g},
        {op: add, path: /deploy/helm/releases/-, value: {name: c, artifactOverrides: {image: h}}},
        {op: remove, path: /deploy/helm}"), @r#"
    add /manifests/helm/releases/0/name "c"
    replace /deploy/helm/releases/0/name "c"
    replace /manifests/helm/releases/0 {"name":"d","setValueTemplates":{"image":"{{.IMAGE_FULLY_QUALIFIED_i}}"}}
    replace /deploy/helm/releases/0 {"name":"d","setValueTemplates":{"image":"{{.IMAGE_FULLY_QUALIFIED_i}}"}}
    add /deploy/helm/hooks {"before":[]}
    add /manifests/helm/releases/0/setValueTemplates/image "{{.IMAGE_FULLY_QUALIFIED_d_e}}"
    replace /deploy/helm/releases/0/setValueTemplates/image "{{.IMAGE_FULLY_QUALIFIED_d_e}}"
    add /manifests/helm/releases/0/setValueTemplates/image "{{.IMAGE_FULLY_QUALIFIED_f}}"
    replace /deploy/helm/releases/0/setValueTemplates/image "{{.IMAGE_FULLY_QUALIFIED_f}}"
    remove /manifests/helm/releases/0/setValueTemplates/image
    remove /deploy/helm/releases/0/setValueTemplates/image
    add /manifests/helm/releases/name=b/setValueTemplates/image.registry "{{.IMAGE_DOMAIN_g}}"
    replace /deploy/helm/releases/name=b/setValueTemplates/image.registry "{{.IMAGE_DOMAIN_g}}"
    add /manifests/helm/releases/name=b/setValueTemplates/image.repository "{{.IMAGE_REPO_NO_DOMAIN_g}}"
    replace /deploy/helm/releases/name=b/setValueTemplates/image.repository "{{.IMAGE_REPO_NO_DOMAIN_g}}"
    add /manifests/helm/releases/name=b/setValueTemplates/image.tag "{{.IMAGE_TAG_g}}@{{.IMAGE_DIGEST_g}}"
    replace /deploy/helm/releases/name=b/setValueTemplates/image.tag "{{.IMAGE_TAG_g}}@{{.IMAGE_DIGEST_g}}"
    add /manifests/helm/releases/- {"name":"c","setValueTemplates":{"image":"{{.IMAGE_FULLY_QUALIFIED_h}}"}}
    add /deploy/helm/releases/- {"name":"c","setValueTemplates":{"image":"{{.IMAGE_FULLY_QUALIFIED_h}}"}}
    remove /manifests/helm
    remove /deploy/helm
    "#);
    assert_snapshot!(patches("v2beta12", "deploy: {helm: {releases: [{name: a, remote: true, chartPath: b}]}}", "
        {path: /deploy/helm/releases/0/chartPath, value: c}"), @r#"
    add /manifests/helm/releases/0/remoteChart "c"
    replace /deploy/helm/releases/0/remoteChart "c"
    "#);
}

#[test]
fn a_patch_follows_what_is_built_otherwise() {
    assert_snapshot!(patches("v1beta13", "build: {artifacts: [{image: a, jibMaven: {module: m, profile: q}}]}", "
        {path: /build/artifacts/0/jibMaven/module, value: n},
        {path: /build/artifacts/0/jibMaven, value: {profile: r}},
        {op: add, path: /build/artifacts/0/jibGradle, value: {project: s}}"), @r#"
    replace /build/artifacts/0/jib/project "n"
    replace /build/artifacts/0/jib {"args":["--activate-profiles","r"],"type":"maven"}
    add /build/artifacts/0/jib {"project":"s","type":"gradle"}
    "#);
    assert_snapshot!(patches("v1beta6", "build: {artifacts: [{image: a}], kaniko: {}}", "
        {op: add, path: /build/kaniko/namespace, value: n},
        {op: add, path: /build/kaniko, value: {cache: {}, pullSecret: s}}"), @r#"
    add /build/cluster/namespace "n"
    add /build/cluster {"pullSecretPath":"s"}
    notice skaffold.yaml:6:48: this has no effect without artifacts beside it: since skaffold/v1beta7 each artifact has its own
    "#);
    assert_snapshot!(patches("v1beta9", "build: {artifacts: [{image: a, sync: {'*.js': .}}]}", "
        {path: /build/artifacts/0/sync, value: {'*.py': app, 'a/*/b': c}}"), @r#"
    replace /build/artifacts/0/sync {"manual":[{"dest":"app","src":"*.py"},{"dest":"c","src":"a/*/b"}]}
    notice skaffold.yaml:5:62: what matches is no longer put into one folder: since skaffold/v1beta10 folders are kept as they are
    "#);
    assert_snapshot!(patches("v2beta8", "build: {artifacts: [{image: a, kaniko: {flags: [-v]}}]}", "
        {op: add, path: /build/artifacts/0/kaniko/flags/-, value: -w},
        {op: add, path: /build/artifacts/0/sync, value: {auto: {}}}"), @r#"
    add /build/artifacts/0/sync {"auto":true}
    notice skaffold.yaml:5:25: `kaniko.flags` has no effect since skaffold/v2beta9, which has a field for each
    notice skaffold.yaml:3:41: `kaniko.flags` has no effect since skaffold/v2beta9, which has a field for each
    "#);
}

#[test]
fn a_patch_that_cannot_be_brought_over_is_refused_at_its_line() {
    let refused = [
        ("v1alpha5", "/build/acr/clientId", "x"),
        ("v1beta6", "/build/kaniko/image", "x"),
        ("v1beta8", "/build/artifacts/0/plugin/name", "docker"),
        ("v1beta9", "/build/artifacts/0/sync/*.js", "."),
        ("v1beta13", "/build/artifacts/0/jibMaven/profile", "p"),
        ("v2beta12", "/deploy/helm/releases/0/remote", "true"),
        ("v2beta29", "/deploy/helm/releases/0/imageStrategy/helm/explicitRegistry", "true"),
        ("v2beta29", "/deploy/kpt", "{}"),
    ];
    let shown = refused.map(|(version, path, value)| {
        patches(version, "", &format!("\n  {{op: add, path: {path}, value: {value}}}"))
    });
    assert_snapshot!(shown.join("\n"), @r"
    skaffold.yaml:5:19: `build.acr` is gone since skaffold/v1beta1
      hint: take it out, or write the file in the newest version
    skaffold.yaml:5:19: a patch of `build.kaniko.image` cannot be brought to the newest version by itself
      hint: patch what is around it, or write the file in the newest version
    skaffold.yaml:5:19: a patch of a part of `plugin` cannot be brought to the newest version by itself
      hint: patch what is around it, or write the file in the newest version
    skaffold.yaml:5:19: a patch of an entry of `sync` cannot be brought to the newest version by itself
      hint: patch what is around it, or write the file in the newest version
    skaffold.yaml:5:19: a patch of `profile` or `args` of `jibMaven` cannot be brought to the newest version by itself
      hint: patch what is around it, or write the file in the newest version
    skaffold.yaml:5:19: a patch of `remote` of a release cannot be brought to the newest version by itself
      hint: patch what is around it, or write the file in the newest version
    skaffold.yaml:5:19: a patch of `imageStrategy` of a release cannot be brought to the newest version by itself
      hint: patch what is around it, or write the file in the newest version
    skaffold.yaml:5:19: `deploy.kpt` of versions before skaffold/v3alpha1 is not brought over by Skaffold either
      hint: take it out, or write the file in the newest version
    ");
    assert_snapshot!(patches("v2beta29", "", "{op: copy, from: /deploy/helm/releases/0, path: /deploy/helm/releases/-}"), @r"
    skaffold.yaml:4:80: a patch of `/deploy/helm/releases/-` cannot be brought to the newest version by itself
      hint: patch what is around it, or write the file in the newest version
    ");
}

#[test]
fn a_patch_with_nothing_to_upgrade_stays_as_it_is() {
    let text = "{op: test, path: /build/artifacts/0/image, value: a}, {path: nowhere, value: b}, \
                {op: move, path: /build/tagPolicy, from: /build/x}, {op: add, path: /deploy/kubectl/manifests, value: []}";
    assert_snapshot!(patches("v1beta4", "build: {artifacts: [{image: a}]}", text), @r#"
    test /build/artifacts/0/image "a"
    replace nowhere "b"
    move /build/tagPolicy from "/build/x"
    add /manifests/rawYaml []
    with room in /manifests
    "#);
}

#[test]
fn what_a_file_stands_for_is_bounded() {
    let many = "{image: a},".repeat(2_000);
    let long = "-x,".repeat(200);
    let text = format!(
        "apiVersion: skaffold/v1beta6\nkind: Config\nbuild: {{artifacts: [{many}], kaniko: {{flags: [{long}]}}}}"
    );
    let mut source = sources(Path::new("skaffold.yaml"), &text).expect("it is read").remove(0);
    let error = up_to(&mut source, Version::NEWEST).expect_err("it is too much");
    assert_eq!(
        error.report().to_string().lines().next().map(|line| line.split_once(": ").map(|(_, text)| text)),
        Some(Some("this stands for more than 250000 nodes in the newest version"))
    );
    // The same for each patch.
    let values: String = (0..500).map(|number| format!("k{number}: v,")).collect();
    let helm = format!("deploy: {{helm: {{releases: [{{name: a, setValues: {{{values}}}}}]}}}}");
    let removals = "{op: remove, path: /deploy/helm},".repeat(500);
    let error = patches("v2beta29", &helm, &removals);
    assert!(error.contains("this stands for more than 250000 nodes"), "{error}");
}

#[test]
fn nodes_keep_their_places() {
    let text = "apiVersion: skaffold/v1alpha1\nkind: Config\nbuild:\n  artifacts:\n  - imageName: web\n    dockerfilePath: a\n";
    let mut source = sources(Path::new("skaffold.yaml"), text).expect("it is read").remove(0);
    up_to(&mut source, Version::NEWEST).expect("it is upgraded");
    let mut seen = 0;
    each(&mut source.document.root, &["build", "artifacts", "*", "docker", "dockerfile"], &mut |node| {
        seen += 1;
        assert_eq!((node.span.start.line, node.span.start.column), (6, 21));
        Ok::<(), ()>(())
    })
    .expect("nothing fails");
    assert_eq!(seen, 1);
}
