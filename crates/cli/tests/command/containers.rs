//! `verify` and `exec`, with containers of a Docker engine, whose endpoint `SHIPWAY_BED_DOCKER` names.

use std::{env, fs};

use crate::{
    bench::{Bench, text},
    skip::skip,
};

fn configuration(registry: &str) -> String {
    format!(
        "apiVersion: skaffold/v4beta14
kind: Config
build:
  tagPolicy: {{inputDigest: {{}}}}
  insecureRegistries: [\"{registry}\"]
  artifacts: [{{image: checks, context: .}}]
verify:
- name: greets
  container: {{name: greets, image: checks, args: [greets], env: [{{name: NAME, value: world}}]}}
- name: parts
  container: {{name: parts, image: checks, command: [sh, /check], args: [parts]}}
customActions:
- name: migrate
  containers:
  - {{name: up, image: checks, args: [greets]}}
  - {{name: other, image: {registry}/bases/busybox:local, command: [sh, -c, echo from another image]}}
"
    )
}

const CHECK: &str = "case $1 in greets) echo hello $NAME;; parts) echo who is there >&2; exit 3;; esac\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_proves_a_deployment_is_told_to_people_and_to_ci() {
    let (Ok(endpoint), Ok(registry)) = (env::var("SHIPWAY_BED_DOCKER"), env::var("SHIPWAY_BED_REGISTRY"))
    else {
        skip("command::containers::what_proves_a_deployment_is_told_to_people_and_to_ci", "docker");
        return;
    };
    let bench = Bench::new(&configuration(&registry)).await;
    bench.write("check", CHECK);
    let dockerfile =
        format!("FROM {registry}/bases/busybox:local\nCOPY check /check\nENTRYPOINT [\"sh\", \"/check\"]\n");
    bench.write("Dockerfile", &dockerfile);
    bench.write("vars.env", "# for these checks\nNAME=CI\n");
    let own = format!("{registry}/verify-{}", std::process::id());
    let around = format!("-d {own} --builder native --docker-host {endpoint}");
    let run = async |line: &str, code: i32| {
        let output = bench.run(&format!("{line} {around}")).await;
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{line}: {out}{err}");
        format!("{out}{err}")
    };

    let told = run("verify --junit verified.xml --env-file vars.env", 1).await;
    assert!(told.contains("hello CI") && told.contains("who is there"), "{told}");
    let junit = fs::read_to_string(bench.project().join("verified.xml")).unwrap();
    assert!(junit.contains("tests=\"2\" failures=\"1\""), "{junit}");
    assert!(junit.contains("<testcase name=\"greets\"") && junit.contains("exit code 3"), "{junit}");

    // The image is there already: as `build` says it, and without a build.
    run("build --file-output builds.json", 0).await;
    fs::remove_file(bench.project().join("Dockerfile")).unwrap();
    let told = run("exec migrate -a builds.json --env-file vars.env --junit done.xml", 0).await;
    assert!(told.contains("hello CI") && told.contains("from another image"), "{told}");
    let junit = fs::read_to_string(bench.project().join("done.xml")).unwrap();
    assert!(junit.contains("tests=\"2\" failures=\"0\""), "{junit}");
    let told = run("exec migrat -a builds.json", 2).await;
    assert!(told.contains("did you mean `migrate`?"), "{told}");
}
