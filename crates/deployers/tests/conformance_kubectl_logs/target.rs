//! A release of three containers in two pods that say what they are told to, in a namespace of a real cluster with a pod
//! of somebody else.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Mutex, OnceLock},
    thread,
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use shipway_cluster::{Api, ExecRequest, LogOptions};
use shipway_core::{
    Cancel, Deployer, Deployment, Desired, FixedCredentials, Release, RunContext, Timestamp, World,
};
use shipway_deployers::Kubectl;
use shipway_testkit::LogTarget;
use tokio::runtime::Runtime;

use crate::cluster::{Bed, kubeconfig};

/// How often it is looked whether a pod runs, or a line is in the log.
const LOOK: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(crate) struct Target {
    bed: Option<Bed>,
    pub(crate) context: String,
    pub(crate) kubectl: Kubectl,
    deployment: Deployment,
    /// How many lines each program has printed.
    printed: Mutex<BTreeMap<String, usize>>,
}

/// The namespaces outlive the runtime of a check.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}

/// Waits for work also where a runtime is at work.
fn wait<T: Send>(work: impl Future<Output = T> + Send) -> T {
    thread::scope(|scope| scope.spawn(|| runtime().block_on(work)).join().unwrap())
}

/// Returns a pod whose containers wait.
fn pod(name: &str, containers: &[&str], image: &str, script: &str) -> Value {
    let container = |name: &&str| json!({"name": name, "image": image, "command": ["sh", "-c", format!("{script}exec sleep 3600")]});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {
        "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 0,
        "containers": containers.iter().map(container).collect::<Vec<_>>()}})
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|one| one["type"] == "Ready" && one["status"] == "True")
}

impl Target {
    pub(crate) fn new(image: &str) -> Self {
        wait(Self::up(image))
    }

    async fn up(image: &str) -> Self {
        let bed = Bed::up("conformance_kubectl_logs").await.unwrap();
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": bed.namespace}});
        // No pod is made before it is there. Its controller may be faster.
        let _ = bed.cluster.create(&bed.cx, "test", &account).await;
        let mut other = pod("other", &["main"], image, "echo not of the release; ");
        other["metadata"]["namespace"] = bed.namespace.as_str().into();
        bed.cluster.create(&bed.cx, "test", &other).await.unwrap();

        let (text, context) = kubeconfig().unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("web.json"), pod("web", &["main", "side"], image, "").to_string())
            .unwrap();
        fs::write(folder.path().join("db.json"), pod("db", &["main"], image, "").to_string()).unwrap();
        let world =
            World::host(folder.path()).credentials(FixedCredentials::new().cluster(&context, text.as_str()));
        let cx = RunContext::new(world, "run").context(None, None, Cancel::new());
        let kubectl = Kubectl::new(context.as_str()).namespace(bed.namespace.as_str()).manifests(["*.json"]);
        let manifests = kubectl.render(&cx, &Release::new("shop")).await.unwrap();
        let changes = kubectl.diff(&cx, &Desired::Released { manifests, share: 100 }).await.unwrap();
        let deployment = kubectl.apply(&cx, &changes).await.unwrap();
        for name in ["web", "db", "other"] {
            let id = bed.id("v1", "Pod", name);
            while !bed.cluster.get(&bed.cx, &id).await.unwrap().is_some_and(|pod| is_ready(&pod)) {
                tokio::time::sleep(LOOK).await;
            }
        }
        Self { bed: Some(bed), context, kubectl, deployment, printed: Mutex::default() }
    }

    fn bed(&self) -> &Bed {
        self.bed.as_ref().unwrap()
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.bed().namespace
    }

    /// Returns the lines of a container's log, each with its moment before it.
    async fn log(&self, pod: &str, container: &str) -> Vec<String> {
        let Bed { cx, cluster, namespace } = self.bed();
        let options = LogOptions::new().timestamps();
        let mut logs = cluster.logs(cx, namespace, pod, Some(container), &options).await.unwrap();
        let mut lines = Vec::new();
        while let Some(line) = logs.next().await.unwrap() {
            lines.push(line);
        }
        lines
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let bed = self.bed.take().unwrap();
        wait(bed.down());
    }
}

#[async_trait]
impl LogTarget for Target {
    fn deployment(&self) -> Deployment {
        self.deployment.clone()
    }

    fn programs(&self) -> Vec<String> {
        ["web main", "web side", "db main"].map(str::to_owned).to_vec()
    }

    async fn print(&self, program: &str, line: &str) -> Timestamp {
        let (pod, container) = program.split_once(' ').unwrap();
        let Bed { cx, cluster, namespace } = self.bed();
        // As an argument: containerd 1.6 now and then loses what a command that prints nothing is to read, with `kubectl exec`
        // too.
        let script = r#"printf '%s\n' "$1" > /proc/1/fd/1"#;
        let request = ExecRequest::new(namespace, pod, ["sh", "-c", script, "sh", line]).container(container);
        let code = cluster.exec(cx, &request, |_, _| ()).await.unwrap();
        assert_eq!(code, 0, "{program} is told to print");
        let count = {
            let mut printed = self.printed.lock().unwrap();
            let count = printed.entry(program.to_owned()).or_default();
            *count += 1;
            *count
        };
        loop {
            let lines = self.log(pod, container).await;
            // The last one is there once all of it is.
            if let Some(last) = lines.get(count - 1).filter(|last| last.ends_with(line)) {
                let (at, _) = last.split_once(' ').unwrap();
                return Timestamp::parse(at).unwrap();
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
