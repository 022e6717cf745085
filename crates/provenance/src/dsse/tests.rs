use proptest::prelude::{any, proptest};
use ring::signature::Ed25519KeyPair;
use shipway_core::{Cancel, ErrorKind, RunContext, Secret, World};

use super::*;
use crate::{keys::KeyAlgorithm, signer::Ed25519Signer, verifier::Verifier};

/// The examples of DSSE's protocol.md.
const TYPE: &str = "http://example.com/HelloWorld";

#[test]
fn what_is_signed_is_as_the_specification_has_it() {
    for (payload_type, payload, encoded) in [
        (TYPE, "hello world", "DSSEv1 29 http://example.com/HelloWorld 11 hello world"),
        ("", "", "DSSEv1 0  0 "),
        // Counted in bytes.
        ("é", "ü", "DSSEv1 2 é 2 ü"),
    ] {
        assert_eq!(pre_authentication_encoding(payload_type, payload.as_bytes()), encoded.as_bytes());
    }
}

/// The key of protocol.md, by its two decimal numbers.
fn specified() -> PublicKey {
    let bytes = |decimal: &str| {
        let mut bytes = [0_u8; 32];
        for digit in decimal.bytes() {
            let mut carry = u32::from(digit - b'0');
            for byte in bytes.iter_mut().rev() {
                let sum = u32::from(*byte) * 10 + carry;
                (*byte, carry) = (sum as u8, sum >> 8);
            }
        }
        bytes
    };
    let x = bytes("46950820868899156662930047687818585632848591499744589407958293238635476079160");
    let y = bytes("5640078356564379163099075877009565129882514886557779369047442380624545832820");
    PublicKey::of_parts(KeyAlgorithm::EcdsaP256, &[&[4][..], &x, &y].concat())
}

#[test]
fn the_specifications_own_envelope_is_verified() {
    let json = r#"{"payload": "aGVsbG8gd29ybGQ=",
        "payloadType": "http://example.com/HelloWorld",
        "signatures": [{"keyid": "", "sig": "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="}]}"#;
    let envelope = Envelope::from_json(json.as_bytes()).unwrap();
    assert_eq!((&*envelope.payload, &*envelope.payload_type), (&b"hello world"[..], TYPE));
    let verifier = Verifier::new([specified()]).unwrap();
    verifier.verify(&envelope).unwrap();
    assert_eq!(Envelope::from_json(&envelope.to_json()).unwrap(), envelope);
    // The same signature of the same bytes as of another type is none.
    let mut other = envelope.clone();
    other.payload_type = "http://example.com/HelloWorl".to_owned();
    assert_eq!(verifier.verify(&other).unwrap_err().kind(), ErrorKind::Auth);
}

#[test]
fn what_is_no_envelope_is_refused() {
    for bad in [
        r#"{"payload":"","payloadType":"x","signatures":[]}"#,
        r#"{"payload":"?","payloadType":"x","signatures":[{"sig":""}]}"#,
        r#"{"payload":"QQ==","payloadType":"x","signatures":[{"sig":"QR=="}]}"#,
        r#"{"payload":"QQ==","signatures":[{"sig":""}]}"#,
        "[]",
    ] {
        assert_eq!(Envelope::from_json(bad.as_bytes()).unwrap_err().kind(), ErrorKind::BadOutput, "{bad}");
    }
}

fn signer(seed: u8) -> Ed25519Signer {
    // PKCS#8 of the first version, as OpenSSL writes it (RFC 8410, section 10.3).
    let head = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    Ed25519Signer::from_der(&[&head[..], &[seed; 32]].concat()).unwrap()
}

fn context() -> Context {
    RunContext::new(World::host("/"), "test").context(None, None, Cancel::new())
}

fn sealed(payload: &[u8]) -> Envelope {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (cx, signer) = (context(), signer(7));
    let sign = Envelope::sign(&cx, TYPE, Bytes::copy_from_slice(payload), &signer);
    runtime.block_on(sign).unwrap()
}

