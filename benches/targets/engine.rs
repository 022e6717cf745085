//! The engine at work that has little or nothing to do, that is very much, or that nobody listens to.

use std::{
    fs,
    io::{self, Read},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use shipway::{
    Artifact, Build, BuildRequest, Builder, Cancel, Capabilities, Context, Digest, DiskCache, DiskJournal,
    Driver, Entry, EntryKind, Error, Files, HostDisk, Image, Inputs, Observed, ObservedBuild, OpenFile,
    Outcome, Pipeline, Plan, Result, Schedule, Snapshot, Store, StoreKind, Stream, Subscribers, Task, TaskId,
    Verify, World,
    builders::{LayerCompression, Native, NativeConfig},
    taggers::Fixed,
};

/// Longer than a file must have rested to be known by its looks.
const REST: Duration = Duration::from_millis(3200);

type Times = Vec<(&'static str, f64)>;

/// Returns the middle of several runs in seconds.
fn median(runs: usize, mut work: impl FnMut() -> f64) -> f64 {
    let mut taken: Vec<f64> = (0..runs).map(|_| work()).collect();
    taken.sort_by(f64::total_cmp);
    taken[taken.len() / 2]
}

fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn native() -> Arc<Native> {
    let options = NativeConfig::default().compression(LayerCompression::gzip().level(1));
    Arc::new(Native::new(options).expect("there is such a level"))
}

/// A new driver, as of a new process, that has what was kept.
fn driver(root: &Path, kept: &Path, verify: Verify) -> Driver {
    let world = shipway::host(root).cache(DiskCache::new(Arc::new(HostDisk), kept.join("cache")));
    let journal = DiskJournal::new(Arc::new(HostDisk), kept.join("runs"));
    Driver::new(world).verify(verify).journal(Arc::new(journal))
}

/// What a program does that embeds the library and has nothing to do.
pub(crate) fn start() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let driver = Driver::new(shipway::host("/"));
    let report = runtime.block_on(driver.run(&Pipeline::new("nothing"), &Cancel::new())).expect("a report");
    assert!(report.into_result().is_ok() && !shipway::catalog().kinds().is_empty());
}

/// Nothing to do, for one artifact of so many files, of which a `.dockerignore` file drops half.
pub(crate) fn nothing(folder: &Path, count: usize, size: usize, runs: usize) -> Times {
    let sources = folder.join("sources");
    for index in 0..count {
        let below = sources.join((index / 100).to_string());
        if index % 100 == 0 {
            fs::create_dir_all(&below).expect("a folder");
        }
        let suffix = if index % 2 == 0 { "txt" } else { "log" };
        fs::write(below.join(format!("{index}.{suffix}")), vec![b'x'; size]).expect("a file");
    }
    fs::write(sources.join("Dockerfile"), "FROM scratch\nCOPY . /\n").expect("a file");
    fs::write(sources.join(".dockerignore"), "**/*.log\n").expect("a file");
    std::thread::sleep(REST);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let web = Build::new(Artifact::new("web", ""), "web", native());
    let pipeline = Pipeline::new("bench").build(web.stores([Store::Layout(folder.join("layout"))]));
    let run = || {
        let report = runtime.block_on(driver(&sources, folder, Verify::Never).run(&pipeline, &Cancel::new()));
        report.expect("a report").into_result().expect("it is built")
    };
    run();
    let reused = run();
    assert_eq!(reused.task("build:web"), Some(&Outcome::Reused));
    let walk = median(runs, || timed(|| assert!(lstat(&sources) > 0)));
    let nothing = median(runs, || timed(|| drop(run())));
    vec![("lstat walk", walk), ("nothing to do", nothing)]
}

fn lstat(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let metadata = fs::symlink_metadata(&path).expect("it is there");
            if metadata.is_dir() { lstat(&path) } else { metadata.len() }
        })
        .sum()
}

