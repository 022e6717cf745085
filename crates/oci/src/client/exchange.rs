//! One request and its answer: authorization, redirects, another attempt, idleness, cancellation.

use std::{
    collections::BTreeMap,
    error::Error as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use reqwest::{
    Method, Response, StatusCode, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION},
};
use shipway_core::{Context, Error, Result};

use super::{
    Client,
    again::{Again, QUICK, SLOW, Trouble, is_busy, retry_after},
    answer::{header, unreachable},
    auth::{self, Grant},
    hosts::{may_lead_to, same_origin},
    tape::Outgoing,
    transfer::{IDLE, idle},
};
use crate::carry::unpack;

/// The most redirects that are followed.
const REDIRECTS: usize = 5;

/// What talking to one repository's registry needs.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub(super) client: Client,
    pub(super) cx: Context,
    /// The registry as references name it, and as logins are for it.
    pub(super) host: Arc<str>,
    /// The URL that its paths are below.
    pub(super) base: Url,
    granted: Arc<Mutex<Granted>>,
    /// Held while an authorization is got, so that requests side by side get one between them.
    asking: Arc<tokio::sync::Mutex<()>>,
}

/// The authorizations that were got.
#[derive(Debug, Default)]
struct Granted {
    /// A password is for everything.
    basic: Option<HeaderValue>,
    /// Tokens, by what they are for besides this repository.
    tokens: BTreeMap<String, HeaderValue>,
}

/// A request that can be sent again.
#[derive(Clone, Debug)]
pub(super) struct Call {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Bytes>,
    scope: String,
    again: bool,
}

impl Call {
    pub(super) fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: None, scope: String::new(), again: true }
    }

    pub(super) fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    pub(super) fn body(mut self, body: Bytes) -> Self {
        self.body = Some(body);
        self
    }

    /// Says what it needs a token for besides this repository.
    pub(super) fn scope(mut self, scope: String) -> Self {
        self.scope = scope;
        self
    }

    /// Makes it one that is sent once: after an answer that was lost, it would not mean the same.
    pub(super) fn once(mut self) -> Self {
        self.again = false;
        self
    }
}

impl Exchange {
    pub(super) fn new(client: &Client, cx: &Context, host: &str, base: Url) -> Self {
        Self {
            client: client.clone(),
            cx: cx.clone(),
            host: host.into(),
            base,
            granted: Arc::default(),
            asking: Arc::default(),
        }
    }

    /// Returns what counts the attempts of one thing.
    pub(super) fn again(&self) -> Again {
        Again::new(&self.cx, self.client.0.attempts)
    }

    /// Sends a request, again with an authorization if the registry asks for one, and where it is
    /// redirected to if it reads.
    pub(super) async fn send(&self, call: &Call) -> Result<Response> {
        let mut call = call.clone();
        let mut asked = false;
        let mut redirects = 0;
        loop {
            let own = same_origin(&call.url, &self.base);
            let authorization = if own { self.authorization(&call.scope) } else { None };
            let response = self.send_to(&call, authorization.as_ref()).await?;
            let status = response.status();
            if status == StatusCode::UNAUTHORIZED && own && !asked {
                asked = true;
                self.authorize(&call.scope, authorization, &response).await?;
            } else if is_redirect(status) {
                redirects += 1;
                if !matches!(call.method, Method::GET | Method::HEAD) || redirects > REDIRECTS {
                    return Err(self.bad("redirects a request that it must not, or too often"));
                }
                call.url = self.location(&call.url, &response)?;
            } else {
                return Ok(response);
            }
        }
    }

    /// Sends a request with just this authorization, and again while the registry is too busy or the
    /// connection breaks.
    ///
    /// A `POST` that begins an upload is among those that are sent again, although one whose answer was
    /// lost leaves an upload behind: it is empty, and registries remove those that nobody finishes.
    pub(super) async fn send_to(&self, call: &Call, authorization: Option<&HeaderValue>) -> Result<Response> {
        let mut again = self.again();
        loop {
            let answered = self.send_once(call, authorization).await;
            let (cost, asked) = match &answered {
                Ok(response) if is_busy(response.status()) => (QUICK, retry_after(&self.cx, response)),
                Err(Trouble { cost: Some(cost), .. }) => (*cost, None),
                _ => return answered.map_err(|trouble| trouble.error),
            };
            if !call.again {
                return answered.map_err(|trouble| trouble.error);
            }
            let last = match &answered {
                Ok(response) => format!("it answered {}", response.status()),
                Err(trouble) => trouble.error.to_string(),
            };
            if !again.wait(cost, asked).await.map_err(|late| late.note(self.at_last(&last)))? {
                return answered.map_err(|trouble| trouble.error);
            }
        }
    }

    /// Returns the note about the last of several attempts.
    pub(super) fn at_last(&self, last: &str) -> String {
        format!("registry `{}` was asked several times; at last: {last}", self.host)
    }

