//! Image manifests and indexes: built, written, and read as strictly as safety needs (OCI
//! image-spec, manifest.md and image-index.md; Docker's schema 2 is read as the same).

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use shipway_core::{Digest, Error, Platform, Result};

use crate::{Descriptor, RawManifest, json, media};

/// The manifest of one image: its configuration and its layers, the lowest first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageManifest {
    /// The media type.
    pub media_type: String,
    /// What it is, if it is no container image.
    pub artifact_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, the lowest first.
    pub layers: Vec<Descriptor>,
    /// The manifest that it refers to, such as the image that it is a signature of.
    pub subject: Option<Box<Descriptor>>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

/// Several images under one digest, mostly one a platform.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageIndex {
    /// The media type.
    pub media_type: String,
    /// The manifests, which may themselves be indexes.
    pub manifests: Vec<Descriptor>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

/// A manifest of either kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnyManifest {
    /// Of one image.
    Image(ImageManifest),
    /// Of several.
    Index(ImageIndex),
}

impl ImageManifest {
    /// Returns the OCI manifest of this configuration and these layers, the lowest first.
    #[must_use]
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        let (media_type, annotations) = (media::MANIFEST.to_owned(), BTreeMap::new());
        Self { media_type, artifact_type: None, config, layers, subject: None, annotations }
    }

    /// Returns the manifest as JSON, the same bytes for the same values.
    #[must_use]
    pub fn to_json(&self) -> Bytes {
        json::to_bytes(&Document {
            schema_version: 2,
            media_type: Some(self.media_type.clone()),
            artifact_type: self.artifact_type.clone(),
            config: Some((&self.config).into()),
            layers: Some(self.layers.iter().map(Into::into).collect()),
            manifests: None,
            subject: self.subject.as_deref().map(Into::into),
            annotations: self.annotations.clone(),
        })
    }
}

impl ImageIndex {
    /// Returns the OCI index of these manifests.
    #[must_use]
    pub fn new(manifests: Vec<Descriptor>) -> Self {
        Self { media_type: media::INDEX.to_owned(), manifests, annotations: BTreeMap::new() }
    }

    /// Returns the index as JSON, the same bytes for the same values.
    #[must_use]
    pub fn to_json(&self) -> Bytes {
        json::to_bytes(&Document {
            schema_version: 2,
            media_type: Some(self.media_type.clone()),
            artifact_type: None,
            config: None,
            layers: None,
            manifests: Some(self.manifests.iter().map(Into::into).collect()),
            subject: None,
            annotations: self.annotations.clone(),
        })
    }
}

impl AnyManifest {
    /// Reads a manifest or index of OCI or Docker.
    ///
    /// # Errors
    /// `BadOutput` when it is malformed or could be read as both; `Unsupported` when it is of
    /// another kind.
    pub fn parse(raw: &RawManifest) -> Result<Self> {
        Self::from_json(&raw.media_type, &raw.bytes)
            .map_err(|error| error.note(format!("it is the manifest `{}`", raw.digest)))
    }

    /// Reads a manifest or index of this media type.
    ///
    /// # Errors
    /// As [`AnyManifest::parse`].
    pub fn from_json(media_type: &str, bytes: &[u8]) -> Result<Self> {
        if !media::is_manifest(media_type) && !media::is_index(media_type) {
            return Err(Error::unsupported(format!("`{media_type}` is not the media type of an image"))
                .hint("push it again as an OCI image"));
        }
        let document: Document = json::parse(bytes, "the manifest")?;
        let bad = |problem: &str| Err(Error::bad_output(format!("the manifest {problem}")));
        if document.schema_version != 2 {
            return bad("is not of schema version 2");
        }
        // CVE-2021-41190: what is an index to one and an image to another hides content from one.
        if document.media_type.as_deref().is_some_and(|own| own != media_type) {
            return bad(&format!("does not have the media type `{media_type}` that it came with"));
        }
        let (media_type, annotations) = (media_type.to_owned(), document.annotations);
        match (document.config, document.layers, document.manifests) {
            (Some(config), layers, None) if media::is_manifest(&media_type) => {
                let layers = layers.unwrap_or_default().into_iter().map(Into::into).collect();
                let artifact_type = document.artifact_type.filter(|own| !own.is_empty());
                let (config, subject) =
                    (config.into(), document.subject.map(|subject| Box::new(subject.into())));
                Ok(Self::Image(ImageManifest {
                    media_type,
                    artifact_type,
                    config,
                    layers,
                    subject,
                    annotations,
                }))
            }
            (None, None, Some(manifests)) if media::is_index(&media_type) => {
                let manifests = manifests.into_iter().map(Into::into).collect();
                Ok(Self::Index(ImageIndex { media_type, manifests, annotations }))
            }
            _ => bad(&format!("does not have the fields of `{media_type}`, or more than those")),
        }
    }

