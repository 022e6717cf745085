//! Statements beside images: manifests that refer to them (OCI distribution-spec, "Listing Referrers").
//!
//! A signed statement is a Sigstore bundle, as `cosign attest --new-bundle-format` attaches it, so that `cosign
//! verify-attestation` finds it; one that nobody signed is as BuildKit has it in its layers.

use std::{io::Cursor, time::Duration};

use bytes::Bytes;
use shipway_core::{Context, Digest, Error, ErrorKind, Result};
use shipway_oci::{AnyManifest, Descriptor, Distribution, ImageManifest, Label, digest_of, media};
use tokio::io::AsyncReadExt as _;

use crate::{
    bundle,
    dsse::Envelope,
    signer::Signer,
    statement::{self, Statement},
};

/// An envelope by itself, as cosign's earlier attestations and other tools have it.
const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";

/// The annotation of a bundle with the type of what is said.
const BUNDLE_PREDICATE: &str = "dev.sigstore.bundle.predicateType";
/// The same of a statement that nobody signed (BuildKit, docs/attestations/attestation-storage.md).
const PREDICATE: &str = "in-toto.io/predicate-type";

/// The most bytes of a statement with its signatures.
pub(crate) const LIMIT: u64 = 32 * 1024 * 1024;
/// The most statements about one image that are read, and the most bytes of all of them.
const MOST: usize = 200;
const ALL: u64 = 128 * 1024 * 1024;

/// What was found beside an image.
#[derive(Debug)]
pub(crate) struct Found {
    /// The manifest that refers to the image.
    pub(crate) digest: Digest,
    /// What it holds, or why that cannot be read.
    pub(crate) content: Result<Content, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Signed(Envelope),
    Unsigned(Bytes),
}

impl Content {
    /// Returns the statement's bytes.
    pub(crate) fn payload(&self) -> &Bytes {
        match self {
            Self::Signed(envelope) => &envelope.payload,
            Self::Unsigned(payload) => payload,
        }
    }
}

/// Returns what is attached to an image that may be a statement of this type.
///
/// # Errors
/// When the repository cannot be asked, or lists more than anybody would attach. What is wrong with one of the
/// statements is said in its place.
pub(crate) async fn read(
    cx: &Context,
    repository: &dyn Distribution,
    subject: &Digest,
    predicate_type: &str,
) -> Result<Vec<Found>> {
    let listed = repository.referrers(subject, None).await?;
    let mut found = Vec::new();
    let mut size = 0_u64;
    for entry in listed.into_iter().filter(|entry| may_be(entry, predicate_type)) {
        cx.check_stopped()?;
        // Which is only what the list says.
        size = size.saturating_add(entry.size);
        if found.len() >= MOST || size > ALL {
            return Err(Error::bad_output(format!("too much is attached to `{subject}`"))
                .note(format!("more than {MOST} statements, or {ALL} bytes"))
                .hint("remove from the registry what nobody needs"));
        }
        let mut bytes = 0;
        let content = match content(repository, subject, &entry.digest, &mut bytes).await {
            Ok(content) => Ok(content),
            Err(error) if is_of_the_content(error.kind()) => Err(error.to_string()),
            Err(error) => return Err(error),
        };
        size = size.saturating_add(bytes);
        found.push(Found { digest: entry.digest, content });
    }
    Ok(found)
}

/// Returns whether an entry may be a statement of this type. What it says is not believed, only what it leaves out.
fn may_be(entry: &Descriptor, predicate_type: &str) -> bool {
    let kind = entry.artifact_type.as_deref().unwrap_or_default();
    let ours = kind.starts_with("application/vnd.dev.sigstore.bundle")
        || matches!(kind, statement::MEDIA_TYPE | ENVELOPE | "");
    let says = entry.annotations.get(BUNDLE_PREDICATE).or_else(|| entry.annotations.get(PREDICATE));
    ours && says.is_none_or(|says| says == predicate_type)
}

/// Returns whether it is the content that is wrong, and not that it could not be asked for.
fn is_of_the_content(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::BadOutput | ErrorKind::NotFound | ErrorKind::Unsupported | ErrorKind::Config)
}

