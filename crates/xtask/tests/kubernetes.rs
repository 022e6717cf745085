//! The bed's Kubernetes as a person uses it: what is asked of it here, other tests take for granted. By kubectl, in the
//! cluster that `SHIPWAY_KUBECONFIG` names.

#![expect(clippy::unwrap_used, reason = "the test talks to a real cluster")]
#![expect(clippy::print_stdout, reason = "who runs the test alone sees that it was skipped")]

#[path = "../../../tests/support/skip.rs"]
mod skip;

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{self, Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::skip::skip;

/// A namespace of the test's own, gone at its end however that comes.
struct Namespace {
    name: String,
    registry: String,
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

impl Namespace {
    /// Makes a namespace, or returns `None` where there is no cluster, which is counted for the test.
    fn new(name: &str, test: &str) -> Option<Self> {
        let Some(registry) = variable("SHIPWAY_KUBECONFIG").and(variable("SHIPWAY_KUBE_REGISTRY")) else {
            skip(&format!("kubernetes::{test}"), "kubernetes (SHIPWAY_KUBECONFIG, SHIPWAY_KUBE_REGISTRY)");
            return None;
        };
        let namespace = Self { name: format!("bed-{name}-{}", process::id()), registry };
        namespace.kubectl(&["create", "namespace", &namespace.name]);
        // Pods are refused until it is there.
        namespace.kubectl(&["wait", "--for=create", "serviceaccount/default", "--timeout=30s"]);
        Some(namespace)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(variable("SHIPWAY_KUBECTL").as_deref().unwrap_or("kubectl"));
        command.args(["--kubeconfig", &variable("SHIPWAY_KUBECONFIG").unwrap()]);
        command.args(["--context", &variable("SHIPWAY_KUBE_CONTEXT").unwrap_or("shipway-bed".to_owned())]);
        command.args(["--namespace", &self.name]).args(arguments);
        command
    }

    /// Runs kubectl, which must succeed, and returns what it prints.
    fn kubectl(&self, arguments: &[&str]) -> String {
        let mut command = self.command(arguments);
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", both(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn apply(&self, objects: &[Value]) {
        let mut kubectl = self.command(&["apply", "--server-side", "--filename", "-"]);
        kubectl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut kubectl = kubectl.spawn().unwrap();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        kubectl.stdin.take().unwrap().write_all(list.as_bytes()).unwrap();
        let output = kubectl.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", both(&output));
    }

    fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.registry)
    }

    /// Waits until a pod has ended well; where it does not, what it says is the failure.
    fn succeeds(&self, pod: &str) -> String {
        let wait = ["wait", "--for=jsonpath={.status.phase}=Succeeded", pod, "--timeout=90s"];
        let output = self.command(&wait).output().unwrap();
        let logs = || both(&self.command(&["logs", pod, "--all-containers"]).output().unwrap());
        assert!(
            output.status.success(),
            "{}\n{}\n{}",
            both(&output),
            logs(),
            self.kubectl(&["get", "events"])
        );
        self.kubectl(&["logs", pod])
    }

    /// Returns a pod of one container, as far as all of them are the same.
    fn pod(&self, name: &str, container: Value) -> Value {
        let mut container = container;
        container["name"] = json!(name);
        let spec =
            json!({"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [container]});
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})
    }

    fn config_map(&self, name: &str, data: Value) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.command(&["delete", "namespace", &self.name, "--wait=false"]).output();
    }
}

