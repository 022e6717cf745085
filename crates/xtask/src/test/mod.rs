//! The test command: builds, gets what tests need meanwhile, runs, and says what came of it.

mod tally;

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Write, stdout},
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    thread,
};

use self::tally::Tally;
use crate::{
    Result,
    bed::{Bed, Extent, Lasting, Settings},
    cache::Cache,
    tools::{self, Tool},
    workspace::Workspace,
};

/// Runs everything, or the tests whose name holds the filter; returns whether all was well.
pub(crate) fn run(workspace: &Workspace, cache: &Cache, filter: Option<&str>) -> Result<bool> {
    let bed = Bed::named(&format!("test-{}", process::id()))?;
    let (built, tools, settings) = thread::scope(|scope| {
        let tools = scope.spawn(|| tools::prepare(cache));
        let settings = scope.spawn(|| {
            if Settings::names_a_cluster() {
                // What a bed holds reaches nothing outside, and nothing outside reaches it.
                return Err("SHIPWAY_KUBE_CONTEXT names a cluster on the machine's own network".to_owned());
            }
            bed.up(cache, Lasting::WithThisProcess, Extent::Everything)
        });
        let built = workspace.cargo(&["test", "--no-run"]).args(SELECTION).status();
        (built, tools.join(), settings.join())
    });
    let tools = tools.map_err(|_| "getting the tools panicked")?;
    let settings = settings.map_err(|_| "bringing the bed up panicked")?;
    let passed = run_in(workspace, built, &tools, settings.as_ref(), filter);
    if let Err(reason) = &settings {
        println!("\nxtask: no bed: {reason}");
    }
    bed.down(cache)?;
    passed
}

/// Runs the tests that were built, in the bed where there is one.
fn run_in(
    workspace: &Workspace,
    built: io::Result<process::ExitStatus>,
    tools: &[Tool],
    settings: std::result::Result<&Settings, &String>,
    filter: Option<&str>,
) -> Result<bool> {
    let mut tally = Tally::default();
    if !built.map_err(|error| format!("cannot start cargo: {error}"))?.success() {
        tally.fail("the tests do not build");
        return Ok(tally.report());
    }

    let skipped = SkipFile::new()?;
    let run = |tally: &mut Tally, what: &str, mut command: Command| {
        command.env("SHIPWAY_SKIPPED", &skipped.path);
        for tool in tools {
            // An old value would hide that the tool is not there.
            command.env_remove(tool.variable);
            if let Ok(path) = &tool.path {
                command.env(tool.variable, path);
            }
        }
        let command = match settings {
            Ok(settings) => settings.inside(&command),
            Err(_) => Settings::outside(command),
        };
        follow(tally, what, command, &mut stdout())
    };

    let mut tests = workspace.cargo(&["test", "--no-fail-fast"]);
    tests.args(SELECTION).arg("--").args(filter);
    run(&mut tally, "cargo test", tests)?;
    let mut doctests = workspace.cargo(&["test", "--no-fail-fast", "--doc", "--workspace", "--all-features"]);
    doctests.arg("--").args(filter);
    run(&mut tally, "cargo test --doc", doctests)?;
    if filter.is_none() {
        for (package, name) in workspace.examples()? {
            println!("\n     Example {name} of {package}");
            let mut example = workspace.cargo(&["run", "--quiet", "--all-features"]);
            example.args(["--package", &package, "--example", &name]);
            let before = tally.failed();
            run(&mut tally, &format!("example {name}"), example)?;
            if tally.failed() == before {
                tally.pass();
            }
        }
    }

    for tool in tools {
        if let Tool { name, path: Err(reason), .. } = tool {
            println!("\nxtask: no {name}: {reason}");
        }
    }
    tally.skip(&skipped.read()?, env::var("CI").is_ok_and(|ci| ci == "true"));
    if tally.is_empty() {
        tally.fail(&format!("no test's name holds `{}`", filter.unwrap_or_default()));
    }
    Ok(tally.report())
}

/// What `cargo test` builds and runs: one selection, so that the second finds what the first built.
const SELECTION: [&str; 3] = ["--workspace", "--all-features", "--all-targets"];

/// Runs a command, shows its output as it comes, and counts the results in it.
fn follow(tally: &mut Tally, what: &str, mut command: Command, screen: &mut impl Write) -> Result<()> {
    let cannot = |error| format!("{what}: {error}");
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(cannot)?;
    let before = tally.failed();
    let mut lines = BufReader::new(child.stdout.take().ok_or("no pipe to the tests")?);
    let mut line = Vec::new();
    // By bytes: a test may write what is no UTF-8.
    while lines.read_until(b'\n', &mut line).map_err(cannot)? > 0 {
        screen.write_all(&line).map_err(cannot)?;
        tally.line(&String::from_utf8_lossy(&line));
        line.clear();
    }
    tally.end();
    let status = child.wait().map_err(cannot)?;
    if !status.success() && tally.failed() == before {
        // It ended without a result: a crash, or a build that failed.
        tally.fail(&format!("{what}: {status}"));
    }
    Ok(())
}

/// The file that skipping tests append to; removed at the end.
struct SkipFile {
    path: PathBuf,
}

impl SkipFile {
    fn new() -> Result<Self> {
        let path = env::temp_dir().join(format!("shipway-skipped-{}", process::id()));
        fs::write(&path, "").map_err(|error| at(&path, &error))?;
        Ok(Self { path })
    }

    fn read(&self) -> Result<String> {
        fs::read_to_string(&self.path).map_err(|error| at(&self.path, &error))
    }
}

impl Drop for SkipFile {
    fn drop(&mut self) {
        // Nothing depends on it, and there is nobody left to tell.
        let _ = fs::remove_file(&self.path);
    }
}

fn at(path: &Path, error: &std::io::Error) -> String {
    format!("`{}`: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_command_that_ends_without_a_result_is_one_failure() {
        let mut tally = Tally::default();
        follow(&mut tally, "well", shell("exit 0"), &mut Vec::new()).unwrap();
        assert_eq!(tally.failed(), 0);
        follow(&mut tally, "crash", shell("kill -9 $$"), &mut Vec::new()).unwrap();
        assert_eq!(tally.failed(), 1);
    }

    #[test]
    fn results_are_counted_in_output_that_is_not_text() {
        let mut tally = Tally::default();
        let mut screen = Vec::new();
        let line = "test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out";
        let script = format!("printf '\\377\\n'; echo '{line}'; exit 1");
        follow(&mut tally, "tests", shell(&script), &mut screen).unwrap();
        assert_eq!((tally.failed(), tally.last_line().as_str()), (3, "2 passed, 3 failed, 0 skipped"));
        assert_eq!(screen, [b"\xff\n", line.as_bytes(), b"\n"].concat());
    }
}
