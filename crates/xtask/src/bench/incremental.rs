//! One file of the big context changed: the next build has the compressed pieces of the last one.

use std::{ffi::OsStr, fs, path::Path};

use super::{
    ROUNDS,
    contender::Bench,
    table::{Outcome, Peer, Row},
};
use crate::Result;

/// Measures it for the formats and levels that the target is about.
pub(super) fn rows(bench: &Bench<'_>, big: &Path, cache: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (level, how, peer) in [
        ("1", "level 1", Peer::recorded("buildkitd", 12.8)),
        ("zstd:3", "zstd level 3", Peer::recorded("buildkitd with zstd", 3.4)),
    ] {
        let mut runs = Vec::new();
        for round in 0..=ROUNDS {
            let repository = format!("bench/incremental{}-{round}", rows.len());
            let run =
                bench.times("incremental", &repository, big, &[OsStr::new(level), cache.as_os_str()])?;
            fs::remove_dir_all(cache).map_err(|error| format!("`{}`: {error}", cache.display()))?;
            if round > 0 {
                runs.push(run);
            }
        }
        rows.extend(rows_of(how, peer, &runs));
    }
    Ok(rows)
}

fn rows_of(how: &str, peer: Peer, runs: &[Vec<(String, f64)>]) -> [Row; 2] {
    let median = |name: &str| {
        let of_run =
            |run: &Vec<(String, f64)>| run.iter().find(|(own, _)| own == name).map(|(_, took)| *took);
        let mut taken: Vec<f64> = runs.iter().filter_map(of_run).collect();
        taken.sort_by(f64::total_cmp);
        taken.get(taken.len() / 2).copied().unwrap_or(f64::NAN)
    };
    let (cold, keeping, sent) = (median("cold"), median("cold, pieces kept"), median("its layer sent"));
    let changed = median("one file changed");
    let others = vec![
        Peer::new("our cold build", cold),
        Peer::new("our cold build, keeping its pieces", keeping),
        Peer::new("its layer sent raw", sent),
        peer,
    ];
    let what = "of 0.3 × cold + sent";
    let outcome = Outcome::AtMost { what, value: changed / (0.3 * cold + sent), limit: 1.0 };
    let work = format!("the 250 MB `COPY` with one file changed, pushed, {how}");
    let memory = Outcome::AtMost { what: "MB", value: median("KiB at most") / 1024.0, limit: 64.0 };
    [
        Row::new(&work, changed, others, outcome),
        Row::new(&format!("peak memory of that, {how}"), changed, Vec::new(), memory),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_a_part_of_the_cold_build_and_what_is_sent() {
        let run = |cold: f64, changed: f64| -> Vec<(String, f64)> {
            let sent = ("its layer sent", 0.3);
            let times = [("cold", cold), ("one file changed", changed), sent, ("KiB at most", 60_000.0)];
            times.map(|(name, took)| (name.to_owned(), took)).to_vec()
        };
        let reached = |changed| {
            let runs = [run(2.0, changed), run(2.0, changed), run(9.0, 9.0)];
            rows_of("gzip", Peer::new("peer", 1.0), &runs).map(|row| row.reached())
        };
        assert_eq!(reached(0.89), [true, true]);
        assert_eq!(reached(0.91), [false, true]);
        // What was not measured was not reached.
        assert_eq!(rows_of("gzip", Peer::new("peer", 1.0), &[]).map(|row| row.reached()), [false, false]);
    }
}
