//! What no journal holds: the texts of secrets. A digest of each stands in its place, so that who goes on with a run
//! renders them again, and notices when they have become others.

use std::{borrow::Cow, sync::Arc};

use super::{super::Output, Entry};
use crate::{Change, Error, Manifest, Manifests, ObjectId, Result, Text};

/// How what stands in a text's place begins; the digest follows.
const MARK: &str = "withheld, blake3 ";

impl Entry {
    /// Returns the entry as a journal may hold it: see [`Output::withhold`].
    #[must_use]
    pub fn withheld(&self) -> Cow<'_, Self> {
        match self {
            Self::Finished { output, .. } if output.shows_secrets() => {
                let mut entry = self.clone();
                if let Self::Finished { output, .. } = &mut entry {
                    output.withhold();
                }
                Cow::Owned(entry)
            }
            _ => Cow::Borrowed(self),
        }
    }
}

impl Output {
    /// Puts a digest in the place of the text of every manifest of a `Secret`, and of the text of its change.
    ///
    /// What is withheld already stays as it is. A plug-in's own [`State`](crate::State) stays too: a plug-in keeps no
    /// secrets in it.
    pub fn withhold(&mut self) {
        for manifest in self.manifests_mut().into_iter().flat_map(|manifests| &mut manifests.objects) {
            if shows_secret(manifest) {
                manifest.text = mark(&manifest.text).into();
            }
        }
        if let Self::Changes(changes) = self {
            for change in changes.changes.iter_mut().filter(|change| shows_change(change)) {
                change.diff = mark(&change.diff);
            }
        }
    }

    /// Withholds, besides, the text of every manifest that tells a secret, and hides it in what people read of changes.
    pub(crate) fn withhold_told(&mut self, hide: &dyn Fn(&str) -> Option<String>) {
        for manifest in self.manifests_mut().into_iter().flat_map(|manifests| &mut manifests.objects) {
            if hide(&manifest.text).is_some() {
                manifest.text = mark(&manifest.text).into();
            }
        }
        if let Self::Changes(changes) = self {
            for change in &mut changes.changes {
                if let Some(hidden) = hide(&change.diff) {
                    change.diff = hidden;
                }
            }
        }
    }

    /// Returns whether the text of a manifest is withheld: it cannot be applied before [`Output::fill`].
    #[must_use]
    pub fn is_withheld(&self) -> bool {
        self.manifests().is_some_and(|manifests| manifests.objects.iter().any(is_withheld))
    }

    /// Puts the texts that were withheld back, from the same manifests rendered again. The texts of changes stay
    /// withheld: they are for people to read.
    ///
    /// # Errors
    /// `Conflict` when an object is rendered no more, or otherwise than it was; then nothing is put back.
    pub fn fill(&mut self, rendered: &Manifests) -> Result<()> {
        let mut texts = Vec::new();
        for manifest in self.manifests().into_iter().flat_map(|manifests| &manifests.objects) {
            if is_withheld(manifest) {
                texts.push(text_of(manifest, rendered)?);
            }
        }
        let withheld = self.manifests_mut().into_iter().flat_map(|manifests| &mut manifests.objects);
        for (manifest, text) in withheld.filter(|manifest| is_withheld(manifest)).zip(texts) {
            manifest.text = text;
        }
        Ok(())
    }

    /// Returns whether there is something to withhold yet.
    fn shows_secrets(&self) -> bool {
        let in_changes = matches!(self, Self::Changes(changes) if changes.changes.iter().any(shows_change));
        in_changes || self.manifests().is_some_and(|manifests| manifests.objects.iter().any(shows_secret))
    }

    /// Returns the manifests in it; there is at most one rendered release in an output.
    pub(crate) fn manifests(&self) -> Option<&Manifests> {
        match self {
            Self::Manifests(manifests) => Some(manifests),
            Self::Deployment(deployment) => Some(&deployment.manifests),
            Self::Changes(changes) => Some(changes.desired.manifests()),
            Self::Nothing
            | Self::Tag(_)
            | Self::Image(_)
            | Self::Report(_)
            | Self::Exit(_)
            | Self::Decision(_) => None,
        }
    }

    fn manifests_mut(&mut self) -> Option<&mut Manifests> {
        match self {
            Self::Manifests(manifests) => Some(manifests),
            Self::Deployment(deployment) => Some(&mut deployment.manifests),
            Self::Changes(changes) => Some(changes.desired.manifests_mut()),
            Self::Nothing
            | Self::Tag(_)
            | Self::Image(_)
            | Self::Report(_)
            | Self::Exit(_)
            | Self::Decision(_) => None,
        }
    }
}

fn is_secret(object: &ObjectId) -> bool {
    object.kind == "Secret"
}

fn shows_secret(manifest: &Manifest) -> bool {
    is_secret(&manifest.object) && !is_mark(&manifest.text)
}

fn shows_change(change: &Change) -> bool {
    is_secret(&change.object) && !change.diff.is_empty() && !is_mark(&change.diff)
}

fn is_withheld(manifest: &Manifest) -> bool {
    // A text of that form is no object, so nobody else wrote it.
    is_mark(&manifest.text)
}

fn mark(text: &str) -> String {
    format!("{MARK}{}", blake3::hash(text.as_bytes()))
}

