//! Requests about blobs and their uploads (OCI distribution-spec, "Pulling blobs", "Pushing Blobs").

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Method, StatusCode,
    body::Incoming,
    header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, LOCATION, RANGE},
};
use shipway_core::Digest;
use tokio::sync::OwnedMutexGuard;

use super::{
    answer::{Answer, CONTENT_DIGEST, Refusal, answer, with_body},
    range::{self, Wanted},
    reading::{FileBody, blocking, next_batch},
    route::parse_digest,
    server::{Query, State},
    uploads::Upload,
};

const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// Answers requests about a blob.
pub(super) async fn blob(
    state: &Arc<State>,
    method: &Method,
    (repository, digest): (String, Digest),
    headers: &HeaderMap,
) -> Result<Answer, Refusal> {
    match *method {
        Method::HEAD => pull(state, true, repository, digest, &HeaderMap::new()).await,
        Method::GET => pull(state, false, repository, digest, headers).await,
        Method::DELETE => {
            let (store, wanted) = (state.store.clone(), digest.clone());
            match blocking(move || Ok(store.remove_blob(&repository, &wanted)?)).await? {
                true => Ok(answer(StatusCode::ACCEPTED, &[], Bytes::new())),
                false => Err(Refusal::blob_unknown(digest.as_str())),
            }
        }
        _ => Err(Refusal::unsupported()),
    }
}

async fn pull(
    state: &Arc<State>,
    head: bool,
    repository: String,
    digest: Digest,
    headers: &HeaderMap,
) -> Result<Answer, Refusal> {
    let (store, wanted) = (state.store.clone(), digest.clone());
    let (size, file) = blocking(move || {
        let unknown = || Refusal::blob_unknown(wanted.as_str());
        let size = store.blob_size(&repository, &wanted)?.ok_or_else(unknown)?;
        Ok((size, if head { None } else { Some(store.open_blob(&wanted)?) }))
    })
    .await?;
    let wanted = range::wanted(headers, size);
    let (status, from, length) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0, size),
        Wanted::Part(from, to) => (StatusCode::PARTIAL_CONTENT, from, to - from + 1),
        Wanted::Nothing => {
            let message = format!("the blob has {size} bytes");
            return Err(Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "SIZE_INVALID", message)
                .header(CONTENT_RANGE, format!("bytes */{size}")));
        }
    };
    let mut headers = vec![
        (CONTENT_TYPE, "application/octet-stream".into()),
        (CONTENT_LENGTH, length.to_string()),
        (CONTENT_DIGEST, digest.to_string()),
        (ACCEPT_RANGES, "bytes".into()),
    ];
    if let Wanted::Part(from, to) = wanted {
        headers.push((CONTENT_RANGE, format!("bytes {from}-{to}/{size}")));
    }
    Ok(match file {
        Some(file) => with_body(status, &headers, FileBody::new(file, from, length).boxed_unsync()),
        None => answer(status, &headers, Bytes::new()),
    })
}

/// Answers the `POST` that begins an upload, or does all of it, or mounts a blob of another
/// repository.
pub(super) async fn begin(
    state: &Arc<State>,
    repository: String,
    query: &Query,
    body: &mut Incoming,
) -> Result<Answer, Refusal> {
    if let (Some(digest), Some(from)) = (query.get("mount"), query.get("from")) {
        let digest = parse_digest(digest)?;
        // A name that is none has no blobs; an upload begins instead, as with a blob that is missing.
        if crate::reference::is_path(from) {
            let (store, from, to, wanted) =
                (state.store.clone(), from.clone(), repository.clone(), digest.clone());
            if blocking(move || Ok(store.mount_blob(&from, &to, &wanted)?)).await? {
                return Ok(created(&repository, &digest));
            }
        }
    }
    let digest = query.get("digest").map(|digest| parse_digest(digest)).transpose()?;
    let (uploads, name, known) = (Arc::clone(&state.uploads), repository.clone(), digest.clone());
    let id = blocking(move || uploads.begin(&name, known.as_ref())).await?;
    let Some(digest) = digest else {
        let mut begun = answer(StatusCode::ACCEPTED, &place(&repository, &id), Bytes::new());
        begun.headers_mut().insert(RANGE, hyper::header::HeaderValue::from_static("0-0"));
        return Ok(begun);
    };
    let upload = state.uploads.get(&repository, &id).await?;
    let finished = match receive(body, upload).await {
        Ok(upload) => finish(upload, digest.clone()).await,
        Err(refusal) => Err(refusal),
    };
    state.uploads.forget(&id);
    finished.map(|()| created(&repository, &digest))
}

