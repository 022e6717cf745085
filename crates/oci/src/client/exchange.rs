//! One request and its answer: authorization, redirects, idleness, cancellation.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use reqwest::{
    Method, Response, StatusCode, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION},
};
use shipway_core::{Context, Error, Result};

use super::{
    Client,
    answer::{header, unreachable},
    auth,
    hosts::{may_lead_to, same_origin},
    transfer::{IDLE, Outgoing, Progress, idle},
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
    authorization: Arc<Mutex<Option<HeaderValue>>>,
    /// Held while an authorization is got, so that requests side by side get one between them.
    asking: Arc<tokio::sync::Mutex<()>>,
}

/// A request that can be sent again.
#[derive(Clone, Debug)]
pub(super) struct Call {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Bytes>,
}

impl Call {
    pub(super) fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: None }
    }

    pub(super) fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    pub(super) fn body(mut self, body: Bytes) -> Self {
        self.body = Some(body);
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
            authorization: Arc::default(),
            asking: Arc::default(),
        }
    }

    /// Sends a request, again with an authorization if the registry asks for one, and where it is
    /// redirected to if it reads.
    pub(super) async fn send(&self, call: &Call) -> Result<Response> {
        let mut url = call.url.clone();
        let mut asked = false;
        let mut redirects = 0;
        loop {
            let own = same_origin(&url, &self.base);
            let authorization = if own { self.authorization() } else { None };
            let body = call.body.clone().map(reqwest::Body::from);
            let response =
                self.send_once(&call.method, &url, &call.headers, body, authorization.as_ref()).await?;
            let status = response.status();
            if status == StatusCode::UNAUTHORIZED && own && !asked {
                asked = true;
                self.authorize(authorization, &response).await?;
            } else if is_redirect(status) {
                redirects += 1;
                if !matches!(call.method, Method::GET | Method::HEAD) || redirects > REDIRECTS {
                    return Err(self.bad("redirects a request that it must not, or too often"));
                }
                url = self.location(&url, &response)?;
            } else {
                return Ok(response);
            }
        }
    }

    /// Sends a request whose body is read while it is sent, to where an upload was told to go.
    pub(super) async fn send_stream(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        (body, progress): (Outgoing, Arc<Progress>),
    ) -> Result<Response> {
        let authorization = if same_origin(url, &self.base) { self.authorization() } else { None };
        let body = reqwest::Body::wrap(body);
        let sent = self.request(&method, url, &headers, Some(body), authorization.as_ref())?;
        let host = &self.host;
        let mut sent = Box::pin(sent.send());
        let answered = async {
            let mut moves = progress.moves();
            loop {
                if let Ok(answer) = tokio::time::timeout(IDLE, &mut sent).await {
                    return answer.map_err(|error| unreachable(host, error));
                }
                // Slow is fine, and so is waiting for our own side; neither coming nor going is not.
                let now = progress.moves();
                if now.is_some() && now == moves {
                    return Err(idle(host));
                }
                moves = now;
            }
        };
        let answered = self.until_stopped(answered).await?;
        match (answered, progress.take_error()) {
            (Err(_), Some(error)) => Err(unpack(error, "read what is to be pushed")),
            (answered, _) => answered,
        }
    }

    /// Sends one request with just this authorization.
    pub(super) async fn send_once(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        body: Option<reqwest::Body>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response> {
        let request = self.request(method, url, headers, body, authorization)?;
        let answered = tokio::time::timeout(IDLE, request.send());
        match self.until_stopped(Box::pin(answered)).await? {
            Ok(answered) => answered.map_err(|error| unreachable(&self.host, error)),
            Err(_) => Err(idle(&self.host)),
        }
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
            self.request(&Method::DELETE, place, &headers, None, self.authorization().as_ref())
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

    fn authorization(&self) -> Option<HeaderValue> {
        self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gets an authorization for what was refused with the one before.
    async fn authorize(&self, before: Option<HeaderValue>, refusal: &Response) -> Result<()> {
        let _asking = self.asking.lock().await;
        if self.authorization() != before {
            // A request beside this one got a new one meanwhile.
            return Ok(());
        }
        let Some(authorization) = auth::answer(self, refusal).await? else {
            return Err(auth::no_login(&self.host));
        };
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(authorization);
        Ok(())
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}
