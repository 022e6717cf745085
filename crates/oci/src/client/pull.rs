//! Pulling (OCI distribution-spec, "Pull").

use reqwest::{
    Method, Response, StatusCode,
    header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use shipway_core::{Digest, Error, Result};
use tokio::io::AsyncReadExt;

use super::{
    again::{Again, Trouble},
    answer::{header, refused},
    exchange::{Call, Exchange},
    repository::RemoteRepository,
    transfer::Incoming,
};
use crate::{
    AnyManifest, BlobReader, Descriptor, Hasher, Label, RawManifest, carry::unpack, digest_of, json::LIMIT,
    verified,
};

pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// The manifests and indexes that we read: OCI's and those of Docker's second schema.
const MANIFESTS: HeaderValue = HeaderValue::from_static(
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json",
);

pub(super) async fn manifest(repository: &RemoteRepository, label: &Label) -> Result<Option<RawManifest>> {
    let exchange = &repository.exchange;
    let name = match label {
        Label::Tag(tag) => tag.as_str(),
        Label::Digest(digest) => digest.as_str(),
    };
    let url = repository.url(&format!("manifests/{name}"))?;
    let call = Call::new(Method::GET, url).headers(HeaderMap::from_iter([(ACCEPT, MANIFESTS)]));
    let mut again = exchange.again();
    let (media_type, said, bytes) = loop {
        let response = exchange.send(&call).await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            _ => return Err(refused(repository.host(), &format!("give manifest `{name}`"), response).await),
        }
        let media_type = header(&response, &CONTENT_TYPE).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_owned();
        let said = header(&response, &CONTENT_DIGEST).and_then(|digest| Digest::parse(digest).ok());
        if let Some(bytes) = whole(exchange, response, &mut again).await? {
            break (media_type, said, bytes);
        }
    };
    // A tag's digest is what the registry says it is; without a word from it, the canonical one.
    let digest = match (label, said) {
        (Label::Digest(digest), _) => digest.clone(),
        (Label::Tag(_), Some(said)) => said,
        (Label::Tag(_), None) => digest_of(&bytes),
    };
    let mut hasher = Hasher::like(&digest);
    hasher.update(&bytes);
    let (found, _) = hasher.finish();
    if found != digest {
        return Err(other_content(repository, name, &digest, &found));
    }
    let raw = RawManifest { media_type, digest, bytes: bytes.into() };
    // Refuses what is not of the type that it is given as.
    AnyManifest::parse(&raw)
        .map_err(|error| error.note(format!("registry `{}` gave it", repository.host())))?;
    Ok(Some(raw))
}

/// Reads all of a manifest or a list, or returns `None` when the connection broke and it is to be asked for again,
/// from its beginning: a tag may have moved meanwhile.
pub(super) async fn whole(
    exchange: &Exchange,
    response: Response,
    again: &mut Again,
) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let body = Incoming::once(exchange, response);
    match body.take(LIMIT as u64 + 1).read_to_end(&mut bytes).await {
        Ok(_) if bytes.len() > LIMIT => {
            Err(exchange.bad("gives a manifest that is too long").note(format!("more than {LIMIT} bytes")))
        }
        Ok(_) => Ok(Some(bytes)),
        Err(error) => {
            let trouble = Trouble::of(unpack(error, "read a manifest"));
            let Some(cost) = trouble.cost else { return Err(trouble.error) };
            if again.wait(cost, None).await? { Ok(None) } else { Err(trouble.error) }
        }
    }
}

fn other_content(repository: &RemoteRepository, name: &str, digest: &Digest, found: &Digest) -> Error {
    repository
        .exchange
        .bad(&format!("gives other content for manifest `{name}` than its digest says"))
        .note(format!("it should be `{digest}` and is `{found}`"))
}

pub(super) async fn has_blob(repository: &RemoteRepository, descriptor: &Descriptor) -> Result<bool> {
    let digest = &descriptor.digest;
    let call = Call::new(Method::HEAD, repository.url(&format!("blobs/{digest}"))?);
    let response = repository.exchange.send(&call).await?;
    match response.status() {
        StatusCode::OK => Ok(length(&response).is_none_or(|length| length == descriptor.size)),
        StatusCode::NOT_FOUND => Ok(false),
        _ => Err(refused(repository.host(), &format!("say whether it has blob `{digest}`"), response).await),
    }
}

pub(super) async fn blob(repository: &RemoteRepository, descriptor: &Descriptor) -> Result<BlobReader> {
    let digest = &descriptor.digest;
    let exchange = &repository.exchange;
    let call = Call::new(Method::GET, repository.url(&format!("blobs/{digest}"))?);
    let response = exchange.send(&call).await?;
    if response.status() != StatusCode::OK {
        return Err(refused(repository.host(), &format!("give blob `{digest}`"), response).await);
    }
    // Known to be wrong before anything of it was read.
    if length(&response).is_some_and(|length| length != descriptor.size) {
        return Err(exchange
            .bad(&format!("gives blob `{digest}` in another size than it should have"))
            .note(format!("it should have {} bytes", descriptor.size)));
    }
    let content = Incoming::resumed(exchange, call, response);
    Ok(verified(content, descriptor))
}

/// Returns the size of the content that an answer says it has.
fn length(response: &Response) -> Option<u64> {
    header(response, &CONTENT_LENGTH)?.parse().ok()
}
