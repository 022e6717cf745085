//! The samples run: from the file as it stands, through a plan, to an image in a registry. And the kinds that
//! there are read what they are handed.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "the tests write sources")]

use std::{fs, path::Path, process::Command, sync::Arc};

use shipway_builders::{CustomConfig, DockerConfig, NativeConfig};
use shipway_config::{Dockerfiles, Options, Skaffold, Trust};
use shipway_core::{
    Cancel, Catalog, Driver, ErrorKind, HostDisk, RunContext, RunOutcome, Store, Tag, Verdict, World,
};
use shipway_oci::{Registry, Stores};
use shipway_testers::{CommandTestConfig, StructureConfig};

fn read(name: &str, text: &str, options: &Options) -> shipway_core::Result<shipway_config::Loaded> {
    Skaffold::read(name, text, options.clone(), &catalog())?.pipeline(&catalog())
}

fn catalog() -> Catalog {
    Catalog::new()
        .with_builder::<NativeConfig>()
        .with_builder::<CustomConfig>()
        .with_builder::<DockerConfig>()
        .merge(shipway_taggers::catalog())
        .with_tester::<CommandTestConfig>()
        .with_tester::<StructureConfig>()
}

/// What the samples' artifact is made of.
fn sources(context: &Path) {
    fs::create_dir_all(context.join("src")).unwrap();
    fs::write(context.join("Dockerfile"), "FROM scratch\nCOPY src /src\nCMD [\"node\", \"/src/index.js\"]\n")
        .unwrap();
    fs::write(context.join("src/index.js"), "console.log('hello')\n").unwrap();
}

/// Makes a repository of a folder, with one commit that has a tag.
fn repository(folder: &Path) {
    let script = "git init -q && git add -A && git -c user.name=a -c user.email=a@example.com commit -qm a && git tag v1.2.3";
    let made = Command::new("sh").args(["-c", script]).current_dir(folder).status().unwrap();
    assert!(made.success(), "git makes a repository");
}

