//! The stores behind one door.

use std::sync::Arc;

use async_trait::async_trait;
use shipway_core::{Context, Digest, Error, Image, Images, Platform, Result, Store, Tag, Target};

use super::{copy::copy, join::join};
use crate::{AnyManifest, Client, Distribution, Label, Layout, Reference};

/// Images in registries and layouts.
///
/// ```
/// use shipway_core::World;
/// use shipway_oci::Stores;
///
/// let world = World::host("/src").images(Stores::new());
/// # drop(world);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Stores {
    client: Client,
}

impl Stores {
    /// Returns the door; nothing is read or connected before it is used.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the door with a client of the embedder's choice.
    #[must_use]
    pub fn with_client(client: Client) -> Self {
        Self { client }
    }

    /// Opens a repository of a store, to read from it or to write straight into it; does no IO.
    ///
    /// A layout holds one repository, whatever name it is given.
    ///
    /// # Errors
    /// `Config` when it is not the name of a repository; `Unsupported` for a daemon.
    pub fn open(&self, cx: &Context, store: &Store, repository: &str) -> Result<Box<dyn Distribution>> {
        match store {
            Store::Registry => Ok(Box::new(self.client.repository(cx, repository)?)),
            Store::Layout(path) => Ok(Box::new(Layout::new(Arc::clone(cx.disk()), cx.path(path)))),
            _ => Err(Error::unsupported(format!("a {:?} is no store of blobs", store.kind()).to_lowercase())
                .hint("use a registry or a layout")),
        }
    }
}

#[async_trait]
impl Images for Stores {
    async fn find(&self, cx: &Context, store: &Store, reference: &str) -> Result<Option<Image>> {
        let (repository, label) = match store {
            Store::Layout(_) => read_in_layout(reference)?,
            _ => {
                let reference: Reference = reference.parse()?;
                (reference.repository(), reference.label())
            }
        };
        let Some(raw) = self.open(cx, store, &repository)?.manifest(&label).await? else { return Ok(None) };
        let platforms = match AnyManifest::parse(&raw)? {
            AnyManifest::Index(index) => index.manifests.into_iter().filter_map(|one| one.platform).collect(),
            // It is in the configuration, which whoever needs it can read.
            AnyManifest::Image(_) => Vec::new(),
        };
        let tag = match label {
            Label::Tag(tag) => Some(tag),
            Label::Digest(_) => None,
        };
        // BuildKit's attestations are manifests for `unknown/unknown`.
        let platforms: Vec<Platform> =
            platforms.into_iter().filter(|platform: &Platform| platform.os != "unknown").collect();
        let image = Image::new(reference, store.clone(), repository, raw.digest);
        Ok(Some(image.tag(tag).platforms(platforms)))
    }

    async fn copy(&self, cx: &Context, image: &Image, to: &Target) -> Result<Image> {
        let source = self.open(cx, &image.store, &image.repository)?;
        let target = self.open(cx, &to.store, &to.repository)?;
        if same_place(image, to) {
            let raw = source.manifest(&Label::Digest(image.digest.clone())).await?;
            let raw = raw.ok_or_else(|| gone(image))?;
            target.write_manifest(&raw.media_type, raw.bytes, Some(&to.tag)).await?;
        } else {
            copy(cx, image, source.into(), target.into(), &to.tag).await?;
        }
        Ok(Image::new(image.name.as_str(), to.store.clone(), to.repository.as_str(), image.digest.clone())
            .tag(to.tag.clone())
            .platforms(image.platforms.clone()))
    }

    async fn join(&self, cx: &Context, images: &[Image], to: &Target) -> Result<Image> {
        let Some(first) = images.first() else {
            return Err(Error::config("there are no images to join"));
        };
        if let Some(other) = images.iter().find(|image| !same_place(image, to)) {
            return Err(Error::config(format!(
                "cannot join `{}` into `{}`",
                other.reference(),
                to.reference()
            ))
            .hint("copy the images into the target's repository first"));
        }
        let place = self.open(cx, &to.store, &to.repository)?;
        let (digest, platforms) = join(place.as_ref(), images, &to.tag).await?;
        Ok(Image::new(first.name.as_str(), to.store.clone(), to.repository.as_str(), digest)
            .tag(to.tag.clone())
            .platforms(platforms))
    }
}

/// Returns the error for an image that is not where it is said to be.
pub(super) fn gone(image: &Image) -> Error {
    Error::not_found(format!("there is no image `{}`", image.reference()))
        .hint("it was removed meanwhile; build it again")
}

fn same_place(image: &Image, to: &Target) -> bool {
    // A layout is one repository under any name.
    image.store == to.store && (image.repository == to.repository || matches!(to.store, Store::Layout(_)))
}

/// Reads a reference to an image in a layout: a repository's name, which says nothing there, and a tag
/// or a digest, either of which will do alone.
fn read_in_layout(reference: &str) -> Result<(String, Label)> {
    let (name, digest) = match reference.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None if Digest::parse(reference).is_ok() => ("", Some(reference)),
        None => (reference, None),
    };
    let (repository, tag) = match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ if digest.is_some() => (name, ""),
        _ => ("", name),
    };
    let label = match digest {
        Some(digest) => Label::Digest(Digest::parse(digest)?),
        None => Label::Tag(Tag::parse(tag).map_err(|error| {
            error.hint("in a layout a reference is a tag, a digest, or a name and one of them")
        })?),
    };
    Ok((repository.to_owned(), label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_in_layouts_may_be_a_tag_or_a_digest_alone() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let pinned = Label::Digest(Digest::parse(digest.clone()).expect("a digest"));
        let tag = |tag: &str| Label::Tag(Tag::parse(tag).expect("a tag"));
        for (reference, repository, label) in [
            ("1.0".to_owned(), "", tag("1.0")),
            ("web:1.0".to_owned(), "web", tag("1.0")),
            ("h.example:5000/web:1.0".to_owned(), "h.example:5000/web", tag("1.0")),
            (digest.clone(), "", pinned.clone()),
            (format!("web@{digest}"), "web", pinned.clone()),
            (format!("web:1.0@{digest}"), "web", pinned),
        ] {
            assert_eq!(read_in_layout(&reference).expect(&reference), (repository.to_owned(), label));
        }
        for reference in ["", "a/b", "web:", "web@sha256:abc", "h.example:5000/web"] {
            assert!(read_in_layout(reference).is_err(), "{reference}");
        }
    }
}
