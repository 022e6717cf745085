//! What a kubeconfig says about one context: where the API server is, whom it trusts, and who we are.
//! Nothing but the text that the embedder handed over, and the files that it names, is looked at: no
//! environment, no home folder, no `current-context`.

use std::{io::Read, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use kube::config::{AuthInfo, Cluster, Kubeconfig, KubeconfigError};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use secrecy::ExposeSecret;
use shipway_core::{Context, Error, ErrorKind, Result, did_you_mean};

use super::credential::Login;

/// The most bytes of a file that a kubeconfig names.
const LIMIT: u64 = 1024 * 1024;

/// How a cluster is reached, as one context of a kubeconfig says.
pub(super) struct Endpoint {
    pub(super) context: String,
    pub(super) server: Uri,
    pub(super) namespace: String,
    pub(super) trust: Trust,
    /// The name in the server's certificate, if it is not the URL's host.
    pub(super) server_name: Option<String>,
    pub(super) identity: Option<Identity>,
    pub(super) login: Login,
    /// Whom to act as.
    pub(super) headers: HeaderMap,
    pub(super) proxy: Option<Uri>,
    pub(super) compression: bool,
}

/// The client's certificates and their key.
pub(super) type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Who vouches for the API server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// The system's authorities.
    System,
    /// These authorities.
    Authorities(Vec<CertificateDer<'static>>),
    /// Nobody: `insecure-skip-tls-verify`.
    Anybody,
}

impl Endpoint {
    /// Reads a context of a kubeconfig, and the files that it names.
    pub(super) async fn read(cx: &Context, text: &str, context: &str, programs: bool) -> Result<Self> {
        let (namespace, cluster, user) = of_context(parse(text)?, context)?;
        let server = cluster.server.as_deref().unwrap_or_default();
        let trust = if cluster.insecure_skip_tls_verify == Some(true) {
            Trust::Anybody
        } else {
            match content(
                cx,
                "certificate-authority",
                cluster.certificate_authority_data.as_deref(),
                cluster.certificate_authority.as_deref(),
            )
            .await?
            {
                Some(pem) => Trust::Authorities(certificates("certificate-authority", &pem)?),
                None => Trust::System,
            }
        };
        let key_data = user.client_key_data.as_ref().map(|data| data.expose_secret().to_owned());
        let chain = content(
            cx,
            "client-certificate",
            user.client_certificate_data.as_deref(),
            user.client_certificate.as_deref(),
        );
        let identity = match (
            chain.await?,
            content(cx, "client-key", key_data.as_deref(), user.client_key.as_deref()).await?,
        ) {
            (Some(chain), Some(key)) => {
                let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| wrong("client-key"))?;
                Some((certificates("client-certificate", &chain)?, key))
            }
            (None, None) => None,
            _ => {
                return Err(Error::config("the kubeconfig has one of client certificate and client key")
                    .hint("a client certificate needs its key"));
            }
        };
        Ok(Self {
            context: context.to_owned(),
            server: url(server, "server")?,
            namespace,
            trust,
            server_name: cluster.tls_server_name.clone().filter(|name| !name.is_empty()),
            identity,
            headers: impersonation(&user)?,
            proxy: match cluster.proxy_url.as_deref().filter(|proxy| !proxy.is_empty()) {
                Some(proxy) => Some(url(proxy, "proxy-url")?),
                None => None,
            },
            compression: cluster.disable_compression != Some(true),
            login: Login::of(user, &cluster, programs)?,
        })
    }
}

fn parse(text: &str) -> Result<Kubeconfig> {
    Kubeconfig::from_yaml(text).map_err(|error| {
        // The parser's own words could show a credential that stands in the wrong place.
        let place = match &error {
            KubeconfigError::Parse(error) => error.location(),
            _ => None,
        };
        let error = Error::config("the kubeconfig is not valid");
        match place {
            Some(place) => error.note(format!("at line {}, column {}", place.line(), place.column())),
            None => error,
        }
    })
}

/// Returns the contexts of a kubeconfig.
pub(super) fn contexts(text: &str) -> Result<Vec<String>> {
    Ok(parse(text)?.contexts.into_iter().map(|named| named.name).collect())
}

