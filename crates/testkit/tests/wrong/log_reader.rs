//! A log reader that does everything right, and the wrongs that it can be told to do.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use shipway_core::{
    Context, Deployment, Error, LogReader, LogRequest, Manifests, Release, Result, Stream, Timestamp,
};
use shipway_testkit::LogTarget;
use tokio::sync::watch;

/// One thing that a log reader does wrong; the clause that it breaks comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Nothing,
    L1SaysNotWho,
    L1SaysTheSameOfAll,
    L1TellsOfOthers,
    L1SortsLines,
    L1SkipsEmptyLines,
    L1TrimsLines,
    L1DropsWhatIsRepeated,
    L1JoinsIndentedLines,
    L1CutsLongLines,
    L1ReadsPagesThatOverlap,
    L2WaitsForSomething,
    L2GoesOnUnasked,
    L2EndsWithWhatThereIs,
    L2TellsAllAgain,
    L2GoesOnForEver,
    L2FailsWhenItIsToStop,
    L2FailsBeforeItBegins,
    L3IgnoresLines,
    L3TakesZeroForAll,
    L3BoundsAllTogether,
    L3TakesTheFirst,
    L3BoundsWhatComes,
    L3IgnoresSince,
    L3LooksAtWholeSeconds,
    L4TellsOnlyWhatIsNew,
    L4RemembersWhatItTold,
    L4LeavesALine,
}

pub(crate) const WRONGS: &[(&str, Wrong)] = &[
    ("L1", Wrong::L1SaysNotWho),
    ("L1", Wrong::L1SaysTheSameOfAll),
    ("L1", Wrong::L1TellsOfOthers),
    ("L1", Wrong::L1SortsLines),
    ("L1", Wrong::L1SkipsEmptyLines),
    ("L1", Wrong::L1TrimsLines),
    ("L1", Wrong::L1DropsWhatIsRepeated),
    ("L1", Wrong::L1JoinsIndentedLines),
    ("L1", Wrong::L1CutsLongLines),
    ("L1", Wrong::L1ReadsPagesThatOverlap),
    ("L2", Wrong::L2WaitsForSomething),
    ("L2", Wrong::L2GoesOnUnasked),
    ("L2", Wrong::L2EndsWithWhatThereIs),
    ("L2", Wrong::L2TellsAllAgain),
    ("L2", Wrong::L2GoesOnForEver),
    ("L2", Wrong::L2FailsWhenItIsToStop),
    ("L2", Wrong::L2FailsBeforeItBegins),
    ("L3", Wrong::L3IgnoresLines),
    ("L3", Wrong::L3TakesZeroForAll),
    ("L3", Wrong::L3BoundsAllTogether),
    ("L3", Wrong::L3TakesTheFirst),
    ("L3", Wrong::L3BoundsWhatComes),
    ("L3", Wrong::L3IgnoresSince),
    ("L3", Wrong::L3LooksAtWholeSeconds),
    ("L4", Wrong::L4TellsOnlyWhatIsNew),
    ("L4", Wrong::L4RemembersWhatItTold),
    ("L4", Wrong::L4LeavesALine),
];

const PROGRAMS: [&str; 2] = ["web main", "db main"];

/// Of what others print, who.
const OTHER: &str = "other main";

#[derive(Clone, Debug)]
struct Line {
    program: String,
    at: Timestamp,
    text: String,
}

/// What programs print, in memory; clones are the same log.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    lines: Arc<Mutex<Vec<Line>>>,
    length: Arc<watch::Sender<usize>>,
    /// How many lines were told to those who wanted all.
    told: Arc<AtomicUsize>,
}

impl Log {
    pub(crate) fn new() -> Self {
        let log =
            Self { lines: Arc::default(), length: Arc::new(watch::Sender::new(0)), told: Arc::default() };
        log.add(OTHER, "a word of somebody else");
        log
    }

    fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line, some of which are of the same second.
    fn add(&self, program: &str, text: &str) -> Timestamp {
        let mut lines = self.lines();
        let at = Timestamp(1_795_229_036_120 + 300 * lines.len() as u64);
        lines.push(Line { program: program.to_owned(), at, text: text.to_owned() });
        self.length.send_replace(lines.len());
        at
    }

    /// Returns the lines after so many, once there is one.
    async fn after(&self, count: usize) -> Vec<Line> {
        let _ = self.length.subscribe().wait_for(|length| *length > count).await;
        self.lines()[count..].to_vec()
    }
}

#[async_trait]
impl LogTarget for Log {
    fn deployment(&self) -> Deployment {
        Deployment::new(Manifests::new(Release::new("hello")), "1", Timestamp(0))
    }

    fn programs(&self) -> Vec<String> {
        PROGRAMS.map(str::to_owned).to_vec()
    }

    async fn print(&self, program: &str, line: &str) -> Timestamp {
        self.add(program, line)
    }
}

#[derive(Debug)]
pub(crate) struct Teller {
    log: Log,
    wrong: Wrong,
    told: AtomicUsize,
}

impl Teller {
    pub(crate) fn new(log: &Log, wrong: Wrong) -> Self {
        Self { log: log.clone(), wrong, told: AtomicUsize::new(0) }
    }

    fn is(&self, wrong: Wrong) -> bool {
        self.wrong == wrong
    }

    /// Returns whether a line is one of the deployment's that is not too early.
    fn is_wanted(&self, line: &Line, request: &LogRequest) -> bool {
        let since = match request.since {
            _ if self.is(Wrong::L3IgnoresSince) => 0,
            Some(Timestamp(since)) if self.is(Wrong::L3LooksAtWholeSeconds) => since / 1000 * 1000,
            since => since.map_or(0, |since| since.0),
        };
        let own = line.program != OTHER || self.is(Wrong::L1TellsOfOthers);
        own && line.at.0 >= since
    }

    /// Returns what is wanted of what is there.
    fn wanted(&self, lines: &[Line], request: &LogRequest) -> Vec<Line> {
        let wanted = lines.iter().filter(|line| self.is_wanted(line, request)).cloned();
        let most = match request.lines {
            Some(0) if self.is(Wrong::L3TakesZeroForAll) => usize::MAX,
            _ if self.is(Wrong::L3IgnoresLines) => usize::MAX,
            lines => lines.map_or(usize::MAX, |lines| lines as usize),
        };
        if self.is(Wrong::L3BoundsAllTogether) {
            let wanted: Vec<Line> = wanted.collect();
            return wanted[wanted.len().saturating_sub(most)..].to_vec();
        }
        let mut programs: BTreeMap<String, Vec<Line>> = BTreeMap::new();
        wanted.for_each(|line| programs.entry(line.program.clone()).or_default().push(line));
        let bounded = |lines: Vec<Line>| match lines.len().saturating_sub(most) {
            _ if self.is(Wrong::L3TakesTheFirst) => lines.into_iter().take(most).collect(),
            first => lines[first..].to_vec(),
        };
        programs.into_values().flat_map(bounded).collect()
    }

