//! Where objects are named by others (kustomize: `builtinpluginconsts/namereference.go`).

use super::fields::{CORE, Field};

/// How a name stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The value is the name.
    Name,
    /// A mapping with `name` and, where it says them, `kind` and `namespace`.
    Object,
    /// A list of names, of the rule's `resources`.
    Rule,
}

/// A place where objects of a kind are named.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reference {
    /// The group and kind of what is named.
    pub(super) named: (&'static str, &'static str),
    /// The kinds that name it, and where.
    pub(super) field: Field,
    pub(super) form: Form,
}

/// Where the specifications of pods are.
const POD_SPECS: [(&str, &str, &str); 9] = [
    (CORE, "Pod", "spec"),
    (CORE, "PodTemplate", "template/spec"),
    (CORE, "ReplicationController", "spec/template/spec"),
    ("", "Deployment", "spec/template/spec"),
    ("", "ReplicaSet", "spec/template/spec"),
    ("", "DaemonSet", "spec/template/spec"),
    ("", "StatefulSet", "spec/template/spec"),
    ("batch", "Job", "spec/template/spec"),
    ("batch", "CronJob", "spec/jobTemplate/spec/template/spec"),
];

/// What the specification of a pod names.
const IN_POD: [((&str, &str), &str); 17] = [
    (CONFIG_MAP, "volumes/configMap/name"),
    (CONFIG_MAP, "volumes/projected/sources/configMap/name"),
    (CONFIG_MAP, "containers/env/valueFrom/configMapKeyRef/name"),
    (CONFIG_MAP, "initContainers/env/valueFrom/configMapKeyRef/name"),
    (CONFIG_MAP, "containers/envFrom/configMapRef/name"),
    (CONFIG_MAP, "initContainers/envFrom/configMapRef/name"),
    (SECRET, "volumes/secret/secretName"),
    (SECRET, "volumes/projected/sources/secret/name"),
    (SECRET, "containers/env/valueFrom/secretKeyRef/name"),
    (SECRET, "initContainers/env/valueFrom/secretKeyRef/name"),
    (SECRET, "containers/envFrom/secretRef/name"),
    (SECRET, "initContainers/envFrom/secretRef/name"),
    (SECRET, "imagePullSecrets/name"),
    (SERVICE_ACCOUNT, "serviceAccountName"),
    ((CORE, "PersistentVolumeClaim"), "volumes/persistentVolumeClaim/claimName"),
    (("scheduling.k8s.io", "PriorityClass"), "priorityClassName"),
    // The name from before, which still stands in old manifests.
    (SERVICE_ACCOUNT, "serviceAccount"),
];

const CONFIG_MAP: (&str, &str) = (CORE, "ConfigMap");
const SECRET: (&str, &str) = (CORE, "Secret");
const SERVICE: (&str, &str) = (CORE, "Service");
const SERVICE_ACCOUNT: (&str, &str) = (CORE, "ServiceAccount");
const STORAGE_CLASS: (&str, &str) = ("storage.k8s.io", "StorageClass");
const RBAC: &str = "rbac.authorization.k8s.io";

