//! Real parts: Docker and containerd, which pull what the native builder made, from every registry and by
//! a layout, and run it.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "the test looks at the real disk")]
#![expect(clippy::print_stdout, reason = "who runs the test alone sees that it was skipped")]

mod built;
mod engine;
mod needs;
mod program;
#[path = "../support/skip.rs"]
mod skip;

use std::{process::Command, sync::Arc};

use serde_json::json;
use shipway_core::{HostDisk, Images, Platform, Store, Tag, Target};
use shipway_oci::{Registry, Stores};

use crate::{
    built::{Sources, reference, unlike},
    engine::{Access, Containerd, Docker},
    program::run,
};

/// Builds an image upon the bed's busybox into a registry, and returns its sources and reference.
async fn built(registry: &str, bed: &str) -> (Sources, String) {
    let sources = Sources::new(registry);
    let repository = format!("{registry}/{}", unlike("engines/web"));
    let base = format!("{bed}/bases/busybox:local");
    sources.build(Store::Registry, &repository, &Platform::linux_here(), &base).await;
    (sources, reference(&repository))
}

async fn docker_runs(docker: &Docker, sources: &Sources, image: &str) {
    docker.pull(image).await;
    assert_eq!(docker.run(image, &[]).await, sources.expected("by default").await);
    assert_eq!(docker.run(image, &["two", "words"]).await, sources.expected("two words").await);
}

