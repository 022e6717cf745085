//! Images in an engine: looked up, tagged, pushed, loaded and saved.

use std::collections::BTreeMap;

use hyper::Method;
use serde::Deserialize;
use serde_json::json;
use shipway_core::{Context, Digest, Error, ErrorKind, Login, Platform, Result, Stream, Tag};
use shipway_oci::{BlobReader, DockerConfig, digest_of};

use crate::{
    Daemon,
    daemon::unless_stopped,
    exchange::Ask,
    query::{Query, escape_name},
    tar::tar_stream,
};

/// An image as an engine knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DaemonImage {
    /// Its id: the digest of its configuration; in an engine with containerd's store, of its manifest.
    pub id: Digest,
    /// The references with tags that point to it.
    pub tags: Vec<String>,
    /// The references with digests by which registries know it.
    pub digests: Vec<String>,
    /// The platform.
    pub platform: Platform,
    /// The digests of the tars of its layers, the lowest first.
    pub layers: Vec<Digest>,
    /// The user that it runs as, if it names one.
    pub user: String,
    /// The instructions that a build upon it runs first.
    pub on_build: Vec<String>,
}

/// What the engine said that it pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pushed {
    /// The digest of the manifest in the registry.
    pub digest: Digest,
}

/// How long the end of a push is waited for when the task is stopped.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_secs(1);

