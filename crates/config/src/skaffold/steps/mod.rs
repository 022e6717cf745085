//! What changed between versions, as data: the steps that do something, in the order of their versions.
//!
//! They are from `pkg/skaffold/schema/*/upgrade.go` of GoogleContainerTools/skaffold (Apache-2.0) and from
//! the differences between its types of two versions: it copies by the names of Go fields, so that a field of
//! another name in the newer version is lost there without a word, and here with one.

mod first;
mod helm;
mod jib;
mod kaniko;
mod kustomize;
mod plug_ins;
mod remote;
mod sync;

use shipway_core::Result;
use shipway_yaml::Node;

use super::{upgrade::Upgrade, version::Version};

/// All that one version changed.
pub(super) struct Step {
    /// The version that has the change.
    pub(super) into: Version,
    /// The changes, in order.
    pub(super) ops: &'static [Op],
}

/// One change of a pipeline.
pub(super) enum Op {
    /// What is at a path is at another; `*` is each item of a list, and the same item in both.
    Move { from: &'static str, to: &'static str },
    /// A single value became a list of one.
    List { at: &'static str },
    /// What has no effect any more.
    Drop { at: &'static str, note: &'static str },
    /// What cannot be brought over.
    Refuse { at: &'static str, why: &'static str },
    /// A change that is more than that, of what is at a path and below.
    Apply {
        at: &'static str,
        /// What of the pipeline is to be there as well when a patch of something below is upgraded.
        given: &'static [&'static str],
        change: fn(&mut Node, &mut Upgrade<'_>) -> Result<()>,
    },
}

impl Op {
    /// The path of what it changes.
    pub(super) const fn at(&self) -> &'static str {
        match self {
            Self::Move { from: at, .. }
            | Self::List { at }
            | Self::Drop { at, .. }
            | Self::Refuse { at, .. }
            | Self::Apply { at, .. } => at,
        }
    }
}

const fn apply(at: &'static str, change: fn(&mut Node, &mut Upgrade<'_>) -> Result<()>) -> Op {
    Op::Apply { at, given: &[], change }
}