proptest! {
    #[test]
    fn any_bit_that_flips_makes_it_nobodys_word(payload: Vec<u8>, at in any::<proptest::sample::Index>()) {
        let envelope = sealed(&payload);
        let keys = [signer(7).public_key().clone()];
        assert_eq!(envelope.signed_by(&keys).len(), 1);
        let lengths = [payload.len(), TYPE.len(), 64];
        let mut bit = at.index(lengths.iter().sum::<usize>() * 8);
        let mut changed = envelope;
        if bit / 8 < lengths[0] {
            let mut bytes = changed.payload.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            changed.payload = bytes.into();
        } else if bit / 8 < lengths[0] + lengths[1] {
            bit -= lengths[0] * 8;
            // A type is text, so of it a whole character.
            let kept: String = TYPE.chars().enumerate().map(|(n, c)| if n == bit / 8 { 'é' } else { c }).collect();
            changed.payload_type = kept;
        } else {
            bit -= (lengths[0] + lengths[1]) * 8;
            changed.signatures[0].bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(changed.signed_by(&keys).len(), 0);
    }

    #[test]
    fn whatever_is_read_is_an_envelope_or_an_error(bytes: Vec<u8>) {
        let _ = Envelope::from_json(&bytes);
    }
}

#[tokio::test]
async fn enough_different_keys_must_have_signed() {
    let cx = context();
    let key = |seed| signer(seed).public_key().clone();
    let mut envelope = Envelope::sign(&cx, TYPE, Bytes::from_static(b"x"), &signer(1)).await.unwrap();
    let two = Verifier::new([key(1), key(2), key(1)]).unwrap().threshold(2).unwrap();
    // The same key twice is one.
    envelope.add(&cx, &signer(1)).await.unwrap();
    let error = two.verify(&envelope).unwrap_err();
    assert_eq!(error.to_string(), "it is signed by 1 of the keys that are believed, not by 2");
    envelope.add(&cx, &signer(3)).await.unwrap();
    assert!(two.verify(&envelope).is_err());
    envelope.add(&cx, &signer(2)).await.unwrap();
    two.verify(&envelope).unwrap();
    assert!(Verifier::new([]).is_err());
    for threshold in [0, 3] {
        assert!(Verifier::new([key(1), key(2), key(1)]).unwrap().threshold(threshold).is_err());
    }
}

/// A service whose key is another by now.
#[derive(Debug)]
struct Rotated(PublicKey);

#[async_trait::async_trait]
impl Signer for Rotated {
    fn public_key(&self) -> &PublicKey {
        &self.0
    }

    async fn sign(&self, cx: &Context, message: &[u8]) -> Result<Vec<u8>> {
        signer(9).sign(cx, message).await
    }
}

#[tokio::test]
async fn a_signer_that_signs_with_another_key_is_found_out() {
    let rotated = Rotated(signer(1).public_key().clone());
    let error = Envelope::sign(&context(), TYPE, Bytes::new(), &rotated).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadOutput);
}

#[test]
fn keys_are_told_by_their_kind_and_never_shown() {
    let pair = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
    let text = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        BASE64_STANDARD.encode(pair.as_ref())
    );
    let signer = crate::signer_from_pem(&Secret::from(text.as_str())).unwrap();
    assert_eq!(signer.public_key().algorithm(), KeyAlgorithm::Ed25519);
    let shown = format!("{signer:?}");
    assert!(shown.contains(&signer.public_key().key_id()) && shown.len() < 150, "{shown}");
    let public = signer.public_key();
    assert_eq!(PublicKey::from_pem(&public.to_pem()).unwrap(), *public);
    let both = format!("{}{}", public.to_pem(), specified().to_pem());
    assert_eq!(PublicKey::all_from_pem(&both).unwrap().len(), 2);
    assert!(PublicKey::from_pem(&both).is_err());
    for (text, hint) in [
        ("", "BEGIN PRIVATE KEY"),
        ("-----BEGIN EC PRIVATE KEY-----\nAA==\n-----END EC PRIVATE KEY-----\n", "pkcs8"),
        (
            "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAA==\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n",
            "encrypted",
        ),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "openssl genpkey"),
    ] {
        let error = crate::signer_from_pem(&Secret::from(text)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.report().to_string().contains(hint), "{error:?}");
    }
    for bad in ["", "x", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"] {
        assert!(PublicKey::all_from_pem(bad).is_err(), "{bad}");
    }
}
