//! What keeps workloads from working, told from objects as a cluster has them.

use serde_json::{Value, json};
use shipway_cluster::health::{Outlook, Trouble, explain};

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "generation": 1},
        "spec": {"replicas": 2, "progressDeadlineSeconds": 600, "template": {"spec": {"containers": [{"name": "app", "image": "r.example/web:1"}]}}},
        "status": {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "unavailableReplicas": 2,
            "conditions": [{"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable"}]},
    })
}

/// A pod that has a node, with the status of its container.
fn pod(name: &str, container: Value) -> Value {
    let mut status = container;
    status["name"] = "app".into();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "uid": name, "ownerReferences": [{"kind": "ReplicaSet"}]},
        "spec": {"nodeName": "n1", "containers": [{"name": "app", "image": "r.example/web:1",
            "env": [{"name": "PASSWORD", "value": "canary"}], "resources": {"limits": {"memory": "64Mi"}}}]},
        "status": {"phase": "Pending", "containerStatuses": [status], "conditions": [
            {"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "False", "reason": "ContainersNotReady"}]},
    })
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({"ready": false, "restartCount": 0, "state": {"waiting": {"reason": reason, "message": message}}})
}

fn crash_loop(last: Value, restarts: u32) -> Value {
    json!({"ready": false, "restartCount": restarts, "lastState": {"terminated": last}, "state": {"waiting": {
        "reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container=app pod=web-1_shop(1)"}}})
}

fn event(kind: &str, name: &str, reason: &str, message: &str) -> Value {
    json!({"type": "Warning", "reason": reason, "message": message, "lastTimestamp": "2026-11-21T02:00:00Z",
        "involvedObject": {"kind": kind, "name": name, "namespace": "shop"}})
}

fn told(troubles: &[Trouble]) -> String {
    let line = |one: &Trouble| {
        let logs = one.logs_of.as_ref().map_or_else(String::new, |logs| {
            let previous = if logs.previous { ", previous" } else { "" };
            format!(" [log of {}/{}{previous}]", logs.pod, logs.container)
        });
        assert!(!one.text.contains('\n') && !one.text.contains("canary"), "{}", one.text);
        format!("{:?}: {}{logs}\n", one.outlook, one.text)
    };
    troubles.iter().map(line).collect()
}

/// What is told of a deployment of which each of these is a state that its pod may be in.
fn of_states(states: Vec<Value>) -> String {
    states.into_iter().map(|state| told(&explain(&deployment(), &[pod("web-1", state)], &[]))).collect()
}

