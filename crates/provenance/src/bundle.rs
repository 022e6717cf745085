//! Signed statements as Sigstore's tools find them: bundles of version 0.3 (sigstore/protobuf-specs,
//! sigstore_bundle.proto), with a key instead of a certificate, and without a transparency log.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use shipway_core::{Error, Result};
use shipway_oci::sorted_json;

use crate::{
    dsse::{Document, Envelope},
    keys::PublicKey,
};

/// The media type of a bundle.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    #[serde(default, skip_deserializing)]
    verification_material: Material,
    /// None where it holds a signature of something else.
    #[serde(default)]
    dsse_envelope: Option<Document>,
}

/// What a verifier needs beside the envelope. It is not read: keys are the verifier's own.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    public_key: Hint,
}

#[derive(Default, Serialize)]
struct Hint {
    hint: String,
}

/// Returns the bundle of an envelope that one key has signed, and who has.
pub(crate) fn write(envelope: &Envelope, key: &PublicKey) -> Bytes {
    let public_key = Hint { hint: BASE64_STANDARD.encode(key.hash()) };
    let mut envelope = envelope.clone();
    // Other verifiers pass over a signature whose key has another name than they would give it
    // (go-securesystemslib, dsse/verify.go), and the hint says it already.
    envelope.signatures.iter_mut().for_each(|signature| signature.key_id = None);
    sorted_json(&Bundle {
        media_type: MEDIA_TYPE.to_owned(),
        verification_material: Material { public_key },
        dsse_envelope: Some((&envelope).into()),
    })
}

/// Returns the envelope of a bundle.
pub(crate) fn read(bytes: &[u8]) -> Result<Envelope> {
    let bundle: Bundle = serde_json::from_slice(bytes)
        .map_err(|error| Error::bad_output("the bundle is not valid").source(error))?;
    // Since 0.3 all is written alike, but for fields that are new.
    if !bundle.media_type.starts_with("application/vnd.dev.sigstore.bundle") {
        return Err(Error::bad_output("the bundle says it is something else"));
    }
    let envelope = bundle.dsse_envelope.ok_or_else(|| Error::bad_output("the bundle holds no envelope"))?;
    envelope.try_into()
}
