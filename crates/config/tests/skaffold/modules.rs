//! Configurations that require others: of the same text, of other files and of repositories.

use std::{fs, path::Path};

use insta::assert_snapshot;
use shipway_config::{Options, Skaffold, Trust};
use shipway_core::{Cancel, Context, Result, RunContext, World};
use tempfile::TempDir;

use crate::recorded::{catalog, error, read, show};

const HEAD: &str = "apiVersion: skaffold/v4beta14\nkind: Config\n";

pub(crate) fn context(root: &Path) -> Context {
    RunContext::new(World::host(root), "load").context(None, None, Cancel::new())
}

/// Writes files; a `@` before a line begins a configuration.
pub(crate) fn files(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace("@\n", HEAD)).unwrap();
    }
    folder
}

async fn load(folder: &TempDir, file: &str, options: &Options) -> Result<String> {
    let loaded = Skaffold::load(
        &context(folder.path()),
        Path::new(file),
        options.clone().trust(Trust::Full),
        &catalog(),
    )
    .await?
    .pipeline(&catalog())?;
    Ok(show(&loaded))
}

/// The artifacts in their order, each with its folder.
fn built(shown: &str) -> String {
    let builds = shown.lines().filter_map(|line| line.strip_prefix("build ")?.split_once(" into"));
    builds.map(|(build, _)| build).collect::<Vec<_>>().join(", ")
}

fn one(name: &str, image: &str, more: &str) -> String {
    format!("@\nmetadata: {{name: {name}}}\nbuild: {{artifacts: [{{image: {image}}}]}}\n{more}\n")
}

