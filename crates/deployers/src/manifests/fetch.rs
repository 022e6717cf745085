//! Manifests at addresses: bounded in size and time, and with a login for its own host alone.

use std::{sync::Arc, time::Duration};

use reqwest::{Response, StatusCode, Url, header};
use shipway_core::{Context, Error, ErrorKind, Result};

/// The most bytes that an address may answer with.
const LIMIT: usize = 16 * 1024 * 1024;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a server may send us on.
const MOST_REDIRECTS: usize = 5;

/// Returns the address of a text.
///
/// # Errors
/// `Config` when it is none, names a password, or is of plain HTTP and that is not allowed; `Unsupported` for
/// addresses of others than web servers.
pub(super) fn address(text: &str, plain_http: bool) -> Result<Url> {
    // What is no address may hold a password all the same, so it is not shown.
    let address: Url = text.parse().map_err(|_| {
        Error::config("a manifest's address is malformed")
            .hint("write `https://host/path`, or a path of a file")
    })?;
    let shown = shown(&address);
    match address.scheme() {
        "https" => {}
        "http" if plain_http => {}
        "http" => {
            return Err(Error::config(format!("`{shown}` can be changed on its way"))
                .hint("use `https`, or allow plain HTTP for manifests"));
        }
        "gs" => {
            return Err(Error::unsupported(format!("`{shown}` is in Google Cloud Storage"))
                .hint("copy the manifests to a folder before, such as by `gcloud storage cp`"));
        }
        _ => {
            return Err(Error::unsupported(format!("`{shown}` is not of a web server"))
                .hint("name a file, a folder, a pattern or an `https` address"));
        }
    }
    if !address.username().is_empty() || address.password().is_some() {
        return Err(Error::config(format!("the address `{shown}` has a login in it"))
            .hint("hand over a login for this host to the credentials instead"));
    }
    Ok(address)
}

/// Returns an address as people may see it: without login and query, which may be credentials.
pub(crate) fn shown(address: &Url) -> String {
    let host = address.host_str().unwrap_or_default();
    let port = address.port().map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{host}{port}{}", address.scheme(), address.path())
}

/// Returns the text at an address.
///
/// # Errors
/// `Auth`, `NotFound` and `Unavailable` by the server's status; `BadOutput` when it sends too much, no text, or
/// redirects in a way that is not followed; `Timeout` and `Cancelled`.
pub(super) async fn fetch(cx: &Context, address: &Url) -> Result<String> {
    let shown = shown(address);
    let late = || {
        let seconds = PATIENCE.as_secs();
        Error::new(ErrorKind::Timeout, format!("`{shown}` is not there within {seconds} s")).retry(true)
    };
    tokio::select! {
        text = followed(cx, address) => text,
        stopped = cx.stopped() => Err(stopped),
        () = cx.clock().sleep(PATIENCE) => Err(late()),
    }
}

async fn followed(cx: &Context, address: &Url) -> Result<String> {
    let client = client(address.scheme() == "https")?;
    let login = cx.login(&authority(address)).await?;
    let mut at = address.clone();
    for _ in 0..=MOST_REDIRECTS {
        let mut request = client.get(at.clone()).header(header::ACCEPT, "*/*");
        // Who is redirected to may be anybody.
        if let Some(login) = login.as_ref().filter(|_| same_server(&at, address)) {
            request = request.basic_auth(&login.username, Some(login.password.expose()));
        }
        let response = request.send().await.map_err(|error| unreachable(&at, error))?;
        let status = response.status();
        if !status.is_redirection() {
            check(status, &at)?;
            return body(response, &at).await;
        }
        at = next(&at, &response, address.scheme())?;
    }
    Err(Error::bad_output(format!("`{}` redirects more than {MOST_REDIRECTS} times", shown(address))))
}

/// Returns where a server sends us on to; never from `https` to plain HTTP.
fn next(at: &Url, response: &Response, scheme: &str) -> Result<Url> {
    let place = response.headers().get(header::LOCATION).and_then(|place| place.to_str().ok());
    let next = place.and_then(|place| at.join(place).ok());
    match next {
        Some(next) if next.scheme() == scheme => Ok(next),
        Some(next) => Err(Error::bad_output(format!("`{}` redirects to `{}`", shown(at), shown(&next)))
            .hint("redirects are followed within `https` alone; name the address that it redirects to")),
        None => Err(Error::bad_output(format!("`{}` redirects to nowhere", shown(at)))),
    }
}

fn check(status: StatusCode, at: &Url) -> Result<()> {
    let kind = match status {
        StatusCode::OK => return Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::Auth,
        StatusCode::NOT_FOUND | StatusCode::GONE => ErrorKind::NotFound,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => ErrorKind::Unavailable,
        status if status.is_server_error() => ErrorKind::Unavailable,
        _ => ErrorKind::BadOutput,
    };
    let error = Error::new(kind, format!("`{}` answers with status {}", shown(at), status.as_u16()));
    Err(match kind {
        ErrorKind::Auth => error.hint("hand over a login for this host that may read it"),
        ErrorKind::Unavailable => error.retry(true),
        _ => error,
    })
}

async fn body(mut response: Response, at: &Url) -> Result<String> {
    let mut content = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(at, error))? {
        if content.len() + chunk.len() > LIMIT {
            return Err(Error::bad_output(format!("`{}` has more than {LIMIT} bytes", shown(at))));
        }
        content.extend_from_slice(&chunk);
    }
    String::from_utf8(content).map_err(|_| Error::bad_output(format!("`{}` is not UTF-8", shown(at))))
}

pub(crate) fn unreachable(at: &Url, error: reqwest::Error) -> Error {
    // Its text has the address, which we say ourselves.
    Error::new(ErrorKind::Unavailable, format!("`{}` does not answer", shown(at)))
        .retry(true)
        .source(error.without_url())
}

pub(crate) fn authority(address: &Url) -> String {
    let host = address.host_str().unwrap_or_default();
    address.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn same_server(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme() && authority(one) == authority(other)
}

pub(crate) fn client(secure: bool) -> Result<reqwest::Client> {
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
        // Trusts nobody: this client never sees an `https` address.
        tls.with_root_certificates(rustls::RootCertStore::empty())
    };
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls.with_no_client_auth())
        .https_only(secure)
        // The environment's proxies are not ours to use, and redirects are followed where it is known who may
        // see the login.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(PATIENCE)
        .user_agent(concat!("shipway/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| failed(error.into()))
}
