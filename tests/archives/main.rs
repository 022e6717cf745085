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
mod containerd;
mod hostile;
mod listing;
mod odd;
mod readers;
#[path = "../support/skip.rs"]
mod skip;

use std::time::{Duration, Instant};

use shipway::{Error, ErrorKind};

use crate::{
    canary::{Canary, forget_peak, peak},
    containerd::Containerd,
    listing::{Listing, of_layers},
    odd::Odd,
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

/// Writes an odd image, compressed in two members.
async fn odd_site(odd: &Odd) -> Site {
    let layers: Vec<Vec<u8>> = odd.layers.iter().map(|entries| blocks::tar(entries)).collect();
    Site::compressed(&layers).await
}

/// Returns what a listing has at a path, as the facts of odd images say it, with the last link followed
/// where it leads to something.
async fn at(site: &Site, listing: &Listing, path: &str) -> Option<String> {
    let files = shipway::oci::ImageFiles::read(&site.layout, &site.layers, Default::default()).await.unwrap();
    let (found, link) = (files.find(path).ok().flatten(), files.entry(path).unwrap()?);
    let real = found.map_or(link.path, |found| found.path);
    let line = &listing[&real];
    let (kind, rest) = line.split_once(' ').unwrap();
    let more = rest.splitn(3, ' ').nth(2).unwrap_or_default();
    Some(match kind {
        "folder" => "/".to_owned(),
        "link" => format!("->{more}"),
        _ => more.to_owned(),
    })
}

#[tokio::test]
async fn odd_images_are_read_and_judged() {
    let canary = Canary::new();
    let images = odd::all();
    for odd in &images {
        let site = odd_site(odd).await;
        let listing = of_layers(&site).await.unwrap_or_else(|error| panic!("{}: {error:?}", odd.name));
        for (path, expected) in odd.facts {
            let found = at(&site, &listing, path).await;
            assert_eq!(found.as_deref(), *expected, "{path} of {}", odd.name);
        }
        site.inspect(&canary.path).await.unwrap_or_else(|error| panic!("{}: {error:?}", odd.name));
        site.test(&canary.path).await.unwrap_or_else(|error| panic!("{}: {error:?}", odd.name));
    }
    assert!(images.len() >= 20);
    println!("M2: {} odd and valid images, 0 refused", images.len());
}

#[tokio::test]
async fn odd_images_are_what_containerd_unpacks() {
    let Some(containerd) = Containerd::find("odd_images_are_what_containerd_unpacks") else { return };
    let images = odd::all();
    let mut wrong = Vec::new();
    for (number, odd) in images.iter().enumerate() {
        let site = odd_site(odd).await;
        let ours = of_layers(&site).await.unwrap();
        match containerd.unpack(&site.path("layout"), number) {
            Ok(theirs) => {
                let paths: std::collections::BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
                for path in paths.into_iter().filter(|path| ours.get(*path) != theirs.get(*path)) {
                    wrong.push(format!(
                        "{}: `{path}` is {:?} to us, {:?} to containerd",
                        odd.name,
                        ours.get(path),
                        theirs.get(path)
                    ));
                }
            }
            // What can only be unpacked over the layers below is no image to overlayfs; we read it.
            Err(why) if odd.over_each_other && why.contains("no such file or directory") => {}
            Err(why) => wrong.push(format!("{}: containerd refuses it: {why}", odd.name)),
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    println!("M2: {} odd images, each as containerd unpacks it", images.len());
}