    /// Returns all that it points to: the configuration and layers, or the manifests.
    #[must_use]
    pub fn references(&self) -> Vec<&Descriptor> {
        match self {
            Self::Image(image) => std::iter::once(&image.config).chain(&image.layers).collect(),
            Self::Index(index) => index.manifests.iter().collect(),
        }
    }
}

/// Returns the media type that a manifest's own fields say, or `None` when it is no manifest.
pub(crate) fn own_media_type(bytes: &[u8]) -> Option<String> {
    let document: Document = json::parse(bytes, "the manifest").ok()?;
    match (document.media_type, document.config, document.manifests) {
        (Some(own), ..) => Some(own),
        (None, Some(_), None) => Some(media::MANIFEST.to_owned()),
        (None, None, Some(_)) => Some(media::INDEX.to_owned()),
        _ => None,
    }
}

/// Manifests and indexes as they are written.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    #[serde(default, deserialize_with = "json::or_none", skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<DescriptorDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<Vec<DescriptorDocument>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifests: Option<Vec<DescriptorDocument>>,
    #[serde(default, deserialize_with = "json::or_none", skip_serializing_if = "Option::is_none")]
    subject: Option<DescriptorDocument>,
    #[serde(default, deserialize_with = "json::or_null", skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

/// A descriptor as it is written.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DescriptorDocument {
    media_type: String,
    digest: Digest,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<PlatformDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    #[serde(default, deserialize_with = "json::or_null", skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct PlatformDocument {
    os: String,
    architecture: String,
    #[serde(default, deserialize_with = "json::or_null", skip_serializing_if = "String::is_empty")]
    variant: String,
}

impl From<&Descriptor> for DescriptorDocument {
    fn from(descriptor: &Descriptor) -> Self {
        Self {
            media_type: descriptor.media_type.clone(),
            digest: descriptor.digest.clone(),
            size: descriptor.size,
            platform: descriptor.platform.as_ref().map(|platform| PlatformDocument {
                os: platform.os.clone(),
                architecture: platform.architecture.clone(),
                variant: platform.variant.clone().unwrap_or_default(),
            }),
            artifact_type: descriptor.artifact_type.clone(),
            annotations: descriptor.annotations.clone(),
        }
    }
}

impl From<DescriptorDocument> for Descriptor {
    fn from(document: DescriptorDocument) -> Self {
        let mut descriptor = Self::new(document.media_type, document.digest, document.size);
        descriptor.platform =
            document.platform.map(|words| platform(words.os, words.architecture, words.variant));
        descriptor.artifact_type = document.artifact_type.filter(|own| !own.is_empty());
        descriptor.annotations = document.annotations;
        descriptor
    }
}

/// Returns the platform; an empty variant is none.
pub(crate) fn platform(os: String, architecture: String, variant: String) -> Platform {
    let mut platform = Platform::new(os, architecture);
    platform.variant = Some(variant).filter(|variant| !variant.is_empty());
    platform
}

#[cfg(test)]
mod tests {
    use shipway_core::ErrorKind;

