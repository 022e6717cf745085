//! When each task ran: a row for each with a bar, what it waited for, and a mark on the critical path.

use std::time::Duration;

use shipway_core::Timestamp;

use super::{MOST_TOLD, Story, class};
use crate::{
    PastRun,
    markup::{Markup, cut},
    moments::spoken,
};

/// How wide a lane is, in its own units.
const LANE: f64 = 1000.0;
/// What stands for the time between two processes of a run.
const PAUSE: f64 = 30.0;
/// The least width of a bar.
const LEAST: f64 = 3.0;

/// Where moments are in a lane: time in which nobody worked on the run takes hardly any of it.
struct Scale<'a> {
    run: &'a PastRun,
    /// Units for each millisecond.
    unit: f64,
    whole: Duration,
}

impl<'a> Scale<'a> {
    fn new(run: &'a PastRun) -> Option<Self> {
        let whole = run.took()?;
        let pauses = run.sessions.len() - 1;
        // With very many pauses these share half of the lane.
        let pause = Self::pause(pauses);
        Some(Self { run, unit: (LANE - pause * pauses as f64) / (whole.as_millis() as f64).max(1.0), whole })
    }

    fn pause(count: usize) -> f64 {
        PAUSE.min(LANE / 2.0 / (count as f64).max(1.0))
    }

    fn at(&self, at: Timestamp) -> f64 {
        let pause = Self::pause(self.run.sessions.len() - 1);
        let mut x = 0.0;
        for (number, (began, last)) in self.run.sessions.iter().enumerate() {
            let length = last.0.saturating_sub(began.0) as f64;
            let next = self.run.sessions.get(number + 1);
            if next.is_none_or(|next| at < next.0) {
                return x + (at.0.saturating_sub(began.0) as f64).min(length) * self.unit;
            }
            x += length * self.unit + pause;
        }
        x
    }
}

impl Story<'_> {
    pub(super) fn timeline(&self, body: &mut Markup) {
        let run = self.run;
        let Some(scale) = Scale::new(run) else {
            if !run.tasks.is_empty() {
                body.element("h2", &[("id", "timeline")], "Timeline");
                let said = "There is none: the release that wrote this journal wrote no moments.";
                body.element("p", &[("class", "soft")], said);
            }
            return;
        };
        let mut rows: Vec<usize> =
            (0..run.tasks.len()).filter(|&place| run.tasks[place].began.is_some()).collect();
        if rows.is_empty() {
            return;
        }
        rows.sort_by_key(|&place| (run.tasks[place].began, place));
        body.end_line();
        body.element("h2", &[("id", "timeline")], "Timeline");
        self.say_path(body);
        body.within("div", &[("class", "times")], |times| {
            times.constant("<span class=\"corner\"></span>");
            times.within("div", &[("class", "axis")], |axis| {
                for quarter in 0..=4 {
                    axis.element("span", &[], &spoken(scale.whole * quarter / 4));
                }
            });
            times.constant("<span class=\"corner\"></span><span class=\"corner\"></span>");
            for &place in rows.iter().take(MOST_TOLD) {
                times.end_line();
                self.row(times, &scale, place);
            }
        });
        let mut legend = "A thin line before a bar is the time from when a task could have begun until it did: it waited for a free \
                          slot, or its inputs were read. The last column names what it came after. ◆ and the line below a bar \
                          mark the critical path."
            .to_owned();
        if run.sessions.len() > 1 {
            legend.push_str(" A dashed line is a pause in which no process worked on the run.");
        }
        body.element("p", &[("class", "legend")], &legend);
    }

    fn row(&self, times: &mut Markup, scale: &Scale<'_>, place: usize) {
        let past = &self.run.tasks[place];
        let critical = self.critical[place];
        times.within("span", &[("class", "id")], |name| {
            if critical {
                name.constant("<span title=\"on the critical path\">◆ </span>");
            }
            self.link(name, place);
        });
        let began = scale.at(past.began.unwrap_or_default());
        let ended = past.trace.at.map_or(LANE, |at| scale.at(at));
        let width = (ended - began).max(LEAST);
        let began = began.min(LANE - width);
        let fate = class(self.fates[place]);
        let attributes = [
            ("class", &*format!("lane {fate}")),
            ("viewBox", "0 0 1000 24"),
            ("preserveAspectRatio", "none"),
            ("aria-hidden", "true"),
        ];
        times.within("svg", &attributes, |lane| {
            lane.constant("<line x1=\"250\" x2=\"250\" y1=\"0\" y2=\"24\"/><line x1=\"500\" x2=\"500\" y1=\"0\" y2=\"24\"/><line x1=\"750\" x2=\"750\" y1=\"0\" y2=\"24\"/>");
            for (again, _) in self.run.sessions.iter().skip(1).take(100) {
                let x = format!("{:.1}", scale.at(*again) - Scale::pause(self.run.sessions.len() - 1) / 2.0);
                lane.empty("line", &[("class", "pause"), ("x1", &x), ("x2", &x), ("y1", "0"), ("y2", "24")]);
            }
            if let Some(wait) = self.waits[place] {
                let ready = scale.at(wait.ready);
                if began - ready > 1.0 {
                    bar(lane, "wait", ready, began - ready, ("11", "2"));
                }
            }
            bar(lane, "bar", began, width, ("5", "13"));
            if critical {
                bar(lane, "critical", began, width, ("20", "2.5"));
            }
        });
        let took = past.took().map_or_else(|| "did not end".to_owned(), spoken);
        times.element("span", &[("class", "took")], &took);
        let after = self.waits[place].and_then(|wait| wait.blocker);
        let after =
            after.map(|blocker| format!("after {}", cut(self.run.tasks[blocker].task.id.as_str(), 60)));
        times.element("span", &[("class", "after")], &after.unwrap_or_default());
    }

    /// Tells the critical path in a line.
    fn say_path(&self, body: &mut Markup) {
        let run = self.run;
        let worked = self.path.iter().filter_map(|&place| run.tasks[place].took());
        let worked = worked.fold(Duration::ZERO, Duration::saturating_add);
        let Some(whole) = run.took().filter(|_| self.path.len() > 1) else { return };
        body.within("p", &[], |line| {
            let share = worked.as_millis() * 100 / whole.as_millis().max(1);
            line.text(&format!(
                "The critical path, {} of {} ({} %): ",
                spoken(worked),
                spoken(whole),
                share.min(100)
            ));
            for (number, &place) in self.path.iter().enumerate() {
                if number > 30 {
                    line.text(&format!(" and {} more", self.path.len() - number));
                    break;
                }
                if number > 0 {
                    line.constant(" → ");
                }
                self.link(line, place);
                if let Some(took) = run.tasks[place].took() {
                    line.constant(" <span class=\"soft\">");
                    line.text(&spoken(took));
                    line.constant("</span>");
                }
            }
        });
    }
}

fn bar(lane: &mut Markup, class: &'static str, x: f64, width: f64, (y, height): (&str, &str)) {
    let (x, width) = (format!("{x:.1}"), format!("{width:.1}"));
    lane.empty("rect", &[("class", class), ("x", &x), ("y", y), ("width", &width), ("height", height)]);
}
