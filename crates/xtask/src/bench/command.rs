//! The command as people start it: whole processes, beside Skaffold where that is on the `PATH`.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    ROUNDS,
    contender::{Bench, Contender, Median},
    table::{Outcome, Peer, Row, others},
};
use crate::{Result, bed::Settings, tools::quietly};

/// Where Shipway's own sample is, which Skaffold reads too.
const SAMPLE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../config/tests/skaffold/samples/skaffold-profiles.yaml");

/// How many artifacts, and how many objects, of which as many have an image.
const ARTIFACTS: usize = 50;
const OBJECTS: usize = 1_000;

/// Measures what needs no cluster: the artifacts' images are in this registry.
pub(super) fn rows(bench: &Bench<'_>, program: &Path, host: &str, folder: &Path) -> Result<Vec<Row>> {
    let project = Project::write(folder, program, host)?;
    let mut rows = vec![size(program, folder)?];
    let diagnose = ["diagnose", "--yaml-only", "-f", SAMPLE];
    rows.extend(project.beside(
        bench,
        "the sample with profiles, `diagnose --yaml-only`",
        &diagnose,
        0.055,
    )?);
    rows.push(project.memory(bench, &diagnose)?);
    project.run(bench, &["build", "--builder", "native", "--quiet", "--file-output", "builds.json"])?;
    let render = ["render", "-a", "builds.json"];
    rows.extend(project.beside(
        bench,
        "`render` of 1,000 documents with 50 images, of which each is looked up",
        &render,
        0.87,
    )?);
    Ok(rows)
}

/// Measures a run with nothing to do: 50 artifacts and 1,000 objects, on a cluster.
pub(super) fn unchanged(
    bench: &Bench<'_>,
    settings: &Settings,
    program: &Path,
    folder: &Path,
    apply: f64,
) -> Result<Row> {
    let get = |name| settings.get(name).ok_or_else(|| format!("the bed has no `{name}`"));
    let mut project = Project::write(folder, program, get("SHIPWAY_BED_REGISTRY")?)?;
    project.env.push(("KUBECONFIG".to_owned(), get("SHIPWAY_KUBECONFIG")?.to_owned()));
    quietly(&mut settings.inside(&settings.kubectl(&["create", "namespace", "bench-command"])?))?;
    let run = ["run", "--builder", "native", "--kube-context", "shipway-bed", "--namespace", "bench-command"];
    project.run(bench, &run)?;
    let taken = bench.race(&[project.contender("Shipway", program, &run)], ROUNDS)?[0];
    Ok(Row::new(
        "`run` with nothing to do: 50 artifacts, 1,000 objects on a cluster",
        taken.seconds,
        vec![Peer::recorded("Skaffold", 0.23 + 88.0)],
        Outcome::AtMost {
            what: "s above the unchanged apply",
            value: (taken.seconds - apply).max(0.0),
            limit: 0.1,
        },
    ))
}

/// A folder with a configuration, and what programs see of the world.
pub(super) struct Project {
    folder: PathBuf,
    program: PathBuf,
    env: Vec<(String, String)>,
}

impl Project {
    fn write(folder: &Path, program: &Path, host: &str) -> Result<Self> {
        write(folder, host).map_err(|error| format!("`{}`: {error}", folder.display()))?;
        Ok(Self::at(
            folder,
            program,
            [
                ("HOME", folder.join("home").display().to_string()),
                ("SKAFFOLD_UPDATE_CHECK", "false".to_owned()),
                ("SKAFFOLD_DEFAULT_REPO", format!("{host}/bench-command")),
            ],
        ))
    }

    /// Returns the project of a folder that is there.
    pub(super) fn at<const N: usize>(folder: &Path, program: &Path, env: [(&str, String); N]) -> Self {
        let env = env.map(|(name, value)| (name.to_owned(), value)).into();
        Self { folder: folder.to_owned(), program: program.to_owned(), env }
    }

    pub(super) fn contender(&self, name: &str, program: &Path, arguments: &[&str]) -> Contender {
        // Only `env` can change the folder of a program that is started inside of the bed.
        let mut words = vec![format!("--chdir={}", self.folder.display())];
        words.extend(self.env.iter().map(|(name, value)| format!("{name}={value}")));
        words.push(program.display().to_string());
        words.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let mut command = Command::new("env");
        command.args(words);
        Bench::command(name, command)
    }

    pub(super) fn run(&self, bench: &Bench<'_>, arguments: &[&str]) -> Result<Median> {
        bench.once(&self.contender("Shipway", &self.program, arguments))
    }

