//! Plug-ins that show every secret that they can get, in every form, by every way out.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;
use shipway::{
    Answer, Artifact, BuildRequest, Builder, Cache, Capabilities, Case, CaseOutcome, ChangeSet, Command,
    Context, Decision, Deployer, Deployment, Desired, Error, ErrorKind, EventKind, Gates, Health, Image,
    Inputs, Level, Manifest, Manifests, MemoryCache, ObjectId, Phase, Question, Release, Result, SecretId,
    Stream, Subject, TestReport, Tester, Timestamp, Unit, builders::Native, deployers::Memory,
};

use crate::canaries::{DATA, GIVEN, LAST_APPLIED, STRING_DATA, base64, forms, told};

/// What a command prints of what it is given.
pub(crate) const SCRIPT: &str = "env
for value in \"$TOKEN\" \"$ODD\" \"$LONG\" \"$PEM\"; do
    printf '%s\\n' \"$value\"
    printf '%s\\n' \"$value\" >&2
    printf %s \"$value\" | base64
    printf %s \"$value\" | base64 -w0 >&2
    printf %s \"$value\" | od -An -v -tx1 | tr -d ' \\n'
    echo
done
echo \"https://ci:$TOKEN@host/path\"
";

/// Builds, tests and deploys as it should, and tells everything.
#[derive(Clone, Debug)]
pub(crate) struct Careless {
    pub(crate) native: Arc<Native>,
    pub(crate) memory: Memory,
    pub(crate) registry: String,
    /// Where it fails.
    pub(crate) fails: &'static str,
    pub(crate) looks: Arc<AtomicUsize>,
}

pub(crate) fn command() -> Command {
    let secrets = GIVEN.map(|(id, _)| (id.to_uppercase(), SecretId::parse(id).expect("it is an id")));
    Command::shell(SCRIPT).secrets(secrets)
}

impl Careless {
    /// Gets all secrets, tells them in every way, and returns them; or fails with them.
    async fn tell(&self, cx: &Context, place: &str) -> Result<String> {
        for (id, _) in GIVEN {
            cx.secret(&SecretId::parse(id)?).await?;
        }
        cx.login(&self.registry).await?;
        cx.cluster("production").await?;
        let text: String = told().iter().flat_map(|value| forms(value)).map(|form| form + "\n").collect();
        cx.message(Level::Warning, text.as_str());
        text.lines().for_each(|line| cx.output(Stream::Stdout, line));
        cx.emit(EventKind::Progress { what: text.clone(), done: 1, total: None, unit: Unit::Items });
        cx.run(command()).await?;
        let exit = cx.run(command().capture(true)).await?;
        if self.fails == place {
            let error = Error::new(ErrorKind::ToolFailed, text.as_str()).note(exit.stdout).note(exit.stderr);
            return Err(error.hint(text.as_str()).source(io::Error::other(text)));
        }
        Ok(text)
    }
}

#[async_trait]
impl Builder for Careless {
    fn capabilities(&self) -> Capabilities {
        Builder::capabilities(self.native.as_ref())
    }

    async fn inputs(&self, cx: &Context, artifact: &Artifact) -> Result<Inputs> {
        let mut inputs = Builder::inputs(self.native.as_ref(), cx, artifact).await?;
        for (id, _) in GIVEN {
            inputs.secrets.insert(SecretId::parse(id)?);
        }
        // So that the declaration is kept, too.
        let listed_by = Inputs::default().files(["web/Dockerfile".into()]);
        Ok(inputs.listed_by(Box::new(listed_by)))
    }

    async fn build(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        self.tell(cx, "build").await?;
        self.native.build(cx, request).await
    }
}

#[async_trait]
impl Tester for Careless {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn inputs(&self, _cx: &Context) -> Result<Inputs> {
        Ok(Inputs::default())
    }

    async fn test(&self, cx: &Context, subject: &Subject) -> Result<TestReport> {
        let place = if matches!(subject, Subject::Image(_)) { "test" } else { "verify" };
        let text = self.tell(cx, "the tester itself").await?;
        let outcome =
            if self.fails == place { CaseOutcome::Failed(text.clone()) } else { CaseOutcome::Passed };
        Ok(TestReport::default()
            .cases([Case::new(text.as_str(), outcome), Case::new("skipped", CaseOutcome::Skipped(text))]))
    }
}

#[async_trait]
impl Deployer for Careless {
    fn capabilities(&self) -> Capabilities {
        Deployer::capabilities(&self.memory)
    }

    async fn inputs(&self, cx: &Context) -> Result<Inputs> {
        Deployer::inputs(&self.memory, cx).await
    }

    async fn render(&self, cx: &Context, release: &Release) -> Result<Manifests> {
        self.tell(cx, "render").await?;
        let mut manifests = self.memory.render(cx, release).await?;
        let applied =
            json!({"data": {"password": base64(LAST_APPLIED.as_bytes())}, "stringData": {"a": LAST_APPLIED}});
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": "canary",
                "namespace": "default",
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied.to_string()},
            },
            "data": {"password": base64(DATA.as_bytes()), "release": release.images[0].digest.hex()},
            "stringData": {"password": STRING_DATA},
        });
        let object = ObjectId::new("v1", "Secret", "canary").namespace("default".to_owned());
        manifests.objects.push(Manifest::new(object, secret.to_string()));
        Ok(manifests)
    }

    async fn history(&self, cx: &Context, release: &str) -> Result<Vec<Deployment>> {
        self.memory.history(cx, release).await
    }

    async fn diff(&self, cx: &Context, desired: &Desired) -> Result<ChangeSet> {
        let text = self.tell(cx, "diff").await?;
        let mut changes = self.memory.diff(cx, desired).await?;
        // As where a template puts a token into an object that is no `Secret`.
        for change in &mut changes.changes {
            change.diff.push_str(&text);
        }
        Ok(changes)
    }

    async fn apply(&self, cx: &Context, changes: &ChangeSet) -> Result<Deployment> {
        self.tell(cx, "apply").await?;
        self.memory.apply(cx, changes).await
    }

    async fn health(&self, cx: &Context, _deployment: &Deployment) -> Result<Health> {
        let text = self.tell(cx, "look").await?;
        let waiting = |phase| Health::new(phase).waiting_for([text.clone()]);
        Ok(match self.looks.fetch_add(1, Ordering::SeqCst) {
            0 => waiting(Phase::Progressing),
            1 if self.fails == "health" => waiting(Phase::Failed),
            _ => Health::new(Phase::Healthy),
        })
    }
}

/// Approves, and keeps what it was shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Approving(pub(crate) Arc<Mutex<Vec<Question>>>);

#[async_trait]
impl Gates for Approving {
    async fn decision(&self, _cx: &Context, question: &Question) -> Result<Option<Decision>> {
        self.0.lock().expect("no panic").push(question.clone());
        Ok(Some(Decision::new(Answer::Approved, "ann", Timestamp(5))))
    }

    async fn withdraw(&self, _cx: &Context, _question: &Question) {}
}

/// A cache that keeps, besides, the text of all that is put into it.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    cache: MemoryCache,
    pub(crate) put: Mutex<Vec<String>>,
}

#[async_trait]
impl Cache for Watched {
    async fn get(&self, cx: &Context, key: &str) -> Result<Option<Bytes>> {
        self.cache.get(cx, key).await
    }

    async fn put(&self, cx: &Context, key: &str, value: Bytes) -> Result<()> {
        let text = String::from_utf8_lossy(&value);
        self.put.lock().expect("no panic").push(format!("{key} {text}"));
        self.cache.put(cx, key, value).await
    }
}
