//! Each task with all that is known of it, folded where it went well.

use std::time::Duration;

use shipway_core::{Action, Case, CaseOutcome, ChangeSet, Outcome, Output, Store, Verdict};

use super::{MOST_TOLD, NAME, ROOM, Story, class, summary::error_in_full};
use crate::{
    Fate, PastTask,
    markup::{Markup, cut, without_colour},
    moments::{day_and_time, spoken},
};

/// The most lines of a log, a change or a test's text.
const LINES: usize = 200;
/// The most letters of such a line.
const LINE: usize = 1000;
/// The most changes, test cases and objects of a task.
const MEMBERS: usize = 200;

impl Story<'_> {
    pub(super) fn tasks(&self, body: &mut Markup) {
        let run = self.run;
        if run.tasks.is_empty() {
            return;
        }
        body.end_line();
        body.element("h2", &[("id", "tasks")], "Tasks");
        body.constant(
            "<div class=\"tools\" hidden=\"\"><input type=\"search\" placeholder=\"Show tasks with these words\" \
             aria-label=\"Show tasks with these words\"/><button type=\"button\">Unfold all</button>\
             <button type=\"button\">Fold all</button></div>",
        );
        for place in 0..run.tasks.len().min(MOST_TOLD) {
            body.end_line();
            self.task(body, place);
        }
        if run.tasks.len() > MOST_TOLD {
            body.element(
                "p",
                &[("class", "soft")],
                &format!("And {} more tasks.", run.tasks.len() - MOST_TOLD),
            );
        }
    }

    fn task(&self, body: &mut Markup, place: usize) {
        let past = &self.run.tasks[place];
        let fate = self.fates[place];
        let id = format!("task-{place}");
        let open = [("class", "task"), ("id", &*id), ("open", "")];
        let attributes = if matches!(fate, Fate::Failed | Fate::Allowed) { &open[..] } else { &open[..2] };
        body.within("details", attributes, |details| {
            details.within("summary", &[], |summary| {
                summary.element("span", &[("class", &format!("badge {}", class(fate)))], fate.as_str());
                summary.element("span", &[("class", "id")], &cut(past.task.id.as_str(), NAME));
                summary.element("span", &[("class", "made")], &cut(&past.output.summary(), NAME));
                if let Some(took) = past.took() {
                    summary.element("span", &[("class", "took")], &spoken(took));
                }
            });
            details.within("div", &[("class", "inside")], |inside| {
                if let Some(error) = past.error() {
                    error_in_full(inside, error);
                }
                inside.within("dl", &[], |list| self.facts_of(list, place));
                if inside.len() > ROOM {
                    inside.element(
                        "p",
                        &[("class", "soft")],
                        "The log and the changes are left out: the page is large.",
                    );
                    return;
                }
                made(inside, &past.output);
                log(inside, past);
            });
        });
    }

    fn facts_of(&self, list: &mut Markup, place: usize) {
        let past = &self.run.tasks[place];
        let mut fact = |name: &'static str, value: &str| {
            if !value.is_empty() {
                list.element("dt", &[], name);
                list.element("dd", &[], &cut(value, 4 * NAME));
            }
        };
        fact("does", &does(&past.task.action));
        // What was planned is worth a word where it came otherwise, or to nothing.
        if past.task.verdict != Verdict::Run(past.reasons.clone()) {
            fact("planned", &planned(&past.task.verdict));
        }
        fact("because", &join(past.reasons.iter().map(ToString::to_string)));
        match &past.outcome {
            Some(Outcome::Skipped { because: Some(task) }) => fact("did not run because of", task.as_str()),
            None if !past.begun => {
                let culprits = past.task.needs.iter().filter(|need| {
                    let fate = self.places.get(need).map(|&place| self.fates[place]);
                    matches!(fate, Some(Fate::Failed | Fate::Cut | Fate::Skipped))
                });
                fact("did not run because of", &join(culprits.map(|need| need.as_str().to_owned())));
            }
            _ => {}
        }
        if let Some(began) = past.began {
            fact("began", &day_and_time(began));
        }
        fact("needs", &join(past.task.needs.iter().map(|need| need.as_str().to_owned())));
        fact("waited for", &self.waited(place));
        if past.trace.retries > 0 {
            fact(
                "tries",
                &format!(
                    "{}, of at most {}",
                    u64::from(past.trace.retries) + 1,
                    u64::from(past.task.policy.retries) + 1
                ),
            );
        }
        fact("inputs", past.fingerprint.as_ref().map_or("", |fingerprint| fingerprint.as_str()));
    }

    fn waited(&self, place: usize) -> String {
        let (Some(wait), Some(began)) = (self.waits[place], self.run.tasks[place].began) else {
            return String::new();
        };
        let slot = Duration::from_millis(began.0.saturating_sub(wait.ready.0));
        let slot = (slot.as_millis() >= 50).then(|| format!("{} until it could begin", spoken(slot)));
        let blocker = wait.blocker.map(|blocker| self.run.tasks[blocker].task.id.as_str().to_owned());
        blocker.into_iter().chain(slot).collect::<Vec<_>>().join(", then ")
    }
}