/// Nothing to do for 50 artifacts of 20 files each, with fixed tags.
pub(crate) fn nothing_for_many(host: &str, repository: &str, folder: &Path, runs: usize) -> Times {
    let sources = folder.join("many");
    let mut pipeline = Pipeline::new("bench");
    for index in 0..50 {
        let files = sources.join(format!("{index}/files"));
        fs::create_dir_all(&files).expect("a folder");
        for file in 0..20 {
            fs::write(files.join(file.to_string()), format!("{index} {file}\n")).expect("a file");
        }
        fs::write(sources.join(format!("{index}/Dockerfile")), "FROM scratch\nCOPY files /\n")
            .expect("a file");
        let artifact = Artifact::new(format!("a{index}"), index.to_string());
        let build = Build::new(artifact, format!("{host}/{repository}/{index}"), native());
        pipeline = pipeline.build(build.tagger(Arc::new(Fixed::new("v1".parse().expect("a tag")))));
    }
    std::thread::sleep(REST);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    // Without the people's tags, which are looked for in the registry each time.
    let mut untagged = pipeline.clone();
    untagged.builds.iter_mut().for_each(|build| build.tagger = None);
    let run = |pipeline: &Pipeline, verify| {
        let report =
            runtime.block_on(driver(&sources, &folder.join("kept"), verify).run(pipeline, &Cancel::new()));
        report.expect("a report").into_result().expect("all are built")
    };
    run(&pipeline, Verify::Always);
    run(&pipeline, Verify::Always);
    let never = median(runs, || timed(|| drop(run(&untagged, Verify::Never))));
    let always = median(runs, || timed(|| drop(run(&pipeline, Verify::Always))));
    vec![("nothing to do, never verified", never), ("nothing to do, verified", always)]
}

/// Declares and builds nothing: it is only planned with.
#[derive(Debug)]
struct Idle;

#[async_trait]
impl Builder for Idle {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new().version("idle 1").writes([StoreKind::Registry]).reads([StoreKind::Registry])
    }

    async fn inputs(&self, _cx: &Context, _artifact: &Artifact) -> Result<Inputs> {
        Ok(Inputs::new())
    }

    async fn build(&self, _cx: &Context, _request: &BuildRequest) -> Result<Image> {
        Err(Error::unsupported("it is only planned with"))
    }
}

/// The artifacts before this one that it requires, in a graph of this form.
fn required(form: &str, index: usize) -> Vec<usize> {
    match form {
        _ if index == 0 => Vec::new(),
        "chain" => vec![index - 1],
        "fan" => vec![0],
        _ => {
            let mut before: Vec<usize> =
                (1..4_usize).map(|turn| index.wrapping_mul(2_654_435_761 * turn) % index).collect();
            before.sort_unstable();
            before.dedup();
            before
        }
    }
}

/// The plan of 1,000 artifacts, and the schedule of 10,000 tasks, per task; the slowest of three forms of graphs.
pub(crate) fn plans(runs: usize) -> Times {
    let (mut plan, mut task) = (0.0_f64, 0.0_f64);
    for form in ["chain", "fan", "random"] {
        let mut pipeline = Pipeline::new("bench");
        let mut observed = Observed::default();
        for index in 0..1000 {
            let requires =
                required(form, index).into_iter().map(|before| (format!("A{before}"), format!("a{before}")));
            let artifact = Artifact::new(format!("a{index}"), "")
                .requires(requires.collect::<std::collections::BTreeMap<_, _>>());
            let build = Build::new(artifact, format!("reg/a{index}"), Arc::new(Idle));
            pipeline = pipeline.build(build.tagger(Arc::new(Fixed::new("v1".parse().expect("a tag")))));
            observed
                .builds
                .insert(format!("a{index}"), ObservedBuild::new(Inputs::new(), Snapshot::default()));
        }
        let made = || assert!(Driver::plan(&pipeline, &observed).expect("a plan").tasks.len() >= 3000);
        plan = plan.max(median(runs, || timed(made)));
        let id = |index: usize| TaskId::parse(format!("t:{index}")).expect("an id");
        let tasks: Vec<Task> = (0..10_000)
            .map(|index| {
                let needs: Vec<TaskId> = required(form, index).into_iter().map(id).collect();
                Task::new(id(index), shipway::Action::Run, "t").needs(needs)
            })
            .collect();
        task = task
            .max(median(runs, || timed(|| schedule(&Plan::new("bench").tasks(tasks.clone()))) / 10_000.0));
    }
    vec![("1,000 artifacts planned", plan), ("a task scheduled", task)]
}

fn schedule(plan: &Plan) {
    let mut schedule = Schedule::new(&plan.tasks, 4).expect("a schedule");
    let mut running = Vec::new();
    loop {
        schedule.skip();
        while let Some(id) = schedule.start_next() {
            running.push(id);
        }
        let Some(id) = running.pop() else { break };
        schedule.finish(&id, Outcome::Succeeded);
    }
    assert!(schedule.is_done());
}

/// Prints a line for each piece of work.
#[derive(Debug)]
struct Chatty {
    lines: usize,
}

#[async_trait]
impl Builder for Chatty {
    fn capabilities(&self) -> Capabilities {
        Idle.capabilities()
    }

    async fn inputs(&self, _cx: &Context, _artifact: &Artifact) -> Result<Inputs> {
        Ok(Inputs::new())
    }

