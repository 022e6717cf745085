//! A changed source file until its pod is ready, and beside it `kubectl set image` to an image that is pushed already.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use shipway::{
    Artifact, Build, Cancel, Deploy, Driver, FixedCredentials, HostDisk, Image, ObjectId, Pipeline, Release,
    Report, RunContext,
    builders::{Native, NativeConfig},
    cluster::{Api, Cluster},
    deployers::Kubectl,
    oci::Registry,
};

/// The tasks whose time is told; the last two come after the pod is ready.
const PARTS: [&str; 7] = [
    "build:app",
    "render:ours",
    "diff:ours",
    "apply:ours",
    "health:ours",
    "diff:ours/settle",
    "apply:ours/settle",
];

/// Measures both in turn, in a namespace of the context's cluster that is removed again. `base` has a shell.
pub(crate) fn run(
    kubeconfig: &Path,
    context: &str,
    kubectl: &str,
    base: &str,
    rounds: usize,
) -> Vec<(String, f64)> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let folder = std::env::temp_dir().join(format!("shipway-bench-release-{}", std::process::id()));
    let times = runtime.block_on(measure(&folder, kubeconfig, context, kubectl, base, rounds));
    fs::remove_dir_all(&folder).expect("removed");
    times
}

async fn measure(
    folder: &Path,
    kubeconfig: &Path,
    context: &str,
    kubectl: &str,
    base: &str,
    rounds: usize,
) -> Vec<(String, f64)> {
    let sources = folder.join("sources");
    fs::create_dir_all(&sources).expect("a folder");
    let namespace = format!("bench-release-{}", std::process::id());
    let text = fs::read_to_string(kubeconfig).expect("a kubeconfig");
    let world = shipway::host(&sources).credentials(FixedCredentials::new().cluster(context, text));
    let cx = RunContext::new(world.clone(), "bench").context(None, None, Cancel::new());
    let cluster = Cluster::open(&cx, context).await.expect("a cluster");
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    cluster.create(&cx, "bench", &object).await.expect("a namespace");
    let registry = Registry::start(folder.join("registry"), Arc::new(HostDisk)).await.expect("a registry");

    let dockerfile = format!("FROM {base}\nCOPY text /text\nENTRYPOINT [\"sleep\", \"3600\"]\n");
    fs::write(sources.join("Dockerfile"), dockerfile).expect("written");
    fs::write(sources.join("ours.yaml"), deployment("ours", "app").to_string()).expect("written");
    let native = Arc::new(Native::new(NativeConfig::default().dockerfile("Dockerfile")).expect("options"));
    let build = |repository: &str| {
        Build::new(
            Artifact::new("app", "."),
            format!("{}/{repository}", registry.host()),
            Arc::clone(&native) as _,
        )
    };
    let deployer = Kubectl::new(context).namespace(namespace.as_str()).manifests(["ours.yaml"]);
    let ours = Pipeline::new("ours")
        .build(build("ours"))
        .deploy(Deploy::new(Release::new("ours"), Arc::new(deployer)));
    let theirs = Pipeline::new("theirs").build(build("theirs"));
    let driver = Driver::new(world);
    let release = async |pipeline: &Pipeline, text: String| -> Report {
        fs::write(sources.join("text"), text).expect("written");
        driver.run(pipeline, &Cancel::new()).await.and_then(Report::into_result).expect("released")
    };
    let image = |report: &Report| report.image("app").map(Image::reference).expect("an image");
    let set = |words: &[&str]| {
        let mut command = Command::new(kubectl);
        command.arg("--kubeconfig").arg(kubeconfig).args(["--namespace", namespace.as_str()]).args(words);
        let output = command.output().expect("kubectl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };

    release(&ours, "first".to_owned()).await;
    let first = image(&release(&theirs, "first of theirs".to_owned()).await);
    let object = deployment("theirs", &first);
    let mut object_in = object.clone();
    object_in["metadata"]["namespace"] = namespace.as_str().into();
    cluster.create(&cx, "bench", &object_in).await.expect("made");
    set(&["rollout", "status", "deployment/theirs"]);

    let mut times: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for round in 0..rounds {
        // What is pushed already is new to the node as ours is.
        let pushed = image(&release(&theirs, format!("theirs {round}")).await);
        let begun = Instant::now();
        set(&["set", "image", "deployment/theirs", &format!("app={pushed}")]);
        set(&["rollout", "status", "deployment/theirs"]);
        times.entry("kubectl set image").or_default().push(begun.elapsed().as_secs_f64());

        let begun = SystemTime::now();
        let report = release(&ours, format!("ours {round}")).await;
        let task = |name: &str| {
            let task = report.state.tasks.iter().find(|(id, _)| id.to_string() == name).map(|(_, task)| task);
            let task = task.unwrap_or_else(|| panic!("no task `{name}`"));
            (task.started.map_or(0, |at| at.0), task.finished.map_or(0, |at| at.0))
        };
        let begun = begun.duration_since(UNIX_EPOCH).expect("a calendar").as_millis() as u64;
        let ready = task("health:ours").1.saturating_sub(begun);
        times.entry("shipway").or_default().push(ready as f64 / 1000.0);
        for part in PARTS {
            let (started, finished) = task(part);
            times.entry(part).or_default().push(finished.saturating_sub(started) as f64 / 1000.0);
        }
    }
    cluster.delete(&cx, &ObjectId::new("v1", "Namespace", namespace.as_str()), None).await.expect("removed");
    registry.shutdown().await;
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let name = |name: &str| name.replace(":ours", "").replace(":app", "");
    times.into_iter().map(|(part, taken)| (name(part), median(taken))).collect()
}

/// A deployment of one pod, which is replaced at once and is ready when it runs.
fn deployment(name: &str, image: &str) -> Value {
    let labels = json!({"app": name});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {
                "terminationGracePeriodSeconds": 0, "containers": [{"name": "app", "image": image}],
            }},
        },
    })
}
