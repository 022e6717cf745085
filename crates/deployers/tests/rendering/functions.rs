//! The functions of `manifests.transform`: by a table, and beside what kustomize makes where it does the same.

use serde_json::json;
use shipway_core::ErrorKind;
use shipway_deployers::{Kubectl, ManifestFunction};

use crate::stage::{Stage, objects, report};

/// Functions with their settings, a manifest, and what becomes of it.
const CASES: [(&str, &[&str], &str, &str); 13] = [
    (
        "set-namespace",
        &["namespace:prod"],
        "apiVersion: v1\nkind: Service\nmetadata:\n  # who\n  name: a\n  namespace: dev # where\n",
        "apiVersion: v1\nkind: Service\nmetadata:\n  # who\n  name: a\n  namespace: prod # where\n",
    ),
    (
        "set-namespace",
        &["namespace=prod", "namespaceMatcher=dev"],
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  namespace: other\n",
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  namespace: other\n",
    ),
    (
        "set-namespace",
        &["namespace:prod"],
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata:\n  name: a\n  annotations:\n    config.kubernetes.io/depends-on: /namespaces/default/Service/b\nsubjects:\n- {kind: ServiceAccount, name: x, namespace: dev}\n- {kind: User, name: y}\n",
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata:\n  name: a\n  annotations:\n    config.kubernetes.io/depends-on: /namespaces/default/Service/b\nsubjects:\n- {kind: ServiceAccount, name: x, namespace: prod}\n- {kind: User, name: y}\n",
    ),
    (
        "apply-setters",
        &["tag:1.8.0", "replicas:5", "envs:[stage, prod]", "none:x"],
        "apiVersion: v1\nkind: A\nmetadata: {name: a}\nspec:\n  image: nginx:1.7 # kpt-set: ${image}:${tag}\n  replicas: 3 # kpt-set: ${replicas}\n  quoted: '3' # kpt-set: ${replicas}\n  envs: # kpt-set: ${envs}\n  - dev\n  flow: [a] # kpt-set: ${envs}\n  own: a # from-param: ${tag}\n  other: b # kpt-set: ${other}\n",
        "apiVersion: v1\nkind: A\nmetadata: {name: a}\nspec:\n  image: nginx:1.8.0 # kpt-set: ${image}:${tag}\n  replicas: 5 # kpt-set: ${replicas}\n  quoted: '5' # kpt-set: ${replicas}\n  envs: # kpt-set: ${envs}\n  - stage\n  - prod\n  flow: # kpt-set: ${envs}\n  - stage\n  - prod\n  own: 1.8.0 # from-param: ${tag}\n  other: b # kpt-set: ${other}\n",
    ),
    (
        "create-setters",
        &["image:nginx", "tag:1.7.1", "envs:[dev, stage]"],
        "apiVersion: v1\nkind: A\nmetadata: {name: a}\nspec:\n  image: nginx:1.7.1\n  envs:\n  - stage\n  - dev\n  flow: [dev, stage] # old\n  text: |\n    nginx\n    x\n",
        "apiVersion: v1\nkind: A\nmetadata: {name: a}\nspec:\n  image: nginx:1.7.1 # kpt-set: ${image}:${tag}\n  envs: # kpt-set: ${envs}\n  - stage\n  - dev\n  flow: [dev, stage] # kpt-set: ${envs}\n  text: |\n    nginx\n    x\n",
    ),
    (
        "search-replace",
        &["by-path:metadata.name", "by-value:a", "put-value:b"],
        "apiVersion: v1\nkind: A\nmetadata:\n  name: a # who\nspec: {name: a}\n",
        "apiVersion: v1\nkind: A\nmetadata:\n  name: b # who\nspec: {name: a}\n",
    ),
    (
        "search-replace",
        &["by-value-regex:nginx:(.*)", "put-value:ubuntu:${1}", "put-comment:kpt-set: ubuntu:${1}"],
        "apiVersion: v1\nkind: A\nmetadata: {name: a}\nspec:\n- image: nginx:1.7\n- image: other\n",
        "apiVersion: v1\nkind: A\nmetadata: {name: a}\nspec:\n- image: ubuntu:1.7 # kpt-set: ubuntu:1.7\n- image: other\n",
    ),
    (
        "search-replace",
        &["by-path:spec.deep.replicas", "put-value:4"],
        "apiVersion: v1\nkind: A\nmetadata: {name: a}\n",
        "apiVersion: v1\nkind: A\nmetadata: {name: a}\nspec:\n  deep:\n    replicas: 4\n",
    ),
    (
        "search-replace",
        &["by-path:**.ports[*].port", "put-value:81"],
        "apiVersion: v1\nkind: A\nmetadata: {name: a}\nspec:\n  ports:\n  - port: 80 # one\n  - port: 443\n",
        "apiVersion: v1\nkind: A\nmetadata: {name: a}\nspec:\n  ports:\n  - port: 81 # one\n  - port: 81\n",
    ),
    (
        "set-enforcement-action",
        &["enforcementAction:dryrun"],
        "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: K8sBanned\nmetadata: {name: a}\nspec:\n  match: {} # all\n",
        "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: K8sBanned\nmetadata: {name: a}\nspec:\n  match: {} # all\n  enforcementAction: dryrun\n",
    ),
    (
        "set-annotations",
        &["a.example/on:true", "b:text"],
        "apiVersion: v1\nkind: A\nmetadata:\n  name: a\n  annotations: {b: old} # mine\n",
        "apiVersion: v1\nkind: A\nmetadata:\n  name: a\n  annotations: {b: text, a.example/on: \"true\"} # mine\n",
    ),
    (
        "set-labels",
        &["team:web"],
        "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata:\n  name: a\n",
        "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata:\n  name: a\n  labels:\n    team: web\n",
    ),
    (
        "ensure-name-substring",
        &["append:-v2"],
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a-v2 # has it\n",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a-v2 # has it\n",
    ),
];

