//! The crate `oci-client` as another client of registries, behind the same trait as ours: a second
//! opinion on registries, and a check that the trait is not made for one implementation.

mod flow;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use oci_client::{
    Client as Crate, Reference as Name,
    client::{ClientConfig, ClientProtocol},
    errors::{OciDistributionError, OciErrorCode},
    manifest::OciDescriptor,
    secrets::RegistryAuth,
};
use reqwest::header::HeaderValue;
use shipway_core::{Context, Digest, Error, ErrorKind, LoginKind, Result, Tag};
use tokio::sync::OnceCell;

use self::flow::{Download, Upload};
use crate::{
    BlobReader, Client, Descriptor, Distribution, ImageManifest, Label, RawManifest, RemoteRepository,
    digest_of, json::LIMIT, manifest::own_media_type, verified,
};

/// How long a registry may let nothing come.
const IDLE: Duration = Duration::from_secs(60);

const ACCEPTED: [&str; 4] =
    [crate::media::MANIFEST, crate::media::INDEX, crate::media::DOCKER_MANIFEST, crate::media::DOCKER_INDEX];

/// One repository in a registry, reached by the crate `oci-client`.
///
/// It passes the suite of [`Distribution`]. Tokens are got by [`Client`], so that a login is shown to no
/// token server but those that it would be shown to there. What `oci-client` does not do, and
/// [`RemoteRepository`] does:
///
/// - bound a manifest or an error before it is in memory: a manifest is refused beyond 4 MiB, but after it came;
/// - say which size a blob has that is there: it is believed to be the right one;
/// - go on where a connection broke, try again, honour `Retry-After`, mount;
/// - tell the registry that an upload is not coming: it keeps what came until it removes it by itself;
/// - send content whose digest is not known in one request: it goes in chunks of 4 MiB;
/// - follow redirects by our rules: reqwest's hold, which drop the authorization on another host but lead
///   anywhere;
/// - stay away from the process's environment: proxies are taken from there;
/// - speak TLS with what [`crate::HostOptions`] says: it is for the system's authorities, and for loopback
///   plain HTTP.
#[derive(Clone)]
pub struct OciClientRepository {
    cx: Context,
    own: RemoteRepository,
    client: Crate,
    auth: std::sync::Arc<OnceCell<RegistryAuth>>,
}

impl std::fmt::Debug for OciClientRepository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OciClientRepository").field("own", &self.own).finish_non_exhaustive()
    }
}

impl OciClientRepository {
    /// Returns a repository, `[host[:port]/]path`.
    ///
    /// # Errors
    /// `Config` when it is not the name of a repository, or the process has no default provider of
    /// rustls, which `oci-client` takes its own from.
    pub fn new(cx: &Context, repository: &str) -> Result<Self> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(Error::config(
                "the process has no default provider of rustls, which `oci-client` needs",
            )
            .hint("install one where the program begins, such as ring's"));
        }
        let own = Client::new().repository(cx, repository)?;
        let plain = own.base().scheme() == "http";
        let config = ClientConfig {
            protocol: if plain { ClientProtocol::Http } else { ClientProtocol::Https },
            use_monolithic_push: true,
            read_timeout: Some(IDLE),
            connect_timeout: Some(Duration::from_secs(10)),
            ..ClientConfig::default()
        };
        let client = Crate::try_from(config).map_err(|error| failed("set up", own.host(), error))?;
        Ok(Self { cx: cx.clone(), own, client, auth: std::sync::Arc::default() })
    }

    fn name(&self, label: &str) -> Name {
        let (host, path) = (self.own.host().to_owned(), self.own.path().to_owned());
        if label.contains(':') {
            Name::with_digest(host, path, label.to_owned())
        } else {
            Name::with_tag(host, path, label.to_owned())
        }
    }

    /// Returns the name of the repository itself, once an authorization for it was got.
    async fn ready(&self) -> Result<Name> {
        let name = self.name("latest");
        self.client.store_auth_if_needed(name.resolve_registry(), self.auth().await?).await;
        Ok(name)
    }

    async fn auth(&self) -> Result<&RegistryAuth> {
        let get = async || {
            if let Some(token) = self.own.token().await? {
                return Ok(RegistryAuth::Bearer(token));
            }
            // A registry that asks for a password gets it from either client.
            Ok(match self.cx.login(self.own.host()).await? {
                Some(login) if login.kind == LoginKind::Password => {
                    RegistryAuth::Basic(login.username, login.password.expose().to_owned())
                }
                _ => RegistryAuth::Anonymous,
            })
        };
        self.auth.get_or_try_init(get).await
    }

    async fn until_stopped<T>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T, OciDistributionError>> + Send,
    ) -> Result<T> {
        tokio::select! {
            error = self.cx.stopped() => Err(error),
            done = Box::pin(work) => done.map_err(|error| failed(what, self.own.host(), error)),
        }
    }
}

