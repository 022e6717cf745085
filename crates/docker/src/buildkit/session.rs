//! A BuildKit session: whoever builds calls back for secrets, for an agent, for logins and for files, as gRPC
//! over HTTP/2 on a connection that we opened (moby/buildkit, session/grpchijack).

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use hyper::{
    HeaderMap, Request, Response,
    body::Incoming,
    rt::{Read, Write},
    service::service_fn,
};
use hyper_util::rt::TokioExecutor;
use shipway_core::{Context, Login, LoginKind, Result, Secret};
use shipway_oci::DockerConfig;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    task::AbortHandle,
};

use super::{
    filesync::SharedFolder,
    grpc::{Frames, Messages, Outlet, Status, code, frames, response},
    messages::{BytesMessage, CredentialsResponse, Empty, GetSecretResponse, HealthResponse, NameRequest},
};
use crate::{Daemon, exchange::Connection, query::Query};

/// What a build may ask for while it runs.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SessionOffer {
    /// Secrets by the id that `RUN --mount=type=secret,id=…` names.
    pub secrets: BTreeMap<String, Secret>,
    /// Sockets of agents by the id that `RUN --mount=type=ssh` names, `default` if it names none.
    pub agents: BTreeMap<String, PathBuf>,
    /// Logins by exactly the host that they are for.
    pub logins: BTreeMap<String, Login>,
    /// Files by the name that the build has for their folder, such as `context`.
    pub folders: BTreeMap<String, SharedFolder>,
}

const HEALTH: &str = "/grpc.health.v1.Health/Check";
const SECRET: &str = "/moby.buildkit.secrets.v1.Secrets/GetSecret";
const CHECK_AGENT: &str = "/moby.sshforward.v1.SSH/CheckAgent";
const FORWARD_AGENT: &str = "/moby.sshforward.v1.SSH/ForwardAgent";
const CREDENTIALS: &str = "/moby.filesync.v1.Auth/Credentials";
const FILES: &str = "/moby.filesync.v1.FileSync/DiffCopy";

/// The headers by which a session says what it is and does (session/session.go).
pub(super) const ID: &str = "x-docker-expose-session-uuid";
pub(super) const SHARED_KEY: &str = "x-docker-expose-session-sharedkey";
pub(super) const METHOD: &str = "x-docker-expose-session-grpc-method";

/// The most bytes of a message that is sent to us.
const MESSAGE: usize = 4 * 1024 * 1024;

/// The most bytes of the headers of a call: it may hold a whole ignore file.
const HEADERS: u32 = 1024 * 1024;

/// Returns what a session answers.
pub(super) fn methods(offer: &SessionOffer) -> Vec<&'static str> {
    let mut methods = vec![HEALTH, SECRET, CHECK_AGENT, FORWARD_AGENT, CREDENTIALS];
    if !offer.folders.is_empty() {
        methods.push(FILES);
    }
    methods
}

/// Answers calls on a connection until it ends.
pub(super) async fn serve(wire: impl Read + Write + Unpin, offer: SessionOffer) {
    let offer = Arc::new(offer);
    let service = service_fn(move |request| {
        let offer = Arc::clone(&offer);
        async move { Ok::<_, Infallible>(answer(&offer, request).await) }
    });
    // A session that breaks is the build's failure, which says so.
    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .max_header_list_size(HEADERS)
        .serve_connection(wire, service)
        .await;
}

/// A session at an engine; it ends when this is dropped.
pub(crate) struct Session {
    pub(crate) id: String,
    serving: AbortHandle,
    _connection: Connection,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Session").field(&self.id).finish()
    }
}

impl Session {
    /// Opens a session at the engine.
    pub(crate) async fn open(cx: &Context, daemon: &Daemon, offer: SessionOffer) -> Result<Self> {
        let id = crate::unlike(cx);
        let mut headers = vec![
            ("upgrade", "h2c"),
            (ID, id.as_str()),
            ("x-docker-expose-session-name", "shipway"),
            (SHARED_KEY, ""),
        ];
        headers.extend(methods(&offer).into_iter().map(|method| (METHOD, method)));
        let (wire, connection) = daemon.upgrade(cx, "/session", &Query::new(), &headers).await?;
        let serving = tokio::spawn(serve(wire.into_inner(), offer));
        Ok(Self { id, serving: serving.abort_handle(), _connection: connection })
    }
}

async fn answer(offer: &Arc<SessionOffer>, request: Request<Incoming>) -> Response<Frames> {
    let (out, answer) = frames();
    let (parts, body) = request.into_parts();
    let messages = Messages::new(body, MESSAGE);
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    match parts.uri.path() {
        FORWARD_AGENT => match offer.agents.get(header("buildkit.ssh.id").unwrap_or("default")).cloned() {
            Some(socket) => {
                tokio::spawn(async move {
                    let code = forward(&socket, messages, &out).await;
                    out.end(&Status::new(code, "")).await;
                });
            }
            None => out.end(&Status::new(code::NOT_FOUND, "no such agent")).await,
        },
        FILES => match offer.folders.get(header("dir-name").unwrap_or_default()).cloned() {
            Some(folder) => {
                let followed = followed(&parts.headers);
                tokio::spawn(async move {
                    let status = folder.transfer(&followed, messages, &out).await;
                    out.end(&status).await;
                });
            }
            None => out.end(&Status::new(code::NOT_FOUND, "no such folder")).await,
        },
        path => {
            let status = reply(offer, path, messages, &out).await;
            out.end(&status.err().unwrap_or_else(Status::ok)).await;
        }
    }
    response(answer)
}

