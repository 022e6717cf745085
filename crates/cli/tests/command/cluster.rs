//! What people do day by day, on a real cluster: that of `SHIPWAY_KUBECONFIG`.

#[expect(dead_code, reason = "other programs use more of it")]
#[path = "../../../../tests/support/cluster.rs"]
mod support;

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use self::support::Bed;
use crate::bench::{Bench, ended, text};

const MANIFEST: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: web, image: web}]
";

/// A project whose program says a word again and again, and where it goes.
struct Site {
    bench: Bench,
    bed: Bed,
    registry: String,
}

impl Site {
    async fn new(test: &str) -> Option<Self> {
        let bed = Bed::up(&format!("command::cluster::{test}")).await?;
        let registry = env::var("SHIPWAY_KUBE_REGISTRY").unwrap();
        let bench = Bench::empty().await;
        let site = Self { bench, bed, registry };
        site.says("one");
        Some(site)
    }

    /// Writes a program in `web`, and what it takes to deploy it.
    fn configured(self) -> Self {
        let registry = &self.registry;
        let configuration = format!(
            "apiVersion: skaffold/v4beta14\nkind: Config\nmetadata: {{name: site}}\nbuild:\n  tagPolicy: {{inputDigest: {{}}}}\n  \
             insecureRegistries: [\"{registry}\"]\n  artifacts: [{{image: web, context: web}}]\nmanifests: {{rawYaml: [web.yaml]}}\n\
             deploy: {{kubectl: {{}}}}\n"
        );
        self.bench.write("skaffold.yaml", &configuration);
        self.bench.write("web/Dockerfile", &self.dockerfile());
        self.bench.write("web.yaml", MANIFEST);
        self
    }

    fn dockerfile(&self) -> String {
        format!("FROM {}/bases/busybox:local\nCOPY say /say\nCMD [\"sh\", \"/say\"]\n", self.registry)
    }

    /// Runs with the logs until the pod says this, and then presses Ctrl-C, which ends the logs and not the site.
    fn tails(&self, line: &str, word: &str) {
        let mut tailing = self.command(line);
        let mut tailing = tailing.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(tailing.stdout.take().unwrap()).lines();
        let end = format!("web] {word}");
        let line = lines.map(|line| line.unwrap()).find(|line| line.ends_with(&end));
        assert!(line.is_some_and(|line| line.starts_with("[web")), "no line of the new pod");
        let id = rustix::process::Pid::from_child(&tailing);
        rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
        assert_eq!(tailing.wait().unwrap().code(), Some(0));
    }

    fn says(&self, word: &str) {
        self.bench.write("web/say", &format!("while true; do echo {word}; sleep 0.2; done\n"));
    }

    fn command(&self, line: &str) -> Command {
        let mut command = self.bench.command(line);
        let context = env::var("SHIPWAY_KUBE_CONTEXT").unwrap_or_else(|_| "shipway-bed".to_owned());
        command.env("KUBECONFIG", env::var("SHIPWAY_KUBECONFIG").unwrap());
        command.env("SKAFFOLD_KUBE_CONTEXT", context).env("SKAFFOLD_NAMESPACE", &self.bed.namespace);
        command.env("SKAFFOLD_DEFAULT_REPO", format!("{}/{}", self.registry, self.bed.namespace));
        command
    }

    /// Runs the command, which must end with this code, and returns what it says.
    async fn run(&self, line: &str, code: i32) -> String {
        let output = ended(self.command(line)).await;
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{line}: {out}{err}");
        out
    }
}