#[async_trait]
impl Distribution for OciClientRepository {
    async fn manifest(&self, label: &Label) -> Result<Option<RawManifest>> {
        let name = match label {
            Label::Tag(tag) => self.name(tag.as_str()),
            Label::Digest(digest) => self.name(digest.as_str()),
        };
        let auth = self.auth().await?;
        let pulled = self.client.pull_manifest_raw(&name, auth, &ACCEPTED);
        let (bytes, digest) = match self.until_stopped("give a manifest", pulled).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            pulled => pulled?,
        };
        if bytes.len() > LIMIT {
            return Err(Error::bad_output(format!("manifest `{name}` has more than {LIMIT} bytes")));
        }
        // The answer's media type is not told.
        let media_type = own_media_type(&bytes);
        let media_type = media_type
            .ok_or_else(|| Error::bad_output(format!("manifest `{name}` is not one of an image")))?;
        let raw = RawManifest { media_type, digest: Digest::parse(digest)?, bytes };
        crate::AnyManifest::parse(&raw)?;
        Ok(Some(raw))
    }

    async fn has_blob(&self, descriptor: &Descriptor) -> Result<bool> {
        let name = self.ready().await?;
        let asked = self.client.blob_exists(&name, descriptor.digest.as_str());
        self.until_stopped("say whether it has a blob", asked).await
    }

    async fn read_blob(&self, descriptor: &Descriptor) -> Result<BlobReader> {
        let name = self.ready().await?;
        // Asked first, because reading tells only at its end that nothing is there.
        if !self.has_blob(descriptor).await? {
            return Err(Error::not_found(format!("there is no blob `{}`", descriptor.digest)));
        }
        let blob = OciDescriptor { digest: descriptor.digest.to_string(), ..OciDescriptor::default() };
        let (client, host) = (self.client.clone(), self.own.host().to_owned());
        let content = Download::begin(async move |into| {
            client.pull_blob(&name, &blob, into).await.map_err(|error| failed("give a blob", &host, error))
        });
        Ok(verified(crate::stop::until_stopped(&self.cx, Box::pin(content)), descriptor))
    }

    async fn write_blob(&self, descriptor: &Descriptor, content: BlobReader) -> Result<()> {
        if self.has_blob(descriptor).await? {
            return Ok(());
        }
        let name = self.ready().await?;
        let (stream, problem) = Upload::new(verified(content, descriptor));
        let digest = descriptor.digest.as_str();
        let pushed = self.client.push_blob_stream(&name, stream, digest, Some(descriptor.size));
        let pushed = self.until_stopped("take a blob", pushed).await;
        problem.take().map_or(pushed.map(|_| ()), Err)
    }

    async fn write_new_blob(&self, content: BlobReader) -> Result<(Digest, u64)> {
        let name = self.ready().await?;
        let (stream, problem) = Upload::new(content);
        let counted = problem.clone();
        let pushed = self.client.push_blob_stream_chunked(&name, stream);
        let pushed = self.until_stopped("take a blob", pushed).await;
        if let Some(error) = problem.take() {
            return Err(error);
        }
        if pushed.is_err() && counted.is_empty() {
            let empty = Descriptor::new("", digest_of(b""), 0);
            self.write_blob(&empty, Box::pin(tokio::io::empty())).await?;
            return Ok((empty.digest, 0));
        }
        let pushed = pushed?;
        Ok((Digest::parse(pushed.blob_digest)?, pushed.size))
    }

    async fn write_manifest(&self, media_type: &str, bytes: Bytes, tag: Option<&Tag>) -> Result<Digest> {
        self.ready().await?;
        let digest = digest_of(&bytes);
        let name = self.name(tag.map_or(digest.as_str(), Tag::as_str));
        let media_type = HeaderValue::from_str(media_type)
            .map_err(|_| Error::bad_output(format!("`{media_type}` is not a media type")))?;
        let pushed = self.client.push_manifest_raw(&name, bytes, media_type);
        self.until_stopped("take a manifest", pushed).await?;
        Ok(digest)
    }

    // `oci-client` neither follows a list's pages nor writes lists, so these are our own client's.
    async fn referrers(&self, subject: &Digest, artifact_type: Option<&str>) -> Result<Vec<Descriptor>> {
        self.own.referrers(subject, artifact_type).await
    }

    async fn write_referrer(&self, manifest: &ImageManifest) -> Result<Descriptor> {
        self.own.write_referrer(manifest).await
    }
}

/// Returns what an error of `oci-client` means.
fn failed(what: &str, host: &str, error: OciDistributionError) -> Error {
    let of_status = |status: u16| match status {
        401 | 403 => ErrorKind::Auth,
        404 => ErrorKind::NotFound,
        405 | 501 => ErrorKind::Unsupported,
        408 | 429 | 500.. => ErrorKind::Unavailable,
        _ => ErrorKind::BadOutput,
    };
    let kind = match &error {
        OciDistributionError::ImageManifestNotFoundError(_) => ErrorKind::NotFound,
        OciDistributionError::AuthenticationFailure(_) | OciDistributionError::UnauthorizedError { .. } => {
            ErrorKind::Auth
        }
        OciDistributionError::ServerError { code, .. } => of_status(*code),
        OciDistributionError::RequestError(error) => {
            error.status().map_or(ErrorKind::Unavailable, |status| of_status(status.as_u16()))
        }
        OciDistributionError::RegistryError { envelope, .. } => {
            match envelope.errors.first().map(|error| &error.code) {
                Some(
                    OciErrorCode::ManifestUnknown
                    | OciErrorCode::BlobUnknown
                    | OciErrorCode::NameUnknown
                    | OciErrorCode::NotFound,
                ) => ErrorKind::NotFound,
                Some(OciErrorCode::Unauthorized | OciErrorCode::Denied) => ErrorKind::Auth,
                Some(OciErrorCode::Toomanyrequests) => ErrorKind::Unavailable,
                Some(OciErrorCode::Unsupported) => ErrorKind::Unsupported,
                _ => ErrorKind::BadOutput,
            }
        }
        OciDistributionError::IoError(_) => ErrorKind::Unavailable,
        _ => ErrorKind::BadOutput,
    };
    // Its words hold URLs, which can hold signatures, and bodies of any length.
    Error::new(kind, format!("registry `{host}` does not {what} (asked by `oci-client`)"))
}