fn is_mark(text: &str) -> bool {
    text.strip_prefix(MARK).is_some_and(|digest| {
        digest.len() == 64 && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Returns the text that a mark stands for.
fn text_of(withheld: &Manifest, rendered: &Manifests) -> Result<Text> {
    let mut candidates = rendered.objects.iter().filter(|other| other.object == withheld.object).peekable();
    let problem =
        if candidates.peek().is_none() { "is rendered no more" } else { "is rendered otherwise now" };
    match candidates.find(|other| mark(&other.text) == *withheld.text) {
        Some(same) => Ok(Arc::clone(&same.text)),
        None => Err(Error::conflict(format!("`{}` {problem}", withheld.object))
            .note("a journal holds no secrets, so they are rendered again")
            .hint("begin a new run, which shows what changes now")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ChangeSet, Deployment, Desired, ErrorKind, Outcome, Release, State, TaskId, Timestamp, Trace, Verb,
    };

    fn object(kind: &str, name: &str) -> ObjectId {
        ObjectId::new("v1", kind, name)
    }

    fn manifests(password: &str) -> Manifests {
        let secret = |name: &str| Manifest::new(object("Secret", name), format!("password: {password}"));
        let config = Manifest::new(object("ConfigMap", "a"), "shown: yes");
        let state = State::new(1, &"the plug-in's").expect("plain");
        Manifests::new(Release::new("web")).objects(vec![secret("a"), config, secret("b")]).state(state)
    }

    fn outputs(password: &str) -> Vec<Output> {
        let deployment = || Deployment::new(manifests(password), "7", Timestamp(1));
        let changes = |desired| {
            let change =
                |kind| Change::new(object(kind, "a"), Verb::Update).diff(format!("+ {password} of {kind}"));
            Output::Changes(ChangeSet::new(desired).changes(vec![change("Secret"), change("ConfigMap")]))
        };
        vec![
            Output::Manifests(manifests(password)),
            Output::Deployment(deployment()),
            changes(Desired::Released { manifests: manifests(password), share: 100 }),
            changes(Desired::Settled(deployment())),
            changes(Desired::Restored(deployment())),
            changes(Desired::Absent(deployment())),
        ]
    }

    #[test]
    fn a_secret_is_withheld_wherever_manifests_are_and_put_back() {
        for output in outputs("open sesame") {
            assert!(!output.is_withheld());
            let entry = Entry::Finished {
                task: TaskId::parse("apply:web").expect("valid"),
                outcome: Outcome::Succeeded,
                output: output.clone(),
                trace: Trace::default(),
            };
            let withheld = entry.withheld().into_owned();
            let Entry::Finished { output: mut held, .. } = withheld.clone() else { panic!("{withheld:?}") };
            assert!(held.is_withheld(), "{held:?}");
            assert_eq!(withheld.withheld(), Cow::Borrowed(&withheld), "once is enough");
            let json = serde_json::to_string(&held).expect("plain");
            assert!(!json.contains("password") && !json.contains("of Secret"), "{json}");
            assert!(json.contains("shown: yes") && json.contains("the plug-in's"), "{json}");

            let mut again = held.clone();
            held.fill(&manifests("open sesame")).expect("the same");
            assert!(!held.is_withheld());
            again.withhold();
            assert_eq!(held.manifests(), output.manifests());
            held.withhold();
            assert_eq!(held, again, "who renders again can compare what is withheld");
        }
    }

    #[test]
    fn another_secret_is_not_put_back() {
        for output in outputs("open sesame") {
            let mut held = output;
            held.withhold();
            let before = held.clone();
            let mut fewer = manifests("open sesame");
            fewer.objects.pop();
            for (rendered, problem) in [
                (manifests("guessed"), "`Secret a` is rendered otherwise now"),
                (fewer, "`Secret b` is rendered no more"),
            ] {
                let error = held.fill(&rendered).expect_err("another");
                assert_eq!((error.kind(), &*error.to_string()), (ErrorKind::Conflict, problem));
                assert_eq!(held, before, "nothing is put back");
            }
        }
    }

    #[test]
    fn what_holds_no_secret_stays() {
        let entry = Entry::Finished {
            task: TaskId::parse("render:web").expect("valid"),
            outcome: Outcome::Succeeded,
            output: Output::Manifests(
                Manifests::new(Release::new("web"))
                    .objects(vec![Manifest::new(object("ConfigMap", "a"), "shown: yes")]),
            ),
            trace: Trace::default(),
        };
        assert!(matches!(entry.withheld(), Cow::Borrowed(_)));
        let Entry::Finished { mut output, .. } = entry else { unreachable!() };
        assert!(!output.is_withheld());
        output.fill(&Manifests::new(Release::new("web"))).expect("nothing to fill");
    }

    #[test]
    fn what_tells_a_secret_elsewhere_is_withheld_too() {
        for output in outputs("open sesame") {
            let mut held = output.clone();
            let hide = |text: &str| text.contains("sesame").then(|| text.replace("open sesame", "***"));
            held.withhold_told(&hide);
            let json = serde_json::to_string(&held).expect("plain");
            assert!(held.is_withheld() && !json.contains("sesame") && json.contains("shown: yes"), "{json}");
            held.fill(&manifests("open sesame")).expect("the same");
            assert_eq!(held.manifests(), output.manifests());
        }
    }
}
