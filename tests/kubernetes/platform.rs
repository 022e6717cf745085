//! The flow of an internal platform: an archive that somebody built is fetched from a repository of artifacts, becomes an image
//! without a Dockerfile, and is installed, upgraded and brought back by a chart that lies in a git repository.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::Path,
    process::Command as Process,
    sync::{Arc, Mutex},
    thread,
};

use serde_json::Value;
use shipway::{
    Artifact, Build, Cancel, Command, Deploy, Driver, FixedCredentials, LogRequest, Need, Outcome, Pipeline,
    PluginConfig as _, Release, Report, RunRequest, Step, TextLines,
    builders::Native,
    cluster::{Api as _, Selector},
    deployers::HelmConfig,
    oci::{Client, HostOptions, Stores},
    runners::Host,
    taggers::InputDigest,
};

use crate::{cluster, skip};

const CHART: &str = "apiVersion: v2\nname: app\nversion: 0.1.0\n";
const DEPLOYMENT: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: app
        image: {{ .Values.image }}
"#;

/// A repository of artifacts: it answers each request with what the archive is now.
fn nexus(archive: &Arc<Mutex<Vec<u8>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/releases/app.jar", listener.local_addr().unwrap());
    let archive = Arc::clone(archive);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            let body = archive.lock().unwrap().clone();
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
        }
    });
    address
}

fn git(folder: &Path, words: &[&str]) {
    let status = Process::new("git").args(words).current_dir(folder).status().unwrap();
    assert!(status.success(), "git {words:?}");
}

