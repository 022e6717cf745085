//! Who we are to the API server: the `Authorization` of each request, asked for again when the API server
//! does not take it any more.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::HeaderValue;
use kube::config::{AuthInfo, Cluster, ExecInteractiveMode};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;
use shipway_core::{Command, Context, Error, ErrorKind, Result, Secret};

use super::config;

/// The longest that a credential program may take.
const PROGRAM: Duration = Duration::from_secs(60);

/// How a user logs in, as the kubeconfig says.
#[derive(Clone)]
pub(super) enum Login {
    /// Not at all, or by a client certificate.
    Nothing,
    /// By a header that stays the same.
    Header(HeaderValue),
    /// By the token in a file, which somebody else writes anew.
    File(PathBuf),
    /// By the token that a program prints.
    Program(Program),
}

/// A credential program of a kubeconfig ("Authenticating", "client-go credential plugins").
#[derive(Clone)]
pub(super) struct Program {
    command: Command,
    hint: Option<String>,
}

impl Login {
    /// Reads how a user logs in; `programs` says whether a program that the kubeconfig names may run.
    pub(super) fn of(user: AuthInfo, cluster: &Cluster, programs: bool) -> Result<Self> {
        if let Some(provider) = user.auth_provider {
            return Err(Error::unsupported(format!(
                "the kubeconfig logs in by the `auth-provider` `{}`, which Kubernetes has removed",
                provider.name
            ))
            .hint("use an `exec` credential program, or a token"));
        }
        // client-go prefers a token over its file, and both over a name and a password.
        if let Some(token) = user.token.filter(|token| !token.expose_secret().is_empty()) {
            return bearer(token.expose_secret()).map(Self::Header);
        }
        if let Some(file) = user.token_file.filter(|file| !file.is_empty()) {
            return Ok(Self::File(file.into()));
        }
        if let (Some(name), Some(password)) = (user.username, user.password) {
            let both = BASE64_STANDARD.encode(format!("{name}:{}", password.expose_secret()));
            return header(&format!("Basic {both}")).map(Self::Header);
        }
        let Some(exec) = user.exec else { return Ok(Self::Nothing) };
        let Some(program) = exec.command.filter(|program| !program.is_empty()) else {
            return Err(Error::config("the `exec` in the kubeconfig has no `command`"));
        };
        if !programs {
            // Flux CVE-2022-24817: a kubeconfig from outside ran commands.
            return Err(Error::unsupported(format!(
                "the kubeconfig logs in by running the program `{program}`, which was not allowed"
            ))
            .note("whoever writes such a kubeconfig chooses what runs here")
            .hint("allow it with `Options::credential_programs`, or hand over a kubeconfig with a token"));
        }
        if exec.interactive_mode == Some(ExecInteractiveMode::Always) {
            return Err(Error::unsupported(format!("the credential program `{program}` wants a terminal")));
        }
        let version = exec.api_version.as_deref().unwrap_or("client.authentication.k8s.io/v1");
        let mut info =
            json!({"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": false}});
        if exec.provide_cluster_info {
            info["spec"]["cluster"] = json!({
                "server": cluster.server,
                "tls-server-name": cluster.tls_server_name,
                "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify.unwrap_or(false),
                "certificate-authority-data": cluster.certificate_authority_data,
                "proxy-url": cluster.proxy_url,
            });
        }
        let pairs =
            exec.env.into_iter().flatten().filter_map(|mut pair| {
                Some((pair.remove("name")?, pair.remove("value").unwrap_or_default()))
            });
        let mut env: BTreeMap<String, String> = pairs.collect();
        env.insert("KUBERNETES_EXEC_INFO".to_owned(), info.to_string());
        let command = Command::new(program).args(exec.args.unwrap_or_default()).env(env).capture(true);
        Ok(Self::Program(Program { command, hint: exec.install_hint }))
    }

    /// Returns whether asking again may give another answer.
    fn changes(&self) -> bool {
        matches!(self, Self::File(_) | Self::Program(_))
    }

    async fn ask(&self, cx: &Context) -> Result<Option<HeaderValue>> {
        match self {
            Self::Nothing => Ok(None),
            Self::Header(header) => Ok(Some(header.clone())),
            Self::File(path) => token_of_file(cx, path).await.map(Some),
            Self::Program(program) => program.ask(cx).await.map(Some),
        }
    }
}

