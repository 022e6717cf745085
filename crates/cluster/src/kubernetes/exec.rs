//! Running a command in a container of a pod, over a WebSocket.

use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Status};
use kube::{Resource, api::AttachParams, client::Connection, core::Request};
use shipway_core::{Context, Error, ErrorKind, Result, Stream};

use super::{
    Cluster,
    channels::converse,
    failure::{Asked, failed},
};

/// A command to run in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecRequest {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The container; the only one, or the pod's default one, where it is absent.
    pub container: Option<String>,
    /// The program and its arguments; never a line for a shell.
    pub argv: Vec<String>,
    /// What it reads on its standard input; nothing when absent.
    pub stdin: Option<Vec<u8>>,
}

impl ExecRequest {
    /// Returns the request for a command in a pod.
    pub fn new<T: Into<String>>(
        namespace: impl Into<String>,
        pod: impl Into<String>,
        argv: impl IntoIterator<Item = T>,
    ) -> Self {
        Self {
            namespace: namespace.into(),
            pod: pod.into(),
            container: None,
            argv: argv.into_iter().map(Into::into).collect(),
            stdin: None,
        }
    }

    /// Names the container.
    #[must_use]
    pub fn container(mut self, name: impl Into<String>) -> Self {
        self.container = Some(name.into());
        self
    }

    /// Sets what the command reads on its standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }
}

impl Cluster {
    /// Runs a command in a container, hands over its output as it comes, and returns its exit code.
    ///
    /// Where the connection breaks off, it is not known how the command ends, and it is not run again.
    ///
    /// # Errors
    /// `NotFound` when there is no such pod; `Config` when there is no such container or program;
    /// `Unavailable` when the connection breaks off; `Cancelled` and `Timeout` when the context must not go
    /// on.
    pub async fn exec(
        &self,
        cx: &Context,
        request: &ExecRequest,
        mut output: impl FnMut(Stream, &[u8]) + Send,
    ) -> Result<i32> {
        let asked = Asked::new("run a command in", format!("Pod {}/{}", request.namespace, request.pod));
        if request.argv.is_empty() {
            return Err(Error::config(format!("{}: it has no program", asked.cannot())));
        }
        let of_pod = of_pod(request);
        let asking = of_pod.exec(&request.pod, request.argv.iter().map(String::as_str), &streams(request));
        let connection = self.connected(cx, &asked, asking).await?;
        let status = converse(cx, connection, request.stdin.as_deref(), &mut output).await?;
        let lost = || {
            Error::new(ErrorKind::Unavailable, format!("{}: the connection broke off", asked.cannot()))
                .note("it is not known how the command ends")
                .retry(false)
        };
        exit_code(&asked, &status.ok_or_else(lost)?)
    }

    /// Is the input and the output of a container's own process, from now until it ends; the request has no
    /// program. The container must have been made with `stdin`, and with `stdinOnce` where it shall see the
    /// input's end.
    ///
    /// # Errors
    /// As [`Cluster::exec`]; where the connection breaks off, what was printed meanwhile is in the log alone.
    pub async fn attach(
        &self,
        cx: &Context,
        request: &ExecRequest,
        mut output: impl FnMut(Stream, &[u8]) + Send,
    ) -> Result<()> {
        let asked = Asked::new("attach to", format!("Pod {}/{}", request.namespace, request.pod));
        let asking = of_pod(request).attach(&request.pod, &streams(request));
        let connection = self.connected(cx, &asked, asking).await?;
        match converse(cx, connection, request.stdin.as_deref(), &mut output).await? {
            Some(_) => Ok(()),
            None => Err(Error::new(
                ErrorKind::Unavailable,
                format!("{}: the connection broke off", asked.cannot()),
            )
            .retry(false)),
        }
    }

    /// Opens a connection on which a process is fed and heard.
    async fn connected(
        &self,
        cx: &Context,
        asked: &Asked,
        request: std::result::Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Connection> {
        let wrong = |error| Error::internal(format!("{}: a wrong request", asked.cannot())).source(error);
        self.upgrade_ready(cx).await?;
        self.upgraded(cx, asked, self.client()?.connect(request.map_err(wrong)?)).await
    }

    /// Makes sure that a request that `kube` makes carries our login.
    pub(super) async fn upgrade_ready(&self, cx: &Context) -> Result<()> {
        self.authorization().ready(cx).await.map(drop)
    }

    /// Waits for a connection that `kube` makes, for as long as for any answer.
    pub(super) async fn upgraded<T>(
        &self,
        cx: &Context,
        asked: &Asked,
        connecting: impl Future<Output = kube::Result<T>> + Send,
    ) -> Result<T> {
        let limited = cx.within(Some(self.options().request));
        let connected = tokio::select! {
            biased;
            connected = connecting => connected,
            stopped = limited.stopped() => return Err(stopped.note(asked.cannot())),
        };
        connected.map_err(|error| match error {
            kube::Error::Api(status) => failed(asked, status.code, &status),
            error => {
                Error::new(ErrorKind::Unavailable, format!("{}: no connection", asked.cannot())).source(error)
            }
        })
    }
}

/// Returns the start of requests about a pod.
fn of_pod(request: &ExecRequest) -> Request {
    Request::new(Pod::url_path(&(), Some(&request.namespace)))
}

/// Says which streams there are.
fn streams(request: &ExecRequest) -> AttachParams {
    AttachParams {
        container: request.container.clone(),
        stdin: request.stdin.is_some(),
        ..AttachParams::default()
    }
}

/// Reads the exit code out of the status that ends the command (`v4.channel.k8s.io`: k8s.io/apimachinery,
/// `remotecommand/constants.go`).
fn exit_code(asked: &Asked, status: &Status) -> Result<i32> {
    if status.status.as_deref() == Some("Success") {
        return Ok(0);
    }
    let message = status.message.as_deref().unwrap_or_default();
    if status.reason.as_deref() == Some("NonZeroExitCode") {
        let causes = status.details.iter().flat_map(|details| details.causes.iter().flatten());
        let mut codes = causes.filter(|cause| cause.reason.as_deref() == Some("ExitCode"));
        let code = codes.next().and_then(|cause| cause.message.as_deref()?.parse().ok());
        return code.ok_or_else(|| Error::bad_output(format!("{}: it ended without a code", asked.cannot())));
    }
    // The container's runtime could not start it.
    Err(Error::config(format!("{}: it does not start", asked.cannot())).note(message))
}
