//! A real cluster, by the requests of its API server.

mod channels;
mod config;
mod credential;
mod discovery;
mod events;
mod exec;
mod failure;
mod files;
mod forward;
mod lines;
mod logs;
mod objects;
mod open_api;
mod request;
mod tail;
mod target;
mod transport;
mod watch;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use kube::Client;
use shipway_core::{Context, Result};

use self::{config::Endpoint, credential::Authorization, discovery::Discovery};
pub use self::{
    exec::ExecRequest,
    files::Kubeconfig,
    forward::{ForwardTarget, PortForward},
    logs::{LogOptions, Logs},
    tail::{TailLine, TailOptions},
    watch::ClusterWatch,
};

/// How a cluster is spoken to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Whether a credential program that the kubeconfig names may run; by default it may not, because
    /// whoever writes the kubeconfig chooses what it is.
    pub credential_programs: bool,
    /// The longest that the API server may take for one answer; 30 s by default.
    pub request: Duration,
    /// For how long a request is sent again while the API server is busy, restarts or cannot be reached;
    /// 30 s by default.
    pub patience: Duration,
    /// How long one request of a watch lasts before it is begun anew; 50 s by default.
    pub watch: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            credential_programs: false,
            request: Duration::from_secs(30),
            patience: Duration::from_secs(30),
            watch: Duration::from_secs(50),
        }
    }
}

impl Options {
    /// Returns the usual options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether a credential program that the kubeconfig names may run.
    #[must_use]
    pub fn credential_programs(mut self, may: bool) -> Self {
        self.credential_programs = may;
        self
    }

    /// Sets the longest that the API server may take for one answer.
    #[must_use]
    pub fn request(mut self, time: Duration) -> Self {
        self.request = time;
        self
    }

    /// Sets for how long a request is sent again.
    #[must_use]
    pub fn patience(mut self, time: Duration) -> Self {
        self.patience = time;
        self
    }

    /// Sets how long one request of a watch lasts.
    #[must_use]
    pub fn watch(mut self, time: Duration) -> Self {
        self.watch = time;
        self
    }
}

/// A Kubernetes cluster, as one context of a kubeconfig reaches it; clones are handles to the same.
///
/// No request is without a deadline, and none waits for a client-side rate. What is safe to repeat is sent
/// again while the API server is busy or restarts, and so is a write of a new object or of one version: where the answer
/// was lost, it is known again by what it made. Objects are plain JSON.
///
/// ```no_run
/// use serde_json::json;
/// use shipway_cluster::{Api, Apply, Cluster};
///
/// # async fn example(cx: shipway_core::Context) -> shipway_core::Result<()> {
/// let cluster = Cluster::open(&cx, "staging").await?;
/// let object = json!({
///     "apiVersion": "v1", "kind": "ConfigMap",
///     "metadata": {"name": "settings", "namespace": "shop"},
///     "data": {"colour": "blue"},
/// });
/// let now = cluster.apply(&cx, "shipway", &object, Apply::default()).await?;
/// assert_eq!(now["data"]["colour"], "blue");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    endpoint: Endpoint,
    options: Options,
    authorization: Arc<Authorization>,
    client: OnceLock<Client>,
    discovery: Discovery,
}

impl Cluster {
    /// Opens the cluster of this context, whose kubeconfig is the world's ([`Context::cluster`]). Connects
    /// to nobody yet.
    ///
    /// # Errors
    /// `NotFound` when the world has no such cluster; `Config` when its kubeconfig has no such context or
    /// is not valid; `Unsupported` when it wants to run a program that was not allowed.
    pub async fn open(cx: &Context, context: &str) -> Result<Self> {
        Self::open_with(cx, context, Options::default()).await
    }

    /// Opens the cluster of this context in another way than the usual one.
    ///
    /// # Errors
    /// As [`Cluster::open`].
    pub async fn open_with(cx: &Context, context: &str, options: Options) -> Result<Self> {
        let text = cx.cluster(context).await?;
        let mut endpoint = Endpoint::read(cx, text.expose(), context, options.credential_programs).await?;
        let login = std::mem::replace(&mut endpoint.login, credential::Login::Nothing);
        Ok(Self(Arc::new(Inner {
            endpoint,
            options,
            authorization: Arc::new(Authorization::new(login)),
            client: OnceLock::new(),
            discovery: Discovery::default(),
        })))
    }

    /// Returns the context's name.
    #[must_use]
    pub fn context(&self) -> &str {
        &self.0.endpoint.context
    }

    /// Returns the namespace that the context is for, `default` where it does not say.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.0.endpoint.namespace
    }

    /// Returns the API server's `host:port`.
    fn server(&self) -> String {
        let server = &self.0.endpoint.server;
        let host = server.host().unwrap_or_default();
        server.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    fn options(&self) -> &Options {
        &self.0.options
    }

    fn authorization(&self) -> &Authorization {
        &self.0.authorization
    }

    fn client(&self) -> Result<&Client> {
        if let Some(client) = self.0.client.get() {
            return Ok(client);
        }
        let client = transport::client(&self.0.endpoint, Arc::clone(&self.0.authorization))?;
        Ok(self.0.client.get_or_init(|| client))
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("context", &self.context()).field("server", &self.server()).finish()
    }
}
