//! Clauses S1 to S4: what a tester promises.

mod cancel;
mod inputs;
mod report;
mod site;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use shipway_core::{Capabilities, Subject, Tester};

use crate::{
    clause::Clause,
    image::ImageFile,
    suite::{Role, Suite},
};

/// Returns the checks for the tester that the factory makes; a new one for every check.
///
/// The fixture's tests must all pass on one subject and fail on another. By default these are two images,
/// the one with a file `/hello` that says `hello`, the other with a file `/goodbye`; what else they are to
/// hold, or what else is to be judged, says [`Suite::passes_on`], [`Suite::fails_on`] and
/// [`Suite::subjects`].
///
/// ```no_run
/// # use shipway_core::{Capabilities, Context, Inputs, Result, Subject, TestReport, Tester};
/// # #[derive(Debug)]
/// # struct Shellcheck;
/// # #[async_trait::async_trait]
/// # impl Tester for Shellcheck {
/// #     fn capabilities(&self) -> Capabilities {
/// #         Capabilities::new()
/// #     }
/// #     async fn inputs(&self, _cx: &Context) -> Result<Inputs> {
/// #         Ok(Inputs::new())
/// #     }
/// #     async fn test(&self, _cx: &Context, _subject: &Subject) -> Result<TestReport> {
/// #         Ok(TestReport::new())
/// #     }
/// # }
/// fn main() -> std::process::ExitCode {
///     shipway_testkit::tester(|| Shellcheck)
///         .fixture("tests/fixtures/scripts")
///         .passes_on([("run.sh", "#!/bin/sh\n")])
///         .fails_on([("run.sh", "#!/bin/sh\nif\n")])
///         .main()
/// }
/// ```
pub fn tester<T: Tester>(factory: impl Fn() -> T + Send + Sync + 'static) -> Suite<Testers> {
    let file = |name: &str| vec![(name.to_owned(), format!("{name}\n").into_bytes())];
    Suite::new(Testers {
        factory: Arc::new(move || Arc::new(factory())),
        passes_on: file("hello"),
        fails_on: file("goodbye"),
        subjects: None,
        touch: None,
        undeclared: None,
    })
}

/// The role of testers, with what an author says about the fixture.
#[derive(Clone)]
pub struct Testers {
    factory: Arc<dyn Fn() -> Arc<dyn Tester> + Send + Sync>,
    passes_on: Vec<ImageFile>,
    fails_on: Vec<ImageFile>,
    subjects: Option<(Subject, Subject)>,
    touch: Option<PathBuf>,
    undeclared: Option<PathBuf>,
}

impl fmt::Debug for Testers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Testers").field("subjects", &self.subjects).finish_non_exhaustive()
    }
}

impl Suite<Testers> {
    /// Sets the files of the image that every case passes on, each by its path and its content.
    #[must_use]
    pub fn passes_on<P: Into<String>, C: Into<Vec<u8>>>(
        mut self,
        files: impl IntoIterator<Item = (P, C)>,
    ) -> Self {
        self.role.passes_on =
            files.into_iter().map(|(path, content)| (path.into(), content.into())).collect();
        self
    }

    /// Sets the files of the image that at least one case fails on, each by its path and its content.
    #[must_use]
    pub fn fails_on<P: Into<String>, C: Into<Vec<u8>>>(
        mut self,
        files: impl IntoIterator<Item = (P, C)>,
    ) -> Self {
        self.role.fails_on = files.into_iter().map(|(path, content)| (path.into(), content.into())).collect();
        self
    }

    /// Sets what every case passes on, and what at least one fails on, where the images that the kit makes
    /// will not do, such as for testers of deployments.
    #[must_use]
    pub fn subjects(mut self, passes: Subject, fails: Subject) -> Self {
        self.role.subjects = Some((passes, fails));
        self
    }

    /// Names a file of the fixture that the verdict depends on; by default the first that the tester
    /// declares.
    #[must_use]
    pub fn touch(mut self, file: impl AsRef<Path>) -> Self {
        self.role.touch = Some(file.as_ref().to_owned());
        self
    }

    /// Names a file, in the fixture or not yet there, that the verdict does not depend on; by default all
    /// that the tester does not declare. It is taken away, or made.
    #[must_use]
    pub fn undeclared(mut self, file: impl AsRef<Path>) -> Self {
        self.role.undeclared = Some(file.as_ref().to_owned());
        self
    }
}

const CLAUSES: &[Clause<Testers>] = &[
    Clause::always("S1", "a failing case is a report", |bench| {
        Box::pin(report::a_failing_case_is_a_report(bench))
    }),
    Clause::always("S2", "cases are uniquely named", |bench| Box::pin(report::uniquely_named(bench))),
    Clause::always("S3", "its own files decide its fingerprint", |bench| {
        Box::pin(inputs::own_files_decide(bench))
    }),
    Clause::always("S4", "nothing is left after cancel", |bench| {
        Box::pin(cancel::nothing_is_left_after_cancel(bench))
    }),
];

impl Role for Testers {
    fn clauses() -> &'static [Clause<Self>] {
        CLAUSES
    }

    fn capabilities(&self) -> Capabilities {
        (self.factory)().capabilities()
    }
}
