//! Journals that earlier releases wrote stay readable.
//!
//! The files in `golden/` must never be changed, only added to: whoever changes the form writes a file of the new
//! one beside them. What is read of an old one may only get more fields, at their defaults.

use std::{path::Path, sync::Arc};

use shipway_core::{DiskJournal, HostDisk, Journal, JournalEntry};

use crate::samples::{entries, traced, withheld};

async fn golden(run: &str) -> Vec<JournalEntry> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journal/golden");
    DiskJournal::new(Arc::new(HostDisk), folder).read(run).await.unwrap()
}

#[tokio::test]
async fn the_first_form_is_read() {
    let read = golden("form-1").await;
    for (read, expected) in read.iter().zip(withheld(&entries())) {
        assert_eq!(*read, expected);
    }
    assert_eq!(read.len(), entries().len());
}

#[tokio::test]
async fn moments_reasons_and_traces_are_read() {
    assert_eq!(golden("form-1-traces").await, traced());
}
