//! A first configuration: `init`.

use std::{
    fmt::Write as _,
    io::{self, BufRead, IsTerminal as _, Read as _, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use shipway::{
    Context, Error, Result, RunOutcome,
    config::init::{self, Choices, Pair, Pairs},
};

use crate::{plain::plain, say, warn, world};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shipway init
  shipway init --yes
  shipway init -a web/Dockerfile=shop/web -k 'k8s/*.yaml' --yes
  shipway init -a '{\"builder\":\"Docker\",\"payload\":{\"path\":\"web/Dockerfile\"},\"image\":\"shop/web\"}'
  shipway init --analyze

Without --yes it shows the file and asks before it writes it; where nobody can be asked, it only shows it.")]
pub(crate) struct Options {
    /// Where it goes; `-` is standard output.
    #[arg(short, long, value_name = "FILE", default_value = "skaffold.yaml")]
    #[arg(env = "SKAFFOLD_FILENAME", hide_env_values = true)]
    filename: PathBuf,
    /// A Dockerfile and the image that it builds, as `DOCKERFILE=IMAGE` or in Skaffold's JSON; may be repeated. What
    /// is found is paired by names when absent.
    #[arg(short, long, value_name = "ARTIFACT")]
    artifact: Vec<String>,
    /// A file, or a pattern of files, with Kubernetes' objects; may be repeated. Those that are found when absent.
    #[arg(short, long, value_name = "PATH")]
    kubernetes_manifest: Vec<String>,
    /// Say what is found, as JSON, and write nothing.
    #[arg(long)]
    analyze: bool,
    /// Ask nothing: of names that fit equally well the first is taken.
    #[arg(short, long, alias = "assume-yes")]
    yes: bool,
    /// Write over a file that is there, and ask nothing.
    #[arg(long)]
    force: bool,
}

/// Writes a first configuration for what is in the folder.
pub(crate) async fn begin(asked: &Options, cx: &Context) -> Result<RunOutcome> {
    let file = &asked.filename;
    let (yes, shown) = (asked.yes || asked.force, file == Path::new("-"));
    let asks = !yes && !shown && io::stdin().is_terminal();
    let there = file.symlink_metadata().is_ok();
    if there && !asked.force && !asked.analyze && (yes || asks) {
        return Err(Error::config(format!("`{}` is there already", file.display()))
            .hint("write over it with `--force`, or name another with `--filename`"));
    }
    let pairs = asked.artifact.iter().map(|text| Pair::parse(text)).collect::<Result<Vec<_>>>()?;
    let found = init::look(cx).await?;
    if asked.analyze {
        say(&format!("{}\n", found.analysis()))?;
        return Ok(RunOutcome::Succeeded);
    }
    let mut choices = Choices::default();
    if !asked.kubernetes_manifest.is_empty() {
        choices = choices.manifests(&asked.kubernetes_manifest);
    }
    if !pairs.is_empty() {
        choices = choices.artifacts(pairs.into_iter().flatten());
    } else if asks && !found.images.is_empty() {
        choices = choices.artifacts(choose(found.pairs(), &mut io::stdin().lock(), &mut io::stderr())?);
    }
    let initial = init::write(&found, &choices)?;
    for notice in &initial.notices {
        warn(&format!("warning: {notice}"));
    }
    if !yes {
        say(&initial.text)?;
    }
    if shown {
        return Ok(RunOutcome::Succeeded);
    }
    if !yes && !asks {
        let flag = if there { "--force" } else { "--yes" };
        warn(&format!("`{}` is not written; to write it, say `{flag}` as well", file.display()));
        return Ok(RunOutcome::Succeeded);
    }
    if asks && !agrees(file, &mut io::stdin().lock(), &mut io::stderr())? {
        warn("nothing is written");
        return Ok(RunOutcome::Succeeded);
    }
    world::write(file, initial.text.as_bytes())?;
    say(&plain(&format!("`{}` is written; `shipway plan` says what it does\n", file.display())))?;
    Ok(RunOutcome::Succeeded)
}

/// Asks of each image that is left which of the Dockerfiles that are left builds it.
fn choose(pairs: Pairs, answers: &mut impl BufRead, questions: &mut impl Write) -> Result<Vec<Pair>> {
    let Pairs { mut pairs, images, mut dockerfiles, .. } = pairs;
    for image in images {
        if dockerfiles.is_empty() {
            break;
        }
        let mut question = format!("which Dockerfile builds `{image}`?\n");
        for (number, path) in (1..).zip(&dockerfiles) {
            let _ = writeln!(question, "  {number}  {path:?}");
        }
        question.push_str("  0  none: it is not built here\nnumber [0]: ");
        let number = loop {
            let line = ask(&question, answers, questions)?;
            match line.parse() {
                _ if line.is_empty() => break 0,
                Ok(number) if number <= dockerfiles.len() => break number,
                _ => question = format!("a number from 0 to {}: ", dockerfiles.len()),
            }
        };
        if let Some(at) = number.checked_sub(1) {
            pairs.push(Pair::new(image, dockerfiles.remove(at)));
        }
    }
    Ok(pairs)
}

fn agrees(file: &Path, answers: &mut impl BufRead, questions: &mut impl Write) -> Result<bool> {
    let line = ask(&format!("write it to `{}`? [y/N] ", file.display()), answers, questions)?;
    Ok(["y", "yes"].contains(&line.to_lowercase().as_str()))
}

/// Asks a question and returns the line that answers it.
fn ask(question: &str, answers: &mut impl BufRead, questions: &mut impl Write) -> Result<String> {
    let mut line = String::new();
    let asked = questions.write_all(plain(question).as_bytes()).and_then(|()| questions.flush());
    let read = asked.and_then(|()| answers.by_ref().take(LONGEST).read_line(&mut line));
    match read {
        Err(error) => Err(Error::cancelled("nobody answers, and nothing is written").source(error)),
        Ok(0) => Err(Error::cancelled("nobody answers, and nothing is written")),
        Ok(_) => Ok(line.trim().to_owned()),
    }
}

/// The longest answer, in bytes.
const LONGEST: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(answers: &str) -> (Result<Vec<Pair>>, String) {
        let mut pairs = Pairs::default();
        pairs.pairs.push(Pair::new("web", "web/Dockerfile"));
        pairs.images.extend(["db", "redis", "shop/worker"].map(String::from));
        pairs.dockerfiles.extend(["a/Dockerfile", "b\u{1b}[2J\n/Dockerfile"].map(String::from));
        let mut questions = Vec::new();
        let chosen = choose(pairs, &mut answers.as_bytes(), &mut questions);
        (chosen, String::from_utf8(questions).expect("text"))
    }

    #[test]
    fn each_image_that_is_left_is_asked_for() {
        let (pairs, questions) = chosen("2\n\n1\n");
        let worker = Pair::new("shop/worker", "a/Dockerfile");
        let db = Pair::new("db", "b\u{1b}[2J\n/Dockerfile");
        assert_eq!(pairs.expect("answered"), [Pair::new("web", "web/Dockerfile"), db, worker]);
        insta::assert_snapshot!(questions, @r#"
        which Dockerfile builds `db`?
          1  "a/Dockerfile"
          2  "b\u{1b}[2J\n/Dockerfile"
          0  none: it is not built here
        number [0]: which Dockerfile builds `redis`?
          1  "a/Dockerfile"
          0  none: it is not built here
        number [0]: which Dockerfile builds `shop/worker`?
          1  "a/Dockerfile"
          0  none: it is not built here
        number [0]:
        "#);
        // Once no Dockerfile is left, nothing is asked.
        let (pairs, questions) = chosen("1\n1\n");
        assert_eq!((pairs.expect("answered").len(), questions.matches('?').count()), (3, 2));
    }

    #[test]
    fn what_is_no_answer_is_asked_again() {
        let (pairs, questions) = chosen("x\n3\n-1\n99999999999999999999\n0\n0\n0\n");
        assert_eq!(pairs.expect("answered").len(), 1);
        assert_eq!(questions.matches("a number from 0 to 2: ").count(), 4);
        let (pairs, _) = chosen("1\n");
        assert_eq!(pairs.expect_err("nobody answers").kind(), shipway::ErrorKind::Cancelled);
    }

    #[test]
    fn only_a_clear_yes_is_one() {
        for (answer, expected) in
            [("y\n", true), ("YES\n", true), ("\n", false), ("n\n", false), ("yy", false)]
        {
            let mut question = Vec::new();
            let agreed = agrees(Path::new("skaffold.yaml"), &mut answer.as_bytes(), &mut question);
            assert_eq!(agreed.expect("answered"), expected, "{answer}");
            assert_eq!(question, b"write it to `skaffold.yaml`? [y/N] ");
        }
        assert!(agrees(Path::new("a"), &mut &b""[..], &mut Vec::new()).is_err());
    }
}
