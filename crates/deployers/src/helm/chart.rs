//! Charts, packed: a stand-in with the interface of what reads, completes and packs them.

use std::{io::Write, path::PathBuf};

use async_trait::async_trait;
use flate2::{Compression, write::GzEncoder};
use shipway_core::{Context, EntryKind, Error, Inputs, Result, Tree};
use shipway_yaml::Node;

/// More than a chart may have.
const LIMIT: usize = 64 << 20;

/// Where a chart is.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "charts of git are got by what comes in this file's place")]
pub(crate) enum Source {
    /// A folder or an archive, below the context's root or absolute.
    Path(PathBuf),
    /// A name in a repository, or an address (`oci://…`).
    Remote { name: String, repository: Option<String>, version: Option<String> },
    /// A folder of a git repository.
    Git { url: String, reference: Option<String>, path: PathBuf },
}

/// A chart with all that it needs.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "a part of the interface")]
pub(crate) struct Chart {
    pub name: String,
    pub version: String,
    pub app_version: Option<String>,
    pub archive: bytes::Bytes,
    pub digest: String,
}

/// Who gets charts from repositories.
#[async_trait]
pub(crate) trait Pull: Sync {
    async fn pull(
        &self,
        cx: &Context,
        name: &str,
        repository: Option<&str>,
        version: Option<&str>,
    ) -> Result<Vec<u8>>;
}

/// What is otherwise in the packed chart.
#[derive(Clone, Debug, Default)]
pub(crate) struct LoadOptions {
    pub version: Option<String>,
    pub app_version: Option<String>,
    pub build_dependencies: bool,
}

impl Source {
    pub(crate) async fn inputs(&self, cx: &Context) -> Result<Inputs> {
        let _ = cx;
        Ok(match self {
            Self::Path(path) => Inputs::new().trees([Tree::new(path.clone())]),
            other => Inputs::new().facts([("chart".to_owned(), format!("{other:?}"))]),
        })
    }

    pub(crate) async fn load(&self, cx: &Context, helm: &dyn Pull, options: &LoadOptions) -> Result<Chart> {
        let _ = (&options.version, &options.app_version, options.build_dependencies);
        match self {
            Self::Path(path) => {
                let root = cx.path(path);
                cx.blocking(move |cx| pack(cx, root)).await
            }
            Self::Remote { name, repository, version } => {
                let archive = helm.pull(cx, name, repository.as_deref(), version.as_deref()).await?;
                let last = name.rsplit('/').next().unwrap_or(name).to_owned();
                let digest = shipway_oci::digest_of(&archive).to_string();
                let version = version.clone().unwrap_or_default();
                Ok(Chart { name: last, version, app_version: None, archive: archive.into(), digest })
            }
            Self::Git { url, .. } => Err(Error::unsupported(format!("the chart at `{url}`"))),
        }
    }
}

fn pack(cx: &Context, root: PathBuf) -> Result<Chart> {
    let text = cx.files().open(cx, &root, "Chart.yaml")?.read(LIMIT)?;
    let text = String::from_utf8(text).map_err(|_| Error::config("`Chart.yaml` is not UTF-8"))?;
    let documents = shipway_yaml::parse(root.join("Chart.yaml"), &text)?;
    let field = |name: &str| {
        documents.first().and_then(|one| one.root.get(name)).and_then(Node::text).map(ToOwned::to_owned)
    };
    let name = field("name").ok_or_else(|| Error::config("the chart has no `name`"))?;
    let mut tar = Vec::new();
    for entry in cx.files().walk(cx, &Tree::new(root.clone()))? {
        if entry.kind != EntryKind::File {
            continue;
        }
        let content = cx.files().open(cx, &root, &entry.path)?.read(LIMIT)?;
        let mut header = [0_u8; 512];
        let path = format!("{name}/{}", entry.path);
        header[..path.len()].copy_from_slice(path.as_bytes());
        header[100..107].copy_from_slice(b"0000644");
        header[108..115].copy_from_slice(b"0000000");
        header[116..123].copy_from_slice(b"0000000");
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[136..147].copy_from_slice(b"00000000000");
        header[156] = b'0';
        header[257..263].copy_from_slice(b"ustar\0");
        header[263..265].copy_from_slice(b"00");
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        tar.extend_from_slice(&header);
        tar.extend_from_slice(&content);
        tar.resize(tar.len().div_ceil(512) * 512, 0);
    }
    tar.resize(tar.len() + 1024, 0);
    let digest = shipway_oci::digest_of(&tar).to_string();
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    let packed = packed.write_all(&tar).and_then(|()| packed.finish());
    let archive = packed.map_err(|error| Error::internal("a chart cannot be packed").source(error))?;
    let version = field("version").unwrap_or_default();
    Ok(Chart { name, version, app_version: field("appVersion"), archive: archive.into(), digest })
}
