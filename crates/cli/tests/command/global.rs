//! What a user says once for all projects, and what a trusted configuration runs.

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
async fn commands_of_templates_run_in_the_project() {
    let policy = r#"envTemplate: {template: '{{cmd "sh" "-c" "cat version; echo $HOME >&2"}}'}"#;
    let bench = Bench::new(&CONFIGURATION.replace("inputDigest: {}", policy)).await;
    bench.write("version", "v7\n");
    assert_eq!(built(&bench, "-d REGISTRY/team", None).await, "REGISTRY/team/webv7");
}
