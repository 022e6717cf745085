//! The builder `custom`: what counts, and what is said when the command did not do its part.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests prepare real sources, and may panic"
)]

use std::{collections::BTreeMap, fs};

use proptest::prelude::{ProptestConfig, prop, prop_assert, prop_assert_eq, proptest};
use shipway_builders::{Custom, CustomConfig, CustomDependencies, CustomDockerfile};
use shipway_core::{
    Artifact, BuildRequest, Builder, Cancel, Context, Digest, ErrorKind, Fingerprint, Image, Inputs, Result,
    RunContext, Snapshot, Store, Tag, Target, World,
};
use shipway_oci::Stores;
use tempfile::TempDir;

fn sources() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("app/main.go", "package main"),
        ("app/main_test.go", "package main"),
        ("app/README.md", "words"),
        ("app/cmd/web/web.go", "package web"),
        ("app/cmd/web/web_test.go", "package web"),
        ("app/Dockerfile", "FROM scratch\nARG FROM_HERE\nCOPY $FROM_HERE /\n"),
    ] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn context(folder: &TempDir) -> Context {
    let path = std::env::var("PATH").unwrap();
    let world = World::host(folder.path()).images(Stores::new()).env([("PATH".to_owned(), path)]);
    RunContext::new(world, "run").context("build:app".parse().ok(), None, Cancel::new())
}

async fn inputs(cx: &Context, dependencies: CustomDependencies) -> Result<Inputs> {
    let custom = Custom::new(CustomConfig::new("true").dependencies(dependencies)).unwrap();
    custom.inputs(cx, &Artifact::new("app", "app")).await
}

