//! The conformance kit.

use std::time::Duration;

use shipway_builders::Kaniko;
use shipway_testkit::at_once;

use crate::{
    bed::Bed,
    build::options,
    contract::{check, suite},
};

#[test]
fn the_builder_keeps_its_contract() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(bed) = runtime.block_on(Bed::up("kaniko", "the_builder_keeps_its_contract")) else { return };
    let options = options(&bed);
    let suite = suite(&bed, "kaniko", move || Kaniko::new(options.clone()).unwrap());
    // A pod takes seconds, of which most are the node's: four at a time.
    let mut groups = [const { Vec::new() }; 4];
    let trials = suite.deadline(Duration::from_secs(300)).trials();
    trials.into_iter().enumerate().for_each(|(number, trial)| groups[number % 4].push(trial));
    at_once(groups).iter().for_each(check);
    runtime.block_on(bed.down());
}
