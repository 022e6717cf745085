//! Public keys, as PEM and DER hold them (RFC 5280, "SubjectPublicKeyInfo"): Ed25519 and ECDSA on P-256.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::{
    digest::{SHA256, digest},
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use rustls::pki_types::{SubjectPublicKeyInfoDer, pem::PemObject};
use shipway_core::{Error, Result};

/// What stands before the key's bytes (RFC 8410, section 4; RFC 5480, section 2, with the point uncompressed).
const ED25519_PREFIX: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const P256_PREFIX: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The most bytes of a text with keys.
pub(crate) const LIMIT: usize = 64 * 1024;

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum KeyAlgorithm {
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// ECDSA on the curve P-256 with SHA-256 (FIPS 186-5).
    EcdsaP256,
}

/// A key that signatures are verified with.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey {
    algorithm: KeyAlgorithm,
    der: Vec<u8>,
}

impl PublicKey {
    /// Returns the one key in a text with `-----BEGIN PUBLIC KEY-----`.
    ///
    /// # Errors
    /// `Config` when there is none, or more than one, or it is of another algorithm.
    pub fn from_pem(text: &str) -> Result<Self> {
        let mut keys = Self::all_from_pem(text)?;
        match (keys.pop(), keys.is_empty()) {
            (Some(key), true) => Ok(key),
            _ => Err(Error::config("there is more than one public key where one is expected")),
        }
    }

    /// Returns all keys in a text with `-----BEGIN PUBLIC KEY-----`; at least one.
    ///
    /// # Errors
    /// `Config` when there is none, or one is of another algorithm.
    pub fn all_from_pem(text: &str) -> Result<Vec<Self>> {
        let keys = SubjectPublicKeyInfoDer::pem_slice_iter(text.as_bytes()).map(|key| {
            let key =
                key.map_err(|error| Error::config("a public key is no valid PEM").note(error.to_string()))?;
            Self::from_der(key.as_ref())
        });
        let keys = keys.collect::<Result<Vec<_>>>()?;
        if keys.is_empty() {
            return Err(Error::config("there is no public key").hint(
                "a public key is a text with `-----BEGIN PUBLIC KEY-----`, such as `openssl pkey -pubout` writes",
            ));
        }
        Ok(keys)
    }

    /// Returns the key that a SubjectPublicKeyInfo holds.
    ///
    /// # Errors
    /// `Config` when it is of another algorithm than Ed25519 and ECDSA on P-256.
    pub fn from_der(der: &[u8]) -> Result<Self> {
        let algorithm = match der {
            _ if der.strip_prefix(ED25519_PREFIX).is_some_and(|key| key.len() == 32) => KeyAlgorithm::Ed25519,
            _ if der.strip_prefix(P256_PREFIX).is_some_and(|key| key.len() == 65 && key[0] == 4) => {
                KeyAlgorithm::EcdsaP256
            }
            _ => {
                return Err(Error::config("the public key is of another kind than those that are known")
                    .hint("use a key of Ed25519, or of ECDSA on P-256"));
            }
        };
        Ok(Self { algorithm, der: der.to_vec() })
    }

    /// Returns the key of these bytes, without what says what they are.
    pub(crate) fn of_parts(algorithm: KeyAlgorithm, key: &[u8]) -> Self {
        Self { algorithm, der: [prefix(algorithm), key].concat() }
    }

    /// Returns how it signs.
    #[must_use]
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// Returns the SubjectPublicKeyInfo.
    #[must_use]
    pub fn to_der(&self) -> &[u8] {
        &self.der
    }

    /// Returns the key as PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let text = BASE64_STANDARD.encode(&self.der);
        let lines: Vec<&str> =
            text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    /// Returns the name by which signatures say who made them: the SHA-256 of the SubjectPublicKeyInfo, in
    /// hexadecimal digits.
    #[must_use]
    pub fn key_id(&self) -> String {
        self.hash().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, &self.der).as_ref());
        hash
    }

    /// Returns whether this key made the signature of this message.
    ///
    /// One of ECDSA is in ASN.1's form, as most programs write it, or the two numbers, as DSSE's own examples have it.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = &self.der[prefix(self.algorithm).len()..];
        let by = |algorithm: &'static dyn VerificationAlgorithm| {
            UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
        };
        match self.algorithm {
            KeyAlgorithm::Ed25519 => by(&ED25519),
            KeyAlgorithm::EcdsaP256 => by(&ECDSA_P256_SHA256_ASN1) || by(&ECDSA_P256_SHA256_FIXED),
        }
    }
}

fn prefix(algorithm: KeyAlgorithm) -> &'static [u8] {
    match algorithm {
        KeyAlgorithm::Ed25519 => ED25519_PREFIX,
        KeyAlgorithm::EcdsaP256 => P256_PREFIX,
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:?} {})", self.algorithm, self.key_id())
    }
}
