//! The line that counts a test which lacks its real part. For test targets of this package, which take this
//! file by its path.

use std::{env, fs::OpenOptions, io::Write};

/// Says that a test needs what is not there: one line, which `cargo xtask test` counts and shows.
pub(crate) fn skip(test: &str, needs: &str) {
    let line = format!("skipped: {test} needs {needs}\n");
    print!("{line}");
    if let Some(path) = env::var_os("SHIPWAY_SKIPPED") {
        // Tests append at the same time: one write each.
        OpenOptions::new().append(true).open(path).unwrap().write_all(line.as_bytes()).unwrap();
    }
}
