//! Clauses T1 to T4: what a tagger promises.

use std::{fmt, sync::Arc};

use shipway_core::{
    Artifact, Capabilities, ErrorKind, Fingerprint, Result as CoreResult, Tag, TagRequest, Tagger,
};

use crate::{
    FakeClock,
    clause::{Clause, Trouble, broken, ensure, kind_and_text, unchecked},
    room::Room,
    suite::{Bench, Role, Suite},
};

/// Returns the checks for the tagger that the factory makes; a new one for every check.
///
/// A tagger that looks at a repository finds one when [`Suite::world`] makes it in the world's root.
///
/// ```
/// use async_trait::async_trait;
/// use shipway_core::{Context, Result, Tag, TagRequest, Tagger};
///
/// #[derive(Debug)]
/// struct Build;
///
/// #[async_trait]
/// impl Tagger for Build {
///     fn needs_fingerprint(&self) -> bool {
///         false
///     }
///     async fn tag(&self, cx: &Context, _request: &TagRequest) -> Result<Tag> {
///         Tag::parse(format!("build-{}", cx.env("BUILD_NUMBER").unwrap_or("0")))
///     }
/// }
///
/// let outcomes = shipway_testkit::tagger(|| Build).check_all();
/// assert!(outcomes.iter().all(|outcome| !outcome.result.is_failure()));
/// ```
pub fn tagger<T: Tagger>(factory: impl Fn() -> T + Send + Sync + 'static) -> Suite<Taggers> {
    Suite::new(Taggers { factory: Arc::new(move || Arc::new(factory())) })
}

/// The role of taggers.
#[derive(Clone)]
pub struct Taggers {
    factory: Arc<dyn Fn() -> Arc<dyn Tagger> + Send + Sync>,
}

impl fmt::Debug for Taggers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Taggers")
    }
}

const CLAUSES: &[Clause<Taggers>] = &[
    Clause::always("T1", "a frozen context gives the same tag", |bench| Box::pin(same_tag(bench))),
    Clause::always("T2", "the tag is valid and at most 128 characters", |bench| Box::pin(valid_tag(bench))),
    Clause::always("T3", "different inputs give different tags, where the fingerprint is needed", |bench| {
        Box::pin(different_tags(bench))
    }),
    Clause::always("T4", "`needs_fingerprint` is truthful", |bench| Box::pin(truthful(bench))),
];

impl Role for Taggers {
    fn clauses() -> &'static [Clause<Self>] {
        CLAUSES
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
    }
}

/// Returns a room whose clock stands still.
fn frozen(bench: &Bench<Taggers>) -> Result<Room, Trouble> {
    let mut room = bench.room()?;
    room.world = room.world.clock(FakeClock::new());
    Ok(room)
}

fn request(number: u64) -> Result<TagRequest, Trouble> {
    Ok(TagRequest::new(Artifact::new("fixture", ".")).fingerprint(fingerprint(number)?))
}

fn fingerprint(number: u64) -> Result<Fingerprint, Trouble> {
    // Unlike from the first digit on, because taggers shorten it.
    Ok(Fingerprint::parse(format!("{number:x}").repeat(64))?)
}

async fn same_tag(bench: Bench<Taggers>) -> Result<(), Trouble> {
    let room = frozen(&bench)?;
    let mut tags: Vec<Tag> = Vec::new();
    for tagger in [(bench.role.factory)(), (bench.role.factory)()] {
        for _ in 0..2 {
            tags.push(tagger.tag(&room.context(), &request(1)?).await?);
        }
    }
    ensure(tags.iter().all(|tag| *tag == tags[0]), || format!("the same request gave {tags:?}"))
}

async fn valid_tag(bench: Bench<Taggers>) -> Result<(), Trouble> {
    let room = frozen(&bench)?;
    let tagger = (bench.role.factory)();
    for name in ["fixture", "team/web_app", "Ünï cödé", &"long".repeat(60), "-x", "a:b@c"] {
        let request = TagRequest::new(Artifact::new(name, ".")).fingerprint(fingerprint(1)?);
        // `Tag` itself holds nothing else; what remains is that a tagger says so as the user's mistake.
        match tagger.tag(&room.context(), &request).await {
            Err(error) if error.kind() != ErrorKind::Config => {
                let answer = kind_and_text(error.report());
                return broken(format!("for an artifact called `{name}` its answer is {answer}"));
            }
            _ => {}
        }
    }
    Ok(())
}

async fn different_tags(bench: Bench<Taggers>) -> Result<(), Trouble> {
    let room = frozen(&bench)?;
    let tagger = (bench.role.factory)();
    if !tagger.needs_fingerprint() {
        return unchecked("it does not need the fingerprint");
    }
    let first = tagger.tag(&room.context(), &request(1)?).await?;
    let second = tagger.tag(&room.context(), &request(2)?).await?;
    ensure(first != second, || format!("two fingerprints gave the same tag `{first}`"))
}

async fn truthful(bench: Bench<Taggers>) -> Result<(), Trouble> {
    let room = frozen(&bench)?;
    let tagger = (bench.role.factory)();
    let needs = tagger.needs_fingerprint();
    let another = (bench.role.factory)().needs_fingerprint();
    ensure(needs == another, || format!("it says {needs}, and another of its make {another}"))?;
    if needs {
        return Ok(());
    }
    let mut tags: Vec<CoreResult<Tag>> = Vec::new();
    for request in [TagRequest::new(Artifact::new("fixture", ".")), request(1)?, request(2)?] {
        tags.push(tagger.tag(&room.context(), &request).await);
    }
    match tags.as_slice() {
        [Ok(without), Ok(one), Ok(other)] if without == one && one == other => Ok(()),
        [Err(error), ..] => {
            broken(format!("it says that it needs no fingerprint, and without one: {}", error.report()))
        }
        _ => broken(format!("it says that it needs no fingerprint, and its tag follows it: {tags:?}")),
    }
}
