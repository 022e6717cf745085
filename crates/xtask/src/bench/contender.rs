//! Those who do the work, each as a process that is timed from its start to its end.

use std::{
    cell::Cell,
    ffi::OsStr,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use crate::{Result, bed::Settings, tools::quietly};

/// What all contenders work with.
pub(super) struct Bench<'a> {
    settings: &'a Settings,
    targets: &'a Path,
    crane: &'a Path,
    host: String,
}

/// Somebody who does the work: a name, and the commands of one run, which push to a repository of this name.
pub(super) struct Contender {
    pub(super) name: String,
    commands: Commands,
}

type Commands = Box<dyn Fn(&str) -> Vec<Command>>;

/// What came of one or several runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Median {
    pub(super) seconds: f64,
    /// The most memory that it had, in KiB, of a program that tells.
    pub(super) peak: u64,
}

thread_local! {
    // Each run has a repository of its own: what is there already would not be pushed.
    static RUNS: Cell<usize> = const { Cell::new(0) };
}

impl<'a> Bench<'a> {
    pub(super) fn new(settings: &'a Settings, targets: &'a Path, crane: &'a Path, host: String) -> Self {
        Self { settings, targets, crane, host }
    }

    /// Returns the same with another registry.
    pub(super) fn at(&self, host: &str) -> Self {
        Self { host: host.to_owned(), ..*self }
    }

    pub(super) fn shipway(&self, sources: &Path, level: &str, count: &str) -> Contender {
        let (program, host, sources) = (self.targets.to_owned(), self.host.clone(), sources.to_owned());
        let rest = [level.to_owned(), count.to_owned()];
        Contender::new("Shipway", move |repository| {
            let mut command = Command::new(&program);
            command.args(["push", &host, repository]).arg(&sources).args(&rest);
            vec![command]
        })
    }

    pub(super) fn floor(&self, sources: &Path, level: &str) -> Contender {
        let (program, host, sources) = (self.targets.to_owned(), self.host.clone(), sources.join("files"));
        let level = level.to_owned();
        Contender::new("floor", move |repository| {
            let mut command = Command::new(&program);
            command.args(["floor", &host, repository]).arg(&sources).arg(&level);
            vec![command]
        })
    }

    /// Returns the parts of the floor by name, each with the seconds that it takes on one core: the least of
    /// several, since nothing but others can make it longer.
    pub(super) fn parts(&self, sources: &Path, level: &str, rounds: usize) -> Result<Vec<(String, f64)>> {
        let mut least: Vec<(String, f64)> = Vec::new();
        for round in 0..rounds {
            let files = sources.join("files");
            let repository = format!("bench/parts{level}-{round}");
            let parts = self.times("parts", &repository, &files, &[OsStr::new(level)])?;
            match least.is_empty() {
                true => least = parts,
                false => least.iter_mut().zip(parts).for_each(|(least, part)| least.1 = least.1.min(part.1)),
            }
        }
        Ok(least)
    }

    /// Returns what the program that measures by itself tells of some work: seconds by name.
    pub(super) fn times(
        &self,
        work: &str,
        repository: &str,
        sources: &Path,
        rest: &[&OsStr],
    ) -> Result<Vec<(String, f64)>> {
        let first = [work, &self.host, repository].map(OsStr::new);
        let all: Vec<&OsStr> =
            first.into_iter().chain([sources.as_os_str()]).chain(rest.iter().copied()).collect();
        self.times_of(&all)
    }

