//! Requests about manifests and tags (OCI distribution-spec, "Pulling manifests", "Pushing
//! Manifests", "Listing Tags", "Deleting Manifests").

use std::{iter, sync::Arc};

use bytes::Bytes;
use hyper::{
    HeaderMap, Method, StatusCode,
    body::Incoming,
    header::{CONTENT_LENGTH, CONTENT_TYPE, LINK, LOCATION},
};
use serde_json::json;
use shipway_core::{Digest, Tag};

use super::{
    answer::{Answer, CONTENT_DIGEST, Refusal, answer},
    reading::{blocking, whole},
    referrers::SUBJECT,
    server::{Query, State},
    store::{Store, order_of_tag},
};
use crate::{
    AnyManifest, Hasher, Label, RawManifest, digest_of, json::LIMIT, manifest::own_media_type, media,
};

/// The most tags in one answer.
const PAGE: usize = 1000;

/// Answers requests about a manifest.
pub(super) async fn manifest(
    state: &Arc<State>,
    method: &Method,
    (repository, label): (String, Label),
    headers: &HeaderMap,
    body: &mut Incoming,
) -> Result<Answer, Refusal> {
    match *method {
        Method::GET | Method::HEAD => pull(state, repository, label).await,
        Method::PUT => {
            let bytes = whole(body, LIMIT).await?;
            push(state, repository, label, headers, bytes).await
        }
        Method::DELETE => {
            let store = state.store.clone();
            match blocking(move || Ok(store.remove_manifest(&repository, &label)?)).await? {
                true => Ok(answer(StatusCode::ACCEPTED, &[], Bytes::new())),
                false => Err(unknown()),
            }
        }
        _ => Err(Refusal::unsupported()),
    }
}

fn unknown() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", "there is no such manifest")
}

async fn pull(state: &Arc<State>, repository: String, label: Label) -> Result<Answer, Refusal> {
    let store = state.store.clone();
    let manifest = blocking(move || Ok(store.manifest(&repository, &label)?)).await?;
    let manifest = manifest.ok_or_else(unknown)?;
    let headers = [
        (CONTENT_TYPE, manifest.media_type),
        (CONTENT_LENGTH, manifest.bytes.len().to_string()),
        (CONTENT_DIGEST, manifest.digest.to_string()),
    ];
    // The server leaves the body out of the answer to a `HEAD`.
    Ok(answer(StatusCode::OK, &headers, manifest.bytes))
}

async fn push(
    state: &Arc<State>,
    repository: String,
    label: Label,
    headers: &HeaderMap,
    bytes: Bytes,
) -> Result<Answer, Refusal> {
    let invalid = |error: shipway_core::Error| {
        Refusal::new(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", error.report().to_string())
    };
    let media_type = media_type(headers, &bytes);
    let manifest = AnyManifest::from_json(&media_type, &bytes).map_err(invalid)?;
    let (digest, tag) = match label {
        Label::Tag(tag) => (digest_of(&bytes), Some(tag)),
        Label::Digest(digest) => {
            let mut hasher = Hasher::like(&digest);
            hasher.update(&bytes);
            let (found, _) = hasher.finish();
            if found != digest {
                let message = format!("the manifest has digest `{found}`, not `{digest}`");
                return Err(Refusal::digest_invalid(message));
            }
            (digest, None)
        }
    };
    let mut headers = vec![
        (LOCATION, format!("/v2/{repository}/manifests/{digest}")),
        (CONTENT_DIGEST, digest.to_string()),
    ];
    let store = state.store.clone();
    let subject = blocking(move || {
        check_references(&store, &repository, &manifest)?;
        Ok(store.write_manifest(&repository, &RawManifest { media_type, digest, bytes }, tag.as_ref())?)
    });
    // So the client knows that it need not keep a list of its own.
    headers.extend(subject.await?.map(|subject| (SUBJECT, subject.to_string())));
    Ok(answer(StatusCode::CREATED, &headers, Bytes::new()))
}

/// Returns the type that the client gives, or else the one that the manifest shows.
fn media_type(headers: &HeaderMap, bytes: &[u8]) -> String {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    match given.and_then(|value| value.split(';').next()) {
        Some(given) => given.trim().to_owned(),
        None => own_media_type(bytes).unwrap_or_default(),
    }
}

/// Refuses a manifest that points to what this repository does not have.
fn check_references(store: &Store, repository: &str, manifest: &AnyManifest) -> Result<(), Refusal> {
    let missing = |digest: &Digest| {
        // distribution answers 400; the specification gives the code and no status.
        let message = format!("the manifest points to `{digest}`, which is not here");
        Refusal::new(StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN", message)
    };
    match manifest {
        AnyManifest::Image(image) => {
            for blob in iter::once(&image.config).chain(&image.layers) {
                let elsewhere = media::is_foreign_layer(&blob.media_type);
                if !elsewhere && store.blob_size(repository, &blob.digest)? != Some(blob.size) {
                    return Err(missing(&blob.digest));
                }
            }
        }
        AnyManifest::Index(index) => {
            for manifest in &index.manifests {
                if !store.has_manifest(repository, &manifest.digest)? {
                    return Err(missing(&manifest.digest));
                }
            }
        }
    }
    Ok(())
}

/// Answers the list of a repository's tags.
pub(super) async fn tags(
    state: &Arc<State>,
    method: &Method,
    repository: String,
    query: &Query,
) -> Result<Answer, Refusal> {
    if *method != Method::GET {
        return Err(Refusal::unsupported());
    }
    let bad = |message: &str| Refusal::new(StatusCode::BAD_REQUEST, "UNSUPPORTED", message);
    let most = match query.get("n") {
        Some(n) => n.parse::<usize>().map_err(|_| bad("`n` is a number"))?.min(PAGE),
        None => PAGE,
    };
    let last = query.get("last").map(|last| Tag::parse(last.clone())).transpose();
    let last = last.map_err(|_| bad("`last` is a tag"))?.as_ref().map(order_of_tag);
    let (store, name) = (state.store.clone(), repository.clone());
    let unknown = || Refusal::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "there is no such repository");
    let mut tags = blocking(move || store.list_tags(&name)?.ok_or_else(unknown)).await?;
    tags.retain(|tag| last.as_ref().is_none_or(|last| order_of_tag(tag) > *last));
    let more = tags.len() > most;
    tags.truncate(most);
    let mut headers = vec![(CONTENT_TYPE, "application/json".to_owned())];
    if let Some(last) = tags.last().filter(|_| more) {
        headers.push((LINK, format!("</v2/{repository}/tags/list?n={most}&last={last}>; rel=\"next\"")));
    }
    Ok(answer(StatusCode::OK, &headers, json!({ "name": repository, "tags": tags }).to_string()))
}
