//! A run as one HTML page, which needs nothing else: no network and no script; the one that it has only folds and
//! filters. A policy in the page keeps the browser from loading or running anything else, whatever was written down.

mod summary;
mod tasks;
mod timeline;

use std::collections::BTreeMap;

use shipway_core::{RunOutcome, TaskId};

use crate::{
    Fate, PastRun,
    graph::Graph,
    markup::{Markup, cut},
    moments::{self, Wait},
    picture::{self, Node},
};

const STYLE: &str = concat!(include_str!("style.css"), include_str!("../graph.css"));
const SCRIPT: &str = include_str!("fold.js");

/// What the browser may do: apply this style and run this script, by their hashes (CSP 3), and nothing else.
const POLICY: &str = concat!(
    "default-src 'none'; base-uri 'none'; form-action 'none'; ",
    "style-src 'sha256-aoOE9J6M+szRtcsYeErl43P6ATyQZUkPXrPdrvpU66I='; ",
    "script-src 'sha256-W98YxcJ5fQ9Hfek03iUV+5NYYVNSTZkox64W3dCn0Ao='",
);

/// The most tasks of a graph that is drawn: more are no picture that anybody can read.
const MOST_DRAWN: usize = 400;
/// The most tasks that are told one by one.
const MOST_TOLD: usize = 5000;
/// How large a page may grow, in bytes, before logs and changes are left out of what is still to come.
const ROOM: usize = 8 << 20;
/// The most letters of a name or a line.
const NAME: usize = 200;

/// A run, and what follows from it.
struct Story<'a> {
    run: &'a PastRun,
    fates: Vec<Fate>,
    waits: Vec<Option<Wait>>,
    path: Vec<usize>,
    /// Whether each task is on that path.
    critical: Vec<bool>,
    places: BTreeMap<&'a TaskId, usize>,
}

impl PastRun {
    /// Returns the run as an HTML page.
    ///
    /// ```
    /// use shipway_report::PastRun;
    ///
    /// let page = PastRun::of("nightly-7", &[]).page();
    /// assert!(page.starts_with("<!DOCTYPE html>") && !page.contains("http-equiv=\"refresh\""));
    /// ```
    #[must_use]
    pub fn page(&self) -> String {
        let waits = moments::waits(self);
        let path = moments::critical_path(self, &waits);
        let mut critical = vec![false; self.tasks.len()];
        for &place in &path {
            critical[place] = true;
        }
        let places = self.tasks.iter().map(|past| &past.task.id).zip(0..).collect();
        let story = Story { run: self, fates: self.fates(), waits, path, critical, places };
        let mut page = Markup::new();
        page.constant("<!DOCTYPE html>\n");
        page.within("html", &[("lang", "en")], |html| {
            html.within("head", &[], |head| story.head(head));
            html.end_line();
            html.within("body", &[], |body| {
                story.summary(body);
                story.graph(body);
                story.timeline(body);
                story.tasks(body);
                body.end_line();
                body.element(
                    "footer",
                    &[],
                    &format!("Made from the journal of the run {}.", cut(&self.id, NAME)),
                );
                body.within("script", &[], |script| script.constant(SCRIPT));
            });
        });
        page.end_line();
        page.finish()
    }

    /// Returns how the run ended, in words.
    #[must_use]
    pub fn ending(&self) -> &'static str {
        match self.outcome {
            Some(RunOutcome::Succeeded) => "succeeded",
            Some(RunOutcome::Failed) => "failed",
            Some(RunOutcome::Cancelled) => "was stopped",
            Some(RunOutcome::Waiting) => "waits for an answer",
            _ => "did not end",
        }
    }
}

impl Story<'_> {
    fn head(&self, head: &mut Markup) {
        head.constant("<meta charset=\"utf-8\"/>");
        head.empty("meta", &[("http-equiv", "Content-Security-Policy"), ("content", POLICY)]);
        head.constant(
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\
             <meta name=\"referrer\" content=\"no-referrer\"/>\n",
        );
        let title = format!(
            "{} {}: run {}",
            cut(&self.run.pipeline, NAME),
            self.run.ending(),
            cut(&self.run.id, NAME)
        );
        head.element("title", &[], &title);
        head.end_line();
        head.within("style", &[], |style| style.constant(STYLE));
    }

    fn graph(&self, body: &mut Markup) {
        let run = self.run;
        if run.tasks.is_empty() {
            return;
        }
        body.end_line();
        body.element("h2", &[("id", "graph")], "Graph");
        if run.tasks.len() > MOST_DRAWN {
            let said = format!(
                "The graph of {} tasks is not drawn: it could not be read. `shipway plan --graph=dot` gives it to programs.",
                run.tasks.len()
            );
            body.element("p", &[("class", "soft")], &said);
            return;
        }
        let nodes = run.tasks.iter().enumerate().map(|(place, past)| {
            let fate = self.fates[place];
            let took = past.took().map(|took| format!(" · {}", moments::spoken(took))).unwrap_or_default();
            Node {
                id: past.task.id.as_str().to_owned(),
                below: format!("{}{took}", fate.as_str()),
                class: class(fate),
                link: Some(format!("#task-{place}")),
                critical: self.critical[place],
            }
        });
        let nodes: Vec<Node> = nodes.collect();
        let graph = Graph::of(run.tasks.iter().map(|past| &past.task)).thinned();
        body.within("div", &[("class", "picture")], |picture| {
            picture::draw(picture, "the tasks and what they need", &graph, &nodes, false);
        });
        let legend = "An arrow goes from what is needed to who needs it; needs that follow from others are left out. \
                      The thick line is the critical path.";
        body.element("p", &[("class", "legend")], legend);
    }

    fn link(&self, markup: &mut Markup, place: usize) {
        let id = cut(self.run.tasks[place].task.id.as_str(), NAME);
        let target = format!("#task-{place}");
        if place < MOST_TOLD {
            markup.element("a", &[("class", "id"), ("href", &target)], &id);
        } else {
            markup.element("span", &[("class", "id")], &id);
        }
    }
}

fn class(fate: Fate) -> &'static str {
    match fate {
        Fate::Done => "done",
        Fate::Reused => "reused",
        Fate::Failed => "failed",
        Fate::Allowed => "allowed",
        Fate::Cut => "cut",
        Fate::Skipped | Fate::Unneeded => "skipped",
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn the_policy_allows_the_style_and_the_script_that_there_are() {
        for (name, text) in [("style-src", STYLE), ("script-src", SCRIPT)] {
            let hash = STANDARD.encode(Sha256::digest(text));
            assert!(POLICY.contains(&format!("{name} 'sha256-{hash}'")), "{name} needs 'sha256-{hash}'");
            assert!(!text.contains("</") && !text.contains("<!--"), "{name} ends its element");
            assert!(!text.contains("url(") && !text.contains("@import"), "{name} asks for more");
        }
        assert!(POLICY.starts_with("default-src 'none'; base-uri 'none'; form-action 'none'; "));
    }
}
