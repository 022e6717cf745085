//! What a plug-in says about itself, before it is asked to do anything.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    image::{Platform, StoreKind},
    value::value,
};

value! {
    /// What a plug-in can do and what it uses; constant for one plug-in, and made without IO.
    #[derive(Eq, Default)]
    pub struct Capabilities {
        ;
        /// Named resources and how many tasks may use each at once, such as `docker-daemon: 4`.
        /// The smallest number that any plug-in gives for a name counts.
        pub limits: BTreeMap<String, u32>,
        /// The kinds of stores that it reads images from.
        pub reads: BTreeSet<StoreKind>,
        /// The kinds of stores that it writes images to, the preferred one first.
        pub writes: Vec<StoreKind>,
        /// The platforms that it handles; empty for any.
        pub platforms: Vec<Platform>,
        /// Its kind and version, such as `native 0.1.0`: what another one built is not used again. A builder that says
        /// none is taken for the same for ever.
        pub version: String,
        /// What it claims beyond the least; what is not claimed answers `Unsupported`.
        pub features: BTreeSet<Feature>,
    }
}

impl Capabilities {
    /// Returns whether the feature is claimed.
    #[must_use]
    pub fn claims(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }
}

/// Something that a plug-in may claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Feature {
    /// A builder makes several platforms in one call, as one index.
    MultiPlatform,
    /// A deployer renders without talking to its target.
    OfflineRender,
    /// A deployer gives a released version a share of the traffic.
    Share,
    /// A deployer has something to do once a deployment is proved healthy.
    Settle,
    /// A deployer goes back to an earlier deployment.
    Restore,
    /// A runner runs commands inside images.
    Images,
    /// A runner mounts volumes, host folders, secrets and texts.
    Mounts,
}
