//! Answers, and refusals in the distribution-spec's form.

use std::io;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{
    Response, StatusCode,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
};
use serde_json::json;

pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;
pub(super) type Answer = Response<Body>;

pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// Returns an answer with these headers and this body.
pub(super) fn answer(status: StatusCode, headers: &[(HeaderName, String)], body: impl Into<Bytes>) -> Answer {
    with_body(status, headers, Full::new(body.into()).map_err(|never| match never {}).boxed_unsync())
}

/// As [`answer`], with a body that is made while it is sent.
pub(super) fn with_body(status: StatusCode, headers: &[(HeaderName, String)], body: Body) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    for (name, value) in headers {
        // Only what was checked is put into headers; what is no header value all the same is left out.
        if let Ok(value) = HeaderValue::from_str(value) {
            answer.headers_mut().append(name, value);
        }
    }
    answer
}

/// A request that is refused: a status, a code of the distribution-spec ("Error Codes"), and words.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    headers: Vec<(HeaderName, String)>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), headers: Vec::new() }
    }

    pub(super) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn name_invalid(name: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "NAME_INVALID",
            format!("`{name}` is not the name of a repository"),
        )
    }

    pub(super) fn digest_invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message)
    }

    pub(super) fn blob_unknown(digest: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", format!("there is no blob `{digest}` here"))
    }

    pub(super) fn upload_unknown() -> Self {
        Self::new(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", "there is no such upload")
    }

    pub(super) fn unsupported() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "this registry does not do that")
    }

    pub(super) fn no_such_page() -> Self {
        Self::new(StatusCode::NOT_FOUND, "UNSUPPORTED", "there is nothing at this path")
    }

    pub(super) fn answer(self) -> Answer {
        let errors = json!({ "errors": [{ "code": self.code, "message": self.message }] });
        let mut headers = self.headers;
        headers.push((CONTENT_TYPE, "application/json".into()));
        answer(self.status, &headers, errors.to_string())
    }
}

/// The disk's errors are the registry's own.
impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", format!("the registry's disk: {error}"))
    }
}
