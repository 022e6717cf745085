//! Fuzzing by coverage: libFuzzer drives the targets of `fuzz/`, which the compiler of the stable toolchain makes ready
//! for it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{Result, cache::Cache, workspace::Workspace};

/// What cargo-fuzz passes too, without a sanitizer, which would need another toolchain: counters for each edge, and the
/// operands of comparisons. Unsafe code is in dependencies alone, so there is little for a sanitizer to find.
const FLAGS: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg fuzzing",
    "-Ccodegen-units=1",
];

/// The longest input, the seconds that one may take, and the memory that a target may have, in MiB.
const LIMITS: [&str; 3] = ["-max_len=8192", "-timeout=5", "-rss_limit_mb=512"];

/// Runs one target or all, so many seconds each; returns whether nothing was found.
pub(crate) fn run(workspace: &Workspace, cache: &Cache, only: Option<&str>, seconds: u64) -> Result<bool> {
    let corpora = workspace.root().join("fuzz/corpus");
    let names = listed(&corpora)?;
    let names: Vec<&String> = names.iter().filter(|name| only.is_none_or(|only| only == *name)).collect();
    if names.is_empty() {
        return Err(format!(
            "there is no fuzz target `{}`: see `{}`",
            only.unwrap_or_default(),
            corpora.display()
        ));
    }
    let home = cache.folder("fuzz")?;
    let program = build(workspace, &home)?;
    let crashes = workspace.root().join("fuzz/crashes");
    make(&crashes)?;
    println!("{:<14} {:>12} {:>10} {:>8}  found", "target", "executions", "a second", "edges");
    let mut found = Vec::new();
    for name in names {
        // What was learned is kept in the cache, for the next run to go on with.
        let learned = home.join("learned").join(name);
        let folder = home.join("scratch");
        make(&learned)?;
        make(&folder)?;
        let before = listed(&crashes)?;
        let mut fuzzer = Command::new(&program);
        fuzzer.env("SHIPWAY_FUZZ_TARGET", name).env("TMPDIR", &folder).env("RUST_BACKTRACE", "0");
        fuzzer.args(LIMITS);
        fuzzer.arg(format!("-max_total_time={seconds}")).arg("-print_final_stats=1");
        fuzzer.arg(format!("-artifact_prefix={}/{name}-", crashes.display()));
        fuzzer.arg(&learned).arg(corpora.join(name)).stdin(Stdio::null());
        let output = fuzzer.output().map_err(|error| format!("cannot start the fuzzer: {error}"))?;
        fs::remove_dir_all(&folder).map_err(at(&folder))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let new: Vec<String> = listed(&crashes)?.into_iter().filter(|name| !before.contains(name)).collect();
        let figures = Figures::read(&said);
        println!(
            "{name:<14} {:>12} {:>10} {:>8}  {}",
            figures.executions,
            figures.executions / seconds.max(1),
            figures.edges,
            new.len()
        );
        if !output.status.success() {
            eprintln!("{}", what_broke(&said));
            found.extend(new.iter().map(|crash| (name.clone(), crash.clone())));
            if new.is_empty() {
                return Err(format!("the fuzzer of `{name}` ended with {}", output.status));
            }
        }
    }
    for (name, crash) in &found {
        println!(
            "\n`fuzz/crashes/{crash}` breaks `{name}`. Run it alone:\n    SHIPWAY_FUZZ_TARGET={name} {} fuzz/crashes/{crash}\n\
             Keep it, for the test command:\n    cp fuzz/crashes/{crash} fuzz/corpus/{name}/WHAT_IT_SHOWS\n    cargo test \
             --test fuzz_corpus",
            program.display()
        );
    }
    Ok(found.is_empty())
}

/// Returns what libFuzzer says of a fault: the panic and what comes after it.
fn what_broke(said: &str) -> String {
    let lines: Vec<&str> = said.lines().collect();
    let panic =
        lines.iter().position(|line| line.contains(" panicked at ") || line.contains("ERROR: libFuzzer"));
    let start = panic.unwrap_or(lines.len().saturating_sub(20));
    lines[start..].iter().take(20).copied().collect::<Vec<_>>().join("\n")
}

/// Builds the targets, in a folder of their own: their flags are others.
fn build(workspace: &Workspace, home: &Path) -> Result<PathBuf> {
    let host = host()?;
    let target = home.join("target");
    let mut build =
        workspace.cargo(&["build", "--release", "--locked", "--manifest-path", "fuzz/Cargo.toml"]);
    // With a target that is named, build scripts and macros are built without the flags.
    build.args(["--target", &host]).env("CARGO_TARGET_DIR", &target);
    build.env("RUSTFLAGS", FLAGS.join(" ")).env_remove("CARGO_ENCODED_RUSTFLAGS");
    let status = build.status().map_err(|error| format!("cannot start cargo: {error}"))?;
    if !status.success() {
        return Err("the fuzz targets do not build; libFuzzer needs a C++ compiler, such as g++".to_owned());
    }
    Ok(target.join(host).join("release/shipway-fuzz"))
}

/// Returns the platform that the compiler runs on, such as `x86_64-unknown-linux-gnu`.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output();
    let output = output.map_err(|error| format!("cannot start rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or_else(|| format!("rustc says no host: `{text}`"))?.to_owned())
}

/// What libFuzzer says that it did.
#[derive(Debug, PartialEq, Eq)]
struct Figures {
    executions: u64,
    edges: u64,
}

impl Figures {
    fn read(said: &str) -> Self {
        let stat = |line: &str| line.strip_prefix("stat::number_of_executed_units:")?.trim().parse().ok();
        // `#2048	pulse  cov: 512 ft: …`; after a crash there are no figures at the end.
        let number = |line: &str| line.strip_prefix('#')?.split_whitespace().next()?.parse().ok();
        let edges = |line: &str| line.split_once("cov: ")?.1.split_whitespace().next()?.parse().ok();
        Self {
            executions: said.lines().rev().find_map(|line| stat(line).or_else(|| number(line))).unwrap_or(0),
            edges: said.lines().rev().find_map(edges).unwrap_or(0),
        }
    }
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(at(folder))
}

/// Returns the names in a folder, sorted.
fn listed(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        names.push(entry.map_err(at(folder))?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> String {
    move |error| format!("`{}`: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_those_at_the_end_or_else_the_last() {
        let said = "INFO: seed corpus\n#17\tINITED cov: 20 ft: 21 corp: 3/9b\n#2048\tpulse  cov: 41 ft: 50\n";
        assert_eq!(Figures::read(said), Figures { executions: 2048, edges: 41 });
        let said = format!(
            "{said}Done 3000 runs in 2 second(s)\nstat::number_of_executed_units: 3000\nstat::x: 1\n"
        );
        assert_eq!(Figures::read(&said), Figures { executions: 3000, edges: 41 });
        let broken =
            "#1\tx\nthread 'main' panicked at a.rs:1:2:\nwhy\n==1== ERROR: libFuzzer: deadly signal\n";
        assert!(what_broke(broken).starts_with("thread 'main'"), "{}", what_broke(broken));
        assert_eq!(Figures::read("no such file"), Figures { executions: 0, edges: 0 });
    }
}
