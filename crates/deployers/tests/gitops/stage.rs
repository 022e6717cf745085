//! Two repositories, a cluster, and what happens on them.

use std::{fs, path::PathBuf, process::Command, sync::Arc};

use shipway_cluster::MemoryCluster;
use shipway_core::{
    Cancel, ChangeSet, Context, Deployer, Deployment, Desired, Digest, Image, Manifests, Release, Result,
    RunContext, Store, Tag, World,
};
use shipway_deployers::{Environment, Gitops, ImagePart, Memory, Substitute};
use shipway_git::Author;
use tempfile::TempDir;

/// The template of the two-repository flow, whose image has the project and the commit as marks.
pub(crate) const TEMPLATE: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: hello-cloudbuild # the application
  labels:
    app: hello-cloudbuild
spec:
  replicas: 1
  selector:
    matchLabels:
      app: hello-cloudbuild
  template:
    metadata:
      labels:
        app: hello-cloudbuild
    spec:
      containers:
      - name: hello-cloudbuild
        image: us-central1-docker.pkg.dev/GOOGLE_CLOUD_PROJECT/my-repository/hello-cloudbuild:COMMIT_SHA
        ports:
        - containerPort: 8080
---
kind: Service
apiVersion: v1
metadata:
  name: hello-cloudbuild
spec:
  selector:
    app: hello-cloudbuild
  ports:
  - protocol: TCP
    port: 80
    targetPort: 8080
  type: LoadBalancer
";

const REPOSITORY: &str = "us-central1-docker.pkg.dev/shop/my-repository/hello-cloudbuild";

pub(crate) struct Stage {
    pub(crate) folder: TempDir,
    pub(crate) cx: Context,
    pub(crate) cluster: MemoryCluster,
}

impl Stage {
    /// Returns a stage with the sources in one commit, and an environment without any.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("app");
        fs::create_dir(&root).expect("made");
        fs::write(root.join("kubernetes.yaml.tpl"), TEMPLATE).expect("written");
        let cx = RunContext::new(World::host(&root), "run").context(None, None, Cancel::new());
        let stage = Self { folder, cx, cluster: MemoryCluster::new() };
        stage.git("app", &["init", "-q"]);
        stage.git("app", &["add", "."]);
        stage.git("app", &["commit", "-qm", "first"]);
        stage.git("", &["init", "-q", "--bare", "environment.git"]);
        stage
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs git in a folder and returns what it says.
    pub(crate) fn git(&self, folder: &str, args: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=Ann", "-c", "user.email=ann@example.com"])
            .args(args)
            .current_dir(self.path(folder))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .expect("there is git");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {args:?}: {said}");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    pub(crate) fn environment(&self, args: &[&str]) -> String {
        self.git("environment.git", args)
    }

    /// Returns the first lines of a branch's commits, the newest first.
    pub(crate) fn log(&self, branch: &str) -> Vec<String> {
        let log = self.environment(&["log", "-z", "--format=%B", branch]);
        log.split_terminator('\0')
            .map(|message| message.lines().next().unwrap_or_default().to_owned())
            .collect()
    }

    pub(crate) fn around(&self, inner: impl Deployer) -> Gitops {
        Gitops::new(Arc::new(inner), Environment::folder(self.path("environment.git")))
            .templates(["kubernetes.yaml.tpl"])
            .substitutes([
                ("GOOGLE_CLOUD_PROJECT", Substitute::Text("shop".to_owned())),
                ("COMMIT_SHA", Substitute::Of(ImagePart::Tag("hello".to_owned()))),
            ])
            .author(Author::new("ci", "ci@example.com"))
    }

    pub(crate) fn memory(&self) -> Memory {
        Memory::new(self.cluster.clone())
    }

    pub(crate) async fn reach(&self, gitops: &Gitops, desired: Desired) -> Result<Deployment> {
        let changes = self.diff(gitops, desired).await?;
        gitops.apply(&self.cx, &changes).await
    }

    pub(crate) async fn diff(&self, gitops: &Gitops, desired: Desired) -> Result<ChangeSet> {
        gitops.diff(&self.cx, &desired).await
    }

    pub(crate) async fn manifests(&self, gitops: &Gitops, edition: u8) -> Manifests {
        gitops.render(&self.cx, &release(edition)).await.expect("rendered")
    }

    pub(crate) async fn release(&self, gitops: &Gitops, edition: u8) -> Result<Deployment> {
        let manifests = self.manifests(gitops, edition).await;
        self.reach(gitops, Desired::Released { manifests, share: 100 }).await
    }

    /// Returns the image that the cluster has.
    pub(crate) fn runs(&self) -> String {
        let selector = shipway_cluster::Selector::new().kind("apps/v1", "Deployment");
        let list = self.cluster.list(&selector).expect("listed");
        let [one] = list.items.as_slice() else { return String::new() };
        one["spec"]["template"]["spec"]["containers"][0]["image"].as_str().expect("an image").to_owned()
    }
}

pub(crate) fn digest(edition: u8) -> Digest {
    Digest::parse(format!("sha256:{}", format!("{edition:02x}").repeat(32))).expect("a digest")
}

pub(crate) fn reference(edition: u8) -> String {
    format!("{REPOSITORY}@{}", digest(edition))
}

pub(crate) fn release(edition: u8) -> Release {
    let tag = Tag::parse(format!("v{edition}")).expect("a tag");
    let image = Image::new("hello", Store::Registry, REPOSITORY, digest(edition)).tag(tag);
    Release::new("hello").images(vec![image])
}