/// Returns which files change the fingerprint when they change.
async fn counted(dependencies: CustomDependencies) -> Vec<String> {
    let folder = sources();
    let cx = context(&folder);
    let inputs = inputs(&cx, dependencies).await.unwrap();
    let before = Snapshot::take(&cx, &inputs).await.unwrap();
    let mut counted = Vec::new();
    for name in [
        "Dockerfile",
        "README.md",
        "cmd/web/web.go",
        "cmd/web/web_test.go",
        "main.go",
        "main_test.go",
        "new.go",
    ] {
        let path = folder.path().join("app").join(name);
        let old = fs::read(&path).ok();
        fs::write(&path, "changed").unwrap();
        if Snapshot::take(&cx, &inputs).await.unwrap().fingerprint() != before.fingerprint() {
            counted.push(name.to_owned());
        }
        match old {
            Some(old) => fs::write(&path, old).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
    }
    counted
}

#[tokio::test]
async fn what_counts_is_given_by_paths_a_command_or_a_dockerfile() {
    let given = CustomDependencies::default;
    let all = [
        "Dockerfile",
        "README.md",
        "cmd/web/web.go",
        "cmd/web/web_test.go",
        "main.go",
        "main_test.go",
        "new.go",
    ];
    assert_eq!(counted(given()).await, all);
    assert_eq!(counted(given().paths(["main.go", "."])).await, all);
    assert_eq!(counted(given().paths(["*.go"])).await, ["main.go", "main_test.go", "new.go"]);
    assert_eq!(counted(given().paths(["main.go"])).await, ["main.go"]);
    assert_eq!(counted(given().paths(["new.go"])).await, ["new.go"], "a missing file counts");
    assert_eq!(counted(given().paths(["cmd"])).await, ["cmd/web/web.go", "cmd/web/web_test.go"]);
    assert_eq!(
        counted(given().paths(["cmd", "*.go"]).ignore(["**/*_test.go"])).await,
        ["cmd/web/web.go", "main.go", "new.go"]
    );
    assert_eq!(
        counted(given().ignore(["**/*_test.go", "*.md"])).await,
        ["Dockerfile", "cmd/web/web.go", "main.go", "new.go"]
    );
    let list = given().command(r#"echo '["main.go", "./cmd", "new.go"]'"#);
    assert_eq!(counted(list).await, ["cmd/web/web.go", "cmd/web/web_test.go", "main.go", "new.go"]);
    let dockerfile = CustomDockerfile::new("Dockerfile").build_arg("FROM_HERE", "cmd/web");
    assert_eq!(
        counted(given().dockerfile(dockerfile)).await,
        ["Dockerfile", "cmd/web/web.go", "cmd/web/web_test.go"]
    );
}

#[tokio::test]
async fn a_list_that_is_none_is_told() {
    let folder = sources();
    let cx = context(&folder);
    for (command, text) in [
        ("echo hello", "`echo hello` does not print its dependencies: expected value at line 1 column 1"),
        (
            r#"echo '["/etc/passwd"]'"#,
            "`echo '[\"/etc/passwd\"]'` does not print its dependencies: `/etc/passwd` is not below it",
        ),
        (r#"echo '["../x"]'"#, "`echo '[\"../x\"]'` does not print its dependencies: `../x` is not below it"),
        ("echo no >&2; exit 3", "`echo no >&2; exit 3` failed with exit code 3"),
    ] {
        let error = inputs(&cx, CustomDependencies::default().command(command)).await.unwrap_err();
        assert_eq!(error.to_string(), text);
    }
}

#[tokio::test]
async fn a_command_that_builds_nothing_is_told() {
    let folder = sources();
    let registry = tempfile::tempdir().unwrap();
    let disk = std::sync::Arc::new(shipway_core::HostDisk);
    let registry = shipway_oci::Registry::start(registry.path(), disk).await.unwrap();
    let cx = context(&folder);
    let repository = format!("{}/app", registry.host());
    let request = |store: Store| {
        let target = Target::new(store, repository.as_str(), Tag::parse("t").unwrap());
        BuildRequest::new(Artifact::new("app", "app"), target, Fingerprint::parse("0".repeat(64)).unwrap())
    };
    let custom = |command: &str| Custom::new(CustomConfig::new(command)).unwrap();
    let error = custom("true").build(&cx, &request(Store::Registry)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadOutput);
    assert_eq!(
        error.report().to_string(),
        format!(
            "`true` ended well, but `{repository}:t` is not in its registry\n  hint: the command must build the image \
             that `IMAGE` names, and push it where `PUSH_IMAGE` is `true`"
        )
    );
    let error = custom("echo why >&2; exit 4").build(&cx, &request(Store::Registry)).await.unwrap_err();
    assert_eq!(error.report().to_string(), "`echo why >&2; exit 4` failed with exit code 4\n  note: why");
}

/// Writes what the command is told, each with a NUL after it, and touches nothing else.
const DUMP: &str = "printf '%s\\0' \"$IMAGE\" \"$IMAGE_REPO\" \"$IMAGE_TAG\" \"$PUSH_IMAGE\" \"$BUILD_CONTEXT\" \
                    \"$PLATFORMS\" \"$BASE\" \"$DOCKER_HOST\" \"$PWD\" >dumped";

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(32) })]

    #[test]
    fn names_come_to_the_command_as_they_are_and_are_no_part_of_its_script(
        repository in r#"(\$\(touch sprung\)|`touch sprung`|; touch sprung|-h|--|"|'|[^\x00]){0,8}"#,
        endpoint in r#"(\$\(touch sprung\)|"; touch sprung; "|[^\x00]){0,4}"#,
        place in r#"(\$\(touch sprung\)|;touch sprung|-|'|"|[^\x00/.]){1,4}"#,
        to_daemon in prop::bool::ANY,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let work = folder.path().canonicalize().unwrap().join(&place);
        fs::create_dir(&work).unwrap();
        // Without a door to images: whatever is built, nobody looks for it anywhere.
        let path = std::env::var("PATH").unwrap();
        let world = World::host(folder.path()).env([("PATH".to_owned(), path)]);
        let cx = RunContext::new(world, "run").context("build:app".parse().ok(), None, Cancel::new());
        let store = if to_daemon { Store::Daemon(endpoint.clone()) } else { Store::Registry };
        let target = Target::new(store, repository.as_str(), Tag::parse("t").unwrap());
        let digest = Digest::parse(format!("sha256:{}", "1".repeat(64))).unwrap();
        let base = Image::new("base", Store::Registry, repository.as_str(), digest);
        let request = BuildRequest::new(
            Artifact::new(repository.as_str(), place.as_str()),
            target.clone(),
            Fingerprint::parse("0".repeat(64)).unwrap(),
        )
        .requires(BTreeMap::from([("BASE".to_owned(), base.clone())]));
        let custom = Custom::new(CustomConfig::new(DUMP)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // It builds nothing, so that there is nothing to find afterwards.
        prop_assert!(runtime.block_on(custom.build(&cx, &request)).is_err());
        let dumped = fs::read_to_string(work.join("dumped")).unwrap();
        let told: Vec<&str> = dumped.split('\0').collect();
        let place = work.to_str().unwrap();
        let (reference, base) = (target.reference(), base.reference());
        let expected = [
            reference.as_str(),
            &repository,
            "t",
            if to_daemon { "false" } else { "true" },
            place,
            "",
            &base,
            if to_daemon { &endpoint } else { "" },
            place,
            "",
        ];
        prop_assert_eq!(told, expected);
        prop_assert_eq!(fs::read_dir(&work).unwrap().count(), 1, "something was made");
        prop_assert!(!folder.path().join("sprung").exists());
    }
}
