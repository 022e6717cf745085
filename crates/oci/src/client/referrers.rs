//! What refers to a manifest (OCI distribution-spec, "Listing Referrers"): listed by the registry, or by its clients
//! where it does not.

use std::time::Duration;

use reqwest::{
    Method, Response, StatusCode, Url,
    header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, LINK},
};
use shipway_core::{Digest, Error, Result};

use super::{
    again::part_of,
    answer::{header, refused},
    exchange::Call,
    hosts::same_origin,
    pull, push,
    repository::RemoteRepository,
};
use crate::{
    Descriptor, Distribution as _, ImageManifest, Label, media,
    referrers::{MOST, entries, of_manifest, of_type, tag_of, too_many, with},
};

/// The most pages of a list.
const PAGES: usize = 64;

/// How long after a list was written it is looked at again, and about how long others may take between reading and
/// writing it.
const SETTLE: Duration = Duration::from_millis(500);

/// How often a list is written that others keep overwriting.
const WRITES: usize = 20;

pub(super) async fn list(
    repository: &RemoteRepository,
    subject: &Digest,
    artifact_type: Option<&str>,
) -> Result<Vec<Descriptor>> {
    let mut url = repository.url(&format!("referrers/{subject}"))?;
    if let Some(artifact_type) = artifact_type {
        url.query_pairs_mut().append_pair("artifactType", artifact_type);
    }
    let mut listed = Vec::new();
    for page in 0..PAGES {
        let (index, next) = match read_page(repository, &url, page == 0).await? {
            Some(answered) => answered,
            None => match repository.manifest(&Label::Tag(tag_of(subject))).await? {
                Some(index) => (index.bytes.into(), None),
                None => return Ok(Vec::new()),
            },
        };
        listed.extend(entries(&index)?);
        if listed.len() > MOST {
            return Err(too_many());
        }
        match next {
            Some(next) => url = next,
            // What a registry does not sort out, we do.
            None => return Ok(of_type(listed, artifact_type)),
        }
    }
    Err(repository.exchange.bad("gives a list of referrers in too many pages"))
}

/// Returns a page of the list and where the next one is; `None` for a first page where the registry keeps no lists.
async fn read_page(
    repository: &RemoteRepository,
    url: &Url,
    first: bool,
) -> Result<Option<(Vec<u8>, Option<Url>)>> {
    let exchange = &repository.exchange;
    let accept = HeaderValue::from_static(media::INDEX);
    let call = Call::new(Method::GET, url.clone()).headers(HeaderMap::from_iter([(ACCEPT, accept)]));
    let mut again = exchange.again();
    loop {
        let response = exchange.send(&call).await?;
        let is_index = header(&response, &CONTENT_TYPE).is_some_and(|own| own.starts_with(media::INDEX));
        match response.status() {
            StatusCode::OK if is_index => {}
            // "404 Not Found" by the specification; go-containerregistry has met the others too.
            StatusCode::OK
            | StatusCode::NOT_FOUND
            | StatusCode::BAD_REQUEST
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_ACCEPTABLE
                if first =>
            {
                return Ok(None);
            }
            StatusCode::OK => return Err(exchange.bad("gives something else than a list of referrers")),
            _ => return Err(refused(repository.host(), "list what refers to a manifest", response).await),
        }
        let next = next_page(repository, url, &response)?;
        if let Some(bytes) = pull::whole(exchange, response, &mut again).await? {
            return Ok(Some((bytes, next)));
        }
    }
}

/// Returns where the next page is, which is never at another host (RFC 8288).
fn next_page(repository: &RemoteRepository, url: &Url, response: &Response) -> Result<Option<Url>> {
    let Some(link) = header(response, &LINK) else { return Ok(None) };
    let Some((target, parameters)) = link.strip_prefix('<').and_then(|rest| rest.split_once('>')) else {
        return Ok(None);
    };
    if !parameters.replace([' ', '"'], "").contains("rel=next") {
        return Ok(None);
    }
    match url.join(target) {
        Ok(next) if same_origin(&next, &repository.exchange.base) => Ok(Some(next)),
        _ => Err(repository.exchange.bad("has the next page of a list where it must not be")),
    }
}

pub(super) async fn write(repository: &RemoteRepository, manifest: &ImageManifest) -> Result<Descriptor> {
    let (subject, referrer) = of_manifest(manifest)?;
    let (_, listed) = push::manifest(repository, &manifest.media_type, manifest.to_json(), None).await?;
    if !listed {
        enter(repository, &subject, &referrer).await?;
    }
    Ok(referrer)
}

/// Enters a manifest into the list that clients keep.
///
/// No registry writes a tag only if nobody else has meanwhile. So one client's writers take turns, and as others may
/// have read the list before our entry was in it, it is looked at again after they will have written theirs.
async fn enter(repository: &RemoteRepository, subject: &Digest, referrer: &Descriptor) -> Result<()> {
    let (exchange, tag) = (&repository.exchange, tag_of(subject));
    for _ in 0..WRITES {
        {
            let _alone = exchange.client.0.listing.lock().await;
            let before = repository.manifest(&Label::Tag(tag.clone())).await?;
            match with(before.as_ref().map(|index| &*index.bytes), referrer)? {
                None => return Ok(()),
                Some(index) => push::manifest(repository, media::INDEX, index, Some(&tag)).await?,
            };
        }
        let settle = SETTLE + part_of(SETTLE);
        exchange.until_stopped(exchange.cx.clock().sleep(settle)).await?;
    }
    Err(Error::conflict(format!("others keep writing the list of what refers to `{subject}`"))
        .note(format!("in the repository `{}`", repository.place().map_or("", |(_, path)| path)))
        .hint("try again; or use a registry that keeps such lists itself")
        .retry(true))
}
