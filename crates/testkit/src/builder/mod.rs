//! Clauses B1 to B12: what a builder promises.

mod failure;
mod image;
mod inputs;
mod site;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use shipway_core::{Artifact, Builder, Capabilities, Feature, Store};

use crate::{
    clause::Clause,
    suite::{Role, Suite},
};

/// Returns the checks for the builder that the factory makes; a new one for every check.
///
/// ```no_run
/// # use shipway_core::{Artifact, BuildRequest, Builder, Capabilities, Context, Image, Inputs, Result};
/// # #[derive(Debug)]
/// # struct Nix;
/// # impl Nix {
/// #     fn new(_flake: &str) -> Self {
/// #         Self
/// #     }
/// # }
/// # #[async_trait::async_trait]
/// # impl Builder for Nix {
/// #     fn capabilities(&self) -> Capabilities {
/// #         Capabilities::new()
/// #     }
/// #     async fn inputs(&self, _cx: &Context, _artifact: &Artifact) -> Result<Inputs> {
/// #         Ok(Inputs::new())
/// #     }
/// #     async fn build(&self, _cx: &Context, _request: &BuildRequest) -> Result<Image> {
/// #         Err(shipway_core::Error::unsupported("an example"))
/// #     }
/// # }
/// fn main() -> std::process::ExitCode {
///     shipway_testkit::builder(|| Nix::new(".#app")).fixture("tests/fixtures/hello").main()
/// }
/// ```
pub fn builder<B: Builder>(factory: impl Fn() -> B + Send + Sync + 'static) -> Suite<Builders> {
    Suite::new(Builders {
        factory: Arc::new(move || Arc::new(factory())),
        artifact: Artifact::new("fixture", "."),
        touch: None,
        undeclared: None,
        store: None,
        repository: "conformance/fixture".to_owned(),
    })
}

/// The role of builders, with what an author says about the fixture.
#[derive(Clone)]
pub struct Builders {
    factory: Arc<dyn Fn() -> Arc<dyn Builder> + Send + Sync>,
    artifact: Artifact,
    touch: Option<PathBuf>,
    undeclared: Option<PathBuf>,
    store: Option<Store>,
    repository: String,
}

impl fmt::Debug for Builders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builders").field("artifact", &self.artifact).finish_non_exhaustive()
    }
}

impl Suite<Builders> {
    /// Sets the artifact that is built; by default it is called `fixture`, with the whole fixture as its
    /// context. Its required images are made by the kit, under the aliases that the artifact gives.
    #[must_use]
    pub fn artifact(mut self, artifact: Artifact) -> Self {
        self.role.artifact = artifact;
        self
    }

    /// Names a file of the fixture that the image depends on; by default the first that the builder
    /// declares.
    #[must_use]
    pub fn touch(mut self, file: impl AsRef<Path>) -> Self {
        self.role.touch = Some(file.as_ref().to_owned());
        self
    }

    /// Sets the store to build into, and the beginning of repositories there, for builders that write
    /// neither to registries nor to layouts: those the kit makes by itself. The world must have a door
    /// to it, see [`Suite::world`].
    #[must_use]
    pub fn store(mut self, store: Store, repository: impl Into<String>) -> Self {
        self.role.store = Some(store);
        self.role.repository = repository.into();
        self
    }

    /// Names a file, in the fixture or not yet there, that the image does not depend on; by default
    /// all that the builder does not declare, and a new file `.shipway-undeclared`.
    #[must_use]
    pub fn undeclared(mut self, file: impl AsRef<Path>) -> Self {
        self.role.undeclared = Some(file.as_ref().to_owned());
        self
    }
}

const CLAUSES: &[Clause<Builders>] = &[
    Clause::always("B1", "inputs are the same when nothing changed", |bench| {
        Box::pin(inputs::same_when_nothing_changed(bench))
    }),
    Clause::always("B2", "touching a declared file changes the fingerprint", |bench| {
        Box::pin(inputs::touching_changes_the_fingerprint(bench))
    }),
    Clause::always("B3", "touching an undeclared file does not change the image", |bench| {
        Box::pin(image::undeclared_files_do_not_count(bench))
    }),
    Clause::always("B4", "a missing declared file is a fact", |bench| {
        Box::pin(inputs::a_missing_file_is_declared(bench))
    }),
    Clause::always("B5", "`inputs` only reads", |bench| Box::pin(inputs::only_reads(bench))),
    Clause::always("B6", "the returned digest is where the target says", |bench| {
        Box::pin(image::is_where_the_target_says(bench))
    }),
    Clause::always("B7", "a cancelled build says so", |bench| {
        Box::pin(failure::a_cancelled_build_says_so(bench))
    }),
    Clause::always("B8", "a failure names the tool and keeps the end of its output", |bench| {
        Box::pin(failure::names_the_tool(bench))
    }),
    Clause::always("B9", "no secret is in any event, error or fingerprint", |bench| {
        Box::pin(failure::no_secret_leaks(bench))
    }),
    Clause::always("B10", "builds at once do not disturb each other", |bench| {
        Box::pin(image::builds_at_once(bench))
    }),
    Clause::claimed(
        "B11",
        "an index holds every platform asked for",
        |can| can.claims(Feature::MultiPlatform),
        |bench| Box::pin(image::an_index_holds_every_platform(bench)),
        |bench| Box::pin(image::refuses_several_platforms(bench)),
    ),
    Clause::always("B12", "required images arrive under their alias", |bench| {
        Box::pin(image::required_images_arrive(bench))
    }),
];

impl Role for Builders {
    fn clauses() -> &'static [Clause<Self>] {
        CLAUSES
    }

    fn capabilities(&self) -> Capabilities {
        (self.factory)().capabilities()
    }
}
