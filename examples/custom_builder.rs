//! A builder of your own: `Pages` puts the text files of a folder into an image, without a Dockerfile.
//!
//! A plug-in is a type with a trait: it says what it can do, what its result depends on, and makes it.
//! Hashing, caching, tags and retries are not its business, and the context is its only door.

use std::{io::Write, sync::Arc};

use async_trait::async_trait;
use shipway::oci::{Compression, History, ImageConfig, LayerEntry, Stores, write_image, write_layer};
use shipway::*;

/// Makes an image of text files.
#[derive(Debug, Default)]
pub(crate) struct Pages(Stores);

/// What counts: every text file below the artifact's context.
fn texts(artifact: &Artifact) -> Tree {
    Tree::new(artifact.context.clone()).ignore(["*".to_owned(), "!**/*.txt".to_owned()])
}

#[async_trait]
impl Builder for Pages {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new().version("pages 1").writes([StoreKind::Registry, StoreKind::Layout])
    }

    async fn inputs(&self, _cx: &Context, artifact: &Artifact) -> Result<Inputs> {
        Ok(Inputs::new().trees([texts(artifact)]))
    }

    async fn build(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        let BuildRequest { artifact, target, .. } = request;
        let platform = match &artifact.platforms[..] {
            [_, _, ..] => return Err(Error::unsupported("pages are made for one platform at a time")),
            asked => asked.first().cloned().unwrap_or_else(Platform::linux_here),
        };
        let tree = texts(artifact);
        let found = cx.blocking(move |cx| cx.files().walk(cx, &tree)).await?;
        let pages = found.into_iter().filter(|entry| entry.kind == EntryKind::File);
        let entry = |page: Entry| {
            LayerEntry::file(page.path.replace('/', "-"), &*artifact.context, page.path, page.size)
        };
        // The layer is read, packed, hashed and sent to the target in one pass.
        let into = self.0.open(cx, &target.store, &target.repository)?;
        let layer =
            write_layer(cx, pages.map(entry).collect(), Compression::default())?.write_to(&*into).await?;
        let mut config = ImageConfig::new(platform);
        config.add_layer(layer.diff_id.clone(), History::new("pages"));
        let digest = write_image(&*into, &config, vec![layer.descriptor()], Some(&target.tag)).await?;
        Ok(Image::new(&*artifact.name, target.store.clone(), &*target.repository, digest)
            .tag(target.tag.clone()))
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let build = Build::new(Artifact::new("pages", "examples/pages"), "pages", Arc::new(Pages::default()));
    let pipeline = Pipeline::new("pages").build(build.stores([Store::Layout(folder.path().into())]));
    let report =
        Driver::new(shipway::host(env!("CARGO_MANIFEST_DIR"))).run(&pipeline, &Cancel::new()).await?;
    write!(std::io::stdout(), "{report}")?;
    report.into_result()?;
    Ok(())
}
