//! One request and its answer: its deadline, another attempt where that is safe, and a limit to what comes
//! back.

use std::{
    collections::hash_map::RandomState,
    error::Error as StdError,
    hash::{BuildHasher, Hasher},
    io,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::BodyExt;
use hyper_util::client::legacy;
use kube::client::Body;
use serde_json::Value;
use shipway_core::{Context, Error, ErrorKind, Result};

use super::{
    Cluster,
    failure::{Asked, failure},
};

/// The longest pause before the second attempt; it doubles with each one.
const FIRST: Duration = Duration::from_millis(50);

/// The longest pause before any attempt.
const LONGEST: Duration = Duration::from_secs(2);

/// The most bytes of an answer: a list's page of the largest objects that there are is less.
const LIMIT: usize = 256 << 20;

/// The most bytes of a refusal.
const REFUSAL: usize = 1 << 20;

const JSON: &str = "application/json";

/// A request that can be sent again.
#[derive(Debug)]
pub(super) struct Call {
    method: Method,
    target: String,
    body: Option<(Bytes, &'static str)>,
    /// Whether it means the same after an answer that was lost.
    again: bool,
    pub(super) asked: Asked,
}

impl Call {
    /// Returns a request for a path, with its query.
    pub(super) fn new(method: Method, target: String, asked: Asked) -> Self {
        let again = method != Method::POST;
        Self { method, target, body: None, again, asked }
    }

    pub(super) fn get(target: String, asked: Asked) -> Self {
        Self::new(Method::GET, target, asked)
    }

    /// Sends this as JSON.
    pub(super) fn json(self, body: &Value) -> Self {
        self.body(body, JSON)
    }

    pub(super) fn body(mut self, body: &Value, media_type: &'static str) -> Self {
        self.body = Some((body.to_string().into(), media_type));
        self
    }

    /// Makes it one that is sent again though it is a POST: it only asks, or who sends it heeds
    /// [`Answer::doubtful`].
    pub(super) fn again(mut self) -> Self {
        self.again = true;
        self
    }

    fn request(&self, stream: bool) -> Result<Request<Body>> {
        let (body, media_type) = match &self.body {
            Some((body, media_type)) => (Body::from(body.clone()), Some(*media_type)),
            None => (Body::empty(), None),
        };
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(&self.target)
            .header(header::ACCEPT, JSON)
            .body(body)
            .map_err(|error| Error::internal("a request has no form").source(error))?;
        if let Some(media_type) = media_type {
            request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        }
        if stream {
            // Each event would be a gzip member of its own, of which only the first is read (kube-rs, `watch`).
            request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        Ok(request)
    }
}

/// A whole answer, good or not.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) code: u16,
    /// Whether an earlier attempt may have been done, whose answer was lost: what is in the way of this one may be
    /// that.
    pub(super) doubtful: bool,
    body: Bytes,
}

impl Answer {
    /// Returns the answer's JSON, if it is a good one.
    pub(super) fn good(self, asked: &Asked) -> Result<Value> {
        if !(200..300).contains(&self.code) {
            return Err(failure(asked, self.code, &self.body));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            Error::bad_output(format!("{}: the answer is not JSON", asked.cannot())).note(format!(
                "at byte {} of {}",
                error.column(),
                self.body.len()
            ))
        })
    }
}

/// What comes back.
enum Reply {
    Whole(Answer),
    Stream(Body),
}

/// Why an attempt failed.
struct Trouble {
    error: Error,
    again: Again,
    /// How long the API server asks to wait.
    asked: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    /// Nothing was done, so that any request may be sent again.
    Any,
    /// It may have been done.
    Safe,
    Never,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self { error, again: Again::Never, asked: None }
    }
}

impl Cluster {
    /// Sends a request and returns its whole answer; where it is not a good one, one that does not get
    /// better by another attempt.
    pub(super) async fn call(&self, cx: &Context, call: &Call) -> Result<Answer> {
        match self.attempts(cx, call, false).await? {
            Reply::Whole(answer) => Ok(answer),
            Reply::Stream(_) => Err(Error::internal("a whole answer came as a stream")),
        }
    }

    /// Sends a request and returns the body of its good answer as it comes.
    pub(super) async fn stream(&self, cx: &Context, call: &Call) -> Result<Body> {
        match self.attempts(cx, call, true).await? {
            Reply::Stream(body) => Ok(body),
            Reply::Whole(Answer { code, body, .. }) => Err(failure(&call.asked, code, &body)),
        }
    }

