//! The images that a build begins with or copies from, each opened once and its files read once.

use std::{collections::BTreeMap, sync::Arc};

use shipway_core::{BuildRequest, Context, Location, Platform, Result};
use shipway_oci::{Distribution, ImageFiles, InspectedImage, Limits, Stores};

use super::{
    NativeConfig,
    base::{self, BaseName},
    tree::{ImageTree, Tree},
};

/// The images that were opened, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Images {
    opened: Vec<OpenImage>,
    numbers: BTreeMap<(String, String), usize>,
}

/// An image and the repository that it comes from.
#[derive(Debug)]
pub(super) struct OpenImage {
    pub(super) image: InspectedImage,
    pub(super) from: Box<dyn Distribution>,
    tree: Option<Arc<ImageTree>>,
}

impl Images {
    pub(super) fn opened(&self, number: usize) -> &OpenImage {
        &self.opened[number]
    }

    /// Opens the image of this name for a platform, and returns its number; `None` is `scratch`.
    #[expect(clippy::too_many_arguments, reason = "what a name means hangs on all of these")]
    pub(super) async fn open(
        &mut self,
        cx: &Context,
        stores: &Stores,
        request: &BuildRequest,
        options: &NativeConfig,
        name: &str,
        at: Option<&Location>,
        wanted: Option<&Platform>,
    ) -> Result<Option<usize>> {
        let platform = wanted.map(ToString::to_string).unwrap_or_default();
        if let Some(number) = self.numbers.get(&(name.to_owned(), platform.clone())) {
            return Ok(Some(*number));
        }
        let here = |error: shipway_core::Error| match at {
            Some(at) => super::error_at(error, at),
            None => error,
        };
        let place = BaseName::new(name, &request.artifact, options).and_then(|name| name.place(request));
        let Some((store, repository, label)) = place.map_err(here)? else { return Ok(None) };
        let from = stores.open(cx, &store, &repository).map_err(here)?;
        let image = base::read(from.as_ref(), name, &label, wanted).await.map_err(here)?;
        let number = self.opened.len();
        self.opened.push(OpenImage { image, from, tree: None });
        self.numbers.insert((name.to_owned(), platform), number);
        Ok(Some(number))
    }

    /// Returns the files of an image.
    pub(super) async fn tree(&mut self, number: usize) -> Result<Tree> {
        let open = &mut self.opened[number];
        let tree = match &open.tree {
            Some(tree) => Arc::clone(tree),
            None => {
                let layers = &open.image.manifest.layers;
                let files = ImageFiles::read(open.from.as_ref(), layers, Limits::default()).await?;
                Arc::clone(open.tree.insert(Arc::new(ImageTree { image: number, files })))
            }
        };
        Ok(Tree::of_image(tree))
    }
}
