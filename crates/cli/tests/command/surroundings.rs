//! Where the command finds itself: streams that are closed, homes that are none, disks that are full, and names that
//! would steer a terminal. It says what is wrong or goes on; it never panics.

use std::{
    fs::OpenOptions,
    process::{Command, Output, Stdio},
};

use crate::{
    bench::{Bench, CONFIGURATION, ended, text},
    skip::skip,
};

const WHERE: &str = "--builder native -d REGISTRY/team";

/// Runs it to its end, which is none of a defect.
async fn calm(command: Command) -> Output {
    let said = format!("{command:?}");
    let output = ended(command).await;
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(!err.contains("panicked") && !err.contains("defect"), "{said}: {err}");
    assert!(matches!(output.status.code(), Some(0..=3)), "{said}: {:?}: {err}", output.status);
    output
}

/// Returns the command behind a script, in which it is `"$0" "$@"`.
fn within(bench: &Bench, script: &str, line: &str) -> Command {
    let inner = bench.command(line);
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(inner.get_program()).args(inner.get_args());
    command.env_clear().current_dir(bench.project());
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_streams_change_nothing_of_what_is_done() {
    let bench = Bench::new(CONFIGURATION).await;
    assert!(bench.run(&format!("run {WHERE}")).await.status.success());
    let lines = [
        (format!("plan {WHERE}"), 0),
        (format!("plan --graph {WHERE}"), 0),
        (format!("run {WHERE}"), 0),
        (format!("run --events json {WHERE}"), 0),
        (format!("resume {WHERE}"), 0),
        (format!("delete {WHERE}"), 0),
        ("plan -p nothing".to_owned(), 2),
        ("history --json".to_owned(), 0),
        ("report -o -".to_owned(), 0),
        ("diagnose".to_owned(), 0),
        ("explain".to_owned(), 0),
        ("fix".to_owned(), 0),
        ("schema".to_owned(), 0),
        ("completion zsh".to_owned(), 0),
        ("man".to_owned(), 0),
        ("run --help".to_owned(), 0),
        ("run --hlep".to_owned(), 2),
    ];
    for (line, code) in &lines {
        for closed in [">&-", "2>&-", "<&-", "<&- >&- 2>&-"] {
            let mut command = within(&bench, &format!("exec \"$0\" \"$@\" {closed}"), line);
            command.stdin(Stdio::null());
            assert_eq!(calm(command).await.status.code(), Some(*code), "{line} {closed}");
        }
        // The readers of both have gone.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = bench.command(line);
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
        assert_eq!(calm(command).await.status.code(), Some(*code), "{line} | head -0");
    }
    let mut command = within(&bench, "exec \"$0\" \"$@\" <&-", "plan -f -");
    command.stdin(Stdio::null());
    insta::assert_snapshot!(text(&calm(command).await.stderr), @r"
    error: `-` holds no configuration
      hint: begin with `apiVersion: skaffold/v4beta14`
    ");
    // What cannot be written is told, except of what happens: that may be lost.
    for (line, code) in &lines {
        let mut command = bench.command(line);
        let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
        command.stdout(full()).stderr(full());
        let code = if *code == 0 && !line.contains("--events json") { 1 } else { *code };
        assert_eq!(calm(command).await.status.code(), Some(code), "{line} > /dev/full");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_as_wide_as_the_terminal_says() {
    let bench = Bench::new(CONFIGURATION).await;
    for (columns, most) in [
        ("20", 20),
        ("1", 20),
        ("0", 100),
        ("", 100),
        ("-3", 100),
        ("1e3", 100),
        ("99999999999999999999", 100),
    ] {
        let mut command = bench.command(&format!("plan --graph {WHERE}"));
        command.env("COLUMNS", columns);
        let output = calm(command).await;
        let out = text(&output.stdout);
        assert!(output.status.success() && out.lines().count() > 10, "{columns}: {out}");
        assert!(out.lines().all(|line| line.chars().count() <= most), "{columns}: {out}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_home_all_is_done_that_needs_none() {
    let bench = Bench::new(CONFIGURATION).await;
    // What lies there is not read: it would be another home in each folder.
    bench.write("relative/.skaffold/config", "no configuration");
    bench.write("relative/.docker/config.json", "no configuration");
    for home in [None, Some(""), Some("relative")] {
        for (line, code) in [
            (format!("plan {WHERE}"), 0),
            (format!("build {WHERE}"), 0),
            ("diagnose".to_owned(), 0),
            ("history".to_owned(), 2),
            ("report".to_owned(), 2),
            (format!("resume {WHERE}"), 2),
        ] {
            let mut command = bench.command(&line);
            match home {
                Some(home) => command.env("HOME", home),
                None => command.env_remove("HOME"),
            };
            let output = calm(command).await;
            let err = text(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{home:?} {line}: {err}");
            let said = "error: there is no home for what is written down of runs\n  hint: set `HOME` or `XDG_STATE_HOME`\n";
            assert!(code == 0 || err == said, "{home:?} {line}: {err}");
        }
    }
    assert_eq!(bench.names(""), ["relative", "skaffold.yaml", "web"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_begun_where_it_cannot_be_written_down() {
    let bench = Bench::new(CONFIGURATION).await;
    bench.write("file", "");
    let homes = [bench.project().join("file"), bench.project().join("file/home"), "/proc".into()];
    for home in homes {
        let output = |line: String| {
            let mut command = bench.command(&line);
            command.env("HOME", &home);
            calm(command)
        };
        let plan = output(format!("plan {WHERE}")).await;
        assert!(plan.status.success(), "{}", text(&plan.stderr));
        let build = output(format!("build {WHERE} -t v1")).await;
        let err = text(&build.stderr);
        assert!(!build.status.success(), "{err}");
        let state = format!("error: cannot make `{}/.local/state/shipway/runs", home.display());
        assert!(err.contains(&state) && err.contains("\n  because: "), "{err}");
        assert!(!err.contains("begins") && bench.tags("team/web").is_empty(), "{err}");
        for line in ["history".to_owned(), "report".to_owned(), format!("resume {WHERE}")] {
            output(line).await;
        }
    }
}

/// Returns whether disks can be mounted for one process alone; counts the test as skipped where not.
fn can_mount(test: &str) -> bool {
    let mut tried = Command::new("unshare");
    tried.args(["-m", "sh", "-c", "mount -t tmpfs tmpfs /tmp"]).stdout(Stdio::null()).stderr(Stdio::null());
    let can = tried.status().is_ok_and(|status| status.success());
    if !can {
        skip(&format!("command::surroundings::{test}"), "unshare and mount as root");
    }
    can
}

/// Makes the folder `disk` of the project a disk of its own, for the command alone; it holds the configuration and the
/// runs so far.
const DISK: &str =
    "mount -t tmpfs -o size=256k tmpfs disk && cp skaffold.yaml disk && cp -r \"$STATE\" disk/shipway";
const FULL: &str = "(yes > disk/filler) 2> errors; rm errors";
const READ_ONLY: &str = "mount -o remount,ro disk";

/// Returns the command with such a disk, and after it what the disk holds.
fn on_disk(bench: &Bench, state: &str, line: &str) -> Command {
    let after = "code=$?; cmp skaffold.yaml disk/skaffold.yaml; (cd disk; echo *)";
    let mut inner =
        within(bench, &format!("{DISK} && {state} && {{ \"$0\" \"$@\"; {after}; exit $code; }}"), line);
    inner.env("STATE", bench.project().join("../.local/state/shipway"));
    let mut command = Command::new("unshare");
    command.arg("-m").arg(inner.get_program()).args(inner.get_args());
    command.env_clear().current_dir(bench.project());
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

/// Returns a bench with a run that went well, and the folder of such a disk.
async fn with_a_run() -> Bench {
    let bench = Bench::new(CONFIGURATION).await;
    bench.write("disk/nothing", "");
    assert!(bench.run(&format!("build {WHERE}")).await.status.success());
    bench
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_disk_without_room_files_stay_as_they_were() {
    if !can_mount("on_a_disk_without_room_files_stay_as_they_were") {
        return;
    }
    let bench = with_a_run().await;
    for (state, why) in [(FULL, "No space left on device"), (READ_ONLY, "Read-only file system")] {
        let there = if state == FULL { "filler shipway skaffold.yaml\n" } else { "shipway skaffold.yaml\n" };
        for (line, file) in [
            ("report -o disk/report.html", "disk/report.html"),
            ("fix -o disk/new.yaml", "disk/new.yaml"),
            ("fix -f disk/skaffold.yaml --overwrite", "disk/skaffold.yaml"),
            ("man -o disk", "disk/shipway.1"),
        ] {
            let output = calm(on_disk(&bench, state, line)).await;
            let err = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{line}: {err}");
            assert!(
                err.starts_with(&format!("error: cannot write `{file}`\n  because: {why}")),
                "{line}: {err}"
            );
            assert_eq!(text(&output.stdout), there, "{line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_disk_without_room_no_run_begins_and_past_ones_are_told() {
    if !can_mount("on_a_disk_without_room_no_run_begins_and_past_ones_are_told") {
        return;
    }
    let bench = with_a_run().await;
    for state in [FULL, READ_ONLY] {
        for (line, code) in [
            (format!("plan {WHERE}"), 0),
            (format!("build {WHERE} -t new"), 1),
            (format!("resume {WHERE}"), 1),
            ("history".to_owned(), 0),
            ("report -o report.html".to_owned(), 0),
        ] {
            let mut command = on_disk(&bench, state, &line);
            command.env("XDG_STATE_HOME", bench.project().join("disk"));
            let output = calm(command).await;
            let (out, err) = (text(&output.stdout), text(&output.stderr));
            assert_eq!(output.status.code(), Some(code), "{state} {line}: {out}{err}");
            assert!(
                code == 0 || err.starts_with("error: cannot ") && err.contains("/runs/"),
                "{line}: {err}"
            );
            assert!(line != "history" || out.contains("succeeded"), "{out}");
        }
    }
    assert!(!bench.tags("team/web").contains(&"new".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_for_the_cache_a_run_goes_on_with_a_warning() {
    if !can_mount("without_room_for_the_cache_a_run_goes_on_with_a_warning") {
        return;
    }
    let bench = with_a_run().await;
    for (number, state) in [FULL, READ_ONLY].into_iter().enumerate() {
        let mut command = on_disk(&bench, state, &format!("build {WHERE} -t full{number}"));
        command.env("XDG_CACHE_HOME", bench.project().join("disk"));
        let output = calm(command).await;
        let err = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{err}");
        assert!(err.contains("warning: the result is used but not recorded: cannot write `"), "{err}");
        assert!(bench.tags("team/web").contains(&format!("full{number}")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_and_no_log_steers_the_terminal() {
    // What clears a screen, names a window, rings, goes back, and is one character for `\e[`.
    let evil = "\u{1b}[2J\u{1b}]0;a\u{7}b\u{8}\u{9b}31m\u{7f}c\rd";
    let quoted = evil.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect::<String>();
    let test = "test:\n- image: web\n  custom:\n  - command: cat log; cat log >&2; test ! -e fail\ndeploy:";
    let configuration = CONFIGURATION.replace("deploy:", test);
    let profiles = format!("profiles:\n- name: \"p{quoted}\"\n  build: {{tagPolicy: {{sha256: {{}}}}}}\n");
    let bench = Bench::new(&format!("{configuration}{profiles}")).await;
    bench.write("log", &format!("{evil}\n"));
    bench.write("web/Dockerfile", "FROM scratch\nCOPY --chmod=755 . /web\nENTRYPOINT [\"/web/run\"]\n");
    let named = format!("web/n{evil}");
    bench.write(&named, "one");
    let run = format!("run {WHERE}");
    let profile = format!("p{evil}");
    let plan = format!("plan {WHERE}");
    let (graph, dot, svg) =
        (format!("{plan} --graph"), format!("{plan} --graph=dot"), format!("{plan} --graph=svg"));
    let json = format!("{run} --events json");
    let mut heard = String::new();
    let mut hear = async |words: &[&str], codes: &[i32]| {
        let mut command = bench.command(words[0]);
        command.args(&words[1..]);
        let output = calm(command).await;
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        let said = format!("{out}{err}");
        assert!(codes.contains(&output.status.code().unwrap()), "{words:?}: {said:?}");
        // JSON is for programs, and has them as they are but for those that it must not (RFC 8259, 7).
        let is_json = words.iter().any(|word| word.contains("json"));
        let steers = |c: char| c.is_control() && c != '\n' && c != '\t' && !(is_json && c >= '\u{7f}');
        assert!(!said.contains(steers), "{words:?}: {said:?}");
        heard.push_str(&said);
    };
    for line in [&plan, &graph, &dot, &svg, &run, &json] {
        hear(&[line], &[0]).await;
    }
    // What has changed is told by its name, and a failure by its log.
    bench.write(&named, "two");
    bench.write("fail", "");
    for line in [&plan, &graph, &dot, &svg] {
        hear(&[line], &[0]).await;
    }
    for line in [&run, &json] {
        hear(&[line], &[1]).await;
    }
    for line in ["history", "history --json", "report -o -", "diagnose", "explain", "fix"] {
        hear(&[line], &[0]).await;
    }
    hear(&["diagnose", "-p", &profile], &[0]).await;
    hear(&["explain", "-p", &profile], &[0]).await;
    hear(&["report", "-o", &profile], &[0]).await;
    for words in [
        ["plan", "-p"],
        ["plan", "-f"],
        ["plan", "-m"],
        ["plan", "-t"],
        ["plan", "-c"],
        ["explain", "--"],
        ["schema", "--"],
        ["fix", "-f"],
        ["report", "--"],
        ["resume", "--"],
        ["run", "--events"],
    ] {
        hear(&[words[0], words[1], &format!("x{evil}")], &[2]).await;
    }
    hear(&["plan", &format!("--x{evil}")], &[2]).await;
    for name in ["name: shop", "image: web"] {
        let evil = name.replace(": ", &format!(": \"{quoted}\" # "));
        bench.write("skaffold.yaml", &CONFIGURATION.replace(name, &evil));
        hear(&["plan"], &[2]).await;
        hear(&["diagnose"], &[0]).await;
        hear(&["explain"], &[0]).await;
        hear(&["fix"], &[0]).await;
    }
    assert!(heard.contains("\u{fffd}[2J") && heard.contains("web/n\u{fffd}"), "it was told: {heard}");
}
