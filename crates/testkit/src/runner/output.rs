//! R3, R6 and R8: what commands print and see.

use shipway_core::{Exit, FixedCredentials, SecretId, Stream};

use super::{Runners, stage::Stage};
use crate::{
    clause::{Trouble, broken, ensure},
    suite::Bench,
};

const SECRET: &str = "a-secret-of-the-conformance-kit";

fn with_secret(bench: &Bench<Runners>) -> Result<Stage, Trouble> {
    Stage::with(bench, |world| world.credentials(FixedCredentials::new().secret("kit", SECRET)))
}

fn secret_variable() -> Result<[(String, SecretId); 1], Trouble> {
    Ok([("KIT_SECRET".to_owned(), SecretId::parse("kit")?)])
}

pub(super) async fn is_streamed_in_order(bench: Bench<Runners>) -> Result<(), Trouble> {
    let stage = with_secret(&bench)?;
    // The first line is there while the command still runs.
    let mut request =
        stage.script("echo first; echo beside >&2; sleep 3; echo \"last $KIT_SECRET\"; printf rest");
    request.command = request.command.secrets(secret_variable()?);
    let cx = stage.context("check");
    let mut running = stage.runner.run(&cx, &request);
    let exit: Exit = tokio::select! {
        biased;
        exit = &mut running => {
            exit?;
            return broken("the first line came only when the command had ended");
        }
        () = stage.first_line("check") => running.await?,
    };
    ensure(exit.stdout.is_empty(), || "what is streamed is kept too".to_owned())?;
    let printed = stage.printed("check", Stream::Stdout);
    ensure(printed == ["first", "last ***", "rest"], || {
        format!("to standard output it printed {printed:?}")
    })?;
    let beside = stage.printed("check", Stream::Stderr);
    ensure(beside == ["beside"], || format!("to standard error it printed {beside:?}"))?;

    // Many lines stay in their order, the last one without its end.
    let request = stage.script("i=0; while [ $i -lt 2000 ]; do echo $i; i=$((i+1)); done; printf end");
    stage.runner.run(&stage.context("many"), &request).await?;
    let printed = stage.printed("many", Stream::Stdout);
    let expected = (0..2000).map(|number| number.to_string()).chain(["end".to_owned()]);
    ensure(printed.iter().cloned().eq(expected), || {
        format!("of 2001 lines {} came, or in another order", printed.len())
    })?;

    // What is captured is kept instead, byte for byte.
    let mut request = stage.script("cat; echo beside >&2; printf ' \\n\\nend'");
    request.command = request.command.stdin("of its input\n".to_owned()).capture(true);
    let exit = stage.runner.run(&stage.context("captured"), &request).await?;
    ensure(exit.stdout == "of its input\n \n\nend", || format!("captured was {:?}", exit.stdout))?;
    ensure(exit.stderr == "beside\n", || format!("of standard error it kept {:?}", exit.stderr))?;
    let printed = stage.printed("captured", Stream::Stdout);
    ensure(printed.is_empty(), || format!("what is captured was streamed too: {printed:?}"))
}

/// What a shell and an image set by themselves.
const USUAL: [&str; 12] =
    ["PATH", "HOME", "HOSTNAME", "PWD", "OLDPWD", "SHLVL", "_", "TERM", "USER", "LOGNAME", "LANG", "SHELL"];

pub(super) async fn the_environment_is_clean(bench: Bench<Runners>) -> Result<(), Trouble> {
    let stage = with_secret(&bench)?;
    let mut request = stage.program("env", &[]);
    let given = [("KIT_PLAIN", "a b"), ("KIT_EMPTY", ""), ("KIT_ODD", "$HOME `x` \"'\\ = ä")];
    let mut env = request.command.env.clone();
    env.extend(given.map(|(name, value)| (name.to_owned(), value.to_owned())));
    request.command = request.command.env(env).secrets(secret_variable()?);
    let exit = stage.run(&request).await?;
    ensure(exit.code == 0, || format!("`env` ended with {}: {}", exit.code, exit.stderr))?;
    let printed = stage.printed("check", Stream::Stdout);
    let seen: Vec<(&str, &str)> = printed.iter().filter_map(|line| line.split_once('=')).collect();
    for (name, value) in given.into_iter().chain([("KIT_SECRET", "***")]) {
        let found: Vec<&str> = seen.iter().filter(|(one, _)| *one == name).map(|(_, value)| *value).collect();
        ensure(found == [value], || format!("`{name}` is {found:?} in the command's environment"))?;
    }
    for (name, value) in own_environment() {
        let leaked = !USUAL.contains(&name.as_str()) && seen.contains(&(name.as_str(), value.as_str()));
        ensure(!leaked, || format!("the command sees `{name}` of the runner's own process"))?;
    }
    // Nothing is waited for on standard input, which is empty.
    let exit = stage.run(&stage.script("cat; echo $?")).await?;
    ensure(exit.code == 0, || "a command without input cannot read its end".to_owned())
}

fn own_environment() -> Vec<(String, String)> {
    let text = |value: std::ffi::OsString| value.into_string().ok();
    std::env::vars_os()
        .filter_map(|(name, value)| Some((text(name)?, text(value)?)))
        .filter(|(_, value)| !value.is_empty() && !value.contains('\n'))
        .collect()
}

pub(super) async fn several_do_not_mix(bench: Bench<Runners>) -> Result<(), Trouble> {
    let stage = Stage::new(&bench)?;
    let names = ["one", "two", "three", "four"];
    let run = |name: &'static str| {
        let script = "i=0; while [ $i -lt 50 ]; do echo $KIT_NAME; i=$((i+1)); done; cat >&2";
        let mut request = stage.script(script);
        request.command.env.insert("KIT_NAME".to_owned(), name.to_owned());
        request.command = request.command.stdin(format!("for {name}\n"));
        let (runner, cx) = (&stage.runner, stage.context(name));
        async move { runner.run(&cx, &request).await }
    };
    let [one, two, three, four] = names.map(run);
    let (one, two, three, four) = tokio::join!(one, two, three, four);
    for (name, exit) in names.into_iter().zip([one, two, three, four]) {
        let exit = exit?;
        ensure(exit.code == 0, || format!("`{name}` ended with {}", exit.code))?;
        let printed = stage.printed(name, Stream::Stdout);
        ensure(printed.len() == 50 && printed.iter().all(|line| line == name), || {
            format!(
                "`{name}` printed {} lines, among them {:?}",
                printed.len(),
                printed.iter().find(|line| *line != name)
            )
        })?;
        let beside = stage.printed(name, Stream::Stderr);
        ensure(beside == [format!("for {name}")], || format!("`{name}` was given the input {beside:?}"))?;
    }
    Ok(())
}