    async fn build(&self, cx: &Context, request: &BuildRequest) -> Result<Image> {
        let mut digest = String::new();
        for line in 0..self.lines {
            digest = crate::raw::digest(format!("{line}{digest}").repeat(4000).as_bytes());
            cx.output(Stream::Stdout, &digest);
        }
        let target = &request.target;
        let digest = Digest::parse(digest)?;
        Ok(Image::new("chatty", target.store.clone(), target.repository.as_str(), digest))
    }
}

/// A run that nobody listens to, and the same with somebody who never reads: the least of several, in turn.
pub(crate) fn consumer(lines: usize, runs: usize) -> Times {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (mut alone, mut heard) = (f64::MAX, f64::MAX);
    for _ in 0..runs {
        let build = Build::new(Artifact::new("chatty", ""), "reg/chatty", Arc::new(Chatty { lines }));
        let pipeline = Pipeline::new("bench").build(build);
        let run = |world: World| {
            timed(|| {
                let report = runtime.block_on(Driver::new(world).run(&pipeline, &Cancel::new()));
                report.expect("a report").into_result().expect("it is built");
            })
        };
        alone = alone.min(run(World::host("/")));
        let subscribers = Arc::new(Subscribers::new());
        let _never_read = subscribers.subscribe();
        heard = heard.min(run(World::host("/").sink(subscribers)));
    }
    vec![("a run alone", alone), ("a run with a reader that never reads", heard)]
}

/// Pushes one layer of so many MB, which is made as it is read.
pub(crate) fn layer(host: &str, repository: &str, megabytes: u64) -> Times {
    let world = shipway::host("/").files(Made { size: megabytes * 1_000_000 });
    let build = Build::new(Artifact::new("big", ""), format!("{host}/{repository}"), native());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let took = timed(|| {
        let report =
            runtime.block_on(Driver::new(world).run(&Pipeline::new("bench").build(build), &Cancel::new()));
        report.expect("a report").into_result().expect("it is pushed");
    });
    vec![("a big layer pushed", took), ("KiB at most", crate::peak() as f64)]
}

/// A Dockerfile and one file that is nowhere.
#[derive(Debug)]
struct Made {
    size: u64,
}

const DOCKERFILE: &str = "FROM scratch\nCOPY big /\n";

impl Made {
    fn entry(&self, path: &str) -> Option<Entry> {
        let mut entry = Entry::new(path, EntryKind::File);
        entry.size = match path {
            "big" => self.size,
            "Dockerfile" => DOCKERFILE.len() as u64,
            _ => return None,
        };
        Some(entry)
    }
}

impl Files for Made {
    fn walk_each(&self, _cx: &Context, _root: &Path, ignore: &[Vec<String>]) -> Result<Vec<Vec<Entry>>> {
        Ok(ignore.iter().map(|_| self.entry("big").into_iter().collect()).collect())
    }

    fn entry(&self, _cx: &Context, _root: &Path, path: &str) -> Result<Option<Entry>> {
        Ok(Self::entry(self, path))
    }

    fn open(&self, _cx: &Context, _root: &Path, path: &str) -> Result<OpenFile> {
        let entry =
            Self::entry(self, path).ok_or_else(|| Error::not_found(format!("there is no `{path}`")))?;
        if path == "Dockerfile" {
            return Ok(OpenFile::new(entry, io::Cursor::new(DOCKERFILE)));
        }
        Ok(OpenFile::new(entry, Words { left: self.size, number: 42 }))
    }
}

/// Text that compresses as sources do, the same each time.
struct Words {
    left: u64,
    number: u64,
}

impl Read for Words {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        for word in buffer[..count].chunks_mut(8) {
            self.number = self.number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let letters = (self.number >> 40 & 0x3ff).to_le_bytes();
            let bytes = [
                b'w',
                b'o',
                b'r',
                b'd',
                b'a' + (letters[0] & 15),
                b'a' + (letters[0] >> 4),
                b'0' + letters[1],
                b' ',
            ];
            word.copy_from_slice(&bytes[..word.len()]);
        }
        self.left -= count as u64;
        Ok(count)
    }
}

/// What the tests try, on little.
pub(crate) fn try_all(host: &str, folder: &Path) {
    assert_eq!(nothing(&folder.join("nothing"), 10, 100, 1).len(), 2);
    assert_eq!(nothing_for_many(host, "many", &folder.join("many"), 1).len(), 2);
    assert_eq!(layer(host, "layer", 3).len(), 2);
    assert_eq!(consumer(3, 1).len(), 2);
}
