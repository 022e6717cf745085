//! Pushing (OCI distribution-spec, "Push"). A blob whose digest is known goes in one `PUT`; one that
//! is still being made goes in one streamed `PATCH`, and a `PUT` then says what it was. A blob that another
//! repository of the registry has is mounted.

use bytes::Bytes;
use reqwest::{
    Method, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use shipway_core::{Digest, Error, ErrorKind, Result, Tag};

use super::{
    answer::{header, refused},
    exchange::Call,
    pull::{CONTENT_DIGEST, has_blob},
    repository::RemoteRepository,
    sending::Sending,
    tape::{SMALL_WINDOW, Tape, WINDOW},
    upload::Upload,
};
use crate::{BlobReader, Descriptor, Distribution, digest_of, json::LIMIT, verified};

/// By which a registry says that it keeps the list of referrers (OCI distribution-spec, "Pushing Manifests with
/// Subject").
const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

pub(super) async fn blob(
    repository: &RemoteRepository,
    descriptor: &Descriptor,
    content: BlobReader,
) -> Result<()> {
    if has_blob(repository, descriptor).await? {
        return Ok(());
    }
    let upload = Upload::begin(repository).await?;
    let tape = Tape::new(verified(content, descriptor), Some(descriptor), WINDOW);
    let sending = Sending { repository, tape, known: Some(descriptor), source: None, chunk: None };
    sending.run(upload).await.map(|_| ())
}

/// Pushes a blob that another repository has: mounts it if that one is in the same registry.
pub(super) async fn blob_of(
    repository: &RemoteRepository,
    descriptor: &Descriptor,
    source: &dyn Distribution,
) -> Result<()> {
    if has_blob(repository, descriptor).await? {
        return Ok(());
    }
    let begun = match source.place() {
        Some((host, from)) if host == repository.host() => {
            match Upload::mount(repository, &descriptor.digest, from).await {
                Ok(None) => return Ok(()),
                Ok(begun) => begun,
                Err(error) if matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Timeout) => {
                    return Err(error);
                }
                // It is only to spare the sending; whether we may push is asked for without it.
                Err(_) => None,
            }
        }
        _ => None,
    };
    let upload = match begun {
        Some(upload) => upload,
        None => Upload::begin(repository).await?,
    };
    let content = source.read_blob(descriptor).await?;
    // From another registry, all that came before would be pulled again.
    let window = if source.place().is_some() { WINDOW } else { SMALL_WINDOW };
    let tape = Tape::new(verified(content, descriptor), Some(descriptor), window);
    let sending = Sending { repository, tape, known: Some(descriptor), source: Some(source), chunk: None };
    sending.run(upload).await.map(|_| ())
}

pub(super) async fn new_blob(repository: &RemoteRepository, content: BlobReader) -> Result<(Digest, u64)> {
    let upload = Upload::begin(repository).await?;
    let tape = Tape::new(content, None, WINDOW);
    Sending { repository, tape, known: None, source: None, chunk: None }.run(upload).await
}

/// Pushes a manifest, and returns its digest and whether the registry lists it among its subject's referrers.
pub(super) async fn manifest(
    repository: &RemoteRepository,
    media_type: &str,
    bytes: Bytes,
    tag: Option<&Tag>,
) -> Result<(Digest, bool)> {
    if bytes.len() > LIMIT {
        return Err(Error::unsupported(format!("a manifest of {} bytes is too long", bytes.len()))
            .hint(format!("a manifest has at most {LIMIT} bytes")));
    }
    let digest = digest_of(&bytes);
    let name = tag.map_or(digest.as_str(), Tag::as_str);
    let content_type = HeaderValue::from_str(media_type)
        .map_err(|_| Error::bad_output(format!("`{media_type}` is not a media type")))?;
    let call = Call::new(Method::PUT, repository.url(&format!("manifests/{name}"))?)
        .headers(HeaderMap::from_iter([(CONTENT_TYPE, content_type)]))
        .body(bytes);
    let response = repository.exchange.send(&call).await?;
    if response.status() != StatusCode::CREATED {
        return Err(refused(repository.host(), &format!("take manifest `{name}`"), response).await);
    }
    check_digest(repository, &digest, &response)?;
    let listed = response.headers().contains_key(SUBJECT);
    Ok((digest, listed))
}

/// Refuses an answer that speaks of other content than was sent.
pub(super) fn check_digest(
    repository: &RemoteRepository,
    digest: &Digest,
    response: &Response,
) -> Result<()> {
    match header(response, &CONTENT_DIGEST) {
        Some(said) if said != digest.as_str() && said.starts_with(digest.algorithm()) => Err(repository
            .exchange
            .bad(&format!("took other content than `{digest}`"))
            .note(format!("it says `{}`", said.chars().take(200).collect::<String>()))),
        _ => Ok(()),
    }
}
