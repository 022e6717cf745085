//! The sending of one blob, by as many requests as it takes: what a broken connection or a busy registry
//! did not take is sent again, and nothing else.

use bytes::Bytes;
use reqwest::{
    Method, Response, StatusCode, Url,
    header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use shipway_core::{Digest, Error, ErrorKind, Result};

use super::{
    again::{QUICK, SLOW, Trouble, is_busy, retry_after},
    answer::refused,
    exchange::Call,
    hosts::same_origin,
    pull::has_blob,
    push::check_digest,
    repository::RemoteRepository,
    tape::{Tape, WINDOW},
    transfer::PROGRESS,
    upload::Upload,
};
use crate::{Descriptor, Distribution, verified};

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// How much goes in a chunk, for a registry that does not take all at once.
const CHUNK: u64 = 8 * 1024 * 1024;

/// The most that a registry may want in one chunk: of a layer that is still being made, a chunk is held
/// in memory.
const MOST: u64 = 64 * 1024 * 1024;

/// The least that a chunk is cut down to for a registry that finds chunks too large.
const LEAST: u64 = 256 * 1024;

/// A blob on its way.
pub(super) struct Sending<'a> {
    pub(super) repository: &'a RemoteRepository,
    pub(super) tape: Tape,
    /// What it is, if that is known before its end.
    pub(super) known: Option<&'a Descriptor>,
    /// Where to read it again from its beginning.
    pub(super) source: Option<&'a dyn Distribution>,
    /// How much goes in one request, for a registry that does not take all of it at once.
    pub(super) chunk: Option<u64>,
}

/// Why an attempt failed.
struct Failure {
    trouble: Trouble,
    /// How long the registry asks to wait.
    asked: Option<std::time::Duration>,
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self { trouble, asked: None }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Trouble::last(error).into()
    }
}

