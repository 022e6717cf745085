//! Clauses R1 to R9: what a runner promises.

mod ending;
mod image;
mod output;
mod stage;
mod volume;

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use shipway_core::{Capabilities, Feature, Image, Runner};

use crate::{
    clause::Clause,
    suite::{Role, Suite},
};

/// Returns the checks for the runner that the factory makes; a new one for every check.
///
/// The commands are small scripts for `sh`, which the runner's surroundings must have, or the image
/// that is named with [`Suite::image`].
///
/// ```no_run
/// # use shipway_core::{Capabilities, Context, Exit, Result, RunRequest, Runner, Volume};
/// # #[derive(Debug)]
/// # struct Jail;
/// # #[async_trait::async_trait]
/// # impl Runner for Jail {
/// #     fn capabilities(&self) -> Capabilities {
/// #         Capabilities::new()
/// #     }
/// #     async fn open(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
/// #         Err(shipway_core::Error::unsupported("an example"))
/// #     }
/// #     async fn run(&self, cx: &Context, request: &RunRequest) -> Result<Exit> {
/// #         cx.run(request.command.clone()).await
/// #     }
/// #     async fn close(&self, _cx: &Context, _volume: &Volume) -> Result<()> {
/// #         Err(shipway_core::Error::unsupported("an example"))
/// #     }
/// # }
/// fn main() -> std::process::ExitCode {
///     shipway_testkit::runner(|| Jail).main()
/// }
/// ```
pub fn runner<R: Runner>(factory: impl Fn() -> R + Send + Sync + 'static) -> Suite<Runners> {
    Suite::new(Runners { factory: Arc::new(move || Arc::new(factory())), image: None, left: None })
}

type Left = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Vec<String>> + Send>> + Send + Sync>;

/// The role of runners, with what an author says about their surroundings.
#[derive(Clone)]
pub struct Runners {
    factory: Arc<dyn Fn() -> Arc<dyn Runner> + Send + Sync>,
    image: Option<Image>,
    left: Option<Left>,
}

impl fmt::Debug for Runners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runners").field("image", &self.image).finish_non_exhaustive()
    }
}

impl Suite<Runners> {
    /// Sets the image that commands run in, which has `sh`, `env`, `cat` and `sleep`; the runner's own
    /// surroundings when it is not set.
    #[must_use]
    pub fn image(mut self, image: Image) -> Self {
        self.role.image = Some(image);
        self
    }

    /// Sets what looks for anything that a stopped command left elsewhere, such as containers or pods;
    /// processes of this machine are looked for anyway.
    #[must_use]
    pub fn left<F>(mut self, look: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Vec<String>> + Send + 'static,
    {
        self.role.left = Some(Arc::new(move || Box::pin(look())));
        self
    }
}

const CLAUSES: &[Clause<Runners>] = &[
    Clause::always("R1", "a non-zero exit is an exit", |bench| Box::pin(ending::a_code_is_an_exit(bench))),
    Clause::always("R2", "a missing program is `MissingTool`", |bench| {
        Box::pin(ending::a_missing_program(bench))
    }),
    Clause::always("R3", "output is streamed in order, masked", |bench| {
        Box::pin(output::is_streamed_in_order(bench))
    }),
    Clause::claimed(
        "R4",
        "a volume is shared by the commands that mount it and comes back whole",
        |can| can.claims(Feature::Mounts),
        |bench| Box::pin(volume::is_shared_and_comes_back(bench)),
        |bench| Box::pin(volume::is_unsupported(bench)),
    ),
    Clause::claimed(
        "R5",
        "`open` and `close` are idempotent",
        |can| can.claims(Feature::Mounts),
        |bench| Box::pin(volume::opens_and_closes_again(bench)),
        |bench| Box::pin(volume::is_unsupported(bench)),
    ),
    Clause::always("R6", "the environment is clean", |bench| {
        Box::pin(output::the_environment_is_clean(bench))
    }),
    Clause::always("R7", "a cancelled or timed-out command leaves nothing", |bench| {
        Box::pin(ending::a_stopped_command_leaves_nothing(bench))
    }),
    Clause::always("R8", "several at once do not mix", |bench| Box::pin(output::several_do_not_mix(bench))),
    Clause::claimed(
        "R9",
        "a command runs in the image that it names, and nowhere else",
        |can| can.claims(Feature::Images),
        |bench| Box::pin(image::a_missing_image_is_an_error(bench)),
        |bench| Box::pin(image::is_unsupported(bench)),
    ),
];

impl Role for Runners {
    fn clauses() -> &'static [Clause<Self>] {
        CLAUSES
    }

    fn capabilities(&self) -> Capabilities {
        (self.factory)().capabilities()
    }
}
