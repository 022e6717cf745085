//! The engine of the test bed, a base image in it, and a world around both.

use std::{
    env,
    sync::atomic::{AtomicU64, Ordering},
};

use shipway_core::{Cancel, Context, Image, RunContext, Store, Tag, Target, World};
use shipway_docker::{Daemon, DaemonStores};
use shipway_oci::Stores;
use tempfile::TempDir;

use crate::skip::skip;

/// The engine, with a folder of sources.
#[derive(Debug)]
pub(crate) struct Bed {
    pub(crate) endpoint: String,
    pub(crate) daemon: Daemon,
    pub(crate) folder: TempDir,
}

impl Bed {
    /// Returns the bed, or `None` where there is no engine, which is counted for the test.
    pub(crate) fn find(test: &str) -> Option<Self> {
        let Some(endpoint) = variable("SHIPWAY_BED_DOCKER") else {
            skip(&format!("docker::{test}"), "docker");
            return None;
        };
        let daemon = Daemon::open(&endpoint).unwrap();
        Some(Self { endpoint, daemon, folder: tempfile::tempdir().unwrap() })
    }

    pub(crate) fn world(&self) -> World {
        World::host(self.folder.path()).images(DaemonStores::new(Stores::new()))
    }

    pub(crate) fn context(&self) -> Context {
        context(self.world())
    }

    pub(crate) fn store(&self) -> Store {
        Store::Daemon(self.endpoint.clone())
    }

    /// Returns the base image in the engine, which has a shell.
    pub(crate) async fn base(&self) -> Image {
        let cx = self.context();
        let registry = registry();
        for reference in [format!("{registry}/bases/busybox:local"), format!("{registry}/busybox:local")] {
            if let Some(image) = cx.images().find(&cx, &self.store(), &reference).await.unwrap() {
                return image;
            }
        }
        panic!("the engine of the bed has no busybox");
    }

    /// Returns a target in the engine that no other test has.
    pub(crate) fn target(&self) -> Target {
        Target::new(self.store(), unlike("test/image"), Tag::parse("built").unwrap())
    }

    /// Returns a target in the bed's registry that no other test has.
    pub(crate) fn registry_target(&self) -> Target {
        let repository = format!("{}/{}", registry(), unlike("test/image"));
        Target::new(Store::Registry, repository, Tag::parse("built").unwrap())
    }
}

pub(crate) fn context(world: World) -> Context {
    RunContext::new(world, unlike("run")).context(None, None, Cancel::new())
}

pub(crate) fn registry() -> String {
    variable("SHIPWAY_BED_REGISTRY").unwrap_or_else(|| "127.0.0.1:5000".to_owned())
}

/// Returns the registry that wants the login `shipway`, or `None` where there is none, which is counted.
pub(crate) fn closed_registry(test: &str) -> Option<String> {
    let registry = variable("SHIPWAY_BED_REGISTRY_AUTH");
    if registry.is_none() {
        skip(&format!("docker::{test}"), "registry with a login");
    }
    registry
}

pub(crate) fn unlike(name: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{name}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
