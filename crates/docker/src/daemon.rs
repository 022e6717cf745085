//! An engine, opened by its endpoint: requests with deadlines and cancellation, and what it says about
//! itself.

use std::{collections::BTreeMap, fmt, future::Future, sync::Arc, time::Duration};

use hyper::{Method, StatusCode, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use shipway_core::{Context, Error, ErrorKind, Platform, Result};
use tokio::sync::OnceCell;

use crate::{
    Endpoint, answer,
    exchange::{Answer, Ask, Connection, send},
    query::Query,
};

/// The newest version of the API that we were written against, and the oldest that we speak (Docker
/// 20.10).
const NEWEST: (u32, u32) = (1, 47);
const OLDEST: (u32, u32) = (1, 41);

/// How long a request may take that does no work to speak of.
const QUICK: Duration = Duration::from_secs(60);

/// How long a request may take that takes something away again after a task was stopped: less than the
/// driver's grace.
const CLEANING: Duration = Duration::from_secs(8);

/// A container engine with Docker's API; clones are the same one.
///
/// ```
/// use shipway_docker::Daemon;
///
/// let daemon = Daemon::open("unix:///var/run/docker.sock")?;
/// assert_eq!(daemon.endpoint().to_string(), "unix:///var/run/docker.sock");
/// # Ok::<(), shipway_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Daemon(Arc<Inner>);

struct Inner {
    endpoint: Endpoint,
    /// The prefix of paths, once the versions of both sides were compared.
    prefix: OnceCell<String>,
}

impl fmt::Debug for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Daemon").field(&self.0.endpoint).finish()
    }
}

/// What an engine says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DaemonVersion {
    /// The engine's version, such as `28.1.0`.
    pub engine: String,
    /// The newest version of the API that it speaks, such as `1.47`.
    pub api: String,
    /// The versions of its parts by name, such as `runc`.
    pub parts: BTreeMap<String, String>,
    /// The platform of its machine.
    pub platform: Platform,
}

impl Daemon {
    /// Returns the engine at an endpoint, `unix:///path` or `tcp://host:port`; connects to nothing yet.
    ///
    /// # Errors
    /// `Config` when the endpoint has another form.
    pub fn open(endpoint: &str) -> Result<Self> {
        Ok(Self(Arc::new(Inner { endpoint: endpoint.parse()?, prefix: OnceCell::new() })))
    }

    /// Returns the endpoint.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// Returns what the engine says about itself.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be reached.
    pub async fn version(&self, cx: &Context) -> Result<DaemonVersion> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Said {
            version: String,
            api_version: String,
            os: String,
            arch: String,
            #[serde(default)]
            components: Vec<Part>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Part {
            name: String,
            version: String,
        }
        let answer =
            self.quick(cx, Ask::new(Method::GET, "/version", &Query::new()), "say its version").await?;
        let said: Said = answer.json(self.endpoint(), "its version").await?;
        let parts = said.components.into_iter().map(|part| (part.name, part.version)).collect();
        let platform = Platform::new(said.os, said.arch);
        Ok(DaemonVersion { engine: said.version, api: said.api_version, parts, platform })
    }

    /// Asks for something that is answered soon; `what` completes "docker cannot …".
    pub(crate) async fn quick(&self, cx: &Context, ask: Ask, what: &str) -> Result<Answer> {
        unless_stopped(cx, self.within(QUICK, ask, what)).await
    }

    /// Asks for work that may take long before it is answered.
    pub(crate) async fn slow(&self, cx: &Context, ask: Ask, what: &str) -> Result<Answer> {
        unless_stopped(cx, self.ask(ask, what)).await
    }

    /// Asks for something that must be known to the end once it was begun; it is begun only while the
    /// task may go on.
    pub(crate) async fn finish(&self, cx: &Context, ask: Ask, what: &str) -> Result<Answer> {
        cx.check_stopped()?;
        self.within(QUICK, ask, what).await
    }

    /// Turns a connection into a stream of bytes both ways.
    pub(crate) async fn upgrade(
        &self,
        cx: &Context,
        path: &str,
        query: &Query,
        headers: &[(&'static str, &str)],
    ) -> Result<(TokioIo<Upgraded>, Connection)> {
        let what = "open a stream";
        let mut ask = Ask::new(Method::POST, path, query).header("connection", "Upgrade");
        for (name, value) in headers {
            ask = ask.header(name, *value);
        }
        let Answer { response, connection } = self.quick(cx, ask, what).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(Error::bad_output("the engine does not open a stream")
                .note(format!("it answers {} for `{path}`", response.status())));
        }
        let upgraded =
            hyper::upgrade::on(response).await.map_err(|error| answer::lost(self.endpoint(), &error))?;
        Ok((TokioIo::new(upgraded), connection))
    }

    /// Asks to take something away, also after the task was stopped; what is gone already is fine.
    pub(crate) async fn clean(&self, ask: Ask, what: &str) -> Result<()> {
        match self.within(CLEANING, ask, what).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other.map(drop),
        }
    }

    async fn within(&self, limit: Duration, ask: Ask, what: &str) -> Result<Answer> {
        match tokio::time::timeout(limit, self.ask(ask, what)).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::timeout(format!("docker cannot {what} within {limit:?}"))
                .note(format!("asked at `{}`", self.endpoint()))),
        }
    }

    async fn ask(&self, mut ask: Ask, what: &str) -> Result<Answer> {
        let prefix = self.0.prefix.get_or_try_init(|| self.prefix()).await?;
        ask.target.insert_str(0, prefix);
        send(self.endpoint(), ask).await?.success(self.endpoint(), what).await
    }

    /// Agrees on a version of the API: the newest that both speak.
    async fn prefix(&self) -> Result<String> {
        let ask = Ask::new(Method::GET, "/_ping", &Query::new());
        let answer = send(self.endpoint(), ask).await?.success(self.endpoint(), "be asked").await?;
        let header = answer.response.headers().get("api-version").and_then(|value| value.to_str().ok());
        let spoken = header.unwrap_or_default().to_owned();
        let number = spoken
            .split_once('.')
            .and_then(|(major, minor)| Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?)));
        match number {
            Some(spoken) if spoken >= OLDEST => {
                let (major, minor) = spoken.min(NEWEST);
                Ok(format!("/v{major}.{minor}"))
            }
            Some(_) => {
                Err(Error::unsupported(format!("the engine at `{}` speaks API {spoken}", self.endpoint()))
                    .hint(format!("use Docker 20.10 or newer, which speaks {}.{}", OLDEST.0, OLDEST.1)))
            }
            None => Err(Error::bad_output(format!(
                "`{}` does not answer as a container engine does",
                self.endpoint()
            ))
            .hint("name the endpoint of an engine with Docker's API")),
        }
    }
}

/// Waits for work, but no longer than the task may go on.
pub(crate) async fn unless_stopped<T>(cx: &Context, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        biased;
        error = cx.stopped() => Err(error),
        result = work => result,
    }
}
