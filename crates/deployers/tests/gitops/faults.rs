//! What is cut, what is stale, and what comes at once.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use shipway_core::{
    Capabilities, ChangeSet, Context, Deployer, Deployment, Desired, Error, ErrorKind, Health, Inputs,
    Manifests, Release, Result, Timestamp,
};
use shipway_deployers::{Environment, Gitops, Memory};
use shipway_git::{Author, NewCommit, Repository};

use crate::stage::{Stage, reference};

/// A deployer whose process dies right after it has applied, and which can forget what it did.
#[derive(Debug)]
struct Frail {
    inner: Memory,
    dies: AtomicBool,
    forgets: bool,
}

#[async_trait]
impl Deployer for Frail {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn inputs(&self, cx: &Context) -> Result<Inputs> {
        self.inner.inputs(cx).await
    }

    async fn render(&self, cx: &Context, release: &Release) -> Result<Manifests> {
        self.inner.render(cx, release).await
    }

    async fn history(&self, cx: &Context, release: &str) -> Result<Vec<Deployment>> {
        let mut history = self.inner.history(cx, release).await?;
        history.truncate(if self.forgets { 1 } else { usize::MAX });
        Ok(history)
    }

    async fn diff(&self, cx: &Context, desired: &Desired) -> Result<ChangeSet> {
        self.inner.diff(cx, desired).await
    }

    async fn apply(&self, cx: &Context, changes: &ChangeSet) -> Result<Deployment> {
        let applied = self.inner.apply(cx, changes).await;
        match self.dies.swap(false, Ordering::Relaxed) {
            true => Err(Error::new(ErrorKind::Unavailable, "the process is dead")),
            false => applied,
        }
    }

    async fn health(&self, cx: &Context, deployment: &Deployment) -> Result<Health> {
        self.inner.health(cx, deployment).await
    }
}

#[tokio::test]
async fn what_was_cut_before_a_commit_is_repeated_to_the_same_end() {
    let stage = Stage::new();
    let frail = |dies| Frail { inner: stage.memory(), dies: AtomicBool::new(dies), forgets: false };
    let whole = stage.around(frail(false));
    let manifests = stage.manifests(&whole, 1).await;
    let released = stage.diff(&whole, Desired::Released { manifests, share: 100 }).await.expect("a diff");
    stage.around(frail(true)).apply(&stage.cx, &released).await.expect_err("it died");
    let first = whole.apply(&stage.cx, &released).await.expect("repeated");
    assert_eq!(stage.log("candidate").len(), 1);

    let settled = stage.diff(&whole, Desired::Settled(first.clone())).await.expect("a diff");
    stage.around(frail(true)).apply(&stage.cx, &settled).await.expect_err("it died");
    assert_eq!(stage.environment(&["branch", "--list", "production"]), "");
    for _ in 0..2 {
        whole.apply(&stage.cx, &settled).await.expect("repeated");
    }
    assert_eq!(stage.log("production"), [format!("Manifest from commit {}", first.revision)]);
}

#[tokio::test]
async fn what_the_inner_deployer_forgot_is_restored_from_production() {
    let stage = Stage::new();
    let inner = Frail { inner: stage.memory(), dies: AtomicBool::new(false), forgets: true };
    let gitops = stage.around(inner);
    for edition in [1, 2, 3] {
        let deployment = stage.release(&gitops, edition).await.expect("released");
        stage.reach(&gitops, Desired::Settled(deployment)).await.expect("settled");
    }
    let history = gitops.history(&stage.cx, "hello").await.expect("known");
    let images: Vec<String> = history.iter().map(|one| one.manifests.release.images[0].reference()).collect();
    assert_eq!(images, [reference(3), reference(2), reference(1)]);
    // One that somebody broke by hand is passed over.
    let environment = Repository::open(&stage.cx, &stage.path("environment.git")).expect("a repository");
    let broken = ("kubernetes.yaml".to_owned(), Some(b"{by: hand".to_vec()));
    let new = NewCommit::new(Author::new("Bob", "bob@example.com"), Timestamp(1), "by hand").files([broken]);
    environment.commit_onto(&stage.cx, "production", |_| Ok(Some(new.clone()))).expect("committed");
    assert_eq!(gitops.history(&stage.cx, "hello").await.expect("known"), history);
    let restored = stage.reach(&gitops, Desired::Restored(history[2].clone())).await.expect("restored");
    assert_eq!(stage.runs(), reference(1));
    assert_eq!(restored.manifests.objects.len(), 2);
}

#[tokio::test]
async fn a_file_that_somebody_changed_since_is_not_overwritten() {
    let stage = Stage::new();
    let gitops = stage.around(stage.memory());
    let first = stage.release(&gitops, 1).await.expect("released");
    let repository = Repository::open(&stage.cx, &stage.path("environment.git")).expect("a repository");
    let by_hand = |branch: &str, path: &str| {
        let files = [(path.to_owned(), Some(b"by: hand\n".to_vec()))];
        let new = NewCommit::new(Author::new("Bob", "bob@example.com"), Timestamp(1), "by hand").files(files);
        repository.commit_onto(&stage.cx, branch, |_| Ok(Some(new.clone()))).expect("committed");
    };
    let manifests = stage.manifests(&gitops, 2).await;
    let released = stage.diff(&gitops, Desired::Released { manifests, share: 100 }).await.expect("a diff");
    let settled = stage.diff(&gitops, Desired::Settled(first)).await.expect("a diff");
    // Another application's file is no matter of ours.
    by_hand("candidate", "other.yaml");
    by_hand("production", "other.yaml");
    by_hand("candidate", "kubernetes.yaml");
    by_hand("production", "kubernetes.yaml");
    for changes in [released, settled] {
        let error = gitops.apply(&stage.cx, &changes).await.expect_err("stale");
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    }
    assert_eq!(stage.runs(), reference(1), "nothing is applied that is not committed");
    for branch in ["candidate", "production"] {
        assert_eq!(stage.environment(&["show", &format!("{branch}:kubernetes.yaml")]), "by: hand");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_applications_in_one_repository_lose_nothing() {
    let stage = Arc::new(Stage::new());
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..10 {
        let stage = Arc::clone(&stage);
        writers.spawn(async move {
            let memory = Memory::new(shipway_cluster::MemoryCluster::new());
            let environment = Environment::folder(stage.path("environment.git"));
            let gitops = Gitops::new(Arc::new(memory), environment).file(format!("app-{number}/k.yaml"));
            let deployment = stage.release(&gitops, number).await.expect("released");
            stage.reach(&gitops, Desired::Settled(deployment)).await.expect("settled");
        });
    }
    writers.join_all().await;
    for branch in ["candidate", "production"] {
        assert_eq!(stage.log(branch).len(), 10);
        assert_eq!(stage.environment(&["ls-tree", "-r", "--name-only", branch]).lines().count(), 10);
    }
    assert_eq!(stage.environment(&["fsck", "--strict", "--no-dangling"]), "");
}