#[tokio::test]
async fn what_is_required_comes_first_with_paths_of_its_own_folder() {
    let folder = files(&[
        (
            "skaffold.yaml",
            "@\nrequires: [{path: ./app}, {path: web/skaffold.yaml}]\nbuild: {artifacts: [{image: root}]}\n",
        ),
        (
            "app/skaffold.yaml",
            "@\nmetadata: {name: app}\nrequires: [{path: ../base}]\nbuild: {artifacts: [{image: app, context: src}]}\nmanifests: {rawYaml: [k8s/*.yaml]}\n",
        ),
        (
            "web/skaffold.yaml",
            "@\nmetadata: {name: web}\nrequires: [{path: ../base}]\nbuild: {artifacts: [{image: web}]}\n",
        ),
        ("base/skaffold.yml", "@\nbuild: {artifacts: [{image: base}]}\n"),
    ]);
    let shown = load(&folder, "skaffold.yaml", &Options::default()).await.unwrap();
    assert_eq!(built(&shown), "base in base, app in app/src, web in web, root in .");
    assert!(shown.contains(r#""rawYaml":["app/k8s/*.yaml"]"#), "{shown}");
    // By whatever name the first file is called, it is one file.
    for name in [".", "./skaffold.yaml", &folder.path().join("skaffold.yaml").to_string_lossy()] {
        let shown = load(&folder, name, &Options::default()).await.unwrap();
        assert_eq!(built(&shown), "base in base, app in app/src, web in web, root in .", "{name}");
    }
    // A file of this machine may be a link.
    std::os::unix::fs::symlink("../app/skaffold.yaml", folder.path().join("web/link.yaml")).unwrap();
    let shown = load(&folder, "web/link.yaml", &Options::default()).await.unwrap();
    assert_eq!(built(&shown), "base in base, app in src");
}

#[tokio::test]
async fn configurations_of_one_text_require_each_other() {
    let text = [
        one("a", "a", "requires: [{configs: [c]}]"),
        one("b", "b", ""),
        one("c", "c", "requires: [{configs: [b]}]"),
    ]
    .join("---\n");
    let text = text.replace("@\n", HEAD);
    assert_eq!(built(&read(&text, &Options::default()).unwrap()), "b in ., c in ., a in .");
    let folder = files(&[("skaffold.yaml", &text)]);
    let shown = load(&folder, "skaffold.yaml", &Options::default()).await.unwrap();
    assert_eq!(built(&shown), "b in ., c in ., a in .");
    let missing = one("a", "a", "requires: [{configs: [bb]}]") + "---\n" + &one("b", "b", "");
    assert_snapshot!(read(&missing.replace("@\n", HEAD), &Options::default().command("build")).unwrap(), @r#"
    pipeline a
    build a in . into [Registry] a
      by docker {}
      named by gitCommit {"otherwise":"latest"}
    build b in . into [Registry] b
      by docker {}
      named by gitCommit {"otherwise":"latest"}
    notice skaffold.yaml:5:23: the required file has no configuration `bb`
    "#);
    let other = one("a", "a", "requires: [{path: ../other}]").replace("@\n", HEAD);
    assert_snapshot!(error(read(&other, &Options::default())), @r"
    skaffold.yaml:5:19: another file is required, and this text alone is read
      hint: read it with `Skaffold::load`
    ");
}

/// Skaffold goes once around a cycle, too.
#[tokio::test]
async fn a_cycle_ends() {
    let folder = files(&[
        ("skaffold.yaml", &(one("a", "a", "requires: [{path: other}]") + "---\n" + &one("b", "b", ""))),
        ("other/skaffold.yaml", &one("o", "o", "requires: [{path: .., configs: [a, b]}, {configs: [o]}]")),
    ]);
    let shown = load(&folder, "skaffold.yaml", &Options::default()).await.unwrap();
    // `b` is come to from another file first, so that its paths are those of its folder.
    assert_eq!(built(&shown), "b in ., o in other, a in .");
}

#[tokio::test]
async fn modules_are_chosen_by_name_with_what_they_require() {
    let folder = files(&[
        (
            "skaffold.yaml",
            &[one("root", "root", "requires: [{path: app}, {path: web}]"), one("extra", "extra", "")]
                .join("---\n"),
        ),
        ("app/skaffold.yaml", &one("app", "app", "requires: [{path: ../base}]")),
        ("web/skaffold.yaml", &one("web", "web", "requires: [{path: ../base}]")),
        ("base/skaffold.yaml", &one("base", "base", "")),
    ]);
    for (modules, expected) in [
        (&["web"][..], "base in base, web in web"),
        (&["base", "extra"], "base in base, extra in ."),
        (&["root"], "base in base, app in app, web in web, root in ."),
        (&[], "base in base, app in app, web in web, root in ., extra in ."),
    ] {
        let options = Options::default().modules(modules.iter().copied());
        let shown = load(&folder, "skaffold.yaml", &options).await.unwrap();
        assert_eq!(built(&shown), expected, "{modules:?}");
    }
    let refused = error(load(&folder, "skaffold.yaml", &Options::default().modules(["web", "bse"])).await);
    assert_snapshot!(refused, @r"
    there is no module `bse`
      hint: did you mean `base`?
    ");
    let refused = error(load(&folder, "skaffold.yaml", &Options::default().modules(["frontend"])).await);
    assert_snapshot!(refused, @r"
    there is no module `frontend`
      hint: there are these: app, base, extra, root, web
    ");
}

fn profiled(name: &str, more: &str) -> String {
    let profile = |profile: &str| {
        format!("- {{name: {profile}, build: {{artifacts: [{{image: {name}-{profile}}}]}}}}\n")
    };
    one(name, name, &format!("{more}\nprofiles:\n{}{}", profile("dev"), profile("prod")))
}

#[tokio::test]
async fn profiles_are_handed_on() {
    let root = |activated: &str| {
        profiled("root", &format!("requires: [{{path: app, activeProfiles: [{activated}]}}]"))
    };
    for (activated, options, expected) in [
        ("", Options::default(), "app in app, root in ."),
        ("{name: dev}", Options::default(), "app-dev in app, root in ."),
        ("{name: prod, activatedBy: [dev]}", Options::default(), "app in app, root in ."),
        (
            "{name: prod, activatedBy: [dev]}",
            Options::default().profiles(["dev"]),
            "app-dev in app, root-dev in .",
        ),
        (
            "{name: prod, activatedBy: [dev]}",
            Options::default().profiles(["dev"]).propagate_profiles(false),
            "app-prod in app, root-dev in .",
        ),
        ("", Options::default().profiles(["prod"]), "app-prod in app, root-prod in ."),
        ("", Options::default().profiles(["prod"]).propagate_profiles(false), "app in app, root-prod in ."),
    ] {
        let folder =
            files(&[("skaffold.yaml", &root(activated)), ("app/skaffold.yaml", &profiled("app", ""))]);
        let shown = load(&folder, "skaffold.yaml", &options).await.unwrap();
        assert_eq!(built(&shown), expected, "{activated} {options:?}");
    }
    // A profile that only another file has may be asked for; one that nobody has is an error.
    let folder = files(&[
        (
            "skaffold.yaml",
            &one(
                "root",
                "root",
                "requires: [{path: app, activeProfiles: [{name: dev, activatedBy: [prd]}]}]\nprofiles: [{name: prod}]",
            ),
        ),
        ("app/skaffold.yaml", &profiled("app", "")),
    ]);
    let shown = load(&folder, "skaffold.yaml", &Options::default().profiles(["dev"])).await.unwrap();
    assert!(
        shown.contains(
            "notice skaffold.yaml:5:67: this configuration has no profile `prd`; did you mean `prod`?"
        ),
        "{shown}"
    );
    assert_eq!(built(&shown), "app-dev in app, root in .");
    let refused = error(load(&folder, "skaffold.yaml", &Options::default().profiles(["dve"])).await);
    assert_snapshot!(refused, @r"
    there is no profile `dve`
      hint: did you mean `dev`?
    ");
}

#[tokio::test]
async fn one_configuration_with_two_sets_of_profiles_is_refused() {
    let folder = files(&[
        (
            "skaffold.yaml",
            &one("root", "root", "requires:\n- {path: a, activeProfiles: [{name: dev}]}\n- {path: b}"),
        ),
        (
            "a/skaffold.yaml",
            &profiled("a", "requires: [{path: ../base, activeProfiles: [{name: dev, activatedBy: [dev]}]}]"),
        ),
        ("b/skaffold.yaml", &profiled("b", "requires: [{path: ../base}]")),
        ("base/skaffold.yaml", &profiled("base", "")),
    ]);
    let refused = error(load(&folder, "skaffold.yaml", &Options::default()).await);
    assert_snapshot!(refused, @r"
    b/skaffold.yaml:5:19: the configuration `base` is required with other profiles than before: no profile
      note: it is required at a/skaffold.yaml:5:19 with `dev`
      hint: let all that require it ask for the same profiles
    ");
    // What is not run in the end conflicts all the same, as in Skaffold.
    assert!(load(&folder, "skaffold.yaml", &Options::default().profiles(["dev"])).await.is_ok());
}

#[tokio::test]
async fn names_are_unique() {
    let twice = one("a", "a", "") + "---\n" + &one("a", "b", "");
    assert_snapshot!(error(read(&twice.replace("@\n", HEAD), &Options::default())), @r"
    skaffold.yaml:9:18: two configurations have the name `a`
      note: the first is at skaffold.yaml:3:18
      hint: give one another name
    ");
    let folder = files(&[
        ("skaffold.yaml", &one("a", "a", "requires: [{path: b}]")),
        ("b/skaffold.yaml", &one("a", "b", "")),
    ]);
    assert_snapshot!(error(load(&folder, "skaffold.yaml", &Options::default()).await), @r"
    b/skaffold.yaml:3:18: two configurations have the name `a`
      note: the first is at skaffold.yaml:3:18
      hint: give one another name
    ");
}

#[tokio::test]
async fn what_is_wrong_with_a_requirement_is_shown_where_it_is() {
    for (requires, expected) in [
        ("[{path: gone}]", "skaffold.yaml:4:19: there is no configuration `gone`"),
        ("[{path: broken.yaml}]", "broken.yaml:1:1: expected a mapping, found"),
        (
            "[{path: a, git: {repo: b}}]",
            "skaffold.yaml:4:22: `path` and `git` both say where the configuration is",
        ),
        (
            "[{googleCloudStorage: {source: a}}]",
            "skaffold.yaml:4:13: `requires.googleCloudStorage` is not supported yet",
        ),
        (
            "[{googleCloudBuildRepoV2: {repo: a}}]",
            "skaffold.yaml:4:13: `requires.googleCloudBuildRepoV2` is not supported yet",
        ),
        ("[{path: 'https://a/b.yaml'}]", "skaffold.yaml:4:19: `https://a/b.yaml` is not read from there"),
        ("[{pth: a}]", "skaffold.yaml:4:13: there is no field `pth` here"),
        ("{path: a}", "skaffold.yaml:4:11: expected a list, found a mapping"),
    ] {
        let text = format!("@\n# A line.\nrequires: {requires}\n");
        let folder = files(&[("skaffold.yaml", &text), ("broken.yaml", "nothing")]);
        let refused = error(load(&folder, "skaffold.yaml", &Options::default()).await);
        assert!(refused.starts_with(expected), "{requires}: {refused}");
    }
}

#[tokio::test]
async fn requiring_ends() {
    // Each requires all of them, however often.
    let names: Vec<String> = (0..400).map(|number| format!("n{number}")).collect();
    let all: Vec<String> = names.iter().map(|name| one(name, name, "requires: [{}]")).collect();
    let refused = error(read(&all.join("---\n").replace("@\n", HEAD), &Options::default()));
    assert!(refused.contains("are required more than 100000 times, or 1000 in each other"), "{refused}");
    // One requires the next.
    let names: Vec<String> = (0..1500).map(|number| format!("n{number}")).collect();
    let chain: Vec<String> = names
        .windows(2)
        .map(|pair| one(&pair[0], &pair[0], &format!("requires: [{{configs: [{}]}}]", pair[1])))
        .collect();
    let refused = error(read(&chain.join("---\n").replace("@\n", HEAD), &Options::default()));
    assert!(refused.contains("are required more than 100000 times, or 1000 in each other"), "{refused}");
    let folder = tempfile::tempdir().unwrap();
    for number in 0..1001 {
        let text = one(&format!("n{number}"), "a", &format!("requires: [{{path: {}.yaml}}]", number + 1));
        fs::write(folder.path().join(format!("{number}.yaml")), text.replace("@\n", HEAD)).unwrap();
    }
    let refused = error(load(&folder, "0.yaml", &Options::default()).await);
    assert!(refused.contains("more than 1000 files or"), "{refused}");
}

/// An example of Skaffold's own in its folders, beside what it makes of it.
#[tokio::test]
async fn an_example_of_several_files_means_what_skaffold_says() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/skaffold/examples");
    let folder = tempfile::tempdir().unwrap();
    for place in ["", "base/", "leeroy-app/", "leeroy-web/"] {
        let name = format!("multi-config-microservices__{}skaffold.yaml", place.replace('/', "__"));
        fs::create_dir_all(folder.path().join(place)).unwrap();
        fs::copy(examples.join("in").join(name), folder.path().join(place).join("skaffold.yaml")).unwrap();
    }
    let shown = load(&folder, "skaffold.yaml", &Options::default().auto_activation(false)).await.unwrap();
    let effective =
        fs::read_to_string(examples.join("effective/multi-config-microservices__skaffold.yaml")).unwrap();
    let expected = read(&effective.replace("$CWD/", ""), &Options::default()).unwrap();
    assert_eq!(built(&shown), "base in base, leeroy-app in leeroy-app, leeroy-web in leeroy-web");
    assert_eq!(built(&shown), built(&expected));
    let deployed = |shown: &str| {
        shown.lines().filter(|line| line.starts_with("deploy ")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(deployed(&shown), deployed(&expected));
}
