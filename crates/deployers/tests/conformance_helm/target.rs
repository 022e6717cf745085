//! A namespace of a real cluster as the kit's target, reached by the deployer through a proxy that can be cut off.

use std::{
    collections::BTreeMap,
    io::Read,
    sync::{Arc, Mutex, OnceLock},
    thread,
};

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use shipway_cluster::{Api, Selector, object_id};
use shipway_core::ObjectId;
use shipway_testkit::DeployTarget;
use tokio::runtime::Runtime;

use crate::{
    cluster::{Bed, kubeconfig},
    proxy::{Asked, Fault, Proxy},
};

/// The kinds that the fixture, the kit and the deployer have.
const KINDS: [(&str, &str); 4] =
    [("v1", "ConfigMap"), ("v1", "Secret"), ("v1", "Pod"), ("coordination.k8s.io/v1", "Lease")];

/// What the kit sees in the place of the namespace.
const HERE: &str = "namespace-here";

/// A namespace. The kit sees what is in it as if it were in none, as the manifests are written.
#[derive(Debug)]
pub(crate) struct Target {
    bed: Option<Bed>,
    proxy: Proxy,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    requests: u64,
    writes_left: Option<u64>,
    dead: bool,
}

impl Seen {
    fn fault(&mut self, asked: &Asked) -> Fault {
        self.requests += 1;
        if asked.writes() {
            match &mut self.writes_left {
                Some(0) => self.dead = true,
                Some(left) => *left -= 1,
                None => {}
            }
        }
        // A refusal that is not worth another attempt: whoever is dead makes none.
        if self.dead { Fault::Answer(403) } else { Fault::None }
    }
}

/// The proxies outlive the runtime of a check.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}

/// Waits for work also where a runtime is at work.
fn wait<T: Send>(work: impl Future<Output = T> + Send) -> T {
    thread::scope(|scope| scope.spawn(|| runtime().block_on(work)).join().unwrap())
}

impl Target {
    pub(crate) fn new() -> Self {
        let (bed, proxy) = wait(async {
            let bed = Bed::up("conformance_helm").await.unwrap();
            let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": {"name": "default", "namespace": bed.namespace}});
            // No pod is made before it is there. Its controller may be faster.
            let _ = bed.cluster.create(&bed.cx, "test", &account).await;
            let (text, name) = kubeconfig().unwrap();
            (bed, Proxy::start(&text, &name).await)
        });
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let sees = Arc::clone(&seen);
        proxy.set(move |asked| sees.lock().unwrap().fault(asked));
        Self { bed: Some(bed), proxy, seen }
    }

    fn bed(&self) -> &Bed {
        self.bed.as_ref().unwrap()
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.bed().namespace
    }

    pub(crate) fn kubeconfig(&self) -> String {
        self.proxy.kubeconfig()
    }

    /// Returns an object as the kit sees it.
    fn seen(&self, object: &Value) -> (ObjectId, Value) {
        let mut id = object_id(object).unwrap();
        id.namespace = None;
        if let Some(packed) = object["data"]["release"].as_str() {
            // What helm remembers last, whichever number it has: a repeated one has another.
            let mut text = String::new();
            let packed = STANDARD.decode(STANDARD.decode(packed).unwrap()).unwrap();
            GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
            let held: Value = serde_json::from_str(&text.replace(self.namespace(), HERE)).unwrap();
            id.name = "helm".to_owned();
            let kept = json!({"manifest": held["manifest"], "status": held["info"]["status"], "config": held["config"]});
            return (id, kept);
        }
        let mut object: Value =
            serde_json::from_str(&object.to_string().replace(self.namespace(), HERE)).unwrap();
        object.as_object_mut().unwrap().remove("status");
        let metadata = object["metadata"].as_object_mut().unwrap();
        for name in
            ["creationTimestamp", "generation", "managedFields", "namespace", "resourceVersion", "uid"]
        {
            metadata.remove(name);
        }
        if id.kind == "Lease" {
            // Who holds it, and neither since when nor for which revision.
            object["spec"] = object["spec"]["holderIdentity"].take();
            object["metadata"].as_object_mut().unwrap().remove("annotations");
        }
        (id, object)
    }

    async fn objects(&self) -> Vec<Value> {
        let mut objects = Vec::new();
        for (version, kind) in KINDS {
            let selector = Selector::new().kind(version, kind).namespace(self.namespace());
            objects.extend(self.bed().cluster.list(&self.bed().cx, &selector).await.unwrap().items);
        }
        objects.retain(|object| object["metadata"]["name"] != "kube-root-ca.crt");
        // The newest of helm's records comes last, so that the kit sees just that.
        objects.sort_by_key(|object| {
            let version = object["metadata"]["labels"]["version"].as_str();
            version.and_then(|version| version.parse::<u64>().ok())
        });
        objects
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let bed = self.bed.take().unwrap();
        wait(bed.down());
    }
}

#[async_trait]
impl DeployTarget for Target {
    async fn observe(&self) -> BTreeMap<ObjectId, Value> {
        self.objects().await.iter().map(|object| self.seen(object)).collect()
    }

    async fn put(&self, object: &ObjectId, value: Value) {
        let mut value: Value =
            serde_json::from_str(&value.to_string().replace(HERE, self.namespace())).unwrap();
        value["metadata"]["namespace"] = self.namespace().into();
        let (cluster, cx) = (&self.bed().cluster, &self.bed().cx);
        let id = self.bed().id(&object.api_version, &object.kind, &object.name);
        let put = match cluster.get(cx, &id).await.unwrap() {
            Some(_) => cluster.update(cx, "somebody", &value).await,
            None => cluster.create(cx, "somebody", &value).await,
        };
        put.unwrap();
    }

    async fn cut(&self, writes: Option<u64>) {
        let mut seen = self.seen.lock().unwrap();
        seen.writes_left = writes;
        seen.dead = false;
    }

    async fn requests(&self) -> u64 {
        self.seen.lock().unwrap().requests
    }

    async fn fare(&self, well: bool) {
        let status = match well {
            true => json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}),
            false => json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
                "reason": "Unschedulable", "message": "no node takes it"}]}),
        };
        for pod in self.objects().await.iter().filter(|object| object["kind"] == "Pod") {
            let name = pod["metadata"]["name"].as_str().unwrap();
            let path = format!("/api/v1/namespaces/{}/pods/{name}/status", self.namespace());
            let answer = self.proxy.patch(&path, &json!({"status": status})).await;
            assert_eq!(answer, 200, "{path}");
        }
    }
}
