//! Secrets of whole runs: whatever a builder, a tester, a deployer and a runner do with them, they are in nothing
//! that leaves the run: no event, no sink's text, no error, no report, no question, no record, no image.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the test prepares sources and looks at the disk, and the figure is for the report"
)]

mod canaries;
mod careless;

use std::{
    fs,
    io::{Read as _, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use canaries::{CLUSTER, GIVEN, PASSWORD, shown};
use careless::{Approving, Careless, SCRIPT, Watched, command};
use shipway::{
    Artifact, Build, Cancel, Deploy, DiskJournal, Driver, Event, FixedCredentials, Gate, HostDisk, JsonLines,
    Login, Mount, MountSource, Output, Pipeline, Record, Release, RunOutcome, RunRequest, SecretId, Sink,
    Step, Watch,
    builders::{Native, NativeConfig},
    cluster::MemoryCluster,
    deployers::Memory,
    oci::Registry,
    runners::Host,
    taggers::InputDigest,
};

#[derive(Clone, Debug, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Both sinks that there are.
#[derive(Debug)]
struct Both {
    record: Arc<Record>,
    lines: JsonLines<Written>,
}

impl Sink for Both {
    fn emit(&self, event: &Event) {
        self.record.emit(event);
        self.lines.emit(event);
    }
}

/// Returns every file below a folder, and the same unpacked where it is compressed.
fn files(folder: &Path) -> Vec<(String, String)> {
    let (mut texts, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path).unwrap();
            let mut unpacked = Vec::new();
            let _ = flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut unpacked);
            for bytes in [bytes, unpacked] {
                texts.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
    }
    texts
}

struct Shop {
    folder: tempfile::TempDir,
    registry: Registry,
    cluster: MemoryCluster,
}

impl Shop {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in
            [("src/web/Dockerfile", "FROM scratch\nCOPY hello /hello\n"), ("src/web/hello", "hello\n")]
        {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fs::create_dir(folder.path().join("scratch")).unwrap();
        let registry = Registry::builder(folder.path().join("registry"), Arc::new(HostDisk));
        let registry = registry.login("ci", PASSWORD).start().await.unwrap();
        Self { folder, registry, cluster: MemoryCluster::new() }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn pipeline(&self, fails: &'static str) -> Pipeline {
        let careless = Arc::new(Careless {
            native: Arc::new(Native::new(NativeConfig::default()).unwrap()),
            memory: Memory::new(self.cluster.clone()),
            registry: self.registry.host(),
            fails,
            looks: Arc::default(),
        });
        let repository = format!("{}/web", self.registry.host());
        let build = Build::new(Artifact::new("web", "web"), repository, Arc::<Careless>::clone(&careless))
            .tagger(Arc::new(InputDigest))
            .tester("look", Arc::<Careless>::clone(&careless));
        let deploy = Deploy::new(Release::new("shop"), Arc::<Careless>::clone(&careless))
            .gate(Gate::new("may it go?"))
            .tester("smoke", careless)
            .watch(Watch::new(Duration::from_millis(1), Duration::from_secs(60)));
        let mut speak = RunRequest::new(command())
            .mounts([Mount::new(MountSource::Secret(SecretId::parse("pem").unwrap()), "/kit/pem")])
            .result(PathBuf::from("/kit/result"));
        let end = if fails == "run" { "exit 3" } else { "true" };
        let script =
            format!("{SCRIPT}\ncat /kit/pem; base64 /kit/pem; printf %s \"$TOKEN\" >/kit/result; {end}");
        *speak.command.args.last_mut().unwrap() = script;
        Pipeline::new("shop").build(build).deploy(deploy).step(Step::run(
            "speak",
            Arc::new(Host::new()),
            speak,
        ))
    }

    /// Runs, and returns all that leaves the run, each with its name.
    async fn run(&self, fails: &'static str) -> Vec<(String, String)> {
        let mut texts: Vec<(String, String)> = Vec::new();
        let mut take = |name: &str, text: String| texts.push((name.to_owned(), text));
        let (record, written) = (Arc::new(Record::new()), Written::default());
        let sink = Both { record: Arc::clone(&record), lines: JsonLines::new(written.clone()) };
        let kubeconfig = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: production\nusers:\n- name: a\n  user:\n    token: {CLUSTER}\n"
        );
        let credentials = FixedCredentials::new()
            .login(self.registry.host(), Login::new("ci", PASSWORD))
            .cluster("production", kubeconfig);
        let credentials = GIVEN.iter().fold(credentials, |all, (id, value)| all.secret(*id, *value));
        let world = shipway::host(self.path("src"))
            .scratch(self.path("scratch"))
            .env([("PATH".to_owned(), std::env::var("PATH").unwrap())])
            .credentials(credentials)
            .sink(Arc::new(sink));
        let (gates, cache) = (Approving::default(), Arc::new(Watched::default()));
        let journal = DiskJournal::new(Arc::new(HostDisk), self.path("runs"));
        let driver = Driver::new(world)
            .gates(gates.clone())
            .cache(Arc::<Watched>::clone(&cache))
            .journal(Arc::new(journal))
            .keep_going(true);
        let (pipeline, cancel) = (self.pipeline(fails), Cancel::new());
        let observed = driver.observe(&pipeline, &cancel).await.unwrap();
        let plan = Driver::plan(&pipeline, &observed).unwrap();
        take("what was observed", serde_json::to_string(&observed).unwrap());
        take("the plan", format!("{plan}\n{}", serde_json::to_string(&plan).unwrap()));
        let report = driver.execute(&pipeline, &plan, &cancel).await.unwrap();
        let failed = report.outcome == RunOutcome::Failed;
        assert_eq!(failed, !fails.is_empty(), "{fails}: {report}");
        take("the report", format!("{report}\n{:?}", report.state));
        take("the report's state", serde_json::to_string(&report.state).unwrap());
        for (id, output) in &report.outputs {
            match output {
                // They are the embedder's to apply, with what is in them.
                Output::Manifests(_) | Output::Changes(_) | Output::Deployment(_) => {}
                output => {
                    take(id.as_str(), format!("{output:?}\n{}", serde_json::to_string(output).unwrap()));
                }
            }
        }
        if let Err(error) = report.into_result() {
            take("the error", format!("{error}\n{error:?}\n{}", error.report()));
            take("the error's report", serde_json::to_string(error.report()).unwrap());
        }
        take("the events", format!("{:?}", record.events()));
        take("the JSON lines", String::from_utf8(written.0.lock().unwrap().clone()).unwrap());
        for question in gates.0.lock().unwrap().iter() {
            let mut shown = question.clone();
            if let Some(changes) = &mut shown.changes {
                // What is applied is not shown to people: the changes are.
                assert!(changes.changes.iter().any(|change| change.diff.contains("***")), "{fails}");
                changes.state = None;
                changes.desired = shipway::Desired::Released {
                    manifests: shipway::Manifests::new(Release::new("shop")),
                    share: 100,
                };
            }
            take("a question", format!("{shown:?}\n{}", serde_json::to_string(&shown).unwrap()));
        }
        cache.put.lock().unwrap().iter().for_each(|text| take("a record", text.clone()));
        let journals = files(&self.path("runs"));
        assert!(!journals.is_empty(), "the run is written down");
        texts.extend(journals);
        texts.extend(files(&self.path("registry")));
        texts.extend(files(&self.path("scratch")));
        texts
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_anything_that_leaves_a_run() {
    let shop = Shop::new().await;
    let (mut looked, mut hidden, mut asked) = (0, 0, 0);
    for fails in ["", "build", "test", "run", "apply", "health", "verify"] {
        for (name, text) in shop.run(fails).await {
            assert!(shown(&text).is_none(), "{fails}: {name} shows {}", shown(&text).unwrap_or_default());
            looked += text.len();
            hidden += text.matches("***").count();
            asked += usize::from(name == "a question");
        }
    }
    // What was never told would not be missed.
    assert!(hidden > 1_000 && asked > 0, "{hidden} hidden, {asked} questions");
    println!("M10: 10 secrets in 0 of {looked} bytes of 7 runs, and hidden {hidden} times");
}

#[test]
fn a_secret_is_seen_in_every_form() {
    for text in [
        "x canary-token-0123456789 x",
        "63616e6172792d746f6b656e2d30313233343536373839",
        "Y2FuYXJ5LXRva2VuLTAxMjM0NTY3ODk=",
        "canary%20%22odd%22%20p%40ss%2Fw%25rd%2B%C3%A9%3C%26%3E",
        "a\n-----END CANARY KEY-----",
        canaries::base64(canaries::DATA.as_bytes()).as_str(),
    ] {
        assert!(shown(text).is_some(), "{text}");
    }
    assert!(shown("***").is_none());
}
