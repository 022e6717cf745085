//! The one login that a registry may want, by HTTP's Basic scheme (RFC 7617).

use hyper::{
    HeaderMap, StatusCode,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
};
use shipway_core::{Digest, Secret};

use super::answer::Refusal;
use crate::digest_of;

/// Who may do anything; everybody else may do nothing.
#[derive(Clone)]
pub(super) struct Login {
    /// The digest of the credentials as the header has them: what is compared says nothing by how long it
    /// takes, and the password is in no memory that a request can reach.
    credentials: Digest,
}

impl Login {
    pub(super) fn new(username: &str, password: &Secret) -> Self {
        let header = http_auth::basic::encode_credentials(username, password.expose());
        Self { credentials: digest_of(credentials(&header).unwrap_or_default().as_bytes()) }
    }

    /// Lets a request pass, or refuses it.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let given = headers.get(AUTHORIZATION).and_then(|value| credentials(value.to_str().ok()?));
        if given.is_some_and(|given| digest_of(given.as_bytes()) == self.credentials) {
            return Ok(());
        }
        Err(Refusal::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "a login is needed")
            .header(WWW_AUTHENTICATE, "Basic realm=\"registry\", charset=\"UTF-8\""))
    }
}

/// Returns what follows the scheme's name, which is in any case.
fn credentials(header: &str) -> Option<&str> {
    let (scheme, credentials) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("basic").then(|| credentials.trim())
}
