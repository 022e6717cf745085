//! M10 on a real cluster: secrets of a release, of the world and of the kubeconfig are in nothing that leaves a run,
//! whatever the API server and a container say.

use std::{
    env, fs,
    io::{self, Write},
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use shipway_cluster::{Api, Apply};
use shipway_core::{
    Cancel, Capabilities, ChangeSet, Context, Deploy, Deployer, Deployment, Desired, DiskJournal, Driver,
    Event, FixedCredentials, Health, HostDisk, Inputs, JsonLines, Manifests, Pipeline, Record, Release,
    Result, RunOutcome, SecretId, Sink, Watch, World,
};
use shipway_deployers::Kubectl;

use crate::{
    cluster::kubeconfig,
    proxy::Proxy,
    skip::skip,
    stage::{Stage, settings},
    values::{CLUSTER, DATA, GIVEN, LAST_APPLIED, STRING_DATA, base64, forms, shown},
};

/// Asks for the world's secrets before it does something with manifests, as who puts them there does.
#[derive(Debug)]
struct Asking(Kubectl);

impl Asking {
    async fn ask(&self, cx: &Context) -> Result<&Kubectl> {
        for (id, _) in GIVEN {
            cx.secret(&SecretId::parse(id)?).await?;
        }
        Ok(&self.0)
    }
}

#[async_trait]
impl Deployer for Asking {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn inputs(&self, cx: &Context) -> Result<Inputs> {
        self.0.inputs(cx).await
    }

    async fn render(&self, cx: &Context, release: &Release) -> Result<Manifests> {
        self.ask(cx).await?.render(cx, release).await
    }

    async fn history(&self, cx: &Context, release: &str) -> Result<Vec<Deployment>> {
        self.ask(cx).await?.history(cx, release).await
    }

    async fn diff(&self, cx: &Context, desired: &Desired) -> Result<ChangeSet> {
        self.0.diff(cx, desired).await
    }

    async fn apply(&self, cx: &Context, changes: &ChangeSet) -> Result<Deployment> {
        self.0.apply(cx, changes).await
    }

    async fn health(&self, cx: &Context, deployment: &Deployment) -> Result<Health> {
        self.0.health(cx, deployment).await
    }
}

#[derive(Clone, Debug, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Both sinks that there are.
#[derive(Debug)]
struct Both(Arc<Record>, JsonLines<Written>);

impl Sink for Both {
    fn emit(&self, event: &Event) {
        self.0.emit(event);
        self.1.emit(event);
    }
}

struct Shop {
    stage: Stage,
    proxy: Proxy,
    image: String,
    /// All that left the runs, each with its name.
    texts: Vec<(String, String)>,
}

impl Shop {
    /// Writes a release of which a part may be another one.
    fn write(&self, colour: &str, change: impl FnOnce(&mut Value, &mut Value)) {
        let applied =
            json!({"data": {"password": base64(LAST_APPLIED.as_bytes())}, "stringData": {"a": LAST_APPLIED}});
        let last = json!({"kubectl.kubernetes.io/last-applied-configuration": applied.to_string()});
        let mut secret = json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "key", "annotations": last, "labels": {"colour": colour}},
            "data": {"password": base64(DATA.as_bytes())}, "stringData": {"text": STRING_DATA}});
        let from = |key: &str| json!({"secretKeyRef": {"name": "key", "key": key}});
        let container = json!({"name": "main", "image": self.image,
            "env": [
                {"name": "TOKEN", "value": GIVEN[0].1},
                {"name": "PASSWORD", "valueFrom": from("password")},
                {"name": "TEXT", "valueFrom": from("text")}],
            // It runs for a moment, and is not to count as ready then.
            "readinessProbe": {"exec": {"command": ["false"]}},
            "command": ["sh", "-c", "env; echo $TOKEN $PASSWORD $TEXT; echo -n $PASSWORD | base64; exit 7"]});
        let labels = json!({"app": "app"});
        let mut app = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "app"}, "spec": {
            "replicas": 0, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {
                "terminationGracePeriodSeconds": 0, "containers": [container]}}}});
        change(&mut secret, &mut app);
        let files =
            [settings("one", colour), ("key.json", secret.to_string()), ("app.json", app.to_string())];
        self.stage.write(&files);
    }

    /// Runs, and keeps all that leaves the run.
    async fn run(&mut self, name: &str, removes: bool) -> RunOutcome {
        let mut take = |what: &str, text: String| self.texts.push((format!("{name}: {what}"), text));
        let (_, context) = kubeconfig().unwrap();
        let mut config: Value = serde_json::from_str(&self.proxy.kubeconfig()).unwrap();
        config["users"] = json!([{"name": "somebody", "user": {"token": CLUSTER}}]);
        config["contexts"][0]["context"]["user"] = "somebody".into();
        let credentials = FixedCredentials::new().cluster(&context, config.to_string());
        let credentials = GIVEN.iter().fold(credentials, |all, (id, value)| all.secret(*id, *value));
        let (record, written) = (Arc::new(Record::new()), Written::default());
        let sink = Both(Arc::clone(&record), JsonLines::new(written.clone()));
        let root = self.stage.folder.path();
        let world = World::host(root).credentials(credentials).sink(Arc::new(sink));
        let journal = DiskJournal::new(Arc::new(HostDisk), root.join("runs"));
        let driver = Driver::new(world).journal(Arc::new(journal));
        let deployer = Arc::new(Asking(self.stage.kubectl.clone()));
        let watch = Watch::new(Duration::from_millis(100), Duration::from_secs(60));
        let pipeline = Pipeline::new("shop").deploy(Deploy::new(Release::new("shop"), deployer).watch(watch));
        let cancel = Cancel::new();
        let plan = match removes {
            true => Driver::plan_removal(&pipeline).unwrap(),
            false => Driver::plan(&pipeline, &driver.observe(&pipeline, &cancel).await.unwrap()).unwrap(),
        };
        take("the plan", format!("{plan}\n{}", serde_json::to_string(&plan).unwrap()));
        let report = driver.execute(&pipeline, &plan, &cancel).await.unwrap();
        let outcome = report.outcome;
        take(
            "the report",
            format!("{report}\n{:?}\n{}", report.state, serde_json::to_string(&report.state).unwrap()),
        );
        if let Err(error) = report.into_result() {
            take("the error", format!("{error}\n{error:?}\n{}", error.report()));
            take("the error's report", serde_json::to_string(error.report()).unwrap());
        }
        take("the events", format!("{:?}", record.events()));
        take("the JSON lines", String::from_utf8(written.0.lock().unwrap().clone()).unwrap());
        files(&root.join("runs"), &mut take);
        outcome
    }

    /// Looks for what the last run must have shown instead.
    fn shows(&self, run: &str, part: &str) {
        let all: Vec<&str> = self
            .texts
            .iter()
            .filter(|(name, _)| name.starts_with(run))
            .map(|(_, text)| text.as_str())
            .collect();
        assert!(all.iter().any(|text| text.contains(part)), "`{part}` in {run}: {all:#?}");
    }
}

