//! Releases of charts with the command, beside helm by itself, one release after the other, and Skaffold where it is on the
//! `PATH`.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    thread,
};

use super::{
    command::{Project, skaffold},
    contender::{Bench, median},
    node::{self, Node},
    table::{Outcome, Peer, Row},
};
use crate::{Result, bed::Settings, tools::quietly};

/// The releases of each level; each needs one of the level before it.
const LEVELS: [usize; 3] = [16, 17, 17];

/// How often ours is timed, each time in namespaces of its own.
const ROUNDS: usize = 3;

/// Its pods are ready after 2 s, on the node that is played.
const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec:
      terminationGracePeriodSeconds: 0
      nodeSelector: {NODE: \"true\"}
      tolerations: [{key: NODE, operator: Exists}]
      containers:
      - name: main
        image: {{ .Values.image }}
";

/// Measures 50 releases in three levels, and the same again with nothing to do.
pub(super) fn rows(
    bench: &Bench<'_>,
    settings: &Settings,
    program: &Path,
    helm: &Path,
    folder: &Path,
) -> Result<Vec<Row>> {
    let get = |name| settings.get(name).ok_or_else(|| format!("the bed has no `{name}`"));
    let image = format!("{}/bases/busybox:local", get("SHIPWAY_KUBE_REGISTRY")?);
    write(folder, &image, helm).map_err(|error| format!("`{}`: {error}", folder.display()))?;
    let project = Project::at(
        folder,
        program,
        [
            ("HOME", folder.join("home").display().to_string()),
            ("KUBECONFIG", get("SHIPWAY_KUBECONFIG")?.to_owned()),
            ("PATH", format!("{}:{}", folder.join("bin").display(), env::var("PATH").unwrap_or_default())),
            ("SKAFFOLD_UPDATE_CHECK", "false".to_owned()),
        ],
    );
    let node = Node::join(settings, folder)?;
    fn run<'a>(file: &'a str, namespace: &'a str) -> [&'a str; 7] {
        ["run", "-f", file, "--kube-context", "shipway-bed", "--namespace", namespace]
    }
    let mut namespaces = vec!["charts-plain".to_owned(), "charts-skaffold".to_owned()];
    for round in 0..ROUNDS {
        namespaces.extend([format!("charts-chain-{round}"), format!("charts-all-{round}")]);
    }
    for name in &namespaces {
        quietly(&mut settings.inside(&settings.kubectl(&["create", "namespace", name])?))?;
    }
    let (mut chains, mut alls) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        chains.push(project.run(bench, &run("chain.yaml", &format!("charts-chain-{round}")))?);
        alls.push(project.run(bench, &run("skaffold.yaml", &format!("charts-all-{round}")))?);
    }
    let (chain, all) = (median(chains), median(alls));
    // Its processor time is what the programs need at least, however many run at once.
    let plain = "/usr/bin/time -o cpu -f '%U %S' sh -c 'for r in $(cat names); do helm upgrade --install $r chart \
                 --kube-context shipway-bed --namespace charts-plain --wait > /dev/null || exit 1; done' && \
                 awk '{printf \"%d\", ($1 + $2) * 1000}' cpu";
    let plain = project.contender("helm, one after the other", Path::new("sh"), &["-c", plain]);
    let plain = bench.once(&plain)?;
    let cores = thread::available_parallelism().map_or(1, usize::from) as f64;
    let needed = chain.seconds.max(plain.peak as f64 / 1000.0 / cores);

    let mut peers = vec![
        Peer::new("helm, one after the other", plain.seconds),
        Peer::new("a chain of three", chain.seconds),
        Peer::new("helm's processor time by the cores", plain.peak as f64 / 1000.0 / cores),
    ];
    if let Some(skaffold) = skaffold() {
        let theirs = project.contender("Skaffold", &skaffold, &run("skaffold.yaml", "charts-skaffold"));
        peers.push(Peer::new("Skaffold", bench.once(&theirs)?.seconds));
    }
    let work = "50 releases of charts in 3 levels, each ready after 2 s on a node that is only played";
    let outcome = Outcome::AtMost {
        what: "of the longer of critical path and helm's processor time",
        value: all.seconds / needed,
        limit: 1.3,
    };
    let mut rows = vec![Row::new(work, all.seconds, peers, outcome)];

    let starts = folder.join("starts");
    fs::write(&starts, "").map_err(|error| format!("`{}`: {error}", starts.display()))?;
    let again = project.run(bench, &run("skaffold.yaml", "charts-all-0"))?;
    let started = fs::read_to_string(&starts).map_err(|error| format!("`{}`: {error}", starts.display()))?;
    let outcome =
        Outcome::AtMost { what: "starts of helm", value: started.lines().count() as f64, limit: 0.0 };
    rows.push(Row::new("the same again, with nothing to do", again.seconds, Vec::new(), outcome));
    // The node lets go of its pods first.
    let words: Vec<&str> =
        ["delete", "namespace"].into_iter().chain(namespaces.iter().map(String::as_str)).collect();
    quietly(&mut settings.inside(&settings.kubectl(&words)?))?;
    drop(node);
    Ok(rows)
}

fn write(folder: &Path, image: &str, helm: &Path) -> io::Result<()> {
    let chart: PathBuf = folder.join("chart");
    for folder in [folder.join("home"), folder.join("bin"), chart.join("templates")] {
        fs::create_dir_all(folder)?;
    }
    fs::write(chart.join("Chart.yaml"), "apiVersion: v2\nname: app\nversion: 0.1.0\n")?;
    fs::write(chart.join("values.yaml"), format!("image: {image}\n"))?;
    fs::write(chart.join("templates/deployment.yaml"), DEPLOYMENT.replace("NODE", node::NAME))?;
    // It says each time that it is started.
    let script = format!(
        "#!/bin/sh\necho \"$1\" >> '{}'\nexec '{}' \"$@\"\n",
        folder.join("starts").display(),
        helm.display()
    );
    let program = folder.join("bin/helm");
    fs::write(&program, script)?;
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;

    let level = |level: usize, count: usize| (0..count).map(move |number| format!("r{level}-{number}"));
    let mut names = Vec::new();
    let (mut all, mut before): (String, Vec<String>) = (String::new(), Vec::new());
    for (number, count) in (1..).zip(LEVELS) {
        let own: Vec<String> = level(number, count).collect();
        for (name, number) in own.iter().zip(0..) {
            let needs = before.get(number % before.len().max(1)).cloned();
            all.push_str(&release(name, needs.as_deref()));
        }
        names.extend(own.clone());
        before = own;
    }
    let chain = release("c1", None) + &release("c2", Some("c1")) + &release("c3", Some("c2"));
    fs::write(folder.join("skaffold.yaml"), configuration(&all))?;
    fs::write(folder.join("chain.yaml"), configuration(&chain))?;
    fs::write(folder.join("names"), names.join("\n"))
}

fn release(name: &str, after: Option<&str>) -> String {
    format!(
        "    - {{name: {name}, chartPath: chart, wait: false, dependsOn: [{}]}}\n",
        after.unwrap_or_default()
    )
}

fn configuration(releases: &str) -> String {
    format!(
        "apiVersion: skaffold/v4beta14\nkind: Config\nmetadata: {{name: charts}}\ndeploy:\n  helm:\n    releases:\n{releases}"
    )
}
