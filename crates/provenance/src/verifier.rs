//! Who is believed: keys, and how many of them.

use std::collections::BTreeSet;

use shipway_core::{Error, Result};

use crate::{dsse::Envelope, keys::PublicKey};

/// Believes what enough of these keys have signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    keys: Vec<PublicKey>,
    threshold: usize,
}

impl Verifier {
    /// Returns the verifier that believes any one of the keys.
    ///
    /// # Errors
    /// `Config` when there is no key.
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Result<Self> {
        // One key given twice is one.
        let keys: BTreeSet<PublicKey> = keys.into_iter().collect();
        if keys.is_empty() {
            return Err(Error::config("there is no key to verify signatures with")
                .hint("name at least one public key: without one, anybody's word would do"));
        }
        Ok(Self { keys: keys.into_iter().collect(), threshold: 1 })
    }

    /// Sets how many of the keys must have signed.
    ///
    /// # Errors
    /// `Config` when it is zero, or there are not so many keys.
    pub fn threshold(mut self, threshold: usize) -> Result<Self> {
        if threshold == 0 || threshold > self.keys.len() {
            let count = self.keys.len();
            return Err(Error::config(format!("{threshold} of {count} keys cannot be asked to sign"))
                .hint("the threshold is at least 1, and at most the number of different keys"));
        }
        self.threshold = threshold;
        Ok(self)
    }

    /// Returns the keys, each once.
    #[must_use]
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// Returns whether so many of the keys, each by its place in the list, are enough.
    #[must_use]
    pub fn is_enough(&self, signed: &BTreeSet<usize>) -> bool {
        signed.len() >= self.threshold
    }

    /// Checks that enough of the keys have signed the envelope.
    ///
    /// # Errors
    /// `Auth` when they have not.
    pub fn verify(&self, envelope: &Envelope) -> Result<()> {
        let signed = envelope.signed_by(&self.keys);
        if self.is_enough(&signed) {
            Ok(())
        } else {
            Err(Error::new(shipway_core::ErrorKind::Auth, self.lack(&signed)))
        }
    }

    /// Says what is missing.
    pub(crate) fn lack(&self, signed: &BTreeSet<usize>) -> String {
        match (signed.len(), self.threshold) {
            (0, 1) => "it is signed by none of the keys that are believed".to_owned(),
            (found, wanted) => {
                format!("it is signed by {found} of the keys that are believed, not by {wanted}")
            }
        }
    }
}
