//! Pushing (OCI distribution-spec, "Push"). A blob whose digest is known goes in one `PUT`; one that
//! is still being made goes in one streamed `PATCH`, and a `PUT` then says what it was.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{
    Method, Response, StatusCode, Url,
    header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use shipway_core::{Digest, Error, Result, Tag};
use tokio::runtime::Handle;

use super::{
    answer::{header, refused},
    exchange::{Call, Exchange},
    hosts::same_origin,
    pull::{CONTENT_DIGEST, has_blob},
    repository::RemoteRepository,
    transfer::{Outgoing, Progress},
};
use crate::{BlobReader, Descriptor, digest_of, json::LIMIT, verified};

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// How long giving up an upload may take.
const FAREWELL: Duration = Duration::from_secs(2);

pub(super) async fn blob(
    repository: &RemoteRepository,
    descriptor: &Descriptor,
    content: BlobReader,
) -> Result<()> {
    let digest = &descriptor.digest;
    if has_blob(repository, descriptor).await? {
        return Ok(());
    }
    let upload = begin(repository).await?;
    let finished = async {
        let headers = HeaderMap::from_iter([
            (CONTENT_TYPE, OCTETS),
            (CONTENT_LENGTH, HeaderValue::from(descriptor.size)),
        ]);
        let body = Outgoing::new(verified(content, descriptor), Some(descriptor.size));
        let url = with_digest(&upload.place, digest);
        let response = repository.exchange.send_stream(Method::PUT, &url, headers, body).await?;
        created(repository, digest, response).await
    };
    let finished = finished.await;
    upload.end(finished).await
}

pub(super) async fn new_blob(repository: &RemoteRepository, content: BlobReader) -> Result<(Digest, u64)> {
    let mut upload = begin(repository).await?;
    let finished = async {
        let (body, progress): (_, Arc<Progress>) = Outgoing::new(content, None);
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, OCTETS)]);
        let sent = (body, Arc::clone(&progress));
        let response = repository.exchange.send_stream(Method::PATCH, &upload.place, headers, sent).await?;
        if !matches!(response.status(), StatusCode::ACCEPTED | StatusCode::NO_CONTENT) {
            return Err(refused(repository.host(), "take a blob", response).await);
        }
        // The place may be another after each request.
        upload.place = repository.exchange.location(&upload.place, &response)?;
        let sent = progress.sent();
        let (digest, size) = sent.ok_or_else(|| repository.exchange.bad("did not take a blob to its end"))?;
        let headers = HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from(0))]);
        let call =
            Call::new(Method::PUT, with_digest(&upload.place, &digest)).headers(headers).body(Bytes::new());
        let response = repository.exchange.send(&call).await?;
        created(repository, &digest, response).await?;
        Ok((digest, size))
    };
    let finished = finished.await;
    upload.end(finished).await
}

pub(super) async fn manifest(
    repository: &RemoteRepository,
    media_type: &str,
    bytes: Bytes,
    tag: Option<&Tag>,
) -> Result<Digest> {
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
    Ok(digest)
}

/// Begins an upload and returns where it goes. This is also what gets an authorization to push, which
/// a body that can be sent only once cannot.
async fn begin(repository: &RemoteRepository) -> Result<Upload> {
    let url = repository.url("blobs/uploads/")?;
    let headers = HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from(0))]);
    let call = Call::new(Method::POST, url.clone()).headers(headers).body(Bytes::new());
    let response = repository.exchange.send(&call).await?;
    if response.status() != StatusCode::ACCEPTED {
        return Err(refused(repository.host(), "begin an upload", response).await);
    }
    let place = repository.exchange.location(&url, &response)?;
    Ok(Upload { exchange: repository.exchange.clone(), place, open: true })
}

fn with_digest(place: &Url, digest: &Digest) -> Url {
    let mut url = place.clone();
    url.query_pairs_mut().append_pair("digest", digest.as_str());
    url
}

async fn created(repository: &RemoteRepository, digest: &Digest, response: Response) -> Result<()> {
    if response.status() != StatusCode::CREATED {
        return Err(refused(repository.host(), &format!("take blob `{digest}`"), response).await);
    }
    check_digest(repository, digest, &response)
}

/// Refuses an answer that speaks of other content than was sent.
fn check_digest(repository: &RemoteRepository, digest: &Digest, response: &Response) -> Result<()> {
    match header(response, &CONTENT_DIGEST) {
        Some(said) if said != digest.as_str() && said.starts_with(digest.algorithm()) => Err(repository
            .exchange
            .bad(&format!("took other content than `{digest}`"))
            .note(format!("it says `{}`", said.chars().take(200).collect::<String>()))),
        _ => Ok(()),
    }
}

/// An upload that was begun. The registry is told when it is not coming, so that it need not keep what
/// came: at its end, and also when whoever pushes is dropped.
struct Upload {
    exchange: Exchange,
    place: Url,
    open: bool,
}

impl Upload {
    async fn end<T>(mut self, finished: Result<T>) -> Result<T> {
        if finished.is_err() {
            // The first error is the one to tell.
            give_up(self.exchange.clone(), self.place.clone()).await;
        }
        self.open = false;
        finished
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.open
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(give_up(self.exchange.clone(), self.place.clone()));
        }
    }
}

/// Tells a registry that an upload is not coming; also when the task was stopped. But then, and for a
/// registry that is gone, not for long.
async fn give_up(exchange: Exchange, place: Url) {
    if same_origin(&place, &exchange.base) {
        let _ = tokio::time::timeout(FAREWELL, exchange.farewell(&place)).await;
    }
}
