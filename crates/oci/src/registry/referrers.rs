//! What refers to a manifest: signatures, attestations, bills of materials (OCI distribution-spec,
//! "Listing Referrers").

use std::{collections::BTreeMap, io, path::PathBuf, sync::Arc};

use bytes::Bytes;
use hyper::{
    Method, StatusCode,
    header::{CONTENT_TYPE, HeaderName, LINK},
};
use serde::{Deserialize, Serialize};
use shipway_core::Digest;

use super::{
    answer::{Answer, Refusal, answer},
    reading::blocking,
    server::{Query, State},
    store::Store,
};
use crate::{RawManifest, media};

pub(super) const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");

/// The most bytes of one answer, as of a manifest; what does not fit is on the next page.
const LIMIT: usize = crate::json::LIMIT;

/// What a manifest says of itself to those who look for it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Referring {
    #[serde(default)]
    subject: Option<Subject>,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    config: Option<Config>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Subject {
    digest: Digest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    media_type: String,
}

/// An entry of the list.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Referrer {
    media_type: String,
    digest: Digest,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

fn referring(bytes: &[u8]) -> Option<Referring> {
    serde_json::from_slice(bytes).ok()
}

/// Returns the digest of the manifest that a manifest refers to.
pub(super) fn subject(bytes: &[u8]) -> Option<Digest> {
    Some(referring(bytes)?.subject?.digest)
}

/// Answers the list of a manifest's referrers, which is empty for one that is not there.
pub(super) async fn list(
    state: &Arc<State>,
    method: &Method,
    repository: String,
    digest: Digest,
    query: &Query,
) -> Result<Answer, Refusal> {
    if *method != Method::GET && *method != Method::HEAD {
        return Err(Refusal::unsupported());
    }
    let path = format!("/v2/{repository}/referrers/{digest}");
    let (store, last) = (state.store.clone(), query.get("last").cloned());
    let page = blocking(move || Ok(store.referrers(&repository, &digest, last.as_deref())?));
    let (mut referrers, more) = page.await?;
    let mut headers = vec![(CONTENT_TYPE, media::INDEX.to_owned())];
    let wanted = query.get("artifactType");
    if let Some(wanted) = wanted {
        referrers.retain(|referrer| referrer.artifact_type.as_ref() == Some(wanted));
        headers.push((FILTERS, "artifactType".to_owned()));
    }
    if let Some(last) = more {
        let mut url = reqwest::Url::parse("http://registry/").expect("a constant URL parses");
        url.query_pairs_mut().append_pair("last", &last);
        if let Some(wanted) = wanted {
            url.query_pairs_mut().append_pair("artifactType", wanted);
        }
        headers.push((LINK, format!("<{path}?{}>; rel=\"next\"", url.query().unwrap_or_default())));
    }
    let index = serde_json::json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": referrers });
    Ok(answer(StatusCode::OK, &headers, Bytes::from(index.to_string())))
}

impl Store {
    /// Returns where it is written that a manifest refers to another.
    pub(super) fn referrer(&self, repository: &str, subject: &Digest, digest: &Digest) -> PathBuf {
        let name = format!("{}-{}", digest.algorithm(), digest.hex());
        self.entry(repository, "_referrers", subject).join(name)
    }

    /// Writes down what a manifest refers to, if anything; returns that.
    pub(super) fn refer(&self, repository: &str, manifest: &RawManifest) -> io::Result<Option<Digest>> {
        let Some(referring) = referring(&manifest.bytes) else { return Ok(None) };
        let Some(Subject { digest: subject }) = referring.subject else { return Ok(None) };
        // "If the artifactType is empty or missing in the image manifest, the value of artifactType MUST
        // be set to the config descriptor mediaType value."
        let own = referring.artifact_type.filter(|own| !own.is_empty());
        let referrer = Referrer {
            media_type: manifest.media_type.clone(),
            digest: manifest.digest.clone(),
            size: manifest.bytes.len() as u64,
            artifact_type: own.or(referring.config.map(|config| config.media_type)),
            annotations: referring.annotations.unwrap_or_default(),
        };
        let text = serde_json::to_vec(&referrer).map_err(io::Error::other)?;
        self.write(&self.referrer(repository, &subject, &manifest.digest), &text)?;
        Ok(Some(subject))
    }

    /// Returns as many referrers as fit into an answer, of those after the one that the name stands for,
    /// and the name of the last if there are more.
    fn referrers(
        &self,
        repository: &str,
        subject: &Digest,
        last: Option<&str>,
    ) -> io::Result<(Vec<Referrer>, Option<String>)> {
        let folder = self.entry(repository, "_referrers", subject);
        let mut names = self.disk().list(&folder)?;
        names.retain(|name| !name.starts_with('.') && last.is_none_or(|last| name.as_str() > last));
        names.sort_unstable();
        let (mut referrers, mut size, mut before) = (Vec::new(), 0, None);
        for name in names {
            let Some(text) = self.read(&folder.join(&name))? else { continue };
            size += text.len();
            if size > LIMIT && before.is_some() {
                return Ok((referrers, before));
            }
            referrers.push(serde_json::from_slice(&text).map_err(io::Error::other)?);
            before = Some(name);
        }
        Ok((referrers, None))
    }
}
