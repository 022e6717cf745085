//! Texts rather than images: tags of a repository's commit, manifests, and what means no good.

use std::{fs, path::Path};

use shipway::{
    Artifact, Cancel, Digest, Image, Manifests, Release, Result, RunContext, Store, TagRequest,
    cluster::MemoryCluster,
    deployers::{Environment, Gitops, Memory},
    taggers::{GitCommit, Variant},
};

/// How many images the manifests name in turn.
const IMAGES: usize = 50;

/// Tags artifacts, of which each is a numbered folder of a repository.
pub(crate) fn tags(folder: &Path, count: usize) {
    let tagger = GitCommit::new(Variant::Tags);
    let cx = RunContext::new(shipway::host(folder), "tags").context(None, None, Cancel::new());
    let tags = async {
        for index in 0..count {
            let request = TagRequest::new(Artifact::new(format!("a{index}"), index.to_string()));
            shipway::Tagger::tag(&tagger, &cx, &request).await.expect("a tag");
        }
    };
    tokio::runtime::Runtime::new().expect("a runtime").block_on(tags);
}

/// Renders a file of manifests with the images of a release, and writes them to another.
pub(crate) fn manifests(template: &Path, output: &Path) {
    let rendered = render(template).expect("rendered");
    assert!(!rendered.objects.is_empty(), "no manifests");
    let texts: Vec<&str> = rendered.objects.iter().map(|manifest| &*manifest.text).collect();
    fs::write(output, texts.join("---\n")).expect("written");
}

/// Renders a file that is refused, or means less than it seems to.
pub(crate) fn hostile(template: &Path) {
    match render(template) {
        Ok(manifests) => assert!(manifests.objects.is_empty(), "no bomb"),
        Err(error) => eprintln!("{error}"),
    }
}

fn render(template: &Path) -> Result<Manifests> {
    let digest = Digest::parse(format!("sha256:{}", "a".repeat(64)))?;
    let image = |index| {
        let repository = format!("registry.example/app-{index}");
        Image::new(format!("app-{index}"), Store::Registry, repository, digest.clone())
    };
    let release = Release::new("bench").images((0..IMAGES).map(image).collect::<Vec<_>>());
    let memory = Memory::new(MemoryCluster::new());
    let gitops =
        Gitops::new(std::sync::Arc::new(memory), Environment::folder("nowhere")).templates([template]);
    let cx = RunContext::new(shipway::host("/"), "manifests").context(None, None, Cancel::new());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(shipway::Deployer::render(&gitops, &cx, &release))
}
