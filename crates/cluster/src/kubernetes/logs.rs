//! The log of one container, as the kubelet keeps it.

use std::fmt;

use shipway_core::{Context, Result};

use super::{
    Cluster,
    failure::Asked,
    lines::{Line, Lines},
    request::Call,
    target,
};

/// The longest piece of a line: a longer line comes in several.
const LINE: usize = 1 << 20;

/// What of a log is wanted; by default all that there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogOptions {
    /// Whether to go on until the container ends.
    pub follow: bool,
    /// Only lines from this moment on, as RFC 3339 has it; the kubelet looks at whole seconds.
    pub since: Option<String>,
    /// Only so many lines at the end.
    pub tail: Option<u64>,
    /// The log of the container before it restarted.
    pub previous: bool,
    /// Whether each line begins with its moment, as RFC 3339 has it, and a blank.
    pub timestamps: bool,
}

impl LogOptions {
    /// Returns options for all that there is.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on until the container ends.
    #[must_use]
    pub fn follow(mut self) -> Self {
        self.follow = true;
        self
    }

    /// Takes only lines from this moment on.
    #[must_use]
    pub fn since(mut self, moment: impl Into<String>) -> Self {
        self.since = Some(moment.into());
        self
    }

    /// Takes only so many lines at the end.
    #[must_use]
    pub fn tail(mut self, lines: u64) -> Self {
        self.tail = Some(lines);
        self
    }

    /// Takes the log of the container before it restarted.
    #[must_use]
    pub fn previous(mut self) -> Self {
        self.previous = true;
        self
    }

    /// Begins each line with its moment.
    #[must_use]
    pub fn timestamps(mut self) -> Self {
        self.timestamps = true;
        self
    }
}

/// The lines of a container's log; see [`Cluster::logs`].
pub struct Logs {
    cx: Context,
    lines: Lines,
}

impl Cluster {
    /// Returns the log of a container, or of the only container where none is named.
    ///
    /// # Errors
    /// `NotFound` when there is no such pod; `Config` when there is no such container or it has no such log;
    /// `Unavailable` when the container has not begun.
    pub async fn logs(
        &self,
        cx: &Context,
        namespace: &str,
        pod: &str,
        container: Option<&str>,
        options: &LogOptions,
    ) -> Result<Logs> {
        let flag = |set: bool| if set { "true" } else { "" };
        let tail = options.tail.map_or(String::new(), |lines| lines.to_string());
        let query = [
            ("container", container.unwrap_or_default()),
            ("follow", flag(options.follow)),
            ("sinceTime", options.since.as_deref().unwrap_or_default()),
            ("tailLines", tail.as_str()),
            ("previous", flag(options.previous)),
            ("timestamps", flag(options.timestamps)),
        ];
        let path = target::of_pod(namespace, pod, "/log")?;
        let asked = Asked::new("read", format!("the log of Pod {namespace}/{pod}"));
        let body = self.stream(cx, &Call::get(target::with_query(&path, &query), asked)).await?;
        Ok(Logs { cx: cx.clone(), lines: Lines::new(body, LINE) })
    }
}

impl Logs {
    /// Returns the next line, or `None` at the end, and waits for it if it was not written yet. May be
    /// dropped while it waits; nothing is lost then.
    ///
    /// # Errors
    /// `Unavailable` when the connection breaks off; `Cancelled` and `Timeout` when the context must not go
    /// on.
    pub async fn next(&mut self) -> Result<Option<String>> {
        Ok(self.line().await?.map(|line| match line {
            Line::Whole(line) | Line::Part(line) | Line::Last(line) => {
                String::from_utf8_lossy(&line).into_owned()
            }
        }))
    }

    /// Returns the next line as it came.
    pub(super) async fn line(&mut self) -> Result<Option<Line>> {
        let cx = self.cx.clone();
        tokio::select! {
            biased;
            line = self.lines.next() => line,
            stopped = cx.stopped() => Err(stopped),
        }
    }
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Logs")
    }
}