impl Sending<'_> {
    /// Sends it into an upload, or into another one where that is lost.
    pub(super) async fn run(mut self, mut upload: Upload) -> Result<(Digest, u64)> {
        let exchange = &self.repository.exchange;
        let mut again = exchange.again();
        let (mut reached, mut stuck) = (0, 0);
        loop {
            let Failure { trouble, asked } = match self.attempt(&mut upload).await {
                Ok(sent) => {
                    upload.close();
                    return Ok(sent);
                }
                Err(failure) => failure,
            };
            let goes_on = match trouble.cost {
                Some(cost) => match again.wait(cost, asked).await {
                    Ok(goes_on) => goes_on,
                    Err(late) => {
                        upload.give_up().await;
                        return Err(late.note(exchange.at_last(&trouble.error.to_string())));
                    }
                },
                None => false,
            };
            if !goes_on {
                upload.give_up().await;
                return Err(trouble.error);
            }
            match self.go_back(&mut upload, trouble.error).await {
                Ok(None) => {}
                Ok(Some(sent)) => {
                    upload.close();
                    return Ok(sent);
                }
                Err(error) => {
                    upload.give_up().await;
                    return Err(error);
                }
            }
            let at = self.tape.at();
            if at >= reached + PROGRESS {
                (again, reached, stuck) = (exchange.again(), at, 0);
            } else {
                stuck += 1;
                // A registry, or what is before it, may close the connection on a body that is too long
                // for it before its refusal can be read.
                if stuck == 2 && self.chunk.is_none() && self.tape.sent() >= PROGRESS {
                    self.chunk = Some(CHUNK.max(upload.least)).filter(|chunk| *chunk <= MOST);
                }
            }
        }
    }

    /// Sends what is left.
    async fn attempt(&mut self, upload: &mut Upload) -> Result<(Digest, u64), Failure> {
        let exchange = &self.repository.exchange;
        loop {
            let at = self.tape.at();
            if self.chunk.is_some() {
                self.tape.hold();
            }
            let size = self.known.map(|known| known.size);
            let (until, exact) = match (self.chunk, size) {
                (None, None) => (u64::MAX, false),
                (None, Some(size)) => (size, true),
                (Some(chunk), Some(size)) => (size.min(at.saturating_add(chunk)), true),
                (Some(chunk), None) => (at + self.tape.ahead(chunk).await?, true),
            };
            let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, OCTETS)]);
            if exact {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(until - at));
            }
            if let (Some(known), 0, None) = (self.known, at, self.chunk) {
                let url = with_digest(&upload.place, &known.digest);
                let body = self.tape.body(until, exact);
                let response = exchange.send_stream(Method::PUT, &url, headers, body).await?;
                self.created(&known.digest, response).await?;
                return Ok((known.digest.clone(), known.size));
            }
            if until > at {
                if exact {
                    let range = HeaderValue::try_from(format!("{at}-{}", until - 1))
                        .map_err(|error| Error::internal("a range is no header").source(error))?;
                    headers.insert(CONTENT_RANGE, range);
                }
                let body = self.tape.body(until, exact);
                let response = exchange.send_stream(Method::PATCH, &upload.place, headers, body).await?;
                if !matches!(response.status(), StatusCode::ACCEPTED | StatusCode::NO_CONTENT) {
                    return Err(self.refused("take a blob", upload.least, response).await);
                }
                upload.follow(&response)?;
            }
            let whole = self.tape.whole().or_else(|| self.known.map(|it| (it.digest.clone(), it.size)));
            match whole {
                Some((digest, size)) if self.tape.at() >= size => {
                    let headers = HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from(0))]);
                    let url = with_digest(&upload.place, &digest);
                    let call = Call::new(Method::PUT, url).headers(headers).body(Bytes::new()).once();
                    // Whatever happens to it, the next attempt looks whether the blob is there.
                    let response = exchange.send(&call).await.map_err(Trouble::of)?;
                    self.created(&digest, response).await?;
                    return Ok((digest, size));
                }
                _ if self.chunk.is_some() => {}
                _ => return Err(exchange.bad("did not take a blob to its end").into()),
            }
        }
    }

    async fn created(&mut self, digest: &Digest, response: Response) -> Result<(), Failure> {
        if response.status() != StatusCode::CREATED {
            return Err(self.refused(&format!("take blob `{digest}`"), 0, response).await);
        }
        Ok(check_digest(self.repository, digest, &response)?)
    }

    /// Returns what a refusal means for the next attempt.
    async fn refused(&mut self, what: &str, least: u64, response: Response) -> Failure {
        let exchange = &self.repository.exchange;
        let (status, asked) = (response.status(), retry_after(&exchange.cx, &response));
        let cost = match status {
            status if is_busy(status) => Some(QUICK),
            // The upload was lost, or has more or less than was thought.
            StatusCode::NOT_FOUND | StatusCode::RANGE_NOT_SATISFIABLE => Some(SLOW),
            // The token that the upload began with has expired. Another host that the upload was sent to
            // has no say in how the registry is logged in to.
            StatusCode::UNAUTHORIZED if same_origin(response.url(), &exchange.base) => {
                let before = exchange.authorization("");
                match exchange.authorize("", before, &response).await {
                    Ok(()) => Some(SLOW),
                    Err(error) => return error.into(),
                }
            }
            // It wants to know the length first, or less at once.
            StatusCode::LENGTH_REQUIRED | StatusCode::PAYLOAD_TOO_LARGE => {
                let smaller = self.chunk.map_or(CHUNK.max(least), |chunk| chunk / 2);
                let fits = smaller >= least.max(LEAST) && smaller <= MOST;
                self.chunk = Some(smaller).filter(|_| fits).or(self.chunk);
                fits.then_some(QUICK)
            }
            _ => None,
        };
        let error = refused(&exchange.host, what, response).await;
        Failure { trouble: Trouble { error, cost }, asked }
    }

    /// Goes back to what the registry has not got, in the same upload or, where that is lost, in another.
    /// Returns what was sent if it got everything.
    async fn go_back(&self, upload: &mut Upload, before: Error) -> Result<Option<(Digest, u64)>> {
        let complete = self.tape.whole().filter(|(_, size)| self.tape.sent() == *size);
        if let Some((digest, size)) = complete {
            // The answer was lost and not the content.
            if has_blob(self.repository, &Descriptor::new("", digest.clone(), size)).await? {
                return Ok(Some((digest, size)));
            }
        }
        let received = upload.received().await?;
        if received.is_some_and(|received| received > self.tape.sent()) {
            return Err(self.repository.exchange.bad("says that it has more than it was sent"));
        }
        if let Some(to) = received
            && self.reach(to).await?
        {
            return Ok(None);
        }
        if self.reach(0).await? {
            let lost = std::mem::replace(upload, Upload::begin(self.repository).await?);
            lost.give_up().await;
            return Ok(None);
        }
        let host = &self.repository.exchange.host;
        Err(Error::new(
            ErrorKind::Unavailable,
            format!("registry `{host}` lost an upload that was under way"),
        )
        .note(format!("the content is made while it is sent, and only its last {WINDOW} bytes are kept"))
        .hint("do it again from the beginning")
        .source(before))
    }

    /// Goes to a place in the content; returns whether that can be done.
    async fn reach(&self, to: u64) -> Result<bool> {
        if self.tape.rewind(to) {
            return Ok(true);
        }
        match (self.source, self.known) {
            (Some(source), Some(known)) => {
                self.tape.reopen(verified(source.read_blob(known).await?, known), to);
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

fn with_digest(place: &Url, digest: &Digest) -> Url {
    let mut url = place.clone();
    url.query_pairs_mut().append_pair("digest", digest.as_str());
    url
}