    /// Returns the same with these arguments alone.
    pub(super) fn times_of(&self, arguments: &[&OsStr]) -> Result<Vec<(String, f64)>> {
        let work = arguments.first().unwrap_or(&OsStr::new("")).to_string_lossy().into_owned();
        let mut command = Command::new(self.targets);
        command.args(arguments);
        let output = self.settings.inside(&command).output();
        let output = output.map_err(|error| format!("targets {work}: {error}"))?;
        let times = times(&String::from_utf8_lossy(&output.stdout));
        if !output.status.success() || times.is_empty() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("targets {work}: {}\n{said}", output.status));
        }
        Ok(times)
    }

    /// Somebody whose work is one command, the same each time.
    pub(super) fn command(name: &str, command: Command) -> Contender {
        let (program, arguments) =
            (command.get_program().to_owned(), command.get_args().map(OsStr::to_owned));
        let arguments: Vec<_> = arguments.collect();
        Contender::new(name, move |_| {
            let mut command = Command::new(&program);
            command.args(&arguments);
            vec![command]
        })
    }

    pub(super) fn raw(&self, count: &str) -> Contender {
        let (program, host, count) = (self.targets.to_owned(), self.host.clone(), count.to_owned());
        Contender::new("raw requests", move |repository| {
            let mut command = Command::new(&program);
            command.args(["raw", &host, repository, &count]);
            vec![command]
        })
    }

    /// Work on texts alone, by this program with these arguments.
    pub(super) fn text(&self, args: &[&str]) -> Contender {
        let program = self.targets.to_owned();
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        Contender::new("Shipway", move |_| {
            let mut command = Command::new(&program);
            command.args(&args);
            vec![command]
        })
    }

    pub(super) fn git_status(&self, folder: &Path) -> Contender {
        let folder = folder.to_owned();
        Contender::new("git status", move |_| {
            let mut command = Command::new("git");
            command.arg("-C").arg(&folder).args(["status", "--porcelain"]);
            vec![command]
        })
    }

    /// A tar in a file, as crane's own documentation has it.
    pub(super) fn crane(&self, sources: &Path) -> Contender {
        let script = r#"tar -C "$1" -cf "$4" . && "$2" append --insecure --oci-empty-base -f "$4" -t "$3""#;
        self.appended("tar + crane append", script, sources)
    }

    /// A tar in a pipe, which crane then need not read twice.
    pub(super) fn crane_piped(&self, sources: &Path) -> Contender {
        let script = r#"tar -C "$1" -cf - . | "$2" append --insecure --oci-empty-base -f - -t "$3""#;
        self.appended("tar piped to crane append", script, sources)
    }

    /// `append` compresses at gzip's fastest level.
    fn appended(&self, name: &'static str, script: &'static str, sources: &Path) -> Contender {
        let (program, host) = (self.crane.to_owned(), self.host.clone());
        let (files, tar) = (sources.join("files"), sources.with_extension("tar"));
        Contender::new(name, move |repository| {
            let mut command = Command::new("sh");
            command
                .args(["-c", script, "sh"])
                .args([&files, &program])
                .arg(format!("{host}/{repository}:1"))
                .arg(&tar);
            vec![command]
        })
    }

    pub(super) fn docker(&self, sources: &Path) -> Result<Contender> {
        let daemon = self.settings.get("SHIPWAY_BED_DOCKER").ok_or("the bed has no Docker")?.to_owned();
        let (host, sources) = (self.host.clone(), sources.to_owned());
        Ok(Contender::new("docker build + push", move |repository| {
            let image = format!("{host}/{repository}:1");
            let docker = |arguments: &[&str]| {
                let mut command = Command::new("docker");
                command.args(["--host", &daemon]).args(arguments);
                command
            };
            let mut build = docker(&["build", "--quiet", "--no-cache", "--tag", &image]);
            build.arg(&sources);
            vec![build, docker(&["push", "--quiet", &image])]
        }))
    }

    pub(super) fn buildkit(&self, sources: &Path) -> Result<Contender> {
        let get = |name| self.settings.get(name).ok_or("the bed has no BuildKit").map(str::to_owned);
        let (daemon, program) = (get("SHIPWAY_BED_BUILDKIT")?, get("SHIPWAY_BED_BUILDCTL")?);
        let (host, sources) = (self.host.clone(), sources.display().to_string());
        Ok(Contender::new("buildctl build", move |repository| {
            let mut command = Command::new(&program);
            command.args(["--addr", &daemon, "build", "--no-cache", "--progress=plain"]);
            command.args(["--frontend", "dockerfile.v0"]);
            command.arg(format!("--local=context={sources}")).arg(format!("--local=dockerfile={sources}"));
            let output = "push=true,registry.insecure=true";
            command.arg(format!("--output=type=image,name={host}/{repository}:1,{output}"));
            vec![command]
        }))
    }

    /// Runs all in turn, once to warm up and then for the clock, so that what disturbs the machine disturbs all.
    pub(super) fn race(&self, contenders: &[Contender], rounds: usize) -> Result<Vec<Median>> {
        let mut taken: Vec<Vec<Median>> = vec![Vec::new(); contenders.len()];
        for round in 0..=rounds {
            for (contender, taken) in contenders.iter().zip(&mut taken) {
                let run = self.once(contender)?;
                if round > 0 {
                    taken.push(run);
                }
            }
        }
        Ok(taken.into_iter().map(median).collect())
    }

    /// Returns what came of one run.
    pub(super) fn once(&self, contender: &Contender) -> Result<Median> {
        let number = RUNS.replace(RUNS.get() + 1);
        let commands = (contender.commands)(&format!("bench/r{number}"));
        // What the one before left for the disk to write is not this one's to wait for.
        quietly(&mut Command::new("sync"))?;
        let start = Instant::now();
        let mut peak = 0;
        for command in &commands {
            let output = self.settings.inside(command).stdin(Stdio::null()).output();
            let output = output.map_err(|error| format!("{}: {error}", contender.name))?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                return Err(format!("{}: {}\n{said}", contender.name, output.status));
            }
            peak = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(0);
        }
        let seconds = start.elapsed().as_secs_f64();
        println!("{:20} {seconds:8.3} s", contender.name);
        Ok(Median { seconds, peak })
    }
}

impl Contender {
    fn new(name: &str, commands: impl Fn(&str) -> Vec<Command> + 'static) -> Self {
        Self { name: name.to_owned(), commands: Box::new(commands) }
    }
}

/// Reads lines of seconds and a name; others are of something else.
fn times(text: &str) -> Vec<(String, f64)> {
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.filter_map(|(seconds, name)| Some((name.to_owned(), seconds.parse().ok()?))).collect()
}

/// Returns the middle of the seconds, and the most memory.
pub(super) fn median(mut runs: Vec<Median>) -> Median {
    runs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    Median {
        seconds: runs[runs.len() / 2].seconds,
        peak: runs.iter().map(|run| run.peak).max().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_and_memory_the_most() {
        let run = |(seconds, peak)| Median { seconds, peak };
        let middle = median([(3.0, 1), (1.0, 9), (2.0, 4)].map(run).into());
        assert_eq!((middle.seconds, middle.peak), (2.0, 9));
    }

    #[test]
    fn times_are_lines_of_seconds_and_a_name() {
        let expected = [("tar".to_owned(), 0.25), ("its SHA-256".to_owned(), 0.125)];
        assert_eq!(times("0.250 tar\n0.125 its SHA-256\n4711\n"), expected);
    }
}
