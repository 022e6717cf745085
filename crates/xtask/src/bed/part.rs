//! One part of the bed: a process with its log, known by a file that outlives whoever started it.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{Bed, owner::Owner};
use crate::Result;

/// The longest that a part may take until it answers.
const READY: Duration = Duration::from_secs(120);

/// What a part is made of.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) name: &'static str,
    /// The program and its arguments, run in the namespace.
    pub(super) command: Vec<String>,
    /// A command that succeeds once the part answers.
    pub(super) ready: Vec<String>,
    /// What must have been done before it is started.
    pub(super) after: &'static [&'static str],
}

/// A part that was started at some time.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) name: String,
    pub(super) log: PathBuf,
    owner: Option<Owner>,
}

impl Recorded {
    /// Returns for how many seconds it has been up; `None` when it has ended.
    pub(super) fn since(&self) -> Option<u64> {
        self.owner?.seconds()
    }

    /// Returns the process, if it runs.
    pub(super) fn process(&self) -> Option<Owner> {
        self.owner.filter(Owner::lives)
    }
}

/// Returns the parts that were started and not taken down.
pub(super) fn recorded(bed: &Bed) -> Result<Vec<Recorded>> {
    let mut parts = Vec::new();
    for entry in fs::read_dir(bed.path("run")).into_iter().flatten().flatten() {
        let file = entry.path();
        if file.extension().is_none_or(|extension| extension != "process") {
            continue;
        }
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let log = bed.path(&format!("{name}.log"));
        let owner = fs::read_to_string(&file).ok().and_then(|text| text.parse().ok());
        parts.push(Recorded { name, log, owner });
    }
    parts.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(parts)
}

impl Part {
    /// Starts it, unless it runs, and waits until it answers.
    pub(super) fn start(&self, bed: &Bed) -> Result<()> {
        let record = bed.path("run").join(format!("{}.process", self.name));
        let running = fs::read_to_string(&record).ok().and_then(|text| text.parse::<Owner>().ok());
        if running.is_none_or(|owner| !owner.lives()) {
            let owner = self.spawn(bed)?;
            fs::write(&record, owner.to_string())
                .map_err(|error| format!("`{}`: {error}", record.display()))?;
        }
        self.wait(bed, &record)
    }

    fn spawn(&self, bed: &Bed) -> Result<Owner> {
        let log = bed.path(&format!("{}.log", self.name));
        let open = |error| format!("`{}`: {error}", log.display());
        let output = File::create(&log).map_err(open)?;
        let (program, arguments) = self.command.split_first().ok_or("a part has no program")?;
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut command = bed.inside(program, &arguments);
        // Whoever ends this program by Ctrl-C does not end the parts with it, in whatever order.
        command.process_group(0).stdin(Stdio::null());
        command.stdout(output.try_clone().map_err(open)?).stderr(output).current_dir(bed.folder());
        let child = command.spawn().map_err(|error| format!("{}: {command:?}: {error}", self.name))?;
        Owner::of(child.id()).ok_or_else(|| self.ended(bed))
    }

    fn wait(&self, bed: &Bed, record: &PathBuf) -> Result<()> {
        let owner: Option<Owner> = fs::read_to_string(record).ok().and_then(|text| text.parse().ok());
        let begin = Instant::now();
        let mut pause = Duration::from_millis(20);
        loop {
            if owner.is_none_or(|owner| !owner.lives()) {
                return Err(self.ended(bed));
            }
            let (program, arguments) = self.ready.split_first().ok_or("a part has no check")?;
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let mut check: Command = bed.inside(program, &arguments);
            check.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir(bed.folder());
            if check.status().is_ok_and(|status| status.success()) {
                return Ok(());
            }
            if begin.elapsed() > READY {
                return Err(format!("{} does not answer after {READY:?}\n{}", self.name, self.log_end(bed)));
            }
            // Asking takes from the machine what the parts need to start.
            thread::sleep(pause);
            pause = (pause * 3 / 2).min(Duration::from_millis(200));
        }
    }

    fn ended(&self, bed: &Bed) -> String {
        format!("{} ended at once\n{}", self.name, self.log_end(bed))
    }

    fn log_end(&self, bed: &Bed) -> String {
        let path = bed.path(&format!("{}.log", self.name));
        let text = fs::read_to_string(&path).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        format!("the end of `{}`:\n{}", path.display(), lines[lines.len().saturating_sub(10)..].join("\n"))
    }
}
