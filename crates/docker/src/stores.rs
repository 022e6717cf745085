//! The door to images over engines, registries and layouts.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use shipway_core::{Context, Digest, Error, Image, Images, Result, Store, Tag, Target};
use shipway_oci::Stores;

use crate::{Daemon, load::load, save::save};

/// Images in engines, registries and layouts: [`Stores`], and [`Store::Daemon`] besides.
///
/// In an engine an image is known by its id, and has the tag `repository:<id>` beside the tag that was
/// asked for, so that [`Image::reference`] names it for good. What is copied into an engine is loaded as
/// it comes, with layers as they are; what is copied out of one is compressed and gets a new digest.
///
/// ```
/// use shipway_core::World;
/// use shipway_docker::DaemonStores;
/// use shipway_oci::Stores;
///
/// let world = World::host("/src").images(DaemonStores::new(Stores::new()));
/// # drop(world);
/// ```
#[derive(Clone, Debug, Default)]
pub struct DaemonStores {
    stores: Stores,
    /// Engines that were opened, so that what was agreed with them is kept.
    daemons: Arc<Mutex<BTreeMap<String, Daemon>>>,
}

impl DaemonStores {
    /// Returns the door; nothing is connected before it is used.
    #[must_use]
    pub fn new(stores: Stores) -> Self {
        Self { stores, daemons: Arc::default() }
    }

    fn daemon(&self, endpoint: &str) -> Result<Daemon> {
        let mut daemons = self.daemons.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(daemon) = daemons.get(endpoint) {
            return Ok(daemon.clone());
        }
        let daemon = Daemon::open(endpoint)?;
        daemons.insert(endpoint.to_owned(), daemon.clone());
        Ok(daemon)
    }
}

#[async_trait]
impl Images for DaemonStores {
    async fn find(&self, cx: &Context, store: &Store, reference: &str) -> Result<Option<Image>> {
        let Store::Daemon(endpoint) = store else { return self.stores.find(cx, store, reference).await };
        let named = Named::parse(reference)?;
        let daemon = self.daemon(endpoint)?;
        let Some(there) = daemon.image(cx, &named.lookup()).await? else { return Ok(None) };
        if named.id.as_ref().is_some_and(|id| *id != there.id) {
            return Ok(None);
        }
        Ok(Some(
            Image::new(reference, store.clone(), named.repository, there.id)
                .tag(named.tag)
                .platforms([there.platform]),
        ))
    }

    async fn copy(&self, cx: &Context, image: &Image, to: &Target) -> Result<Image> {
        match (&image.store, &to.store) {
            (Store::Daemon(from), Store::Daemon(endpoint)) if from == endpoint => {
                self.daemon(from)?.name_image(cx, &image.name, &image.digest, to).await
            }
            (Store::Daemon(_), Store::Daemon(_)) => {
                Err(Error::unsupported("an image cannot be copied from one engine to another")
                    .hint("copy it to a registry or a layout, and from there"))
            }
            (Store::Daemon(from), _) => {
                let target = self.stores.open(cx, &to.store, &to.repository)?;
                let saved = save(cx, &self.daemon(from)?, image, target.into(), &to.tag).await?;
                let name = image.name.as_str();
                Ok(Image::new(name, to.store.clone(), to.repository.as_str(), saved.digest)
                    .tag(to.tag.clone())
                    .platforms([saved.platform]))
            }
            (_, Store::Daemon(endpoint)) => {
                let source = self.stores.open(cx, &image.store, &image.repository)?;
                let daemon = self.daemon(endpoint)?;
                let there = load(cx, &daemon, image, source.into()).await?;
                daemon.name_image(cx, &image.name, &there.id, to).await
            }
            _ => self.stores.copy(cx, image, to).await,
        }
    }

    async fn join(&self, cx: &Context, images: &[Image], to: &Target) -> Result<Image> {
        if matches!(to.store, Store::Daemon(_)) {
            return Err(
                Error::unsupported("an engine holds no indexes").hint("join the images in a registry")
            );
        }
        self.stores.join(cx, images, to).await
    }
}

impl Daemon {
    /// Gives an image of this engine its names, first the one that never moves and then the tag, and
    /// returns it under `name`.
    ///
    /// # Errors
    /// `NotFound` when there is no such image.
    pub async fn name_image(&self, cx: &Context, name: &str, id: &Digest, to: &Target) -> Result<Image> {
        let image = self.image(cx, id.as_str()).await?.ok_or_else(|| gone(id.as_str()))?;
        let fixed = Tag::parse(image.id.hex())?;
        for tag in [&fixed, &to.tag] {
            self.tag_image(cx, image.id.as_str(), &to.repository, tag).await?;
        }
        Ok(Image::new(name, to.store.clone(), to.repository.as_str(), image.id)
            .tag(to.tag.clone())
            .platforms([image.platform]))
    }
}

fn gone(reference: &str) -> Error {
    Error::not_found(format!("there is no image `{reference}`"))
        .note("it was looked for in the engine")
        .hint("it was removed meanwhile; build it again")
}

/// A reference in an engine: `repository:tag`, `repository:<id>`, or an id alone.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    repository: String,
    tag: Option<Tag>,
    id: Option<Digest>,
}

impl Named {
    fn parse(reference: &str) -> Result<Self> {
        if let Ok(id) = Digest::parse(reference) {
            return Ok(Self { repository: String::new(), tag: None, id: Some(id) });
        }
        if reference.contains('@') {
            return Err(Error::config(format!("`{reference}` names an image by its digest in a registry"))
                .hint("an image in an engine is `repository:tag` or `repository:<id>`"));
        }
        let (repository, tag) = match reference.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, tag),
            _ => (reference, "latest"),
        };
        let tag = Tag::parse(tag)?;
        // A tag of this form is the id: one that means another image means none.
        let id = Digest::parse(format!("sha256:{tag}")).ok();
        Ok(Self { repository: repository.to_owned(), tag: Some(tag).filter(|_| id.is_none()), id })
    }

    /// Returns what the engine is asked for.
    fn lookup(&self) -> String {
        match (&self.tag, &self.id) {
            (Some(tag), _) => format!("{}:{tag}", self.repository),
            (None, Some(id)) if self.repository.is_empty() => id.to_string(),
            (None, id) => format!("{}:{}", self.repository, id.as_ref().map_or("latest", Digest::hex)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_a_tag_or_an_id() {
        let hex = "a".repeat(64);
        for (reference, lookup, has_id) in [
            ("web".to_owned(), "web:latest".to_owned(), false),
            ("h:5000/web:1".to_owned(), "h:5000/web:1".to_owned(), false),
            ("h:5000/web".to_owned(), "h:5000/web:latest".to_owned(), false),
            (format!("web:{hex}"), format!("web:{hex}"), true),
            (format!("sha256:{hex}"), format!("sha256:{hex}"), true),
        ] {
            let named = Named::parse(&reference).unwrap();
            assert_eq!((named.lookup(), named.id.is_some()), (lookup, has_id), "{reference}");
        }
        for bad in ["web:", "web:a b", &format!("web@sha256:{hex}")] {
            assert!(Named::parse(bad).is_err(), "{bad}");
        }
    }
}
