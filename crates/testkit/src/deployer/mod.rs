//! Clauses D1 to D14: what a deployer promises.

mod change;
mod cluster;
mod life;
mod stand;
mod target;
mod watch;

use std::{fmt, sync::Arc};

use shipway_core::{Capabilities, Deployer, Digest, Feature, Image, Release, Store};

pub use self::{cluster::ClusterTarget, target::DeployTarget};
use crate::{
    clause::Clause,
    suite::{Role, Suite},
};

/// Returns the checks for the deployer that the factory makes for a target; a new target and a new
/// deployer for every check.
///
/// For deployers to Kubernetes the target is a [`ClusterTarget`]; others implement [`DeployTarget`].
pub fn deployer<T: DeployTarget, D: Deployer>(
    target: impl Fn() -> T + Send + Sync + 'static,
    factory: impl Fn(&T) -> D + Send + Sync + 'static,
) -> Suite<Deployers> {
    let factory = Arc::new(factory);
    let place = move || {
        let target = Arc::new(target());
        let (factory, aim) = (Arc::clone(&factory), Arc::clone(&target));
        let make = move || -> Arc<dyn Deployer> { Arc::new(factory(aim.as_ref())) };
        Place { target, make: Arc::new(make) }
    };
    Suite::new(Deployers { place: Arc::new(place), release: hello() })
}

/// A target and what makes deployers for it.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) target: Arc<dyn DeployTarget>,
    pub(crate) make: Arc<dyn Fn() -> Arc<dyn Deployer> + Send + Sync>,
}

/// The role of deployers, with what an author says about the fixture.
#[derive(Clone)]
pub struct Deployers {
    place: Arc<dyn Fn() -> Place + Send + Sync>,
    release: Release,
}

impl fmt::Debug for Deployers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deployers").field("release", &self.release).finish_non_exhaustive()
    }
}

impl Suite<Deployers> {
    /// Sets the release that is deployed; by default `hello` in the namespace `default`, with one image
    /// `hello`. A second release is the same with other digests.
    #[must_use]
    pub fn release(mut self, release: Release) -> Self {
        self.role.release = release;
        self
    }
}

fn hello() -> Release {
    let image = Digest::parse(format!("sha256:{}", "1".repeat(64)))
        .map(|digest| Image::new("hello", Store::Registry, "registry.example/hello", digest));
    let release = Release::new("hello").namespace("default".to_owned());
    match image {
        Ok(image) => release.images(vec![image]),
        Err(_) => release,
    }
}

const CLAUSES: &[Clause<Deployers>] = &[
    Clause::always("D1", "render is deterministic, and offline if claimed", |bench| {
        Box::pin(change::render_is_deterministic(bench))
    }),
    Clause::always("D2", "diff changes nothing", |bench| Box::pin(change::diff_changes_nothing(bench))),
    Clause::always("D3", "an empty change set applies to nothing", |bench| {
        Box::pin(change::empty_applies_to_nothing(bench))
    }),
    Clause::always("D4", "apply twice is apply once", |bench| Box::pin(change::twice_is_once(bench))),
    Clause::always("D5", "a stale change set is a conflict", |bench| {
        Box::pin(change::stale_is_a_conflict(bench))
    }),
    Clause::always("D6", "apply cut anywhere and repeated ends right", |bench| {
        Box::pin(change::cut_anywhere(bench))
    }),
    Clause::always("D7", "health settles and explains", |bench| {
        Box::pin(watch::health_settles_and_explains(bench))
    }),
    Clause::always(
        "D8",
        "a deployment survives JSON, and another process can watch and remove it",
        |bench| Box::pin(watch::another_process_goes_on(bench)),
    ),
    Clause::always("D9", "absent twice is fine", |bench| Box::pin(life::absent_twice(bench))),
    Clause::claimed(
        "D10",
        "restored is what it was",
        |can| can.claims(Feature::Restore),
        |bench| Box::pin(life::restored_is_what_it_was(bench)),
        |bench| Box::pin(life::refuses_to_restore(bench)),
    ),
    Clause::claimed(
        "D11",
        "settled only after healthy and only once",
        |can| can.claims(Feature::Settle),
        |bench| Box::pin(life::settled_once(bench)),
        |bench| Box::pin(life::refuses_to_settle(bench)),
    ),
    Clause::always("D12", "foreign objects are never touched", |bench| {
        Box::pin(life::foreign_objects_stay(bench))
    }),
    Clause::always("D13", "secrets appear in no diff", |bench| Box::pin(watch::no_secret_in_a_diff(bench))),
    Clause::claimed(
        "D14",
        "a release gets the share of the traffic that was asked for",
        |can| can.claims(Feature::Share),
        |bench| Box::pin(life::gets_its_share(bench)),
        |bench| Box::pin(life::refuses_a_share(bench)),
    ),
];

impl Role for Deployers {
    fn clauses() -> &'static [Clause<Self>] {
        CLAUSES
    }

    fn capabilities(&self) -> Capabilities {
        ((self.place)().make)().capabilities()
    }
}
