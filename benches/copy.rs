//! One `COPY` of many files into an image, against `tar | gzip` of the same files in the same run.
//!
//! `cargo bench --bench copy` prints a table with a ratio for each size; as part of the tests it only makes
//! sure, on a few files, that it works.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench for people, which makes and times what it measures"
)]

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use shipway::{
    Artifact, Build, Cancel, Driver, Pipeline, Store,
    builders::{Native, NativeConfig},
};

fn main() {
    let measured = std::env::args().any(|argument| argument == "--bench");
    let sizes: &[(usize, usize)] =
        if measured { &[(1_000, 2_000), (10_000, 25_000)] } else { &[(20, 2_000)] };
    let runs = if measured { 5 } else { 1 };
    println!("| files | MB | native | tar, gzip -6 | ratio |");
    println!("|---|---|---|---|---|");
    for &(count, size) in sizes {
        let folder = tempfile::tempdir().expect("a folder");
        write_sources(folder.path(), count, size);
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let native = best(runs, |run| runtime.block_on(build(folder.path(), &format!("cold-{run}"))));
        let peer = best(runs, |_| tar_gzip(folder.path()));
        println!(
            "| {count} | {:.1} | {native:.0?} | {peer:.0?} | {:.2} |",
            (count * size) as f64 / 1e6,
            native.as_secs_f64() / peer.as_secs_f64(),
        );
    }
}

fn best(runs: usize, mut work: impl FnMut(usize) -> Duration) -> Duration {
    (0..runs).map(&mut work).min().unwrap_or_default()
}

/// Writes files of words that compress about as well as source code does.
fn write_sources(root: &Path, count: usize, size: usize) {
    let mut state = 42_u64;
    for index in 0..count {
        let folder = root.join(format!("web/files/{}", index / 100));
        fs::create_dir_all(&folder).expect("a folder");
        let mut text = Vec::with_capacity(size);
        while text.len() < size {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            text.extend_from_slice(format!("word{} ", (state >> 33) % 4_000).as_bytes());
        }
        fs::write(folder.join(format!("{index}.txt")), text).expect("a file");
    }
    fs::write(root.join("web/Dockerfile"), "FROM scratch\nCOPY files /files\n").expect("a file");
}

fn pipeline(layout: &Path) -> Pipeline {
    let native = Arc::new(Native::new(NativeConfig::default()).expect("no options are fine"));
    let build = Build::new(Artifact::new("web", "web"), "web", native);
    Pipeline::new("bench").build(build.stores([Store::Layout(layout.to_owned())]))
}

async fn build(root: &Path, layout: &str) -> Duration {
    let (driver, pipeline) = (Driver::new(shipway::host(root)), pipeline(&root.join(layout)));
    let start = Instant::now();
    let report = driver.run(&pipeline, &Cancel::new()).await.expect("a report");
    let took = start.elapsed();
    report.into_result().expect("it is built");
    took
}

fn tar_gzip(root: &Path) -> Duration {
    let start = Instant::now();
    let mut tar = Command::new("tar")
        .args(["--sort=name", "-cf", "-", "-C"])
        .arg(root.join("web"))
        .arg("files")
        .stdout(Stdio::piped())
        .spawn()
        .expect("tar");
    let out = fs::File::create(root.join("peer.tar.gz")).expect("a file");
    let gzip = Command::new("gzip").arg("-6").stdin(tar.stdout.take().expect("piped")).stdout(out).status();
    assert!(gzip.expect("gzip").success() && tar.wait().expect("tar").success());
    start.elapsed()
}