/// Returns the paths of its folder that a transfer is about; written otherwise where they are not ASCII, and
/// then none that matters here (session/filesync, `encodeStringForHeader`).
fn followed(headers: &HeaderMap) -> Vec<String> {
    let paths = headers.get_all("followpaths").into_iter();
    paths.filter_map(|path| path.to_str().ok()).map(str::to_owned).collect()
}

/// Answers a call of one message with one.
async fn reply(
    offer: &SessionOffer,
    path: &str,
    mut messages: Messages,
    out: &Outlet,
) -> std::result::Result<(), Status> {
    let wrong = || Status::new(code::INVALID, "a message has a wrong form");
    let NameRequest { name } = messages.next().await.ok().flatten().ok_or_else(wrong)?;
    match path {
        HEALTH => out.put(&HealthResponse { status: 1 }).await,
        SECRET => match offer.secrets.get(&name) {
            Some(secret) => out.put(&GetSecretResponse { data: secret.expose().into() }).await,
            None => {
                return Err(Status::new(code::NOT_FOUND, format!("secret {name} is not among the build's")));
            }
        },
        CHECK_AGENT => {
            let id = if name.is_empty() { "default" } else { &name };
            if !offer.agents.contains_key(id) {
                return Err(Status::new(code::NOT_FOUND, format!("agent {id} is not among the build's")));
            }
            out.put(&Empty {}).await
        }
        CREDENTIALS => out.put(&credentials(offer, &name)).await,
        // Also the other ways to log in, so that this one is taken (session/auth/auth.go).
        _ => return Err(Status::new(code::UNIMPLEMENTED, format!("{path} is not served"))),
    };
    Ok(())
}

/// Returns the login for a host, empty where there is none.
fn credentials(offer: &SessionOffer, host: &str) -> CredentialsResponse {
    // Docker Hub has several names (docker/cli, `ConvertToHostname`).
    let host = match host {
        DockerConfig::DOCKER_HUB | "registry-1.docker.io" | "index.docker.io" => "docker.io",
        host => host,
    };
    let Some(login) = offer.logins.get(host) else { return CredentialsResponse::default() };
    let secret = login.password.expose().to_owned();
    match login.kind {
        // A secret without a name is a token for tokens (session/auth/authprovider).
        LoginKind::IdentityToken => CredentialsResponse { username: String::new(), secret },
        // Nobody asks for one; taken for another kind, it would be sent to a server of tokens.
        LoginKind::RegistryToken => CredentialsResponse::default(),
        _ => CredentialsResponse { username: login.username.clone(), secret },
    }
}

/// Passes bytes between who asks and an agent, both ways, until either ends.
async fn forward(socket: &Path, mut messages: Messages, out: &Outlet) -> u16 {
    let Ok(agent) = UnixStream::connect(socket).await else { return code::UNAVAILABLE };
    let (mut from_agent, mut to_agent) = agent.into_split();
    let inward = async {
        loop {
            match messages.next::<BytesMessage>().await {
                Ok(Some(message)) => {
                    if to_agent.write_all(&message.data).await.is_err() {
                        return code::UNAVAILABLE;
                    }
                }
                Ok(None) => break,
                Err(_) => return code::INVALID,
            }
        }
        let _ = to_agent.shutdown().await;
        code::OK
    };
    let outward = async {
        let mut buffer = vec![0; 32 * 1024];
        loop {
            match from_agent.read(&mut buffer).await {
                Ok(0) | Err(_) => return code::OK,
                Ok(count) => {
                    let data = Bytes::copy_from_slice(&buffer[..count]);
                    if !out.put(&BytesMessage { data }).await {
                        return code::OK;
                    }
                }
            }
        }
    };
    tokio::pin!(outward);
    let code = tokio::select! {
        code = inward => code,
        code = &mut outward => return code,
    };
    // Who asked has said all; the agent may still answer.
    if code == code::OK { outward.await } else { code }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_given_as_what_it_is_and_for_its_host_alone() {
        let logins = BTreeMap::from([
            ("docker.io".to_owned(), Login::new("me", "word")),
            ("a.example".to_owned(), Login::token(LoginKind::IdentityToken, "refresh")),
            ("b.example".to_owned(), Login::token(LoginKind::RegistryToken, "bearer")),
        ]);
        let offer = SessionOffer { logins, ..SessionOffer::default() };
        for (host, username, secret) in [
            ("registry-1.docker.io", "me", "word"),
            ("docker.io", "me", "word"),
            ("a.example", "", "refresh"),
            ("b.example", "", ""),
            ("docker.io.example", "", ""),
            ("", "", ""),
        ] {
            let given = credentials(&offer, host);
            assert_eq!((given.username.as_str(), given.secret.as_str()), (username, secret), "{host}");
        }
    }

    #[test]
    fn files_are_answered_for_only_where_there_are_some() {
        assert!(!methods(&SessionOffer::default()).contains(&FILES));
    }
}
