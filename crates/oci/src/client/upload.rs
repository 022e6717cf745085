//! An upload in a registry: how it begins, how far it came, and how it ends when it is not coming.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{
    Method, Response, StatusCode, Url,
    header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, LOCATION, RANGE},
};
use shipway_core::{Digest, Error, Result};
use tokio::runtime::Handle;

use super::{
    answer::{header, refused},
    exchange::{Call, Exchange},
    hosts::same_origin,
    repository::RemoteRepository,
};

/// How long giving up an upload may take: it is done after a deadline too, and then a second is all there is.
const FAREWELL: Duration = Duration::from_millis(900);

/// The least that a chunk may hold (OCI distribution-spec, "Pushing a blob in chunks").
const CHUNK_MINIMUM: HeaderName = HeaderName::from_static("oci-chunk-min-length");

/// An upload that was begun. The registry is told when it is not coming, so that it need not keep what
/// came: at its end, and also when whoever pushes is dropped.
#[derive(Debug)]
pub(super) struct Upload {
    exchange: Exchange,
    pub(super) place: Url,
    /// The least that the registry takes in one of several chunks.
    pub(super) least: u64,
    open: bool,
}

impl Upload {
    /// Begins an upload. This is also what gets an authorization to push, before there is content that
    /// waits for it.
    pub(super) async fn begin(repository: &RemoteRepository) -> Result<Self> {
        let (exchange, url) = (repository.exchange.clone(), repository.url("blobs/uploads/")?);
        to_its_end(async move {
            let response = exchange.send(&post(url.clone())).await?;
            if response.status() != StatusCode::ACCEPTED {
                return Err(refused(&exchange.host, "begin an upload", response).await);
            }
            Self::of(&exchange, &url, &response)
        })
        .await
    }

    /// Asks for a blob of another repository of the registry (OCI distribution-spec, "Mounting a blob from
    /// another repository"). Where that is not to be had, an upload begins instead, and is returned.
    pub(super) async fn mount(
        repository: &RemoteRepository,
        digest: &Digest,
        from: &str,
    ) -> Result<Option<Self>> {
        let mut url = repository.url("blobs/uploads/")?;
        url.query_pairs_mut().append_pair("mount", digest.as_str()).append_pair("from", from);
        let call = post(url.clone()).scope(format!("repository:{from}:pull"));
        let (repository, digest) = (repository.clone(), digest.clone());
        to_its_end(async move {
            let exchange = &repository.exchange;
            let response = exchange.send(&call).await?;
            match response.status() {
                StatusCode::CREATED => {
                    super::push::check_digest(&repository, &digest, &response)?;
                    Ok(None)
                }
                StatusCode::ACCEPTED => Self::of(exchange, &url, &response).map(Some),
                _ => Err(refused(&exchange.host, "mount a blob", response).await),
            }
        })
        .await
    }

    fn of(exchange: &Exchange, url: &Url, response: &Response) -> Result<Self> {
        let place = exchange.location(url, response)?;
        let least = header(response, &CHUNK_MINIMUM).and_then(|least| least.trim().parse().ok());
        Ok(Self { exchange: exchange.clone(), place, least: least.unwrap_or(0), open: true })
    }

    /// Follows the upload to its next place, which may be another after each request.
    pub(super) fn follow(&mut self, response: &Response) -> Result<()> {
        self.place = self.exchange.location(&self.place, response)?;
        Ok(())
    }

    /// Returns how much the registry has, or none when it does not say, or has no such upload any more.
    pub(super) async fn received(&mut self) -> Result<Option<u64>> {
        let authorized = same_origin(&self.place, &self.exchange.base);
        let call = Call::new(Method::GET, self.place.clone());
        let response = if authorized {
            self.exchange.send(&call).await?
        } else {
            self.exchange.send_to(&call, None).await?
        };
        if response.status() != StatusCode::NO_CONTENT {
            return Ok(None);
        }
        if response.headers().contains_key(LOCATION) {
            self.follow(&response)?;
        }
        Ok(received(&response))
    }

    /// Ends an upload whose blob is there.
    pub(super) fn close(mut self) {
        self.open = false;
    }

    /// Tells the registry that the upload is not coming.
    pub(super) async fn give_up(mut self) {
        give_up(self.exchange.clone(), self.place.clone()).await;
        self.open = false;
    }
}

/// Asks for an upload on a task of its own, which sees an answer that whoever pushes is not there for any
/// more.
async fn to_its_end<T: Send + 'static>(
    asking: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let begun = tokio::spawn(asking).await;
    begun.unwrap_or_else(|error| Err(Error::internal("beginning an upload panicked").source(error)))
}

/// Returns how much an answer says that came. `0-0` says nothing: everybody writes it for nothing too.
fn received(response: &Response) -> Option<u64> {
    let range = header(response, &RANGE)?;
    let (from, to) = range.trim().trim_start_matches("bytes=").split_once('-')?;
    let to: u64 = to.parse().ok()?;
    (from == "0" && to > 0).then(|| to.checked_add(1)).flatten()
}

fn post(url: Url) -> Call {
    let headers = HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from(0))]);
    Call::new(Method::POST, url).headers(headers).body(Bytes::new())
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