    /// Times it beside Skaffold, which must be ten times slower: the one that is there, or what was recorded.
    fn beside(
        &self,
        bench: &Bench<'_>,
        work: &str,
        arguments: &[&str],
        recorded: f64,
    ) -> Result<Option<Row>> {
        let mut contenders = vec![self.contender("Shipway", &self.program, arguments)];
        contenders.extend(skaffold().map(|program| self.contender("Skaffold", &program, arguments)));
        let taken = bench.race(&contenders, ROUNDS)?;
        let theirs = taken.get(1).map_or(recorded, |taken| taken.seconds);
        let peers = match contenders.len() {
            1 => vec![Peer::recorded("Skaffold", recorded)],
            _ => others(&contenders[1..], &taken[1..]),
        };
        let value = theirs / taken[0].seconds;
        let outcome = Outcome::AtLeast { what: "× faster than Skaffold", value, limit: 10.0 };
        Ok(Some(Row::new(work, taken[0].seconds, peers, outcome)))
    }

    /// Measures the most memory of a run, by GNU time.
    fn memory(&self, bench: &Bench<'_>, arguments: &[&str]) -> Result<Row> {
        let script = r#"/usr/bin/time -f %M -o peak "$0" "$@" > /dev/null && cat peak"#;
        let program = self.program.display().to_string();
        let words: Vec<&str> =
            ["-c", script, &program].into_iter().chain(arguments.iter().copied()).collect();
        let taken = bench.once(&self.contender("Shipway", Path::new("sh"), &words))?;
        let value = taken.peak as f64 / 1024.0;
        if value == 0.0 {
            return Err("there is no GNU time, which tells how much memory a program had".to_owned());
        }
        let outcome = Outcome::AtMost { what: "MB", value, limit: 20.0 };
        Ok(Row::new("peak memory of that (`diagnose --yaml-only`)", taken.seconds, Vec::new(), outcome))
    }
}

/// Returns Skaffold, where it is on the `PATH`.
pub(super) fn skaffold() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join("skaffold")).find(|file| file.is_file())
}

/// Measures the program without its symbols.
fn size(program: &Path, folder: &Path) -> Result<Row> {
    let stripped = folder.join("stripped");
    quietly(Command::new("strip").arg("-o").arg(&stripped).arg(program))?;
    let size = fs::metadata(&stripped).map_err(|error| format!("`{}`: {error}", stripped.display()))?.len();
    let outcome = Outcome::AtMost { what: "MB", value: size as f64 / 1e6, limit: 40.0 };
    Ok(Row::new("size of the stripped release binary, with all plug-ins", f64::NAN, Vec::new(), outcome))
}

fn write(folder: &Path, host: &str) -> io::Result<()> {
    fs::create_dir_all(folder.join("home"))?;
    let mut configuration = format!(
        "apiVersion: skaffold/v4beta11\nkind: Config\nmetadata: {{name: many}}\nbuild:\n  tagPolicy: {{sha256: {{}}}}\n  \
         insecureRegistries: [\"{host}\"]\n  artifacts:\n"
    );
    let mut objects = String::new();
    for index in 0..ARTIFACTS {
        let files = folder.join(format!("{index}/files"));
        fs::create_dir_all(&files)?;
        fs::write(files.join("hello.txt"), format!("hello {index}\n"))?;
        fs::write(folder.join(format!("{index}/Dockerfile")), "FROM scratch\nCOPY files /\n")?;
        configuration.extend([format!("  - {{image: app-{index}, context: \"{index}\"}}\n")]);
        // Nothing of it runs: what is measured is what it takes to look.
        objects.extend([format!(
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: app-{index}}}\nspec:\n  replicas: 0\n  selector: \
             {{matchLabels: {{app: app-{index}}}}}\n  template:\n    metadata: {{labels: {{app: app-{index}}}}}\n    spec:\n      \
             containers: [{{name: main, image: app-{index}}}]\n"
        )]);
    }
    for index in ARTIFACTS..OBJECTS {
        objects.extend([format!(
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: config-{index}}}\ndata: {{number: \"{index}\"}}\n"
        )]);
    }
    configuration.push_str("manifests: {rawYaml: [objects.yaml]}\ndeploy: {kubectl: {}}\n");
    fs::write(folder.join("skaffold.yaml"), configuration)?;
    fs::write(folder.join("objects.yaml"), objects)
}
