//! A stand: a target whose programs print, and readers of it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use shipway_core::{Cancel, Deployment, LogReader, LogRequest, Timestamp};

use super::{LogReaders, Place, reading::Reading};
use crate::{
    clause::{Trouble, broken, unchecked},
    room::Room,
    suite::Bench,
};

/// A line that a program was let print.
#[derive(Clone, Debug)]
pub(super) struct Printed {
    pub(super) program: usize,
    pub(super) at: Timestamp,
    /// Unlike any other, so that it is known again whatever is told before it.
    pub(super) text: String,
}

pub(super) struct Stand {
    place: Place,
    room: Room,
    programs: Vec<String>,
    readings: AtomicU64,
}

impl Stand {
    pub(super) fn new(bench: &Bench<LogReaders>) -> Result<Self, Trouble> {
        let (place, room) = ((bench.role.place)(), bench.room()?);
        let programs = place.target.programs();
        if programs.len() < 2 {
            return unchecked("the target has fewer than two programs");
        }
        Ok(Self { place, room, programs, readings: AtomicU64::new(0) })
    }

    pub(super) fn room(&self) -> &Room {
        &self.room
    }

    pub(super) fn programs(&self) -> &[String] {
        &self.programs
    }

    pub(super) fn deployment(&self) -> Deployment {
        self.place.target.deployment()
    }

    /// Returns a new reader: what another process has.
    pub(super) fn reader(&self) -> Arc<dyn LogReader> {
        (self.place.make)()
    }

    pub(super) async fn print(&self, program: usize, line: &str) -> Timestamp {
        self.place.target.print(&self.programs[program], line).await
    }

    /// Lets each program print its n-th line, one after the other.
    pub(super) async fn print_each(&self, number: usize) -> Vec<Printed> {
        let mut printed = Vec::new();
        for program in 0..self.programs.len() {
            let text = format!("line {number} of program {program}");
            let at = self.print(program, &text).await;
            printed.push(Printed { program, at, text });
        }
        printed
    }

    /// Returns a number that no other reading has.
    pub(super) fn number(&self) -> u64 {
        self.readings.fetch_add(1, Ordering::Relaxed)
    }

    /// Begins to read with a new reader.
    pub(super) fn read(&self, request: &LogRequest) -> Reading {
        Reading::begin(self, self.reader(), request, Cancel::new())
    }
}

/// Returns which of the printed lines were told, as often as they were, in an order of their own: how they are told, and in
/// which order, is a matter of L1 alone.
pub(super) fn known<'a>(lines: &[String], printed: &'a [Printed]) -> Vec<&'a str> {
    let known = |line: &String| printed.iter().map(|one| one.text.as_str()).find(|text| line.ends_with(text));
    let mut known: Vec<&str> = lines.iter().filter_map(known).collect();
    known.sort_unstable();
    known
}

/// Breaks the clause unless what was told is what is expected, in this order.
pub(super) fn ensure_told<T: AsRef<str>, E: AsRef<str>>(
    told: &[T],
    expected: &[E],
    when: &str,
) -> Result<(), Trouble> {
    let short = |line: Option<&str>| match line {
        Some(line) => format!("`{}`", line.chars().take(80).collect::<String>()),
        None => "nothing".to_owned(),
    };
    for at in 0..told.len().max(expected.len()) {
        let (told, expected) = (told.get(at).map(AsRef::as_ref), expected.get(at).map(AsRef::as_ref));
        if told != expected {
            return broken(format!("{when}: it told {} where {} was due", short(told), short(expected)));
        }
    }
    Ok(())
}
