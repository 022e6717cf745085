//! Ctrl-C, as a terminal sends it: a signal to the command and to all in its process group.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::bench::{Bench, CONFIGURATION, text};

/// The command while something that it started waits.
pub(crate) struct Waiting {
    child: Child,
    lines: BufReader<ChildStderr>,
    told: String,
}

impl Waiting {
    /// Starts the command, and returns once a line begins with this.
    fn start(mut command: Command, beginning: &str) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap());
        let mut waiting = Self { child, lines, told: String::new() };
        waiting.until(beginning);
        waiting
    }

    /// Reads on until a line begins with this, and returns what comes after it.
    fn until(&mut self, beginning: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "no `{beginning}` in:\n{}", self.told);
            self.told.push_str(&line);
            if let Some(rest) = line.strip_prefix(beginning) {
                return rest.trim().to_owned();
            }
        }
    }

    pub(crate) fn interrupt(&self) {
        kill_process_group(Pid::from_child(&self.child), Signal::INT).unwrap();
    }

    /// Ends it as a machine that is lost does.
    pub(crate) fn kill(mut self) {
        kill_process_group(Pid::from_child(&self.child), Signal::KILL).unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn end(mut self) -> (ExitStatus, String, String) {
        self.lines.read_to_string(&mut self.told).unwrap();
        let output = self.child.wait_with_output().unwrap();
        (output.status, text(&output.stdout), self.told)
    }
}

/// Returns a project whose image is tested by this script.
pub(crate) async fn tested(script: &str) -> Bench {
    let test = "test:\n- image: web\n  custom:\n  - command: sh test.sh\ndeploy:";
    let bench = Bench::new(&CONFIGURATION.replace("deploy:", test)).await;
    bench.write("test.sh", script);
    bench
}

/// Runs the project until the script says that it waits.
pub(crate) fn run(bench: &Bench) -> Waiting {
    Waiting::start(bench.command("run --builder native -d REGISTRY/team"), "test:web/command: waits")
}

/// Waits until the script has ended: a pipe comes to its end when nobody has it open for writing any more.
fn until_ended(mut held: File) {
    held.read_to_end(&mut Vec::new()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_lets_end_what_is_under_way_and_begins_nothing_new() {
    let bench = tested("echo waits; until [ -e go ]; do sleep 0.05; done; echo ends").await;
    tokio::task::block_in_place(|| {
        let mut run = run(&bench);
        run.interrupt();
        run.until("stopping once what is under way has ended: somebody asked to stop");
        bench.write("go", "");
        let (status, out, err) = run.end();
        assert_eq!(status.code(), Some(3), "{out}{err}");
        assert!(err.contains("test:web/command: ends\n"), "it was let end: {err}");
        assert!(out.contains("done      test:web/command"), "{out}");
        assert!(out.contains(" was cancelled: ") && !out.contains("apply:shop"), "{out}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_stops_what_is_under_way() {
    let bench = tested("mkfifo held && echo waits && exec sleep 1000 > held").await;
    tokio::task::block_in_place(|| {
        let mut run = run(&bench);
        let held = File::open(bench.project().join("held")).unwrap();
        run.interrupt();
        run.until("stopping once what is under way has ended");
        run.interrupt();
        run.until("stopping at once: somebody asked to stop");
        until_ended(held);
        let (status, out, err) = run.end();
        assert_eq!(status.code(), Some(3), "{out}{err}");
        assert!(out.contains("cancelled test:web/command"), "{out}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_plan_is_made_the_first_stops_all() {
    let custom =
        "    context: web\n    custom: {buildCommand: 'true', dependencies: {command: sh list.sh}}\n";
    let bench = Bench::new(&CONFIGURATION.replace("    context: web\n", custom)).await;
    bench.write("web/list.sh", "mkfifo ../held && echo waits >&2 && exec sleep 1000 > ../held");
    tokio::task::block_in_place(|| {
        let run = Waiting::start(bench.command("build -d REGISTRY/team"), "waits");
        let held = File::open(bench.project().join("held")).unwrap();
        run.interrupt();
        until_ended(held);
        let (status, out, err) = run.end();
        assert_eq!((status.code(), out.as_str()), (Some(3), ""));
        insta::assert_snapshot!(err, @r"
        waits
        stopped: somebody asked to stop
        ");
    });
}
