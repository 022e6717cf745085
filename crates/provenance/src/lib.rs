//! How images came about, and what is in them: said in statements beside the image, signed, and verified before a
//! release.
//!
//! [`Attest`] is the attester, [`VerifyProvenance`] the tester. What is attached is what others read and write too:
//! in-toto statements with SLSA's provenance and CycloneDX's bills of materials, in DSSE envelopes that Sigstore's
//! tools find as referrers of the image:
//!
//! ```text
//! cosign verify-attestation --new-bundle-format --key release.pub --insecure-ignore-tlog --type slsaprovenance1 IMAGE
//! ```
//!
//! A statement says whatever its signer was told to say: a signature proves who said it, not that it is true. How much
//! that is worth is in [`Provenance`].

mod attached;
mod attest;
mod bundle;
mod dsse;
mod images;
mod keys;
mod materials;
mod sbom;
mod signer;
mod slsa;
mod statement;
mod verifier;
mod verify;

pub use self::{
    attest::{Attest, AttestConfig},
    dsse::{Envelope, Signature, pre_authentication_encoding},
    keys::{KeyAlgorithm, PublicKey},
    materials::Words,
    sbom::{Base, Bom},
    signer::{EcdsaP256Signer, Ed25519Signer, Signer, signer_from_pem},
    slsa::{Provenance, Source},
    statement::{Resource, Statement},
    verifier::Verifier,
    verify::{VerifyProvenance, VerifyProvenanceConfig},
};