/// Puts the chart into a git repository, as a team that keeps charts for all others does.
fn charts(folder: &Path) -> String {
    let chart = folder.join("charts/app");
    fs::create_dir_all(chart.join("templates")).unwrap();
    fs::write(chart.join("Chart.yaml"), CHART).unwrap();
    fs::write(chart.join("values.yaml"), "replicas: 1\n").unwrap();
    fs::write(chart.join("templates/deployment.yaml"), DEPLOYMENT).unwrap();
    let charts = folder.join("charts");
    git(&charts, &["init", "-q", "-b", "main"]);
    git(&charts, &["add", "."]);
    let who = ["-c", "user.name=charts", "-c", "user.email=charts@example"];
    git(&charts, &[&who[..], &["commit", "-q", "-m", "the chart of all applications"]].concat());
    format!("file://{}", charts.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_brings_an_archive_to_a_release_and_back() {
    let test = "a_platform_brings_an_archive_to_a_release_and_back";
    for variable in ["SHIPWAY_HELM3", "SHIPWAY_HELM4"] {
        let Some(helm) = env::var_os(variable) else {
            return skip::skip(test, &format!("helm: {variable}"));
        };
        let Some(bed) = cluster::Bed::up(test).await else { return };
        flow(&bed, helm.to_str().unwrap()).await;
        bed.down().await;
    }
}

async fn flow(bed: &cluster::Bed, helm: &str) {
    let registry = env::var("SHIPWAY_KUBE_REGISTRY").unwrap();
    let (kubeconfig, context) = cluster::kubeconfig().unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("app")).unwrap();
    let archive = Arc::new(Mutex::new(b"PK\x03\x04 greets: hello\n".to_vec()));
    let (address, charts) = (nexus(&archive), charts(folder.path()));

    let native = serde_json::json!({
        "base": format!("{registry}/bases/busybox:local"),
        "files": [{"from": "app.jar", "to": "/app/app.jar"}],
        "config": {"entrypoint": ["sh", "-c", "cat /app/app.jar; exec sleep 3600"]},
        "insecure_registry": [registry],
    });
    let native: Native = Native::new(serde_json::from_value(native).unwrap()).unwrap();
    let fetch = ["-fsS", "-o", "app/app.jar", &address].map(str::to_owned);
    let fetch = Step::run("fetch", Arc::new(Host), RunRequest::new(Command::new("curl").args(fetch)));
    let app = Build::new(
        Artifact::new("app", "app"),
        format!("{registry}/platform-{}/app", bed.namespace),
        Arc::new(native),
    )
    .tagger(Arc::new(InputDigest))
    .after([Need::step("fetch")]);
    let chart: HelmConfig = serde_json::from_value(serde_json::json!({
        "git": {"url": charts, "ref": "main", "path": "app"},
        "kubeContext": context, "namespace": bed.namespace, "program": helm,
        "setValueTemplates": {"image": "{{.IMAGE_FULLY_QUALIFIED}}"},
    }))
    .unwrap();
    let chart = Arc::new(chart.into_plugin(&shipway::catalog()).unwrap());
    let pipeline = Pipeline::new("platform").step(fetch).build(app).deploy(
        Deploy::new(Release::new("app"), Arc::clone(&chart) as _).logs(Some(Arc::clone(&chart) as _)),
    );

    let client = Client::builder().host(registry.as_str(), HostOptions::new().plain_http());
    let stores = Stores::with_client(client.build().unwrap());
    let variables = ["PATH", "HOME"].map(|name| (name.to_owned(), env::var(name).unwrap()));
    let world = shipway::host(folder.path())
        .images(stores)
        .credentials(FixedCredentials::new().cluster(context.as_str(), kubeconfig.as_str()))
        .env(BTreeMap::from(variables));
    let driver = Driver::new(world.clone());
    let run = async || driver.run(&pipeline, &Cancel::new()).await.unwrap().into_result().unwrap();
    let revision = |report: &Report| report.deployment("app").unwrap().revision.clone();

    let installed = run().await;
    assert_eq!(revision(&installed), "1");
    let first = image(bed).await;
    let built = installed.image("app").unwrap();
    assert!(first.ends_with(&built.digest.to_string()), "{first} is our image, by its digest");

    // Nothing changed: nothing is built, and helm makes no revision.
    let again = run().await;
    assert_eq!(again.task("build:app"), Some(&Outcome::Reused));
    assert_eq!((revision(&again), again.task("apply:app")), ("1".to_owned(), Some(&Outcome::Reused)));

    *archive.lock().unwrap() = b"PK\x03\x04 greets: good morning\n".to_vec();
    assert_eq!(revision(&run().await), "2");
    assert_ne!(image(bed).await, first);

    let back = Driver::plan_rollback(&pipeline, &BTreeMap::from([("app".to_owned(), None)])).unwrap();
    driver.execute(&pipeline, &back, &Cancel::new()).await.unwrap().into_result().unwrap();
    assert_eq!(image(bed).await, first, "what was installed first runs again");
    let heard = Heard::default();
    let listening = Driver::new(world.sink(Arc::new(TextLines::new(heard.clone()))));
    listening.logs(&pipeline, &LogRequest::new(), &Cancel::new()).await.unwrap();
    let heard = String::from_utf8_lossy(&heard.0.lock().unwrap()).into_owned();
    assert!(heard.contains("app] ") && heard.contains("greets: hello"), "{heard}");

    let removal = Driver::plan_removal(&pipeline).unwrap();
    driver.execute(&pipeline, &removal, &Cancel::new()).await.unwrap().into_result().unwrap();
    let status = driver.status(&pipeline, &Cancel::new()).await.unwrap();
    assert!(status.iter().all(|release| release.history.is_empty()), "{status:?}");
}

/// Returns the image of the deployment's pods.
async fn image(bed: &cluster::Bed) -> String {
    let deployments = Selector::new().kind("apps/v1", "Deployment").namespace(bed.namespace.as_str());
    let deployments: Vec<Value> = bed.cluster.list(&bed.cx, &deployments).await.unwrap().items;
    let containers = &deployments[0]["spec"]["template"]["spec"]["containers"];
    containers[0]["image"].as_str().unwrap().to_owned()
}

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
