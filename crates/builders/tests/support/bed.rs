//! A cluster for the tests of builders that have a pod, and a folder of sources.

use std::{
    fs,
    ops::Deref,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use shipway_builders::BuildCluster;
use shipway_core::{
    Artifact, BuildRequest, Builder, Cancel, Context, Fingerprint, Image, Record, RunContext, Store, Tag,
    Target, World,
};
use shipway_oci::{Client, FoundFile, HostOptions, ImageFiles, Limits, Stores, read_image};
use tempfile::TempDir;

use crate::pods::{Pods, unlike, variable};

/// The longest that anything here takes.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// A cluster with a namespace of the test's own.
pub(crate) struct Bed {
    pods: Pods,
    /// The builder's image.
    pub(crate) image: String,
    pub(crate) folder: TempDir,
}

impl Deref for Bed {
    type Target = Pods;

    fn deref(&self) -> &Pods {
        &self.pods
    }
}

/// Returns the door to images, also in the registry of the cluster.
pub(crate) fn images() -> Stores {
    let hosts = ["SHIPWAY_KUBE_REGISTRY", "SHIPWAY_KUBE_REGISTRY_AUTH"].into_iter().filter_map(variable);
    let client =
        hosts.fold(Client::builder(), |client, host| client.host(host, HostOptions::new().plain_http()));
    Stores::with_client(client.build().unwrap())
}

impl Bed {
    /// Makes a namespace for a test of a builder, or returns `None` where there is no cluster.
    pub(crate) async fn up(builder: &str, test: &str) -> Option<Self> {
        let (test, named) =
            (format!("{builder}::{test}"), format!("SHIPWAY_{}_IMAGE", builder.to_uppercase()));
        let Some(image) = variable(&named) else {
            crate::skip::skip(&test, &format!("the builder's image: {named}"));
            return None;
        };
        let pods = Pods::up(&test).await?;
        Some(Self { pods, image, folder: tempfile::tempdir().unwrap() })
    }

    /// Removes the namespace, in which nothing may be left.
    pub(crate) async fn down(self) {
        self.pods.down().await;
    }

    pub(crate) fn world(&self) -> World {
        World::host(self.folder.path()).credentials(self.credentials()).images(images())
    }

    pub(crate) fn context(&self) -> Context {
        RunContext::new(self.world(), unlike("run")).context(None, None, Cancel::new())
    }

    /// Returns the place of the builder's pods.
    pub(crate) fn place(&self) -> BuildCluster {
        BuildCluster::new(&*self.context).namespace(&*self.namespace)
    }

    pub(crate) fn write(&self, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = self.folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    pub(crate) fn target(&self) -> Target {
        let repository = format!("{}/{}", self.registry, unlike("built/image"));
        Target::new(Store::Registry, repository, Tag::parse("built").unwrap())
    }
}

/// Waits until something of a kind is so.
pub(crate) async fn until(bed: &Bed, kind: &str, is_so: impl Fn(&Value) -> bool + Send + Sync) -> Value {
    let waiting = async {
        loop {
            if let Some(found) = bed.list(kind).await.into_iter().find(|one| is_so(one)) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.expect("it comes")
}

/// Returns whether the builder's container runs.
pub(crate) fn is_running(pod: &Value) -> bool {
    pod["status"]["containerStatuses"][0]["state"]["running"].is_object()
}

/// Builds in a process that is killed as soon as it is `far`, and again in another one, which must go on with the very pod.
/// Returns the image, in the context where it was built, and what was said there.
pub(crate) async fn killed_and_again<B: Builder + Clone>(
    bed: &Bed,
    builder: &B,
    request: &BuildRequest,
    far: impl AsyncFnOnce(&Record),
) -> (Context, Image, Arc<Record>) {
    let recorded = |run: &str| {
        let record = Arc::new(Record::new());
        let world = bed.world().sink(Arc::<Record>::clone(&record));
        (RunContext::new(world, unlike(run)).context(None, None, Cancel::new()), record)
    };
    // A runtime that ends as a killed process does: nothing that it began goes on, to tidy up neither.
    let gone = tokio::runtime::Runtime::new().unwrap();
    let ((cx, record), first, asked) = (recorded("killed"), builder.clone(), request.clone());
    gone.spawn(async move {
        let _ = first.build(&cx, &asked).await;
    });
    let pod = until(bed, "Pod", is_running).await;
    tokio::time::timeout(LONG, far(&record)).await.unwrap();
    gone.shutdown_background();
    let (cx, record) = recorded("again");
    let seen = async {
        for _ in 0..5 {
            let pods = bed.list("Pod").await;
            assert!(pods.iter().all(|one| one["metadata"]["uid"] == pod["metadata"]["uid"]), "{pods:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let image = tokio::join!(builder.build(&cx, request), seen).0.unwrap();
    let found = cx.images().find(&cx, &Store::Registry, &request.target.reference()).await.unwrap();
    assert_eq!(found.unwrap().digest, image.digest);
    (cx, image, record)
}

/// Returns all that was said.
pub(crate) fn said(record: &Record) -> String {
    serde_json::to_string(&record.events()).unwrap()
}

/// Returns a file of an image.
pub(crate) async fn file(cx: &Context, image: &Image, path: &str) -> Vec<u8> {
    let repository = images().open(cx, &image.store, &image.repository).unwrap();
    let layers = read_image(repository.as_ref(), &image.digest, None).await.unwrap().manifest.layers;
    let files = ImageFiles::read(repository.as_ref(), &layers, Limits::default()).await.unwrap();
    let found = files.find(path).unwrap().unwrap();
    let content = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&content);
    let keep = move |_: &FoundFile, bytes: &[u8]| {
        bytes.clone_into(&mut kept.lock().unwrap());
        Ok(())
    };
    ImageFiles::contents(repository.as_ref(), &layers, [found], 100 << 20, keep).await.unwrap();
    content.lock().unwrap().clone()
}

pub(crate) fn request(target: Target) -> BuildRequest {
    BuildRequest::new(Artifact::new("web", "."), target, Fingerprint::parse("0".repeat(64)).unwrap())
}
