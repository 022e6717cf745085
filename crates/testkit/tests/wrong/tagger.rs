//! A tagger that does everything right, and the wrongs that it can be told to do.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use shipway_core::{Context, Error, Fingerprint, Result, Tag, TagRequest, Tagger};

/// One thing that a tagger does wrong; the clause that it breaks comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Nothing,
    T1Counts,
    T1SignsItsWork,
    T2PassesLongNamesOn,
    T3NeedsWhatItDoesNotUse,
    T4UsesWhatItDoesNotNeed,
    T4FailsWithoutWhatItDoesNotNeed,
}

pub(crate) const WRONGS: &[(&str, Wrong)] = &[
    ("T1", Wrong::T1Counts),
    ("T1", Wrong::T1SignsItsWork),
    ("T2", Wrong::T2PassesLongNamesOn),
    ("T3", Wrong::T3NeedsWhatItDoesNotUse),
    ("T4", Wrong::T4UsesWhatItDoesNotNeed),
    ("T4", Wrong::T4FailsWithoutWhatItDoesNotNeed),
];

#[derive(Debug)]
pub(crate) struct Labeller {
    wrong: Wrong,
    tagged: AtomicU64,
    /// Which of all labellers this is.
    number: u64,
}

impl Labeller {
    pub(crate) fn new(wrong: Wrong) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Self { wrong, tagged: AtomicU64::new(0), number: COUNT.fetch_add(1, Ordering::SeqCst) }
    }
}

#[async_trait]
impl Tagger for Labeller {
    fn needs_fingerprint(&self) -> bool {
        !matches!(self.wrong, Wrong::T4UsesWhatItDoesNotNeed | Wrong::T4FailsWithoutWhatItDoesNotNeed)
    }

    async fn tag(&self, _cx: &Context, request: &TagRequest) -> Result<Tag> {
        let count = self.tagged.fetch_add(1, Ordering::SeqCst);
        let short = request.fingerprint.as_ref().map_or("none", Fingerprint::short);
        match self.wrong {
            Wrong::T1Counts => Tag::parse(format!("{short}-{count}")),
            Wrong::T1SignsItsWork => Tag::parse(format!("{short}-{}", self.number)),
            Wrong::T4FailsWithoutWhatItDoesNotNeed => match request.fingerprint {
                Some(_) => Tag::parse("latest"),
                None => Err(Error::config("there is no fingerprint")),
            },
            Wrong::T2PassesLongNamesOn => {
                let tag = Tag::parse(format!("{}-{short}", request.artifact.name));
                tag.map_err(|error| Error::internal("the tag is impossible").source(error))
            }
            Wrong::T3NeedsWhatItDoesNotUse => Tag::parse("latest"),
            Wrong::Nothing | Wrong::T4UsesWhatItDoesNotNeed => Tag::parse(short),
        }
    }
}
