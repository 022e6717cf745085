//! What a build prints, line by line: the classic builder's text, and BuildKit's trace (moby/buildkit,
//! api/services/control/control.proto, `StatusResponse`).

use std::collections::{BTreeMap, BTreeSet};

use shipway_core::{Context, Stream};

use crate::buildkit::messages::{StatusResponse, Vertex};

/// The most bytes of the end of the output that an error shows.
const END: usize = 4096;

/// The most steps whose own ends are kept.
const STEPS: usize = 1000;

/// A line that is longer is split.
const LINE: usize = 64 * 1024;

/// Hands lines on and keeps the end of them.
#[derive(Debug)]
pub(crate) struct Progress<'a> {
    cx: &'a Context,
    /// What is not a whole line yet, by the step that prints it.
    lines: BTreeMap<String, Vec<u8>>,
    begun: BTreeSet<String>,
    /// The end of what each step that goes on has printed, and of it all, of no step.
    ends: BTreeMap<String, String>,
    /// The step that failed first, by its name and its id.
    failed: Option<(String, String)>,
}

/// What is left of a build's output.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// The name of the step that failed, if one did.
    pub(crate) step: Option<String>,
    /// The end of that step's output, or of all.
    pub(crate) text: String,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(cx: &'a Context) -> Self {
        Self { cx, lines: BTreeMap::new(), begun: BTreeSet::new(), ends: BTreeMap::new(), failed: None }
    }

    /// Takes a piece of a step's text, which may end within a line.
    pub(crate) fn text(&mut self, step: &str, stream: Stream, text: &[u8]) {
        for part in text.split_inclusive(|byte| *byte == b'\n') {
            let line = self.lines.entry(step.to_owned()).or_default();
            line.extend_from_slice(part);
            if part.ends_with(b"\n") || line.len() >= LINE {
                let line = std::mem::take(line);
                self.line(step, stream, String::from_utf8_lossy(&line).trim_end());
            }
        }
    }

    fn line(&mut self, step: &str, stream: Stream, line: &str) {
        if line.is_empty() {
            return;
        }
        self.cx.output(stream, line);
        let own = if self.ends.len() < STEPS { Some(step) } else { None };
        for of in [Some(""), own.filter(|step| !step.is_empty())].into_iter().flatten() {
            let end = self.ends.entry(of.to_owned()).or_default();
            end.push_str(line);
            end.push('\n');
            let cut = end.ceil_char_boundary(end.len().saturating_sub(END));
            end.drain(..cut);
        }
    }

    /// Takes a part of BuildKit's trace.
    pub(crate) fn trace(&mut self, part: &StatusResponse) {
        for vertex in &part.vertexes {
            self.vertex(vertex);
        }
        for status in &part.statuses {
            // Layers on their way move many times, and are many.
            let is_layer = status.id.starts_with("sha256:") || status.id.starts_with("extracting ");
            if !is_layer
                && status.completed.is_some()
                && self.begun.insert(status.vertex.clone() + &status.id)
            {
                self.line(&status.vertex, Stream::Stdout, &status.id);
            }
        }
        for log in &part.logs {
            let stream = if log.stream == 2 { Stream::Stderr } else { Stream::Stdout };
            self.text(&log.vertex, stream, &log.text);
        }
        for warning in &part.warnings {
            let text = format!("warning: {}", String::from_utf8_lossy(&warning.short));
            self.line("", Stream::Stderr, &text);
        }
    }

    fn vertex(&mut self, vertex: &Vertex) {
        let Vertex { digest, name, cached, started, completed, error } = vertex;
        // The trace tells of a step again and again as it goes on.
        if started.is_some() && self.begun.insert(digest.clone()) {
            let line = if *cached { format!("{name} (cached)") } else { name.clone() };
            self.line("", Stream::Stdout, &line);
        }
        if !error.is_empty() && !error.contains("context canceled") {
            self.failed.get_or_insert_with(|| (name.clone(), digest.clone()));
            self.line("", Stream::Stderr, &format!("{name}: {error}"));
        } else if completed.is_some() {
            self.ends.remove(digest);
        }
    }

    /// Hands on what is left, and returns the end of it all.
    pub(crate) fn finish(mut self) -> End {
        for (step, line) in std::mem::take(&mut self.lines) {
            self.line(&step, Stream::Stdout, String::from_utf8_lossy(&line).trim_end());
        }
        let whole = self.ends.remove("").unwrap_or_default();
        match self.failed {
            Some((name, step)) => End { step: Some(name), text: self.ends.remove(&step).unwrap_or(whole) },
            None => End { step: None, text: whole },
        }
    }
}

#[cfg(test)]
mod tests {
    use shipway_core::{Cancel, Record, RunContext, World};

    use super::*;
    use crate::buildkit::messages::{Timestamp, VertexLog, VertexStatus, VertexWarning};

    const SOME: Option<Timestamp> = Some(Timestamp { seconds: 1 });

    fn vertex(digest: &str, error: &str) -> Vertex {
        let (digest, name) = (digest.to_owned(), format!("[{digest}] RUN x"));
        Vertex { digest, name, started: SOME, error: error.to_owned(), ..Vertex::default() }
    }

    fn log(step: &str, text: &'static str) -> VertexLog {
        VertexLog { vertex: step.to_owned(), stream: 2, text: text.into() }
    }

    #[test]
    fn a_trace_is_lines_and_the_failed_steps_end_is_kept() {
        let record = std::sync::Arc::new(Record::new());
        let world = World::host("/").sink(std::sync::Arc::<Record>::clone(&record));
        let cx = RunContext::new(world, "trace").context(None, None, Cancel::new());
        let mut progress = Progress::new(&cx);
        let status = |id: &str| VertexStatus { id: id.to_owned(), vertex: "b".to_owned(), completed: SOME };
        let part = StatusResponse {
            vertexes: vec![vertex("a", ""), vertex("b", "")],
            statuses: vec![status("exporting layers"), status("sha256:00"), status("exporting layers")],
            logs: vec![log("a", "of a\nhalf "), log("b", "of b\n")],
            warnings: vec![VertexWarning { short: "careful".into() }],
        };
        progress.trace(&part);
        let cached = Vertex { cached: true, completed: SOME, ..vertex("c", "") };
        let vertexes = vec![cached, vertex("b", "context canceled"), vertex("a", "exit code: 7")];
        progress.trace(&StatusResponse { vertexes, logs: vec![log("a", "a line\n")], ..part.clone() });
        let end = progress.finish();
        assert_eq!(end.step.as_deref(), Some("[a] RUN x"));
        assert_eq!(end.text, "of a\nhalf a line\n", "nothing of the other step");
        let said = serde_json::to_string(&record.events()).unwrap();
        for (text, times) in [
            ("[b] RUN x", 1),
            ("(cached)", 1),
            ("sha256:00", 0),
            ("exporting layers", 1),
            ("warning: careful", 2),
            ("exit code: 7", 1),
            ("context canceled", 0),
        ] {
            assert_eq!(said.matches(text).count(), times, "{text}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let cx = RunContext::new(World::host("/"), "trace").context(None, None, Cancel::new());
        let mut progress = Progress::new(&cx);
        for number in 0..2 * STEPS {
            progress.text(&number.to_string(), Stream::Stdout, b"line\n");
        }
        progress.text("1", Stream::Stdout, &[b'x'; 3 * END]);
        assert!(progress.ends.len() <= STEPS);
        let end = progress.finish();
        assert_eq!((end.step, end.text.len()), (None, END));
    }
}
