//! Questions before changes: asked on this terminal, and answered from another one by `approve` and `reject`.

use std::{
    collections::BTreeSet,
    io::{self, BufRead as _, IsTerminal as _},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use async_trait::async_trait;
use clap::Args;
use shipway::{
    Answer, Context, Decision, DiskGates, Error, Gates, HostDisk, Preview, Question, Result, RunOutcome,
};

use crate::{plain::plain, say, warn, words, work::Told, world};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  shipway approve\n  shipway approve 19aa7f3c2e1-4d2-0 --why tested\n  shipway reject --why late"
)]
pub(crate) struct Options {
    /// The run that asks; the only one that does when absent.
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// The task that asks, where the run asks several questions; all of them when absent.
    #[arg(long, value_name = "TASK")]
    task: Option<String>,
    /// Why, for those who read it later.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    why: String,
}

/// Answers what a run of this folder asks.
pub(crate) fn answer(options: &Options, answer: Answer) -> Result<RunOutcome> {
    let folder = world::questions().ok_or_else(|| {
        Error::config("there is no home for questions").hint("set `HOME` or `XDG_STATE_HOME`")
    })?;
    let gates = DiskGates::new(Arc::new(HostDisk), folder);
    let mut open = gates.open()?;
    open.retain(|question| {
        options.run.as_ref().is_none_or(|run| *run == question.run)
            && options.task.as_ref().is_none_or(|task| question.task.as_str() == task)
    });
    let runs: BTreeSet<&str> = open.iter().map(|question| question.run.as_str()).collect();
    if open.is_empty() {
        return Err(Error::config("nothing is asked").hint("`shipway history` says which runs wait"));
    }
    if runs.len() > 1 {
        let runs: Vec<&str> = runs.into_iter().collect();
        return Err(Error::config("several runs ask").hint(format!("name one: {}", runs.join(", "))));
    }
    let word = if answer == Answer::Approved { "approved" } else { "rejected" };
    for question in &open {
        let text = shown(question);
        let said = if gates.answer(question, &decision(answer, &options.why))? {
            format!("{text}{word}\n")
        } else {
            format!("{text}somebody was faster\n")
        };
        say(&said)?;
    }
    say(&format!("a run that waits goes on by itself; one that ended: shipway resume {}\n", open[0].run))?;
    Ok(RunOutcome::Succeeded)
}

fn decision(answer: Answer, why: &str) -> Decision {
    Decision::new(answer, world::user(), world::now()).why(why)
}

/// Returns what is asked, with the changes that it is about.
fn shown(question: &Question) -> String {
    let changes = question.changes.clone().map(|changes| Preview::new(changes).to_string());
    plain(&format!("{}{}: {}\n", changes.unwrap_or_default(), question.task, question.text))
}

/// Asks on the terminal, and takes answers from elsewhere as well.
#[derive(Debug)]
pub(crate) struct Terminal {
    files: DiskGates,
    asked: Mutex<BTreeSet<String>>,
}

impl Terminal {
    /// Returns the terminal's questions over those in files; none where nobody sits there, or where lines are not
    /// what is told.
    pub(crate) fn over(files: &DiskGates, told: Told) -> Option<Self> {
        let here = io::stdin().is_terminal() && io::stderr().is_terminal();
        (here && told == Told::Lines).then(|| Self { files: files.clone(), asked: Mutex::default() })
    }
}

#[async_trait]
impl Gates for Terminal {
    async fn decision(&self, cx: &Context, question: &Question) -> Result<Option<Decision>> {
        let answered = self.files.decision(cx, question).await?;
        let first = {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.insert(question.task.to_string())
        };
        if answered.is_none() && first {
            let (files, question) = (self.files.clone(), question.clone());
            // A thread of its own: nothing can end a read of the terminal, and the answer may come from elsewhere.
            thread::spawn(move || ask(&files, &question));
        }
        Ok(answered)
    }

    async fn withdraw(&self, cx: &Context, question: &Question) {
        self.files.withdraw(cx, question).await;
    }
}

fn ask(files: &DiskGates, question: &Question) {
    loop {
        warn(&format!("{}answer y or n, and press Enter", shown(question)));
        let mut line = String::new();
        // The end of the input answers nothing; somebody else may.
        let Ok(1..) = io::stdin().lock().read_line(&mut line) else { return };
        let answer = match line.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Answer::Approved,
            "n" | "no" => Answer::Rejected,
            _ => continue,
        };
        if let Err(error) = files.answer(question, &decision(answer, "")) {
            words::tell_error("error", &error);
        }
        return;
    }
}
