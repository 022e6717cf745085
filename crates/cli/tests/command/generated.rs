//! What is made of the command line's description: completion, loaded by real shells, and man pages, set by a real
//! troff.

use std::{
    env, fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::{
    bench::{Bench, CONFIGURATION, ended, text},
    skip::skip,
};

/// Returns whether a program is there; counts the test as skipped where it is not.
fn has(program: &str, test: &str) -> bool {
    let mut asked = Command::new(program);
    asked.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let has = asked.status().is_ok_and(|status| status.success());
    if !has {
        skip(&format!("command::generated::{test}"), program);
    }
    has
}

/// Runs a script of a shell with the command in its path.
async fn shell(program: &str, arguments: &[&str]) -> Output {
    let folder = Path::new(env!("CARGO_BIN_EXE_shipway")).parent().unwrap();
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).env("HOME", home.path());
    command.env("PATH", format!("{}:{}", folder.display(), env::var("PATH").unwrap()));
    ended(command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bash_completes_commands_flags_and_values() {
    if !has("bash", "bash_completes_commands_flags_and_values") {
        return;
    }
    // As bash calls it: the command, the word at hand, and the one before.
    let script = r#"
        source <(shipway completion bash)
        try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _shipway shipway "${!#}" "${COMP_WORDS[$#-2]}"; echo "${COMPREPLY[*]}"; }
        try shipway di
        try shipway run --buil
        try shipway run --builder ""
        try shipway run --events ""
        try shipway completion ""
        complete -p shipway
    "#;
    let output = shell("bash", &["--norc", "-c", script]).await;
    insta::assert_snapshot!(text(&output.stdout) + &text(&output.stderr), @r"
    diagnose
    --builder
    docker native
    lines json
    -h --help bash zsh fish
    complete -o bashdefault -o default -o nosort -F _shipway shipway
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn zsh_and_fish_complete_commands() {
    if has("zsh", "zsh_and_fish_complete_commands") {
        let script = "autoload -U compinit && compinit -u -D && source <(shipway completion zsh) && \
                      print ${_comps[shipway]} && [[ ${functions[_shipway_commands]} == *diagnose:* ]] && print ok";
        let output = shell("zsh", &["-f", "-c", script]).await;
        assert_eq!((text(&output.stdout).as_str(), text(&output.stderr).as_str()), ("_shipway\nok\n", ""));
    }
    if has("fish", "zsh_and_fish_complete_commands") {
        let script =
            "shipway completion fish | source; complete -C 'shipway di'; complete -C 'shipway run --keep'";
        let output = shell("fish", &["--no-config", "-c", script]).await;
        let out = text(&output.stdout);
        assert!(
            out.contains("diagnose\t") && out.contains("--keep-going\t"),
            "{out}{}",
            text(&output.stderr)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_a_man_page_for_each_command_which_troff_takes_without_a_warning() {
    let bench = Bench::new(CONFIGURATION).await;
    bench.write("man1/old.1", "");
    let output = bench.run("man -o man1").await;
    assert_eq!(
        (output.status.code(), text(&output.stdout), text(&output.stderr)),
        (Some(0), "".into(), "".into())
    );
    let folder = bench.project().join("man1");
    let mut pages: Vec<String> =
        fs::read_dir(&folder).unwrap().map(|page| page.unwrap().file_name().into_string().unwrap()).collect();
    pages.retain(|page| page != "old.1");
    pages.sort();
    let help = text(&bench.run("--help").await.stdout);
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let commands = commands.lines().take_while(|line| !line.is_empty());
    let mut expected: Vec<String> = commands
        .map(|line| format!("shipway-{}.1", line.trim_start().split(' ').next().unwrap()))
        .chain(["shipway.1".to_owned()])
        .chain(["get", "list", "set", "unset"].map(|word| format!("shipway-config-{word}.1")))
        .collect();
    expected.sort();
    assert_eq!(pages, expected);
    let main = text(&bench.run("man").await.stdout);
    assert_eq!(main, fs::read_to_string(folder.join("shipway.1")).unwrap());
    let run = fs::read_to_string(folder.join("shipway-run.1")).unwrap();
    assert!(run.contains("SKAFFOLD_PROFILE") && run.contains("\\-\\-keep\\-going"), "{run}");

    if !has("groff", "there_is_a_man_page_for_each_command_which_troff_takes_without_a_warning") {
        return;
    }
    for page in pages {
        let mut groff = Command::new("groff");
        groff.args(["-man", "-Tascii", "-ww", &page]).current_dir(&folder);
        let output = ended(groff).await;
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""), "{page}");
        assert!(output.stdout.len() > 500, "{page}");
    }

    let nowhere = bench.run("man -o nowhere").await;
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(text(&nowhere.stderr).starts_with("error: cannot write `nowhere/shipway.1`"));
}
