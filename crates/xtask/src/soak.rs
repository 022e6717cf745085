//! The long versions of tests that the test command runs in seconds.

use crate::{Result, workspace::Workspace};

/// The test targets whose long versions count, with the variable that says how much and what it is set to.
const COUNTED: [(&str, &str, &str); 2] =
    [("simulation", "SHIPWAY_SEEDS", "100000"), ("killed", "SHIPWAY_KILLS", "1000")];

/// Runs pipelines for so many minutes, kills them and looks for what leaks; then the tests that count, with high counts.
/// Returns whether all was well.
pub(crate) fn run(workspace: &Workspace, minutes: u64) -> Result<bool> {
    let mut fine = test(workspace, "soak", "SHIPWAY_SOAK_MINUTES", &minutes.to_string())?;
    for (target, variable, count) in COUNTED {
        fine &= test(workspace, target, variable, count)?;
    }
    Ok(fine)
}

fn test(workspace: &Workspace, target: &str, variable: &str, value: &str) -> Result<bool> {
    println!("\n     Soaking {target} with {variable}={value}");
    let mut tests = workspace.cargo(&["test", "--package", "shipway", "--all-features", "--test", target]);
    tests.args(["--", "--nocapture"]).env(variable, value);
    Ok(tests.status().map_err(|error| format!("cannot start cargo: {error}"))?.success())
}
