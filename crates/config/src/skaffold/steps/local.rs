//! v1beta5: what was off by default became what nobody has decided, so that before it means off.

use shipway_core::Result;
use shipway_yaml::{Node, Style};

use crate::{
    path::{each, placed, put},
    skaffold::upgrade::Upgrade,
};

/// BuildKit was used where it was asked for alone.
pub(super) fn without_buildkit(pipeline: &mut Node, _upgrade: &mut Upgrade<'_>) -> Result<()> {
    each(pipeline, &["build", "local"], &mut |local| {
        if local.entries().is_some() && local.get("useBuildkit").is_none_or(Node::is_null) {
            let off = placed(Node::scalar("false", Style::Plain), local);
            put(local, &["useBuildkit"], &off.clone(), off);
        }
        Ok(())
    })
}