/// Answers requests about an upload under way.
pub(super) async fn upload(
    state: &Arc<State>,
    method: &Method,
    (repository, id): (String, String),
    headers: &HeaderMap,
    query: &Query,
    body: &mut Incoming,
) -> Result<Answer, Refusal> {
    let upload = state.uploads.get(&repository, &id).await?;
    match *method {
        Method::GET => Ok(progress(StatusCode::NO_CONTENT, &repository, &id, upload.size())),
        Method::PATCH => {
            check_range(headers, &repository, &id, upload.size())?;
            let upload = receive(body, upload).await?;
            Ok(progress(StatusCode::ACCEPTED, &repository, &id, upload.size()))
        }
        Method::PUT => {
            let digest =
                query.get("digest").ok_or_else(|| Refusal::digest_invalid("the digest is missing"))?;
            let digest = parse_digest(digest)?;
            check_range(headers, &repository, &id, upload.size())?;
            let upload = receive(body, upload).await?;
            let finished = finish(upload, digest.clone()).await;
            state.uploads.forget(&id);
            finished.map(|()| created(&repository, &digest))
        }
        Method::DELETE => {
            state.uploads.forget(&id);
            Ok(answer(StatusCode::NO_CONTENT, &[], Bytes::new()))
        }
        _ => Err(Refusal::unsupported()),
    }
}

/// Writes a request's content to the upload. What came before it broke off stays, so that the client
/// can ask how much that is and go on.
async fn receive(
    body: &mut Incoming,
    mut upload: OwnedMutexGuard<Upload>,
) -> Result<OwnedMutexGuard<Upload>, Refusal> {
    loop {
        let batch = next_batch(body).await?;
        if batch.is_empty() {
            return Ok(upload);
        }
        upload = blocking(move || {
            upload.write(&batch)?;
            Ok(upload)
        })
        .await?;
    }
}

async fn finish(mut upload: OwnedMutexGuard<Upload>, digest: Digest) -> Result<(), Refusal> {
    blocking(move || upload.finish(&digest)).await
}

/// Refuses a chunk that is not the next one (OCI distribution-spec, "Pushing a blob in chunks"). A
/// request without `Content-Range` goes on where the last one ended.
fn check_range(headers: &HeaderMap, repository: &str, id: &str, size: u64) -> Result<(), Refusal> {
    let Some(range) = headers.get(CONTENT_RANGE) else { return Ok(()) };
    let bounds = range.to_str().ok().and_then(|range| range.split_once('-'));
    let bounds = bounds.and_then(|(from, to)| Some((from.parse::<u64>().ok()?, to.parse::<u64>().ok()?)));
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    match bounds {
        Some((from, to))
            if from == size
                && to >= from
                && length.is_none_or(|length| Some(length) == (to - from).checked_add(1)) =>
        {
            Ok(())
        }
        _ => {
            let message = format!("the next chunk begins at {size}");
            let refusal = Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID", message);
            let [location, uuid] = place(repository, id);
            Err(refusal.header(location.0, location.1).header(uuid.0, uuid.1).header(RANGE, range_of(size)))
        }
    }
}

fn place(repository: &str, id: &str) -> [(HeaderName, String); 2] {
    [(LOCATION, format!("/v2/{repository}/blobs/uploads/{id}")), (UPLOAD_ID, id.to_owned())]
}

/// The bounds of what is there are both part of it; nothing is `0-0` too, as everybody writes it.
fn range_of(size: u64) -> String {
    format!("0-{}", size.saturating_sub(1))
}

fn progress(status: StatusCode, repository: &str, id: &str, size: u64) -> Answer {
    let [location, uuid] = place(repository, id);
    answer(status, &[location, uuid, (RANGE, range_of(size))], Bytes::new())
}

fn created(repository: &str, digest: &Digest) -> Answer {
    let headers =
        [(LOCATION, format!("/v2/{repository}/blobs/{digest}")), (CONTENT_DIGEST, digest.to_string())];
    answer(StatusCode::CREATED, &headers, Bytes::new())
}
