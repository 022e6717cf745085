//! Which Kubernetes contexts are of clusters on this machine, and whether those pull their images.

use super::Options;

/// Returns whether images go to a registry, where neither the file nor who runs it says so: they do unless the
/// cluster gets them from the engine of this machine (skaffold: `config/util.go`, `GetCluster`).
///
/// What Skaffold asks the machine for is not asked here, as nothing but the text is read: whether minikube
/// has made a context of another name, which `local_cluster` says, and which registry the cluster itself names
/// (KEP-1755), which is a default repository together with `push`.
pub(super) fn pulls(options: &Options) -> bool {
    let context = options.kube_context.as_deref().unwrap_or_default();
    let not_loaded = is_kind(context) && options.kind_disable_load == Some(true)
        || is_k3d(context) && options.k3d_disable_load == Some(true);
    not_loaded || !options.local_cluster.unwrap_or_else(|| is_local(context))
}

/// Returns whether images of the engine are brought into the nodes of a cluster of kind or k3d.
pub(super) fn loads(options: &Options) -> bool {
    let context = options.kube_context.as_deref().unwrap_or_default();
    options.local_cluster != Some(false)
        && (is_kind(context) && options.kind_disable_load != Some(true)
            || is_k3d(context) && options.k3d_disable_load != Some(true))
}

/// Whether a context is of a cluster on this machine, by the names that their makers give them.
fn is_local(context: &str) -> bool {
    ["docker-desktop", "docker-for-desktop", "minikube"].contains(&context)
        || is_kind(context)
        || is_k3d(context)
}

/// Contexts of kind, since its version 0.6 and before.
fn is_kind(context: &str) -> bool {
    context.starts_with("kind-") || context.ends_with("@kind")
}

fn is_k3d(context: &str) -> bool {
    context.starts_with("k3d-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_on_this_machine_are_known_by_their_contexts() {
        for local in ["minikube", "docker-desktop", "docker-for-desktop", "kind-kind", "admin@kind", "k3d-a"]
        {
            assert!(!pulls(&Options::default().kube_context(local)), "{local}");
        }
        for other in ["", "gke_project_zone_minikube", "kind", "minikube-prod", "k3d", "kind@prod"] {
            assert!(pulls(&Options::default().kube_context(other)), "{other}");
        }
        assert!(pulls(&Options::default()));
    }

    /// The cases of `TestGetCluster` in Skaffold's `config/util_test.go` (Apache-2.0) that ask the machine for
    /// nothing, and a few more: whether images are loaded into nodes, and whether they are pushed.
    #[test]
    fn what_is_said_of_a_cluster_counts_before_its_name() {
        let context = |name: &str| Options::default().kube_context(name);
        for (options, loaded, pushed) in [
            (context("kind-other"), true, false),
            (context("kind-other").local_cluster(false), false, true),
            (context("kind-other").kind_disable_load(true), false, true),
            (context("kind-other").kind_disable_load(false), true, false),
            (context("kind-other").k3d_disable_load(true), true, false),
            (context("kind@kind"), true, false),
            (context("kind@kind").kind_disable_load(true), false, true),
            (context("k3d-k3s-default"), true, false),
            (context("k3d-k3s-default").local_cluster(false), false, true),
            (context("k3d-k3s-default").k3d_disable_load(true), false, true),
            (context("k3d-k3s-default").kind_disable_load(true), true, false),
            (context("docker-for-desktop"), false, false),
            (context("minikube"), false, false),
            (context("minikube").local_cluster(false), false, true),
            (context("minikube").kind_disable_load(true).k3d_disable_load(true), false, false),
            (context("docker-desktop"), false, false),
            (context("some-cluster").local_cluster(true), false, false),
            (Options::default().local_cluster(true), false, false),
            (context("anything-else"), false, true),
            (context("kind@blah"), false, true),
            (context("other-kind"), false, true),
            (context("not-k3d"), false, true),
        ] {
            assert_eq!((loads(&options), pulls(&options)), (loaded, pushed), "{options:?}");
        }
    }
}