/// A place by what is named, who names it, and where.
type Row = ((&'static str, &'static str), (&'static str, &'static str), &'static str, Form);

const ROWS: [Row; 38] = [
    (("apps", "Deployment"), ("autoscaling", "HorizontalPodAutoscaler"), "spec/scaleTargetRef", Form::Object),
    (("apps", "ReplicaSet"), ("autoscaling", "HorizontalPodAutoscaler"), "spec/scaleTargetRef", Form::Object),
    (
        ("apps", "StatefulSet"),
        ("autoscaling", "HorizontalPodAutoscaler"),
        "spec/scaleTargetRef",
        Form::Object,
    ),
    (
        (CORE, "ReplicationController"),
        ("autoscaling", "HorizontalPodAutoscaler"),
        "spec/scaleTargetRef",
        Form::Object,
    ),
    (CONFIG_MAP, (CORE, "Node"), "spec/configSource/configMap", Form::Object),
    (CONFIG_MAP, (RBAC, "Role"), "rules", Form::Rule),
    (CONFIG_MAP, (RBAC, "ClusterRole"), "rules", Form::Rule),
    (SECRET, (RBAC, "Role"), "rules", Form::Rule),
    (SECRET, (RBAC, "ClusterRole"), "rules", Form::Rule),
    ((CORE, "PersistentVolume"), (RBAC, "ClusterRole"), "rules", Form::Rule),
    (SECRET, ("", "Ingress"), "spec/tls/secretName", Form::Name),
    (SECRET, (CORE, "ServiceAccount"), "imagePullSecrets/name", Form::Name),
    (SECRET, (CORE, "ServiceAccount"), "secrets/name", Form::Name),
    (SECRET, ("storage.k8s.io", "StorageClass"), "parameters/secretName", Form::Name),
    (SECRET, ("storage.k8s.io", "StorageClass"), "parameters/adminSecretName", Form::Name),
    (SECRET, ("storage.k8s.io", "StorageClass"), "parameters/userSecretName", Form::Name),
    (SECRET, ("storage.k8s.io", "StorageClass"), "parameters/secretRef", Form::Name),
    (
        SECRET,
        ("serving.knative.dev", "Service"),
        "spec/template/spec/containers/env/valueFrom/secretKeyRef/name",
        Form::Name,
    ),
    (SECRET, (CORE, "PersistentVolume"), "spec/azureFile/secretName", Form::Name),
    (SERVICE, ("apps", "StatefulSet"), "spec/serviceName", Form::Name),
    (SERVICE, ("", "Ingress"), "spec/rules/http/paths/backend/serviceName", Form::Name),
    (SERVICE, ("", "Ingress"), "spec/backend/serviceName", Form::Name),
    (SERVICE, ("", "Ingress"), "spec/rules/http/paths/backend/service/name", Form::Name),
    (SERVICE, ("", "Ingress"), "spec/defaultBackend/service/name", Form::Name),
    (SERVICE, ("apiregistration.k8s.io", "APIService"), "spec/service", Form::Object),
    (
        SERVICE,
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        "webhooks/clientConfig/service",
        Form::Object,
    ),
    (
        SERVICE,
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
        "webhooks/clientConfig/service",
        Form::Object,
    ),
    ((RBAC, "Role"), (RBAC, "RoleBinding"), "roleRef", Form::Object),
    ((RBAC, "ClusterRole"), (RBAC, "RoleBinding"), "roleRef", Form::Object),
    ((RBAC, "ClusterRole"), (RBAC, "ClusterRoleBinding"), "roleRef", Form::Object),
    (SERVICE_ACCOUNT, (RBAC, "RoleBinding"), "subjects", Form::Object),
    (SERVICE_ACCOUNT, (RBAC, "ClusterRoleBinding"), "subjects", Form::Object),
    ((CORE, "PersistentVolume"), (CORE, "PersistentVolumeClaim"), "spec/volumeName", Form::Name),
    (STORAGE_CLASS, (CORE, "PersistentVolume"), "spec/storageClassName", Form::Name),
    (STORAGE_CLASS, (CORE, "PersistentVolumeClaim"), "spec/storageClassName", Form::Name),
    (STORAGE_CLASS, ("apps", "StatefulSet"), "spec/volumeClaimTemplates/spec/storageClassName", Form::Name),
    (("networking.k8s.io", "IngressClass"), ("", "Ingress"), "spec/ingressClassName", Form::Name),
    (
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
        "spec/policyName",
        Form::Name,
    ),
];

/// Returns all places.
pub(super) fn references() -> Vec<(Reference, Option<&'static str>)> {
    let named = |(named, (group, kind), path, form): Row| {
        (Reference { named, field: Field::new(group, kind, path, false), form }, None)
    };
    let in_pods = POD_SPECS.iter().flat_map(|(group, kind, spec)| {
        IN_POD.iter().map(move |(named, path)| {
            let field = Field::new(group, kind, spec, false);
            (Reference { named: *named, field, form: Form::Name }, Some(*path))
        })
    });
    ROWS.into_iter().map(named).chain(in_pods).collect()
}

/// The names of Kubernetes' resources that rules of roles name.
pub(super) fn resource(kind: &str) -> &'static str {
    match kind {
        "ConfigMap" => "configmaps",
        "Secret" => "secrets",
        _ => "persistentvolumes",
    }
}
