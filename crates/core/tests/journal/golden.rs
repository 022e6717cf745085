//! Journals that earlier releases wrote stay readable.
//!
//! The files in `golden/` must never be changed, only added to: whoever changes the form writes a file of the new
//! one beside them. What is read of an old one may only get more fields, at their defaults.

use std::{path::Path, sync::Arc};

use shipway_core::{DiskJournal, HostDisk, Journal};

use crate::samples::{entries, withheld};

#[tokio::test]
async fn the_first_form_is_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/journal/golden");
    let journal = DiskJournal::new(Arc::new(HostDisk), folder);
    let read = journal.read("form-1").await.unwrap();
    for (read, expected) in read.iter().zip(withheld(&entries())) {
        assert_eq!(*read, expected);
    }
    assert_eq!(read.len(), entries().len());
}
