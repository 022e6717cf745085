//! The logins that a build needs.

use std::collections::{BTreeMap, BTreeSet};

use shipway_core::{Context, Login, Result};
use shipway_oci::Reference;

/// Returns the logins for exactly the registries that these references name, by host.
pub(crate) async fn logins(
    cx: &Context,
    references: impl IntoIterator<Item = String> + Send,
) -> Result<BTreeMap<String, Login>> {
    let hosts: BTreeSet<String> = references
        .into_iter()
        .filter_map(|reference| Some(reference.parse::<Reference>().ok()?.host))
        .collect();
    let mut logins = BTreeMap::new();
    for host in hosts {
        if let Some(login) = cx.login(&host).await? {
            logins.insert(host, login);
        }
    }
    Ok(logins)
}
