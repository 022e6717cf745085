//! Lists of what refers to a manifest, where nobody keeps them for us: indexes under a tag that the manifest's digest
//! decides (OCI distribution-spec, "Referrers Tag Schema").

use bytes::Bytes;
use serde_json::{Value, json};
use shipway_core::{Digest, Error, Result, Tag};

use crate::{Descriptor, ImageManifest, digest_of, json, manifest::DescriptorDocument, media};

/// The most entries of a list: far more than anybody says about an image, and few enough to be looked at.
pub(crate) const MOST: usize = 2_000;

/// Returns the tag of a manifest's list.
pub(crate) fn tag_of(subject: &Digest) -> Tag {
    let hex = &subject.hex()[..subject.hex().len().min(64)];
    Tag::parse(format!("{}-{hex}", subject.algorithm())).expect("made by the grammar")
}

/// Returns what a manifest refers to, and how it is listed there.
pub(crate) fn of_manifest(manifest: &ImageManifest) -> Result<(Digest, Descriptor)> {
    let Some(subject) = &manifest.subject else {
        return Err(Error::config("a manifest without a subject refers to nothing"));
    };
    let bytes = manifest.to_json();
    let mut referrer = Descriptor::new(&manifest.media_type, digest_of(&bytes), bytes.len() as u64);
    // "If the artifactType is empty or missing in the image manifest, the value of artifactType MUST be set to the
    // config descriptor mediaType value."
    referrer.artifact_type = manifest.artifact_type.clone().or(Some(manifest.config.media_type.clone()));
    referrer.annotations = manifest.annotations.clone();
    Ok((subject.digest.clone(), referrer))
}

/// Returns the entries of a list.
pub(crate) fn entries(index: &[u8]) -> Result<Vec<Descriptor>> {
    let index: Value = json::parse(index, "the list of referrers")?;
    let listed = manifests(&index)?.iter().map(|entry| {
        let entry: DescriptorDocument = serde_json::from_value(entry.clone()).map_err(|error| {
            Error::bad_output("an entry of the list of referrers is not valid").source(error)
        })?;
        Ok(entry.into())
    });
    listed.collect()
}

/// Returns those of one artifact type, if it is given.
pub(crate) fn of_type(mut listed: Vec<Descriptor>, artifact_type: Option<&str>) -> Vec<Descriptor> {
    listed.retain(|entry| artifact_type.is_none() || entry.artifact_type.as_deref() == artifact_type);
    listed
}

/// Returns the list with one more entry; `None` when it is there. What others wrote stays as it is.
pub(crate) fn with(index: Option<&[u8]>, referrer: &Descriptor) -> Result<Option<Bytes>> {
    let mut index: Value = match index {
        Some(index) => json::parse(index, "the list of referrers")?,
        None => json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": [] }),
    };
    let same = |entry: &Value| entry.get("digest").and_then(Value::as_str) == Some(referrer.digest.as_str());
    let listed = manifests(&index)?;
    if listed.iter().any(same) {
        return Ok(None);
    }
    if listed.len() >= MOST {
        return Err(too_many());
    }
    let entry = serde_json::to_value(DescriptorDocument::from(referrer)).expect("plain data with text keys");
    if let Some(listed) = index.get_mut("manifests").and_then(Value::as_array_mut) {
        listed.push(entry);
    }
    Ok(Some(json::to_bytes(&index)))
}

pub(crate) fn too_many() -> Error {
    Error::bad_output(format!("more than {MOST} manifests refer to one"))
        .hint("remove from the registry what nobody needs")
}

fn manifests(index: &Value) -> Result<&Vec<Value>> {
    let listed = index.get("manifests").and_then(Value::as_array);
    listed.ok_or_else(|| Error::bad_output("the list of referrers has no `manifests`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_under_a_tag_of_its_manifests_digest() {
        let digest = digest_of(b"");
        assert_eq!(tag_of(&digest).as_str(), format!("sha256-{}", digest.hex()));
        let long = Digest::parse(format!("sha512:{}", "ab".repeat(64))).unwrap();
        assert_eq!(tag_of(&long).as_str(), format!("sha512-{}", "ab".repeat(32)));
    }

    #[test]
    fn an_entry_is_added_once_and_what_others_wrote_stays() {
        let subject = Descriptor::new(media::MANIFEST, digest_of(b"image"), 5);
        let mut manifest = ImageManifest::new(Descriptor::new(media::EMPTY, digest_of(b"{}"), 2), Vec::new());
        assert!(of_manifest(&manifest).is_err(), "it has no subject");
        manifest.subject = Some(Box::new(subject.clone()));
        let (of, referrer) = of_manifest(&manifest).unwrap();
        assert_eq!((of, referrer.artifact_type.as_deref()), (subject.digest, Some(media::EMPTY)));
        let theirs = br#"{"schemaVersion":2,"manifests":[{"mediaType":"x","digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000","size":1,"urls":["u"]}]}"#;
        let more = with(Some(theirs), &referrer).unwrap().expect("added");
        assert!(String::from_utf8_lossy(&more).contains(r#""urls":["u"]"#));
        assert_eq!(entries(&more).unwrap()[1], referrer);
        let ours = of_type(entries(&more).unwrap(), Some(media::EMPTY));
        assert_eq!(ours, std::slice::from_ref(&referrer));
        assert_eq!(with(Some(&more), &referrer).unwrap(), None);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for bad in [&b"{}"[..], b"[]", br#"{"manifests":{}}"#, br#"{"manifests":[{"digest":"../x"}]}"#] {
            assert!(entries(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