fn both(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Asks again for as long as a busy machine may take.
fn until(mut holds: impl FnMut() -> bool) -> bool {
    let begin = Instant::now();
    while !holds() {
        if begin.elapsed() > Duration::from_secs(30) {
            return false;
        }
        thread::sleep(Duration::from_millis(100));
    }
    true
}

/// A process that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_deployment_answers_by_the_name_of_its_service_and_is_reached_from_outside() {
    let test = "a_deployment_answers_by_the_name_of_its_service_and_is_reached_from_outside";
    let Some(namespace) = Namespace::new("web", test) else { return };
    let busybox = namespace.image("bases/busybox:local");
    let serve = "mkdir /www; echo here > /www/index.html; echo serving; exec httpd -f -p 8080 -h /www";
    let labels = json!({"app": "web"});
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [{
                "name": "web", "image": busybox, "command": ["sh", "-c", serve],
                "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
            }]},
        }},
    });
    let ports = json!([{"port": 80, "targetPort": 8080}]);
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": labels, "ports": ports},
    });
    namespace.apply(&[deployment, service]);
    namespace.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]);

    let client = json!({"image": busybox, "command": ["wget", "-q", "-O", "-", "http://web/"]});
    namespace.apply(&[namespace.pod("client", client)]);
    assert_eq!(namespace.succeeds("pod/client"), "here\n");
    assert_eq!(namespace.kubectl(&["logs", "deployment/web"]), "serving\n");
    assert_eq!(namespace.kubectl(&["exec", "deployment/web", "--", "cat", "/www/index.html"]), "here\n");

    let forward = ["port-forward", "deployment/web", ":8080"];
    let mut forward = namespace.command(&forward).stdout(Stdio::piped()).spawn().map(Running).unwrap();
    // As long as the pipe is open: kubectl says more, and ends where it cannot.
    let mut lines = BufReader::new(forward.0.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    // `Forwarding from 127.0.0.1:PORT -> 8080`.
    let address = line.split(' ').find(|word| word.starts_with("127.0.0.1:")).unwrap();
    let curl = Command::new("curl").args(["-fsS", &format!("http://{address}/")]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&curl.stdout), "here\n", "{}", both(&curl));
}

#[test]
fn kaniko_in_a_pod_builds_and_pushes_what_a_pod_then_runs() {
    let test = "kaniko_in_a_pod_builds_and_pushes_what_a_pod_then_runs";
    let Some(namespace) = Namespace::new("kaniko", test) else { return };
    let Some(kaniko) = variable("SHIPWAY_KANIKO_IMAGE") else {
        return skip(&format!("kubernetes::{test}"), "kubernetes with SHIPWAY_KANIKO_IMAGE");
    };
    let base = namespace.image("bases/busybox:local");
    let built = namespace.image(&format!("built/{}", namespace.name));
    let dockerfile = format!("FROM {base}\nRUN echo by kaniko > /built\nCMD cat /built\n");
    let pod = json!({
        "image": kaniko,
        "args": ["--context=dir:///source", &format!("--destination={built}"), "--insecure", "--insecure-pull"],
        "volumeMounts": [{"name": "source", "mountPath": "/source"}],
    });
    let mut pod = namespace.pod("kaniko", pod);
    pod["spec"]["volumes"] = json!([{"name": "source", "configMap": {"name": "source"}}]);
    namespace.apply(&[namespace.config_map("source", json!({"Dockerfile": dockerfile})), pod]);
    namespace.succeeds("pod/kaniko");
    namespace.apply(&[namespace.pod("built", json!({"image": built}))]);
    assert_eq!(namespace.succeeds("pod/built"), "by kaniko\n");
}

