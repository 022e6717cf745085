//! Builds by the engine: the classic builder and BuildKit, from a context that is streamed.

use std::collections::BTreeMap;

use hyper::Method;
use prost::Message;
use serde::Deserialize;
use serde_json::{Value, json};
use shipway_core::{Context, Digest, Error, ErrorKind, Login, Platform, Result, Stream};

use crate::{
    Daemon, Reader,
    base64::from_base64,
    buildkit::{
        messages::StatusResponse,
        session::{Session, SessionOffer},
    },
    daemon::unless_stopped,
    exchange::Ask,
    images::registry_config,
    progress::{End, Progress},
    query::Query,
};

/// How an image is built.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct BuildSpec {
    /// The path of the Dockerfile in the context.
    pub dockerfile: String,
    /// The stage to build; the last one when absent.
    pub target: Option<String>,
    /// The values of `ARG`s.
    pub args: BTreeMap<String, String>,
    /// Images whose layers may be taken in the place of a step.
    pub cache_from: Vec<String>,
    /// Whether every step is run.
    pub no_cache: bool,
    /// Whether bases are asked for in their registries even when the engine has them.
    pub pull: bool,
    /// The network of `RUN`; the engine's default when absent.
    pub network: Option<String>,
    /// Hosts that `RUN` knows, each as `name:address`.
    pub hosts: Vec<String>,
    /// Whether the layers are made into one; an experimental feature of engines.
    pub squash: bool,
    /// The platform; the engine's own when absent.
    pub platform: Option<Platform>,
    /// Logins by exactly the host that they are for.
    pub logins: BTreeMap<String, Login>,
    /// With BuildKit: what the build may ask for. The classic builder when absent.
    pub session: Option<SessionOffer>,
}

impl BuildSpec {
    /// Returns the build of this Dockerfile by the classic builder.
    pub fn new(dockerfile: impl Into<String>) -> Self {
        Self { dockerfile: dockerfile.into(), ..Self::default() }
    }

    fn query(&self) -> Query {
        let list =
            |values: &[String]| if values.is_empty() { String::new() } else { json!(values).to_string() };
        let platform = self.platform.as_ref().map(ToString::to_string);
        let mut query = Query::new()
            .set("dockerfile", &*self.dockerfile)
            .text("target", self.target.as_deref().unwrap_or_default())
            .set("buildargs", json!(self.args).to_string())
            .text("cachefrom", &list(&self.cache_from))
            .flag("nocache", self.no_cache)
            .flag("pull", self.pull)
            .text("networkmode", self.network.as_deref().unwrap_or_default())
            .flag("squash", self.squash)
            .text("platform", platform.as_deref().unwrap_or_default())
            // Containers of steps go, also of one that fails.
            .flag("rm", true)
            .flag("forcerm", true);
        for host in &self.hosts {
            query = query.set("extrahosts", &**host);
        }
        query
    }
}

#[derive(Deserialize)]
struct Line {
    stream: Option<String>,
    status: Option<String>,
    error: Option<String>,
    id: Option<String>,
    aux: Option<Value>,
}

impl Daemon {
    /// Returns whether the engine itself prefers BuildKit.
    pub async fn prefers_buildkit(&self, cx: &Context) -> Result<bool> {
        let ask = Ask::new(Method::GET, "/_ping", &Query::new());
        let answer = self.quick(cx, ask, "be asked").await?;
        Ok(answer.response.headers().get("builder-version").is_some_and(|version| version == "2"))
    }

    /// Builds an image of a context, a tar archive that is sent as it is made, and returns its id; it has
    /// no name yet. Everything that the build prints becomes events.
    ///
    /// # Errors
    /// `ToolFailed` with the end of what was printed; `Cancelled` and `Timeout`, with the build stopped.
    pub async fn build(&self, cx: &Context, spec: &BuildSpec, context: Reader) -> Result<Digest> {
        const WHAT: &str = "build the image";
        let mut query = spec.query();
        let session = match &spec.session {
            Some(offer) => Some(Session::open(cx, self, offer.clone()).await?),
            None => None,
        };
        query = match &session {
            Some(session) => query.set("version", "2").set("session", &*session.id),
            None => query.set("version", "1"),
        };
        let ask = Ask::new(Method::POST, "/build", &query)
            .tar(context)
            .header("x-registry-config", registry_config(&spec.logins));
        let mut lines = self.slow(cx, ask, WHAT).await?.lines(self.endpoint());
        let mut progress = Progress::new(cx);
        let mut built = None;
        let failed = loop {
            let line = match unless_stopped(cx, lines.next::<Line>(WHAT)).await? {
                Some(line) => line,
                None => break None,
            };
            if let Some(text) = &line.stream {
                progress.text("", Stream::Stdout, text.as_bytes());
            }
            // Bars of pulled layers move many times; what is said of the whole is a line.
            if let (Some(status), None) = (&line.status, &line.id) {
                progress.text("status", Stream::Stdout, format!("{status}\n").as_bytes());
            }
            match line.aux {
                Some(Value::String(trace)) if line.id.as_deref() == Some("moby.buildkit.trace") => {
                    let part = StatusResponse::decode(&*from_base64(&trace)?).map_err(|error| {
                        Error::bad_output("the engine's trace of the build has a wrong form").source(error)
                    })?;
                    progress.trace(&part);
                }
                Some(aux) => {
                    let id = aux.get("ID").and_then(Value::as_str);
                    let wrong = |error| Error::bad_output("docker gives a wrong image id").source(error);
                    built = id.map(Digest::parse).transpose().map_err(wrong)?.or(built);
                }
                None => {}
            }
            if line.error.is_some() {
                break line.error;
            }
        };
        drop(session);
        let end = progress.finish();
        match (failed, built) {
            (Some(error), _) => Err(failure(ErrorKind::ToolFailed, "`docker build` failed", &error, &end)),
            (None, Some(id)) => Ok(id),
            (None, None) => Err(Error::bad_output("docker does not say what it built").note(end.text)),
        }
    }
}

/// Returns the error for a build that failed.
pub(crate) fn failure(kind: ErrorKind, what: &str, error: &str, end: &End) -> Error {
    let lower = error.to_lowercase();
    let kind = if ["unauthorized", "authentication required", "access denied", "no basic auth"]
        .iter()
        .any(|words| lower.contains(words))
    {
        ErrorKind::Auth
    } else {
        kind
    };
    let failed = Error::new(kind, what.to_owned()).note(error);
    let failed = match &end.step {
        Some(step) if !error.contains(step.as_str()) => failed.note(format!("the step is `{step}`")),
        _ => failed,
    };
    if end.text.trim_end().is_empty() { failed } else { failed.note(end.text.trim_end()) }
}
