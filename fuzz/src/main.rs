//! Drives one fuzz target by coverage: the one that the variable `SHIPWAY_FUZZ_TARGET` names. `cargo xtask fuzz` builds
//! and runs it; with a file as its argument it runs that input alone.

#![no_main]

#[path = "../targets/mod.rs"]
mod targets;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

static RUN: OnceLock<fn(&[u8])> = OnceLock::new();

fuzz_target!(
    init: {
        let name = std::env::var("SHIPWAY_FUZZ_TARGET").unwrap_or_default();
        let target = targets::TARGETS.iter().find(|target| target.name == name);
        let target = target.unwrap_or_else(|| panic!("there is no target `{name}`"));
        RUN.get_or_init(|| target.run);
    },
    |data: &[u8]| RUN.get().expect("chosen")(data)
);
