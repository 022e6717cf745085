//! What the newest version's words become.

use insta::assert_snapshot;
use shipway_config::{Dockerfiles, Options};
use shipway_core::Tag;

use crate::recorded::{error, newest, newest_with, read};

#[test]
fn artifacts_go_to_the_builders_of_their_keys() {
    assert_snapshot!(newest("
build:
  platforms: [linux/amd64, linux/arm64]
  insecureRegistries: ['registry.test:5000']
  local: {push: true, useBuildkit: true}
  artifacts:
  - image: registry.test:5000/base
  - image: web
    context: web
    platforms: [linux/arm64]
    requires: [{image: registry.test:5000/base, alias: BASE}]
    docker:
      dockerfile: deploy/Dockerfile
      target: run
      buildArgs: {VERSION: 1.10, TOKEN: , DEBUG: true}
      secrets: [{id: npm, env: NPM_TOKEN}]
      noCache: yes
  - image: tool
    custom:
      buildCommand: ./build.sh
      dependencies: {paths: ['**/*.go'], ignore: [vendor]}
  - image: docs
    pages: {theme: dark, version: 1.10}
").unwrap(), @r#"
    pipeline skaffold
    build registry.test:5000/base in . into [Registry] registry.test:5000/base
      by docker {"buildkit":true}
      named by gitCommit {"otherwise":"latest"}
      for linux/amd64, linux/arm64
    build web in web into [Registry] web
      by docker {"buildArgs":{"DEBUG":"true","TOKEN":null,"VERSION":"1.10"},"buildkit":true,"dockerfile":"deploy/Dockerfile","noCache":true,"secrets":[{"env":"NPM_TOKEN","id":"npm"}],"target":"run"}
      named by gitCommit {"otherwise":"latest"}
      for linux/arm64
      with registry.test:5000/base as BASE
    build tool in . into [Registry] tool
      by custom {"buildCommand":"./build.sh","dependencies":{"ignore":["vendor"],"paths":["**/*.go"]}}
      named by gitCommit {"otherwise":"latest"}
      for linux/amd64, linux/arm64
    build docs in . into [Registry] docs
      by pages {"theme":"dark","version":1.1}
      named by gitCommit {"otherwise":"latest"}
      for linux/amd64, linux/arm64
    deploy skaffold by kubectl {"manifests":{"rawYaml":["k8s/*.yaml"]}}
    insecure registry.test:5000
    "#);
}

#[test]
fn images_are_named_by_the_tagger_of_the_policy() {
    let named_by = |policy: &str| {
        let body = format!("build:\n  artifacts: [{{image: web}}]\n  tagPolicy: {policy}\n");
        let shown = newest_with(&body, &Options::default().command("build")).unwrap();
        shown.lines().find_map(|line| line.trim().strip_prefix("named by ")).unwrap().to_owned()
    };
    for (policy, expected) in [
        ("{}", r#"gitCommit {"otherwise":"latest"}"#),
        ("{gitCommit: {}}", r#"gitCommit {"otherwise":"latest"}"#),
        (
            "{gitCommit: {variant: CommitSha, prefix: v, ignoreChanges: true}}",
            r#"gitCommit {"ignoreChanges":true,"otherwise":"latest","prefix":"v","variant":"CommitSha"}"#,
        ),
        ("{sha256: {}}", "sha256 {}"),
        ("{inputDigest: {}}", "inputDigest {}"),
        (
            "{dateTime: {format: 2006-01-02, timezone: Local}}",
            r#"dateTime {"format":"2006-01-02","timezone":"Local"}"#,
        ),
        ("{envTemplate: {template: '{{.V}}'}}", r#"envTemplate {"template":"{{.V}}"}"#),
        (
            "{customTemplate: {template: '{{.A}}', components: [{name: A, gitCommit: {}}, {name: B, sha256: {}}]}}",
            r#"customTemplate {"components":[{"gitCommit":{},"name":"A"},{"name":"B","sha256":{}}],"template":"{{.A}}"}"#,
        ),
        ("{counter: {start: 3}}", r#"counter {"start":3}"#),
    ] {
        assert_eq!(named_by(policy), expected, "{policy}");
    }
    let options = Options::default().command("build").tag(Tag::parse("v1").unwrap());
    let shown = newest_with("build: {artifacts: [{image: web}], tagPolicy: {sha256: {}}}", &options).unwrap();
    assert!(shown.contains(r#"named by fixed {"tag":"v1"}"#), "{shown}");
}

#[test]
fn images_go_where_the_file_the_caller_or_the_cluster_says() {
    for (local, options, expected) in [
        ("{}", Options::default(), "[Registry]"),
        ("{push: false}", Options::default(), r#"[Daemon("unix:///var/run/docker.sock")]"#),
        ("{push: false}", Options::default().push(true), "[Registry]"),
        ("{}", Options::default().kube_context("minikube"), r#"[Daemon("unix:///var/run/docker.sock")]"#),
        ("{push: true}", Options::default().kube_context("kind-kind"), "[Registry]"),
        ("{}", Options::default().kube_context("gke"), "[Registry]"),
        ("{}", Options::default().push(false).docker_endpoint("tcp://h:1"), r#"[Daemon("tcp://h:1")]"#),
    ] {
        let shown = newest_with(&format!("build: {{artifacts: [{{image: web}}], local: {local}}}"), &options)
            .unwrap();
        assert!(shown.contains(&format!("build web in . into {expected} web")), "{local}: {shown}");
    }
}

#[test]
fn dockerfiles_can_be_built_without_an_engine() {
    let options = Options::default().dockerfiles(Dockerfiles::Native).env("TOKEN", "t").command("build");
    assert_snapshot!(newest_with("
build:
  artifacts:
  - image: base
  - image: web
    docker: {dockerfile: Dockerfile.web, target: run, buildArgs: {A: 1, TOKEN: , GONE: }, noCache: true}
", &options).unwrap(), @r#"
    pipeline skaffold
    build base in . into [Registry] base
      by native {"dockerfile":"Dockerfile"}
      named by gitCommit {"otherwise":"latest"}
    build web in . into [Registry] web
      by native {"args":{"A":"1","TOKEN":"t"},"dockerfile":"Dockerfile.web","target":"run"}
      named by gitCommit {"otherwise":"latest"}
    notice skaffold.yaml:8:5: `docker.noCache` has no effect: no engine with a cache builds this
    "#);
}

#[test]
fn tests_go_to_the_artifacts_that_they_are_for() {
    assert_snapshot!(newest("
build: {artifacts: [{image: web}, {image: api}]}
test:
- image: web
  structureTests: [test/*.yaml]
  custom:
  - command: ./smoke.sh
    timeoutSeconds: 60
    dependencies: {paths: [smoke.sh]}
  - command: ./more.sh
- image: api
  context: api
  structureTests: [test/a.yaml, /etc/test.yaml]
- image: gone
  structureTests: [a]
").unwrap(), @r#"
    pipeline skaffold
    build web in . into [Registry] web
      by docker {}
      named by gitCommit {"otherwise":"latest"}
      tested as command by command {"command":"./smoke.sh","context":".","dependencies":{"paths":["smoke.sh"]},"timeoutSeconds":60}
      tested as command-2 by command {"command":"./more.sh","context":"."}
      tested as structure by structure {"files":["test/*.yaml"]}
    build api in . into [Registry] api
      by docker {}
      named by gitCommit {"otherwise":"latest"}
      tested as structure by structure {"files":["api/test/a.yaml","/etc/test.yaml"]}
    deploy skaffold by kubectl {"manifests":{"rawYaml":["k8s/*.yaml"]}}
    notice skaffold.yaml:16:10: `gone` is not built, so that its tests are not run
    "#);
}

#[test]
fn a_command_does_its_part_of_the_file() {
    let body = "build: {artifacts: [{image: web}]}\ntest: [{image: web, structureTests: [a]}]";
    for (command, tests, deploys) in [("build", 0, 0), ("test", 1, 0), ("run", 1, 1), ("dev", 1, 1)] {
        let shown = newest_with(body, &Options::default().command(command)).unwrap();
        let lines = |start: &str| shown.lines().filter(|line| line.trim().starts_with(start)).count();
        assert_eq!((lines("tested as"), lines("deploy")), (tests, deploys), "{command}: {shown}");
    }
}

#[test]
fn deployers_are_of_the_kinds_that_are_named_and_follow_one_another() {
    let options = Options::default().namespace("shop");
    assert_snapshot!(newest_with("
metadata: {name: shop}
build: {artifacts: [{image: web}]}
manifests:
  rawYaml: [k8s/*.yaml, 1.10]
  kustomize: {paths: [overlays/prod]}
deploy:
  kubeContext: prod
  statusCheckDeadlineSeconds: 90
  statusCheck: true
  kubectl: {defaultNamespace: shop, flags: {apply: [--server-side]}}
  gitops: {repository: ../env, deployer: {kind: kubectl}}
", &options).unwrap(), @r#"
    pipeline shop
    build web in . into [Registry] web
      by docker {}
      named by gitCommit {"otherwise":"latest"}
    deploy shop-kubectl by kubectl {"allowRemoteBases":true,"defaultNamespace":"shop","flags":{"apply":["--server-side"]},"kubeContext":"prod","manifests":{"kustomize":{"paths":["overlays/prod"]},"rawYaml":["k8s/*.yaml","1.10"]}}
      watched for 90s
      in namespace shop
    deploy shop-gitops by gitops {"deployer":{"kind":"kubectl","options":{"allowRemoteBases":true,"defaultNamespace":"shop"}},"kubeContext":"prod","manifests":{"kustomize":{"paths":["overlays/prod"]},"rawYaml":["k8s/*.yaml","1.10"]},"repository":"../env"}
      watched for 90s
      after release `shop-kubectl`
      in namespace shop
    "#);
    assert_snapshot!(newest("build: {artifacts: [{image: web}]}\ndeploy: {gitops: {repository: ../env}}").unwrap(), @r#"
    pipeline skaffold
    build web in . into [Registry] web
      by docker {}
      named by gitCommit {"otherwise":"latest"}
    deploy skaffold by gitops {"repository":"../env"}
    "#);
}

#[test]
fn who_runs_it_says_to_which_cluster_also_behind_another_deployer() {
    let options = Options::default().kube_context("staging");
    let deploys = |body: &str| -> Vec<String> {
        let shown =
            newest_with(&format!("build: {{artifacts: [{{image: web}}]}}\n{body}"), &options).unwrap();
        shown.lines().filter(|line| line.contains("deploy ")).map(|line| line.trim().to_owned()).collect()
    };
    assert_eq!(
        deploys("deploy: {kubeContext: prod, kubectl: {}}"),
        [r#"deploy skaffold by kubectl {"kubeContext":"staging","manifests":{"rawYaml":["k8s/*.yaml"]}}"#]
    );
    assert_eq!(
        deploys("deploy: {gitops: {repository: ../env, deployer: {kind: kubectl}}}"),
        [
            r#"deploy skaffold by gitops {"deployer":{"kind":"kubectl","options":{"kubeContext":"staging"}},"repository":"../env"}"#
        ]
    );
    assert_eq!(
        deploys("deploy: {gitops: {repository: ../env, deployer: {kind: memory}}}"),
        [r#"deploy skaffold by gitops {"deployer":{"kind":"memory"},"repository":"../env"}"#]
    );
}

#[test]
fn several_configurations_make_one_pipeline() {
    assert_snapshot!(read("
apiVersion: skaffold/v4beta14
kind: Config
metadata: {name: one}
build: {artifacts: [{image: web}]}
manifests: {rawYaml: [one.yaml]}
---
# nothing
---
apiVersion: skaffold/v1beta11
kind: Config
build: {artifacts: [{image: api}]}
deploy: {kubectl: {manifests: [two.yaml]}}
", &Options::default()).unwrap(), @r#"
    pipeline one
    build web in . into [Registry] web
      by docker {}
      named by gitCommit {"otherwise":"latest"}
    build api in . into [Registry] api
      by docker {}
      named by gitCommit {"otherwise":"latest"}
    deploy one by kubectl {"manifests":{"rawYaml":["one.yaml"]}}
    deploy skaffold by kubectl {"manifests":{"rawYaml":["two.yaml"]}}
    "#);
}

#[test]
fn anchors_and_merges_are_read() {
    let shown = newest_with(
        "
.args: &args {buildArgs: {A: '1'}}
build:
  artifacts:
  - image: web
    docker: {<<: *args, target: run}
",
        &Options::default().command("build"),
    )
    .unwrap();
    assert!(shown.contains(r#"by docker {"buildArgs":{"A":"1"},"target":"run"}"#), "{shown}");
}

#[test]
fn templates_are_rendered_with_the_environment() {
    let options = Options::default().env("STAGE", "prod").env("VERSION", "1.10");
    assert_snapshot!(newest_with("
build:
  artifacts:
  - image: web
    docker: {buildArgs: {V: '{{.VERSION}}', N: '{{default \"none\" .GONE}}', P: plain, '{{.STAGE}}': key}}
  - image: tool
    custom: {buildCommand: './build.sh {{.STAGE}}'}
manifests: {rawYaml: ['{{.STAGE}}/*.yaml'], kustomize: {paths: ['over/{{.STAGE}}']}}
deploy: {kubectl: {defaultNamespace: '{{.STAGE}}-shop'}}
", &options).unwrap(), @r#"
    pipeline skaffold
    build web in . into [Registry] web
      by docker {"buildArgs":{"N":"none","P":"plain","V":"1.10","{{.STAGE}}":"key"}}
      named by gitCommit {"otherwise":"latest"}
    build tool in . into [Registry] tool
      by custom {"buildCommand":"./build.sh prod"}
      named by gitCommit {"otherwise":"latest"}
    deploy skaffold by kubectl {"allowRemoteBases":true,"defaultNamespace":"prod-shop","manifests":{"kustomize":{"paths":["over/prod"]},"rawYaml":["prod/*.yaml"]}}
    "#);
}

#[test]
fn what_is_not_read_and_changes_nothing_is_said() {
    assert_snapshot!(newest("
build:
  local: {concurrency: 0, useDockerCLI: true, tryImportMissing: true}
  artifacts:
  - image: web
    runtimeType: go
    sync: {manual: [{src: 'src/**', dest: .}]}
portForward: [{resourceType: service, resourceName: web, port: 80}]
deploy: {logs: {prefix: auto}}
").unwrap(), @r#"
    pipeline skaffold
    build web in . into [Registry] web
      by docker {}
      named by gitCommit {"otherwise":"latest"}
    deploy skaffold by kubectl {"manifests":{"rawYaml":["k8s/*.yaml"]}}
    notice skaffold.yaml:5:11: `build.local.concurrency` has no effect: how much is built at once is for who runs the pipeline to say
    notice skaffold.yaml:5:27: `build.local.useDockerCLI` has no effect: the engine is asked over its API, without a command line
    notice skaffold.yaml:5:47: `build.local.tryImportMissing` has no effect: what is in a registry already is found there
    notice skaffold.yaml:8:5: `build.artifacts.runtimeType` has no effect: nothing is debugged yet
    notice skaffold.yaml:9:5: `build.artifacts.sync` has no effect: files are not synchronised yet; a run builds the image
    notice skaffold.yaml:10:1: `portForward` has no effect: no port is forwarded yet
    notice skaffold.yaml:11:10: `deploy.logs` has no effect: each line of a log says its pod and container
    "#);
}

#[test]
fn what_is_built_in_a_cluster_is_kanikos() {
    let body = "
build:
  cluster:
    namespace: builds
    timeout: 1h10m
    resources: {requests: {cpu: 100m, ephemeralStorage: 1Gi}}
    nodeSelector: {disk: ssd}
    HTTP_PROXY: http://proxy
    pullSecretName: key
  artifacts:
  - image: web
  - image: api
    kaniko:
      target: run
      buildArgs: {A: '1', B: null}
      cache: {repo: cache}
      env: [{name: C, value: d}]
      pushRetry: '3'
      registryMirror: mirror
      skipTLS: true
      insecureRegistry: [a, b]
      digestFile: /dev/x
deploy: {kubeContext: staging}
";
    assert_snapshot!(newest(body).unwrap(), @r#"
    pipeline skaffold
    build web in . into [Registry] web
      by kaniko {"cluster":{"context":"staging","namespace":"builds","nodeSelector":{"disk":"ssd"},"resources":{"requests":{"cpu":"100m","ephemeral-storage":"1Gi"}},"timeoutSeconds":4200},"env":{"HTTP_PROXY":"http://proxy"}}
      named by gitCommit {"otherwise":"latest"}
    build api in . into [Registry] api
      by kaniko {"buildArgs":{"A":"1","B":null},"cache":{"repo":"cache"},"cluster":{"context":"staging","namespace":"builds","nodeSelector":{"disk":"ssd"},"resources":{"requests":{"cpu":"100m","ephemeral-storage":"1Gi"}},"timeoutSeconds":4200},"env":{"C":"d","HTTP_PROXY":"http://proxy"},"flags":{"skip-tls-verify":true},"insecureRegistry":["a","b"],"pushRetry":3,"registryMirror":["mirror"],"target":"run"}
      named by gitCommit {"otherwise":"latest"}
    deploy skaffold by kubectl {"kubeContext":"staging","manifests":{"rawYaml":["k8s/*.yaml"]}}
    notice skaffold.yaml:5:3: `build.cluster.pullSecretName` has no effect: a pod gets the logins that the world has for the registries it needs
    notice skaffold.yaml:15:5: `kaniko.digestFile` has no effect: the digest is taken from the executor as it ends
    "#);
    let given = Options::default().kube_context("other");
    assert!(newest_with(body, &given).unwrap().contains(r#""cluster":{"context":"other""#));
    let refused = |body: &str| error(newest(body));
    assert_snapshot!(refused("build: {cluster: {}, artifacts: [{image: web}]}"), @"
    skaffold.yaml:3:9: `build.cluster` builds in a cluster, and none is named
      hint: name it with `--kube-context`, or in `deploy.kubeContext`
    ");
    assert_snapshot!(refused("build: {artifacts: [{image: web, kaniko: {}}]}"), @"
    skaffold.yaml:3:34: `kaniko` builds in a cluster, and `build.cluster` is missing
      hint: add `cluster: {}` to `build`
    ");
    let wrong = |fields: &str| {
        refused(&format!(
            "build: {{cluster: {{}}, artifacts: [{{image: web, {fields}}}]}}\ndeploy: {{kubeContext: c}}"
        ))
    };
    assert_snapshot!(wrong("docker: {}"), @"
    skaffold.yaml:3:47: `docker` in `build.cluster` is not supported yet
      hint: build a Dockerfile with `kaniko` there
    ");
    assert_snapshot!(wrong("kaniko: {contextSubPath: a}"), @"skaffold.yaml:3:47: `kaniko.contextSubPath` is not supported yet");
    assert_snapshot!(wrong("kaniko: {cache: {hostPath: /a}}"), @"
    skaffold.yaml:3:47: `kaniko.cache.hostPath` is not supported yet
      hint: keep the layers in a repository: `kaniko.cache.repo`
    ");
    assert_snapshot!(wrong("kaniko: {pushRetry: often}"), @r#"skaffold.yaml:3:47: `kaniko.pushRetry` is "often", which is no number"#);
    assert_snapshot!(wrong("kaniko: {env: [{name: A, valueFrom: {}}]}"), @"
    skaffold.yaml:3:47: `kaniko.env` takes `A` from elsewhere, which is not supported yet
      hint: write its value, or take it out
    ");
}

#[test]
fn commands_around_builds_are_steps_and_those_around_one_artifact_are_its_builders() {
    let body = "
build:
  hooks:
    before: [{command: [go, generate], dir: api, os: [linux, darwin]}, {command: [make]}]
    after: [{command: [notify]}]
  artifacts:
  - image: web
    hooks: {after: [{command: [scan]}]}
  - image: api
";
    let options = Options::default().default_repo("reg/shop");
    assert_snapshot!(newest_with(body, &options).unwrap(), @r#"
    pipeline skaffold
    build web in . into [Registry] reg/shop/web
      by Hooked { builder: docker {}, hooks: Hooks { before: [], after: [HostHook { command: ["scan"], os: [], dir: None }] }, told: Told({"SKAFFOLD_DEFAULT_REPO": "reg/shop"}) }
      named by gitCommit {"otherwise":"latest"}
      after step `skaffold/before-build-2`
    build api in . into [Registry] reg/shop/api
      by docker {}
      named by gitCommit {"otherwise":"latest"}
      after step `skaffold/before-build-2`
    deploy skaffold by kubectl {"manifests":{"rawYaml":["k8s/*.yaml"]}}
      after step `skaffold/after-build-1`
    step skaffold/before-build-1 by Here { hook: HostHook { command: ["go", "generate"], os: ["linux", "darwin"], dir: Some("api") }, told: Told({"SKAFFOLD_DEFAULT_REPO": "reg/shop"}) }
      "go" ["generate"]
      in api
    step skaffold/before-build-2 by Here { hook: HostHook { command: ["make"], os: [], dir: None }, told: Told({"SKAFFOLD_DEFAULT_REPO": "reg/shop"}) }
      "make" []
      after step `skaffold/before-build-1`
    step skaffold/after-build-1 by Here { hook: HostHook { command: ["notify"], os: [], dir: None }, told: Told({"SKAFFOLD_DEFAULT_REPO": "reg/shop"}) }
      "notify" []
      after artifact `api`
      after artifact `web`
    "#);
    // Where all is there already, nothing is done around it.
    let there = options.image("web", "reg/web:1").image("api", "reg/api:1").command("deploy");
    let deployed = newest_with(body, &there).unwrap();
    assert!(!deployed.contains("step "), "{deployed}");
}

#[test]
fn commands_around_a_release_run_here_and_in_its_containers() {
    let body = "
deploy:
  kubeContext: staging
  kubectl:
    defaultNamespace: shop
    hooks:
      before: [{host: {command: [sh, -c, migrate], dir: db}}]
      after:
      - {host: {command: [notify]}}
      - {container: {command: [warm, --all], podName: 'web-*', containerName: web}}
";
    assert_snapshot!(newest(body).unwrap(), @r#"
    pipeline skaffold
    deploy skaffold by kubectl {"defaultNamespace":"shop","kubeContext":"staging","manifests":{"rawYaml":["k8s/*.yaml"]}}
      after step `skaffold/before-deploy-1`
    step skaffold/before-deploy-1 by Here { hook: HostHook { command: ["sh", "-c", "migrate"], os: [], dir: Some("db") }, told: Told({"SKAFFOLD_KUBE_CONTEXT": "staging", "SKAFFOLD_NAMESPACES": "shop"}) }
      "sh" ["-c", "migrate"]
      in db
    step skaffold/after-deploy-1 by Here { hook: HostHook { command: ["notify"], os: [], dir: None }, told: Told({"SKAFFOLD_KUBE_CONTEXT": "staging", "SKAFFOLD_NAMESPACES": "shop"}) }
      "notify" []
      after release `skaffold`
    step skaffold/after-deploy-2 by kubernetes_exec {"container":"web","context":"staging","namespaces":["shop"],"pod":"web-*"}
      "warm" ["--all"]
      after step `skaffold/after-deploy-1`
    "#);
    let both = "deploy: {kubectl: {hooks: {before: [{host: {command: [a]}, container: {command: [b], podName: c}}]}}}";
    assert_snapshot!(error(newest(both)), @"
    skaffold.yaml:3:10: a hook is either of the `host` or of a `container`
      hint: write one of them in each item
    ");
    let nowhere = "deploy: {kubectl: {hooks: {after: [{container: {command: [b], podName: c}}]}}}";
    assert!(newest(nowhere).is_ok(), "who deploys says that no cluster is named");
}

const CONTAINERS: &str = "
build: {artifacts: [{image: smoke}, {image: web}]}
verify:
- name: smoke test
  timeout: 60
  container: {name: smoke, image: smoke, args: [--url, http://web], env: [{name: A, value: b}, {name: C, value: d}]}
- name: load
  container: {name: k6, image: grafana/k6, command: [k6, run], args: [load.js]}
  executionMode: {kubernetesCluster: {}}
customActions:
- name: update-infra
  timeout: 30
  failFast: false
  containers:
  - {name: one, image: alpine:3, command: [sh, -c, 'exit 3']}
  - {name: two, image: web}
  executionMode: {local: {useLocalImages: true}}
";

#[test]
fn what_proves_a_deployment_is_run_by_verify_alone() {
    let options = Options::default()
        .command("verify")
        .kube_context("kind")
        .namespace("shop")
        .docker_network("shop")
        .container_env([("A".to_owned(), "said".to_owned())].into());
    assert_snapshot!(newest_with(CONTAINERS, &options).unwrap(), @r#"
    pipeline skaffold
    build smoke in . into [Registry] smoke
      by docker {}
      named by gitCommit {"otherwise":"latest"}
    step smoke-test by docker {"network":"shop"}
      "" ["--url", "http://web"]
      A=said
      C=d
      in the image of smoke
      for 60s at most
    step load by kubernetes_job {"context":"kind","image":"grafana/k6","namespace":"shop"}
      "k6" ["run", "load.js"]
      A=said
    all is done, whatever fails
    "#);
    let run = newest(CONTAINERS).unwrap();
    assert!(!run.contains("step "), "{run}");
    let nowhere = newest_with(CONTAINERS, &Options::default().command("verify"));
    assert_snapshot!(error(nowhere), @"
    skaffold.yaml:10:32: a container is to run in a cluster, and none is named
      hint: name a context of the kubeconfig, with `--kube-context` or in `deploy.kubeContext`
    ");
    let nothing = newest_with("build: {artifacts: [{image: web}]}", &Options::default().command("verify"));
    assert_snapshot!(error(nothing), @"
    the configuration has no tests of `verify`
      hint: say in `verify` which containers prove what is deployed
    ");
}

#[test]
fn an_action_is_what_its_name_says() {
    let exec = |action: &str| newest_with(CONTAINERS, &Options::default().command("exec").action(action));
    assert_snapshot!(exec("update-infra").unwrap(), @r#"
    pipeline skaffold
    build web in . into [Registry] web
      by docker {}
      named by gitCommit {"otherwise":"latest"}
    step update-infra/one by InImage { runner: docker {}, image: "alpine:3", stores: [Daemon("unix:///var/run/docker.sock"), Registry] }
      "sh" ["-c", "exit 3"]
      for 30s at most
    step update-infra/two by docker {}
      "" []
      in the image of web
      for 30s at most
    all is done, whatever fails
    "#);
    assert_snapshot!(error(exec("update-infar")), @"
    the configuration has no action `update-infar`
      hint: did you mean `update-infra`?
    ");
    let twice =
        "verify: [{name: a, container: {name: a, image: b}}, {name: a, container: {name: c, image: d}}]";
    assert_snapshot!(error(newest_with(twice, &Options::default().command("verify"))), @"
    skaffold.yaml:3:81: two containers are called `a`
      hint: give one another name
    ");
    let job = "verify: [{name: a, container: {name: a, image: b}, executionMode: {kubernetesCluster: {jobManifestPath: j.yaml}}}]";
    assert_snapshot!(error(newest_with(job, &Options::default().command("verify"))), @"
    skaffold.yaml:3:105: `jobManifestPath` is not supported yet
      hint: take it out
    ");
}

#[test]
fn each_release_of_helm_is_deployed_by_itself_after_those_that_it_depends_on() {
    let body = "
resourceSelector: {allow: [{groupKind: Web, image: [.spec.image]}]}
deploy:
  kubeContext: staging
  tolerateFailuresUntilDeadline: true
  helm:
    concurrency: 4
    flags: {upgrade: [--timeout=5m]}
    hooks: {before: [{host: {command: [login]}}], after: [{host: {command: [notify]}}]}
    releases:
    - name: db
      remoteChart: oci://reg/postgres
      version: 1.10.0
      namespace: data
      setValues: {auth.user: shop, replicas: 2}
    - name: web
      chartPath: charts/web
      dependsOn: [db]
      valuesFiles: ['{{.IMAGE_TAG}}.yaml']
      setValueTemplates: {image: '{{.IMAGE_FULLY_QUALIFIED}}'}
      packaged: {version: 0.1.0}
  kubectl: {}
";
    assert_snapshot!(newest(body).unwrap(), @r#"
    pipeline skaffold
    deploy db by helm {"flags":{"upgrade":["--timeout=5m"]},"kubeContext":"staging","name":"db","namespace":"data","remoteChart":"oci://reg/postgres","resourceSelector":{"allow":[{"groupKind":"Web","image":[".spec.image"]}]},"setValues":{"auth.user":"shop","replicas":"2"},"tolerateFailuresUntilDeadline":true,"version":"1.10.0"}
      after step `skaffold-helm/before-deploy-1`
      in namespace data
    deploy web by helm {"chartPath":"charts/web","dependsOn":["db"],"flags":{"upgrade":["--timeout=5m"]},"kubeContext":"staging","name":"web","packaged":{"version":"0.1.0"},"resourceSelector":{"allow":[{"groupKind":"Web","image":[".spec.image"]}]},"setValueTemplates":{"image":"{{.IMAGE_FULLY_QUALIFIED}}"},"tolerateFailuresUntilDeadline":true,"valuesFiles":["{{.IMAGE_TAG}}.yaml"]}
      after release `db`
      after step `skaffold-helm/before-deploy-1`
    deploy skaffold-kubectl by kubectl {"kubeContext":"staging","resourceSelector":{"allow":[{"groupKind":"Web","image":[".spec.image"]}]},"tolerateFailuresUntilDeadline":true}
      after step `skaffold-helm/after-deploy-1`
    step skaffold-helm/before-deploy-1 by Here { hook: HostHook { command: ["login"], os: [], dir: None }, told: Told({"SKAFFOLD_KUBE_CONTEXT": "staging", "SKAFFOLD_NAMESPACES": "data"}) }
      "login" []
    step skaffold-helm/after-deploy-1 by Here { hook: HostHook { command: ["notify"], os: [], dir: None }, told: Told({"SKAFFOLD_KUBE_CONTEXT": "staging", "SKAFFOLD_NAMESPACES": "data"}) }
      "notify" []
      after release `db`
      after release `web`
    notice skaffold.yaml:9:5: `deploy.helm.concurrency` has no effect: how much is deployed at once is for who runs the pipeline to say
    "#);
    let unknown = "deploy: {helm: {releases: [{name: web, chartPath: a}, {name: api, chartPath: b, dependsOn: [wbe]}]}}";
    assert_snapshot!(error(newest(unknown)), @"
    skaffold.yaml:3:55: release `api` depends on `wbe`, which is not there
      hint: did you mean `web`?
    ");
    let circle = "deploy: {helm: {releases: [{name: a, chartPath: a, dependsOn: [b]}, {name: b, chartPath: b, dependsOn: [a]}]}}";
    assert!(newest(circle).is_ok(), "who plans the pipeline refuses it");
}