    async fn attempts(&self, cx: &Context, call: &Call, stream: bool) -> Result<Reply> {
        let options = self.options();
        let end = cx.clock().elapsed() + options.patience;
        let (mut pause, mut logged_in, mut doubtful) = (FIRST, false, false);
        loop {
            let times = self.authorization().ready(cx).await?;
            let limited = cx.within(Some(options.request));
            let reply = tokio::select! {
                biased;
                reply = self.attempt(call, stream) => reply,
                error = limited.stopped() => Err(match cx.check_stopped() {
                    Ok(()) if error.kind() == ErrorKind::Timeout => self.silent(&call.asked),
                    _ => error
                        .note(format!("{}: no answer of the API server `{}` yet", call.asked.cannot(), self.server()))
                        .into(),
                }),
            };
            let trouble = match reply {
                Ok(Reply::Whole(Answer { code: 401, .. }))
                    if !logged_in && self.authorization().again(cx, times).await? =>
                {
                    logged_in = true;
                    continue;
                }
                Ok(Reply::Whole(answer)) => return Ok(Reply::Whole(Answer { doubtful, ..answer })),
                Ok(reply) => return Ok(reply),
                Err(trouble) => trouble,
            };
            doubtful |= trouble.again == Again::Safe;
            let now = cx.clock().elapsed();
            let wait = trouble.asked.unwrap_or_default() + part_of(pause);
            pause = (pause * 2).min(LONGEST);
            let last = cx.deadline().map_or(end, |deadline| deadline.min(end));
            let may = trouble.again == Again::Any || trouble.again == Again::Safe && call.again;
            if !may || now + wait >= last {
                return Err(trouble.error);
            }
            cx.sleep(wait).await.map_err(|stopped| stopped.note(format!("at last: {}", trouble.error)))?;
        }
    }

    /// Sends the request once.
    async fn attempt(&self, call: &Call, stream: bool) -> Result<Reply, Trouble> {
        let client = self.client()?;
        let response =
            client.send(call.request(stream)?).await.map_err(|error| self.unreachable(&call.asked, error))?;
        let code = response.status().as_u16();
        if matches!(code, 429 | 500 | 502..=504) {
            let asked = retry_after(&response);
            let body = whole(response.into_body(), REFUSAL, &call.asked).await?;
            let error = failure(&call.asked, code, &body);
            let again = match error.may_retry() {
                false => Again::Never,
                // An API server that says when to come back has not done anything (client-go,
                // `rest/with_retry.go`).
                true if code == 429 || asked.is_some() => Again::Any,
                true => Again::Safe,
            };
            return Err(Trouble { error, again, asked });
        }
        let good = (200..300).contains(&code);
        if good && stream {
            return Ok(Reply::Stream(response.into_body()));
        }
        let limit = if good { LIMIT } else { REFUSAL };
        let body = whole(response.into_body(), limit, &call.asked).await?;
        Ok(Reply::Whole(Answer { code, body, doubtful: false }))
    }

    fn silent(&self, asked: &Asked) -> Trouble {
        let within = self.options().request.as_secs_f32();
        let error = Error::timeout(format!("{}: no answer within {within} s", asked.cannot()))
            .note(format!("the API server is `{}`", self.server()))
            .retry(true);
        Trouble { error, again: Again::Safe, asked: None }
    }

    fn unreachable(&self, asked: &Asked, error: kube::Error) -> Trouble {
        let error: Box<dyn StdError + Send + Sync> = match error {
            kube::Error::Service(error) => error,
            error => error.into(),
        };
        let first: &(dyn StdError + 'static) = error.as_ref();
        let mut chain = std::iter::successors(Some(first), |&error| error.source());
        let distrust = chain.clone().any(is_distrust);
        let connects = chain.any(|error| error.downcast_ref().is_some_and(legacy::Error::is_connect));
        let told = Error::new(
            ErrorKind::Unavailable,
            format!("{}: cannot reach the API server `{}`", asked.cannot(), self.server()),
        );
        if distrust {
            let told =
                told.retry(false).hint("see whether the kubeconfig has the cluster's present authority");
            return Trouble { error: told.source(error), again: Again::Never, asked: None };
        }
        let again = if connects { Again::Any } else { Again::Safe };
        let told = told.hint("see whether it runs, and whether this is the right context");
        Trouble { error: told.source(error), again, asked: None }
    }
}

/// Returns whether TLS did not come about, which stands inside of errors of IO.
fn is_distrust(error: &(dyn StdError + 'static)) -> bool {
    let inner = error.downcast_ref().and_then(io::Error::get_ref);
    error.is::<rustls::Error>() || inner.is_some_and(|inner| is_distrust(inner))
}

/// Returns the whole body, if it is not too long.
async fn whole(mut body: Body, limit: usize, asked: &Asked) -> Result<Bytes, Trouble> {
    let mut kept = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let error =
                Error::new(ErrorKind::Unavailable, format!("{}: the answer broke off", asked.cannot()))
                    .source(error);
            Trouble { error, again: Again::Safe, asked: None }
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if kept.len() + data.len() > limit {
            return Err(Error::bad_output(format!(
                "{}: the answer has more than {limit} bytes",
                asked.cannot()
            ))
            .into());
        }
        kept.extend_from_slice(&data);
    }
    Ok(kept.into())
}

/// Returns how long the API server asks to wait; it says so in seconds.
fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let seconds = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Returns a random part of a pause; what it is random for is that many clients do not come at once
/// ("full jitter": AWS, "Exponential Backoff And Jitter").
pub(super) fn part_of(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    let nanoseconds = pause.as_nanos().saturating_mul(u128::from(random)) >> 64;
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}
