//! Commands in a container of the image, by a runner.

use std::{path::PathBuf, time::Duration};

use shipway_core::{
    Command, Context, ErrorKind, Exit, Image, Mount, MountSource, Result, RunRequest, Runner,
};
use shipway_oci::{FoundFile, ImageFiles};

use super::{
    content::unlike,
    expand::{Variables, expand},
    files::Loaded,
    schema::{CommandTest, Words},
};

/// The shell that `setup` needs.
const SHELL: &str = "/bin/sh";

/// What a command test prints when a command of its `setup` cannot start.
const NO_SETUP: &str = "shipway: the setup cannot run command";

/// The most bytes of a container's output that a message shows.
const SHOWN: usize = 1024;

/// The image that commands run in.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    pub(super) image: &'a Image,
    pub(super) environment: &'a Variables,
    pub(super) files: &'a ImageFiles,
}

/// Runs a command test; returns what is not as it expects and how long the command took.
///
/// # Errors
/// When the runner could not do it; that there is no such program is a failed case.
pub(super) async fn run(
    cx: &Context,
    runner: &dyn Runner,
    subject: &Subject<'_>,
    file: &Loaded,
    test: &CommandTest,
) -> Result<(Vec<String>, Duration)> {
    if !test.setup.is_empty() {
        let shell = subject.files.find(SHELL).ok().flatten();
        if !shell.as_ref().is_some_and(FoundFile::is_executable) {
            let problem = format!("`setup` needs a shell, and the image has no `{SHELL}`");
            return Ok((vec![problem], Duration::ZERO));
        }
    }
    let begun = cx.clock().elapsed();
    let exit = runner.run(cx, &request(subject, file, test)).await;
    let took = cx.clock().elapsed().saturating_sub(begun);
    let problems = match exit {
        Ok(exit) => problems(test, &exit),
        // What the image lacks, or what its program does, is the test's matter.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::MissingTool | ErrorKind::ToolFailed | ErrorKind::BadOutput
            ) =>
        {
            vec![error.report().to_string()]
        }
        Err(error) => return Err(error),
    };
    Ok((problems, took))
}

fn request(subject: &Subject<'_>, file: &Loaded, test: &CommandTest) -> RunRequest {
    let expanded = |value: &str| expand(value, subject.environment);
    let mut env: Variables =
        file.tests.global_env_vars.iter().map(|one| (one.key.clone(), expanded(&one.value))).collect();
    // What variables in the command's own words mean: those that the image has, then the global ones. With
    // a `setup` the real tool has written the test's own into the image too.
    let mut known = subject.environment.clone();
    known.extend(env.clone());
    if !test.setup.is_empty() {
        let own = test.env_vars.iter().map(|one| (one.key.0.clone(), expand(&one.value.0, &known)));
        let own: Variables = own.collect();
        known.extend(own);
    }
    env.extend(file.variables.clone());
    // The real tool hands these over as they are.
    env.extend(test.env_vars.iter().map(|one| (one.key.0.clone(), one.value.0.clone())));

    let words = std::iter::once(&test.command.0).chain(&test.args).map(|word| expand(word, &known));
    let argv: Vec<String> =
        if test.setup.is_empty() { words.collect() } else { with_setup(&test.setup).chain(words).collect() };
    let (program, args) = argv.split_first().map_or(("", &[][..]), |(program, args)| (program, args));
    let mounts = file.tests.container_run_options.bind_mounts.iter().map(|mount| {
        Mount::new(MountSource::Host(PathBuf::from(&mount.source)), PathBuf::from(&mount.target))
            .read_only(mount.read_only)
    });
    RunRequest::new(Command::new(program).args(args).env(env).capture(true))
        .image(subject.image.clone())
        .mounts(mounts.collect::<Vec<_>>())
}

/// Returns the beginning of a command line that runs the setup first, in the same container.
///
/// The real tool runs each in a container of its own and makes an image of what it leaves, which no runner
/// is asked for. As there, a setup that fails is no matter, but one that cannot start is, and nothing that
/// it prints counts.
fn with_setup(setup: &[Words]) -> impl Iterator<Item = String> {
    let mut script = String::new();
    for (index, Words(words)) in setup.iter().enumerate() {
        let words: Vec<String> = words.iter().map(|word| quote(word)).collect();
        let number = index + 1;
        let run = format!("{} </dev/null >/dev/null 2>&1\n", words.join(" "));
        let check = format!("case $? in 126|127) echo '{NO_SETUP} {number}' >&2; exit 126;; esac\n");
        script.extend([run, check]);
    }
    script.push_str("exec \"$@\"\n");
    [SHELL.to_owned(), "-c".to_owned(), script, SHELL.to_owned()].into_iter()
}

/// Returns a word that a shell takes as it is (POSIX, Shell Command Language, "Single-Quotes").
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn problems(test: &CommandTest, exit: &Exit) -> Vec<String> {
    if !test.setup.is_empty()
        && let Some(problem) = exit.stderr.lines().last().filter(|line| line.starts_with(NO_SETUP))
    {
        return vec![problem.to_owned()];
    }
    let (output, error) = ("standard output", "standard error");
    let mut problems = unlike(output, &exit.stdout, &test.expected_output, &test.excluded_output);
    problems.extend(unlike(error, &exit.stderr, &test.expected_error, &test.excluded_error));
    if exit.stderr.len() >= Command::CAPTURE_LIMIT
        && !(test.expected_error.is_empty() && test.excluded_error.is_empty())
    {
        problems.push(format!("{error} has more than the {} bytes that are kept", Command::CAPTURE_LIMIT));
    }
    if exit.code != test.exit_code {
        problems.push(format!("the exit code is {}, not {}", exit.code, test.exit_code));
    }
    if !problems.is_empty() {
        problems.extend(shown(output, &exit.stdout));
        problems.extend(shown(error, &exit.stderr));
    }
    problems
}

/// Returns the end of what a command wrote, if it wrote anything.
fn shown(what: &str, text: &str) -> Option<String> {
    let text = text.trim_end();
    let end = &text[text.ceil_char_boundary(text.len().saturating_sub(SHOWN))..];
    let how = if end.len() < text.len() { "ends with" } else { "is" };
    (!end.is_empty()).then(|| format!("{what} {how}: {end}"))
}
