//! Docker's `config.json` (docker/cli, cli/config/configfile and cli/config/types).

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use shipway_core::{Error, Location, Login, LoginKind, Result};

use super::DockerConfig;
use crate::json::or_null;

/// What the file says that concerns logins.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct File {
    #[serde(deserialize_with = "or_null")]
    auths: BTreeMap<String, Auth>,
    creds_store: Option<String>,
    #[serde(deserialize_with = "or_null")]
    cred_helpers: BTreeMap<String, String>,
    #[serde(skip)]
    path: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

/// What there is for a host.
pub(super) enum Entry {
    Login(Option<Login>),
    /// The helper to ask, and the server to ask it about.
    Helper {
        program: String,
        server: String,
    },
}

impl File {
    pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        // The parser's own words could show a password that stands in the wrong place.
        let mut file: Self = serde_json::from_slice(bytes).map_err(|error| {
            Error::config("the Docker configuration is not valid").at(Location::new(
                path,
                error.line(),
                error.column(),
            ))
        })?;
        file.path = path.display().to_string();
        Ok(file)
    }

    /// Returns what there is for a host, as references name it.
    pub(super) fn entry(&self, host: &str) -> Result<Entry> {
        let server = DockerConfig::key(host);
        let name = of(&self.cred_helpers, host);
        let name = name.or(self.creds_store.as_ref()).filter(|name| !name.is_empty());
        if let Some(name) = name {
            let program = helper(name).map_err(|error| error.note(format!("in `{}`", self.path)))?;
            return Ok(Entry::Helper { program, server: server.to_owned() });
        }
        let login = of(&self.auths, host).map(|auth| auth.login(host)).transpose();
        login
            .map(|login| Entry::Login(login.flatten()))
            .map_err(|error| error.note(format!("in `{}`", self.path)))
    }
}

/// Returns what is there for a host: under its own name, else under one that older Dockers wrote for it
/// (docker/cli, cli/config/credentials/file_store.go).
fn of<'a, T>(entries: &'a BTreeMap<String, T>, host: &str) -> Option<&'a T> {
    let old = || entries.iter().find(|(key, _)| is_for(key, host)).map(|(_, entry)| entry);
    entries.get(host).filter(|_| host != "docker.io").or_else(old)
}

/// Returns whether a key is for exactly this host. Old keys are URLs; one with `http://` is never looked
/// at, because a login that it was made for was shown to everybody.
fn is_for(key: &str, host: &str) -> bool {
    if host == "docker.io" || key == DockerConfig::DOCKER_HUB {
        return host == "docker.io" && key == DockerConfig::DOCKER_HUB;
    }
    let key = key.strip_prefix("https://").unwrap_or(key).to_lowercase();
    let key =
        ["/v1/", "/v2/", "/v1", "/v2", "/"].iter().find_map(|end| key.strip_suffix(end)).unwrap_or(&key);
    key == host
}

/// Returns the program of a helper, whose name must be one and not a path.
fn helper(name: &str) -> Result<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.len() <= 64 && !name.starts_with('.') && name.bytes().all(plain) {
        return Ok(format!("docker-credential-{name}"));
    }
    let shown: String = name.chars().take(64).collect();
    Err(Error::config(format!("`{}` is not the name of a credential helper", shown.escape_debug()))
        .hint("it is what follows `docker-credential-` in the name of its program"))
}

impl Auth {
    fn login(&self, host: &str) -> Result<Option<Login>> {
        let some = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = some(&self.registrytoken) {
            return Ok(Some(Login::token(LoginKind::RegistryToken, token)));
        }
        if let Some(token) = some(&self.identitytoken) {
            return Ok(Some(Login::token(LoginKind::IdentityToken, token)));
        }
        if let Some(auth) = some(&self.auth) {
            let wrong = || {
                Error::config(format!(
                    "the `auth` for `{host}` is not a user's name and a password in base64"
                ))
                .hint("log in again with `docker login`")
            };
            let decoded = String::from_utf8(base64(&auth).ok_or_else(wrong)?).map_err(|_| wrong())?;
            let (username, password) = decoded.split_once(':').ok_or_else(wrong)?;
            // Docker pads what it wrote with NUL.
            return Ok(Some(Login::new(username, password.trim_end_matches('\0'))));
        }
        Ok(match (some(&self.username), some(&self.password)) {
            (Some(username), Some(password)) => Some(Login::new(username, password)),
            _ => None,
        })
    }
}

