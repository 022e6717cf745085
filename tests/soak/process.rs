//! A process that works, which is this test's program once more.

use std::{
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
};

/// A process that works; killed when it is dropped.
pub(crate) struct Worker {
    child: Child,
    /// Reads what it says as it comes, and counts rounds and what it resumed.
    counted: Option<JoinHandle<(u64, u64)>>,
}

impl Worker {
    pub(crate) fn start(home: &Path, cache: &Path, registry: &str) -> Self {
        let mut command = Command::new(env::current_exe().expect("a program"));
        command.args(["--exact", "worker", "--ignored", "--nocapture"]);
        command
            .env("SHIPWAY_SOAK_HOME", home)
            .env("SHIPWAY_SOAK_CACHE", cache)
            .env("SHIPWAY_SOAK_REGISTRY", registry);
        // With a backtrace a panic takes so long that the kill comes first.
        command.env("RUST_BACKTRACE", "0");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("started");
        let said = BufReader::new(child.stdout.take().expect("an output"));
        let counted = thread::spawn(move || {
            let (mut rounds, mut resumed) = (0, 0);
            for line in said.lines().map_while(Result::ok) {
                rounds += u64::from(line.ends_with("soak: round"));
                resumed += u64::from(line.ends_with("soak: resumed"));
            }
            (rounds, resumed)
        });
        Self { child, counted: Some(counted) }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it with the signal that cannot be caught, and returns how many runs it had resumed.
    pub(crate) fn kill(&mut self) -> u64 {
        assert!(self.child.try_wait().expect("asked").is_none(), "it ended before it was killed");
        self.child.kill().expect("killed");
        self.child.wait().expect("dead");
        self.count().1
    }

    /// Has it end, and returns how many rounds it made and how many runs it resumed.
    pub(crate) fn finish(mut self) -> (u64, u64) {
        drop(self.child.stdin.take());
        let counted = self.count();
        assert!(self.child.wait().expect("ended").success(), "it failed; see above");
        counted
    }

    fn count(&mut self) -> (u64, u64) {
        self.counted.take().expect("counted once").join().expect("no panic")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Fine where it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