/// Returns the namespace, the cluster and the user of a context.
fn of_context(config: Kubeconfig, context: &str) -> Result<(String, Cluster, AuthInfo)> {
    let Some(named) = config.contexts.iter().find(|named| named.name == context) else {
        let names: Vec<&str> = config.contexts.iter().map(|named| named.name.as_str()).collect();
        let error = Error::config(format!("the kubeconfig has no context `{context}`"));
        return Err(match did_you_mean(context, names.iter().copied()) {
            Some(name) => error.hint(format!("did you mean `{name}`?")),
            None if names.is_empty() => error.hint("it has no contexts at all"),
            None => error.hint(format!("it has: `{}`", names.join("`, `"))),
        });
    };
    let lacks = |what: &str, name: &str| {
        Error::config(format!(
            "context `{context}` of the kubeconfig names {what} `{name}`, which is not there"
        ))
    };
    let of = named.context.clone().unwrap_or_default();
    let mut clusters = config.clusters.into_iter();
    let cluster = clusters.find(|named| named.name == of.cluster).and_then(|named| named.cluster);
    let cluster = cluster.ok_or_else(|| lacks("cluster", &of.cluster))?;
    let user = match of.user.filter(|name| !name.is_empty()) {
        Some(name) => {
            let user = config.auth_infos.into_iter().find(|named| named.name == name);
            user.ok_or_else(|| lacks("user", &name))?.auth_info.unwrap_or_default()
        }
        None => AuthInfo::default(),
    };
    let namespace = of.namespace.filter(|namespace| !namespace.is_empty());
    Ok((namespace.unwrap_or_else(|| "default".to_owned()), cluster, user))
}

fn url(text: &str, field: &str) -> Result<Uri> {
    // The URL may hold a password, so that it is not shown.
    let wrong = || {
        Error::config(format!("the `{field}` in the kubeconfig is not a URL"))
            .hint("it has the form `https://host:port`")
    };
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let schemes: &[&str] = if field == "server" { &["https", "http"] } else { &["https", "http", "socks5"] };
    match (uri.scheme_str(), uri.host()) {
        (Some(scheme), Some(_)) if schemes.contains(&scheme) => Ok(uri),
        _ => Err(wrong()),
    }
}

/// Returns the headers by which we act as somebody else ("Authenticating", "User impersonation").
fn impersonation(user: &AuthInfo) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let mut add = |name: &str, value: &str| {
        let wrong = |_| Error::config(format!("the `{name}` in the kubeconfig cannot be sent"));
        let name: HeaderName = name.parse().map_err(|_| wrong(()))?;
        headers.append(name.clone(), HeaderValue::from_str(value).map_err(|_| wrong(()))?);
        Ok::<(), Error>(())
    };
    for (name, value) in [("impersonate-user", &user.impersonate), ("impersonate-uid", &user.impersonate_uid)]
    {
        if let Some(value) = value {
            add(name, value)?;
        }
    }
    for group in user.impersonate_groups.iter().flatten() {
        add("impersonate-group", group)?;
    }
    for (key, values) in user.impersonate_user_extra.iter().flatten() {
        // Keys are sent with `%` for what a header's name cannot have (client-go, `headerKeyEscape`).
        let key: String = key
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
                other => format!("%{other:02X}"),
            })
            .collect();
        for value in values {
            add(&format!("impersonate-extra-{key}"), value)?;
        }
    }
    Ok(headers)
}

/// Returns what stands in the kubeconfig itself in base64, else what is in the file that it names.
async fn content(
    cx: &Context,
    field: &str,
    data: Option<&str>,
    file: Option<&str>,
) -> Result<Option<Vec<u8>>> {
    if let Some(data) = data.filter(|data| !data.is_empty()) {
        let data: String = data.split_whitespace().collect();
        return BASE64_STANDARD.decode(data).map(Some).map_err(|_| wrong(&format!("{field}-data")));
    }
    match file.filter(|file| !file.is_empty()) {
        Some(file) => read(cx, Path::new(file)).await.map(Some),
        None => Ok(None),
    }
}

/// Reads a file that the kubeconfig names, below the context's root where its path is relative.
pub(super) async fn read(cx: &Context, path: &Path) -> Result<Vec<u8>> {
    let path = cx.path(path);
    cx.blocking(move |cx| {
        let mut bytes = Vec::new();
        let file = cx.disk().open(&path);
        let read = file.and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes));
        read.map_err(|error| {
            Error::io("read", &path, error)
                .note("the kubeconfig names this file")
                .hint("a relative path is below the pipeline's root; or put the content into the kubeconfig")
        })?;
        if bytes.len() as u64 > LIMIT {
            return Err(Error::config(format!("`{}` has more than {LIMIT} bytes", path.display())));
        }
        Ok(bytes)
    })
    .await
}

fn certificates(field: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(wrong(field)),
    }
}

fn wrong(field: &str) -> Error {
    Error::new(ErrorKind::Config, format!("the `{field}` in the kubeconfig does not have its form"))
        .hint("it is PEM, and in a field that ends with `-data` PEM in base64")
}