    /// Returns lines as they are told.
    fn changed(&self, mut lines: Vec<Line>) -> Vec<Line> {
        match self.wrong {
            Wrong::L1SortsLines => lines.sort_by(|one, other| one.text.cmp(&other.text)),
            Wrong::L1SkipsEmptyLines => lines.retain(|line| !line.text.is_empty()),
            Wrong::L1TrimsLines => {
                lines.iter_mut().for_each(|line| line.text = line.text.trim().to_owned());
            }
            Wrong::L1DropsWhatIsRepeated => {
                lines.dedup_by(|next, line| (&next.program, &next.text) == (&line.program, &line.text));
            }
            Wrong::L1JoinsIndentedLines => lines.dedup_by(|next, line| {
                let joined = next.program == line.program && next.text.starts_with(' ');
                if joined {
                    line.text = format!("{} {}", line.text, next.text.trim());
                }
                joined
            }),
            Wrong::L1CutsLongLines => {
                let cut = |line: Line| {
                    let whole: Vec<char> = line.text.chars().collect();
                    let pieces: Vec<String> =
                        whole.chunks(16_384).map(|piece| piece.iter().collect()).collect();
                    let pieces = if pieces.is_empty() { vec![String::new()] } else { pieces };
                    pieces.into_iter().map(move |text| Line { text, ..line.clone() })
                };
                lines = lines.into_iter().flat_map(cut).collect();
            }
            Wrong::L1ReadsPagesThatOverlap => {
                // Each page begins with the last line of the one before.
                let again =
                    |(at, line): (usize, Line)| std::iter::repeat_n(line, if at % 20 == 19 { 2 } else { 1 });
                lines = lines.into_iter().enumerate().flat_map(again).collect();
            }
            _ => {}
        }
        lines
    }

    fn tell(&self, cx: &Context, lines: Vec<Line>) {
        for Line { program, text, .. } in self.changed(lines) {
            let line = match self.wrong {
                Wrong::L1SaysNotWho => text,
                Wrong::L1SaysTheSameOfAll => format!("[hello] {text}"),
                _ => format!("[{program}] {text}"),
            };
            cx.output(Stream::Stdout, &line);
        }
    }

    /// Goes on with what comes after so many lines.
    async fn follow(&self, cx: &Context, request: &LogRequest, mut count: usize, mut told: Vec<Line>) {
        let bound = request.lines.filter(|_| self.is(Wrong::L3BoundsWhatComes)).map(|lines| lines as usize);
        loop {
            let come = tokio::select! {
                _ = cx.cancel().requested(), if !self.is(Wrong::L2GoesOnForEver) => return,
                come = self.log.after(count) => come,
            };
            count += come.len();
            let come: Vec<Line> = come.into_iter().filter(|line| self.is_wanted(line, request)).collect();
            told.extend(come.iter().cloned());
            if bound.is_some_and(|bound| told.len() > bound * PROGRAMS.len()) {
                continue;
            }
            self.tell(cx, if self.is(Wrong::L2TellsAllAgain) { told.clone() } else { come });
        }
    }
}

#[async_trait]
impl LogReader for Teller {
    async fn read(&self, cx: &Context, _deployment: &Deployment, request: &LogRequest) -> Result<()> {
        if self.is(Wrong::L2FailsBeforeItBegins) && cx.cancel().state().is_some() {
            return Err(Error::cancelled("it was asked to stop"));
        }
        if self.is(Wrong::L2WaitsForSomething) {
            self.log.after(1).await;
        }
        let all = *request == LogRequest::new();
        let told = if self.is(Wrong::L4RemembersWhatItTold) { &self.told } else { &self.log.told };
        if all && self.is(Wrong::L4LeavesALine) && told.load(Ordering::SeqCst) > 0 {
            self.log.add(PROGRAMS[0], "somebody read this");
        }
        let lines = self.log.lines().clone();
        let mut wanted = self.wanted(&lines, request);
        if all {
            let before = told.swap(wanted.len(), Ordering::SeqCst);
            if matches!(self.wrong, Wrong::L4TellsOnlyWhatIsNew | Wrong::L4RemembersWhatItTold) {
                wanted.drain(..before);
            }
        }
        self.tell(cx, wanted.clone());
        if request.follow && !self.is(Wrong::L2EndsWithWhatThereIs) || self.is(Wrong::L2GoesOnUnasked) {
            self.follow(cx, request, lines.len(), wanted).await;
            if self.is(Wrong::L2FailsWhenItIsToStop) {
                return Err(Error::cancelled("it was asked to stop"));
            }
        }
        Ok(())
    }
}
