//! Charts in a registry.

use std::{
    fs,
    sync::{Arc, Mutex},
};

use shipway_core::{ErrorKind, FixedCredentials, HostDisk, Login};
use shipway_deployers::HelmChart;
use shipway_oci::{AnyManifest, Client, Distribution as _, Label, Registry};

use crate::{
    helm::Helm,
    stage::{MAP, Stage},
};

/// A registry that notes what is written to it.
struct Bed {
    stage: Stage,
    registry: Registry,
    writes: Arc<Mutex<Vec<String>>>,
    client: Client,
}

impl Bed {
    async fn new() -> Self {
        let stage = Stage::new(&[]);
        let writes: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = Arc::clone(&writes);
        let registry = Registry::builder(stage.path("registry"), Arc::new(HostDisk)).faults(move |request| {
            if !matches!(request.method, "GET" | "HEAD") {
                noted.lock().unwrap().push(format!("{} {}", request.method, request.path));
            }
            None
        });
        let registry = registry.start().await.unwrap();
        Self { stage, registry, writes, client: Client::new() }
    }

    fn place(&self) -> String {
        format!("oci://{}/charts", self.registry.host())
    }

    async fn push(&self, chart: &HelmChart) -> shipway_core::Result<shipway_core::Digest> {
        chart.push_oci(&self.stage.cx, &self.client, &self.place()).await
    }

    fn writes(&self) -> usize {
        std::mem::take(&mut *self.writes.lock().unwrap()).len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_not_sent_again_and_not_replaced() {
    let bed = Bed::new().await;
    let chart = bed.stage.chart("web", "1.2.3+build").await;
    let digest = bed.push(&chart).await.unwrap();
    assert!(bed.writes() > 0);
    assert_eq!(bed.push(&chart).await.unwrap(), digest);
    assert_eq!(bed.writes(), 0);
    bed.stage.write("made/web/values.yaml", "a: b\n");
    let other = bed.stage.chart("web", "1.2.3+build").await;
    let error = bed.push(&other).await.expect_err("another");
    assert_eq!((error.kind(), bed.writes()), (ErrorKind::Conflict, 0), "{error:?}");
    let replaced = bed.push(&other.clone().replace(true)).await.unwrap();
    assert_ne!(replaced, digest);
    assert_eq!(bed.push(&other).await.unwrap(), replaced);
    for wrong in
        ["r.example.com/charts", "https://r.example.com/charts", "oci://u:p@r.example.com/charts", "oci://"]
    {
        let error = chart.push_oci(&bed.stage.cx, &bed.client, wrong).await.expect_err(wrong);
        assert_eq!(error.kind(), ErrorKind::Config, "{wrong}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manifest_is_as_helm_writes_it() {
    let bed = Bed::new().await;
    bed.stage.write("made/web/templates/map.yaml", MAP);
    let text = "apiVersion: v2\nname: web\nversion: 1.0.0\ndescription: a shop <&>\nhome: https://example.com\nsources: [https://example.com/src]\n\
        maintainers: [{name: A, email: a@example.com}, {name: B}]\nannotations:\n  org.opencontainers.image.version: '6'\n  own: x\n  org.opencontainers.image.url: https://other.example.com\n";
    bed.stage.write("web/Chart.yaml", text);
    let ours = bed.stage.pack("web").await.unwrap();
    bed.push(&ours).await.unwrap();
    let manifest = |name: &str| {
        let repository =
            bed.client.repository(&bed.stage.cx, &format!("{}/{name}/web", bed.registry.host())).unwrap();
        async move {
            let raw = repository.manifest(&Label::Tag("1.0.0".parse().unwrap())).await.unwrap().unwrap();
            let AnyManifest::Image(mut image) = AnyManifest::parse(&raw).unwrap() else { panic!("{raw:?}") };
            let created = image.annotations.remove("org.opencontainers.image.created").unwrap();
            (image, created)
        }
    };
    let (found, created) = manifest("charts").await;
    assert_eq!(created, "2026-01-01T00:00:00Z");
    assert_eq!(found.layers[0].digest.as_str(), ours.digest());
    for helm in Helm::both("the_manifest_is_as_helm_writes_it") {
        let file = helm.path("web-1.0.0.tgz");
        fs::write(&file, ours.archive()).unwrap();
        let place = format!("oci://{}/theirs", bed.registry.host());
        helm.run(&["push", file.to_str().unwrap(), &place, "--plain-http"]).await;
        let (theirs, _) = manifest("theirs").await;
        assert_eq!((&found.layers, &found.annotations), (&theirs.layers, &theirs.annotations));
        assert_eq!(found.config, theirs.config);
        // What helm pushed is what we would.
        bed.writes();
        ours.push_oci(&bed.stage.cx, &bed.client, &place).await.unwrap();
        assert_eq!(bed.writes(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_pulls_what_we_push() {
    for helm in Helm::both("helm_pulls_what_we_push") {
        let bed = Bed::new().await;
        for version in ["1.2.3", "1.3.0+build.7"] {
            let chart = bed.stage.chart("web", version).await;
            bed.push(&chart).await.unwrap();
            let place = format!("{}/web", bed.place());
            helm.run(&["pull", &place, "--version", version, "--plain-http"]).await;
            assert_eq!(fs::read(helm.path(&chart.file_name())).unwrap(), *chart.archive());
            let rendered =
                helm.run(&["template", "shop", &place, "--version", version, "--plain-http"]).await;
            assert!(rendered.contains(&format!("version: \"{version}\"")), "{rendered}");
        }
        // The newest in a range.
        let shown = helm
            .run(&["show", "chart", &format!("{}/web", bed.place()), "--version", "^1", "--plain-http"])
            .await;
        assert!(shown.contains("version: 1.3.0+build.7"), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_for_its_host() {
    let folder = tempfile::tempdir().unwrap();
    let registry =
        Registry::builder(folder.path(), Arc::new(HostDisk)).login("ci", "s3cret").start().await.unwrap();
    let place = format!("oci://{}/charts", registry.host());
    let stage = Stage::new(&[]);
    let chart = stage.chart("web", "1.0.0").await;
    let error = chart.push_oci(&stage.cx, &Client::new(), &place).await.expect_err("no login");
    assert_eq!(error.kind(), ErrorKind::Auth, "{error:?}");
    let credentials = FixedCredentials::new().login(registry.host(), Login::new("ci", "s3cret"));
    let stage = Stage::with(&[], credentials);
    chart.push_oci(&stage.cx, &Client::new(), &place).await.unwrap();
}