async fn content(
    repository: &dyn Distribution,
    subject: &Digest,
    digest: &Digest,
    size: &mut u64,
) -> Result<Content> {
    let raw = repository.manifest(&Label::Digest(digest.clone())).await?;
    let raw = raw.ok_or_else(|| Error::not_found("its manifest is not there"))?;
    let AnyManifest::Image(manifest) = AnyManifest::parse(&raw)? else {
        return Err(Error::bad_output("it is an index"));
    };
    if manifest.subject.as_ref().is_none_or(|own| own.digest != *subject) {
        return Err(Error::bad_output("it refers to something else"));
    }
    // Each has one, and so have ours: what else is there is not looked for.
    let [layer] = manifest.layers.as_slice() else {
        return Err(Error::bad_output("it does not have one layer"));
    };
    if layer.size > LIMIT {
        return Err(Error::bad_output(format!("it has {} bytes, more than {LIMIT}", layer.size)));
    }
    *size = layer.size;
    let mut bytes = Vec::new();
    let content = repository.read_blob(layer).await?;
    content.take(LIMIT).read_to_end(&mut bytes).await.map_err(read_error)?;
    match layer.media_type.as_str() {
        statement::MEDIA_TYPE => Ok(Content::Unsigned(bytes.into())),
        ENVELOPE => Envelope::from_json(&bytes).map(Content::Signed),
        kind if kind.starts_with("application/vnd.dev.sigstore.bundle") => {
            bundle::read(&bytes).map(Content::Signed)
        }
        _ => Err(Error::bad_output("it is of an unknown media type")),
    }
}

/// Returns the error that a stream carried.
fn read_error(error: std::io::Error) -> Error {
    let own = |error| Error::new(ErrorKind::Unavailable, "cannot read a statement").source(error);
    error.downcast().unwrap_or_else(own)
}

/// Attaches a statement to an image, unless it is there already: the same, said by the same.
pub(crate) async fn attach(
    cx: &Context,
    repository: &dyn Distribution,
    subject: &Descriptor,
    said: &Said,
    signer: Option<&dyn Signer>,
) -> Result<()> {
    let there = read(cx, repository, &subject.digest, &said.predicate_type).await?;
    let mut readable = there.iter().filter_map(|found| found.content.as_ref().ok());
    if readable.any(|content| said.is_in(content, &subject.digest) && is_by(content, signer)) {
        return Ok(());
    }
    let (kind, bytes, annotation) = match signer {
        Some(signer) => {
            let envelope = Envelope::sign(cx, statement::MEDIA_TYPE, said.payload.clone(), signer).await?;
            (bundle::MEDIA_TYPE, bundle::write(&envelope, signer.public_key()), BUNDLE_PREDICATE)
        }
        None => (statement::MEDIA_TYPE, said.payload.clone(), PREDICATE),
    };
    let layer = put(repository, kind, bytes).await?;
    let config = put(repository, media::EMPTY, Bytes::from_static(b"{}")).await?;
    let mut manifest = ImageManifest::new(config, vec![layer]);
    manifest.artifact_type = Some(kind.to_owned());
    manifest.subject =
        Some(Box::new(Descriptor::new(&subject.media_type, subject.digest.clone(), subject.size)));
    manifest.annotations.insert(annotation.to_owned(), said.predicate_type.clone());
    if signer.is_some() {
        manifest.annotations.insert("dev.sigstore.bundle.content".to_owned(), "dsse-envelope".to_owned());
    }
    write(cx, repository, &manifest).await
}

/// How often a manifest is written whose blobs are there and that is refused all the same, and the time between.
const WRITES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// Writes the manifest. While others write the same blob (the empty configuration), docker-registry 2 does not see the
/// one that is there: it writes the link to it anew, which is empty for a moment.
async fn write(cx: &Context, repository: &dyn Distribution, manifest: &ImageManifest) -> Result<()> {
    let mut left = WRITES;
    loop {
        left -= 1;
        match repository.write_referrer(manifest).await {
            Err(error) if error.kind() == ErrorKind::BadOutput && left > 0 => cx.sleep(PAUSE).await?,
            written => return written.map(|_| ()),
        }
    }
}

/// What is to be attached.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) predicate_type: String,
    pub(crate) payload: Bytes,
    /// Whether anything of this type that the same signer said will do in its place.
    pub(crate) any: bool,
}

impl Said {
    fn is_in(&self, content: &Content, subject: &Digest) -> bool {
        let like = |statement: Statement| {
            statement.predicate_type == self.predicate_type && statement.is_about(subject)
        };
        *content.payload() == self.payload
            || self.any && Statement::from_json(content.payload()).is_ok_and(like)
    }
}

/// Returns whether it was said by the signer, or by nobody where there is none.
fn is_by(content: &Content, signer: Option<&dyn Signer>) -> bool {
    match (content, signer) {
        (Content::Signed(envelope), Some(signer)) => {
            let key = signer.public_key().clone();
            envelope.payload_type == statement::MEDIA_TYPE && !envelope.signed_by(&[key]).is_empty()
        }
        (Content::Unsigned(_), None) => true,
        _ => false,
    }
}

async fn put(repository: &dyn Distribution, media_type: &str, bytes: Bytes) -> Result<Descriptor> {
    let descriptor = Descriptor::new(media_type, digest_of(&bytes), bytes.len() as u64);
    repository.write_blob(&descriptor, Box::pin(Cursor::new(bytes))).await?;
    Ok(descriptor)
}