/// Writes what a task made, with its changes and cases.
fn made(inside: &mut Markup, output: &Output) {
    let members = |inside: &mut Markup, word: &str, texts: Vec<String>| {
        if texts.is_empty() {
            return;
        }
        inside.element("h3", &[], word);
        inside.within("pre", &[], |pre| pre.lines(&clipped(texts.iter().map(String::as_str), MEMBERS)));
    };
    match output {
        Output::Image(image) => {
            let mut lines = vec![image.reference()];
            lines.extend(image.tag.as_ref().map(|tag| format!("tag {tag}")));
            let platforms = join(image.platforms.iter().map(ToString::to_string));
            lines.extend(Some(platforms).filter(|text| !text.is_empty()));
            members(inside, "Image", lines);
        }
        Output::Manifests(manifests) => {
            members(
                inside,
                "Objects",
                manifests.objects.iter().map(|manifest| manifest.object.to_string()).collect(),
            );
        }
        Output::Deployment(deployment) => {
            let objects = &deployment.manifests.objects;
            members(inside, "Objects", objects.iter().map(|manifest| manifest.object.to_string()).collect());
            let images = &deployment.manifests.release.images;
            members(
                inside,
                "Images",
                images.iter().map(|image| format!("{}  {}", image.name, image.reference())).collect(),
            );
        }
        Output::Changes(changes) => changed(inside, changes),
        Output::Report(report) => members(inside, "Cases", report.cases.iter().map(case).collect()),
        Output::Exit(exit) => {
            for (word, text) in [("Standard output", &exit.stdout), ("Standard error", &exit.stderr)] {
                members(inside, word, text.lines().map(str::to_owned).collect());
            }
        }
        Output::Decision(_) => members(inside, "Answer", vec![output.summary()]),
        _ => {}
    }
}

fn changed(inside: &mut Markup, changes: &ChangeSet) {
    if !changes.changes.is_empty() {
        inside.element("h3", &[], "Changes");
    }
    for change in changes.changes.iter().take(MEMBERS) {
        inside.within("p", &[], |line| {
            line.element("b", &[], &change.verb.to_string());
            line.text(&format!(" {}", cut(&change.object.to_string(), NAME)));
        });
        if change.diff.is_empty() {
            continue;
        }
        inside.within("pre", &[("class", "diff")], |pre| {
            for line in change.diff.lines().take(LINES) {
                let class = match line.trim_start().as_bytes().first() {
                    Some(b'+') => "plus",
                    Some(b'-') => "minus",
                    _ => "same",
                };
                pre.within("span", &[("class", class)], |span| span.lines(&cut(line, LINE)));
            }
            let more = change.diff.lines().count().saturating_sub(LINES);
            if more > 0 {
                pre.element("span", &[("class", "soft")], &format!("… {more} more lines"));
            }
        });
    }
    if changes.changes.len() > MEMBERS {
        let more = changes.changes.len() - MEMBERS;
        inside.element("p", &[("class", "soft")], &format!("And {more} more changes."));
    }
}

