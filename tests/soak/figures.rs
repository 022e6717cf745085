//! What processes use, and what they leave.

use std::{fmt, fs, path::Path, process};

/// Memory and open files of two processes over time.
#[derive(Debug)]
pub(crate) struct Usage {
    /// The process that goes on, as the names of its temporary files have it.
    pub(crate) steady: String,
    processes: [Process; 2],
}

#[derive(Debug)]
struct Process {
    what: &'static str,
    id: u32,
    /// Kilobytes of memory, and open files.
    samples: Vec<(u64, usize)>,
}

impl Usage {
    /// Returns the usage of a process that works and of this one, which is the registry.
    pub(crate) fn new(worker: u32) -> Self {
        let process = |what, id| Process { what, id, samples: Vec::new() };
        Self {
            steady: worker.to_string(),
            processes: [process("worker", worker), process("registry", process::id())],
        }
    }

    /// Looks once.
    pub(crate) fn sample(&mut self) {
        for Process { id, samples, .. } in &mut self.processes {
            let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
            let memory = status
                .lines()
                .find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
            let files = fs::read_dir(format!("/proc/{id}/fd")).map(Iterator::count);
            if let (Some(memory), Ok(files)) = (memory, files) {
                samples.push((memory, files));
            }
        }
    }

    /// Panics where something has grown from the second quarter of the time to the last.
    pub(crate) fn check(&self, is_long: bool) {
        for process in &self.processes {
            let [_, early, _, late] = process.quarters().expect("samples");
            // A leak of a kilobyte a round shows in minutes; in seconds memory has only begun to settle.
            let most =
                if is_long { early.memory + early.memory / 20 + 4096 } else { early.memory * 2 + 32 * 1024 };
            assert!(late.memory <= most, "{}: from {} kB to {} kB", process.what, early.memory, late.memory);
            // What is open between two rounds; the rest comes and goes.
            assert!(
                late.files <= early.files + 8,
                "{}: from {} open files to {}",
                process.what,
                early.files,
                late.files
            );
        }
    }
}

/// What was usual in a while: the median of the memory, and the fewest open files.
#[derive(Clone, Copy, Debug)]
struct Usual {
    memory: u64,
    files: usize,
}

impl Process {
    fn quarters(&self) -> Option<[Usual; 4]> {
        let length = self.samples.len() / 4;
        let mut quarters = self.samples.chunks(length.max(1)).map(|samples| {
            let mut memory: Vec<u64> = samples.iter().map(|(memory, _)| *memory).collect();
            memory.sort_unstable();
            let files = samples.iter().map(|(_, files)| *files).min().unwrap_or(0);
            Usual { memory: memory[memory.len() / 2], files }
        });
        Some([quarters.next()?, quarters.next()?, quarters.next()?, quarters.next()?])
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<10} {:>8} {:>34} {:>26}",
            "process", "samples", "memory in kB, by quarter", "open files, by quarter"
        )?;
        for process in &self.processes {
            let Some(quarters) = process.quarters() else { continue };
            let row = |of: fn(&Usual) -> String| quarters.iter().map(of).collect::<Vec<_>>().join(" ");
            let (memory, files) =
                (row(|usual| usual.memory.to_string()), row(|usual| usual.files.to_string()));
            writeln!(f, "{:<10} {:>8} {memory:>34} {files:>26}", process.what, process.samples.len())?;
        }
        Ok(())
    }
}

/// Temporary files and folders that are left, by whose they were.
#[derive(Debug, Default)]
pub(crate) struct Left {
    pub(crate) of_the_living: Vec<String>,
    pub(crate) of_the_killed: Vec<String>,
}

impl Left {
    pub(crate) fn below(folder: &Path, steady: &str) -> Self {
        let mut left = Self::default();
        left.look(folder, steady);
        left
    }

    fn look(&mut self, folder: &Path, steady: &str) {
        let parent = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for entry in fs::read_dir(folder).expect("read") {
            let entry = entry.expect("read");
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            // `.name.PROCESS-COUNT.new`, `shipway-RUN-PROCESS-COUNT`, and what a registry has of an upload.
            let temporary = name.starts_with('.') && name.ends_with(".new");
            if temporary || matches!(&*parent, "scratch" | "uploads") {
                let ours = [steady, &process::id().to_string()];
                let living = parent == "uploads" || name.split(['.', '-']).any(|part| ours.contains(&part));
                let list = if living { &mut self.of_the_living } else { &mut self.of_the_killed };
                list.push(path.display().to_string());
            } else if entry.file_type().expect("known").is_dir() {
                self.look(&path, steady);
            }
        }
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (living, killed) = (self.of_the_living.len(), self.of_the_killed.len());
        writeln!(
            f,
            "temporary files left: {living} by processes that ended, {killed} by those that were killed"
        )
    }
}
