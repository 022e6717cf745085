//! Which Kubernetes contexts are of clusters on this machine, which see the engine's own images.

/// Whether a context is of a cluster on this machine, by the names that their makers give them
/// (skaffold: `config/util.go`, `isDefaultLocal`, `IsKindCluster`, `IsK3dCluster`).
pub(super) fn is_local(context: &str) -> bool {
    ["docker-desktop", "docker-for-desktop", "minikube"].contains(&context)
        || context.starts_with("kind-")
        || context.ends_with("@kind")
        || context.starts_with("k3d-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_on_this_machine_are_known_by_their_contexts() {
        for local in ["minikube", "docker-desktop", "kind-kind", "kubernetes-admin@kind", "k3d-a"] {
            assert!(is_local(local), "{local}");
        }
        for other in ["", "gke_project_zone_minikube", "kind", "minikube-prod"] {
            assert!(!is_local(other), "{other}");
        }
    }
}
