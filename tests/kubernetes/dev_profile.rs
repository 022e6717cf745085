//! The sample's profile `dev`, which builds into a Docker engine and pushes nothing: its image is brought to the node,
//! and the pod that runs there names it by its id.

use std::{env, fs, path::Path, process::Command};

use serde_json::Value;
use shipway::{
    Cancel, Driver, FixedCredentials, RunOutcome, Store, World, catalog,
    config::{Options, Skaffold},
    docker::DaemonStores,
    oci::Stores,
};
use shipway_cluster::{Api, Selector};

use crate::{cluster, cluster::Bed, skip::skip};

const SAMPLE: &str = include_str!("../../crates/config/tests/skaffold/samples/skaffold-profiles.yaml");
const IMAGE: &str = "gcr.io/terrycho-personal/node-example";

/// What the sample leaves to its repository: the image's sources, and manifests where Skaffold looks for them.
fn sources(root: &Path, base: &str) {
    fs::create_dir_all(root.join("backend/src")).unwrap();
    fs::create_dir_all(root.join("k8s")).unwrap();
    let dockerfile = format!("FROM {base}\nCOPY src /src\nCMD [\"sh\", \"/src/index.js\"]\n");
    fs::write(root.join("backend/Dockerfile"), dockerfile).unwrap();
    fs::write(root.join("backend/src/index.js"), "echo the sample runs\nexec sleep 600\n").unwrap();
    let manifest = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: node}}\nspec:\n  selector: {{matchLabels: {{app: node}}}}\n  \
         template:\n    metadata: {{labels: {{app: node}}}}\n    spec:\n      terminationGracePeriodSeconds: 0\n      \
         containers: [{{name: node, image: {IMAGE}, imagePullPolicy: Always}}]\n"
    );
    fs::write(root.join("k8s/node.yaml"), manifest).unwrap();
    let script = "git init -q && git add -A && git -c user.name=a -c user.email=a@example.com commit -qm a";
    assert!(Command::new("sh").args(["-c", script]).current_dir(root).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_samples_profile_without_a_push_ends_in_a_running_pod() {
    let test = "the_samples_profile_without_a_push_ends_in_a_running_pod";
    let Some(docker) = env::var("SHIPWAY_BED_DOCKER").ok() else { return skip(test, "docker") };
    let Some(bed) = Bed::up(test).await else { return };
    let (kubeconfig, context) = cluster::kubeconfig().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let registry = env::var("SHIPWAY_BED_REGISTRY").unwrap();
    sources(folder.path(), &format!("{registry}/bases/busybox:local"));

    let mut options = Options::default()
        .profiles(["dev"])
        .kube_context(&context)
        .namespace(&bed.namespace)
        .docker_endpoint(&docker);
    // The bed's node is no cluster that its context's name tells.
    if let Ok(containerd) = env::var("SHIPWAY_BED_CONTAINERD") {
        options = options.image_loader([
            "ctr",
            "--address",
            &containerd,
            "--namespace",
            "k8s.io",
            "images",
            "import",
        ]);
    }
    let loaded = Skaffold::read("skaffold.yaml", SAMPLE, options, &catalog())
        .and_then(|skaffold| skaffold.pipeline(&catalog()))
        .unwrap();
    let world = World::host(folder.path())
        .env(env::vars())
        .images(DaemonStores::new(Stores::new()))
        .credentials(FixedCredentials::new().cluster(&context, kubeconfig.as_str()));
    let driver = Driver::new(world);
    let report = driver.run(&loaded.pipeline, &Cancel::new()).await.unwrap();
    assert_eq!(report.outcome, RunOutcome::Succeeded, "{report}");

    let image = report.image(IMAGE).unwrap();
    assert_eq!(image.store, Store::Daemon(docker.clone()));
    let node = bed.cluster.get(&bed.cx, &bed.id("apps/v1", "Deployment", "node")).await.unwrap().unwrap();
    assert_eq!(node["status"]["availableReplicas"], 1, "{node}");
    let pods = Selector::new().kind("v1", "Pod").namespace(&bed.namespace).label("app", "node");
    let pods = bed.cluster.list(&bed.cx, &pods).await.unwrap().items;
    let [pod] = pods.as_slice() else { panic!("{pods:?}") };
    let container = &pod["spec"]["containers"][0];
    // Its name and its id; asked to pull it, the node would go to a registry that has never seen it.
    let named = format!("{IMAGE}:{}", image.digest.hex());
    assert_eq!(
        (&container["image"], &container["imagePullPolicy"]),
        (&Value::from(named), &Value::from("Never"))
    );
    let status = &pod["status"]["containerStatuses"][0];
    assert_eq!(
        (&status["ready"], status["restartCount"].as_i64()),
        (&Value::Bool(true), Some(0)),
        "{status}"
    );
    assert!(status["imageID"].as_str().is_some_and(|id| id.ends_with(image.digest.as_str())), "{status}");
    bed.down().await;
}
