//! What a registry's answers mean as errors.

use std::time::Duration;

use reqwest::{
    Response, StatusCode,
    header::{HeaderName, RETRY_AFTER},
};
use serde::Deserialize;
use shipway_core::{Error, ErrorKind};

/// The most of an error's body that is read.
const ERROR_LIMIT: usize = 64 * 1024;

/// How long what a refusal says may take: it is an error already, with words or without.
const REFUSAL: Duration = Duration::from_secs(1);

/// The most of what a registry says that is shown.
const SHOWN: usize = 300;

/// Returns the error for a request that got no answer.
pub(super) fn unreachable(host: &str, error: reqwest::Error) -> Error {
    // URLs can hold signatures.
    let error = error.without_url();
    if !error.is_connect() {
        return broken(host, error);
    }
    Error::new(ErrorKind::Unavailable, format!("cannot reach registry `{host}`"))
        .hint(format!("see whether `{host}` is the right name, runs, and can be reached from here"))
        .source(error)
}

/// Returns the error for a connection that broke.
pub(super) fn broken(host: &str, error: reqwest::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("the connection to registry `{host}` broke"))
        .hint(format!("see whether `{host}` runs, then try again"))
        .source(error.without_url())
}

/// Returns the error for an answer that is a refusal; `what` is a verb phrase, such as `pull blob x`.
pub(super) async fn refused(host: &str, what: &str, response: Response) -> Error {
    let status = response.status();
    let after = header(&response, &RETRY_AFTER);
    let says = read(response, ERROR_LIMIT, REFUSAL).await.map(|body| words(&body)).unwrap_or_default();
    let (kind, hint) = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (
            ErrorKind::Auth,
            Some(format!("give the context's credentials a login for `{host}` that may do this")),
        ),
        StatusCode::NOT_FOUND => (ErrorKind::NotFound, None),
        StatusCode::NOT_IMPLEMENTED | StatusCode::METHOD_NOT_ALLOWED => (ErrorKind::Unsupported, None),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            (ErrorKind::Unavailable, Some(format!("`{host}` limits requests: try again later")))
        }
        status if status.is_server_error() => {
            (ErrorKind::Unavailable, Some(format!("`{host}` has a trouble of its own: try again later")))
        }
        _ => (ErrorKind::BadOutput, None),
    };
    let mut error = Error::new(kind, format!("registry `{host}` does not {what}: {status}"));
    if !says.is_empty() {
        error = error.note(format!("it says: {says}"));
    }
    if let Some(after) = after {
        error = error.note(format!("it asks to wait: {}", printable(&after)));
    }
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// Returns a header as text.
pub(super) fn header(response: &Response, name: &HeaderName) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(str::to_owned)
}

/// Returns the whole body of a small answer, or `None` when it is longer than `limit` or does not come
/// within the time.
pub(super) async fn read(mut response: Response, limit: usize, within: Duration) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    let reading = async {
        while let Some(piece) = response.chunk().await.ok()? {
            if body.len() + piece.len() > limit {
                return None;
            }
            body.extend_from_slice(&piece);
        }
        Some(())
    };
    // In all, not piece by piece: a body that drips must not hold up a refusal.
    tokio::time::timeout(within, reading).await.ok()??;
    Some(body)
}

/// Returns what the body of a refusal says (OCI distribution-spec, "Error Codes"), fit to be shown.
fn words(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    match serde_json::from_slice::<Errors>(body) {
        Ok(Errors { errors }) => {
            let item = |item: &Item| format!("{}: {}", item.code, item.message);
            printable(&errors.iter().map(item).collect::<Vec<_>>().join("; "))
        }
        Err(_) => printable(&String::from_utf8_lossy(body)),
    }
}

/// Returns a text from outside as one short line without control characters.
fn printable(text: &str) -> String {
    let clean = text.chars().map(|character| if character.is_control() { ' ' } else { character });
    clean.take(SHOWN).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_registry_says_is_shown_short_and_plain() {
        assert_eq!(words(br#"{"errors":[{"code":"DENIED","message":"no\u001b[31m"}]}"#), "DENIED: no [31m");
        assert_eq!(words(b"<html>\nno</html>"), "<html> no</html>");
        assert_eq!(words("x".repeat(1000).as_bytes()).len(), SHOWN);
        assert_eq!(words(b""), "");
    }
}
