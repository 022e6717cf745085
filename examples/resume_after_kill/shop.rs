//! A small shop with real parts that outlast a process: a registry, an environment repository, and a target that is a
//! folder.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use shipway::{
    Artifact, Build, Capabilities, Change, ChangeSet, Context, Deploy, Deployer, Deployment, Desired,
    DiskCache, Error, ErrorKind, Health, HostDisk, Inputs, Level, Manifest, Manifests, Need, Phase, Pipeline,
    Release, Result, RunRequest, State, Step, StoreKind, Verb, Watch, World,
    builders::{Native, NativeConfig},
    deployers::{Environment, Gitops, ImagePart, Substitute},
    git::Author,
    runners::Host,
    taggers::InputDigest,
};

const TEMPLATE: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  template:
    spec:
      containers:
      - {name: web, image: \"REGISTRY/web:TAG\"}
---
apiVersion: v1
kind: Service
metadata:
  name: web
  labels: {version: \"TAG\"}
";

pub(crate) struct Shop {
    pub(crate) folder: PathBuf,
    registry: String,
}

impl Shop {
    pub(crate) fn new(folder: impl Into<PathBuf>, registry: &str) -> Self {
        Self { folder: folder.into(), registry: registry.to_owned() }
    }

    /// Makes the sources and the environment's repository.
    pub(crate) fn make(&self) -> Result<()> {
        for folder in ["sources", "target"] {
            fs::create_dir_all(self.folder.join(folder))
                .map_err(|error| Error::io("make", &self.folder, error))?;
        }
        self.write("Dockerfile", "FROM scratch\nCOPY --chmod=755 page /page\nENTRYPOINT [\"/page\"]\n")?;
        self.write("page", "hello\n")?;
        self.write("kubernetes.yaml.tpl", TEMPLATE)?;
        self.git(&["init", "--quiet", "--bare", "environment.git"]).map(drop)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.folder.join("sources").join(name);
        fs::write(&path, text).map_err(|error| Error::io("write", &path, error))
    }

    pub(crate) fn world(&self) -> World {
        let slow = std::env::vars().filter(|(name, _)| name == "SHOP_IS_SLOW" || name == "PATH");
        shipway::host(self.folder.join("sources"))
            .env(slow)
            .cache(DiskCache::new(Arc::new(HostDisk), self.folder.join("cache")))
    }

    /// Unit tests, an image, its release through the environment's repository onto the target, and a note at the end.
    pub(crate) fn pipeline(&self) -> Result<Pipeline> {
        let host = Arc::new(Host::new());
        let append = |to: &str| {
            let file = self.folder.join(to);
            RunRequest::new(
                shipway::Command::new("tee")
                    .args(["-a".to_owned(), file.display().to_string()])
                    .stdin("x\n".to_owned()),
            )
        };
        let native = Native::new(NativeConfig::default().dockerfile("Dockerfile"))?;
        let web = Build::new(Artifact::new("web", ""), format!("{}/web", self.registry), Arc::new(native))
            .tagger(Arc::new(InputDigest))
            .after([Need::step("unit")]);
        let target = Arc::new(Folder(self.folder.join("target")));
        let gitops = Gitops::new(target, Environment::folder("../environment.git"))
            .templates(["kubernetes.yaml.tpl"])
            .substitutes([
                ("REGISTRY", Substitute::Text(self.registry.clone())),
                ("TAG", Substitute::Of(ImagePart::Tag("web".to_owned()))),
            ])
            .author(Author::new("ci", "ci@example.com"))
            .repository("shop");
        let shop = Deploy::new(Release::new("shop"), Arc::new(gitops))
            .watch(Watch::new(Duration::from_millis(10), Duration::from_secs(30)));
        Ok(Pipeline::new("shop")
            .step(Step::run("unit", Arc::<Host>::clone(&host), append("unit")))
            .build(web)
            .deploy(shop)
            .step(Step::run("tell", host, append("told")).after([Need::release("shop")])))
    }

    /// Returns the first lines of a branch's commits.
    pub(crate) fn commits(&self, branch: &str) -> Result<Vec<String>> {
        let log = self.git(&["--git-dir", "environment.git", "log", "--format=%s", branch])?;
        Ok(log.lines().map(str::to_owned).collect())
    }

    /// Returns how often an object was put onto the target.
    pub(crate) fn applied(&self) -> Result<usize> {
        let path = self.folder.join("target/log");
        let log = fs::read_to_string(&path).map_err(|error| Error::io("read", &path, error))?;
        Ok(log.lines().count())
    }

    fn git(&self, args: &[&str]) -> Result<String> {
        let output = Command::new("git")
            .args(args)
            .current_dir(&self.folder)
            .output()
            .map_err(|error| Error::new(ErrorKind::MissingTool, "cannot run git").source(error))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Error::new(ErrorKind::ToolFailed, format!("git {}: {said}", args.join(" "))))
    }
}

/// A target: a file for each object, and a log of what was put there.
#[derive(Clone, Debug)]
struct Folder(PathBuf);

impl Folder {
    fn file(&self, manifest: &Manifest) -> PathBuf {
        self.0.join(format!("{} {}", manifest.object.kind, manifest.object.name))
    }

    /// Puts a whole file in the place of another.
    fn put(&self, path: &Path, text: &str) -> Result<()> {
        let failed = |error| Error::io("write", path, error);
        let new = path.with_extension("new");
        fs::write(&new, text).and_then(|()| fs::rename(&new, path)).map_err(failed)
    }
}

#[async_trait]
impl Deployer for Folder {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new().reads(BTreeSet::from([StoreKind::Registry]))
    }

    async fn inputs(&self, _cx: &Context) -> Result<Inputs> {
        Ok(Inputs::new())
    }

    async fn render(&self, _cx: &Context, release: &Release) -> Result<Manifests> {
        Ok(Manifests::new(release.clone()))
    }

    async fn history(&self, _cx: &Context, _release: &str) -> Result<Vec<Deployment>> {
        let path = self.0.join("deployment");
        let Ok(text) = fs::read(&path) else { return Ok(Vec::new()) };
        let live = serde_json::from_slice(&text)
            .map_err(|error| Error::bad_output("no deployment").source(error))?;
        Ok(vec![live])
    }

    async fn diff(&self, _cx: &Context, desired: &Desired) -> Result<ChangeSet> {
        let Desired::Released { manifests, .. } = desired else { return Ok(ChangeSet::new(desired.clone())) };
        let differs = |manifest: &&Manifest| {
            fs::read_to_string(self.file(manifest)).map_or(true, |text| *text != *manifest.text)
        };
        let changes = manifests.objects.iter().filter(differs);
        let changes = changes.map(|manifest| Change::new(manifest.object.clone(), Verb::Update));
        Ok(ChangeSet::new(desired.clone()).changes(changes.collect::<Vec<_>>()))
    }

    async fn apply(&self, cx: &Context, changes: &ChangeSet) -> Result<Deployment> {
        let manifests = match &changes.desired {
            Desired::Released { manifests, .. } => manifests,
            Desired::Settled(deployment) => return Ok(deployment.clone()),
            other => return Err(Error::unsupported(format!("{other:?}"))),
        };
        for change in &changes.changes {
            for manifest in manifests.objects.iter().filter(|manifest| manifest.object == change.object) {
                let log = self.0.join("log");
                let line = format!("{}\n", change.object);
                fs::OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(&log)
                    .and_then(|mut log| log.write_all(line.as_bytes()))
                    .map_err(|error| Error::io("write", &log, error))?;
                self.put(&self.file(manifest), &manifest.text)?;
                cx.message(Level::Info, format!("applied {}", change.object));
            }
            if cx.env("SHOP_IS_SLOW").is_some() {
                cx.sleep(Duration::from_secs(60)).await?;
            }
        }
        let deployment =
            Deployment::new(manifests.clone(), "1", cx.clock().now()).state(State::new(1, &"a folder")?);
        let text =
            serde_json::to_string(&deployment).map_err(|error| Error::internal("no JSON").source(error))?;
        self.put(&self.0.join("deployment"), &text)?;
        Ok(deployment)
    }

    async fn health(&self, _cx: &Context, _deployment: &Deployment) -> Result<Health> {
        Ok(Health::new(Phase::Healthy))
    }
}