fn files(folder: &Path, take: &mut impl FnMut(&str, String)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, take);
        } else {
            take("a journal", String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_a_release_is_in_anything_that_leaves_a_run() {
    let test = "no_secret_of_a_release_is_in_anything_that_leaves_a_run";
    let Ok(registry) = env::var("SHIPWAY_KUBE_REGISTRY") else {
        return skip(test, "a registry of the cluster: SHIPWAY_KUBE_REGISTRY");
    };
    let Some((stage, proxy)) = Stage::behind_a_proxy(test).await else { return };
    let image = format!("{registry}/bases/busybox:local");
    let mut shop = Shop { stage, proxy, image, texts: Vec::new() };

    shop.write("blue", |_, _| {});
    assert_eq!(shop.run("released", false).await, RunOutcome::Succeeded);

    // Containers show what they are given; the release goes back.
    shop.write("red", |_, app| app["spec"]["replicas"] = 1.into());
    assert_eq!(shop.run("crashing", false).await, RunOutcome::Failed);
    shop.shows("crashing", "exit code 7");
    shop.shows("crashing", "main> ");
    shop.shows("crashing", "***");

    // The API server shows what it refuses.
    shop.write("green", |_, app| app["spec"]["template"]["metadata"]["labels"]["odd"] = GIVEN[1].1.into());
    assert_eq!(shop.run("invalid", false).await, RunOutcome::Failed);
    shop.shows("invalid", "a valid label must");
    shop.write("green", |secret, _| secret["data"]["password"] = DATA.into());
    assert_eq!(shop.run("no base64", false).await, RunOutcome::Failed);
    shop.shows("no base64", "a value in it is not base64");
    shop.write("green", |secret, _| {
        secret["metadata"]["labels"]["colour"] = STRING_DATA.into();
        secret["metadata"]["labels"]["odd"] = format!("{STRING_DATA} {DATA}").into();
    });
    assert_eq!(shop.run("invalid secret", false).await, RunOutcome::Failed);

    // Somebody else took a field.
    let theirs = json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "key", "namespace": shop.stage.bed.namespace}, "data": {"password": base64(b"grey")}});
    let force = Apply { force: true, ..Apply::default() };
    shop.stage.bed.cluster.apply(&shop.stage.cx, "somebody", &theirs, force).await.unwrap();
    shop.write("yellow", |_, _| {});
    assert_eq!(shop.run("conflict", false).await, RunOutcome::Failed);
    shop.shows("conflict", "somebody");

    assert_eq!(shop.run("removed", true).await, RunOutcome::Succeeded);
    assert!(!shop.stage.objects().await.contains_key("Deployment app"));

    let (mut looked, mut hidden) = (0, 0);
    for (name, text) in &shop.texts {
        assert!(shown(text).is_none(), "{name} shows {}\n{text}", shown(text).unwrap_or_default());
        looked += text.len();
        hidden += text.matches("***").count();
    }
    assert!(hidden > 0 && !forms(DATA).is_empty());
    println!("M10: 8 secrets in 0 of {looked} bytes of 7 runs to a real cluster, and hidden {hidden} times");
    shop.stage.down().await;
}