    use super::*;
    use crate::digest_of;

    fn descriptor(media_type: &str) -> Descriptor {
        Descriptor::new(media_type, digest_of(media_type.as_bytes()), 7)
    }

    #[test]
    fn manifests_and_indexes_are_read_as_they_were_written() {
        let mut manifest = ImageManifest::new(descriptor(media::CONFIG), vec![descriptor(media::LAYER_GZIP)]);
        manifest.annotations.insert("b".to_owned(), "1".to_owned());
        manifest.annotations.insert("a".to_owned(), "2".to_owned());
        let bytes = manifest.to_json();
        assert!(bytes.starts_with(br#"{"annotations":{"a":"2","b":"1"},"config":{"digest":"sha256:"#));
        assert_eq!(own_media_type(&bytes).as_deref(), Some(media::MANIFEST));
        let read = AnyManifest::from_json(media::MANIFEST, &bytes).unwrap();
        assert_eq!(read.references().len(), 2);
        assert_eq!(read, AnyManifest::Image(manifest));

        let mut arm = descriptor(media::MANIFEST);
        arm.platform = Some("linux/arm/v7".parse().unwrap());
        let index = ImageIndex::new(vec![arm, descriptor(media::INDEX)]);
        let read = AnyManifest::from_json(media::INDEX, &index.to_json()).unwrap();
        assert_eq!(read, AnyManifest::Index(index));
    }

    #[test]
    fn nulls_unknown_fields_and_a_missing_media_type_are_fine() {
        let digest = digest_of(b"");
        let bytes = format!(
            r#"{{"schemaVersion":2,"annotations":null,"subject":{{}},"manifests":[
                {{"mediaType":"x","digest":"{digest}","size":1,"urls":[],
                  "platform":{{"os":"windows","architecture":"amd64","os.version":"10"}}}}]}}"#
        );
        assert_eq!(own_media_type(bytes.as_bytes()).as_deref(), Some(media::INDEX));
        let AnyManifest::Index(index) =
            AnyManifest::from_json(media::DOCKER_INDEX, bytes.as_bytes()).unwrap()
        else {
            panic!("an index");
        };
        assert_eq!(index.manifests[0].platform, Some(Platform::new("windows", "amd64")));
    }

    #[test]
    fn hostile_manifests_are_refused() {
        let digest = digest_of(b"");
        let one = format!(r#"{{"mediaType":"x","digest":"{digest}","size":1}}"#);
        let (bad, unsupported) = (ErrorKind::BadOutput, ErrorKind::Unsupported);
        for (media_type, text, kind) in [
            (media::MANIFEST, format!(r#"{{"schemaVersion":2,"config":{one},"manifests":[]}}"#), bad),
            (media::INDEX, format!(r#"{{"schemaVersion":2,"config":{one},"layers":[]}}"#), bad),
            (media::MANIFEST, r#"{"schemaVersion":2,"manifests":[]}"#.to_owned(), bad),
            (
                media::INDEX,
                format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[]}}"#, media::MANIFEST),
                bad,
            ),
            (media::MANIFEST, r#"{"schemaVersion":1,"fsLayers":[]}"#.to_owned(), bad),
            (
                media::MANIFEST,
                format!(r#"{{"schemaVersion":2,"config":{}}}"#, one.replace(":1}", ":-1}")),
                bad,
            ),
            (
                media::MANIFEST,
                format!(r#"{{"schemaVersion":2,"config":{}}}"#, one.replace("sha256", "../x")),
                bad,
            ),
            (media::MANIFEST, "[".repeat(1000), bad),
            (media::MANIFEST, String::new(), bad),
            ("application/vnd.docker.distribution.manifest.v1+prettyjws", "{}".to_owned(), unsupported),
        ] {
            let error = AnyManifest::from_json(media_type, text.as_bytes()).expect_err(&text);
            assert_eq!(error.kind(), kind, "{text}: {error:?}");
        }
    }
}
