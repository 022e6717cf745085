//! Questions and answers as files, so that another process can answer.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};

use super::{Decision, Gates, Output, Question};
use crate::{Context, Disk, Error, Result, publish};

const QUESTION: &str = ".question";
const ANSWER: &str = ".answer";

/// The most bytes of a file: more than any honest question has.
const FILE: u64 = 64 << 20;

/// The most files that are kept; of more, the oldest go.
const KEPT: usize = 2_000;

/// Keeps questions and their answers in a folder, a readable file each, so that whoever can write there answers: another
/// process, days later. Texts of Secret objects are not written.
///
/// A question keeps its answer while it is the same (the run, the task, the text and the changes), also over a kill: who
/// goes on with the run finds it. One that is asked with other changes is a new one.
///
/// ```
/// use std::sync::Arc;
/// use shipway_core::{DiskGates, Driver, HostDisk, World};
///
/// let gates = DiskGates::new(Arc::new(HostDisk), "/home/ann/.local/state/shop/questions");
/// // The run ends while it waits; `Driver::resume` goes on once `DiskGates::answer` was called, wherever that was.
/// let driver = Driver::new(World::host("/src")).gates(gates).suspend(true);
/// # let _ = driver;
/// ```
#[derive(Clone, Debug)]
pub struct DiskGates {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
}

impl DiskGates {
    /// Returns the questions in a folder, which is made when the first one is asked.
    pub fn new(disk: Arc<dyn Disk>, folder: impl Into<PathBuf>) -> Self {
        Self { disk, folder: folder.into() }
    }

    /// Returns the questions that nobody has answered yet, those of one run beside each other.
    ///
    /// # Errors
    /// What the disk says; `BadOutput` for a file that is no question.
    pub fn open(&self) -> Result<Vec<Question>> {
        let names = self.names()?;
        let mut open = Vec::new();
        for name in &names {
            let Some(key) = name.strip_suffix(QUESTION) else { continue };
            if !names.contains(&format!("{key}{ANSWER}")) {
                // One that is withdrawn meanwhile is none.
                open.extend(self.read(&self.folder.join(name))?);
            }
        }
        open.sort_by(|a: &Question, b| (&a.run, &a.task).cmp(&(&b.run, &b.task)));
        Ok(open)
    }

    /// Answers a question, and returns whether it was still open: the first answer counts.
    ///
    /// # Errors
    /// What the disk says.
    pub fn answer(&self, question: &Question, decision: &Decision) -> Result<bool> {
        let (asked, answer) = (self.file(question, QUESTION)?, self.file(question, ANSWER)?);
        let failed = |error| Error::io("write", &answer, error);
        let exists = |path: &Path| self.disk.entry(path).map(|entry| entry.is_some()).map_err(failed);
        // Of two who answer at once, one is later.
        let Some(_lock) = self.disk.lock(&answer.with_extension("lock")).map_err(failed)? else {
            return Ok(false);
        };
        if !exists(&asked)? || exists(&answer)? {
            return Ok(false);
        }
        self.write(&answer, decision)?;
        Ok(true)
    }

    fn ask(&self, question: &Question) -> Result<Option<Decision>> {
        if let Some(decision) = self.read(&self.file(question, ANSWER)?)? {
            return Ok(Some(decision));
        }
        let path = self.file(question, QUESTION)?;
        if self.disk.entry(&path).map_err(|error| Error::io("read", &path, error))?.is_none() {
            self.disk
                .create_dir(&self.folder)
                .map_err(|error| Error::io("make the folder", &self.folder, error))?;
            self.sweep()?;
            self.write(&path, &withheld(question))?;
        }
        Ok(None)
    }

    /// Removes the oldest files of more than are kept.
    fn sweep(&self) -> Result<()> {
        let names = self.names()?;
        let used = |name: &String| {
            let entry = self.disk.entry(&self.folder.join(name)).ok().flatten();
            (entry.map_or(0, |entry| entry.used), name.clone())
        };
        let mut files: Vec<_> = names.iter().map(used).collect();
        files.sort();
        for (_, name) in files.iter().take(files.len().saturating_sub(KEPT)) {
            let path = self.folder.join(name);
            self.disk.remove(&path).map_err(|error| Error::io("remove", &path, error))?;
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>> {
        self.disk.list(&self.folder).map_err(|error| Error::io("read the folder", &self.folder, error))
    }

    /// Returns the file of a question: named by what it asks, but for until when it does, which is another moment each time
    /// that a run is gone on with.
    fn file(&self, question: &Question, suffix: &str) -> Result<PathBuf> {
        let asked = json(&withheld(question).expires(None))?;
        let key = blake3::hash(asked.as_bytes()).to_hex();
        Ok(self.folder.join(format!("{}{suffix}", &key[..32])))
    }

    fn write(&self, path: &Path, value: &impl Serialize) -> Result<()> {
        let text = json(value)?;
        publish(self.disk.as_ref(), path, |file| file.write_all(text.as_bytes()))
            .map_err(|error| Error::io("write", path, error))
    }

    fn read<T: DeserializeOwned>(&self, path: &Path) -> Result<Option<T>> {
        let failed = |error| Error::io("read", path, error);
        if self.disk.entry(path).map_err(failed)?.is_none() {
            return Ok(None);
        }
        let mut text = String::new();
        self.disk.open(path).map_err(failed)?.take(FILE).read_to_string(&mut text).map_err(failed)?;
        let value = serde_json::from_str(&text).map_err(|error| {
            Error::bad_output(format!("`{}` is no question and no answer", path.display()))
                .source(error)
                .hint("remove it; a run that still asks asks again")
        })?;
        Ok(Some(value))
    }
}

#[async_trait]
impl Gates for DiskGates {
    async fn decision(&self, cx: &Context, question: &Question) -> Result<Option<Decision>> {
        let (gates, question) = (self.clone(), question.clone());
        cx.blocking(move |_| gates.ask(&question)).await
    }

    async fn withdraw(&self, cx: &Context, question: &Question) {
        let (gates, question) = (self.clone(), question.clone());
        // A question that stays is answered for nobody.
        let _ = cx
            .blocking(move |_| {
                let path = gates.file(&question, QUESTION)?;
                gates.disk.remove(&path).map_err(|error| Error::io("remove", &path, error))
            })
            .await;
    }
}

/// Returns the question without the texts that no file may hold.
fn withheld(question: &Question) -> Question {
    let mut question = question.clone();
    if let Some(changes) = question.changes.take() {
        let mut output = Output::Changes(changes);
        output.withhold();
        if let Output::Changes(changes) = output {
            question.changes = Some(changes);
        }
    }
    question
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::internal("a question cannot be written as JSON").source(error))
}