#[tokio::test]
async fn functions_change_manifests_where_they_stand() {
    for (name, settings, text, expected) in CASES {
        let stage = Stage::new(&[("k8s/a.yaml", text)]);
        let kubectl = Kubectl::new("none").manifests(["k8s"]);
        let kubectl = kubectl.function(&ManifestFunction::new(name, settings.iter().copied())).unwrap();
        // Before labels are put into them.
        let seen = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let own = std::sync::Arc::clone(&seen);
        let kubectl = kubectl.transform(move |manifests| {
            *own.lock().unwrap() = manifests.iter().map(|one| one.text.to_string()).collect();
            Ok(manifests.to_vec())
        });
        stage.render(&kubectl).await.unwrap();
        assert_eq!(*seen.lock().unwrap(), expected, "{name} {settings:?}");
    }
}

#[tokio::test]
async fn what_a_function_cannot_do_is_told() {
    let text = "apiVersion: v1\nkind: A\nmetadata:\n  name: a\nspec:\n  image: x # kpt-set: ${image}:${tag}\n  list: [a] # kpt-set: ${tag}-x\n";
    let stage = Stage::new(&[("k8s/a.yaml", text)]);
    for (name, settings, words) in [
        ("set-lables", vec![], "did you mean `set-labels`"),
        ("set-namespace", vec![], "has no `namespace`"),
        ("set-namespace", vec!["namespace:A_b"], "A_b"),
        ("set-namespace", vec!["namespac:a"], "did you mean `namespace`"),
        ("set-labels", vec!["alone"], "has no key"),
        ("set-labels", vec!["a:b", "a:c"], "twice"),
        ("ensure-name-substring", vec!["prepend:a", "append:b"], "just one of"),
        ("search-replace", vec!["by-value:a"], "puts nothing"),
        ("search-replace", vec!["by-file-path:a", "put-value:b"], "no files"),
        ("search-replace", vec!["by-value-regex:(", "put-value:b"], "is no expression"),
        ("set-enforcement-action", vec!["enforcementAction:never"], "`never`"),
        ("create-setters", vec![], "no setters"),
    ] {
        let error = Kubectl::new("none").function(&ManifestFunction::new(name, settings)).expect_err(name);
        assert!(report(&error).contains(words), "{error:?}");
    }
    for (name, settings, words) in [
        ("apply-setters", vec!["tag:1"], "a.yaml:1:1: the setters `image` of `spec.image` have no value"),
        ("create-setters", vec!["tag:nowhere"], "no field holds"),
        ("search-replace", vec!["by-value-regex:^x$", "put-value:${2}"], "names a group"),
        ("search-replace", vec!["by-path:spec.image.deep", "put-value:y"], "a single value"),
        ("ensure-name-substring", vec!["prepend:A_"], "not a name"),
    ] {
        let kubectl =
            Kubectl::new("none").manifests(["k8s"]).function(&ManifestFunction::new(name, settings)).unwrap();
        let error = stage.refused(&kubectl).await;
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(report(&error).contains(words), "{error:?}");
    }
}