/// The folder of spec's third scenario: a Dockerfile, a pod and a program.
#[tokio::test(flavor = "multi_thread")]
async fn what_people_do_with_skaffold_is_done_the_same_way() {
    let Some(site) = Site::new("what_people_do_with_skaffold_is_done_the_same_way").await else { return };
    site.bench.write("Dockerfile", &site.dockerfile());
    site.bench.write("say", "while true; do echo hello; sleep 0.2; done\n");
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  terminationGracePeriodSeconds: 0\n  containers: \
               [{name: web, image: web}]\n";
    site.bench.write("pod.yaml", pod);
    site.run(&format!("config set --global insecure-registries {}", site.registry), 0).await;
    site.run("init --yes", 0).await;
    site.run("run --builder native", 0).await;
    assert!(site.run("status", 0).await.contains("  healthy\n"));
    site.tails("run --builder native --tail", "hello");
    site.run("delete", 0).await;
    assert!(site.run("status", 1).await.ends_with("not deployed\n"));
    site.bed.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_is_run_looked_at_taken_back_and_deleted() {
    let Some(site) = Site::new("a_site_is_run_looked_at_taken_back_and_deleted").await else { return };
    let site = site.configured();
    let plan = site.run("plan --builder native", 0).await;
    assert!(plan.contains("site: 2 objects change\ncreate Deployment"), "{plan}");
    assert!(plan.contains("@sha256:(not built yet)"), "{plan}");
    assert_eq!(site.run("status --builder native", 1).await, "site  not deployed\n");

    site.run("run --builder native", 0).await;
    site.says("two");
    let plan = site.run("plan --builder native", 0).await;
    assert!(plan.contains("web/say changed"), "{plan}");
    assert!(plan.contains("update Deployment"), "{plan}");
    site.tails("run --builder native --tail", "two");

    let status = site.run("status --builder native", 0).await;
    assert!(status.starts_with("site  healthy\n  live     revision 2  "), "{status}");
    let logs = site.run("logs --builder native --lines 1", 0).await;
    assert_eq!(logs.matches("web] two").count(), 1, "{logs}");

    site.run("rollback --builder native", 0).await;
    let status = site.run("status --builder native --json", 0).await;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let image = |place: usize| status["history"][place]["images"][0].as_str().unwrap().to_owned();
    let digest = |image: String| image.split('@').nth(1).unwrap().to_owned();
    assert_eq!(
        (status["history"][0]["revision"].as_str(), &digest(image(0))),
        (Some("3"), &digest(image(2)))
    );
    site.run("rollback 9 --builder native", 1).await;
    let history = site.run("history --last 2", 0).await;
    assert!(history.contains("restored site"), "{history}");

    site.run("delete --builder native", 0).await;
    assert_eq!(site.run("status --builder native", 1).await, "site  not deployed\n");
    site.bed.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_built_once_is_deployed_applied_and_deployed_again() {
    let Some(site) = Site::new("what_is_built_once_is_deployed_applied_and_deployed_again").await else {
        return;
    };
    let site = site.configured();
    let built = site.run("build --builder native -q --file-output builds.json", 0).await;
    site.run("deploy -a builds.json", 0).await;
    let rendered = site.run("render -a builds.json -o rendered.yaml", 0).await;
    assert_eq!(rendered, "");
    // What a person may do by hand in between.
    site.run("delete", 0).await;
    let applied = site.run("apply rendered.yaml", 0).await;
    assert!(applied.contains("apply:site") && !applied.contains("build:"), "{applied}");
    let digest = built.split('@').nth(1).unwrap().split('"').next().unwrap();
    let again = site.run("rerun --builder native", 0).await;
    assert!(again.contains(digest), "{again}");
    site.run("delete", 0).await;
    site.bed.down().await;
}

fn text_of(output: &std::process::Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

/// What runs before and after a build and a release, here and in the pod that was deployed.
#[tokio::test(flavor = "multi_thread")]
async fn hooks_run_around_what_they_are_said_for() {
    let Some(site) = Site::new("hooks_run_around_what_they_are_said_for").await else { return };
    let site = site.configured();
    let configuration = std::fs::read_to_string(site.bench.project().join("skaffold.yaml")).unwrap();
    let noted = |what: &str| format!("[sh, -c, 'echo {what} >> notes']");
    let configuration = configuration
        .replace("build:\n", &format!("build:\n  hooks: {{before: [{{command: {}}}]}}\n", noted("phase")))
        .replace(
            "context: web}",
            &format!(
                "context: web, hooks: {{before: [{{command: {}}}], after: [{{command: {}}}]}}}}",
                noted("$SKAFFOLD_PUSH_IMAGE"),
                noted("$SKAFFOLD_IMAGE_REPO")
            ),
        )
        .replace(
            "kubectl: {}",
            &format!(
                "kubectl: {{hooks: {{before: [{{host: {{command: {}}}}}], after: [{{container: {{command: [sh, -c, echo \
                 inside the pod], podName: 'web-*'}}}}, {{host: {{command: {}}}}}]}}}}",
                noted("$SKAFFOLD_NAMESPACES"),
                noted("after $SKAFFOLD_KUBE_CONTEXT")
            ),
        );
    site.bench.write("skaffold.yaml", &configuration);
    let output = ended(site.command("run --builder native")).await;
    let told = text_of(&output);
    assert!(output.status.success() && told.contains("web] inside the pod"), "{told}");
    let notes = std::fs::read_to_string(site.bench.project().join("notes")).unwrap();
    let notes: Vec<&str> = notes.lines().collect();
    let context = env::var("SHIPWAY_KUBE_CONTEXT").unwrap_or_else(|_| "shipway-bed".to_owned());
    let after = format!("after {context}");
    assert_eq!(notes[..2], ["phase", "true"], "{notes:?}");
    assert!(notes[2].ends_with(&format!("{}/web", site.bed.namespace)), "{notes:?}");
    assert_eq!(notes[3..], [site.bed.namespace.as_str(), &after], "{notes:?}");

    // What is not built has nothing around its build; the phases are gone through all the same.
    site.run("run --builder native", 0).await;
    let again = std::fs::read_to_string(site.bench.project().join("notes")).unwrap();
    let again: Vec<&str> = again.lines().skip(notes.len()).collect();
    assert_eq!(again, ["phase", site.bed.namespace.as_str(), &after]);
    site.run("delete", 0).await;
    site.bed.down().await;
}
