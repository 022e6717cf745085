//! What the tests of the deployer `memory` share.
#![expect(dead_code, reason = "each test uses a part of it")]

use std::sync::Arc;

use serde_json::{Value, json};
use shipway_cluster::{Call, Fault, MemoryCluster, Selector};
use shipway_core::{
    Cancel, ChangeSet, Context, Deployer as _, Deployment, Desired, Digest, Error, ErrorKind, Image,
    Manifest, Manifests, ObjectId, Platform, Release, Result, RunContext, Store, TaskId, World,
};
use shipway_deployers::Memory;
use shipway_oci::{
    Compression, Distribution, History, ImageConfig, ImageManifest, LayerEntry, media, write_layer,
};
use shipway_testkit::FakeClock;
use tempfile::TempDir;

/// A cluster, its deployer and a context.
pub(crate) struct Bed {
    pub(crate) cluster: MemoryCluster,
    pub(crate) memory: Memory,
    pub(crate) cx: Context,
    pub(crate) folder: TempDir,
}

impl Bed {
    pub(crate) fn new() -> Self {
        let cluster = MemoryCluster::new();
        let folder = tempfile::tempdir().expect("a folder");
        let memory = Memory::new(cluster.clone()).platform(Platform::new("linux", "amd64"));
        Self { memory, cluster, cx: context(&folder, &Cancel::new()), folder }
    }

    pub(crate) async fn diff(&self, desired: &Desired) -> Result<ChangeSet> {
        self.memory.diff(&self.cx, desired).await
    }

    pub(crate) async fn apply(&self, changes: &ChangeSet) -> Result<Deployment> {
        self.memory.apply(&self.cx, changes).await
    }

    pub(crate) async fn reach(&self, desired: Desired) -> Result<Deployment> {
        self.apply(&self.diff(&desired).await?).await
    }

    pub(crate) async fn render(&self, release: &Release) -> Manifests {
        self.memory.render(&self.cx, release).await.expect("rendered")
    }

    /// Releases the edition of a fixture.
    pub(crate) async fn release(&self, edition: u8) -> Deployment {
        self.reach(released(fixture(edition))).await.expect("released")
    }

    pub(crate) async fn revisions(&self) -> Vec<String> {
        let history = self.memory.history(&self.cx, "shop").await.expect("known");
        history.into_iter().map(|deployment| deployment.revision).collect()
    }

    /// Returns the cluster's objects as text, by name, without versions and owners.
    pub(crate) fn objects(&self) -> Vec<String> {
        let list = self.cluster.list(&Selector::new()).expect("listed");
        let bare = |mut object: Value| {
            object.as_object_mut().expect("a map").remove("status");
            let metadata = object["metadata"].as_object_mut().expect("a map");
            for name in ["managedFields", "resourceVersion", "uid", "generation"] {
                metadata.remove(name);
            }
            object.to_string()
        };
        list.items.into_iter().map(bare).collect()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let list = self.cluster.list(&Selector::new()).expect("listed");
        let name = |object: &Value| object["metadata"]["name"].as_str().expect("a name").to_owned();
        list.items.iter().map(name).collect()
    }
}

pub(crate) fn context(folder: &TempDir, cancel: &Cancel) -> Context {
    let world = World::host(folder.path()).clock(FakeClock::new().sleeps_advance());
    RunContext::new(world, "run").context(TaskId::parse("apply:shop").ok(), None, cancel.clone())
}

pub(crate) fn released(manifests: Manifests) -> Desired {
    Desired::Released { manifests, share: 100 }
}

/// Returns a release of one config map of its own for each edition and one that all editions have.
pub(crate) fn fixture(edition: u8) -> Manifests {
    let map = |name: String, value: u8| {
        let id = ObjectId::new("v1", "ConfigMap", name).namespace("default".to_owned());
        let text = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": id.name, "namespace": "default"}, "data": {"edition": value.to_string()}});
        Manifest::new(id, text.to_string())
    };
    Manifests::new(Release::new("shop"))
        .objects(vec![map("shared".to_owned(), edition), map(format!("own-{edition}"), 0)])
}

pub(crate) fn config_map(name: &str) -> ObjectId {
    ObjectId::new("v1", "ConfigMap", name).namespace("default".to_owned())
}

/// Returns a hook that lets this many writes through and then fails everything.
pub(crate) fn cut_after(writes: u64, lose: bool) -> impl FnMut(&Call) -> Fault + Send + 'static {
    let mut left = Some(writes);
    move |call| {
        let error = || Error::new(ErrorKind::Unavailable, "the process is dead");
        let last = left == Some(0);
        if call.write.is_some() {
            left = left.and_then(|left| left.checked_sub(1));
        }
        match (left, last && lose && call.write.is_some()) {
            // The write is done, and nobody hears of it.
            (None, true) => Fault::Lose(error()),
            (None, false) => Fault::Refuse(error()),
            (Some(_), _) => Fault::None,
        }
    }
}

/// Writes an image whose one layer has `bin/app` with this mode, and returns it.
pub(crate) async fn image(
    cx: &Context,
    repository: &dyn Distribution,
    store: Store,
    name: &str,
    (mode, entrypoint, platform): (u32, &str, &str),
) -> Image {
    let file = LayerEntry::bytes("bin/app", "#!/bin/true\n").mode(mode);
    let layer =
        write_layer(cx, vec![LayerEntry::folder("bin"), file], Compression::default()).expect("begun");
    let layer = layer.write_to(repository).await.expect("written");
    let mut config = ImageConfig::new(platform.parse().expect("a platform"));
    config.entrypoint = vec![entrypoint.to_owned()];
    config.add_layer(layer.diff_id.clone(), History::new("test"));
    let bytes = config.to_json();
    let (digest, size) =
        repository.write_new_blob(Box::pin(std::io::Cursor::new(bytes))).await.expect("written");
    let config = shipway_oci::Descriptor::new(media::CONFIG, digest, size);
    let manifest = ImageManifest::new(config, vec![layer.descriptor()]).to_json();
    let digest = repository.write_manifest(media::MANIFEST, manifest, None).await.expect("written");
    Image::new("app", store, name, digest)
}

pub(crate) fn no_digest() -> Digest {
    Digest::parse(format!("sha256:{}", "0".repeat(64))).expect("valid")
}

pub(crate) fn layout(folder: &TempDir) -> shipway_oci::Layout {
    shipway_oci::Layout::new(Arc::new(shipway_core::HostDisk), folder.path().join("layout"))
}
