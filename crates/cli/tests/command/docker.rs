//! The samples with the builder that they mean: Docker's engine, whose endpoint `SHIPWAY_BED_DOCKER` names.

use std::env;

use shipway::docker::Daemon;

use crate::{
    bench::{Bench, text},
    published::{DATE_TIME, IMAGE, PROFILES, sources},
    skip::skip,
};

fn engine(test: &str) -> Option<String> {
    let endpoint = env::var("SHIPWAY_BED_DOCKER").ok().filter(|endpoint| !endpoint.is_empty());
    if endpoint.is_none() {
        skip(&format!("command::docker::{test}"), "docker");
    }
    endpoint
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_builds_the_sample_with_a_date_and_pushes_it() {
    let Some(endpoint) = engine("an_engine_builds_the_sample_with_a_date_and_pushes_it") else { return };
    let bench = Bench::new(DATE_TIME).await;
    sources(&bench, ".");
    let output = bench.run(&format!("build -d REGISTRY --docker-host {endpoint}")).await;
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let tags = bench.tags(IMAGE);
    assert!(tags.iter().any(|tag| tag.starts_with("20")), "{tags:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_profile_that_pushes_nothing_leaves_the_image_in_the_engine() {
    let Some(endpoint) = engine("the_profile_that_pushes_nothing_leaves_the_image_in_the_engine") else {
        return;
    };
    let bench = Bench::new(PROFILES).await;
    sources(&bench, "backend");
    let output = bench.run(&format!("build -p dev -d REGISTRY --docker-host {endpoint}")).await;
    let out = text(&output.stdout);
    assert!(output.status.success(), "{out}{}", text(&output.stderr));
    assert!(bench.tags(IMAGE).is_empty());
    let name = format!("{}/{IMAGE}:v1.2.3", bench.registry.host());
    let run = shipway::RunContext::new(shipway::host(bench.project()), "look");
    let cx = run.context(None, None, shipway::Cancel::new());
    let daemon = Daemon::open(&endpoint).unwrap();
    let image = daemon.image(&cx, &name).await.unwrap().unwrap_or_else(|| panic!("{out}"));
    assert!(out.contains(&format!("{IMAGE}:{}", image.id.hex())), "{out}");
    for tag in image.tags {
        daemon.untag_image(&tag).await.unwrap();
    }
}
