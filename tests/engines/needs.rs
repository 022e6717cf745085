//! What the test bed says of itself in the environment.

use std::env;

use crate::skip::skip;

/// Returns the value of `SHIPWAY_BED_NAME`, or `None` where no bed is up, which is counted for the test.
pub(crate) fn bed(name: &str, test: &str) -> Option<String> {
    let variable = format!("SHIPWAY_BED_{name}");
    let value = env::var(&variable).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        skip(test, &format!("the bed ({variable})"));
    }
    value
}
