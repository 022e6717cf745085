//! A chart in a folder, a namespace of the cluster, and a helm whose starts are counted.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use shipway_cluster::{Api, Selector};
use shipway_core::{
    Cancel, Catalog, ChangeSet, Context, Deployer, Deployment, Desired, Digest, Error, Event,
    FixedCredentials, Image, Manifests, ObjectId, PluginConfig, Release, Result, RunContext, Sink, Store,
    Tag, TaskId, World,
};
use shipway_deployers::{Helm, HelmConfig};
use tempfile::TempDir;

use crate::cluster::{Bed, kubeconfig};

/// Takes note of every event.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<Vec<String>>);

impl Sink for Told {
    fn emit(&self, event: &Event) {
        self.0.lock().unwrap().push(serde_json::to_string(event).unwrap());
    }
}

impl Told {
    pub(crate) fn all(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

pub(crate) struct Stage {
    pub(crate) bed: Bed,
    pub(crate) cx: Context,
    pub(crate) folder: TempDir,
    pub(crate) told: Arc<Told>,
    pub(crate) options: Value,
}

/// The variable that names the program.
fn variable(major: u32) -> &'static str {
    if major == 3 { "SHIPWAY_HELM3" } else { "SHIPWAY_HELM4" }
}

const WEB: &str = r#"apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}-web
spec:
  schedulerName: nobody
  automountServiceAccountToken: false
  containers:
    - name: web
      image: {{ .Values.image }} # of the values
"#;

const SETTINGS: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-settings\ndata:\n  \
    colour: {{ .Values.colour | quote }}\n";

impl Stage {
    /// Returns a stage for this helm, or says what the test lacks.
    pub(crate) async fn up(test: &str, major: u32) -> Option<Self> {
        let Some(helm) = env::var_os(variable(major)) else {
            crate::skip::skip(test, &format!("helm {major}: {}", variable(major)));
            return None;
        };
        let bed = Bed::up(test).await?;
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("helm");
        let log = folder.path().join("starts");
        let script = format!(
            "#!/bin/sh\necho \"$@\" >> '{}'\nexec '{}' \"$@\"\n",
            log.display(),
            PathBuf::from(helm).display()
        );
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let told = Arc::<Told>::default();
        let (_, name) = kubeconfig()?;
        let options = json!({"chartPath": "chart", "kubeContext": name, "namespace": bed.namespace,
            "program": program.display().to_string(), "overrides": {"colour": "blue"},
            "setValueTemplates": {"other": "{{.IMAGE_REPO}}:{{.IMAGE_TAG}}"}});
        let cx = context("run", &folder, &told, &[]);
        let stage = Self { bed, cx, folder, told, options };
        stage.write("Chart.yaml", "apiVersion: v2\nname: demo\nversion: 0.1.0\nappVersion: \"1\"\n");
        stage.write("values.yaml", "image: web\ncolour: none\n");
        stage.write("templates/settings.yaml", SETTINGS);
        stage.write("templates/web.yaml", WEB);
        Some(stage)
    }

    pub(crate) async fn down(self) {
        self.bed.down().await;
    }

    /// Begins another run, which remembers nothing of this one.
    pub(crate) fn again(&mut self) {
        self.cx = context("run", &self.folder, &self.told, &[]);
    }

    /// Begins another run of another id, with these variables.
    pub(crate) fn run(&mut self, id: &str, env: &[(&str, &str)]) {
        self.cx = context(id, &self.folder, &self.told, env);
    }

    /// Writes a file of the chart.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join("chart").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn set(&mut self, name: &str, value: Value) {
        self.options[name] = value;
    }

    pub(crate) fn helm(&self) -> Helm {
        let options: HelmConfig = serde_json::from_value(self.options.clone()).unwrap();
        options.into_plugin(&Catalog::default()).unwrap()
    }

    pub(crate) async fn render(&self, edition: u8) -> Result<Manifests> {
        self.helm().render(&self.cx, &release(edition)).await
    }

    pub(crate) async fn diff(&self, desired: &Desired) -> Result<ChangeSet> {
        self.helm().diff(&self.cx, desired).await
    }

    pub(crate) async fn plan(&self, edition: u8) -> Result<ChangeSet> {
        let manifests = self.render(edition).await?;
        self.diff(&Desired::Released { manifests, share: 100 }).await
    }

    pub(crate) async fn release(&self, edition: u8) -> Result<Deployment> {
        let changes = self.plan(edition).await?;
        self.helm().apply(&self.cx, &changes).await
    }

    /// Returns what would change, a line each.
    pub(crate) async fn changes(&self, edition: u8) -> Vec<String> {
        lines(&self.plan(edition).await.unwrap())
    }

    /// Returns which commands were run since it was asked last.
    pub(crate) fn starts(&self) -> Vec<String> {
        let path = self.folder.path().join("starts");
        let text = fs::read_to_string(&path).unwrap_or_default();
        let _ = fs::remove_file(path);
        text.lines().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect()
    }

    pub(crate) async fn get(&self, kind: &str, name: &str) -> Option<Value> {
        self.bed.cluster.get(&self.bed.cx, &self.bed.id("v1", kind, name)).await.unwrap()
    }

    pub(crate) async fn image(&self) -> String {
        let pod = self.get("Pod", "shop-web").await.unwrap();
        pod["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()
    }

    /// Returns helm's records, each as its revision and how it fared.
    pub(crate) async fn records(&self) -> Vec<String> {
        let selector = Selector::new()
            .kind("v1", "Secret")
            .namespace(self.bed.namespace.as_str())
            .label("owner", "helm");
        let list = self.bed.cluster.list(&self.bed.cx, &selector).await.unwrap();
        let label =
            |object: &Value, name: &str| object["metadata"]["labels"][name].as_str().unwrap().to_owned();
        let mut all: Vec<String> = list
            .items
            .iter()
            .map(|object| format!("{} {}", label(object, "version"), label(object, "status")))
            .collect();
        all.sort();
        all
    }

    pub(crate) fn id(&self, kind: &str, name: &str) -> ObjectId {
        self.bed.id("v1", kind, name)
    }
}

fn context(run: &str, folder: &TempDir, told: &Arc<Told>, env: &[(&str, &str)]) -> Context {
    let (text, name) = kubeconfig().unwrap();
    let credentials = FixedCredentials::new().cluster(&name, text.as_str());
    let path = [("PATH".to_owned(), env::var("PATH").unwrap())];
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let told: Arc<dyn Sink> = Arc::clone(told) as _;
    let world =
        World::host(folder.path()).credentials(credentials).env(path.into_iter().chain(env)).sink(told);
    RunContext::new(world, run).context(TaskId::parse("apply:shop").ok(), None, Cancel::new())
}

/// Returns the release with the image of an edition.
pub(crate) fn release(edition: u8) -> Release {
    Release::new("shop").images(vec![image(edition)])
}

pub(crate) fn image(edition: u8) -> Image {
    let digest = Digest::parse(format!("sha256:{}", format!("{edition:02x}").repeat(32))).unwrap();
    Image::new("web", Store::Registry, "registry.example/web", digest)
        .tag(Some(Tag::parse(format!("v{edition}")).unwrap()))
}

/// Returns what changes, a line each.
pub(crate) fn lines(changes: &ChangeSet) -> Vec<String> {
    changes.changes.iter().map(|change| format!("{} {}", change.verb, change.object.name)).collect()
}

/// Returns how an error reads in full.
pub(crate) fn told(error: &Error) -> String {
    error.report().to_string()
}
