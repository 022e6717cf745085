//! Whole pipelines whose images stay in the engine of the bed.

use std::{collections::BTreeSet, fs, sync::Arc};

use shipway_builders::{Docker, DockerConfig};
use shipway_core::{
    Artifact, Build, Cancel, Driver, Outcome, Pipeline, Platform, Report, Store, TagRequest, Tagger,
};
use shipway_oci::{Stores, read_image};

use crate::bed::{Bed, registry, unlike};

/// Tags with a name that is the same in every run.
#[derive(Debug)]
struct Fixed;

#[async_trait::async_trait]
impl Tagger for Fixed {
    fn needs_fingerprint(&self) -> bool {
        false
    }

    async fn tag(
        &self,
        _cx: &shipway_core::Context,
        _request: &TagRequest,
    ) -> shipway_core::Result<shipway_core::Tag> {
        shipway_core::Tag::parse("people")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_built_is_reused_by_its_id_and_built_again_when_it_is_gone() {
    let Some(bed) = Bed::find("what_is_built_is_reused_by_its_id_and_built_again_when_it_is_gone") else {
        return;
    };
    let base = bed.base().await;
    let sources = bed.folder.path();
    for (path, text) in [
        ("base/Dockerfile", format!("FROM {}\nCOPY a /a\n", base.name)),
        ("base/a", "a".to_owned()),
        ("web/Dockerfile", "ARG BASE\nFROM $BASE\nCOPY b /b\n".to_owned()),
        ("web/b", "b".to_owned()),
    ] {
        fs::create_dir_all(sources.join(path).parent().unwrap()).unwrap();
        fs::write(sources.join(path), text).unwrap();
    }
    let name = unlike("test/pipeline");
    let build = |artifact: Artifact| {
        let docker =
            Docker::new(DockerConfig::default().endpoint(bed.endpoint.clone()).buildkit(false)).unwrap();
        let repository = format!("{name}-{}", artifact.name);
        Build::new(artifact, repository, Arc::new(docker)).tagger(Arc::new(Fixed)).stores([bed.store()])
    };
    let requires = [("BASE".to_owned(), "base".to_owned())];
    let pipeline = Pipeline::new("pages")
        .build(build(Artifact::new("base", "base")))
        .build(build(Artifact::new("web", "web").requires(requires)));
    let driver = Driver::new(bed.world());
    let run = async || driver.run(&pipeline, &Cancel::new()).await.unwrap().into_result().unwrap();
    let built =
        |report: &Report| ["base", "web"].map(|name| report.task(&format!("build:{name}")).cloned().unwrap());

    let first = run().await;
    assert_eq!(built(&first), [Outcome::Succeeded, Outcome::Succeeded]);
    let web = first.image("web").unwrap();
    assert_eq!(web.reference(), format!("{name}-web:{}", web.digest.hex()), "named by its id");
    let second = run().await;
    assert_eq!(built(&second), [Outcome::Reused, Outcome::Reused]);
    let people = format!("{name}-web:people");
    assert_eq!(bed.daemon.image(&bed.context(), &people).await.unwrap().unwrap().id, web.digest);

    fs::write(sources.join("web/b"), "changed").unwrap();
    let third = run().await;
    assert_eq!(built(&third), [Outcome::Reused, Outcome::Succeeded]);
    let known = bed.daemon.image(&bed.context(), third.image("base").unwrap().digest.as_str()).await.unwrap();
    for tag in known.unwrap().tags {
        bed.daemon.untag_image(&tag).await.unwrap();
    }
    let fourth = run().await;
    assert_eq!(built(&fourth)[0], Outcome::Succeeded, "an image that is gone is built again");
    for name in ["base", "web"] {
        for report in [&first, &third, &fourth] {
            let image =
                bed.daemon.image(&bed.context(), report.image(name).unwrap().digest.as_str()).await.unwrap();
            for tag in image.into_iter().flat_map(|image| image.tags) {
                bed.daemon.untag_image(&tag).await.unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn platforms_are_built_one_by_one_and_joined_in_a_registry() {
    let Some(bed) = Bed::find("platforms_are_built_one_by_one_and_joined_in_a_registry") else { return };
    let sources = bed.folder.path();
    fs::create_dir(sources.join("web")).unwrap();
    fs::write(sources.join("web/Dockerfile"), "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /here\n")
        .unwrap();
    let platforms = ["linux/amd64", "linux/arm64"];
    for platform in ["amd64", "arm64"] {
        fs::write(sources.join("web").join(platform), platform).unwrap();
    }
    let docker = Docker::new(DockerConfig::default().endpoint(bed.endpoint.clone()).buildkit(true)).unwrap();
    let artifact = Artifact::new("web", "web").platforms(platforms.map(|name| name.parse().unwrap()));
    let repository = format!("{}/{}", registry(), unlike("test/platforms"));
    let pipeline = Pipeline::new("pages").build(Build::new(artifact, repository, Arc::new(docker)));
    let driver = Driver::new(bed.world());
    let report = driver.run(&pipeline, &Cancel::new()).await.unwrap().into_result().unwrap();
    let image = report.image("web").unwrap();
    let found = bed.world().images.find(&bed.context(), &Store::Registry, &image.reference()).await.unwrap();
    let found: Vec<String> = found.unwrap().platforms.iter().map(ToString::to_string).collect();
    assert_eq!(found, platforms);
    // Each is what its platform's sources are.
    let cx = bed.context();
    let there = Stores::new().open(&cx, &Store::Registry, &image.repository).unwrap();
    let mut layers = BTreeSet::new();
    for platform in platforms {
        let wanted: Platform = platform.parse().unwrap();
        let read = read_image(there.as_ref(), &image.digest, Some(&wanted)).await.unwrap();
        assert_eq!(read.config.platform, wanted);
        layers.insert(read.config.diff_ids.clone());
    }
    assert_eq!(layers.len(), 2);
}
