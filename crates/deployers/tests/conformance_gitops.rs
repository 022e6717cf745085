//! The deployer `gitops` around `memory` against every clause for deployers: the branches are a part of its
//! target.

#[path = "support/target.rs"]
mod target;

use std::{collections::BTreeMap, path::Path, process::ExitCode, sync::Arc};

use async_trait::async_trait;
use serde_json::{Value, json};
use shipway_core::{Cancel, Context, ObjectId, RunContext, World};
use shipway_deployers::{Environment, Gitops, Memory};
use shipway_git::Repository;
use shipway_testkit::DeployTarget;
use target::Target;

fn main() -> ExitCode {
    shipway_testkit::deployer(Both::new, |both: &Both| {
        let inner = Memory::new(both.cluster.cluster.clone());
        Gitops::new(Arc::new(inner), Environment::folder(both.folder.path()))
    })
    .main()
}

/// A cluster and an environment repository.
#[derive(Debug)]
struct Both {
    cluster: Target,
    folder: tempfile::TempDir,
}

impl Both {
    fn new() -> Self {
        let both = Self { cluster: Target::new(), folder: tempfile::tempdir().expect("a folder") };
        Repository::open_or_create(&both.context(), Path::new("")).expect("a repository");
        both
    }

    fn context(&self) -> Context {
        RunContext::new(World::host(self.folder.path()), "kit").context(None, None, Cancel::new())
    }
}

#[async_trait]
impl DeployTarget for Both {
    async fn observe(&self) -> BTreeMap<ObjectId, Value> {
        let mut observed = self.cluster.observe().await;
        let repository = Repository::open(&self.context(), Path::new("")).expect("a repository");
        for branch in ["candidate", "production"] {
            let Some(tip) = repository.branch_commit(branch).expect("a branch") else { continue };
            let Some(content) = repository.file(tip, "kubernetes.yaml", 1 << 20).expect("read") else {
                continue;
            };
            let content = String::from_utf8(content).expect("text");
            observed.insert(ObjectId::new("git", "File", branch), json!({"content": content}));
        }
        observed
    }

    async fn put(&self, object: &ObjectId, value: Value) {
        self.cluster.put(object, value).await;
    }

    async fn cut(&self, writes: Option<u64>) {
        self.cluster.cut(writes).await;
    }

    async fn requests(&self) -> u64 {
        self.cluster.requests().await
    }

    async fn fare(&self, well: bool) {
        self.cluster.fare(well).await;
    }
}
