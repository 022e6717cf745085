//! The engine itself: what nothing to do costs, what plans and schedules cost, and how much memory a big layer takes.

use std::{ffi::OsStr, fs, path::Path};

use super::{
    ROUNDS,
    contender::Bench,
    table::{Outcome, Peer, Row},
    text::within,
};
use crate::Result;

/// In MB.
const LAYER: &str = "5000";

/// Measures it; each program takes the middle of its own runs.
pub(super) fn rows(bench: &Bench<'_>, folder: &Path) -> Result<Vec<Row>> {
    let of = |times: &[(String, f64)], name: &str| {
        times.iter().find(|(own, _)| own == name).map_or(f64::NAN, |(_, took)| *took)
    };
    let at_most = |what, value, limit| Outcome::AtMost { what, value, limit };
    let run = |work: &str, name: &str, rest: &[&str]| -> Result<Vec<(String, f64)>> {
        let own = folder.join(name);
        let rest: Vec<&OsStr> = rest.iter().map(OsStr::new).collect();
        let times = bench.times(work, &format!("bench/{name}"), &own, &rest)?;
        match fs::remove_dir_all(&own) {
            Err(error) if own.exists() => Err(format!("`{}`: {error}", own.display())),
            _ => Ok(times),
        }
    };
    let mut rows = Vec::new();
    let started = bench.race(&[bench.text(&["start"])], ROUNDS)?[0];
    rows.extend(within("a program that embeds it starts, with nothing to do", started, 0.01, 20.0));
    let times = run("nothing", "nothing", &["20000", "25000"])?;
    let (walk, took) = (of(&times, "lstat walk"), of(&times, "nothing to do"));
    let others = vec![
        Peer::new("lstat walk", walk),
        Peer::recorded("Skaffold", 0.7),
        Peer::recorded("Skaffold, inputDigest", 1.27),
    ];
    let work = "nothing to do: one artifact, 20,000 files / 500 MB, .dockerignore drops half";
    rows.push(Row::new(work, took, others, at_most("× lstat walk", took / walk, 2.0)));
    let times = run("nothing", "more", &["200000", "100"])?;
    let took = of(&times, "nothing to do");
    let others = vec![Peer::new("lstat walk", of(&times, "lstat walk"))];
    let work = "nothing to do: 200,000 files, .dockerignore drops half";
    rows.push(Row::new(work, took, others, at_most("s", took, 1.0)));
    let times = run("many", "many", &[])?;
    for (work, name, others, limit) in [
        (
            "nothing to do: 50 artifacts of 20 files, images believed",
            "nothing to do, never verified",
            Vec::new(),
            0.02,
        ),
        (
            "nothing to do: 50 artifacts of 20 files, images and fixed tags looked up",
            "nothing to do, verified",
            vec![Peer::recorded("Skaffold", 0.23)],
            0.05,
        ),
    ] {
        let took = of(&times, name);
        rows.push(Row::new(work, took, others, at_most("s", took, limit)));
    }
    let times = run("plans", "plans", &[])?;
    let (plan, task) = (of(&times, "1,000 artifacts planned"), of(&times, "a task scheduled"));
    let slowest = "the slowest of a chain, a fan and a random graph";
    rows.push(Row::new(
        &format!("a plan of 1,000 artifacts, {slowest}"),
        plan,
        Vec::new(),
        at_most("s", plan, 0.05),
    ));
    rows.push(Row::new(
        &format!("one of 10,000 tasks scheduled, {slowest}"),
        task,
        Vec::new(),
        at_most("µs", task * 1e6, 10.0),
    ));
    let times = run("consumer", "consumer", &[])?;
    let (alone, heard) = (of(&times, "a run alone"), of(&times, "a run with a reader that never reads"));
    let others = vec![Peer::new("with nobody who listens", alone)];
    let work = "a build that prints 3,000 lines, with a consumer of events that never reads";
    rows.push(Row::new(work, heard, others, at_most("× with nobody", heard / alone, 1.01)));
    let times = run("layer", "layer", &[LAYER])?;
    let memory = of(&times, "KiB at most") / 1024.0;
    rows.push(Row::new(
        "a layer of 5 GB built and pushed, level 1: peak memory",
        of(&times, "a big layer pushed"),
        Vec::new(),
        at_most("MB", memory, 64.0),
    ));
    Ok(rows)
}
