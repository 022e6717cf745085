//! A stage: a room to run commands in, and what was seen of their output.

use std::{sync::Arc, time::Duration};

use shipway_core::{
    Cancel, Command, Context, Event, EventKind, Exit, RunContext, RunRequest, Runner, Stream, TaskId, World,
};

use super::Runners;
use crate::{
    clause::Trouble,
    room::{MARK, Room},
    suite::Bench,
};

pub(super) struct Stage {
    pub(super) room: Room,
    pub(super) role: Runners,
    pub(super) runner: Arc<dyn Runner>,
    run: RunContext,
}

impl Stage {
    pub(super) fn new(bench: &Bench<Runners>) -> Result<Self, Trouble> {
        Self::with(bench, |world| world)
    }

    pub(super) fn with(bench: &Bench<Runners>, doors: impl Fn(World) -> World) -> Result<Self, Trouble> {
        let room = bench.room_with(doors)?;
        // A run's id names what a runner makes elsewhere, where other rooms make theirs.
        let run = RunContext::new(room.world.clone(), format!("conformance{}", room.number()));
        let runner = (bench.role.factory)();
        Ok(Self { room, role: bench.role.clone(), runner, run })
    }

    /// Returns the context of a task with this name.
    pub(super) fn context(&self, name: &str) -> Context {
        self.stoppable(name, None, Cancel::new())
    }

    pub(super) fn stoppable(&self, name: &str, deadline: Option<Duration>, cancel: Cancel) -> Context {
        self.run.context(TaskId::parse(format!("conformance:{name}")).ok(), deadline, cancel)
    }

    /// Returns the request for a program, which the kit knows again wherever it runs.
    pub(super) fn program(&self, program: &str, args: &[&str]) -> RunRequest {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let command = Command::new(program).args(args).env([(MARK.to_owned(), self.room.mark.clone())]);
        RunRequest::new(command).image(self.role.image.clone())
    }

    pub(super) fn script(&self, script: &str) -> RunRequest {
        self.program("sh", &["-c", script])
    }

    pub(super) async fn run(&self, request: &RunRequest) -> Result<Exit, Trouble> {
        Ok(self.runner.run(&self.context("check"), request).await?)
    }

    /// Returns once a task printed its first line to standard output.
    pub(super) async fn first_line(&self, name: &str) {
        let mut look = tokio::time::interval(Duration::from_millis(10));
        while self.printed(name, Stream::Stdout).is_empty() {
            look.tick().await;
        }
    }

    /// Returns what a task printed to a stream so far, line by line.
    pub(super) fn printed(&self, name: &str, wanted: Stream) -> Vec<String> {
        let task = TaskId::parse(format!("conformance:{name}")).ok();
        let line = |event: Event| match event.kind {
            EventKind::Output { stream, line } if event.task == task && stream == wanted => Some(line),
            _ => None,
        };
        self.room.record.events().into_iter().filter_map(line).collect()
    }
}