/// One of each kind that names others.
const ALL: &str = r"
apiVersion: v1
kind: ConfigMap
metadata: {name: config}
---
apiVersion: v1
kind: Secret
metadata: {name: secret}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: account}
imagePullSecrets: [{name: secret}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: claim}
spec: {storageClassName: fast}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast}
provisioner: x
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: account
      imagePullSecrets: [{name: secret}]
      affinity:
        podAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
          - {topologyKey: zone, labelSelector: {matchLabels: {app: web}}}
      topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: web}}}]
      containers:
      - name: web
        image: x
        env:
        - {name: A, valueFrom: {configMapKeyRef: {name: config, key: a}}}
        - {name: B, valueFrom: {secretKeyRef: {name: secret, key: a}}}
        - {name: C, valueFrom: {configMapKeyRef: {name: foreign, key: a}}}
        envFrom: [{configMapRef: {name: config}}]
      volumes:
      - {name: a, configMap: {name: config}}
      - {name: b, secret: {secretName: secret}}
      - {name: c, persistentVolumeClaim: {claimName: claim}}
      - {name: d, projected: {sources: [{secret: {name: secret}}]}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: web
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: x}]}
  volumeClaimTemplates: [{metadata: {name: data}, spec: {storageClassName: fast}}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: '@daily'
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: x, envFrom: [{secretRef: {name: secret}}]}]}}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  tls: [{secretName: secret}]
  rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: db}}}]}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: web}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader}
rules: [{apiGroups: ['apps'], resources: [deployments], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}
subjects: [{kind: ServiceAccount, name: account, namespace: default}]
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
";

#[tokio::test]
async fn functions_do_what_kustomize_does() {
    let files = [
        ("k8s/all.yaml", ALL),
        ("labels/kustomization.yaml", "resources: [all.yaml]\ncommonLabels: {team: web, flag: 'true'}\n"),
        ("labels/all.yaml", ALL),
        (
            "annotations/kustomization.yaml",
            "resources: [all.yaml]\ncommonAnnotations: {note: 'a: b', num: '1'}\n",
        ),
        ("annotations/all.yaml", ALL),
        ("names/kustomization.yaml", "resources: [all.yaml]\nnamePrefix: blue-\n"),
        ("names/all.yaml", ALL),
        ("ends/kustomization.yaml", "resources: [all.yaml]\nnameSuffix: -blue\n"),
        ("ends/all.yaml", ALL),
    ];
    let Some(stage) = Stage::with_kustomize("functions_do_what_kustomize_does", &files) else { return };
    for (path, name, settings) in [
        ("labels", "set-labels", vec!["team:web", "flag:true"]),
        ("annotations", "set-annotations", vec!["note:a: b", "num:1"]),
        ("names", "ensure-name-substring", vec!["prepend:blue-"]),
        ("ends", "ensure-name-substring", vec!["append:-blue"]),
    ] {
        let theirs = objects(&stage.render(&Kubectl::new("none").kustomize([path])).await.unwrap());
        let kubectl =
            Kubectl::new("none").manifests(["k8s"]).function(&ManifestFunction::new(name, settings)).unwrap();
        let ours = objects(&stage.render(&kubectl).await.unwrap());
        assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>(), "{name}");
        for (id, object) in &ours {
            assert_eq!(json!(object), theirs[id], "{name}: {id}");
        }
    }
}
