//! Builds and deploys round after round with a cache and journals, in one process that goes on and in others that are
//! killed at any moment and resume, all on one cache and one registry: memory and open files must not grow, and nobody
//! who was not killed leaves a temporary file. `cargo xtask soak` does it for long.

#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the test starts and kills processes, looks at them, and prints figures"
)]

mod figures;
mod process;
mod project;

use std::{
    env, fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use shipway::{HostDisk, oci::Registry};

use self::{
    figures::{Left, Usage},
    process::Worker,
    project::{Random, work},
};

/// How long it takes in the test command.
const SHORT: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_grows_and_nothing_is_left() {
    let minutes =
        env::var("SHIPWAY_SOAK_MINUTES").ok().map(|text| text.parse::<u64>().expect("a number of minutes"));
    let time = minutes.map_or(SHORT, |minutes| Duration::from_secs(60 * minutes));
    let folder = tempfile::tempdir().expect("a folder");
    let registry =
        Registry::start(folder.path().join("registry"), Arc::new(HostDisk)).await.expect("started");
    let (path, host) = (folder.path().to_owned(), registry.host());
    let (rounds, resumed, kills, usage) =
        tokio::task::spawn_blocking(move || soak(&path, &host, time)).await.expect("no panic");
    // What the killed had begun to upload goes with the registry; dropping it would not wait for that.
    registry.shutdown().await;

    let left = Left::below(folder.path(), &usage.steady);
    println!(
        "rounds of the process that goes on: {rounds}; kills: {kills}; runs resumed after a kill: {resumed}"
    );
    println!("{usage}{left}");
    assert!(rounds >= 3 && kills >= 2, "{rounds} rounds and {kills} kills in {time:?}");
    usage.check(minutes.is_some());
    assert_eq!(left.of_the_living, [""; 0], "left by processes that nobody killed");
    // Each kill may cut a few writes short; a cache removes what was left so after a day.
    assert!(left.of_the_killed.len() <= 8 * kills, "{:?}", left.of_the_killed);
}

/// Has a process work for so long, and others that are killed; returns the rounds of the first, what the others resumed,
/// how many were killed, and what the first and this process used meanwhile.
fn soak(folder: &Path, host: &str, time: Duration) -> (u64, u64, usize, Usage) {
    let end = Instant::now() + time;
    let steady = Worker::start(&folder.join("steady"), &folder.join("cache"), host);
    let mut usage = Usage::new(steady.id());
    let (mut random, mut kills, mut resumed) = (Random::new(1), 0, 0);
    while Instant::now() < end {
        let mut victim = Worker::start(&folder.join("killed"), &folder.join("cache"), host);
        let death = Instant::now() + Duration::from_millis(100 + random.below(1500) as u64);
        while Instant::now() < death {
            usage.sample();
            std::thread::sleep(Duration::from_millis(50));
        }
        resumed += victim.kill();
        kills += 1;
    }
    // The last one finishes what the one before it had begun.
    let (_, more) = Worker::start(&folder.join("killed"), &folder.join("cache"), host).finish();
    let (rounds, _) = steady.finish();
    (rounds, resumed + more, kills, usage)
}

/// The process that works, until its input ends.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it is started by the other test"]
async fn worker() {
    let folder = |name| {
        env::var_os(name).unwrap_or_else(|| panic!("`{name}` is not set: this test is not for people"))
    };
    let (home, cache) = (folder("SHIPWAY_SOAK_HOME"), folder("SHIPWAY_SOAK_CACHE"));
    fs::create_dir_all(&home).expect("made");
    let host = env::var("SHIPWAY_SOAK_REGISTRY").expect("a registry");
    work(Path::new(&home), Path::new(&cache), &host).await;
}
