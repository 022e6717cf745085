//! An attester that does everything right, and the wrongs that it can be told to do.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use shipway_core::{Attester, BuildRecord, Capabilities, Context, Digest, Error, Result, StoreKind};
use shipway_oci::{Descriptor, Distribution, ImageManifest, Label, Stores, digest_of, media};

/// One thing that an attester does wrong; the clause that it breaks comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Nothing,
    A1Counts,
    A2SaysNothing,
    A2MovesTheTag,
    A3SaysAll,
}

pub(crate) const WRONGS: &[(&str, Wrong)] = &[
    ("A1", Wrong::A1Counts),
    ("A2", Wrong::A2SaysNothing),
    ("A2", Wrong::A2MovesTheTag),
    ("A3", Wrong::A3SaysAll),
];

const STATEMENT: &str = "application/x.statement+json";

#[derive(Debug)]
pub(crate) struct Notary {
    wrong: Wrong,
    reads: &'static [StoreKind],
    attested: AtomicU64,
}

impl Notary {
    pub(crate) fn new(wrong: Wrong, reads: &'static [StoreKind]) -> Self {
        Self { wrong, reads, attested: AtomicU64::new(0) }
    }
}

async fn put(place: &dyn Distribution, media_type: &str, text: String) -> Result<Descriptor> {
    let bytes = text.into_bytes();
    let descriptor = Descriptor::new(media_type, digest_of(&bytes), bytes.len() as u64);
    place.write_blob(&descriptor, Box::pin(std::io::Cursor::new(Bytes::from(bytes)))).await?;
    Ok(descriptor)
}

#[async_trait]
impl Attester for Notary {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new().reads(self.reads.iter().copied().collect::<std::collections::BTreeSet<_>>())
    }

    async fn attest(&self, cx: &Context, build: &BuildRecord) -> Result<()> {
        if self.wrong == Wrong::A2SaysNothing {
            return Ok(());
        }
        let image = &build.image;
        let place = Stores::new().open(cx, &image.store, &image.repository)?;
        let count = self.attested.fetch_add(1, Ordering::SeqCst);
        let said = match self.wrong {
            Wrong::A1Counts => format!("{{\"count\": {count}}}"),
            Wrong::A3SaysAll => format!("{:?}", build.inputs),
            _ => format!("{{\"artifact\": \"{}\"}}", build.artifact),
        };
        let config = put(place.as_ref(), "application/vnd.oci.empty.v1+json", "{}".to_owned()).await?;
        let layer = put(place.as_ref(), STATEMENT, said).await?;
        let mut manifest = ImageManifest::new(config, vec![layer]);
        manifest.artifact_type = Some(STATEMENT.to_owned());
        manifest.subject = Some(Box::new(subject(place.as_ref(), &image.digest).await?));
        place.write_referrer(&manifest).await?;
        if let (Wrong::A2MovesTheTag, Some(tag)) = (self.wrong, &image.tag) {
            place.write_manifest(media::MANIFEST, manifest.to_json(), Some(tag)).await?;
        }
        Ok(())
    }
}

async fn subject(place: &dyn Distribution, digest: &Digest) -> Result<Descriptor> {
    let raw = place.manifest(&Label::Digest(digest.clone())).await?;
    let raw = raw.ok_or_else(|| Error::not_found("the image is not there"))?;
    Ok(Descriptor::new(raw.media_type, raw.digest, raw.bytes.len() as u64))
}