fn log(inside: &mut Markup, past: &PastTask) {
    let lines = &past.trace.lines;
    if lines.is_empty() {
        return;
    }
    let shown = &lines[lines.len().saturating_sub(LINES)..];
    let omitted = past.trace.omitted.saturating_add((lines.len() - shown.len()) as u64);
    let title = if omitted == 0 { "Log".to_owned() } else { format!("Log, without {omitted} earlier lines") };
    inside.element("h3", &[], &title);
    inside.within("pre", &[], |pre| {
        for line in shown {
            pre.lines(&cut(&without_colour(line), LINE));
            pre.constant("\n");
        }
    });
}

fn case(case: &Case) -> String {
    let took = if case.duration.is_zero() { String::new() } else { format!("  {}", spoken(case.duration)) };
    match &case.outcome {
        CaseOutcome::Passed => format!("passed   {}{took}", case.name),
        CaseOutcome::Failed(text) => {
            format!("FAILED   {}{took}\n         {}", case.name, text.replace('\n', "\n         "))
        }
        CaseOutcome::Skipped(why) => format!("skipped  {}: {why}", case.name),
        _ => case.name.clone(),
    }
}

/// Joins lines, so many at most, and says how many are left out.
fn clipped<'a>(texts: impl ExactSizeIterator<Item = &'a str>, most: usize) -> String {
    let count = texts.len();
    let mut lines: Vec<String> = texts.take(most).map(|text| cut(&without_colour(text), 20 * LINE)).collect();
    if count > most {
        lines.push(format!("… {} more", count - most));
    }
    lines.join("\n")
}

fn does(action: &Action) -> String {
    let store = |store: &Store| match store {
        Store::Daemon(endpoint) => format!("a container engine, {endpoint}"),
        Store::Layout(folder) => format!("the layout {}", folder.display()),
        _ => "a registry".to_owned(),
    };
    match action {
        Action::Tag => "names the artifact for people".to_owned(),
        Action::Build { store: to } => format!("builds into {}", store(to)),
        Action::Test { tester } | Action::Verify { tester } => format!("tests with {tester}"),
        Action::Attest => "says how the image came about".to_owned(),
        Action::Admit { artifact, tester } => format!("has {tester} judge the image of {artifact}"),
        Action::Push { to, tagged: false } => format!("copies the image to {}", store(to)),
        Action::Push { to, .. } => format!("moves the tag in {}", store(to)),
        Action::Render => "renders the release".to_owned(),
        Action::Diff { .. } => "compares the target with what is wanted".to_owned(),
        Action::Apply => "makes these changes".to_owned(),
        Action::Health => "watches until it is healthy".to_owned(),
        Action::Run => "runs a command".to_owned(),
        Action::Gate { text } => format!("asks: {text}"),
        Action::Wait { time } => format!("waits {}", spoken(*time)),
        Action::Open => "makes a volume".to_owned(),
        Action::Close => "removes the volume".to_owned(),
        _ => String::new(),
    }
}

fn planned(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Reuse(fingerprint) => format!("to reuse {}", fingerprint.short()),
        Verdict::Run(reasons) => format!("to run: {}", join(reasons.iter().map(ToString::to_string))),
        Verdict::Open(tasks) => {
            format!("open until {}", join(tasks.iter().map(|task| task.as_str().to_owned())))
        }
        _ => String::new(),
    }
}

/// Joins words, twenty at most.
fn join(words: impl Iterator<Item = String>) -> String {
    let mut words: Vec<String> = words.take(21).collect();
    if words.len() > 20 {
        words[20] = "…".to_owned();
    }
    words.join(", ")
}
