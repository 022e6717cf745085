//! Logins from Docker's `config.json`, as `docker login` and credential helpers keep them.

mod file;
mod program;

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Read},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use shipway_core::{Context, Credentials, Error, Login, Result, Secret, SecretId};
use tokio::sync::Mutex;

use self::file::{Entry, File};

/// The most bytes of a `config.json`.
const LIMIT: u64 = 1024 * 1024;

/// How long a login is used before it is asked for again: a helper may take seconds for each answer, and
/// its tokens expire.
const FRESH: Duration = Duration::from_secs(60);

/// The logins of a Docker configuration: those in the file, and those of the credential helpers that it
/// names.
///
/// It is read when a login is first asked for, and a helper (`docker-credential-NAME`, found on the
/// world's `PATH`) runs only for a host that asks for a login. Hosts must match exactly; Docker Hub's is
/// `docker.io` here and `https://index.docker.io/v1/` there. Where `credHelpers` names a helper for
/// the host, or `credsStore` one for all, that one alone is asked, as Docker does. Without the file there
/// are no logins, as for Docker, so what anybody may pull is pulled.
///
/// Whoever can write the file chooses programs that run with the world's environment.
///
/// ```
/// use shipway_core::{FixedCredentials, World};
/// use shipway_oci::DockerConfig;
///
/// let others = FixedCredentials::new().secret("npm", "s3cret");
/// let credentials = DockerConfig::new("/home/ci/.docker/config.json").beside(others);
/// let world = World::host("/src").credentials(credentials);
/// # drop(world);
/// ```
pub struct DockerConfig {
    path: PathBuf,
    beside: Option<Arc<dyn Credentials>>,
    known: Mutex<BTreeMap<String, Known>>,
}

struct Known {
    at: Duration,
    login: Option<Login>,
}

impl DockerConfig {
    /// The key of Docker Hub in such a file, which is not a host's name (docker/cli, `registry.IndexServer`).
    pub const DOCKER_HUB: &str = "https://index.docker.io/v1/";

    /// Returns the key of a host, as references name it, in such a file.
    ///
    /// ```
    /// use shipway_oci::DockerConfig;
    ///
    /// assert_eq!(DockerConfig::key("ghcr.io"), "ghcr.io");
    /// assert_eq!(DockerConfig::key("docker.io"), DockerConfig::DOCKER_HUB);
    /// ```
    #[must_use]
    pub fn key(host: &str) -> &str {
        if host == "docker.io" { Self::DOCKER_HUB } else { host }
    }

    /// Returns the logins of the file at this path, absolute or below the context's root; does no IO.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), beside: None, known: Mutex::default() }
    }

    /// Takes from other credentials what this has not: logins for other hosts, clusters and secrets.
    #[must_use]
    pub fn beside(mut self, credentials: impl Credentials) -> Self {
        self.beside = Some(Arc::new(credentials));
        self
    }

    async fn look_up(&self, cx: &Context, host: &str) -> Result<Option<Login>> {
        let mut known = self.known.lock().await;
        let now = cx.clock().elapsed();
        if let Some(Known { login, .. }) =
            known.get(host).filter(|known| now.saturating_sub(known.at) < FRESH)
        {
            return Ok(login.clone());
        }
        let login = match self.read(cx).await?.entry(host)? {
            Entry::Login(login) => login,
            Entry::Helper { program, server } => program::ask(cx, &program, &server).await?,
        };
        known.insert(host.to_owned(), Known { at: now, login: login.clone() });
        Ok(login)
    }

    async fn read(&self, cx: &Context) -> Result<File> {
        let path = cx.path(&self.path);
        cx.blocking(move |cx| {
            let mut bytes = Vec::new();
            let file = match cx.disk().open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(File::default()),
                file => file,
            };
            let read = file.and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes));
            read.map_err(|error| Error::io("read", &path, error))?;
            if bytes.len() as u64 > LIMIT {
                return Err(Error::config(format!("`{}` has more than {LIMIT} bytes", path.display()))
                    .hint("name Docker's `config.json`"));
            }
            File::parse(&path, &bytes)
        })
        .await
    }
}

impl fmt::Debug for DockerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DockerConfig")
            .field("path", &self.path)
            .field("beside", &self.beside)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Credentials for DockerConfig {
    async fn registry(&self, cx: &Context, host: &str) -> Result<Option<Login>> {
        match (self.look_up(cx, host).await?, &self.beside) {
            (None, Some(beside)) => beside.registry(cx, host).await,
            (login, _) => Ok(login),
        }
    }

    async fn cluster(&self, cx: &Context, context: &str) -> Result<Secret> {
        match &self.beside {
            Some(beside) => beside.cluster(cx, context).await,
            None => Err(elsewhere("cluster", context)),
        }
    }

    async fn secret(&self, cx: &Context, id: &SecretId) -> Result<Secret> {
        match &self.beside {
            Some(beside) => beside.secret(cx, id).await,
            None => Err(elsewhere("secret", id.as_str())),
        }
    }
}

fn elsewhere(what: &str, name: &str) -> Error {
    Error::not_found(format!("there is no {what} `{name}`"))
        .note("a Docker configuration has logins only")
        .hint("put credentials that have it beside the Docker configuration")
}