async fn containerd_runs(containerd: &Containerd, sources: &Sources, image: &str, access: Access<'_>) {
    containerd.pull(image, access).await;
    assert_eq!(containerd.run(image, &[]).await, sources.expected("by default").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_runs_what_a_registry_holds() {
    let test = "engines::docker_runs_what_a_registry_holds";
    let (Some(docker), Some(registry)) = (Docker::find(test), needs::bed("REGISTRY", test)) else { return };
    let (sources, image) = built(&registry, &registry).await;
    docker_runs(&docker, &sources, &image).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn containerd_runs_what_a_registry_holds() {
    let test = "engines::containerd_runs_what_a_registry_holds";
    let (Some(containerd), Some(registry)) = (Containerd::find(test), needs::bed("REGISTRY", test)) else {
        return;
    };
    let (sources, image) = built(&registry, &registry).await;
    containerd_runs(&containerd, &sources, &image, Access::Plain).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_runs_what_a_registry_with_a_login_holds() {
    let test = "engines::docker_runs_what_a_registry_with_a_login_holds";
    let (Some(docker), Some(bed)) = (Docker::find(test), needs::bed("REGISTRY", test)) else { return };
    let Some(registry) = needs::bed("REGISTRY_AUTH", test) else { return };
    let (sources, image) = built(&registry, &bed).await;
    docker_runs(&docker, &sources, &image).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn containerd_runs_what_a_registry_with_a_login_holds() {
    let test = "engines::containerd_runs_what_a_registry_with_a_login_holds";
    let (Some(containerd), Some(bed)) = (Containerd::find(test), needs::bed("REGISTRY", test)) else {
        return;
    };
    let Some(registry) = needs::bed("REGISTRY_AUTH", test) else { return };
    let (sources, image) = built(&registry, &bed).await;
    containerd_runs(&containerd, &sources, &image, Access::Login).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_runs_what_our_registry_holds() {
    let test = "engines::docker_runs_what_our_registry_holds";
    let (Some(docker), Some(bed)) = (Docker::find(test), needs::bed("REGISTRY", test)) else { return };
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::start(folder.path(), Arc::new(HostDisk)).await.unwrap();
    let (sources, image) = built(&registry.host().to_string(), &bed).await;
    docker_runs(&docker, &sources, &image).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn containerd_runs_what_our_registry_holds() {
    let test = "engines::containerd_runs_what_our_registry_holds";
    let (Some(containerd), Some(bed)) = (Containerd::find(test), needs::bed("REGISTRY", test)) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::start(folder.path(), Arc::new(HostDisk)).await.unwrap();
    let (sources, image) = built(&registry.host().to_string(), &bed).await;
    containerd_runs(&containerd, &sources, &image, Access::Plain).await;
}

/// Builds into the plain registry and has skopeo carry the image to the one with TLS.
async fn behind_tls(test: &str) -> Option<(Sources, String, String)> {
    let (registry, tls) = (needs::bed("REGISTRY", test)?, needs::bed("REGISTRY_TLS", test)?);
    let authority = needs::bed("CA", test)?;
    let (sources, image) = built(&registry, &registry).await;
    let carried = image.replace(&registry, &tls);
    let certificates = sources.path("certificates");
    std::fs::create_dir(&certificates).unwrap();
    std::fs::copy(&authority, certificates.join("ca.crt")).unwrap();
    let mut skopeo = skopeo();
    skopeo.args(["copy", "--src-tls-verify=false", "--dest-cert-dir"]).arg(certificates);
    skopeo.args([format!("docker://{image}"), format!("docker://{carried}")]);
    run(skopeo).await;
    Some((sources, carried, authority))
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_runs_what_a_registry_with_tls_holds() {
    let test = "engines::docker_runs_what_a_registry_with_tls_holds";
    let Some(docker) = Docker::find(test) else { return };
    let Some((sources, image, _)) = behind_tls(test).await else { return };
    docker_runs(&docker, &sources, &image).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn containerd_runs_what_a_registry_with_tls_holds() {
    let test = "engines::containerd_runs_what_a_registry_with_tls_holds";
    let Some(containerd) = Containerd::find(test) else { return };
    let Some((sources, image, authority)) = behind_tls(test).await else { return };
    containerd_runs(&containerd, &sources, &image, Access::Authority(&authority)).await;
}

/// Joins an image for this machine and one for another into an index in the bed's registry.
async fn index(registry: &str) -> (Sources, String) {
    let sources = Sources::new(registry);
    let repository = format!("{registry}/{}", unlike("engines/index"));
    let here = Platform::linux_here();
    let other = if here.architecture == "arm64" { "amd64" } else { "arm64" };
    let base = format!("{registry}/bases/busybox:local");
    let mut images = Vec::new();
    // The one that does not run here stands first: an engine that took any would take this.
    for (platform, base) in [(Platform::new("linux", other), "scratch"), (here, base.as_str())] {
        images.push(sources.build(Store::Registry, &repository, &platform, base).await);
    }
    let target = Target::new(Store::Registry, repository.clone(), Tag::parse("joined").unwrap());
    Stores::new().join(&sources.context, &images, &target).await.unwrap();
    (sources, format!("{repository}:joined"))
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_takes_its_platform_of_an_index() {
    let test = "engines::docker_takes_its_platform_of_an_index";
    let (Some(docker), Some(registry)) = (Docker::find(test), needs::bed("REGISTRY", test)) else { return };
    let (sources, image) = index(&registry).await;
    docker_runs(&docker, &sources, &image).await;
    assert_eq!(docker.inspect(&image).await["Architecture"], Platform::linux_here().architecture);
}

#[tokio::test(flavor = "multi_thread")]
async fn containerd_takes_its_platform_of_an_index() {
    let test = "engines::containerd_takes_its_platform_of_an_index";
    let (Some(containerd), Some(registry)) = (Containerd::find(test), needs::bed("REGISTRY", test)) else {
        return;
    };
    let (sources, image) = index(&registry).await;
    containerd_runs(&containerd, &sources, &image, Access::Plain).await;
}

/// Builds into a layout and returns skopeo's name of the image in it.
async fn layout(registry: &str) -> (Sources, String) {
    let sources = Sources::new(registry);
    let folder = sources.path("layout");
    let base = format!("{registry}/bases/busybox:local");
    sources.build(Store::Layout(folder.clone()), "layout", &Platform::linux_here(), &base).await;
    let name = reference(&format!("oci:{}", folder.display()));
    (sources, name)
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_runs_what_skopeo_loads_from_a_layout() {
    let test = "engines::docker_runs_what_skopeo_loads_from_a_layout";
    let (Some(docker), Some(registry)) = (Docker::find(test), needs::bed("REGISTRY", test)) else { return };
    let Some(endpoint) = needs::bed("DOCKER", test) else { return };
    let (sources, from) = layout(&registry).await;
    let image = reference(&format!("example.org/{}", unlike("engines")));
    let mut load = skopeo();
    load.args(["copy", "--dest-daemon-host", &endpoint, &from, &format!("docker-daemon:{image}")]);
    run(load).await;
    assert_eq!(docker.run(&image, &[]).await, sources.expected("by default").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn containerd_runs_what_skopeo_archives_from_a_layout() {
    let test = "engines::containerd_runs_what_skopeo_archives_from_a_layout";
    let (Some(containerd), Some(registry)) = (Containerd::find(test), needs::bed("REGISTRY", test)) else {
        return;
    };
    let (sources, from) = layout(&registry).await;
    let image = reference(&format!("example.org/{}", unlike("engines")));
    let archive = sources.path("image.tar");
    let mut pack = skopeo();
    pack.args(["copy", &from, &format!("oci-archive:{}:{image}", archive.display())]);
    run(pack).await;
    containerd.import(&archive).await;
    assert_eq!(containerd.run(&image, &[]).await, sources.expected("by default").await);
}

/// What a shell sees of the bed's base `odd` below a layer of ours: what its upper layer hides is gone,
/// hard links are one file, and no owner or mode is another.
const ODD: &str = "\
0:0 755 directory /odd
0:0 777 symbolic link /odd/absolute
0:0 644 regular file /odd/attributes
0:0 755 regular file /odd/capable
0:0 755 directory /odd/dangling
0:0 644 regular file /odd/dangling/file
0:0 644 fifo /odd/fifo
0:0 644 regular file /odd/first
0:0 700 directory /odd/opaque
0:0 644 regular file /odd/opaque/above
0:0 644 regular file /odd/ours
65534:65534 600 regular file /odd/owned
0:0 644 regular file /odd/second
0:0 2755 regular file /odd/setgid
0:0 4755 regular file /odd/setuid
0:0 777 directory /odd/volume
one file
";

const LIST: &str = "find /odd ! -name 'long-*' | sort | xargs stat -c '%u:%g %a %F %n'
    [ /odd/first -ef /odd/second ] && echo one file";

/// Builds upon the bed's base `odd` into the bed's registry.
async fn upon_odd(registry: &str) -> String {
    let sources = Sources::new(registry);
    let repository = format!("{registry}/{}", unlike("engines/odd"));
    let dockerfile =
        format!("FROM {registry}/bases/odd:local\nUSER 0\nCOPY --chmod=644 data/small /odd/ours\n");
    sources.build_from(Store::Registry, &repository, &Platform::linux_here(), &dockerfile).await;
    reference(&repository)
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_sees_an_odd_base_below_our_layer() {
    let test = "engines::docker_sees_an_odd_base_below_our_layer";
    let (Some(docker), Some(registry)) = (Docker::find(test), needs::bed("REGISTRY", test)) else { return };
    let image = upon_odd(&registry).await;
    docker.pull(&image).await;
    assert_eq!(docker.run(&image, &["sh", "-c", LIST]).await, ODD);
    let config = &docker.inspect(&image).await["Config"];
    assert_eq!((&config["WorkingDir"], &config["Labels"]["odd"]), (&json!("/odd"), &json!("yes")));
    assert_eq!(config["ExposedPorts"], json!({"8080/tcp": {}}));
}

#[tokio::test(flavor = "multi_thread")]
async fn containerd_sees_an_odd_base_below_our_layer() {
    let test = "engines::containerd_sees_an_odd_base_below_our_layer";
    let (Some(containerd), Some(registry)) = (Containerd::find(test), needs::bed("REGISTRY", test)) else {
        return;
    };
    let image = upon_odd(&registry).await;
    containerd.pull(&image, Access::Plain).await;
    assert_eq!(containerd.run(&image, &["sh", "-c", LIST]).await, ODD);
}

/// skopeo, which the bed cannot be up without.
fn skopeo() -> Command {
    let program = std::env::var_os("SHIPWAY_SKOPEO").unwrap_or_else(|| "skopeo".into());
    let mut skopeo = Command::new(program);
    // Whose signatures are trusted is the machine's matter, not the test's.
    skopeo.arg("--insecure-policy");
    skopeo
}
