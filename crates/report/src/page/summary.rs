//! The top of the page: how the run ended, when, how long it took, what failed first and what to do about it, what
//! was warned of, and what came out.

use shipway_core::{Action, ErrorReport, Output};

use super::{NAME, Story, class};
use crate::{
    Fate,
    markup::{Markup, cut, without_colour},
    moments::{day_and_time, spoken},
};

/// The most letters of an error's text.
const ERROR: usize = 16_000;
/// The most warnings that are shown at the top.
const WARNINGS: usize = 12;
/// The most images and releases that are listed.
const RESULTS: usize = 500;

/// Fates in the order in which they are counted.
const FATES: [Fate; 7] =
    [Fate::Done, Fate::Reused, Fate::Failed, Fate::Allowed, Fate::Cut, Fate::Skipped, Fate::Unneeded];

impl Story<'_> {
    pub(super) fn summary(&self, body: &mut Markup) {
        let run = self.run;
        body.end_line();
        body.within("header", &[], |header| {
            header.within("div", &[("class", "top")], |top| {
                let name = if run.pipeline.is_empty() { "A run" } else { &run.pipeline };
                top.element("h1", &[], &cut(name, NAME));
                let class = match run.ending() {
                    "succeeded" => "badge done",
                    "failed" => "badge failed",
                    _ => "badge cut",
                };
                top.element("span", &[("class", class)], run.ending());
            });
            header.within("ul", &[("class", "facts")], |facts| self.facts(facts));
        });
        if let Some((past, error)) = run.first_failure() {
            body.end_line();
            body.within("section", &[("class", "box failed")], |section| {
                section.within("p", &[], |line| {
                    line.text("What failed first: ");
                    let place = self.places.get(&past.task.id).copied();
                    self.link(line, place.unwrap_or_default());
                });
                error_in_full(section, error);
            });
        }
        self.warnings(body);
        self.results(body);
    }

    fn facts(&self, facts: &mut Markup) {
        let run = self.run;
        let mut fact = |word: &str, value: &str| {
            if !value.is_empty() {
                facts.within("li", &[], |item| {
                    item.text(word);
                    item.element("b", &[], value);
                });
            }
        };
        fact("run ", &cut(&run.id, NAME));
        fact("began ", &run.began().map(day_and_time).unwrap_or_default());
        fact("took ", &run.took().map(spoken).unwrap_or_default());
        let counts = FATES.iter().filter_map(|fate| {
            let count = self.fates.iter().filter(|other| *other == fate).count();
            (count > 0).then(|| format!("{count} {}", fate.as_str()))
        });
        let counts: Vec<String> = counts.collect();
        fact(if run.tasks.len() == 1 { "1 task: " } else { "tasks: " }, &counts.join(", "));
        fact("", &cut(&run.what(), NAME * 2));
        if run.sessions.len() > 1 {
            let (_, later) = run.sessions.split_at(1);
            let moments: Vec<String> = later.iter().take(5).map(|(at, _)| day_and_time(*at)).collect();
            fact("gone on with ", &moments.join(", "));
        }
    }

    fn warnings(&self, body: &mut Markup) {
        let said = self.run.tasks.iter().enumerate().flat_map(|(place, past)| {
            let warnings = past.trace.lines.iter().filter_map(|line| line.strip_prefix("warning: "));
            warnings.map(move |warning| (place, warning))
        });
        let said: Vec<(usize, &str)> = said.take(WARNINGS + 1).collect();
        if said.is_empty() {
            return;
        }
        body.end_line();
        body.within("section", &[("class", "box warning")], |section| {
            section.element("p", &[], "Warnings");
            section.within("ul", &[], |list| {
                for (place, warning) in said.iter().take(WARNINGS) {
                    list.within("li", &[], |item| {
                        self.link(item, *place);
                        let first = warning.lines().next().unwrap_or_default();
                        item.text(&format!(": {}", cut(&without_colour(first), 2 * NAME)));
                    });
                }
            });
            if said.len() > WARNINGS {
                section.element("p", &[("class", "soft")], "There are more, in the logs of the tasks.");
            }
        });
    }

    /// Lists what came out: images, and releases where they are.
    fn results(&self, body: &mut Markup) {
        let mut rows: Vec<(usize, &str, String)> = Vec::new();
        for (place, past) in self.run.tasks.iter().enumerate() {
            match &past.output {
                // The image of a push is that of the build, where it is read.
                Output::Image(image) => {
                    let tag = image.tag.as_ref().filter(|tag| !tag.as_str().starts_with("shipway-"));
                    let tag = tag.map(|tag| format!(" (tag {})", short(tag.as_str()))).unwrap_or_default();
                    rows.retain(|(of, name, _)| {
                        *name != image.name || self.run.tasks[*of].task.action == Action::Apply
                    });
                    rows.push((place, &image.name, format!("{}{tag}", image.reference())));
                }
                // The last one is what runs: the release, or what it went back to.
                Output::Deployment(deployment) if past.task.action == Action::Apply => {
                    let release = &deployment.manifests.release;
                    let namespace =
                        release.namespace.as_ref().map(|name| format!(" in {name}")).unwrap_or_default();
                    let (count, at) = (deployment.manifests.objects.len(), day_and_time(deployment.at));
                    let objects = if count == 1 { "1 object".to_owned() } else { format!("{count} objects") };
                    rows.retain(|(of, name, _)| {
                        *name != release.name || self.run.tasks[*of].task.action != Action::Apply
                    });
                    rows.push((
                        place,
                        &release.name,
                        format!("revision {}{namespace}, {objects}, {at}", deployment.revision),
                    ));
                }
                _ => {}
            }
            if rows.len() > RESULTS {
                break;
            }
        }
        if rows.is_empty() {
            return;
        }
        body.end_line();
        body.element("h2", &[("id", "results")], "Results");
        body.within("div", &[("class", "wide")], |wide| {
            wide.within("table", &[], |table| {
                table.constant("<tr><th>What</th><th>Is now</th><th>By</th></tr>");
                for (place, name, value) in rows.iter().take(RESULTS) {
                    table.within("tr", &[], |row| {
                        row.element("td", &[], &cut(name, NAME));
                        row.within("td", &[], |cell| cell.element("code", &[], &cut(value, 2 * NAME)));
                        row.within("td", &[], |cell| self.link(cell, *place));
                    });
                }
            });
        });
    }
}

/// Returns a tag, of a whole hash only its beginning.
fn short(tag: &str) -> String {
    cut(tag, if tag.len() > 40 { 12 } else { 40 })
}

/// Writes all that is known of an error.
pub(super) fn error_in_full(markup: &mut Markup, error: &ErrorReport) {
    let message = match &error.location {
        Some(location) => format!("{location}: {}", error.message),
        None => error.message.clone(),
    };
    markup.within("p", &[], |line| {
        line.element("span", &[("class", class(Fate::Failed))], &cut(&message, ERROR));
    });
    for (word, texts) in [("because", &error.causes), ("note", &error.notes)] {
        for text in texts.iter().take(20) {
            let text = text.lines().map(without_colour).collect::<Vec<_>>().join("\n");
            if text.contains('\n') {
                markup.within("pre", &[], |pre| pre.lines(&cut(&text, ERROR)));
            } else {
                markup.element("p", &[], &format!("{word}: {}", cut(&text, ERROR)));
            }
        }
    }
    if let Some(hint) = &error.hint {
        markup.element("p", &[("class", "hint")], &cut(hint, ERROR));
    }
}