    /// Sends a request whose body is read while it is sent, once, to where an upload was told to go.
    pub(super) async fn send_stream(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Outgoing,
    ) -> Result<Response, Trouble> {
        let authorization = self.own_authorization(url);
        let tape = body.tape();
        let body = reqwest::Body::wrap(body);
        let request = self.request(&method, url, &headers, Some(body), authorization.as_ref());
        let mut sent = Box::pin(request.map_err(Trouble::last)?.send());
        let answered = async {
            let mut moves = tape.moves();
            loop {
                if let Ok(answer) = tokio::time::timeout(IDLE, &mut sent).await {
                    return answer.map_err(|error| self.unanswered(error));
                }
                // Slow is fine, and so is waiting for our own side; neither coming nor going is not.
                let now = tape.moves();
                if now.is_some() && now == moves {
                    return Err(Trouble { error: idle(&self.host), cost: Some(SLOW) });
                }
                moves = now;
            }
        };
        let answered = self.until_stopped(answered).await.map_err(Trouble::last)?;
        match (answered, tape.take_error()) {
            (_, Some(error)) => Err(Trouble::last(unpack(error, "read what is to be pushed").retry(false))),
            (answered, None) => answered,
        }
    }

    /// Sends one request with just this authorization.
    async fn send_once(&self, call: &Call, authorization: Option<&HeaderValue>) -> Result<Response, Trouble> {
        let body = call.body.clone().map(reqwest::Body::from);
        let request = self.request(&call.method, &call.url, &call.headers, body, authorization);
        let answered = tokio::time::timeout(IDLE, request.map_err(Trouble::last)?.send());
        match self.until_stopped(Box::pin(answered)).await.map_err(Trouble::last)? {
            Ok(answered) => answered.map_err(|error| self.unanswered(error)),
            Err(_) => Err(Trouble { error: idle(&self.host), cost: Some(SLOW) }),
        }
    }

    /// Returns the trouble of a request that got no answer.
    fn unanswered(&self, error: reqwest::Error) -> Trouble {
        let cost = if error.is_connect() { SLOW } else { QUICK };
        let error = unreachable(&self.host, error);
        // What TLS refuses today it refuses in a second too.
        let refused = causes(&error).any(|cause| cause.is::<rustls::Error>());
        if refused { Trouble::last(error.retry(false)) } else { Trouble { error, cost: Some(cost) } }
    }

    fn request(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        body: Option<reqwest::Body>,
        authorization: Option<&HeaderValue>,
    ) -> Result<reqwest::RequestBuilder> {
        let transport = self.client.transport(url)?;
        let mut request = transport.request(method.clone(), url.clone()).headers(headers.clone());
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        Ok(match body {
            Some(body) => request.body(body),
            None => request,
        })
    }

    /// Deletes an upload, whatever comes of it, and although the task may have been stopped.
    pub(super) async fn farewell(&self, place: &Url) {
        let headers = HeaderMap::new();
        if let Ok(request) =
            self.request(&Method::DELETE, place, &headers, None, self.own_authorization(place).as_ref())
        {
            let _ = request.send().await;
        }
    }

    /// Waits for something for as long as the task may go on.
    pub(super) async fn until_stopped<T>(&self, work: impl Future<Output = T> + Send) -> Result<T> {
        tokio::select! {
            error = self.cx.stopped() => Err(error),
            done = work => Ok(done),
        }
    }

    /// Returns where an answer sends us on to, if it may.
    pub(super) fn location(&self, from: &Url, response: &Response) -> Result<Url> {
        let location = header(response, &LOCATION).ok_or_else(|| self.bad("does not say where to go on"))?;
        let to = from.join(&location).map_err(|_| self.bad("sends us on to what is no URL"))?;
        if may_lead_to(&self.base, &to) {
            Ok(to)
        } else {
            let to = format!("{}://{}", to.scheme(), to.host_str().unwrap_or_default());
            Err(self.bad("sends us on to where it must not").note(format!("to `{to}`")))
        }
    }

    pub(super) fn bad(&self, what: &str) -> Error {
        Error::bad_output(format!("registry `{}` {what}", self.host))
    }

    fn own_authorization(&self, url: &Url) -> Option<HeaderValue> {
        if same_origin(url, &self.base) { self.authorization("") } else { None }
    }

    /// Returns the authorization that was got for this repository and what else is in the scope.
    pub(super) fn authorization(&self, scope: &str) -> Option<HeaderValue> {
        let granted = self.granted();
        granted.basic.as_ref().or_else(|| granted.tokens.get(scope)).cloned()
    }

    /// Gets an authorization for what was refused with the one before.
    pub(super) async fn authorize(
        &self,
        scope: &str,
        before: Option<HeaderValue>,
        refusal: &Response,
    ) -> Result<()> {
        let _asking = self.asking.lock().await;
        if self.authorization(scope) != before {
            // A request beside this one got a new one meanwhile.
            return Ok(());
        }
        match auth::answer(self, refusal, scope).await? {
            None => return Err(auth::no_login(&self.host)),
            Some(Grant::Password(value)) => self.granted().basic = Some(value),
            Some(Grant::Token(value)) => {
                let tokens = &mut self.granted().tokens;
                // It is for this repository too.
                tokens.insert(String::new(), value.clone());
                tokens.insert(scope.to_owned(), value);
            }
        }
        Ok(())
    }

    fn granted(&self) -> MutexGuard<'_, Granted> {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn causes(error: &Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |&cause| {
        // hyper and rustls hide theirs in an error of IO, which tells only what that one is caused by.
        let hidden = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        hidden.map(|hidden| hidden as &(dyn std::error::Error + 'static)).or_else(|| cause.source())
    })
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}
