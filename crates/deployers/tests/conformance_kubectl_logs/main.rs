//! The log readers `kubectl`, alone and behind `gitops`, and `helm` on a real cluster against every clause for log readers. What
//! they read is the same: a chart's objects are objects like others.

#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a test")]

#[expect(dead_code, reason = "other programs need more of it")]
#[path = "../../../../tests/support/cluster.rs"]
mod cluster;
#[path = "../../../../tests/support/skip.rs"]
mod skip;
mod target;

use std::{env, process::ExitCode, time::Duration};

use serde_json::json;
use shipway_core::{Catalog, FixedCredentials, LogReader, PluginConfig};
use shipway_deployers::{GitopsLogs, GitopsLogsConfig, Helm, KubectlConfig};
use target::Target;

/// Returns the reader of what is deployed by way of git.
fn gitops(target: &Target) -> GitopsLogs {
    let inner = json!({"kind": "kubectl", "options": {
        "kubeContext": target.context, "defaultNamespace": target.namespace()}});
    let config: GitopsLogsConfig = serde_json::from_value(json!({ "deployer": inner })).unwrap();
    config.into_plugin(&Catalog::new().with_log_reader::<KubectlConfig>()).unwrap()
}

fn check<L: LogReader>(
    kubeconfig: &str,
    image: &str,
    factory: impl Fn(&Target) -> L + Send + Sync + 'static,
) -> ExitCode {
    let (_, context) = cluster::kubeconfig().unwrap();
    let (image, kubeconfig) = (image.to_owned(), kubeconfig.to_owned());
    shipway_testkit::log_reader(move || Target::new(&image), factory)
        .deadline(Duration::from_secs(180))
        .world(move |world| world.credentials(FixedCredentials::new().cluster(&context, kubeconfig.as_str())))
        .main()
}

fn main() -> ExitCode {
    let (Some((kubeconfig, _)), Ok(registry)) = (cluster::kubeconfig(), env::var("SHIPWAY_KUBE_REGISTRY"))
    else {
        skip::skip("conformance_kubectl_logs", "a cluster: SHIPWAY_KUBECONFIG and SHIPWAY_KUBE_REGISTRY");
        return ExitCode::SUCCESS;
    };
    let image = format!("{registry}/bases/busybox:local");
    let helm = |target: &Target| Helm::new(target.context.as_str(), "chart").namespace(target.namespace());
    for checked in [
        check(&kubeconfig, &image, |target| target.kubectl.clone()),
        check(&kubeconfig, &image, gitops),
        check(&kubeconfig, &image, helm),
    ] {
        if checked != ExitCode::SUCCESS {
            return checked;
        }
    }
    ExitCode::SUCCESS
}
