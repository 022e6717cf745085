//! Signed envelopes: DSSE v1.0 (secure-systems-lab/dsse, protocol.md and envelope.md).

use std::collections::BTreeSet;

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use shipway_core::{Context, Error, Result};
use shipway_oci::sorted_json;

use crate::{keys::PublicKey, signer::Signer};

/// The most signatures of an envelope that are looked at.
const SIGNATURES: usize = 64;

/// Returns what is signed in the place of a payload: it, and of which type it is, so that one signed text is never
/// taken for another (protocol.md, "Pre-Authentication Encoding").
#[must_use]
pub fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

/// A payload with signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Envelope {
    /// The payload's media type.
    pub payload_type: String,
    /// The payload.
    pub payload: Bytes,
    /// The signatures; at least one.
    pub signatures: Vec<Signature>,
}

/// One signature of an [`Envelope`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signature {
    /// Who says to have signed; nothing is believed of it.
    pub key_id: Option<String>,
    /// The signature.
    pub bytes: Vec<u8>,
}

impl Envelope {
    /// Returns the payload signed by one signer.
    ///
    /// # Errors
    /// What the signer says; `BadOutput` when what it gives is no signature by its key.
    pub async fn sign(
        cx: &Context,
        payload_type: impl Into<String>,
        payload: Bytes,
        signer: &dyn Signer,
    ) -> Result<Self> {
        let mut envelope = Self { payload_type: payload_type.into(), payload, signatures: Vec::new() };
        envelope.add(cx, signer).await?;
        Ok(envelope)
    }

    /// Adds a signature of one more signer.
    ///
    /// # Errors
    /// As [`Envelope::sign`].
    pub async fn add(&mut self, cx: &Context, signer: &dyn Signer) -> Result<()> {
        let message = pre_authentication_encoding(&self.payload_type, &self.payload);
        let (key, bytes) = (signer.public_key(), signer.sign(cx, &message).await?);
        // A service may have another key by now than the one it is known by.
        if !key.verifies(&message, &bytes) {
            return Err(Error::bad_output("the signer's signature is not by its key")
                .note(format!("the key is `{}`", key.key_id()))
                .hint("see whether the signer has the private key to this public one"));
        }
        self.signatures.push(Signature { key_id: Some(key.key_id()), bytes });
        Ok(())
    }

    /// Returns which of the keys have signed the payload, by their place in the list.
    #[must_use]
    pub fn signed_by(&self, keys: &[PublicKey]) -> BTreeSet<usize> {
        let message = pre_authentication_encoding(&self.payload_type, &self.payload);
        let signed = |key: &PublicKey| {
            let mut signatures = self.signatures.iter().take(SIGNATURES);
            signatures.any(|signature| key.verifies(&message, &signature.bytes))
        };
        keys.iter().enumerate().filter(|(_, key)| signed(key)).map(|(at, _)| at).collect()
    }

    /// Returns the envelope as JSON.
    #[must_use]
    pub fn to_json(&self) -> Bytes {
        sorted_json(&Document::from(self))
    }

    /// Reads an envelope.
    ///
    /// # Errors
    /// `BadOutput` when it is malformed, or has no signature.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        let document: Document = serde_json::from_slice(bytes)
            .map_err(|error| Error::bad_output("the envelope is not valid").source(error))?;
        document.try_into()
    }
}

/// An envelope as it is written.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document {
    payload: String,
    payload_type: String,
    signatures: Vec<SignatureDocument>,
}

#[derive(Serialize, Deserialize)]
struct SignatureDocument {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keyid: Option<String>,
    sig: String,
}

impl From<&Envelope> for Document {
    fn from(envelope: &Envelope) -> Self {
        let signature = |signature: &Signature| SignatureDocument {
            keyid: signature.key_id.clone(),
            sig: BASE64_STANDARD.encode(&signature.bytes),
        };
        Self {
            payload: BASE64_STANDARD.encode(&envelope.payload),
            payload_type: envelope.payload_type.clone(),
            signatures: envelope.signatures.iter().map(signature).collect(),
        }
    }
}

impl TryFrom<Document> for Envelope {
    type Error = Error;

    fn try_from(document: Document) -> Result<Self> {
        // "Either standard or URL-safe encoding is allowed."
        let decode = |text: &str| {
            let decoded = BASE64_STANDARD.decode(text).or_else(|_| BASE64_URL_SAFE.decode(text));
            decoded.map_err(|_| Error::bad_output("the envelope holds what is no base64"))
        };
        let signature = |signature: SignatureDocument| {
            let key_id = signature.keyid.filter(|key_id| !key_id.is_empty());
            Ok(Signature { key_id, bytes: decode(&signature.sig)? })
        };
        let signatures = document.signatures.into_iter().map(signature).collect::<Result<Vec<_>>>()?;
        if signatures.is_empty() {
            return Err(Error::bad_output("the envelope has no signature"));
        }
        Ok(Self {
            payload_type: document.payload_type,
            payload: decode(&document.payload)?.into(),
            signatures,
        })
    }
}

#[cfg(test)]
mod tests;
