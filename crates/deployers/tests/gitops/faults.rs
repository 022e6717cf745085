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

/// Commits a file to the environment as somebody else.
fn by_hand(stage: &Stage, branch: &str, path: &str, text: &str, message: &str) {
    let repository = Repository::open(&stage.cx, &stage.path("environment.git")).expect("a repository");
    let files = [(path.to_owned(), Some(text.as_bytes().to_vec()))];
    let new = NewCommit::new(Author::new("Bob", "bob@example.com"), Timestamp(1), message).files(files);
    repository.commit_onto(&stage.cx, branch, |_| Ok(Some(new.clone()))).expect("committed");
}

#[tokio::test]
async fn a_removal_that_was_cut_leaves_nothing_to_come_back() {
    let stage = Stage::new();
    let frail = |dies| Frail { inner: stage.memory(), dies: AtomicBool::new(dies), forgets: false };
    let gitops = stage.around(frail(false));
    let first = stage.release(&gitops, 1).await.expect("released");
    stage.reach(&gitops, Desired::Settled(first.clone())).await.expect("settled");
    let removed = stage.diff(&gitops, Desired::Absent(first)).await.expect("a diff");
    stage.around(frail(true)).apply(&stage.cx, &removed).await.expect_err("it died");
    for branch in ["candidate", "production"] {
        assert_eq!(stage.environment(&["ls-tree", branch]), "");
    }
    gitops.apply(&stage.cx, &removed).await.expect("repeated");
    assert_eq!((stage.log("candidate").len(), stage.log("production").len()), (2, 2));
    // A release after that has nothing before it to go back to.
    let second = stage.release(&gitops, 2).await.expect("released");
    let history = gitops.history(&stage.cx, "hello").await.expect("known");
    assert_eq!(history.iter().map(|one| &one.revision).collect::<Vec<_>>(), [&second.revision]);
}

#[tokio::test]
async fn what_is_live_is_known_although_no_commit_has_it() {
    let stage = Stage::new();
    let (memory, gitops) = (stage.memory(), stage.around(stage.memory()));
    let manifests = stage.manifests(&gitops, 1).await;
    let released = Desired::Released { manifests, share: 100 };
    let changes = memory.diff(&stage.cx, &released).await.expect("a diff");
    let before = memory.apply(&stage.cx, &changes).await.expect("released");
    let history = gitops.history(&stage.cx, "hello").await.expect("known");
    assert_eq!(history.iter().map(|one| &one.revision).collect::<Vec<_>>(), [&before.revision]);
    stage.reach(&gitops, Desired::Absent(history[0].clone())).await.expect("removed");
    assert_eq!(stage.runs(), "");
}

#[tokio::test]
async fn what_is_in_the_way_of_the_file_is_not_taken_away() {
    let stage = Stage::new();
    by_hand(&stage, "candidate", "shop/kubernetes.yaml", "other: app\n", "by hand");
    for file in ["shop", "shop/kubernetes.yaml/ours.yaml"] {
        let gitops = stage.around(stage.memory()).file(file);
        let error = stage.release(&gitops, 1).await.expect_err("in the way");
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    }
    assert_eq!(stage.environment(&["show", "candidate:shop/kubernetes.yaml"]), "other: app");
    assert_eq!(stage.runs(), "");
}

#[tokio::test]
async fn a_shallow_environment_ends_where_it_ends() {
    let stage = Stage::new();
    let gitops = stage.around(stage.memory());
    for edition in [1, 2] {
        stage.release(&gitops, edition).await.expect("released");
    }
    let from = format!("file://{}", stage.path("environment.git").display());
    stage.git("", &["clone", "-q", "--bare", "--depth", "1", "-b", "candidate", &from, "shallow.git"]);
    let shallow = Gitops::new(Arc::new(stage.memory()), Environment::folder(stage.path("shallow.git")));
    let manifests = stage.manifests(&gitops, 3).await;
    stage.reach(&shallow, Desired::Released { manifests, share: 100 }).await.expect("released");
    assert_eq!(shallow.history(&stage.cx, "hello").await.expect("known").len(), 1);
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
    // What somebody wrote by hand was not proved, whatever it says of itself.
    for text in ["{by: hand", "apiVersion: v1\nkind: Pod\nmetadata: {name: by-hand}\n"] {
        let message = stage.environment(&["log", "-1", "--format=%B", "production"]);
        by_hand(&stage, "production", "kubernetes.yaml", text, &message);
        assert_eq!(gitops.history(&stage.cx, "hello").await.expect("known"), history);
    }
    let restored = stage.reach(&gitops, Desired::Restored(history[2].clone())).await.expect("restored");
    assert_eq!(stage.runs(), reference(1));
    assert_eq!(restored.manifests.objects.len(), 2);
}

#[tokio::test]
async fn a_file_that_somebody_changed_since_is_not_overwritten() {
    let stage = Stage::new();
    let gitops = stage.around(stage.memory());
    let first = stage.release(&gitops, 1).await.expect("released");
    let by_hand = |branch: &str, path: &str| by_hand(&stage, branch, path, "by: hand\n", "by hand");
    let manifests = stage.manifests(&gitops, 2).await;
    let released = stage.diff(&gitops, Desired::Released { manifests, share: 100 }).await.expect("a diff");
    let settled = stage.diff(&gitops, Desired::Settled(first)).await.expect("a diff");
    // The same again, of which the branch has all and the cluster nothing.
    let elsewhere = stage.around(Memory::new(shipway_cluster::MemoryCluster::new()));
    let manifests = stage.manifests(&gitops, 1).await;
    let again = stage.diff(&elsewhere, Desired::Released { manifests, share: 100 }).await.expect("a diff");
    // Another application's file is no matter of ours.
    by_hand("candidate", "other.yaml");
    by_hand("production", "other.yaml");
    by_hand("candidate", "kubernetes.yaml");
    by_hand("production", "kubernetes.yaml");
    for (gitops, changes) in [(&gitops, released), (&gitops, settled), (&elsewhere, again)] {
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
