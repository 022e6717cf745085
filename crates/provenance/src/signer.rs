//! Who signs: a key in this process, or whatever the embedder has.

use std::fmt;

use async_trait::async_trait;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use shipway_core::{Context, Error, Result, Secret};

use crate::keys::{KeyAlgorithm, PublicKey};

/// Signs with a key that need not be in this process.
///
/// A service that keeps keys fits: its public key is known beforehand, and each signature is one request.
///
/// ```
/// use async_trait::async_trait;
/// use shipway_core::{Context, Result};
/// use shipway_provenance::{PublicKey, Signer};
///
/// #[derive(Debug)]
/// struct Vault {
///     key: PublicKey,
/// }
///
/// #[async_trait]
/// impl Signer for Vault {
///     fn public_key(&self) -> &PublicKey {
///         &self.key
///     }
///
///     async fn sign(&self, _cx: &Context, message: &[u8]) -> Result<Vec<u8>> {
///         // Here it asks the service, with a credential of `Context::secret`.
/// #       let _ = message;
///         todo!()
///     }
/// }
/// ```
#[async_trait]
pub trait Signer: fmt::Debug + Send + Sync + 'static {
    /// Returns the public key; constant, and known without IO. Its [`KeyAlgorithm`] and its
    /// [`key_id`](PublicKey::key_id) are the signer's.
    fn public_key(&self) -> &PublicKey;

    /// Returns the signature of a message, which is hashed by whoever signs; of ECDSA, in ASN.1's form.
    ///
    /// # Errors
    /// When it could not be signed; `Unavailable` where trying again may help.
    async fn sign(&self, cx: &Context, message: &[u8]) -> Result<Vec<u8>>;
}

/// Signs with an Ed25519 key.
pub struct Ed25519Signer {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl Ed25519Signer {
    /// Returns the signer of a private key as PEM, `-----BEGIN PRIVATE KEY-----` (PKCS#8).
    ///
    /// # Errors
    /// `Config` when it is no such key.
    pub fn from_pem(key: &Secret) -> Result<Self> {
        Self::from_der(private(key)?.secret_pkcs8_der())
    }

    /// Returns the signer of a private key as PKCS#8 in DER.
    ///
    /// # Errors
    /// `Config` when it is no such key.
    pub fn from_der(key: &[u8]) -> Result<Self> {
        // OpenSSL writes the first version, which leaves the public key out.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key).map_err(|_| no_key("Ed25519"))?;
        let public = PublicKey::of_parts(KeyAlgorithm::Ed25519, pair.public_key().as_ref());
        Ok(Self { pair, public })
    }
}

#[async_trait]
impl Signer for Ed25519Signer {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    async fn sign(&self, _cx: &Context, message: &[u8]) -> Result<Vec<u8>> {
        Ok(self.pair.sign(message).as_ref().to_vec())
    }
}

/// Signs with a key of ECDSA on P-256.
pub struct EcdsaP256Signer {
    pair: EcdsaKeyPair,
    random: SystemRandom,
    public: PublicKey,
}

impl EcdsaP256Signer {
    /// Returns the signer of a private key as PEM, `-----BEGIN PRIVATE KEY-----` (PKCS#8).
    ///
    /// # Errors
    /// `Config` when it is no such key.
    pub fn from_pem(key: &Secret) -> Result<Self> {
        Self::from_der(private(key)?.secret_pkcs8_der())
    }

    /// Returns the signer of a private key as PKCS#8 in DER.
    ///
    /// # Errors
    /// `Config` when it is no such key.
    pub fn from_der(key: &[u8]) -> Result<Self> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key, &random)
            .map_err(|_| no_key("ECDSA on P-256"))?;
        let public = PublicKey::of_parts(KeyAlgorithm::EcdsaP256, pair.public_key().as_ref());
        Ok(Self { pair, random, public })
    }
}

#[async_trait]
impl Signer for EcdsaP256Signer {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    async fn sign(&self, _cx: &Context, message: &[u8]) -> Result<Vec<u8>> {
        let signature = self.pair.sign(&self.random, message);
        let signature = signature.map_err(|_| Error::internal("there is no randomness to sign with"))?;
        Ok(signature.as_ref().to_vec())
    }
}

/// Returns the signer of a private key of either algorithm, as PEM (PKCS#8).
///
/// # Errors
/// `Config` when it is no such key.
pub fn signer_from_pem(key: &Secret) -> Result<Box<dyn Signer>> {
    let der = private(key)?;
    let der = der.secret_pkcs8_der();
    if let Ok(signer) = Ed25519Signer::from_der(der) {
        return Ok(Box::new(signer));
    }
    match EcdsaP256Signer::from_der(der) {
        Ok(signer) => Ok(Box::new(signer)),
        Err(_) => Err(no_key("Ed25519, and none of ECDSA on P-256")
            .hint("make one of these, such as by `openssl genpkey -algorithm ed25519`")),
    }
}

fn private(key: &Secret) -> Result<PrivatePkcs8KeyDer<'static>> {
    PrivatePkcs8KeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|_| {
        let error = Error::config("the private key is no PKCS#8 in PEM");
        match key.expose() {
            text if text.contains("ENCRYPTED") => {
                error.hint("it is encrypted: decrypt it where it is kept, or sign by a `Signer` of your own")
            }
            text if text.contains("BEGIN EC PRIVATE KEY") => {
                error.hint("convert it with `openssl pkcs8 -topk8 -nocrypt`")
            }
            _ => error.hint("it is a text with `-----BEGIN PRIVATE KEY-----`"),
        }
    })
}

/// An error without what was wrong with it, which could tell something of the key.
fn no_key(algorithm: &str) -> Error {
    Error::config(format!("the private key is none of {algorithm}"))
}

impl fmt::Debug for Ed25519Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ed25519Signer").field("public", &self.public).finish_non_exhaustive()
    }
}

impl fmt::Debug for EcdsaP256Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EcdsaP256Signer").field("public", &self.public).finish_non_exhaustive()
    }
}
