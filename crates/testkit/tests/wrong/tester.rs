//! A tester that does everything right, and the wrongs that it can be told to do.

#![expect(clippy::disallowed_methods, reason = "wrong plug-ins go past the doors")]
#![expect(clippy::zombie_processes, reason = "a wrong plug-in leaves a process")]

use std::{
    io::Read,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use shipway_core::{
    Capabilities, Case, CaseOutcome, Command, Context, Error, ErrorKind, Inputs, Level, Result, Stage,
    StoreKind, Subject, TestReport, Tester,
};
use shipway_oci::{ImageFiles, Limits, Stores, read_image};

/// One thing that a tester does wrong; the clause that it breaks comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Nothing,
    S1FailsWithAnError,
    S1FailsWithoutAWord,
    S1PassesEverything,
    S1JudgesNothing,
    S2CallsAllTheSame,
    S2CountsItsCalls,
    S2NamesNothing,
    S3DeclaresNothing,
    S3DeclaresWhereItIs,
    S3UsesWhatItDoesNotDeclare,
    S4IgnoresIt,
    S4CallsItAFailure,
    S4LeavesAFile,
    S4LeavesAProcess,
}

pub(crate) const WRONGS: &[(&str, Wrong)] = &[
    ("S1", Wrong::S1FailsWithAnError),
    ("S1", Wrong::S1FailsWithoutAWord),
    ("S1", Wrong::S1PassesEverything),
    ("S1", Wrong::S1JudgesNothing),
    ("S2", Wrong::S2CallsAllTheSame),
    ("S2", Wrong::S2CountsItsCalls),
    ("S2", Wrong::S2NamesNothing),
    ("S3", Wrong::S3DeclaresNothing),
    ("S3", Wrong::S3DeclaresWhereItIs),
    ("S3", Wrong::S3UsesWhatItDoesNotDeclare),
    ("S4", Wrong::S4IgnoresIt),
    ("S4", Wrong::S4CallsItAFailure),
    ("S4", Wrong::S4LeavesAFile),
    ("S4", Wrong::S4LeavesAProcess),
];

/// Looks whether each file that `checks.txt` lists is in the image, with the help of a tool.
#[derive(Debug)]
pub(crate) struct Checker {
    wrong: Wrong,
    stores: Vec<StoreKind>,
    calls: AtomicU64,
}

impl Checker {
    pub(crate) fn new(wrong: Wrong, stores: &[StoreKind]) -> Self {
        Self { wrong, stores: stores.to_vec(), calls: AtomicU64::new(0) }
    }

    fn is(&self, wrong: Wrong) -> bool {
        self.wrong == wrong
    }

    /// Stops when the task is forced to.
    fn go_on(&self, cx: &Context) -> Result<()> {
        match cx.cancel().state() {
            Some((Stage::Forced, reason)) if !self.is(Wrong::S4IgnoresIt) => {
                if self.is(Wrong::S4LeavesAProcess) {
                    let mut sleep = std::process::Command::new("sleep");
                    sleep.arg("5").envs(cx.envs()).env("PATH", "/usr/bin:/bin").spawn().expect("spawned");
                }
                Err(if self.is(Wrong::S4CallsItAFailure) {
                    Error::new(ErrorKind::ToolFailed, "the test was interrupted")
                } else {
                    Error::cancelled(reason.to_string())
                })
            }
            _ => Ok(()),
        }
    }

    fn read(cx: &Context, file: &str) -> Result<String> {
        let mut content = String::new();
        let mut open = cx.files().open(cx, Path::new(""), file)?;
        open.reader
            .read_to_string(&mut content)
            .map_err(|error| Error::io("read", Path::new(file), error))?;
        Ok(content)
    }

    /// Judges one file that should be there.
    fn case(&self, number: usize, path: &str, files: &ImageFiles) -> Result<Case> {
        let name = match self.wrong {
            Wrong::S2CallsAllTheSame => "check".to_owned(),
            Wrong::S2NamesNothing if number == 0 => " ".to_owned(),
            Wrong::S2CountsItsCalls => {
                format!("check {number} of {path}, {}", self.calls.load(Ordering::SeqCst))
            }
            _ => format!("check {number} of {path}"),
        };
        let outcome = match files.find(path)? {
            Some(_) => CaseOutcome::Passed,
            None if self.is(Wrong::S1PassesEverything) => CaseOutcome::Passed,
            None if self.is(Wrong::S1FailsWithoutAWord) => CaseOutcome::Failed(String::new()),
            None if self.is(Wrong::S1FailsWithAnError) => {
                return Err(Error::new(ErrorKind::Unhealthy, format!("there is no `{path}`")));
            }
            None => CaseOutcome::Failed(format!("there is no `{path}`")),
        };
        Ok(Case::new(name, outcome))
    }
}

#[async_trait]
impl Tester for Checker {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new().reads(self.stores.iter().copied().collect::<std::collections::BTreeSet<_>>())
    }

    async fn inputs(&self, cx: &Context) -> Result<Inputs> {
        let mut inputs = Inputs::new();
        if !self.is(Wrong::S3DeclaresNothing) {
            inputs.files.insert(PathBuf::from("checks.txt"));
        }
        if self.is(Wrong::S3DeclaresWhereItIs) {
            inputs.facts.insert("root".to_owned(), cx.root().display().to_string());
        }
        Ok(inputs)
    }

    async fn test(&self, cx: &Context, subject: &Subject) -> Result<TestReport> {
        let Subject::Image(image) = subject else { return Err(Error::unsupported("it looks at images")) };
        self.calls.fetch_add(1, Ordering::SeqCst);
        let half_made = cx.root().join(".half-made");
        if self.is(Wrong::S4LeavesAFile) {
            std::fs::write(&half_made, "").expect("written");
        }
        self.go_on(cx)?;
        cx.scratch_file("list", b"of what to look at")?;
        cx.run(Command::new("checker")).await?;
        self.go_on(cx)?;
        let checks = Self::read(cx, "checks.txt")?;
        self.go_on(cx)?;
        let place = Stores::new().open(cx, &image.store, &image.repository)?;
        let inspected = read_image(place.as_ref(), &image.digest, None).await?;
        let files = ImageFiles::read(place.as_ref(), &inspected.manifest.layers, Limits::default()).await?;
        cx.message(Level::Info, "checked");
        self.go_on(cx)?;
        let mut report = TestReport::new();
        if !self.is(Wrong::S1JudgesNothing) {
            for (number, path) in checks.lines().filter(|line| !line.is_empty()).enumerate() {
                report.cases.push(self.case(number, path, &files)?);
            }
        } else if files.find("/hello")?.is_none() {
            report.cases.push(Case::new("the only one", CaseOutcome::Failed("there is no file".to_owned())));
        }
        if self.is(Wrong::S3UsesWhatItDoesNotDeclare) {
            let length = Self::read(cx, "notes.txt")?.len();
            report.cases.push(Case::new("notes", CaseOutcome::Skipped(format!("they have {length} bytes"))));
        }
        if self.is(Wrong::S4LeavesAFile) {
            std::fs::remove_file(&half_made).expect("removed");
        }
        Ok(report)
    }
}
