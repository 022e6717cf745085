//! One file of many is changed: how long the next build takes that has the pieces of the last one, beside a build
//! that has nothing, and beside the layer's bytes alone, sent in one request.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use shipway::{
    Cancel, Digest, Result, RunContext, Tag,
    oci::{AnyManifest, Client, Distribution, Label},
};
use tokio::io::AsyncReadExt as _;

use crate::raw::{self, Connection, digest};

/// Returns what each of these took in seconds, the builds as processes, and the most memory of the last one in KiB.
/// The folder of the cache must be new.
pub(crate) fn run(
    host: &str,
    repository: &str,
    sources: &Path,
    level: &str,
    cache: &Path,
) -> [(&'static str, f64); 5] {
    let build = |name: &str, cache: Option<&Path>| {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.args(["push", host, &format!("{repository}/{name}")]).arg(sources).args([level, "1"]);
        let start = Instant::now();
        let output = command.args(cache).output().expect("it runs");
        let took = start.elapsed().as_secs_f64();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let peak: f64 = String::from_utf8_lossy(&output.stdout).trim().parse().expect("its memory");
        (took, peak)
    };
    let (cold, _) = build("cold", None);
    let (keeping, _) = build("keeping", Some(cache));
    let path = any_file(&sources.join("files")).expect("a file");
    let content = fs::read(&path).expect("the file");
    fs::write(&path, [content.as_slice(), b"changed"].concat()).expect("written");
    let (changed, peak) = build("changed", Some(cache));
    build("same", None);
    fs::write(&path, content).expect("written");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let pushed = |name: &str| runtime.block_on(pushed(host, &format!("{repository}/{name}/0")));
    let (image, layer) = pushed("changed").expect("it was pushed");
    assert_eq!(pushed("same").expect("it was pushed").0, image, "the same with and without what was kept");
    let start = Instant::now();
    Connection::to(host).push_as(&format!("{repository}/raw"), &digest(&layer), &[&layer]);
    let sent = start.elapsed().as_secs_f64();
    [
        ("cold", cold),
        ("cold, pieces kept", keeping),
        ("one file changed", changed),
        ("its layer sent", sent),
        ("KiB at most", peak),
    ]
}

/// Returns the file in the middle of the first folder that has files.
fn any_file(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let files: Vec<&PathBuf> = paths.iter().filter(|path| path.is_file()).collect();
    match files.get(files.len() / 2) {
        Some(file) => Some((*file).clone()),
        None => paths.iter().find_map(|path| any_file(path)),
    }
}

/// Returns the digest and the layer of the only image of a repository.
async fn pushed(host: &str, repository: &str) -> Result<(Digest, Vec<u8>)> {
    let tags = raw::get(host, &format!("/v2/{repository}/tags/list"));
    let tag = tags.split('"').find(|text| text.starts_with("shipway-")).expect("a tag");
    let cx = RunContext::new(shipway::host("/"), "pushed").context(None, None, Cancel::new());
    let repository = Client::new().repository(&cx, &format!("{host}/{repository}"))?;
    let raw = repository.manifest(&Label::Tag(Tag::parse(tag)?)).await?.expect("it is there");
    let AnyManifest::Image(manifest) = AnyManifest::parse(&raw)? else { panic!("one image") };
    let mut layer = Vec::new();
    let mut content = repository.read_blob(&manifest.layers[0]).await?;
    content.read_to_end(&mut layer).await.expect("all of it");
    Ok((raw.digest, layer))
}
