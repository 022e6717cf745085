//! The benchmark: what Shipway must reach, against the least that the work takes and against others on the
//! same work, in one run on one bed. Prints a table and writes it to docs/benchmarks.md.

mod charts;
mod cluster;
mod command;
mod contender;
mod engine;
mod incremental;
mod node;
mod picture;
mod sources;
mod table;
mod text;

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use self::{
    contender::{Bench, Contender, Median},
    table::{Outcome, Peer, Row, render},
};
use crate::{
    Result,
    bed::{Bed, Extent, Lasting, Settings},
    cache::Cache,
    tools,
    workspace::Workspace,
};

/// How often each is timed, after once without a clock.
const ROUNDS: usize = 5;

/// A part of the benchmark. Each has a bed of its own: a cluster at rest takes a part of a processor too, and one that has
/// thousands of objects a larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// What needs no cluster.
    Engines,
    /// A thousand objects, and a release of one.
    Cluster,
    /// Fifty releases of charts.
    Charts,
}

impl Part {
    const ALL: [Self; 3] = [Self::Charts, Self::Engines, Self::Cluster];

    /// Returns the part of a name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "engines" => Some(Self::Engines),
            "cluster" => Some(Self::Cluster),
            "charts" => Some(Self::Charts),
            _ => None,
        }
    }
}

/// Runs all or a part, and prints the table; writes down what is whole. Returns whether every target is reached.
pub(crate) fn run(workspace: &Workspace, cache: &Cache, only: Option<Part>) -> Result<bool> {
    let targets = built(workspace, "shipway", &["bench", "--no-run", "--bench", "targets"])?;
    let serve = built(workspace, "shipway", &["build", "--release", "--example", "serve_registry"])?;
    let command = built(workspace, "shipway-cli", &["build", "--release", "--bin", "shipway"])?;
    let tools = tools::prepare(cache);
    let tool = |name: &str| {
        let tool = tools.iter().find(|tool| tool.name == name);
        tool.ok_or_else(|| format!("there is no {name}"))?.path.clone()
    };
    let programs = Programs { targets, serve, crane: tool("crane")?, helm: tool("helm3")?, command };
    let folder = fast_folder().join(format!("shipway-bench-{}", std::process::id()));
    let measured = measure(cache, &programs, &folder, only);
    // The first error is the one to tell.
    let removed = fs::remove_dir_all(&folder).map_err(|error| format!("`{}`: {error}", folder.display()));
    let (rows, notes) = measured?;
    removed?;
    let page = render(&rows, &notes, ROUNDS)?;
    println!("\n{page}");
    if only.is_none() {
        let docs = workspace.root().join("docs");
        fs::create_dir_all(&docs)
            .and_then(|()| fs::write(docs.join("benchmarks.md"), page))
            .and_then(|()| fs::write(docs.join("benchmarks.svg"), picture::draw(&rows)))
            .map_err(|error| format!("`{}`: {error}", docs.display()))?;
    }
    Ok(rows.iter().all(Row::reached))
}

fn measure(
    cache: &Cache,
    programs: &Programs,
    folder: &Path,
    only: Option<Part>,
) -> Result<(Vec<Row>, Vec<String>)> {
    let (mut rows, mut notes) = (Vec::new(), Vec::new());
    for part in Part::ALL.into_iter().filter(|part| only.is_none_or(|only| only == *part)) {
        let extent = if part == Part::Engines { Extent::Engines } else { Extent::Everything };
        let (more, told) = in_bed(cache, extent, |settings| {
            let bench = Bench::new(settings, &programs.targets, &programs.crane, String::new());
            match part {
                Part::Engines => engines(settings, programs, folder),
                Part::Cluster => cluster::rows(&bench, settings, &programs.command, &folder.join("cluster")),
                Part::Charts => {
                    let folder = folder.join("charts");
                    let rows = charts::rows(&bench, settings, &programs.command, &programs.helm, &folder)?;
                    Ok((rows, Vec::new()))
                }
            }
        })?;
        rows.extend(more);
        notes.extend(told);
    }
    Ok((rows, notes))
}

/// Does something in a bed that is taken down again.
fn in_bed<T>(cache: &Cache, extent: Extent, work: impl FnOnce(&Settings) -> Result<T>) -> Result<T> {
    let bed = Bed::named("bench")?;
    let settings = bed.up(cache, Lasting::WithThisProcess, extent)?;
    let done = work(&settings);
    let down = bed.down(cache);
    let done = done?;
    down.map(|()| done)
}

/// Returns the folder for sources and the registry's data: in memory where Linux has that, for a disk that is
/// busy would say more about itself than about those who wait for it.
fn fast_folder() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { env::temp_dir() }
}

/// What is run.
struct Programs {
    targets: PathBuf,
    serve: PathBuf,
    crane: PathBuf,
    helm: PathBuf,
    command: PathBuf,
}