/// The steps since the first version.
pub(super) const STEPS: [Step; 21] = [
    Step {
        into: Version::alpha(1, 2),
        ops: &[
            apply("/build/tagPolicy", first::tag_policy),
            Op::Move {
                from: "/build/artifacts/*/dockerfilePath",
                to: "/build/artifacts/*/docker/dockerfilePath",
            },
            Op::Move { from: "/build/artifacts/*/buildArgs", to: "/build/artifacts/*/docker/buildArgs" },
            Op::Drop { at: "/deploy/name", note: "`deploy.name` has no effect since skaffold/v1alpha2" },
            Op::Drop {
                at: "/deploy/kubectl/manifests/*/parameters",
                note: "`parameters` of manifests have no effect since skaffold/v1alpha2",
            },
            apply("/deploy/kubectl/manifests", first::paths_of_manifests),
        ],
    },
    Step {
        into: Version::alpha(1, 3),
        ops: &[
            Op::Move {
                from: "/deploy/helm/releases/*/valuesFilePath",
                to: "/deploy/helm/releases/*/valuesFiles",
            },
            Op::List { at: "/deploy/helm/releases/*/valuesFiles" },
            Op::Move { from: "/build/kaniko/gcsBucket", to: "/build/kaniko/buildContext/gcsBucket" },
        ],
    },
    Step {
        into: Version::alpha(1, 4),
        ops: &[
            Op::Move { from: "/build/artifacts/*/imageName", to: "/build/artifacts/*/image" },
            Op::Move { from: "/build/artifacts/*/workspace", to: "/build/artifacts/*/context" },
            Op::Move {
                from: "/build/artifacts/*/docker/dockerfilePath",
                to: "/build/artifacts/*/docker/dockerfile",
            },
            apply("/build/local/skipPush", first::skip_push),
            Op::Move { from: "/deploy/kustomize/kustomizePath", to: "/deploy/kustomize/path" },
        ],
    },
    Step {
        into: Version::beta(1, 1),
        ops: &[Op::Refuse { at: "/build/acr", why: "`build.acr` is gone since skaffold/v1beta1" }],
    },
    Step { into: Version::beta(1, 7), ops: &[apply("/build/kaniko", kaniko::into_artifacts)] },
    Step {
        into: Version::beta(1, 9),
        ops: &[
            apply("/build/artifacts/*/plugin", plug_ins::builders),
            apply("/build/executionEnvironment", plug_ins::environment),
        ],
    },
    Step { into: Version::beta(1, 10), ops: &[apply("/build/artifacts/*/sync", sync::into_rules)] },
    Step {
        into: Version::beta(1, 14),
        ops: &[
            Op::Apply {
                at: "/build/artifacts/*/jibMaven",
                given: &["/build/artifacts/*/jibMaven/profile"],
                change: jib::maven,
            },
            apply("/build/artifacts/*/jibGradle", jib::gradle),
        ],
    },
    Step {
        into: Version::alpha(2, 2),
        ops: &[
            Op::Move {
                from: "/build/artifacts/*/kaniko/buildContext/localDir/initImage",
                to: "/build/artifacts/*/kaniko/initImage",
            },
            Op::Drop {
                at: "/build/artifacts/*/kaniko/buildContext",
                note: "`buildContext` has no effect since skaffold/v2alpha2",
            },
        ],
    },
    Step {
        into: Version::alpha(2, 3),
        ops: &[
            Op::Move { from: "/deploy/kustomize/path", to: "/deploy/kustomize/paths" },
            Op::List { at: "/deploy/kustomize/paths" },
            Op::Drop {
                at: "/build/artifacts/*/buildpack/forcePull",
                note: "`buildpack.forcePull` has no effect since skaffold/v2alpha3",
            },
        ],
    },
    Step {
        into: Version::beta(2, 4),
        ops: &[Op::Move {
            from: "/deploy/helm/releases/*/values",
            to: "/deploy/helm/releases/*/artifactOverrides",
        }],
    },
    Step {
        into: Version::beta(2, 5),
        ops: &[
            Op::Move { from: "/build/cluster/pullSecret", to: "/build/cluster/pullSecretPath" },
            Op::Move { from: "/build/artifacts/*/buildpack", to: "/build/artifacts/*/buildpacks" },
        ],
    },
    Step {
        into: Version::beta(2, 9),
        ops: &[
            Op::Drop {
                at: "/build/artifacts/*/kaniko/flags",
                note: "`kaniko.flags` has no effect since skaffold/v2beta9, which has a field for each",
            },
            apply("/build/artifacts/*/sync/auto", sync::auto_is_a_switch),
        ],
    },
    Step {
        into: Version::beta(2, 13),
        ops: &[Op::Apply {
            at: "/deploy/helm/releases/*",
            given: &["/deploy/helm/releases/*/remote"],
            change: helm::remote_chart,
        }],
    },
    Step {
        into: Version::beta(2, 17),
        ops: &[Op::Drop {
            at: "/build/artifacts/*/docker/secret/dst",
            note: "`docker.secret.dst` has no effect since skaffold/v2beta17",
        }],
    },
    Step {
        into: Version::beta(2, 23),
        ops: &[
            Op::Move { from: "/build/artifacts/*/docker/secret", to: "/build/artifacts/*/docker/secrets" },
            Op::List { at: "/build/artifacts/*/docker/secrets" },
        ],
    },
    Step {
        into: Version::beta(2, 28),
        ops: &[Op::Move { from: "/build/artifacts/*/ko/platforms", to: "/build/artifacts/*/platforms" }],
    },
    Step {
        into: Version::alpha(3, 1),
        ops: &[
            Op::Move { from: "/deploy/kubectl/manifests", to: "/manifests/rawYaml" },
            apply("/deploy/kustomize", kustomize::default_paths),
            Op::Move { from: "/deploy/kustomize/paths", to: "/manifests/kustomize/paths" },
            Op::Move { from: "/deploy/kustomize/buildArgs", to: "/manifests/kustomize/buildArgs" },
            apply("/deploy/kustomize", kustomize::into_kubectl),
            Op::Refuse {
                at: "/deploy/kpt",
                why: "`deploy.kpt` of versions before skaffold/v3alpha1 is not brought over by Skaffold either",
            },
            Op::Apply {
                at: "/deploy/helm/releases/*",
                given: &["/deploy/helm/releases/*/imageStrategy"],
                change: helm::images_into_templates,
            },
            apply("/deploy/helm", helm::into_manifests),
        ],
    },
    Step {
        into: Version::beta(4, 1),
        ops: &[
            Op::Move { from: "/deploy/kubectl/remoteManifests", to: "/manifests/remoteManifests" },
            Op::Apply {
                at: "/manifests/remoteManifests",
                given: &["/deploy/kubeContext"],
                change: remote::with_context,
            },
        ],
    },
    Step {
        into: Version::beta(4, 5),
        ops: &[Op::Drop {
            at: "/build/artifacts/*/kaniko/noPush",
            note: "`kaniko.noPush` has no effect since skaffold/v4beta5",
        }],
    },
    // The field had a wrong name by mistake.
    Step {
        into: Version::beta(4, 8),
        ops: &[Op::Move { from: "/deploy/kpt/false", to: "/deploy/kpt/force" }],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_in_the_order_of_their_versions() {
        assert!(STEPS.is_sorted_by(|one, next| one.into < next.into));
    }
}