#[test]
fn images_that_do_not_come() {
    let pulls = [
        r#"Back-off pulling image "r.example/web:1": ErrImagePull: failed to pull and unpack image "r.example/web:1": failed to resolve reference "r.example/web:1": r.example/web:1: not found"#,
        r#"rpc error: code = Unknown desc = failed to pull and unpack image "docker.io/library/nope:latest": failed to resolve reference "docker.io/library/nope:latest": pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed"#,
        r#"failed to pull and unpack image "r.example/web:1": failed to resolve reference "r.example/web:1": failed to do request: Head "https://r.example/v2/web/manifests/1": http: server gave HTTP response to HTTPS client"#,
        r#"failed to pull and unpack image "r.example/web:1": failed to resolve reference "r.example/web:1": failed to do request: Head "https://me:canary@r.example/v2/web/manifests/1?sig=canary": dial tcp 10.0.0.7:443: connect: connection refused"#,
        r#"failed to pull and unpack image "r.example/web:1": no match for platform in manifest: not found"#,
        r#"Error response from daemon: toomanyrequests: You have reached your pull rate limit."#,
        "",
    ];
    insta::assert_snapshot!(of_states(pulls.iter().map(|said| waiting("ImagePullBackOff", said)).collect()), @r#"
    Failing: pod `web-1`: container `app` does not get its image `r.example/web:1` from `r.example`: not found; push it there, or correct the reference
    Failing: pod `web-1`: container `app` does not get its image `r.example/web:1` from `r.example`: pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed; the image is not there, or the node needs a login: name one in `imagePullSecrets`
    Failing: pod `web-1`: container `app` does not get its image `r.example/web:1` from `r.example`: failed to do request: Head "https://r.example/v2/web/manifests/1": http: server gave HTTP response to HTTPS client; the node's container runtime must know that this registry speaks plain HTTP
    Waiting: pod `web-1`: container `app` does not get its image `r.example/web:1` from `r.example`: failed to do request: Head "https://r.example/v2/web/manifests/1?***": dial tcp 10.0.0.7:443: connect: connection refused
    Failing: pod `web-1`: container `app` does not get its image `r.example/web:1` from `r.example`: no match for platform in manifest: not found; the image is for other platforms than the node's
    Waiting: pod `web-1`: container `app` does not get its image `r.example/web:1` from `r.example`: toomanyrequests: You have reached your pull rate limit; the registry limits pulls: log in by `imagePullSecrets`, or wait
    Waiting: pod `web-1`: container `app` does not get its image `r.example/web:1` from `r.example`
    "#);
    insta::assert_snapshot!(of_states(vec![
        waiting("InvalidImageName", "Failed to apply default image tag"),
        waiting("ErrImageNeverPull", "Container image is not present with pull policy of Never"),
        waiting("RegistryUnavailable", "image pull failed for r.example/web:1 because the registry is unavailable: denied"),
    ]), @r"
    Fatal: pod `web-1`: container `app`: `r.example/web:1` is not the name of an image; correct it in the manifest
    Failing: pod `web-1`: container `app`: image `r.example/web:1` is not on the node, and its pull policy is `Never`; load it into the node, or let it be pulled
    Waiting: pod `web-1`: container `app` does not get its image `r.example/web:1` from `r.example`: image pull failed for r.example/web:1 because the registry is unavailable: denied
    ");
}

#[test]
fn what_a_registry_said_is_found_in_an_event() {
    let pods = [pod("web-1", waiting("ImagePullBackOff", r#"Back-off pulling image "r.example/web:1""#))];
    let said = r#"Failed to pull image "r.example/web:1": rpc error: code = NotFound desc = failed to pull and unpack image "r.example/web:1": failed to resolve reference "r.example/web:1": r.example/web:1: not found"#;
    let events =
        [event("Pod", "web-1", "Failed", "Error: ImagePullBackOff"), event("Pod", "web-1", "Failed", said)];
    let events: Vec<Value> = events.into_iter().rev().collect();
    insta::assert_snapshot!(told(&explain(&deployment(), &pods, &events)), @"Failing: pod `web-1`: container `app` does not get its image `r.example/web:1` from `r.example`: not found; push it there, or correct the reference");
    // Of a pod before it that had the same name, as those of a stateful set have.
    let mut before = event("Pod", "web-1", "Failed", said);
    before["involvedObject"]["uid"] = "another".into();
    let text = told(&explain(&deployment(), &pods, &[before]));
    assert!(!text.contains("not found"), "{text}");
    let of_another = [event("Pod", "web-2", "Failed", said)];
    insta::assert_snapshot!(told(&explain(&deployment(), &pods, &of_another)), @"Waiting: pod `web-1`: container `app` does not get its image `r.example/web:1` from `r.example`");
}

#[test]
fn containers_that_crash() {
    let states = vec![
        crash_loop(json!({"exitCode": 1, "reason": "Error", "message": "canary"}), 4),
        crash_loop(json!({"exitCode": 137, "reason": "OOMKilled"}), 2),
        crash_loop(json!({"exitCode": 139, "reason": "Error"}), 1),
        crash_loop(json!({"exitCode": 0, "reason": "Completed"}), 3),
        crash_loop(
            json!({"exitCode": 128, "reason": "StartError", "message": "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"/nope\": stat /nope: no such file or directory: unknown"}),
            3,
        ),
        json!({"ready": false, "restartCount": 0, "state": {"terminated": {"exitCode": 127, "reason": "Error"}}}),
        json!({"ready": false, "restartCount": 1, "started": true, "state": {"running": {}}, "lastState": {"terminated": {"exitCode": 143}}}),
        json!({"ready": false, "restartCount": 0, "state": {"running": {}}}),
    ];
    insta::assert_snapshot!(of_states(states), @r#"
    Failing: pod `web-1`: container `app` crashes again and again: exit code 1, 4 restarts [log of web-1/app, previous]
    Failing: pod `web-1`: container `app` crashes again and again: it needs more memory than its limit of 64Mi (OOMKilled), 2 restarts [log of web-1/app, previous]
    Failing: pod `web-1`: container `app` crashes again and again: exit code 139, SIGSEGV, 1 restart [log of web-1/app, previous]
    Failing: pod `web-1`: container `app` crashes again and again: it ends with exit code 0, but should go on running, 3 restarts [log of web-1/app, previous]
    Failing: pod `web-1`: container `app` crashes again and again: exec: "/nope": stat /nope: no such file or directory, 3 restarts [log of web-1/app, previous]
    Waiting: pod `web-1`: container `app` crashed: exit code 127, the program was not found [log of web-1/app]
    Waiting: pod `web-1`: container `app` crashed before: exit code 143, SIGTERM, 1 restart [log of web-1/app, previous]
    "#);
}

#[test]
fn containers_that_cannot_be_made() {
    let states = vec![
        waiting("CreateContainerConfigError", r#"secret "database" not found"#),
        waiting("CreateContainerConfigError", "couldn't find key password in Secret shop/database"),
        waiting(
            "CreateContainerConfigError",
            r#"container has runAsNonRoot and image will run as root (pod: "web-1_shop(1)", container: app)"#,
        ),
        waiting("CreateContainerError", "failed to generate container spec: no command specified"),
        waiting(
            "RunContainerError",
            r#"failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "server": executable file not found in $PATH: unknown"#,
        ),
        waiting("PostStartHookError", "command 'x' exited with 1"),
        waiting("ContainerCreating", ""),
    ];
    insta::assert_snapshot!(of_states(states), @r#"
    Waiting: pod `web-1`: container `app` cannot start: secret "database" not found; create it, or mark the reference `optional`
    Waiting: pod `web-1`: container `app` cannot start: couldn't find key password in Secret shop/database; create it, or mark the reference `optional`
    Fatal: pod `web-1`: container `app` cannot start: container has runAsNonRoot and image will run as root (pod: "web-1_shop(1)", container: app)
    Fatal: pod `web-1`: container `app` cannot start: failed to generate container spec: no command specified
    Failing: pod `web-1`: container `app` cannot start: exec: "server": executable file not found in $PATH
    Waiting: pod `web-1`: container `app` waits: PostStartHookError: command 'x' exited with 1
    "#);
}

#[test]
fn probes_volumes_networks_and_nodes() {
    let running = pod("web-1", json!({"ready": false, "restartCount": 2, "state": {"running": {}}}));
    let unhealthy = event(
        "Pod",
        "web-1",
        "Unhealthy",
        "Readiness probe failed: Get \"http://u:canary@10.0.0.4:80/ready?key=canary\": EOF",
    );
    insta::assert_snapshot!(told(&explain(&deployment(), std::slice::from_ref(&running), &[unhealthy])), @r#"Waiting: pod `web-1`: container `app` is not ready: Readiness probe failed: Get "http://10.0.0.4:80/ready?***": EOF, 2 restarts [log of web-1/app]"#);
    let creating = [pod("web-1", waiting("ContainerCreating", ""))];
    let mut mount = event(
        "Pod",
        "web-1",
        "FailedMount",
        r#"MountVolume.SetUp failed for volume "tls" : secret "web-tls" not found"#,
    );
    mount["lastTimestamp"] = "2026-11-21T01:00:00Z".into();
    let late = event(
        "Pod",
        "web-1",
        "FailedMount",
        "Unable to attach or mount volumes: unmounted volumes=[tls]: timed out waiting for the condition",
    );
    insta::assert_snapshot!(told(&explain(&deployment(), &creating, &[late, mount])), @r#"Waiting: pod `web-1`: a volume does not come: MountVolume.SetUp failed for volume "tls" : secret "web-tls" not found"#);
    let sandbox = json!({"type": "Warning", "reason": "FailedCreatePodSandBox", "note": "plugin type=\"bridge\" failed (add): no IPs left",
        "regarding": {"kind": "Pod", "name": "web-1", "namespace": "shop"}, "eventTime": "2026-11-21T02:00:00.123456Z"});
    insta::assert_snapshot!(told(&explain(&deployment(), &creating, &[sandbox])), @r#"Waiting: pod `web-1`: its network does not come up: plugin type="bridge" failed (add): no IPs left"#);
    let gone = event("Pod", "web-1", "NodeNotReady", "Node is not ready");
    insta::assert_snapshot!(told(&explain(&deployment(), &[running], &[gone])), @"Waiting: pod `web-1`: its node: Node is not ready");
}

#[test]
fn pods_without_a_node_are_one_line() {
    let waits = |name: &str, message: &str| {
        let mut pod = pod(name, json!({}));
        pod["spec"]["volumes"] = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
        pod["status"] = json!({"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]});
        pod
    };
    let cpu = "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.";
    insta::assert_snapshot!(told(&explain(&deployment(), &[waits("web-1", cpu), waits("web-2", cpu), waits("web-3", cpu)], &[])), @"Waiting: pod `web-1` and 2 more: no node takes it: 0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.");
    let taint =
        "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }.";
    insta::assert_snapshot!(told(&explain(&deployment(), &[waits("web-1", taint)], &[])), @"Waiting: pod `web-1`: no node takes it: 0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }. (a node is short of disk)");
    let claim = event(
        "PersistentVolumeClaim",
        "data",
        "ProvisioningFailed",
        r#"storageclass.storage.k8s.io "fast" not found"#,
    );
    let other = event("PersistentVolumeClaim", "other", "ProvisioningFailed", "canary");
    let unbound = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.";
    insta::assert_snapshot!(told(&explain(&deployment(), &[waits("web-1", unbound)], &[claim, other])), @r#"
    Waiting: pod `web-1`: no node takes it: 0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.
    Waiting: pod `web-1`: volume claim `data` is not bound: storageclass.storage.k8s.io "fast" not found
    "#);
}

#[test]
fn init_containers_are_named_as_such() {
    let init = |state: Value| {
        let mut pod = pod("web-1", waiting("PodInitializing", ""));
        pod["spec"]["initContainers"] = json!([{"name": "migrate", "image": "r.example/migrate:1"}]);
        pod["status"]["initContainerStatuses"] = json!([{"name": "migrate", "state": state, "restartCount": 1,
            "lastState": {"terminated": {"exitCode": 2}}}]);
        told(&explain(&deployment(), &[pod], &[]))
    };
    insta::assert_snapshot!(init(json!({"running": {}})), @"Waiting: pod `web-1`: init container `migrate` still runs [log of web-1/migrate]");
    insta::assert_snapshot!(init(json!({"waiting": {"reason": "CrashLoopBackOff"}})), @"Failing: pod `web-1`: init container `migrate` crashes again and again: exit code 2, 1 restart [log of web-1/migrate, previous]");
}

#[test]
fn pods_that_are_not_made() {
    let made = |message: &str| {
        let mut events = vec![event("ReplicaSet", "web-5d4f", "FailedCreate", message)];
        let text = told(&explain(&deployment(), &[], &events));
        // Of another deployment, or made since: no trouble any more.
        events[0]["involvedObject"]["name"] = "api-5d4f".into();
        assert_eq!(told(&explain(&deployment(), &[], &events)), "");
        events[0]["involvedObject"]["name"] = "web-5d4f".into();
        let mut since = event("ReplicaSet", "web-5d4f", "SuccessfulCreate", "Created pod: web-5d4f-x");
        since["lastTimestamp"] = "2026-11-21T02:00:01Z".into();
        events.push(since);
        assert_eq!(told(&explain(&deployment(), &[], &events)), "");
        text
    };
    insta::assert_snapshot!([
        r#"Error creating: pods "web-5d4f-abcde" is forbidden: exceeded quota: compute, requested: limits.memory=64Mi, used: limits.memory=1Gi, limited: limits.memory=1Gi"#,
        r#"Error creating: pods "web-5d4f-fghij" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false"#,
        r#"Error creating: admission webhook "policy.example" denied the request: images must come from r.example"#,
        r#"Error creating: pods "web-5d4f-" is forbidden: error looking up service account shop/web: serviceaccount "web" not found"#,
        r#"Error creating: Internal error occurred: failed calling webhook "policy.example": context deadline exceeded"#,
        r#"Error creating: Pod "web-5d4f-x" is invalid: spec.containers[0].ports[0].containerPort: Required value"#,
    ].map(made).concat(), @r#"
    Waiting: no pod can be made: exceeded quota: compute, requested: limits.memory=64Mi, used: limits.memory=1Gi, limited: limits.memory=1Gi; raise the quota, or remove something
    Fatal: no pod can be made: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false; change the pod's security context, or the namespace's level
    Fatal: no pod can be made: admission webhook "policy.example" denied the request: images must come from r.example
    Waiting: no pod can be made: error looking up service account shop/web: serviceaccount "web" not found
    Waiting: no pod can be made: Internal error occurred: failed calling webhook "policy.example": context deadline exceeded
    Fatal: no pod can be made: invalid: spec.containers[0].ports[0].containerPort: Required value
    "#);
    let mut failure = deployment();
    failure["status"]["conditions"] = json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
        "message": "pods \"web-5d4f-abcde\" is forbidden: exceeded quota: compute"}]);
    let same = event(
        "ReplicaSet",
        "web-5d4f",
        "FailedCreate",
        "Error creating: pods \"web-5d4f-x\" is forbidden: exceeded quota: compute",
    );
    insta::assert_snapshot!(told(&explain(&failure, &[], &[same])), @"Waiting: no pod can be made: exceeded quota: compute; raise the quota, or remove something");
}

#[test]
fn what_workloads_say_themselves() {
    let mut late = deployment();
    late["status"]["conditions"] = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
        "message": "ReplicaSet \"web-5d4f\" has timed out progressing."}]);
    let crashing = pod("web-1", crash_loop(json!({"exitCode": 1}), 4));
    insta::assert_snapshot!(told(&explain(&late, &[crashing], &[])), @r#"
    Fatal: no progress within 600 s (`progressDeadlineSeconds`): ReplicaSet "web-5d4f" has timed out progressing.
    Failing: pod `web-1`: container `app` crashes again and again: exit code 1, 4 restarts [log of web-1/app, previous]
    "#);
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"}, "status": {"failed": 1, "conditions": [
        {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}]}});
    let mut failed = pod("migrate-1", json!({"state": {"terminated": {"exitCode": 3, "reason": "Error"}}}));
    failed["status"]["phase"] = "Failed".into();
    insta::assert_snapshot!(told(&explain(&job, std::slice::from_ref(&failed), &[])), @r"
    Fatal: the job failed: Job has reached the specified backoff limit
    Waiting: pod `migrate-1`: container `app` failed: exit code 3 [log of migrate-1/app]
    ");
    failed["metadata"].as_object_mut().expect("an object").remove("ownerReferences");
    insta::assert_snapshot!(told(&explain(&failed, &[], &[])), @"Fatal: container `app` failed: exit code 3 [log of migrate-1/app]");
    failed["status"]["reason"] = "Evicted".into();
    failed["status"]["message"] = "The node was low on resource: ephemeral-storage.".into();
    insta::assert_snapshot!(told(&explain(&failed, &[], &[])), @"Fatal: it failed: Evicted: The node was low on resource: ephemeral-storage.");
    let widget = json!({"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "w"}, "status": {"conditions": [
        {"type": "Ready", "status": "False", "reason": "NoQuota", "message": "the account has no quota"}]}});
    insta::assert_snapshot!(told(&explain(&widget, &[], &[])), @"Waiting: it is not ready: the account has no quota");
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"type": "LoadBalancer"}});
    let warns = event("Service", "web", "SyncLoadBalancerFailed", "Error syncing load balancer: no subnets");
    insta::assert_snapshot!(told(&explain(&service, &[], &[warns])), @"Waiting: SyncLoadBalancerFailed: Error syncing load balancer: no subnets");
}

#[test]
fn pods_that_work_end_or_are_of_another_revision_are_no_trouble() {
    let crash = || crash_loop(json!({"exitCode": 1}), 4);
    let mut old = pod("web-0", crash());
    old["spec"]["containers"][0]["image"] = "r.example/web:0".into();
    let fine = pod("web-1", waiting("ContainerCreating", ""));
    assert_eq!(explain(&deployment(), &[old.clone(), fine], &[]), []);
    // Where all are of another one, as after a webhook, none is passed over.
    assert_eq!(explain(&deployment(), std::slice::from_ref(&old), &[]).len(), 1);
    for (pointer, value) in [
        ("/metadata/deletionTimestamp", json!("2026-11-21T02:00:00Z")),
        ("/status/phase", json!("Succeeded")),
        ("/status/conditions/1/status", json!("True")),
    ] {
        let mut pod = pod("web-1", crash());
        pod["metadata"]["deletionTimestamp"] = Value::Null;
        *pod.pointer_mut(pointer).expect("a field") = value;
        assert_eq!(explain(&deployment(), &[pod], &[]), [], "{pointer}");
    }
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "status": {"updateRevision": "db-2"}});
    let of = |revision: &str| {
        let mut pod = pod(revision, crash());
        pod["metadata"]["labels"] = json!({"controller-revision-hash": revision});
        pod
    };
    let troubles = explain(&set, &[of("db-1"), of("db-2")], &[]);
    assert_eq!(
        troubles.iter().map(|one| &*one.logs_of.as_ref().expect("a log").pod).collect::<Vec<_>>(),
        ["db-2"]
    );
}

#[test]
fn what_ends_waiting_depends_on_what_is_tolerated() {
    let ends = |state: Value| {
        let troubles = explain(&deployment(), &[pod("web-1", state)], &[]);
        [false, true].map(|tolerate| troubles[0].ends_waiting(tolerate))
    };
    assert_eq!(ends(waiting("CreateContainerConfigError", "secret \"a\" not found")), [false, false]);
    assert_eq!(ends(crash_loop(json!({"exitCode": 1}), 1)), [true, false]);
    assert_eq!(ends(waiting("InvalidImageName", "")), [true, true]);
    assert!(Outlook::Waiting < Outlook::Failing && Outlook::Failing < Outlook::Fatal);
}