#[tokio::test]
async fn the_samples_load_plan_and_build() {
    for (name, text, context, profiles) in [
        ("skaffold-datetime.yaml", include_str!("skaffold/samples/skaffold-datetime.yaml"), "", &[][..]),
        (
            "skaffold-profiles.yaml",
            include_str!("skaffold/samples/skaffold-profiles.yaml"),
            "backend",
            &["production"][..],
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        sources(&folder.path().join("work").join(context));
        repository(&folder.path().join("work"));
        let registry =
            Registry::builder(folder.path().join("registry"), Arc::new(HostDisk)).start().await.unwrap();
        let options = Options::default()
            .default_repo(registry.address().to_string())
            .dockerfiles(Dockerfiles::Native)
            .profiles(profiles.iter().copied());
        let loaded = read(name, text, &options).unwrap();
        let world = World::host(folder.path().join("work")).images(Stores::new());
        let driver = Driver::new(world);
        let observed = driver.observe(&loaded.pipeline, &Cancel::new()).await.unwrap();
        let plan = Driver::plan(&loaded.pipeline, &observed).unwrap();
        assert!(plan.tasks.iter().any(|task| matches!(task.verdict, Verdict::Run { .. })), "{plan:?}");
        let report = driver.execute(&loaded.pipeline, &plan, &Cancel::new()).await.unwrap();
        assert_eq!(report.outcome, RunOutcome::Succeeded, "{report}");
        let image = report.image("gcr.io/terrycho-personal/node-example").unwrap();
        let expected = format!("{}/gcr_io_terrycho-personal_node-example", registry.address());
        assert_eq!((image.repository.as_str(), &image.store), (expected.as_str(), &Store::Registry));
        let tag = image.tag.as_ref().map(Tag::as_str).unwrap_or_default();
        match name {
            // The form that the scenario shows: `2019-06-26_23-22-58.301_KST`.
            "skaffold-datetime.yaml" => assert!(tag.len() > 19 && tag.matches('_').count() == 2, "{tag}"),
            _ => assert_eq!(tag, "v1.2.3"),
        }
        registry.shutdown().await;
    }
}

/// Every field that Skaffold's words have and a kind reads.
#[test]
fn the_kinds_read_what_they_are_handed() {
    let text = "
apiVersion: skaffold/v4beta14
kind: Config
build:
  tagPolicy: {inputDigest: {}}
  local: {useBuildkit: true}
  artifacts:
  - image: web
    docker:
      dockerfile: D
      target: run
      buildArgs: {A: 1.10, B: , C: true}
      cacheFrom: [cache]
      noCache: true
      pullParent: true
      network: host
      addHost: ['a:127.0.0.1']
      squash: false
      secrets: [{id: a, src: token}, {id: b, env: B}]
      ssh: default
  - image: tool
    custom:
      buildCommand: ./build.sh
      dependencies: {dockerfile: {path: D, buildArgs: {A: 1, B: }}}
  - image: other
    custom: {buildCommand: make, dependencies: {paths: [a], ignore: [b]}}
test:
- image: web
  context: web
  structureTests: ['*.yaml']
  custom: [{command: ./test, timeoutSeconds: 3, dependencies: {paths: [test], ignore: [a]}}, {command: b}]
";
    let options = Options::default().trust(Trust::Full);
    let loaded = read("skaffold.yaml", text, &options).unwrap();
    let build = &loaded.pipeline.builds[0];
    assert_eq!(build.testers.keys().collect::<Vec<_>>(), ["command", "command-2", "structure"]);
    let builder = format!("{:?}", build.builder);
    assert!(builder.contains("1.10") && builder.contains("buildkit: Some(true)"), "{builder}");
    let native = Options::default().dockerfiles(Dockerfiles::Native);
    let body = "{apiVersion: skaffold/v4beta14, kind: Config, build: {artifacts: [{image: web, docker: {target: a, buildArgs: {A: 1}}}], tagPolicy: {inputDigest: {}}}}";
    assert!(read("skaffold.yaml", body, &native).is_ok());
    for policy in [
        "{gitCommit: {variant: AbbrevTreeSha, prefix: v, ignoreChanges: true}}",
        "{sha256: {}}",
        "{dateTime: {format: '2006', timezone: UTC}}",
        "{envTemplate: {template: '{{.A}}'}}",
        "{customTemplate: {template: '{{.A}}-{{.B}}', components: [{name: A, gitCommit: {variant: CommitSha}}, \
         {name: B, envTemplate: {template: '{{.C}}'}}, {name: D, dateTime: {}}, {name: E, sha256: {}}]}}",
    ] {
        let text = format!(
            "{{apiVersion: skaffold/v4beta14, kind: Config, build: {{artifacts: [{{image: web}}], tagPolicy: {policy}}}}}"
        );
        let loaded = read("skaffold.yaml", &text, &Options::default());
        assert!(loaded.is_ok(), "{policy}: {loaded:?}");
    }
}

#[tokio::test]
async fn commands_of_templates_run_once_each_and_only_for_who_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::host(folder.path())
        .env([("PATH".to_owned(), std::env::var("PATH").unwrap()), ("WHO".to_owned(), "you".to_owned())]);
    let cx = RunContext::new(world, "read").context(None, None, Cancel::new());
    // What the first printed is a word of the second.
    let text = r#"
apiVersion: skaffold/v4beta14
kind: Config
build:
  artifacts:
  - image: web
    docker:
      buildArgs:
        A: '{{cmd "sh" "-c" "echo ran >> log; echo \"  $WHO  \""}}'
        B: '{{cmd "sh" "-c" "echo ran >> log; echo \"  $WHO  \"" | cmd "sh" "-c" "echo hello, $0" | upper}}'
  tagPolicy: {envTemplate: {template: 'v-{{cmd "sh" "-c" "echo {{"}}'}}
"#;
    let read = async |text: &str, trust: Trust| {
        let options = Options::default().trust(trust).env("SECRET", "s3cr3t");
        let mut skaffold = Skaffold::read("skaffold.yaml", text, options, &catalog())?;
        skaffold.run_commands(&cx).await?;
        skaffold.pipeline(&catalog())
    };
    let error = read(text, Trust::Untrusted).await.unwrap_err();
    assert_eq!(error.report().location.as_ref().unwrap().to_string(), "skaffold.yaml:11:39");
    assert!(!folder.path().join("log").exists());
    let build = read(text, Trust::Full).await.unwrap().pipeline.builds.remove(0);
    let builder = format!("{:?}", build.builder);
    assert!(
        builder.contains(r#""A": Some("you")"#) && builder.contains(r#""B": Some("HELLO, YOU")"#),
        "{builder}"
    );
    assert!(format!("{:?}", build.tagger).contains(r#"v-{{\"{{\"}}"#), "{:?}", build.tagger);
    assert_eq!(fs::read_to_string(folder.path().join("log")).unwrap(), "ran\n");

    // Nothing of the words or of what is printed is told.
    for (command, kind) in [
        (r#"cmd "sh" "-c" "echo $0; echo $0 >&2; exit 7" .SECRET"#, ErrorKind::ToolFailed),
        (r#"cmd (printf "no-such-program-%s" .SECRET)"#, ErrorKind::MissingTool),
    ] {
        let text = format!(
            "apiVersion: skaffold/v4beta14\nkind: Config\nmanifests: {{rawYaml: ['{{{{{command}}}}}']}}"
        );
        let error = read(&text, Trust::Full).await.unwrap_err();
        let shown = format!("{} {error:?}", error.report());
        assert!(error.kind() == kind && shown.starts_with("skaffold.yaml:3:23: "), "{shown}");
        assert!(!shown.contains("s3cr3t"), "{shown}");
    }
    // A file cannot ask for commands without end.
    let text = "apiVersion: skaffold/v4beta14\nkind: Config\nmanifests: {rawYaml: ['{{range until 200}}{{cmd \"true\" (toString .)}}{{end}}']}";
    let error = read(text, Trust::Full).await.unwrap_err();
    assert!(error.to_string().contains("more than 100 commands"), "{error}");
}
