//! The door to credentials: a login for exactly one host, a cluster, a secret.
//!
//! Plug-ins reach it through [`Context::login`], [`Context::cluster`] and [`Context::secret`], which
//! mask every value that comes out in all output from then on.

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;

use crate::{Context, Error, ErrorKind, Result, command::SecretId};

/// Gives credentials to whoever may have them.
#[async_trait]
pub trait Credentials: fmt::Debug + Send + Sync + 'static {
    /// Returns the login for exactly this host (`host[:port]`, in lower case), if there is one.
    async fn registry(&self, cx: &Context, host: &str) -> Result<Option<Login>>;

    /// Returns the kubeconfig of the cluster that is known by this context's name.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn cluster(&self, cx: &Context, context: &str) -> Result<Secret>;

    /// Returns the secret with this id.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn secret(&self, cx: &Context, id: &SecretId) -> Result<Secret>;
}

/// A user's name and password or token for one host.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Login {
    /// The user's name.
    pub username: String,
    /// The password or token.
    pub password: Secret,
    /// What the password is.
    pub kind: LoginKind,
}

impl Login {
    /// Returns the login with a password, or with a token that stands for one.
    pub fn new(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self { username: username.into(), password: password.into(), kind: LoginKind::Password }
    }

    /// Returns the login with a token that has no user's name to it.
    pub fn token(kind: LoginKind, token: impl Into<Secret>) -> Self {
        Self { username: String::new(), password: token.into(), kind }
    }
}

/// What a login's password is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoginKind {
    /// A password, or a token in the place of one.
    #[default]
    Password,
    /// An OAuth2 refresh token, for which the token server gives short-lived ones; `identitytoken` in
    /// Docker's configuration.
    IdentityToken,
    /// A token that is shown to the registry as it is; `registrytoken` in Docker's configuration.
    RegistryToken,
}

/// A value that is never shown: `Debug` hides it and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Returns the value itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns a text that changes when the value does and does not tell it.
    ///
    /// It is a keyed hash of the value, so a value that can be guessed can be confirmed by whoever
    /// knows this rule; it goes into fingerprints only, never into output.
    #[must_use]
    pub fn version(&self) -> String {
        let key = blake3::derive_key("shipway 2026-11 secret version", b"");
        blake3::keyed_hash(&key, self.0.as_bytes()).to_hex().to_string()
    }
}

impl<T: Into<Arc<str>>> From<T> for Secret {
    fn from(value: T) -> Self {
        Self(value.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Credentials that the embedding program hands over by value.
///
/// ```
/// use shipway_core::{FixedCredentials, Login};
///
/// let credentials = FixedCredentials::new()
///     .login("registry.example:5000", Login::new("ci", "token"))
///     .secret("npm", "s3cret");
/// # let _ = credentials;
/// ```
#[derive(Clone, Debug, Default)]
pub struct FixedCredentials {
    logins: BTreeMap<String, Login>,
    clusters: BTreeMap<String, Secret>,
    secrets: BTreeMap<String, Secret>,
}

impl FixedCredentials {
    /// Returns credentials for nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the login for a host, `host[:port]`.
    #[must_use]
    pub fn login(mut self, host: impl Into<String>, login: Login) -> Self {
        self.logins.insert(host.into().to_lowercase(), login);
        self
    }

    /// Adds the kubeconfig of a cluster.
    #[must_use]
    pub fn cluster(mut self, context: impl Into<String>, kubeconfig: impl Into<Secret>) -> Self {
        self.clusters.insert(context.into(), kubeconfig.into());
        self
    }

    /// Adds a secret.
    #[must_use]
    pub fn secret(mut self, id: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.secrets.insert(id.into(), value.into());
        self
    }
}

#[async_trait]
impl Credentials for FixedCredentials {
    async fn registry(&self, _cx: &Context, host: &str) -> Result<Option<Login>> {
        Ok(self.logins.get(host).cloned())
    }

    async fn cluster(&self, _cx: &Context, context: &str) -> Result<Secret> {
        self.clusters.get(context).cloned().ok_or_else(|| missing("cluster", context))
    }

    async fn secret(&self, _cx: &Context, id: &SecretId) -> Result<Secret> {
        self.secrets.get(id.as_str()).cloned().ok_or_else(|| missing("secret", id.as_str()))
    }
}

fn missing(what: &str, name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no {what} `{name}`"))
        .hint("hand it over with the world's credentials")
}
