//! Hostile archives as the layers of images, and odd ones that are valid, through everything of ours that
//! reads them. Nothing is ever unpacked, so nothing can be written outside; what counts besides is that
//! nothing is read from outside, nothing panics, and memory and time are bounded.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the tests prepare and look at the real disk"
)]
#![expect(clippy::print_stdout, reason = "the tests print their figures")]

mod blocks;
mod canary;
mod hostile;
mod readers;

use std::time::{Duration, Instant};

use shipway::{Error, ErrorKind};

use crate::{
    canary::{Canary, forget_peak, peak},
    readers::Site,
};

/// The most time that one archive may take, in each reader; a debug build on a busy machine is meant.
const LONGEST: Duration = Duration::from_secs(20);

/// The most memory that one archive may take: the limit of a tree of files, twice, and some.
const LARGEST: u64 = 600;

/// How the archives ended in one reader.
#[derive(Debug, Default)]
struct Figures {
    refused: usize,
    read: usize,
    longest: (Duration, String),
}

impl Figures {
    fn count<T>(&mut self, name: &str, began: Instant, result: Result<T, Error>) {
        match result {
            Ok(_) => self.read += 1,
            // An archive is bad or not supported; a tool that failed, or no word, would be ours.
            Err(error) => {
                let kind = error.kind();
                let fine = matches!(
                    kind,
                    ErrorKind::BadOutput | ErrorKind::Unsupported | ErrorKind::Config | ErrorKind::NotFound
                );
                assert!(fine, "{name}: {error:?}");
                self.refused += 1;
            }
        }
        let took = began.elapsed();
        assert!(took < LONGEST, "{name} took {took:?}");
        if took > self.longest.0 {
            self.longest = (took, name.to_owned());
        }
    }
}

#[tokio::test]
async fn hostile_archives_touch_nothing_outside() {
    let canary = Canary::new();
    let place = canary.path.to_str().unwrap().to_owned();
    let archives = [hostile::matrix(&place), hostile::special(&place)].concat();
    let (mut inspect, mut build, mut test) = (Figures::default(), Figures::default(), Figures::default());
    let mut largest = (0, String::new());
    for (name, layers) in &archives {
        let site = Site::new(layers).await;
        forget_peak();
        let before = peak();
        let began = Instant::now();
        inspect.count(name, began, site.inspect(&canary.path).await);
        let began = Instant::now();
        build.count(name, began, site.build().await);
        let began = Instant::now();
        test.count(name, began, site.test(&canary.path).await);
        let more = peak().saturating_sub(before);
        assert!(more < LARGEST, "{name} took {more} MiB");
        if more > largest.0 {
            largest = (more, name.clone());
        }
        let touched = canary.touched();
        assert!(touched.is_empty(), "{name} touched {touched:?}");
    }
    assert!(archives.len() >= 60);
    println!("M2: {} hostile archives, 0 touched anything outside, 0 panics", archives.len());
    for (reader, figures) in [("inspect", inspect), ("native", build), ("structure", test)] {
        let Figures { refused, read, longest: (time, name) } = figures;
        println!(
            "M2: {reader}: {refused} refused, {read} read without harm, the longest took {time:.1?} ({name})"
        );
    }
    println!("M2: the most memory beside the archive itself: {} MiB ({})", largest.0, largest.1);
}
