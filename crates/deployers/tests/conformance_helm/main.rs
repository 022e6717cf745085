//! The deployer `helm`, with helm 3 and with helm 4, on a real cluster against every clause for deployers.

#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a test")]

#[expect(dead_code, reason = "other programs need more of it")]
#[path = "../../../../tests/support/cluster.rs"]
mod cluster;
mod machine;
#[expect(dead_code, reason = "other programs need more of it")]
#[path = "../../../../tests/support/proxy.rs"]
mod proxy;
#[path = "../../../../tests/support/skip.rs"]
mod skip;
mod target;

use std::{env, fs, process::ExitCode, time::Duration};

use machine::OnThisMachine;
use serde_json::{Value, json};
use shipway_core::{Digest, Image, Release, Store};
use target::Target;

/// A workload of which the test is the controller: a pod that no scheduler takes.
fn workload() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {
        "schedulerName": "nobody", "automountServiceAccountToken": false,
        "containers": [{"name": "web", "image": "hello"}]}})
}

fn main() -> ExitCode {
    let mut failed = false;
    for variable in ["SHIPWAY_HELM3", "SHIPWAY_HELM4"] {
        let Ok(program) = env::var(variable) else {
            skip::skip("conformance_helm", &format!("helm: {variable}"));
            continue;
        };
        if cluster::kubeconfig().is_none() {
            skip::skip("conformance_helm", "a cluster: SHIPWAY_KUBECONFIG");
            return ExitCode::SUCCESS;
        }
        failed |= conforms(program) != ExitCode::SUCCESS;
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn conforms(program: String) -> ExitCode {
    let digest = Digest::parse(format!("sha256:{}", "1".repeat(64))).unwrap();
    let image = Image::new("hello", Store::Registry, "registry.example/hello", digest);
    let suite = shipway_testkit::deployer(Target::new, move |target| OnThisMachine::new(target, &program))
        // Where it goes to is the target's: each has a namespace of its own.
        .release(Release::new("hello").images(vec![image]))
        .deadline(Duration::from_secs(600))
        .world(|world| {
            let folder = world.root.join("chart/templates");
            fs::create_dir_all(&folder).unwrap();
            fs::write(world.root.join("chart/Chart.yaml"), "apiVersion: v2\nname: hello\nversion: 1.0.0\n")
                .unwrap();
            fs::write(folder.join("web.yaml"), workload().to_string()).unwrap();
            let settings = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"},
                "data": {"colour": "blue"}});
            fs::write(folder.join("settings.yaml"), settings.to_string()).unwrap();
            world
        });
    suite.main()
}