impl Daemon {
    /// Returns the image that a reference or id means, or `None` when there is none.
    pub async fn image(&self, cx: &Context, reference: &str) -> Result<Option<DaemonImage>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Inspected {
            id: Digest,
            #[serde(default)]
            repo_tags: Option<Vec<String>>,
            #[serde(default)]
            repo_digests: Option<Vec<String>>,
            os: String,
            architecture: String,
            #[serde(default)]
            variant: Option<String>,
            #[serde(rename = "RootFS", default)]
            files: Files,
            #[serde(default)]
            config: Option<Config>,
        }
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Files {
            #[serde(default)]
            layers: Option<Vec<Digest>>,
        }
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Config {
            #[serde(default)]
            user: Option<String>,
            #[serde(default)]
            on_build: Option<Vec<String>>,
        }
        let what = format!("look at image `{reference}`");
        let ask = Ask::new(Method::GET, &format!("/images/{}/json", escape_name(reference)), &Query::new());
        let answer = match self.quick(cx, ask, &what).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let said: Inspected = answer.json(self.endpoint(), &what).await?;
        let mut platform = Platform::new(said.os, said.architecture);
        platform.variant = said.variant.filter(|variant| !variant.is_empty());
        let config = said.config.unwrap_or_default();
        Ok(Some(DaemonImage {
            id: said.id,
            tags: said.repo_tags.unwrap_or_default(),
            digests: said.repo_digests.unwrap_or_default(),
            platform,
            layers: said.files.layers.unwrap_or_default(),
            user: config.user.unwrap_or_default(),
            on_build: config.on_build.unwrap_or_default(),
        }))
    }

    /// Moves a tag to an image.
    ///
    /// # Errors
    /// `NotFound` when there is no such image.
    pub async fn tag_image(&self, cx: &Context, image: &str, repository: &str, tag: &Tag) -> Result<()> {
        let query = Query::new().set("repo", repository).set("tag", tag.as_str());
        let ask = Ask::new(Method::POST, &format!("/images/{}/tag", escape_name(image)), &query);
        self.quick(cx, ask, &format!("tag `{image}` as `{repository}:{tag}`")).await.map(drop)
    }

    /// Removes a tag, and the image with its last one; also after the task was stopped.
    pub async fn untag_image(&self, reference: &str) -> Result<()> {
        let query = Query::new().flag("noprune", true);
        let ask = Ask::new(Method::DELETE, &format!("/images/{}", escape_name(reference)), &query);
        self.clean(ask, &format!("remove `{reference}`")).await
    }

    /// Pushes a tag to its registry and returns what it is there. The engine connects by itself, with
    /// this login.
    ///
    /// # Errors
    /// `Auth` when the registry refuses the login, `NotFound` when there is no such image.
    pub async fn push_image(
        &self,
        cx: &Context,
        repository: &str,
        tag: &Tag,
        login: Option<&Login>,
    ) -> Result<Pushed> {
        #[derive(Deserialize)]
        struct Line {
            error: Option<String>,
            status: Option<String>,
            id: Option<String>,
            aux: Option<Aux>,
        }
        #[derive(Deserialize)]
        struct Aux {
            #[serde(rename = "Digest")]
            digest: Option<Digest>,
        }
        let what = format!("push `{repository}:{tag}`");
        let path = format!("/images/{}/push", escape_name(repository));
        let auth = registry_auth(login);
        let ask = Ask::new(Method::POST, &path, &Query::new().set("tag", tag.as_str()))
            .header("x-registry-auth", auth);
        let mut lines = self.slow(cx, ask, &what).await?.lines(self.endpoint());
        let mut stopped = None;
        loop {
            let line = match &stopped {
                None => unless_stopped(cx, lines.next::<Line>(&what)).await,
                // The tag may be there already, which must not be said to have failed.
                Some(_) => match tokio::time::timeout(LAST_WORDS, lines.next::<Line>(&what)).await {
                    Ok(line) => line,
                    Err(_) => break,
                },
            };
            let line = match line {
                Err(error) if stopped.is_none() && cx.cancel().state().is_some() => {
                    stopped = Some(error);
                    continue;
                }
                Err(error) => return Err(stopped.unwrap_or(error)),
                Ok(None) => break,
                Ok(Some(line)) => line,
            };
            if let Some(error) = line.error {
                return Err(push_error(&what, &error));
            }
            if let Some(digest) = line.aux.and_then(|aux| aux.digest) {
                return Ok(Pushed { digest });
            }
            // Each layer's bar moves many times; what is said of the whole is a line.
            if let (Some(status), None) = (line.status, line.id) {
                cx.output(Stream::Stdout, &status);
            }
        }
        Err(stopped.unwrap_or_else(|| Error::bad_output("docker does not say what it pushed")))
    }

    /// Loads an archive of images as it comes, and returns the ids and references that the engine
    /// says it loaded.
    pub(crate) async fn load_archive(&self, cx: &Context, tar: BlobReader) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Line {
            error: Option<String>,
            stream: Option<String>,
        }
        const WHAT: &str = "load an image";
        let ask = Ask::new(Method::POST, "/images/load", &Query::new().flag("quiet", true)).tar(tar);
        let mut lines = self.slow(cx, ask, WHAT).await?.lines(self.endpoint());
        let mut loaded = Vec::new();
        while let Some(line) = unless_stopped(cx, lines.next::<Line>(WHAT)).await? {
            if let Some(error) = line.error {
                return Err(Error::new(ErrorKind::ToolFailed, format!("docker cannot {WHAT}")).note(error));
            }
            let said = line.stream.unwrap_or_default();
            let name = said.trim().strip_prefix("Loaded image");
            loaded.extend(name.and_then(|rest| rest.split_once(": ")).map(|(_, name)| name.to_owned()));
        }
        Ok(loaded)
    }

    /// Returns the image of nothing, whose containers hold volumes that are to be reached; it is loaded
    /// when it is missing, and is the same few bytes in every engine.
    pub async fn empty_image(&self, cx: &Context) -> Result<Digest> {
        let platform = self.version(cx).await?.platform;
        let config = json!({
            "architecture": platform.architecture,
            "os": platform.os,
            "config": {"Labels": {"dev.shipway": "holds volumes"}},
            "rootfs": {"type": "layers", "diff_ids": []},
        });
        let config = config.to_string();
        let id = digest_of(config.as_bytes());
        if let Some(there) = self.image(cx, id.as_str()).await? {
            return Ok(there.id);
        }
        let tar = tar_stream(move |tar| {
            let list = r#"[{"Config":"config.json","RepoTags":[],"Layers":[]}]"#;
            for (name, text) in [("config.json", config.as_str()), ("manifest.json", list)] {
                tar.file(name, 0o644, (0, 0), text.len() as u64, text.as_bytes())?;
            }
            Ok(())
        })?;
        let loaded = self.load_archive(cx, tar).await?;
        let loaded = loaded.into_iter().next().unwrap_or_else(|| id.to_string());
        let there = self.image(cx, &loaded).await?;
        there.map(|image| image.id).ok_or_else(|| Error::bad_output("docker did not load the empty image"))
    }

    /// Returns images as one archive, in which they have these names; layers that they share are in it once.
    ///
    /// # Errors
    /// `NotFound` when the engine does not have one of them.
    pub async fn save_images(&self, cx: &Context, references: &[String]) -> Result<BlobReader> {
        let query = references.iter().fold(Query::new(), |query, name| query.set("names", name.as_str()));
        let what = format!("save {}", references.join(", "));
        let answer = self.slow(cx, Ask::new(Method::GET, "/images/get", &query), &what).await?;
        Ok(Box::pin(answer.reader(self.endpoint())))
    }

    /// Returns an image as an archive.
    pub(crate) async fn save_archive(&self, cx: &Context, id: &Digest) -> Result<BlobReader> {
        let ask = Ask::new(Method::GET, &format!("/images/{id}/get"), &Query::new());
        let answer = self.slow(cx, ask, &format!("save image `{id}`")).await?;
        Ok(Box::pin(answer.reader(self.endpoint())))
    }
}

