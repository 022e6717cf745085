//! What a user says once for all projects, and what a trusted configuration runs.

use std::fs;

use crate::bench::{Bench, CONFIGURATION, ended, text};

/// Builds, and returns the repository and tag of what was built.
async fn built(bench: &Bench, flags: &str, config: Option<&str>) -> String {
    let line = format!("build --builder native {flags}");
    let mut command = bench.command(line.trim_end());
    command.envs(config.map(|config| ("SKAFFOLD_CONFIG", config)));
    let output = ended(command).await;
    let out = text(&output.stdout);
    assert!(output.status.success(), "{out}{}", text(&output.stderr));
    let (_, image) =
        out.lines().find_map(|line| line.split_once("web -> ")).unwrap_or_else(|| panic!("{out}"));
    let name = image.split('@').next().unwrap_or_default().replace(&bench.registry.host(), "REGISTRY");
    name + image.split_once(" (tag ").map_or("", |(_, tag)| tag.trim_end_matches(')'))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_global_configuration_says_where_images_go_unless_a_flag_does() {
    let bench = Bench::new(CONFIGURATION).await;
    let host = bench.registry.host();
    let global = format!(
        "global: {{default-repo: {host}/mine}}\nkubeContexts:\n- {{kube-context: pro.*, default-repo: {host}/prod}}\n"
    );
    bench.write("../.skaffold/config", &global);
    bench.write("other", &format!("global: {{default-repo: {host}/other}}"));
    for (flags, config, expected) in [
        ("-t v1", None, "REGISTRY/mine/webv1"),
        ("-t v1 --kube-context production", None, "REGISTRY/prod/webv1"),
        ("-t v1 -d REGISTRY/flag", None, "REGISTRY/flag/webv1"),
        ("-t v1", Some("other"), "REGISTRY/other/webv1"),
        ("-t v1 -c ../.skaffold/config", Some("other"), "REGISTRY/mine/webv1"),
    ] {
        assert_eq!(built(&bench, flags, config).await, expected, "{flags} {config:?}");
    }
    let output = bench.run("plan -c none").await;
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains("cannot read `none`") && said.contains("`--config`"), "{said}");
    bench.write("other", "global: {default-rep: a}");
    let output = bench.run("plan -c other").await;
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(text(&output.stderr), @r"
    error: other:1:10: there is no field `default-rep` here
      1 | global: {default-rep: a}
        |          ^^^^^^^^^^^
      hint: did you mean `default-repo`?
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_holds_for_all_projects_is_set_and_said() {
    let bench = Bench::new(CONFIGURATION).await;
    let file = bench.project().join("../.skaffold/config");
    let said = async |line: &str| {
        let output = bench.run(line).await;
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let ok = |out: &str| (Some(0), out.to_owned(), String::new());
    // The folder and the file are made.
    assert_eq!(said("config set default-repo REGISTRY/mine").await.0, Some(0));
    assert_eq!(built(&bench, "-t v1", None).await, "REGISTRY/mine/webv1");
    fs::write(&file, format!("# mine\n{}", fs::read_to_string(&file).unwrap())).unwrap();
    let host = bench.registry.host();
    assert_eq!(
        said("config set -k pro.* default-repo REGISTRY/prod").await,
        ok(&format!("`default-repo` is `{host}/prod` for context `pro.*`\n"))
    );
    assert_eq!(
        said("config set --kube-context production local-cluster f").await,
        ok("`local-cluster` is `false` for contexts like `pro.*`, as `production` is one\n")
    );
    assert_eq!(said("config set insecure-registries a.io --global").await.0, Some(0));
    assert_eq!(said("config set insecure-registries b.io").await.0, Some(0));
    assert_eq!(built(&bench, "-t v1 --kube-context production --push", None).await, "REGISTRY/prod/webv1");
    assert_eq!(said("config get default-repo").await, ok(&format!("{host}/mine\n")));
    assert_eq!(said("config get default-repo -k production").await, ok(&format!("{host}/prod\n")));
    assert_eq!(said("config get insecure-registries -k production").await, ok("a.io\nb.io\n"));
    let (_, all, _) = said("config list --all").await;
    assert_eq!(all, fs::read_to_string(&file).unwrap());
    insta::assert_snapshot!(all.replace(&host, "REGISTRY"), @r"
    # mine
    global:
      default-repo: REGISTRY/mine
      insecure-registries:
        - a.io
        - b.io
    kubeContexts:
      - kube-context: pro.*
        default-repo: REGISTRY/prod
        local-cluster: false
    ");
    let (_, section, _) = said("config list -k production").await;
    insta::assert_snapshot!(section.replace(&host, "REGISTRY"), @r"
    kube-context: pro.*
    default-repo: REGISTRY/prod
    local-cluster: false
    ");
    assert_eq!(
        said("config unset insecure-registries").await,
        ok("`insecure-registries` is not set for all contexts\n")
    );
    assert_eq!(said("config list").await, ok(&format!("default-repo: {host}/mine\n")));
    let (code, _, err) = said("config set collect-metrics false").await;
    assert_eq!(
        (code, err.as_str()),
        (
            Some(0),
            "warning: `collect-metrics` has no effect here: it is for Skaffold, which reads the same file\n"
        )
    );
    let (code, out, err) = said("config get k3d-disable-load").await;
    assert_eq!((code, out.as_str(), err.as_str()), (Some(2), "", "error: `k3d-disable-load` is not set\n"));
    let (code, out, err) = said("config list -k staging").await;
    assert_eq!((code, out.as_str()), (Some(0), ""));
    assert!(err.ends_with(".skaffold/config` says nothing of context `staging`\n"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_set_for_all_projects_is_told() {
    let bench = Bench::new(CONFIGURATION).await;
    let refused = async |line: &str| {
        let output = bench.run(line).await;
        assert_eq!(text(&output.stdout), "", "{line}");
        format!("{}: {}", output.status.code().unwrap(), text(&output.stderr))
    };
    insta::assert_snapshot!(refused("config set default-rep a.io").await, @r"
    2: error: there is no key `default-rep`
      hint: did you mean `default-repo`?
    ");
    insta::assert_snapshot!(refused("config set local-cluster maybe").await, @r"
    2: error: `maybe` is no value of `local-cluster`
      hint: it is `true` or `false`
    ");
    insta::assert_snapshot!(refused("config set default-repo a.io -c web/run/config").await, @r"
    2: error: cannot read `web/run/config`
      because: Not a directory (os error 20)
      hint: say where the configuration is with `--config`
    ");
    assert!(
        refused("config set default-repo a.io -g -k a")
            .await
            .starts_with("2: error: the argument '--global'")
    );
    bench.write("other", "globl: {}");
    insta::assert_snapshot!(refused("config set default-repo a.io -c other").await, @r"
    2: error: other:1:1: there is no field `globl` here
      hint: did you mean `global`?
    ");
    insta::assert_snapshot!(refused("config list -c other").await, @r"
    2: error: other:1:1: there is no field `globl` here
      hint: did you mean `global`?
    ");
    let mut command = bench.command("config set default-repo a.io");
    command.env_remove("HOME");
    insta::assert_snapshot!(text(&ended(command).await.stderr), @r"
    error: there is no home for what holds for all projects
      hint: set `HOME`, or name a file with `--config`
    ");
    // One that begins elsewhere is none, here as where the file is read.
    let mut command = bench.command("config set default-repo a.io");
    command.env("HOME", "here");
    assert!(
        text(&ended(command).await.stderr)
            .starts_with("error: there is no home for what holds for all projects\n")
    );
    // A home that nothing can be written to.
    let mut command = bench.command("config set default-repo a.io");
    command.env("HOME", "/proc");
    let output = ended(command).await;
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!(text(&output.stderr), @r"
    error: cannot make `/proc/.skaffold`
      because: No such file or directory (os error 2)
      hint: name a file elsewhere with `--config`
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_of_templates_run_in_the_project() {
    let policy = r#"envTemplate: {template: '{{cmd "sh" "-c" "cat version; echo $HOME >&2"}}'}"#;
    let bench = Bench::new(&CONFIGURATION.replace("inputDigest: {}", policy)).await;
    bench.write("version", "v7\n");
    assert_eq!(built(&bench, "-d REGISTRY/team", None).await, "REGISTRY/team/webv7");
}
