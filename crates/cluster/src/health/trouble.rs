//! Troubles: what keeps a workload from working, one line each, however many of its pods have it.

use std::collections::BTreeMap;

use serde_json::Value;

/// Something that keeps a workload from working.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trouble {
    /// What it is, where, and what to do, in one line without credentials.
    pub text: String,
    /// Whether it may pass.
    pub outlook: Outlook,
    /// Whose last lines show the cause.
    pub logs_of: Option<Logs>,
}

/// Whether a trouble may pass by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outlook {
    /// It often passes: a node is missing, a volume is not there yet, a registry does not answer.
    Waiting,
    /// It hardly passes: the image is refused, a container crashes again and again. Skaffold gives up here, unless
    /// `tolerateFailuresUntilDeadline` is set.
    Failing,
    /// It cannot pass without a change: a job failed, the name of an image is none.
    Fatal,
}

/// The log of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Logs {
    /// The pod's namespace, if it says it.
    pub namespace: Option<String>,
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// Whether the container that ran before the present one is meant.
    pub previous: bool,
}

impl Trouble {
    /// Whether there is no use in waiting for the deadline; `tolerate` is Skaffold's
    /// `tolerateFailuresUntilDeadline`.
    #[must_use]
    pub fn ends_waiting(&self, tolerate: bool) -> bool {
        self.outlook >= if tolerate { Outlook::Fatal } else { Outlook::Failing }
    }
}

/// A trouble of one pod, or of the workload itself.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) text: String,
    pub(super) outlook: Outlook,
    pub(super) logs_of: Option<Logs>,
}

impl Found {
    pub(super) fn new(outlook: Outlook, text: impl Into<String>) -> Self {
        Self { text: text.into(), outlook, logs_of: None }
    }

    pub(super) fn logs(mut self, pod: &Value, container: &str, previous: bool) -> Self {
        let text = |name: &str| pod["metadata"][name].as_str().map(ToOwned::to_owned);
        self.logs_of = text("name").map(|name| Logs {
            namespace: text("namespace"),
            pod: name,
            container: container.to_owned(),
            previous,
        });
        self
    }
}

/// Troubles as they are found, each once, with the pods that have it.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    order: Vec<(Found, Vec<String>)>,
    known: BTreeMap<String, usize>,
}

impl Troubles {
    pub(super) fn add(&mut self, pod: Option<&str>, found: Found) {
        let index = *self.known.entry(found.text.clone()).or_insert_with(|| {
            self.order.push((found, Vec::new()));
            self.order.len() - 1
        });
        self.order[index].1.extend(pod.map(ToOwned::to_owned));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Returns the troubles, those that cannot pass first.
    pub(super) fn into_list(self) -> Vec<Trouble> {
        let text = |text: String, pods: &[String]| match pods {
            [] => text,
            [pod] => format!("pod `{pod}`: {text}"),
            [pod, more @ ..] => format!("pod `{pod}` and {} more: {text}", more.len()),
        };
        let mut troubles: Vec<Trouble> = self
            .order
            .into_iter()
            .map(|(found, pods)| Trouble {
                text: text(found.text, &pods),
                outlook: found.outlook,
                logs_of: found.logs_of,
            })
            .collect();
        troubles.sort_by_key(|trouble| std::cmp::Reverse(trouble.outlook));
        troubles
    }
}
