//! Charts in registries, as helm puts them there (pkg/registry): the archive is a layer, and the configuration is what
//! `Chart.yaml` says.

use std::{collections::BTreeMap, io::Cursor};

use bytes::Bytes;
use shipway_core::{Context, Digest, Error, Result, Tag};
use shipway_oci::{
    AnyManifest, Client, Descriptor, Distribution as _, ImageManifest, Label, RawManifest, RemoteRepository,
    created_at, digest_of,
};

use super::{super::json::go_json, HelmChart};

const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
const LAYER: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

impl HelmChart {
    /// Pushes the chart to a registry, below `oci://host[:port]/path` as the repository of its own name and with its
    /// version as the tag, where a `+` is written `_`; returns the manifest's digest.
    ///
    /// What is there already is not sent again, and then nothing is written.
    ///
    /// # Errors
    /// `Config` when the place is none; `Conflict` when there is another chart of this version; those of the registry.
    pub async fn push_oci(&self, cx: &Context, client: &Client, place: &str) -> Result<Digest> {
        let Some(above) = place.strip_prefix("oci://") else {
            return Err(Error::config("the place of a chart in a registry begins with `oci://`")
                .hint("write `oci://host/path`; the chart's name is added to it"));
        };
        let repository =
            client.repository(cx, &format!("{}/{}", above.trim_end_matches('/'), self.name()))?;
        let tag = Tag::parse(self.version().replace('+', "_"))?;
        if let Some(found) = repository.manifest(&Label::Tag(tag.clone())).await? {
            if self.is_at(&found) {
                return Ok(found.digest);
            }
            if !self.replace {
                return Err(Error::conflict(format!(
                    "`{place}/{}:{tag}` is another chart, `{}`",
                    self.name(),
                    found.digest
                ))
                .hint("give this one another version, or let it replace the other"));
            }
        }
        let config = Bytes::from(go_json(&self.metadata));
        let config = self.write(&repository, CONFIG, config).await?;
        let layer = self.write(&repository, LAYER, self.archive().clone()).await?;
        let mut manifest = ImageManifest::new(config, vec![layer]);
        manifest.annotations = self.annotations(&created_at(cx.clock().now().0 / 1000));
        repository.write_manifest(&manifest.media_type, manifest.to_json(), Some(&tag)).await
    }

    /// Whether a manifest is of this very archive.
    fn is_at(&self, found: &RawManifest) -> bool {
        match AnyManifest::parse(found) {
            Ok(AnyManifest::Image(image)) => {
                let layer = image.layers.iter().find(|layer| layer.media_type == LAYER);
                image.config.media_type == CONFIG
                    && layer.is_some_and(|layer| layer.digest.as_str() == self.digest())
            }
            _ => false,
        }
    }

    async fn write(&self, to: &RemoteRepository, media_type: &str, content: Bytes) -> Result<Descriptor> {
        let descriptor = Descriptor::new(media_type, digest_of(&content), content.len() as u64);
        to.write_blob(&descriptor, Box::pin(Cursor::new(content))).await?;
        Ok(descriptor)
    }

    /// Returns the manifest's annotations (pkg/registry, `generateOCIAnnotations`): those of the chart's own that do
    /// not say its name or version, over what the chart says of itself.
    fn annotations(&self, created: &str) -> BTreeMap<String, String> {
        let metadata = &self.metadata;
        let maintainers = metadata.maintainers.iter().map(|one| match one.email.is_empty() {
            true => one.name.to_string(),
            false => format!("{} ({})", one.name, one.email),
        });
        let authors = maintainers.collect::<Vec<_>>().join(", ");
        let source = metadata.sources.first().map_or("", |source| source);
        let own = [
            ("description", &*metadata.description),
            ("title", &metadata.name),
            ("version", &metadata.version),
            ("url", &metadata.home),
            ("created", created),
            ("source", source),
            ("authors", &authors),
        ];
        let own = own.into_iter().filter(|(_, text)| !text.trim().is_empty());
        let mut annotations: BTreeMap<String, String> =
            own.map(|(key, text)| (format!("org.opencontainers.image.{key}"), text.to_owned())).collect();
        for (key, text) in &metadata.annotations {
            let is_fixed = ["version", "title"]
                .iter()
                .any(|fixed| key.strip_prefix("org.opencontainers.image.").is_some_and(|key| key == *fixed));
            if !is_fixed {
                annotations.insert(key.clone(), text.to_string());
            }
        }
        annotations
    }
}
