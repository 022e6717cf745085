//! The conformance kit, against the bed's own buildkitd.

use std::time::Duration;

use shipway_builders::Buildkit;

use crate::{
    bed::Bed,
    build::there,
    contract::{check, suite},
};

#[test]
fn the_builder_keeps_its_contract() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(bed) = runtime.block_on(Bed::up("buildkit", "the_builder_keeps_its_contract")) else { return };
    let Some(options) = there(&bed, "the_builder_keeps_its_contract") else { return };
    let suite = suite(&bed, "buildkit", move || Buildkit::new(options.clone()).unwrap());
    suite.deadline(Duration::from_secs(120)).check_all().iter().for_each(check);
    runtime.block_on(bed.down());
}