/// Decodes base64 (RFC 4648, section 4), padded or not.
fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim().trim_end_matches('=');
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut held, mut bits) = (0u32, 0u32);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = held << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    (bits < 6).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};
    use shipway_core::ErrorKind;

    use super::*;

    fn parse(text: &str) -> File {
        File::parse(Path::new("config.json"), text.as_bytes()).expect(text)
    }

    fn shown(entry: Entry) -> String {
        match entry {
            Entry::Login(None) => "none".to_owned(),
            Entry::Login(Some(login)) => {
                format!("{:?} {}:{}", login.kind, login.username, login.password.expose())
            }
            Entry::Helper { program, server } => format!("{program} {server}"),
        }
    }

    #[test]
    fn logins_are_found_for_exactly_their_hosts() {
        let file = parse(
            r#"{"auths":{
                "https://index.docker.io/v1/":{"auth":"aHViOnB3","email":"x"},
                "r.example":{"auth":"dXNlcjpwOnc="},
                "https://Old.example:5000/v1/":{"username":"u","password":"p"},
                "http://plain.example":{"auth":"dXNlcjpwdw=="},
                "refresh.example":{"auth":"Og==","identitytoken":"id"},
                "token.example":{"registrytoken":"reg"},
                "https://moved.example/v1/":{"auth":"b2xkOm9sZA=="}, "moved.example":{"auth":"bmV3Om5ldw=="},
                "empty.example":{}, "path.example/team":{"auth":"dXNlcjpwdw=="}},
              "HttpHeaders":{"x":"y"},"psFormat":"table"}"#,
        );
        for (host, expected) in [
            ("docker.io", "Password hub:pw"),
            ("r.example", "Password user:p:w"),
            ("old.example:5000", "Password u:p"),
            ("refresh.example", "IdentityToken :id"),
            ("moved.example", "Password new:new"),
            ("token.example", "RegistryToken :reg"),
            ("index.docker.io", "none"),
            ("old.example", "none"),
            ("plain.example", "none"),
            ("empty.example", "none"),
            ("path.example", "none"),
            ("r.example.evil.net", "none"),
            ("r.exampl", "none"),
            ("xr.example", "none"),
        ] {
            assert_eq!(shown(file.entry(host).expect(host)), expected, "{host}");
        }
    }

    #[test]
    fn nulls_are_nothing() {
        let file = parse(r#"{"auths":null,"credHelpers":null,"credsStore":null}"#);
        assert_eq!(shown(file.entry("r.example").expect("nothing is wrong")), "none");
    }

    #[test]
    fn helpers_come_before_the_file_and_have_plain_names() {
        let file = parse(
            r#"{"auths":{"r.example":{"auth":"dXNlcjpwdw=="}},"credsStore":"desktop",
                "credHelpers":{"1.dkr.ecr.example":"ecr-login","gone.example":""}}"#,
        );
        for (host, expected) in [
            ("1.dkr.ecr.example", "docker-credential-ecr-login 1.dkr.ecr.example"),
            ("r.example", "docker-credential-desktop r.example"),
            ("docker.io", "docker-credential-desktop https://index.docker.io/v1/"),
            ("gone.example", "none"),
        ] {
            assert_eq!(shown(file.entry(host).expect(host)), expected, "{host}");
        }
        for name in ["../evil", "a/b", "a b", ".", "..", "a;b", "ä", &"a".repeat(65), "a\u{0}"] {
            let text = serde_json::json!({ "credsStore": name }).to_string();
            let error = parse(&text).entry("r.example").err().expect(name);
            assert_eq!(error.kind(), ErrorKind::Config, "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_without_what_stands_there() {
        for text in [r#"{"auths":{"r.example":{"auth":["hunter2"]}}}"#, r#"{"auths":"hunter2"}"#, "hunter2"] {
            let error = File::parse(Path::new("config.json"), text.as_bytes()).err().expect(text);
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
            assert!(error.report().location.is_some());
        }
        for auth in ["aHVudGVyMg==", "hunter2!", "/w=="] {
            let file = parse(&serde_json::json!({"auths":{"r.example":{"auth":auth}}}).to_string());
            let error = file.entry("r.example").err().expect(auth);
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(user in "[a-z]{0,9}", password in any::<String>()) {
            let encoded = http_auth::basic::encode_credentials(&user, &password);
            let encoded = encoded.strip_prefix("Basic ").expect("a scheme");
            prop_assert_eq!(base64(encoded), Some(format!("{user}:{password}").into_bytes()));
            prop_assert_eq!(base64(encoded.trim_end_matches('=')), base64(encoded));
        }

        #[test]
        fn any_text_is_decoded_or_not(text in any::<String>()) {
            let _ = base64(&text);
        }
    }
}
