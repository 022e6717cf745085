//! The quickstart, as its README has it.

use std::{env, process::Command};

use crate::skip;

#[test]
fn the_quickstart_releases_to_a_cluster_where_its_site_answers() {
    let test = "the_quickstart_releases_to_a_cluster_where_its_site_answers";
    let Some(kubeconfig) = env::var_os("SHIPWAY_KUBECONFIG") else {
        return skip::skip(test, "a cluster: SHIPWAY_KUBECONFIG");
    };
    let context = env::var("SHIPWAY_KUBE_CONTEXT").unwrap_or_else(|_| "shipway-bed".to_owned());
    // Tests have no program of an example's beside them; features as those of the tests, so that it is built once.
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["run", "--quiet", "--all-features", "--package", "shipway", "--example", "quickstart", "--"])
        .args(["--kube-context", &context])
        .env("KUBECONFIG", kubeconfig)
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    let answers: Vec<&str> = out.lines().filter_map(|line| line.strip_prefix("The site answers: ")).collect();
    assert_eq!(answers, ["<h1>Hello</h1>", "<h1>Hello, harbour</h1>", "<h1>Hello, harbour</h1>"], "{out}");
    assert!(out.contains("container `site` cannot start") && out.contains("/usr/bin/httpd"), "{out}");
}