#[test]
fn buildkitd_in_a_pod_builds_and_pushes_what_a_pod_then_runs() {
    let test = "buildkitd_in_a_pod_builds_and_pushes_what_a_pod_then_runs";
    let Some(namespace) = Namespace::new("buildkit", test) else { return };
    let Some(buildkit) = variable("SHIPWAY_BUILDKIT_IMAGE") else {
        return skip(&format!("kubernetes::{test}"), "kubernetes with SHIPWAY_BUILDKIT_IMAGE");
    };
    let base = namespace.image("bases/busybox:local");
    let built = namespace.image(&format!("built/{}", namespace.name));
    let dockerfile = format!("FROM {base}\nRUN echo by buildkitd > /built\nCMD cat /built\n");
    let pod = json!({
        "image": buildkit,
        "securityContext": {"privileged": true},
        "volumeMounts": [{"name": "source", "mountPath": "/source"}],
    });
    let mut pod = namespace.pod("buildkitd", pod);
    pod["spec"]["volumes"] = json!([{"name": "source", "configMap": {"name": "source"}}]);
    namespace.apply(&[namespace.config_map("source", json!({"Dockerfile": dockerfile})), pod]);
    namespace.kubectl(&["wait", "--for=condition=Ready", "pod/buildkitd", "--timeout=60s"]);
    let buildctl = |arguments: &[&str]| {
        let exec = ["exec", "buildkitd", "--", "buildctl"];
        namespace.command(&[&exec[..], arguments].concat()).output().unwrap()
    };
    assert!(until(|| buildctl(&["debug", "workers"]).status.success()));
    let output = format!("type=image,name={built},push=true");
    let source = ["--local", "context=/source", "--local", "dockerfile=/source", "--output", &output];
    let output = buildctl(&[&["build", "--frontend", "dockerfile.v0"][..], &source].concat());
    assert!(output.status.success(), "{}", both(&output));
    namespace.apply(&[namespace.pod("built", json!({"image": built}))]);
    assert_eq!(namespace.succeeds("pod/built"), "by buildkitd\n");
}

#[test]
fn a_pod_pulls_from_every_registry_and_tells_what_one_refuses() {
    let test = "a_pod_pulls_from_every_registry_and_tells_what_one_refuses";
    let Some(namespace) = Namespace::new("pulls", test) else { return };
    let named = |name| variable(&format!("SHIPWAY_{name}"));
    let (Some(auth), Some(tls), Some(bases)) =
        (named("KUBE_REGISTRY_AUTH"), named("KUBE_REGISTRY_TLS"), named("BED_BASES"))
    else {
        return skip(&format!("kubernetes::{test}"), "kubernetes with SHIPWAY_KUBE_REGISTRY_AUTH");
    };
    let (login, password) = ("shipway", "correct horse");
    let images = [&auth, &tls].map(|registry| format!("{registry}/{}:1", namespace.name));
    for image in &images {
        let mut skopeo = Command::new("skopeo");
        skopeo.args(["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]);
        skopeo.args(["--dest-creds", &format!("{login}:{password}")]);
        skopeo.args([&format!("oci:{bases}:busybox"), &format!("docker://{image}")]);
        let output = skopeo.output().unwrap();
        assert!(output.status.success(), "{}", both(&output));
    }
    let refused = namespace.pod("refused", json!({"image": images[0], "command": ["true"]}));
    let missing = namespace.image("none/such:1");
    let missing = namespace.pod("missing", json!({"image": missing, "command": ["true"]}));
    namespace.apply(&[refused, missing]);
    for (pod, reason) in [("refused", "401 Unauthorized"), ("missing", "not found")] {
        let message = "jsonpath={.status.containerStatuses[0].state.waiting.message}";
        let mut told = String::new();
        let tells = until(|| {
            told = namespace.kubectl(&["get", "pod", pod, "--output", message]);
            told.contains(reason)
        });
        assert!(tells, "{pod}: {told}");
    }

    let server = format!("--docker-server={auth}");
    let (user, word) = (format!("--docker-username={login}"), format!("--docker-password={password}"));
    namespace.kubectl(&["create", "secret", "docker-registry", "login", &server, &user, &word]);
    let mut allowed = namespace.pod("allowed", json!({"image": images[0], "command": ["true"]}));
    allowed["spec"]["imagePullSecrets"] = json!([{"name": "login"}]);
    namespace.apply(&[allowed, namespace.pod("certified", json!({"image": images[1], "command": ["true"]}))]);
    namespace.succeeds("pod/allowed");
    namespace.succeeds("pod/certified");
}
