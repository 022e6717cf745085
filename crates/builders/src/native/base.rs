//! The images that another is built upon or copies from: which one a name means, and what it is.

use std::path::PathBuf;

use shipway_core::{Artifact, BuildRequest, Digest, Error, ForeignImage, Platform, Result, Store, Tag};
use shipway_oci::{Distribution, InspectedImage, Label, Reference, read_image, same_platform};

use super::NativeConfig;

/// What `FROM`, `COPY --from` or `base` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BaseName {
    Scratch,
    /// A required artifact, by its alias.
    Required(String),
    /// An image that is not the pipeline's own.
    Foreign(Foreign),
}

/// An image in a store that is not the pipeline's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Foreign {
    pub(super) store: Store,
    repository: String,
    label: Label,
    reference: String,
}

impl BaseName {
    /// Finds out what a name means: nothing, a required artifact, a named layout, or a reference.
    pub(super) fn new(name: &str, artifact: &Artifact, options: &NativeConfig) -> Result<Self> {
        if name == "scratch" {
            return Ok(Self::Scratch);
        }
        if artifact.requires.contains_key(name) {
            return Ok(Self::Required(name.to_owned()));
        }
        if let Some(layout) = options.contexts.get(name) {
            return named_layout(name, layout).map(Self::Foreign);
        }
        let reference: Reference = name.parse()?;
        Ok(Self::Foreign(Foreign {
            store: Store::Registry,
            repository: reference.repository(),
            label: reference.label(),
            reference: reference.to_string(),
        }))
    }

    /// Returns the image that core is to watch; those of required artifacts it knows itself.
    pub(super) fn foreign(&self) -> Option<ForeignImage> {
        match self {
            Self::Foreign(foreign) => {
                Some(ForeignImage::new(foreign.store.clone(), foreign.reference.as_str()))
            }
            Self::Scratch | Self::Required(_) => None,
        }
    }

    /// Returns the store, the repository and the label of the image; `None` for none.
    pub(super) fn place(&self, request: &BuildRequest) -> Result<Option<(Store, String, Label)>> {
        Ok(match self {
            Self::Scratch => None,
            Self::Required(alias) => {
                let image = request.requires.get(alias).ok_or_else(|| {
                    Error::internal(format!("the build was not given the required image `{alias}`"))
                })?;
                Some((image.store.clone(), image.repository.clone(), Label::Digest(image.digest.clone())))
            }
            Self::Foreign(Foreign { store, repository, label, .. }) => {
                Some((store.clone(), repository.clone(), label.clone()))
            }
        })
    }
}

/// Reads `[oci-layout://]path[:tag][@digest]`.
fn named_layout(name: &str, layout: &str) -> Result<Foreign> {
    let path = layout.strip_prefix("oci-layout://").unwrap_or(layout);
    let (path, digest) = match path.split_once('@') {
        Some((path, digest)) => (path, Some(Digest::parse(digest)?)),
        None => (path, None),
    };
    let (path, tag) = match path.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Tag::parse(tag)?),
        _ => (path, Tag::parse("latest")?),
    };
    if path.is_empty() {
        return Err(Error::config(format!("the context `{name}` names no folder"))
            .hint("write the path of an OCI image layout, such as `base-image:latest`"));
    }
    let (label, suffix) = match digest {
        Some(digest) => (Label::Digest(digest.clone()), format!("@{digest}")),
        None => (Label::Tag(tag.clone()), format!(":{tag}")),
    };
    // A layout holds one repository, whatever it is called.
    let repository = path.trim_end_matches('/').rsplit('/').next().unwrap_or("base").to_owned();
    let reference = format!("{repository}{suffix}");
    Ok(Foreign { store: Store::Layout(PathBuf::from(path)), repository, label, reference })
}

/// Reads the image for a platform; if none is wanted, for Linux on this machine.
pub(super) async fn read(
    from: &dyn Distribution,
    name: &str,
    label: &Label,
    wanted: Option<&Platform>,
) -> Result<InspectedImage> {
    let digest = match label {
        Label::Digest(digest) => digest.clone(),
        Label::Tag(tag) => {
            let found = from.manifest(label).await?;
            let missing = || {
                Error::not_found(format!("there is no image `{name}`"))
                    .note(format!("its repository has no tag `{tag}`"))
                    .hint("check the name, or push the image first")
            };
            found.ok_or_else(missing)?.digest
        }
    };
    let image = read_image(from, &digest, wanted)
        .await
        .map_err(|error| error.note(format!("it is the image `{name}`")))?;
    // What the Dockerfile makes of `TARGETARCH` is decided, so that any other base would contradict it.
    let (here, own) = (Platform::linux_here(), &image.config.platform);
    if wanted.is_none() && !same_platform(&here, &Platform::new(own.os.as_str(), own.architecture.as_str())) {
        return Err(Error::config(format!(
            "the image `{name}` is for `{own}`, and the build is for `{here}`"
        ))
        .hint(format!(
            "take a base that is for `{here}` too, or ask for `{own}` in the artifact's `platforms`"
        )));
    }
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_nothing_an_artifact_a_layout_or_a_reference() {
        let mut artifact = Artifact::new("web", "web");
        artifact.requires.insert("base".to_owned(), "base-image".to_owned());
        let options = NativeConfig::default().context("lib", "oci-layout://images/lib:v2").context("x", "/y");
        let name = |text: &str| BaseName::new(text, &artifact, &options).expect(text);
        assert_eq!(name("scratch"), BaseName::Scratch);
        assert_eq!(name("base"), BaseName::Required("base".to_owned()));
        let foreign = |text: &str| name(text).foreign().expect("foreign");
        assert_eq!(foreign("lib"), ForeignImage::new(Store::Layout("images/lib".into()), "lib:v2"));
        assert_eq!(foreign("x"), ForeignImage::new(Store::Layout("/y".into()), "y:latest"));
        assert_eq!(foreign("localhost:5000/a:1"), ForeignImage::new(Store::Registry, "localhost:5000/a:1"));
        assert_eq!((name("scratch").foreign(), name("base").foreign()), (None, None));
        assert!(BaseName::new("Not/A:Name:", &artifact, &options).is_err());
        assert!(named_layout("a", ":x").is_err());
    }
}
