//! Requests to a git server over HTTP (gitprotocol-http): bounded, and with a login for its own host alone.

use std::{sync::Arc, time::Duration};

use reqwest::{Response, StatusCode, Url, header};
use shipway_core::{Context, Error, ErrorKind, Result};

/// How long a connection may take, and how long a server may be silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes the connections of one remote.
pub(super) fn client(secure: bool) -> Result<reqwest::Client> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(ErrorKind::Unavailable, "cannot set up TLS")
            .retry(false)
            .hint("see whether the system has certificates of authorities that it trusts")
            .source(error)
    };
    // The provider is given here, because a default for the whole process is the embedder's choice.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.into()))?;
    let tls = if secure {
        let verifier =
            rustls_platform_verifier::Verifier::new(provider).map_err(|error| failed(error.into()))?;
        tls.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
    } else {
        // Trusts nobody: this client never sees an `https` URL.
        tls.with_root_certificates(rustls::RootCertStore::empty())
    };
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls.with_no_client_auth())
        .https_only(secure)
        // The environment's proxies are not ours to use; and who redirects a push may be anybody.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(PATIENCE)
        .read_timeout(PATIENCE)
        .user_agent(concat!("git/2 (shipway ", env!("CARGO_PKG_VERSION"), ")"))
        .build()
        .map_err(|error| failed(error.into()))
}

/// What is asked.
pub(super) struct Question<'a> {
    pub(super) url: Url,
    /// `git-upload-pack` or `git-receive-pack`.
    pub(super) service: &'a str,
    /// What is sent, to be answered with a result; without, the server's branches are asked for.
    pub(super) body: Option<Vec<u8>>,
    /// What the answer may have.
    pub(super) limit: usize,
}

/// Asks, and returns the whole answer.
///
/// # Errors
/// `Auth`, `NotFound`, `Unavailable` by the server's status; `BadOutput` when it is no git server or says too
/// much; `Cancelled` or `Timeout` when the task must stop.
pub(super) async fn ask(cx: &Context, client: &reqwest::Client, question: Question<'_>) -> Result<Vec<u8>> {
    let Question { url, service, body, limit } = question;
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    let kind = if body.is_some() { "result" } else { "advertisement" };
    let expected = format!("application/x-{service}-{kind}");
    let mut request = match body {
        Some(body) => client
            .post(url.clone())
            .header(header::CONTENT_TYPE, format!("application/x-{service}-request"))
            .header(header::ACCEPT, &expected)
            .body(body),
        None => client.get(url.clone()),
    };
    if let Some(login) = cx.login(&host).await? {
        request = request.basic_auth(&login.username, Some(login.password.expose()));
    }
    let unreachable = |error: reqwest::Error| {
        // Its text has the URL, which we say ourselves.
        Error::new(ErrorKind::Unavailable, format!("the git server at `{host}` does not answer"))
            .retry(true)
            .source(error.without_url())
    };
    let exchange = async {
        let mut response = request.send().await.map_err(unreachable)?;
        check(&response, &url, &expected)?;
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if answer.len() + chunk.len() > limit {
                return Err(Error::bad_output(format!(
                    "the git server at `{host}` sends more than {limit} bytes"
                )));
            }
            answer.extend_from_slice(&chunk);
        }
        Ok(answer)
    };
    tokio::select! {
        answer = exchange => answer,
        stopped = cx.stopped() => Err(stopped),
    }
}

fn check(response: &Response, url: &Url, expected: &str) -> Result<()> {
    let status = response.status();
    let kind = match status {
        StatusCode::OK => {
            let found = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            if found == Some(expected) {
                return Ok(());
            }
            return Err(Error::bad_output(format!("`{url}` is not of a git server"))
                .hint("name a repository's URL, as `git clone` takes it"));
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::Auth,
        StatusCode::NOT_FOUND | StatusCode::GONE => ErrorKind::NotFound,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => ErrorKind::Unavailable,
        status if status.is_server_error() => ErrorKind::Unavailable,
        _ => ErrorKind::BadOutput,
    };
    let error = Error::new(kind, format!("`{url}` answers with status {}", status.as_u16()));
    Err(match kind {
        ErrorKind::Auth => error.hint("hand over a login for this host that may do this"),
        ErrorKind::Unavailable => error.retry(true),
        _ if status.is_redirection() => {
            error.hint("name the URL that it redirects to; redirects are not followed")
        }
        _ => error,
    })
}
