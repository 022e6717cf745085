//! What changed between versions, as data: the steps that do something, in the order of their versions.
//!
//! They are from `pkg/skaffold/schema/*/upgrade.go` of GoogleContainerTools/skaffold (Apache-2.0) and from
//! the differences of the published schemas.

mod jib;
mod kustomize;
mod remote;

use shipway_core::Result;
use shipway_yaml::{Document, Node};

use super::version::Version;

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
    /// A change that is more than that.
    Apply(fn(&mut Node, &Document) -> Result<()>),
}

/// The steps since the oldest version that is read.
pub(super) const STEPS: [Step; 10] = [
    Step { into: Version::beta(1, 14), ops: &[Op::Apply(jib::maven), Op::Apply(jib::gradle)] },
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
        ],
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
        ops: &[Op::Refuse {
            at: "/build/artifacts/*/kaniko/flags",
            why: "`kaniko.flags` is gone since skaffold/v2beta9, which has a field for each",
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
            Op::Apply(kustomize::default_paths),
            Op::Move { from: "/deploy/kustomize/paths", to: "/manifests/kustomize/paths" },
            Op::Move { from: "/deploy/kustomize/buildArgs", to: "/manifests/kustomize/buildArgs" },
            Op::Apply(kustomize::into_kubectl),
            Op::Refuse {
                at: "/deploy/helm",
                why: "`deploy.helm` of versions before skaffold/v3alpha1 is not supported yet",
            },
            Op::Refuse {
                at: "/deploy/kpt",
                why: "`deploy.kpt` of versions before skaffold/v3alpha1 is not supported",
            },
        ],
    },
    Step { into: Version::beta(4, 1), ops: &[Op::Apply(remote::into_manifests)] },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_in_the_order_of_their_versions() {
        assert!(STEPS.is_sorted_by_key(|step| step.into));
    }
}
