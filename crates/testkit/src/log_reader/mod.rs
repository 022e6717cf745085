//! Clauses L1 to L4: what a log reader promises.

mod ending;
mod reading;
mod stand;
mod target;
mod told;
mod wanted;

use std::{fmt, sync::Arc};

use shipway_core::{Capabilities, LogReader};

pub use self::target::LogTarget;
use crate::{
    clause::Clause,
    suite::{Role, Suite},
};

/// Returns the checks for the log reader that the factory makes for a target; a new target for every check, and a new
/// reader for every reading.
///
/// ```no_run
/// # use async_trait::async_trait;
/// # use shipway_core::{Context, Deployment, LogReader, LogRequest, Result, Timestamp};
/// # #[derive(Debug)]
/// # struct Nomad;
/// # impl Nomad {
/// #     fn start() -> Self {
/// #         Self
/// #     }
/// # }
/// # #[async_trait]
/// # impl shipway_testkit::LogTarget for Nomad {
/// #     fn deployment(&self) -> Deployment {
/// #         unimplemented!()
/// #     }
/// #     fn programs(&self) -> Vec<String> {
/// #         Vec::new()
/// #     }
/// #     async fn print(&self, _program: &str, _line: &str) -> Timestamp {
/// #         Timestamp(0)
/// #     }
/// # }
/// # #[derive(Debug)]
/// # struct Allocations;
/// # impl Allocations {
/// #     fn of(_target: &Nomad) -> Self {
/// #         Self
/// #     }
/// # }
/// # #[async_trait]
/// # impl LogReader for Allocations {
/// #     async fn read(&self, _cx: &Context, _deployment: &Deployment, _request: &LogRequest) -> Result<()> {
/// #         Ok(())
/// #     }
/// # }
/// fn main() -> std::process::ExitCode {
///     shipway_testkit::log_reader(Nomad::start, Allocations::of).main()
/// }
/// ```
pub fn log_reader<T: LogTarget, L: LogReader>(
    target: impl Fn() -> T + Send + Sync + 'static,
    factory: impl Fn(&T) -> L + Send + Sync + 'static,
) -> Suite<LogReaders> {
    let factory = Arc::new(factory);
    let place = move || {
        let target = Arc::new(target());
        let (factory, aim) = (Arc::clone(&factory), Arc::clone(&target));
        let make = move || -> Arc<dyn LogReader> { Arc::new(factory(aim.as_ref())) };
        Place { target, make: Arc::new(make) }
    };
    Suite::new(LogReaders { place: Arc::new(place) })
}

/// A target and what makes readers for it.
#[derive(Clone)]
struct Place {
    target: Arc<dyn LogTarget>,
    make: Arc<dyn Fn() -> Arc<dyn LogReader> + Send + Sync>,
}

/// The role of log readers.
#[derive(Clone)]
pub struct LogReaders {
    place: Arc<dyn Fn() -> Place + Send + Sync>,
}

impl fmt::Debug for LogReaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogReaders")
    }
}

const CLAUSES: &[Clause<LogReaders>] = &[
    Clause::always("L1", "each line is told once, in its program's order, after who printed it", |bench| {
        Box::pin(told::each_line_once(bench))
    }),
    Clause::always(
        "L2",
        "it ends with what there is, or follows until cancellation is requested, and ends well",
        |bench| Box::pin(ending::ends_well(bench)),
    ),
    Clause::always("L3", "`lines` and `since` leave out what is not wanted, and nothing else", |bench| {
        Box::pin(wanted::only_what_is_wanted(bench))
    }),
    Clause::always("L4", "it only reads", |bench| Box::pin(told::the_same_again(bench))),
];

impl Role for LogReaders {
    fn clauses() -> &'static [Clause<Self>] {
        CLAUSES
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
    }
}
