//! Images where they are looked for: in the bed's registry, in its engines, and on its node.

use std::path::Path;

use super::{Bed, bases, builders, kubernetes, parts, steps::Step, up::Made};
use crate::{Result, tools::quietly};

/// Returns what is to be done once the parts answer that it is done with.
pub(super) fn steps<'a>(bed: &'a Bed, made: &'a Made) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    for name in bases::NAMES {
        let after = ["registry", "dockerd", "containerd"];
        steps.push(Step::new(name, &after, move || base(bed, &made.bases, name)));
    }
    if let Some(kubernetes) = &made.kubernetes {
        let pause = || {
            let repository = push(bed, &made.bases, "bases", bases::PAUSE)?;
            pull(bed, kubernetes::NAMESPACE, &format!("{}/{repository}:local", parts::NODE_REGISTRY))
        };
        steps.push(Step::new(bases::PAUSE, &["registry", "containerd"], pause));
        for name in builders::NAMES {
            let push = move || push(bed, &kubernetes.builders, "builders", name).map(drop);
            steps.push(Step::new(name, &["registry"], push));
        }
    }
    steps
}

/// Puts an image of a layout into the bed's registry; returns its name there.
fn push(bed: &Bed, layout: &Path, folder: &str, name: &str) -> Result<String> {
    let repository = format!("{folder}/{name}");
    let from = format!("oci:{}:{name}", layout.display());
    let to = format!("docker://{}/{repository}:local", parts::REGISTRY);
    quietly(
        &mut bed.inside(
            "skopeo",
            &["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", &from, &to],
        ),
    )?;
    Ok(repository)
}

/// Puts a base image where builders find it.
fn base(bed: &Bed, bases: &Path, name: &str) -> Result<()> {
    let repository = push(bed, bases, "bases", name)?;
    let docker = parts::socket(bed, "docker");
    let url = format!("http://docker/images/create?fromImage={}/{repository}&tag=local", parts::REGISTRY);
    quietly(&mut bed.inside("curl", &["-fsS", "-X", "POST", "--unix-socket", &docker, &url]))?;
    pull(bed, &bed.id(), &format!("{}/{repository}:local", parts::REGISTRY))
}

/// Pulls an image into a namespace of containerd.
fn pull(bed: &Bed, namespace: &str, reference: &str) -> Result<()> {
    let socket = parts::socket(bed, "containerd");
    let pull = ["--address", &socket, "--namespace", namespace, "images", "pull", "--plain-http", reference];
    quietly(&mut bed.inside("ctr", &pull))
}