/// Returns the header `X-Registry-Auth` (Engine API, "Authentication"): base64 for URLs, of JSON. It
/// must be there also without a login.
fn registry_auth(login: Option<&Login>) -> String {
    let said = match login {
        Some(login) => json!({"username": login.username, "password": login.password.expose()}),
        None => json!({}),
    };
    base64_url(said.to_string().as_bytes())
}

/// Returns the header `X-Registry-Config` of a build: logins by the registry's host.
pub(crate) fn registry_config(logins: &BTreeMap<String, Login>) -> String {
    let entry = |(host, login): (&String, &Login)| {
        (
            DockerConfig::key(host).to_owned(),
            json!({"username": login.username, "password": login.password.expose()}),
        )
    };
    let said: serde_json::Map<_, _> = logins.iter().map(entry).collect();
    base64_url(serde_json::Value::Object(said).to_string().as_bytes())
}

/// Returns the bytes in base64 for URLs (RFC 4648, section 5), with padding as Go's decoder wants it.
fn base64_url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
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

/// Returns the error for a push that the engine could not do; the words are the registry's or the
/// engine's.
fn push_error(what: &str, message: &str) -> Error {
    let lower = message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let kind = if says(&["unauthorized", "denied", "authentication required", "no basic auth credentials"]) {
        ErrorKind::Auth
    } else if says(&["does not exist locally"]) {
        ErrorKind::NotFound
    } else if says(&["connection refused", "timeout", "no such host", "eof", "503", "502"]) {
        ErrorKind::Unavailable
    } else {
        ErrorKind::ToolFailed
    };
    Error::new(kind, format!("docker cannot {what}")).note(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_sent_as_the_engine_reads_them() {
        assert_eq!(registry_auth(None), "e30=");
        let login = Login::new("ci", "p>w?");
        assert_eq!(registry_auth(Some(&login)), "eyJwYXNzd29yZCI6InA-dz8iLCJ1c2VybmFtZSI6ImNpIn0=");
        let logins = BTreeMap::from([("docker.io".to_owned(), login)]);
        assert!(registry_config(&logins).starts_with("eyJodHRwczovL2luZGV4LmRvY2tlci5pby92MS8i"));
    }

    #[test]
    fn refusals_of_a_push_have_their_kinds() {
        for (message, kind) in [
            ("unauthorized: authentication required", ErrorKind::Auth),
            ("An image does not exist locally with the tag: a", ErrorKind::NotFound),
            ("dial tcp 127.0.0.1:1: connect: connection refused", ErrorKind::Unavailable),
            ("manifest invalid", ErrorKind::ToolFailed),
        ] {
            assert_eq!(push_error("push", message).kind(), kind, "{message}");
        }
    }
}
