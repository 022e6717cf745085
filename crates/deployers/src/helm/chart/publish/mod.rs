//! A packed chart, and where it can be published: in a registry, in a folder that is a repository of charts, and at a
//! server with ChartMuseum's interface.

mod index;
mod oci;
mod upload;

use std::path::Path;

use bytes::Bytes;
use shipway_core::{Context, Result};

use super::{
    archive,
    metadata::Metadata,
    pulled::Nobody,
    source::{Chart, LoadOptions, Source},
};

/// A chart of helm as an archive with all that it depends on.
///
/// The same folder gives the same archive, byte for byte, whoever packs it and when. To publish what is there already
/// changes nothing; another chart under the same name and version is a `Conflict`, unless [`replace`](Self::replace)
/// says otherwise.
///
/// ```
/// # use shipway_core::{Cancel, RunContext, World};
/// use std::path::Path;
/// use shipway_deployers::HelmChart;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> shipway_core::Result<()> {
/// # let folder = tempfile::tempdir().expect("a folder");
/// # let chart = folder.path().join("web");
/// # std::fs::create_dir(&chart).expect("made");
/// # std::fs::write(chart.join("Chart.yaml"), "apiVersion: v2\nname: web\nversion: 0.1.0\n").expect("written");
/// # let cx = RunContext::new(World::host(folder.path()), "run").context(None, None, Cancel::new());
/// let chart = HelmChart::pack(&cx, Path::new("web"), Some("1.2.3"), None).await?;
/// assert_eq!((chart.name(), chart.version()), ("web", "1.2.3"));
/// chart.publish(&cx, Path::new("charts")).await?;
/// # assert!(folder.path().join("charts/index.yaml").exists());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HelmChart {
    chart: Chart,
    metadata: Metadata,
    replace: bool,
}

impl HelmChart {
    /// Packs a chart's folder, or takes an archive, with another version of it and of its application if they are
    /// given.
    ///
    /// What it depends on is packed from folders beside it (`file://…`), or is in its `charts/`.
    ///
    /// # Errors
    /// `NotFound` when there is nothing at the path; `Config` for what is wrong in the chart's folder, with file, line
    /// and column where it is in a file; `BadOutput` for an archive that is not taken; `Unsupported` when it depends on
    /// what must be pulled.
    pub async fn pack(
        cx: &Context,
        path: &Path,
        version: Option<&str>,
        app_version: Option<&str>,
    ) -> Result<Self> {
        let options = LoadOptions {
            version: version.map(str::to_owned),
            app_version: app_version.map(str::to_owned),
            build_dependencies: true,
        };
        let chart = Source::Path(path.to_owned()).load(cx, &Nobody, &options).await?;
        cx.blocking(move |_| Self::from_archive(&chart.name, chart.archive)).await
    }

    /// Returns the chart of an archive, which is checked and else stays as it is; `name` is what it is called in
    /// messages.
    ///
    /// # Errors
    /// As [`pack`](Self::pack).
    pub fn from_archive(name: &str, archive: Bytes) -> Result<Self> {
        let (metadata, _) = archive::read(name, &archive)?;
        let chart = Chart::new(&metadata, archive);
        Ok(Self { chart, metadata, replace: false })
    }

    /// Sets whether another chart that was published under the same name and version is replaced; no by default.
    #[must_use]
    pub fn replace(mut self, replace: bool) -> Self {
        self.replace = replace;
        self
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.chart.name
    }

    /// Returns the version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.chart.version
    }

    /// Returns the version of the application in it, if the chart says one.
    #[must_use]
    pub fn app_version(&self) -> Option<&str> {
        self.chart.app_version.as_deref()
    }

    /// Returns the archive, a `.tgz`.
    #[must_use]
    pub fn archive(&self) -> &Bytes {
        &self.chart.archive
    }

    /// Returns the archive's digest, `sha256:…`.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.chart.digest
    }

    /// Returns the archive's name as a file: `NAME-VERSION.tgz`.
    #[must_use]
    pub fn file_name(&self) -> String {
        self.metadata.file_name()
    }
}
