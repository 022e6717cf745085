//! A small shop whose runs have something to tell: results that are used again, a try that fails, a test whose failure
//! is allowed, a question, and a release that does not become healthy.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use shipway::{
    Allow, Answer, Artifact, Build, BuildRequest, Builder, Cancel, Capabilities, Case, CaseOutcome, Command,
    Context, Decision, Deploy, DiskJournal, Driver, Error, ErrorKind, Exit, Gate, Gates, HostDisk, Image,
    Inputs, Journal, Need, Pipeline, Policy, Question, Release, Result, RunRequest, Runner, Step, Stream,
    Subject, TestReport, Tester, Volume, Watch,
    builders::{Native, NativeConfig},
    cluster::MemoryCluster,
    deployers::Memory,
    oci::Registry,
    report::PastRun,
    taggers::InputDigest,
};
use tempfile::TempDir;

pub(crate) struct Shop {
    folder: TempDir,
    registry: Registry,
    driver: Driver,
    journal: DiskJournal,
    cluster: MemoryCluster,
}

impl Shop {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let src = folder.path().join("src");
        for name in ["base", "web", "cart"] {
            let from = if name == "web" { "base" } else { "scratch" };
            let dockerfile = format!("FROM {from}\nCOPY --chmod=755 run /{name}\nENTRYPOINT [\"/{name}\"]\n");
            write(&src.join(name).join("Dockerfile"), &dockerfile);
            write(&src.join(name).join("run"), "#!");
        }
        let registry = Registry::start(folder.path().join("registry"), Arc::new(HostDisk)).await.unwrap();
        let journal = DiskJournal::new(Arc::new(HostDisk), folder.path().join("runs"));
        let driver = Driver::new(shipway::host(&src)).gates(Ann).journal(Arc::new(journal.clone())).slots(2);
        Self { folder, registry, driver, journal, cluster: MemoryCluster::new() }
    }

    /// Changes what an artifact is made of.
    pub(crate) fn change(&self) {
        write(&self.folder.path().join("src/cart/run"), "#!/cart");
    }

    /// Lets an artifact start what is not in its image.
    pub(crate) fn break_it(&self) {
        let dockerfile = "FROM base\nCOPY --chmod=755 run /web\nENTRYPOINT [\"/usr/bin/web\"]\n";
        write(&self.folder.path().join("src/web/Dockerfile"), dockerfile);
    }

    pub(crate) async fn run(&self) -> PastRun {
        let report = self.driver.run(&self.pipeline(), &Cancel::new()).await.unwrap();
        let id = &report.state.run;
        PastRun::of(id, &self.journal.read(id).await.unwrap())
    }

    fn pipeline(&self) -> Pipeline {
        let build = |name: &str, millis: u64| {
            let native = Native::new(NativeConfig::default()).unwrap();
            let repository = format!("{}/shop/{name}", self.registry.host());
            Build::new(Artifact::new(name, name), repository, Arc::new(Paced { native, millis }))
                .tagger(Arc::new(InputDigest))
                .after([Need::step("lint")])
        };
        let mut web = build("web", 250);
        web.artifact.requires = [("base".to_owned(), "base".to_owned())].into();
        let lint = Arc::new(Lint(AtomicBool::new(false)));
        let audit = RunRequest::new(Command::new("audit"));
        let audit = Step::run("audit", Arc::<Lint>::clone(&lint), audit).after([Need::step("lint")]);
        let cart = build("cart", 400).tester("shell", Arc::new(Shell));
        let deploy = Deploy::new(Release::new("shop"), Arc::new(Memory::new(self.cluster.clone())))
            .gate(Gate::new("may it go to production?"))
            .watch(Watch::new(Duration::from_millis(50), Duration::from_secs(10)));
        let lint = Step::run("lint", lint, RunRequest::new(Command::new("lint")));
        Pipeline::new("shop")
            .step(lint.policy(Policy::default().retries(3_u32)))
            .step(audit.policy(Policy::default().allow(Allow::Failure)))
            .build(build("base", 150))
            .build(web)
            .build(cart)
            .deploy(deploy)
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Builds natively, tells about it, and takes its time.
#[derive(Debug)]
struct Paced {
    native: Native,
    millis: u64,
}

#[async_trait]
impl Builder for Paced {
    fn capabilities(&self) -> Capabilities {
        self.native.capabilities()
    }

    async fn inputs(&self, cx: &Context, artifact: &Artifact) -> Result<Inputs> {
        self.native.inputs(cx, artifact).await
    }

    async fn build(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        cx.output(Stream::Stdout, &format!("\u{1b}[1mpacking {}\u{1b}[0m", request.artifact.name));
        cx.clock().sleep(Duration::from_millis(self.millis)).await;
        self.native.build(cx, request).await
    }
}

/// Fails once, and finds nothing then; its audit always finds something.
#[derive(Debug)]
struct Lint(AtomicBool);

#[async_trait]
impl Runner for Lint {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn open(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
        Ok(())
    }

    async fn run(&self, cx: &Context, request: &RunRequest) -> Result<Exit> {
        if request.command.program == "audit" {
            cx.output(Stream::Stderr, "audit: 2 old dependencies");
            return Ok(Exit::new(3).stderr("audit: 2 old dependencies".to_owned()));
        }
        cx.output(Stream::Stdout, "lint: reading rules");
        if !self.0.swap(true, Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "the server of the rules does not answer"));
        }
        cx.output(Stream::Stdout, "lint: 12 files, no complaint");
        Ok(Exit::new(0))
    }

    async fn close(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
        Ok(())
    }
}

/// Finds labels in every image, and no shell to try more with.
#[derive(Debug)]
struct Shell;

#[async_trait]
impl Tester for Shell {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn inputs(&self, _cx: &Context) -> Result<Inputs> {
        Ok(Inputs::default())
    }

    async fn test(&self, _cx: &Context, _subject: &Subject) -> Result<TestReport> {
        let lacks = CaseOutcome::Skipped("there is no /bin/sh".to_owned());
        let cases = [Case::new("labels", CaseOutcome::Passed), Case::new("shell", lacks)];
        Ok(TestReport::default().cases(cases))
    }
}

/// Approves, after a moment.
#[derive(Debug)]
struct Ann;

#[async_trait]
impl Gates for Ann {
    async fn decision(&self, cx: &Context, _question: &Question) -> Result<Option<Decision>> {
        cx.clock().sleep(Duration::from_millis(200)).await;
        Ok(Some(Decision::new(Answer::Approved, "ann", cx.clock().now()).why("the tests are fine")))
    }

    async fn withdraw(&self, _cx: &Context, _question: &Question) {}
}
