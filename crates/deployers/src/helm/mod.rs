//! Charts of helm.

#[cfg_attr(not(test), expect(dead_code, unused_imports, reason = "the deployer `helm` loads charts"))]
pub(crate) mod chart;

pub use self::chart::HelmChart;