impl Program {
    async fn ask(&self, cx: &Context) -> Result<HeaderValue> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Status {
            token: Option<String>,
            client_certificate_data: Option<String>,
        }
        #[derive(Deserialize)]
        struct Answer {
            status: Status,
        }
        let name = &self.command.program;
        let wrong = |what: &str| Error::bad_output(format!("the credential program `{name}` {what}"));
        let exit = cx.within(Some(PROGRAM)).run(self.command.clone()).await;
        let exit = exit.and_then(|exit| exit.success(name)).map_err(|error| match &self.hint {
            Some(hint) => error.hint(hint.as_str()),
            None => error,
        })?;
        let answer: Answer =
            serde_json::from_str(&exit.stdout).map_err(|_| wrong("printed no `ExecCredential`"))?;
        match (answer.status.token, answer.status.client_certificate_data) {
            (Some(token), _) => {
                cx.mask(&Secret::from(token.as_str()));
                bearer(&token)
            }
            (None, Some(_)) => {
                Err(Error::unsupported(format!("the credential program `{name}` gives a client certificate"))
                    .hint("put the certificate into the kubeconfig, or let the program give a token"))
            }
            (None, None) => Err(wrong("gave no token")),
        }
    }
}

async fn token_of_file(cx: &Context, path: &Path) -> Result<HeaderValue> {
    let bytes = config::read(cx, path).await?;
    let token = String::from_utf8(bytes)
        .map_err(|_| Error::config(format!("`{}` is not a token", path.display())))?;
    let token = token.trim();
    cx.mask(&Secret::from(token));
    bearer(token)
}

fn bearer(token: &str) -> Result<HeaderValue> {
    header(&format!("Bearer {token}"))
}

fn header(text: &str) -> Result<HeaderValue> {
    let mut header = HeaderValue::from_str(text).map_err(|_| {
        Error::new(
            ErrorKind::Config,
            "the token or password for the cluster has characters that cannot be sent",
        )
    })?;
    header.set_sensitive(true);
    Ok(header)
}

/// The present `Authorization`; clones would not be the same, so it is shared.
pub(super) struct Authorization {
    login: Login,
    now: RwLock<Known>,
    /// Held while it is asked for, so that requests side by side ask once between them.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone, Default)]
struct Known {
    header: Option<HeaderValue>,
    /// How often it was asked for.
    times: u64,
}

impl Authorization {
    pub(super) fn new(login: Login) -> Self {
        Self { login, now: RwLock::default(), asking: tokio::sync::Mutex::default() }
    }

    /// Returns what requests carry.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        self.known().header
    }

    /// Makes sure that it was asked for, and returns how often it was.
    pub(super) async fn ready(&self, cx: &Context) -> Result<u64> {
        match self.known().times {
            0 => self.ask(cx, 0).await,
            times => Ok(times),
        }
    }

    /// Asks again, unless somebody else has since `times`; returns whether there may be another answer.
    pub(super) async fn again(&self, cx: &Context, times: u64) -> Result<bool> {
        if !self.login.changes() {
            return Ok(false);
        }
        self.ask(cx, times).await.map(|now| now != times)
    }

    async fn ask(&self, cx: &Context, times: u64) -> Result<u64> {
        let _asking = self.asking.lock().await;
        let known = self.known();
        if known.times != times {
            return Ok(known.times);
        }
        let header = self.login.ask(cx).await?;
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Known { header, times: times + 1 };
        Ok(times + 1)
    }

    fn known(&self) -> Known {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization(***)")
    }
}
