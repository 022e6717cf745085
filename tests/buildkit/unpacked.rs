//! An image as a container would see it, and how two of them differ.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use serde_json::Value;
use shipway_core::Platform;
use shipway_oci::{FileKind, Hasher, ImageFiles, Limits, Origin, read_image};

use crate::bed::Built;

/// What is compared of an image: its files and its settings, a line each, by path or name.
#[derive(Debug)]
pub(crate) struct Unpacked {
    files: BTreeMap<String, String>,
    settings: BTreeMap<String, Value>,
}

/// The settings that are compared.
const SETTINGS: [&str; 12] = [
    "Cmd",
    "Entrypoint",
    "Env",
    "ExposedPorts",
    "Healthcheck",
    "Labels",
    "OnBuild",
    "Shell",
    "StopSignal",
    "User",
    "Volumes",
    "WorkingDir",
];

pub(crate) async fn read(built: &Built, platform: Option<&Platform>) -> Unpacked {
    let image = read_image(&built.layout, &built.digest, platform).await.unwrap();
    let layers = &image.manifest.layers;
    let files = ImageFiles::read(&built.layout, layers, Limits::default()).await.unwrap();
    let mut found = Vec::new();
    let mut left = vec![String::new()];
    while let Some(folder) = left.pop() {
        for name in files.names(&folder).unwrap().unwrap_or_default() {
            let path = format!("{folder}/{name}");
            let file = files.entry(&path).unwrap().unwrap();
            if file.kind == FileKind::Folder {
                left.push(path.clone());
            }
            found.push((path, file));
        }
    }
    let digests: Arc<Mutex<BTreeMap<Origin, String>>> = Arc::default();
    let seen = Arc::clone(&digests);
    let regular = found.iter().filter(|(_, file)| file.kind == FileKind::File).map(|(_, file)| file.clone());
    ImageFiles::extract(&built.layout, layers, regular.collect::<Vec<_>>(), move |origin, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).unwrap();
        let mut hasher = Hasher::new();
        hasher.update(&bytes);
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(20)]).into_owned();
        seen.lock().unwrap().insert(origin, format!("{text:?} {}", hasher.finish().0));
        Ok(())
    })
    .await
    .unwrap();
    let digests = digests.lock().unwrap();
    let mut names: BTreeMap<Origin, BTreeSet<&str>> = BTreeMap::new();
    for (path, file) in found.iter().filter(|(_, file)| file.kind == FileKind::File) {
        names.entry(file.origin()).or_default().insert(path);
    }
    let line = |path: &str, file: &shipway_oci::FoundFile| {
        let what = match file.kind {
            FileKind::File => digests[&file.origin()].clone(),
            FileKind::Link => files.link(path).unwrap_or_default().to_owned(),
            _ => format!("{:?}", file.device),
        };
        let others = names.get(&file.origin()).filter(|names| names.len() > 1);
        let shown = format!("{:?} {:04o} {}:{}", file.kind, file.mode, file.uid, file.gid);
        format!("{shown} {what} {:?} {others:?}", file.xattrs)
    };
    let files = found.iter().map(|(path, file)| (path.clone(), line(path, file))).collect();
    let config: Value = serde_json::from_slice(&image.config.to_json()).unwrap();
    let mut settings: BTreeMap<String, Value> =
        SETTINGS.iter().map(|name| ((*name).to_owned(), config["config"][name].clone())).collect();
    for name in ["architecture", "os", "variant", "author"] {
        settings.insert(name.to_owned(), config[name].clone());
    }
    Unpacked { files, settings }
}

/// Returns a line for each difference.
pub(crate) fn differences(ours: &Unpacked, theirs: &Unpacked) -> Vec<String> {
    let none = "nothing".to_owned();
    let paths: BTreeSet<&String> = ours.files.keys().chain(theirs.files.keys()).collect();
    let pair = |path| (path, ours.files.get(path).unwrap_or(&none), theirs.files.get(path).unwrap_or(&none));
    let files = paths.into_iter().map(pair).filter(|(_, ours, theirs)| ours != theirs);
    let files = files.map(|(path, ours, theirs)| format!("{path}: {ours}, buildkitd's is {theirs}"));
    let settings = ours.settings.iter().filter(|(name, ours)| theirs.settings[*name] != **ours);
    let settings =
        settings.map(|(name, ours)| format!("{name}: {ours}, buildkitd's is {}", theirs.settings[name]));
    files.chain(settings).collect()
}
