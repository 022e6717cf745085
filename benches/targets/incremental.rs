//! One file of many is changed: how long the next build takes that has the pieces of the last one, beside a build
//! that has nothing, and beside the layer's bytes alone, sent in one request.

use std::{fs, path::Path, sync::Arc, time::Instant};

use shipway::{
    Artifact, Build, Cancel, Context, DiskCache, Driver, HostDisk, Image, Pipeline, Result, RunContext,
    World,
    builders::{LayerCompression, Native, NativeConfig},
    oci::{AnyManifest, Client, Distribution, Label},
};
use tokio::{io::AsyncReadExt as _, runtime::Runtime};

use crate::raw::{Connection, digest};

/// Returns what each of these took in seconds, and in KiB the most memory of them. The folder of the cache must be new.
pub(crate) fn run(
    host: &str,
    repository: &str,
    sources: &Path,
    how: LayerCompression,
    cache: &Path,
) -> [(&'static str, f64); 5] {
    let options = NativeConfig::default().compression(how);
    let native = Arc::new(Native::new(options).expect("there is such a level"));
    let runtime = Runtime::new().expect("a runtime");
    let kept = || shipway::host(sources).cache(DiskCache::new(Arc::new(HostDisk), cache));
    let build = |world: World, name: &str| {
        let start = Instant::now();
        let (artifact, builder) = (Artifact::new("a", "."), Arc::clone(&native));
        let build = Build::new(artifact, format!("{host}/{repository}/{name}"), builder);
        // A new one each time, which remembers nothing by itself.
        let report = runtime
            .block_on(Driver::new(world).run(&Pipeline::new("bench").build(build), &Cancel::new()))
            .expect("a report");
        let took = start.elapsed();
        let report = report.into_result().expect("it is pushed");
        (report.image("a").expect("an image").clone(), took)
    };
    let (_, cold) = build(shipway::host(sources), "cold");
    let (_, keeping) = build(kept(), "keeping");
    let path = any_file(&sources.join("files")).expect("a file");
    let content = fs::read(&path).expect("the file");
    fs::write(&path, [content.as_slice(), b"changed"].concat()).expect("written");
    let (image, changed) = build(kept(), "changed");
    let (same, _) = build(shipway::host(sources), "again");
    fs::write(&path, content).expect("written");
    assert_eq!(image.digest, same.digest, "the same image with and without what was kept");
    let memory = crate::peak();
    let layer = runtime.block_on(layer(sources, &image)).expect("its layer");
    let start = Instant::now();
    Connection::to(host).push_as(&format!("{repository}/raw"), &digest(&layer), &[&layer]);
    let sent = start.elapsed();
    let [cold, keeping, changed, sent] = [cold, keeping, changed, sent].map(|took| took.as_secs_f64());
    [
        ("cold", cold),
        ("cold, pieces kept", keeping),
        ("one file changed", changed),
        ("its layer sent", sent),
        ("KiB at most", memory as f64),
    ]
}

/// Returns the file in the middle of the first folder that has files.
fn any_file(folder: &Path) -> Option<std::path::PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let files: Vec<_> = paths.iter().filter(|path| path.is_file()).collect();
    match files.get(files.len() / 2) {
        Some(file) => Some((*file).clone()),
        None => paths.iter().find_map(|path| any_file(path)),
    }
}

async fn layer(sources: &Path, image: &Image) -> Result<Vec<u8>> {
    let cx: Context = RunContext::new(shipway::host(sources), "layer").context(None, None, Cancel::new());
    let repository = Client::default().repository(&cx, &image.repository)?;
    let manifest = repository.manifest(&Label::Digest(image.digest.clone())).await?.expect("it is there");
    let AnyManifest::Image(manifest) = AnyManifest::parse(&manifest)? else { panic!("one image") };
    let mut bytes = Vec::new();
    let mut content = repository.read_blob(&manifest.layers[0]).await?;
    content.read_to_end(&mut bytes).await.expect("all of it");
    Ok(bytes)
}
