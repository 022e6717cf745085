//! Canaries: credentials for whatever is asked for, each value remembered, so that it can be looked for
//! wherever a secret must not be.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use shipway_core::{Context, Credentials, Login, Result, Secret, SecretId};

/// Gives what the author's credentials give, and a canary where those have no such secret.
#[derive(Clone, Debug)]
pub(crate) struct Canaries {
    inner: Arc<dyn Credentials>,
    given: Arc<Mutex<Vec<Secret>>>,
}

impl Canaries {
    pub(crate) fn over(inner: Arc<dyn Credentials>) -> Self {
        Self { inner, given: Arc::default() }
    }

    /// Returns a form of a secret that was given out and is in the text, if there is one.
    pub(crate) fn leaked(&self, text: &str) -> Option<String> {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.iter().find_map(|secret| leaked(secret.expose(), text)).map(str::to_owned)
    }

    fn give(&self, secret: &Secret) {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).push(secret.clone());
    }
}

/// Returns how a secret is shown by a text, if it is: plain, in base64, in hexadecimal digits, or
/// turned round.
pub(crate) fn leaked(secret: &str, text: &str) -> Option<&'static str> {
    // Short values are in every text by chance.
    if secret.len() < 8 {
        return None;
    }
    let lines: Vec<&str> = secret.lines().map(str::trim).filter(|line| line.len() >= 8).collect();
    let plain = lines.iter().any(|line| text.contains(line));
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let turned: String = secret.chars().rev().collect();
    let encoded = base64(secret.as_bytes());
    [
        (plain, "as it is"),
        (text.contains(encoded.trim_end_matches('=')), "in base64"),
        (text.to_lowercase().contains(&hex), "in hexadecimal digits"),
        (text.contains(&turned), "turned round"),
    ]
    .into_iter()
    .find_map(|(found, how)| found.then_some(how))
}

/// Returns the bytes in base64 (RFC 4648).
pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0, |group, &byte| group << 8 | usize::from(byte)) << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let symbol = ALPHABET[group >> (18 - 6 * index) & 63];
            text.push(if index <= chunk.len() { char::from(symbol) } else { '=' });
        }
    }
    text
}

#[async_trait]
impl Credentials for Canaries {
    async fn registry(&self, cx: &Context, host: &str) -> Result<Option<Login>> {
        let login = self.inner.registry(cx, host).await?;
        if let Some(login) = &login {
            self.give(&login.password);
        }
        Ok(login)
    }

    async fn cluster(&self, cx: &Context, context: &str) -> Result<Secret> {
        let secret = self.inner.cluster(cx, context).await?;
        self.give(&secret);
        Ok(secret)
    }

    async fn secret(&self, cx: &Context, id: &SecretId) -> Result<Secret> {
        let secret = match self.inner.secret(cx, id).await {
            Ok(secret) => secret,
            Err(_) => Secret::from(format!("canary-{id}-of-the-conformance-kit")),
        };
        self.give(&secret);
        Ok(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_every_form() {
        for (text, how) in [
            ("x hunter2hunter2 x", Some("as it is")),
            ("aHVudGVyMmh1bnRlcjI=", Some("in base64")),
            ("68756E7465723268756E74657232", Some("in hexadecimal digits")),
            ("2retnuh2retnuh", Some("turned round")),
            ("***", None),
        ] {
            assert_eq!(leaked("hunter2hunter2", text), how, "{text}");
        }
        assert_eq!(leaked("short", "short"), None);
    }
}
