//! A folder with charts, and a context.

use std::{
    collections::BTreeMap,
    fs,
    io::{Cursor, Read as _},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use shipway_core::{
    Cancel, Clock, Context, FixedCredentials, HostDisk, Result, RunContext, SystemClock, Timestamp, World,
};
use shipway_deployers::HelmChart;
use shipway_oci::{Archive, Limits, TarKind};
use tempfile::TempDir;

pub(crate) struct Stage {
    pub(crate) folder: TempDir,
    pub(crate) cx: Context,
}

/// The machine's clock, on one day: a lock may be kept for a moment by the copy of this process that becomes helm, so
/// that who waits must really wait.
#[derive(Debug)]
struct Today(SystemClock);

#[async_trait]
impl Clock for Today {
    fn now(&self) -> Timestamp {
        Timestamp(1_767_225_600_000)
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.sleep(duration).await;
    }
}

impl Stage {
    /// Returns a folder with these files; the text of a link begins with `-> `.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        Self::with(files, FixedCredentials::new())
    }

    pub(crate) fn with(files: &[(&str, &str)], credentials: FixedCredentials) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let world = World::host(folder.path())
            .disk(HostDisk)
            .clock(Today(SystemClock::new()))
            .credentials(credentials);
        let cx = RunContext::new(world, "run").context(None, None, Cancel::new());
        let stage = Self { folder, cx };
        files.iter().for_each(|(path, text)| stage.write(path, text));
        stage
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let (place, text) = (self.path(path), text.as_ref());
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        match std::str::from_utf8(text).ok().and_then(|text| text.strip_prefix("-> ")) {
            Some(link) => symlink(link, place).unwrap(),
            None => fs::write(place, text).unwrap(),
        }
    }

    pub(crate) fn read(&self, path: &str) -> String {
        String::from_utf8(fs::read(self.path(path)).unwrap()).unwrap()
    }

    pub(crate) async fn pack(&self, path: &str) -> Result<HelmChart> {
        HelmChart::pack(&self.cx, Path::new(path), None, None).await
    }

    /// Packs a chart of this version with one template.
    pub(crate) async fn chart(&self, name: &str, version: &str) -> HelmChart {
        let folder = format!("made/{name}");
        self.write(&format!("{folder}/Chart.yaml"), chart(name, "0.0.1"));
        self.write(&format!("{folder}/templates/map.yaml"), MAP);
        HelmChart::pack(&self.cx, Path::new(&folder), Some(version), None).await.unwrap()
    }
}

/// A template that says which chart it is of.
pub(crate) const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Chart.Name }}\n\
    data:\n  version: {{ .Chart.Version | quote }}\n  app: {{ .Chart.AppVersion | quote }}\n";

pub(crate) fn chart(name: &str, version: &str) -> String {
    format!("apiVersion: v2\nname: {name}\nversion: {version}\ndescription: of {name}\n")
}

/// Returns the files in an archive, those of archives of charts in it as if they were folders.
pub(crate) fn files(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut tar = Archive::open(Cursor::new(archive.to_vec()), Limits::default()).unwrap();
    let mut files = BTreeMap::new();
    while let Some(entry) = tar.next_entry().unwrap() {
        assert_eq!(entry.kind, TarKind::File, "{}", entry.path);
        let mut data = Vec::new();
        tar.read_to_end(&mut data).unwrap();
        let (folder, name) = entry.path.rsplit_once('/').unwrap();
        if folder.ends_with("charts") && name.ends_with(".tgz") {
            let nested = self::files(&data);
            files.extend(nested.into_iter().map(|(path, data)| (format!("{folder}/{path}"), data)));
        } else {
            files.insert(entry.path, data);
        }
    }
    files
}
