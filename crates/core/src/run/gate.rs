//! Gates: a person's answer, as data, and the door that carries the question.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{ChangeSet, Context, Result, TaskId, Timestamp, value::value};

value! {
    /// What a person is asked.
    pub struct Question {
        /// The run that waits.
        pub run: String,
        /// The task that waits.
        pub task: TaskId,
        /// What is asked.
        pub text: String,
        ;
        /// The changes that will be made after a yes: exactly these, or it is asked again. Secrets of the run are
        /// masked in their text.
        pub changes: Option<ChangeSet>,
        /// Until when an answer counts; for ever when absent.
        pub expires: Option<Timestamp>,
    }
}

value! {
    /// A person's answer.
    #[derive(Eq)]
    pub struct Decision {
        /// The answer.
        pub answer: Answer,
        /// Who gave it.
        pub who: String,
        /// When.
        pub at: Timestamp,
        ;
        /// Why.
        pub why: String,
    }
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It may go on.
    Approved,
    /// It may not: the task fails.
    Rejected,
}

/// Carries questions to people and their answers back: a chat, a web page, a table in a database.
#[async_trait]
pub trait Gates: Debug + Send + Sync + 'static {
    /// Returns the answer, or `None` while there is none: the driver asks again, each second, until the
    /// question expires or the run is cancelled. An answer that is under way then is dropped.
    ///
    /// A question is the same while it is asked: the same run, the same task and the same changes.
    ///
    /// # Errors
    /// Whatever keeps it from asking; the gate fails with it, unless the error says that it may be tried
    /// again.
    async fn decision(&self, cx: &Context, question: &Question) -> Result<Option<Decision>>;

    /// Takes a question back that nobody answered: it has expired, or the run was cancelled.
    async fn withdraw(&self, cx: &Context, question: &Question);
}

/// Questions and answers in memory, for programs that ask within their own process; clones are the same.
///
/// ```
/// use shipway_core::{Answer, Decision, Decisions, Timestamp};
///
/// let decisions = Decisions::new();
/// // In the driver: `Driver::new(world).gates(decisions.clone())`. Elsewhere, such as in a web server:
/// for question in decisions.open() {
///     let yes = Decision::new(Answer::Approved, "ann", Timestamp(1_700_000_000_000));
///     decisions.answer(&question, yes);
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Decisions {
    asked: Arc<Mutex<BTreeMap<(String, TaskId), Asked>>>,
}

#[derive(Clone, Debug)]
struct Asked {
    question: Question,
    answer: Option<Decision>,
}

impl Decisions {
    /// Returns an empty board.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the questions that nobody has answered yet, the run's and then the task's name in order.
    #[must_use]
    pub fn open(&self) -> Vec<Question> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.values().filter(|asked| asked.answer.is_none()).map(|asked| asked.question.clone()).collect()
    }

    /// Answers a question, and returns whether it was still open: the first answer counts.
    pub fn answer(&self, question: &Question, decision: Decision) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (question.run.clone(), question.task.clone());
        match asked.get_mut(&key) {
            Some(asked) if asked.question == *question && asked.answer.is_none() => {
                asked.answer = Some(decision);
                true
            }
            _ => false,
        }
    }
}

#[async_trait]
impl Gates for Decisions {
    async fn decision(&self, _cx: &Context, question: &Question) -> Result<Option<Decision>> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (question.run.clone(), question.task.clone());
        match asked.get_mut(&key) {
            Some(known) if known.question == *question => match known.answer.take() {
                Some(answer) => {
                    // Who is told the answer asks no more.
                    asked.remove(&key);
                    Ok(Some(answer))
                }
                None => Ok(None),
            },
            // New, or with other changes than those that were answered for.
            _ => {
                asked.insert(key, Asked { question: question.clone(), answer: None });
                Ok(None)
            }
        }
    }

    async fn withdraw(&self, _cx: &Context, question: &Question) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.remove(&(question.run.clone(), question.task.clone()));
    }
}