/// Builds a program and returns where it is.
fn built(workspace: &Workspace, package: &str, arguments: &[&str]) -> Result<PathBuf> {
    let mut command = workspace.cargo(arguments);
    command.args(["--package", package, "--message-format=json-render-diagnostics"]);
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| format!("cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo {}: {}", arguments.join(" "), output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let path = messages.filter_map(|message| Some(message["executable"].as_str()?.to_owned())).next_back();
    path.map(PathBuf::from).ok_or_else(|| format!("cargo {} made no program", arguments.join(" ")))
}

fn engines(settings: &Settings, programs: &Programs, folder: &Path) -> Result<(Vec<Row>, Vec<String>)> {
    let (big, small) = (folder.join("big"), folder.join("small"));
    sources::write(&big, &small).map_err(|error| format!("`{}`: {error}", folder.display()))?;
    let registry = Served::start(settings, &programs.serve, &folder.join("registry"))?;
    let bench = Bench::new(settings, &programs.targets, &programs.crane, registry.host.clone());
    let mut rows = Vec::new();
    let mut contenders = vec![
        bench.shipway(&big, "1", "1"),
        bench.floor(&big, "1"),
        bench.crane(&big),
        bench.crane_piped(&big),
    ];
    let mut taken = bench.race(&contenders, ROUNDS)?;
    // These take long, and no target is about them.
    for slow in [bench.docker(&big)?, bench.buildkit(&big)?] {
        taken.push(bench.once(&slow)?);
        contenders.push(slow);
    }
    rows.extend(big_rows("1", &contenders, &taken));
    let contenders = [bench.shipway(&big, "6", "1"), bench.floor(&big, "6")];
    let taken = bench.race(&contenders, ROUNDS)?;
    rows.extend(big_rows("6", &contenders, &taken));
    let mut notes = Vec::new();
    for level in ["1", "6"] {
        notes.push(table::floor(level, &bench.parts(&big, level, ROUNDS)?, table::cores()));
    }
    rows.extend(incremental::rows(&bench, &big, &folder.join("cache"))?);
    rows.extend(engine::rows(&bench, folder)?);
    let one = small.join("0");
    let contenders =
        [bench.shipway(&one, "6", "1"), bench.crane(&one), bench.docker(&one)?, bench.buildkit(&one)?];
    let taken = bench.race(&contenders, ROUNDS)?;
    let mut others = table::others(&contenders[1..], &taken[1..]);
    others.push(Peer::recorded("Skaffold", 0.53));
    rows.push(Row::new(
        "one tiny artifact, cold, pushed to the in-process registry",
        taken[0].seconds,
        others,
        Outcome::AtMost { what: "s", value: taken[0].seconds, limit: 0.03 },
    ));
    let contenders = [bench.shipway(&small, "6", "50"), bench.raw("50")];
    let taken = bench.race(&contenders, ROUNDS)?;
    let mut others = table::others(&contenders[1..], &taken[1..]);
    others.push(Peer::recorded("Skaffold", 15.6));
    rows.push(Row::new(
        "50 small artifacts, cold, pushed to the in-process registry",
        taken[0].seconds,
        others,
        Outcome::AtMost { what: "s", value: taken[0].seconds, limit: 0.5 },
    ));
    let bench = bench.at(settings.get("SHIPWAY_BED_REGISTRY").ok_or("the bed has no registry")?);
    let contenders = [bench.shipway(&small, "6", "50"), bench.raw("50")];
    let taken = bench.race(&contenders, ROUNDS)?;
    rows.push(Row::new(
        "50 small artifacts, cold, pushed to docker-registry",
        taken[0].seconds,
        table::others(&contenders[1..], &taken[1..]),
        Outcome::AtMost { what: "× raw requests", value: taken[0].seconds / taken[1].seconds, limit: 1.5 },
    ));
    rows.extend(command::rows(&bench, &programs.command, &registry.host, &folder.join("command"))?);
    drop(registry);
    rows.extend(text::rows(&bench, &folder.join("text"))?);
    Ok((rows, notes))
}

fn big_rows(level: &str, contenders: &[Contender], taken: &[Median]) -> Vec<Row> {
    let work = format!("one `COPY` of 250 MB in 10,000 files, cold, pushed, level {level}");
    let (ours, floor) = (&taken[0], &taken[1]);
    let mut others = table::others(&contenders[1..], &taken[1..]);
    let mut rows = Vec::new();
    if let Some(crane) = taken.get(2) {
        others.push(Peer::recorded("Skaffold", 28.8));
        let outcome =
            Outcome::AtLeast {
                what: "× faster than crane", value: crane.seconds / ours.seconds, limit: 3.0
            };
        rows.push(Row::new(&work, ours.seconds, table::others(&contenders[2..3], &taken[2..3]), outcome));
    }
    let outcome = Outcome::AtMost { what: "× floor", value: ours.seconds / floor.seconds, limit: 1.3 };
    rows.insert(0, Row::new(&work, ours.seconds, others, outcome));
    let memory = ours.peak as f64 / 1024.0;
    let outcome = Outcome::AtMost { what: "MB", value: memory, limit: 64.0 };
    rows.push(Row::new(&format!("peak memory of that, level {level}"), ours.seconds, Vec::new(), outcome));
    rows
}

/// The in-process registry in a process of its own, until it is dropped.
struct Served {
    child: Child,
    host: String,
}

impl Served {
    fn start(settings: &Settings, program: &Path, folder: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("127.0.0.1:0").arg(folder);
        let mut command = settings.inside(&command);
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("`{}`: {error}", program.display()))?;
        let mut host = String::new();
        let said = child.stdout.take().map(|output| BufReader::new(output).read_line(&mut host));
        let served = Self { child, host: host.trim().to_owned() };
        match said {
            Some(Ok(_)) if !served.host.is_empty() => Ok(served),
            _ => Err("the registry did not start".to_owned()),
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself, and there is nobody left to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
