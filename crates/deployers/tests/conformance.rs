//! The deployer `memory` against every clause for deployers.

#[path = "support/target.rs"]
mod target;

use std::process::ExitCode;

use shipway_deployers::Memory;
use target::Target;

fn main() -> ExitCode {
    shipway_testkit::deployer(Target::new, |target: &Target| Memory::new(target.cluster.clone())).main()
}
